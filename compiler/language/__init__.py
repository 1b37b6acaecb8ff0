"""The language: values with operators, match, previous, where, table; and programs that are built from them."""

from .functions import maximum, minimum, table, where
from .lookups import Hit, Match, match, previous
from .program import Program, program
from .value import Value

__all__ = ["Hit", "Match", "Program", "Value", "match", "maximum", "minimum", "previous", "program", "table", "where"]
