"""Random programs over the whole language, spelled as lists of integers so that failures shrink: those of the suite."""

from __future__ import annotations

from headwork.suite.draw import MAX_SIZE, spelled as program

__all__ = ["MAX_SIZE", "program"]
