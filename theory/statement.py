"""What the registry holds: statements with their source, kind and assumptions, and a formula for every quantity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .functions import Number, number, sp
from .measure import READINGS

Kind: TypeAlias = Literal["EXACT", "explicit", "conditional", "asymptotic"]
Certainty: TypeAlias = Literal["T", "D", "M"]
Direction: TypeAlias = Literal["upper", "lower", "equality"]

KINDS: dict[Kind, str] = {
    "EXACT": "the constants are stated and hold: a model meets the bound or it does not",
    "explicit": "a formula with constants that rests on more than the theorem; reported as a ratio",
    "conditional": "rests on a conjecture; reported as a ratio, the constant is unknown",
    "asymptotic": "O, Ω or Θ; reported as a ratio, the constant is unknown",
}
CERTAINTIES: dict[Certainty, str] = {
    "T": "stated in the source",
    "D": "derived for this project and verified numerically",
    "M": "recalled, to be checked before it is quoted",
}

SYMBOLS: dict[str, sp.Symbol] = {name: sp.Symbol(name, integer=True, nonnegative=True) for name in READINGS}


def sym(*names: str) -> tuple[sp.Symbol, ...]:
    """The symbols of those names."""
    return tuple(SYMBOLS[name] for name in names)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known where a statement is held against a model: the symbols' values, and how the program is written.

    `form` is "previous" for k-hop that starts by copying the previous token, "position" for k-hop whose first layer
    finds a position, None where nobody said. `library` tells a program of the library from one whose family the
    caller stated.
    """

    values: Mapping[str, int]
    form: str | None = None
    masks: frozenset[str] | None = None
    library: bool = False

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    def missing(self, *expressions: sp.Expr) -> list[str]:
        """The symbols in the expressions that have no value here."""
        return sorted({str(s) for e in expressions for s in e.free_symbols} - set(self.values))

    def value(self, expression: sp.Expr) -> Number:
        """An expression's value here: an int where it is one."""
        return number(expression.subs({SYMBOLS[name]: value for name, value in self.values.items()}))


Guard: TypeAlias = Callable[[Facts], str | None]


def nothing(_: Facts) -> str | None:
    """The guard that never objects."""
    return None


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing a statement bounds. `part` tells it from the statement's first quantity, whose part is empty.

    `aside` is a sentence and a value that follow the verdict: a consequence, or a condition only the reader can judge.
    """

    name: str
    measured: sp.Expr
    direction: Direction
    bound: sp.Expr
    kind: Kind
    part: str = ""
    aside: tuple[str, sp.Expr] | None = None

    def relation(self) -> str:
        """The bound as text: `L <= floor(log2(k)) + 2`, `m*p = O(log2(N))`."""
        if self.kind in ("EXACT", "explicit"):
            return f"{self.name} {({'upper': '<=', 'lower': '>=', 'equality': '=='})[self.direction]} {self.bound}"
        return f"{self.name} = {({'upper': 'O', 'lower': 'Ω', 'equality': 'Θ'})[self.direction]}({self.bound})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A row of the theory. `vacuous` says why it excludes nothing at these sizes, `excluded` why it does not apply.

    `families` are the kinds of programs it speaks of, `needs` the parameters its guards read; `one_layer` marks what
    is said of one attention layer only.
    """

    id: str
    statement: str
    source: str
    kind: Kind
    certainty: Certainty
    families: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    needs: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    one_layer: bool = False
    vacuous: Guard = nothing
    excluded: Guard = nothing

    def why_not(self, facts: Facts) -> str | None:
        """Why the statement does not apply here, or None."""
        if self.one_layer and facts["L"] != 1:
            return f"L = {facts['L']}: it is about one layer"
        return self.excluded(facts)
