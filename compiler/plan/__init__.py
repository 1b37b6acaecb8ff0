"""The third arrow, from an optimised graph to a plan: which head or unit makes each value, in the code that its reader needs."""
