"""Bounds as text: `L <= floor(log2(k)) + 2` is read into expressions, by its syntax tree; nothing in it is run.

A name is a symbol (`READINGS` says which are read off a model; any other is a parameter of the family), Σ is the size of the alphabet.
Text is printed as it is read: `floor(log2(x))`, `ceil(log2(x))` and `ceil(log(x, b))` are one function each, exact on integers.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

from ..compiler.errors import InputError
from .functions import MOST_DIGITS, above, ceil_log, ceil_log2, digits, floor_log2, half, log2, number, ones, orders, sp, trees

Direction: TypeAlias = Literal["upper", "lower", "equality"]

FUNCTIONS: dict[str, Callable[..., sp.Expr]] = {
    "log2": log2,
    "log": sp.log,
    "exp": sp.exp,
    "min": sp.Min,
    "max": sp.Max,
    "Min": sp.Min,  # as it is printed, and so the next two
    "Max": sp.Max,
    "ceiling": lambda x: sp.ceiling(x, evaluate=False),
    "sqrt": sp.sqrt,
    "floor": lambda x: sp.floor(x, evaluate=False),
    "ceil": lambda x: sp.ceiling(x, evaluate=False),
    "ones": ones,
    "above": above,
    "orders": orders,
    "trees": trees,
}
EXACT: dict[str, Direction] = {"<=": "upper", ">=": "lower", "==": "equality"}
LANDAU: dict[str, Direction] = {"O": "upper", "Ω": "lower", "Θ": "equality"}
ORDER: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.LtE: lambda a, b: a <= b,
    ast.GtE: lambda a, b: a >= b,
    ast.Lt: lambda a, b: a < b,
    ast.Gt: lambda a, b: a > b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}


def symbol(name: str) -> sp.Symbol:
    """The symbol of a name; Σ stands for |Σ|."""
    return sp.Symbol("|Σ|" if name == "Σ" else name, integer=True, nonnegative=True)


@dataclass(frozen=True, slots=True)
class Relation:
    """`left REL right`; `landau` where REL is = O(…), = Ω(…) or = Θ(…)."""

    left: str
    measured: sp.Expr
    direction: Direction
    bound: sp.Expr
    landau: bool


LONGEST_CITED = 80  # characters of a formula in a message


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that is decided where its symbols have values."""

    text: str
    left: sp.Expr
    right: sp.Expr
    holds: Callable[[float, float], bool]


def relation(text: str) -> Relation:
    """A bound: a quantity, one of <= >= == or = O(…) = Ω(…) = Θ(…), and a formula. Raises InputError for anything else."""
    text = _ascii(text)
    for sign, direction in EXACT.items():
        if sign in text:
            left, _, right = text.partition(sign)
            return Relation(_shown(left), expression(left), direction, expression(right), False)
    left, equals, right = text.partition("=")
    right = right.strip()
    if equals and right[:1] in LANDAU and right[1:2] == "(" and right.endswith(")"):
        return Relation(_shown(left), expression(left), LANDAU[right[0]], expression(right[2:-1]), True)
    raise InputError(f"{_cited(text)} is not a bound", hint='for example "L <= floor(log2(k)) + 2", "m*p = O(log2(N))" or "L = Ω(log2(k))"')


def conditions(text: str) -> tuple[Condition, ...]:
    """The comparisons of formulas that a text is made of, `1 <= k <= 3` being two, or none where it is a sentence."""
    text = _ascii(text).strip()
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    if not (isinstance(node, ast.Compare) and all(type(op) in ORDER for op in node.ops)):
        return ()
    found: list[Condition] = []
    for op, (left, right) in zip(node.ops, pairwise([node.left, *node.comparators]), strict=True):
        part = text if len(node.ops) == 1 else ast.unparse(ast.Compare(left, [op], [right]))
        sides = [_calculable(_read(side, text), text) for side in (left, right)]
        found.append(Condition(_shown(part), sides[0], sides[1], ORDER[type(op)]))
    return tuple(found)


def expression(text: str) -> sp.Expr:
    """A formula. Raises InputError for what is none, and for one without a value."""
    try:
        return _calculable(_read(ast.parse(text.strip(), mode="eval").body, text), text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # what Python itself cannot read, or nests too deep
        raise InputError(f"{_cited(text)} is not a formula", hint="for example 2*ceil(log2(N + 1))") from None


def _calculable(read: sp.Expr, text: str) -> sp.Expr:
    if read.has(sp.zoo, sp.nan, sp.oo, -sp.oo):
        raise InputError(f"{_cited(text)} has no value", hint="it divides by 0, takes the logarithm of 0, or the least of nothing")
    return read


def _shown(text: str) -> str:
    return text.strip().replace("Σ", "|Σ|")


def _ascii(text: str) -> str:
    return text.replace("≤", "<=").replace("≥", ">=")


def _cited(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= LONGEST_CITED else f"{text[:LONGEST_CITED]}…")


def _read(node: ast.expr, text: str) -> sp.Expr:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return sp.Integer(value)
        case ast.Constant(value=float(value)):
            raise InputError(f"{_cited(text)} has the decimal {value}", hint="write a fraction, for example 5/2")
        case ast.Name(id=name):
            return symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_read(operand, text)
        case ast.BinOp(left=left, op=op, right=right):
            return _operation(op, _read(left, text), _read(right, text), text)
        case ast.Call(func=ast.Name(id="floor"), args=[ast.Call(func=ast.Name(id="log2"), args=[x])]):
            return floor_log2(_read(x, text))
        case ast.Call(func=ast.Name(id="ceil"), args=[ast.Call(func=ast.Name(id="log2"), args=[x])]):
            return ceil_log2(_read(x, text))
        case ast.Call(func=ast.Name(id="ceil"), args=[ast.Call(func=ast.Name(id="log"), args=[x, base])]):
            return ceil_log(_read(x, text), _read(base, text))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            numbers = [_read(x, text) for x in args]
            try:
                return FUNCTIONS[name](*numbers)
            except TypeError:
                raise InputError(
                    f"{_cited(ast.unparse(node))} gives {name} {len(args)} numbers", hint="log2 takes one, log one or two"
                ) from None
        case _:
            raise InputError(
                f"{_cited(ast.unparse(node))} in {_cited(text)} is not understood", hint=f"the functions are {', '.join(FUNCTIONS)}"
            )


def _operation(op: ast.operator, left: sp.Expr, right: sp.Expr, text: str) -> sp.Expr:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return half(left) if right == 2 and isinstance(left, sp.Add) else left / right
        case ast.Pow():
            if left.is_real and right.is_real and left.is_number and right.is_number and digits(number(left), number(right)) > MOST_DIGITS:
                fact = f"{_cited(text)} has a power of more than {MOST_DIGITS:,} digits"
                raise InputError(fact, hint="write a smaller number, or log2 of it")
            return left**right
        case _:
            raise InputError(f"{_cited(text)} has an operation that is not known", hint="they are + - * / **; floor(N/3) is a whole number")
