"""Learned models beside compiled ones: data from the library's references, fresh weights for the same architecture, and comparisons."""
