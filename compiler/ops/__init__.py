"""The primitives, one idea a file; `OPS` lists them by name for reading graphs back from files."""

from .arithmetic import Affine, Clip, Exists, Extreme
from .attend import Fetch, Lookup, Mask, Pick, Relation, related, relation_of
from .base import Gadgets, Local, Op, Operand, Source
from .choice import OrElse, Where
from .compare import AtLeast, Equal
from .divide import Divide
from .given import Given
from .sources import Const, Position, Token
from .table import Table
from .total import Total

OPS: dict[str, type[Op]] = {
    op.name: op
    for op in (
        *(Token, Position, Const, Given, Lookup, Fetch, Total),
        *(Affine, Extreme, Exists, Clip, Divide, AtLeast, Equal, Where, OrElse, Table),
    )
}

__all__ = [
    "OPS",
    "Affine",
    "AtLeast",
    "Clip",
    "Const",
    "Divide",
    "Equal",
    "Exists",
    "Extreme",
    "Fetch",
    "Gadgets",
    "Given",
    "Local",
    "Lookup",
    "Mask",
    "Op",
    "Operand",
    "OrElse",
    "Pick",
    "Position",
    "Relation",
    "Source",
    "Table",
    "Token",
    "Total",
    "Where",
    "related",
    "relation_of",
]
