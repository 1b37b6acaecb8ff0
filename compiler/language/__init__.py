"""The language: values with operators, selectors, previous, where, table; and programs that are built from them."""

from .aggregate import Mean
from .functions import maximum, minimum, table, where
from .lookups import Hit, previous
from .loop import loop, unrolled
from .program import Program, program
from .scan import scan
from .select import match, select, visible
from .selector import Selector
from .value import Value

__all__ = [
    "Hit",
    "Mean",
    "Program",
    "Selector",
    "Value",
    "loop",
    "match",
    "maximum",
    "minimum",
    "previous",
    "program",
    "scan",
    "select",
    "table",
    "unrolled",
    "visible",
    "where",
]
