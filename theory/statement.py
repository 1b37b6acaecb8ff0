"""What a statement of the theory is: one small value, with its source, what it assumes, and its bounds as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

from ..compiler.errors import HeadworkError, InputError
from .functions import MOST_DIGITS, Number, digits, number, sp
from .measure import READINGS
from .text import Condition, Direction, conditions, expression, relation, symbol

Kind: TypeAlias = Literal["EXACT", "explicit", "conditional", "asymptotic"]
Certainty: TypeAlias = Literal["T", "D", "M"]

KINDS: dict[Kind, str] = {
    "EXACT": "the constants are stated and hold: a model meets the bound or it does not",
    "explicit": "a formula with constants that rests on more than the theorem; reported as a ratio",
    "conditional": "rests on a conjecture; reported as a ratio, the constant is unknown",
    "asymptotic": "O, Ω or Θ; reported as a ratio, the constant is unknown",
}
CERTAINTIES: dict[Certainty, str] = {
    "T": "stated in the source",
    "D": "derived for this project and verified numerically",
    "M": "recalled; it asserts no number",
}
SYMBOLS: dict[str, sp.Symbol] = {name: symbol(name) for name in READINGS}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known where a statement is held against a model: the symbols' values, and how the program is written.

    `form` is "previous" for k-hop that starts by copying the previous token, "position" for k-hop whose first layer
    finds a position, None where nobody said. `library` tells a program of the library from one whose family the
    caller stated. `places` is how many rows of W_pos differ, None where the weights are not known.
    """

    values: Mapping[str, int]
    form: str | None = None
    masks: frozenset[str] | None = None
    library: bool = False
    places: int | None = None

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    def missing(self, *expressions: sp.Expr) -> list[str]:
        """The symbols in the expressions that have no value here."""
        return sorted({str(s) for e in expressions for s in e.free_symbols} - set(self.values))

    def value(self, expression: sp.Expr) -> Number:
        """An expression's value here: an int where it is one. Raises InputError for a power of too many digits to be calculated."""
        here = {s: self.values[str(s)] for s in expression.free_symbols if str(s) in self.values}

        def put(e: sp.Basic) -> Number:
            return number(cast(sp.Expr, e.subs(here)))  # pyright: ignore[reportCallIssue, reportArgumentType]

        for power in sp.postorder_traversal(expression):  # an exponent's own powers come before it
            if isinstance(power, (sp.Pow, sp.exp)) and digits(*map(put, power.as_base_exp())) > MOST_DIGITS:
                fact = f"{expression} has a power of more than {MOST_DIGITS:,} digits here"
                raise InputError(fact, hint="state it of a logarithm, for example log2(L)")
        return put(expression)


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


