"""A benchmark of compiled models whose mechanism is known: built, described, and used to score discovery methods.

`steps` and `draw` make random programs as Python text; `samples` draws inputs and says the answers; `truth` the circuit under the
tools' names; `build` writes them all; `loader` runs them without headwork; `score` and `metrics` hold predictions against them.
"""
