"""The lectures' other models beside the compiled ones: recurrent, linear and learned, each with an oracle, a cost and a bound.

One construction a file, with `build`, `oracle`, `cost`, `bound` and `run`; `catalogue` lists them. Torch and sympy come in when one runs.
"""
