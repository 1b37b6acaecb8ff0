"""The theory a model is held against: a registry of stated bounds, what they say at a model's sizes, and exact fits over families.

Everything here needs sympy, which takes a moment to import, and is imported when it is first used.
"""
