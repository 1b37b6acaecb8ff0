"""The primitives, one idea a file; `OPS` lists them by name for reading graphs back from files."""

from .arithmetic import Affine, Clip, Exists, Extreme
from .attend import Fetch, Lookup, Mask, Pick
from .base import Gadgets, Local, Op, Operand, Source
from .choice import OrElse, Where
from .compare import AtLeast, Equal
from .sources import Const, Position, Token
from .table import Table

OPS: dict[str, type[Op]] = {
    op.name: op for op in (Token, Position, Const, Lookup, Fetch, Affine, Extreme, Exists, Clip, AtLeast, Equal, Where, OrElse, Table)
}

__all__ = [
    "OPS",
    "Affine",
    "AtLeast",
    "Clip",
    "Const",
    "Equal",
    "Exists",
    "Extreme",
    "Fetch",
    "Gadgets",
    "Local",
    "Lookup",
    "Mask",
    "Op",
    "Operand",
    "OrElse",
    "Pick",
    "Position",
    "Source",
    "Table",
    "Token",
    "Where",
]