@dataclass(frozen=True, slots=True)
class Bound:
    """A bound as text, where more is to be said than the text.

    `part` tells it from the others of its statement, `name` is what the quantity is called, `kind` where it is not the
    statement's, and `aside` a sentence and a formula that follow the verdict.
    """

    text: str
    part: str = ""
    kind: Kind | None = None
    name: str = ""
    aside: tuple[str, str] | None = None

    def quantity(self, kind: Kind) -> Quantity:
        """The bound read. Raises InputError where it is not understood, for an unknown kind, and for what should be text and is none."""
        for name, value in (("text", self.text), ("part", self.part), ("name", self.name)):
            if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputError(f"a bound has {name}={value!r}", hint="give a text")
        read = relation(self.text)
        own = self.kind or kind
        if own not in KINDS:
            raise InputError(f"the bound {self.text!r} has the kind {own!r}", hint=f"the kind is one of {', '.join(KINDS)}")
        if self.aside is not None and (isinstance(self.aside, str) or [*map(type, self.aside)] != [str, str]):
            hint = 'give a sentence and a formula: ("layers saved:", "R + 1 - L")'
            raise InputError(f"the bound {self.text!r} has aside={self.aside!r}", hint=hint)
        if read.landau and own in ("EXACT", "explicit"):
            own = "asymptotic"
        elif not read.landau and own in ("conditional", "asymptotic"):
            raise InputError(
                f"{self.text!r} states constants, and its kind is {own}", hint="write = O(…), or give kind='EXACT' or 'explicit'"
            )
        aside = None if self.aside is None else (self.aside[0], expression(self.aside[1]))
        return Quantity(self.name or read.left, read.measured, read.direction, read.bound, own, self.part, aside)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What a statement assumes, and whether it holds here: None where only the reader can judge."""

    text: str
    here: str = ""
    holds: bool | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.here})" if self.here else self.text

    def as_dict(self) -> dict[str, object]:
        """The assumption as JSON-ready values."""
        return {"text": self.text, "here": self.here, "holds": self.holds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A theorem as a row: what it says, where it is from, what it assumes, and its bounds as text.

    `bounds` are texts such as "L <= floor(log2(k)) + 2", "m*p = O(log2(N))", or `hw.Bound`s; symbols that are not read off a
    model are parameters of the family. `families` are the kinds of programs it speaks of, none: every program. `assumes` holds
    comparisons, which are checked ("Σ <= N"), and sentences, which are printed. `note` is a second sentence, `checked` says
    when the row was compared with its source and with how much of it. `vacuous` and `excluded` are functions of the facts that
    say why the statement excludes nothing, or does not apply; `needs` are parameters that they read.
    Raises InputError for a bound that is not understood, an unknown kind, and a name given twice.
    """

    id: str
    statement: str
    source: str
    bounds: str | Bound | tuple[str | Bound, ...] = ()
    kind: Kind = "EXACT"
    certainty: Certainty = "T"
    families: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    note: str = ""
    checked: str = ""
    one_layer: bool = False
    needs: tuple[str, ...] = ()
    vacuous: Guard = nothing
    excluded: Guard = nothing
    quantities: tuple[Quantity, ...] = field(init=False)
    conditions: tuple[Condition | str, ...] = field(init=False)

    def __post_init__(self) -> None:
        for name, value, known in (("kind", self.kind, KINDS), ("certainty", self.certainty, CERTAINTIES)):
            if value not in known:
                raise InputError(f"statement {self.id} has the {name} {value!r}", hint=f"the {name} is one of {', '.join(known)}")
        for name in ("id", "statement", "source", "note", "checked"):
            value = getattr(self, name)
            if not isinstance(value, str) or (name == "id" and (not value.strip() or len(value.splitlines()) > 1)):
                raise InputError(f"statement {self.id} has {name}={value!r}", hint="give a text" + " of one line" * (name == "id"))
        for name, kinds in {"bounds": (str, Bound), "families": (str,), "assumes": (str,), "needs": (str,)}.items():
            value = getattr(self, name)
            items = value if isinstance(value, (tuple, list)) else (value,)
            if not all(isinstance(item, kinds) for item in items):
                raise InputError(f"statement {self.id} has {name}={value!r}", hint=f"give {name} as text, or several in a tuple")
        given = (self.bounds,) if isinstance(self.bounds, str | Bound) else tuple(self.bounds)
        found = tuple((b if isinstance(b, Bound) else Bound(b)).quantity(self.kind) for b in given)
        named: dict[str, Quantity] = {}
        for i, quantity in enumerate(found):
            part = quantity.part or ("" if i == 0 else quantity.name.replace("*", ""))
            if part in named:
                raise InputError(
                    f"statement {self.id} has two bounds named {part or self.id!r}", hint='give one a part: hw.Bound("…", part="H")'
                )
            named[part] = replace(quantity, part=part)
        object.__setattr__(self, "quantities", tuple(named.values()))
        for name in ("families", "assumes", "needs"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        object.__setattr__(self, "assumes", (*(("L == 1",) if self.one_layer else ()), *self.assumes))
        object.__setattr__(self, "conditions", tuple(c for text in self.assumes for c in conditions(text) or (text,)))

    def parameters(self) -> frozenset[str]:
        """The symbols that a family has to give: all that are not read off a model."""
        expressions = [e for q in self.quantities for e in (q.bound, q.measured)]
        expressions += [e for c in self.conditions if isinstance(c, Condition) for e in (c.left, c.right)]
        names = {str(s) for e in expressions for s in e.free_symbols} | set(self.needs)
        return frozenset(n for n in names if n not in READINGS or READINGS[n].read is None)

    def assumed(self, facts: Facts) -> list[Assumed]:
        """Each assumption with its values here."""
        found: list[Assumed] = []
        for c in self.conditions:
            if isinstance(c, str):
                found.append(Assumed(c))
            elif missing := facts.missing(c.left, c.right):
                found.append(Assumed(c.text, f"{', '.join(missing)} is not given"))
            else:
                try:
                    left, right = facts.value(c.left), facts.value(c.right)
                except (TypeError, ValueError, OverflowError, ZeroDivisionError):
                    found.append(Assumed(c.text, "no value at these sizes"))
                    continue
                sides = [f"{side} = {_short(v)}" for side, v in ((c.left, left), (c.right, right)) if side.free_symbols]
                found.append(Assumed(c.text, ", ".join(sides), c.holds(left, right)))
        return found

    def why_not(self, facts: Facts) -> str | None:
        """Why the statement does not apply here, or None."""
        failed = next((a for a in self.assumed(facts) if a.holds is False), None)
        if failed is not None:
            return f"{failed.here}: it " + ("is about one layer" if failed.text == "L == 1" else f"assumes {failed.text}")
        return self.reason("excluded", facts)

    def reason(self, guard: Literal["vacuous", "excluded"], facts: Facts) -> str | None:
        """What a guard says here. Raises InputError where the caller's own function fails, or returns no text."""
        try:
            said = getattr(self, guard)(facts)
        except HeadworkError:
            raise
        except Exception as error:
            raise InputError(
                f"{guard} of statement {self.id} raised {type(error).__name__}: {error}", hint="name what it reads in needs="
            ) from error
        if said is not None and not isinstance(said, str):
            raise InputError(f"{guard} of statement {self.id} returned {said!r}", hint="return the reason as text, or None")
        return said


def _short(value: Number) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
