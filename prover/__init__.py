"""Finds proof scripts, as cleverly as it likes: what it finds is a proof when the kernel accepts it, and nothing else is.

`prove.py` is its one entry; `rewrites.py` explains the optimiser's passes, `blocks.py` says what heads and MLPs are, `ways.py`
which terms to take as variables.
"""
