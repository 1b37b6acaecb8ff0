"""Sparse execution: the positions that a head attends to are found, not scored; every answer is the dense one, bit for bit.

`grounds.py` says which heads a certificate has shown, `split.py` what a head compares, `table.py` the index, `engine.py` runs a text
through a model at once, `machine.py` and `session.py` token by token.
"""
