"""The fourth and fifth arrows: which layer writes what, and which dimensions of the residual stream hold it."""
