"""Verdicts: a statement held against a model's sizes. Only EXACT quantities are met or not; the rest are ratios."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..compiler.errors import InputError
from .functions import Number, sp
from .statement import CERTAINTIES, Assumed, Facts, Kind, Quantity, Statement


@dataclass(frozen=True, slots=True)
class Row:
    """One bound and one verdict: meets, beats by, exceeds by, violates by, ratio, vacuous here because, not applicable because.

    `quantity` is None for a statement that states no number; `assumed` is what the statement assumes, with the values here.
    """

    id: str
    formula: str
    bound: Number | None
    measured: Number | None
    verdict: str
    quantity: Quantity | None
    statement: Statement
    assumed: tuple[Assumed, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of this bound, which may differ from its statement's."""
        return self.quantity.kind if self.quantity else self.statement.kind

    @property
    def applies(self) -> bool:
        """Whether the statement speaks of what it is held against."""
        return not self.verdict.startswith("not applicable")

    def as_dict(self) -> dict[str, object]:
        """The row as JSON-ready values; `bound` and `measured` are numbers, null where a parameter is not given."""
        return {
            "id": self.id,
            "bound": self.bound,
            "measured": self.measured,
            "verdict": self.verdict,
            "quantity": self.quantity.name if self.quantity else None,
            "formula": self.formula,
            "kind": self.kind,
            "certainty": CERTAINTIES[self.statement.certainty],
            "statement": self.statement.statement,
            "note": self.statement.note,
            "assumptions": [a.as_dict() for a in self.assumed],
            "source": self.statement.source,
            "checked": self.statement.checked or None,
        }

    def texts(self) -> tuple[str, str, str, str, str]:
        """The cells of the printed table."""
        kind = self.kind + (", recalled" if self.statement.certainty == "M" else "")
        if self.quantity is None:
            return self.id, kind, "", "", self.verdict
        joint = " = " if self.kind in ("EXACT", "explicit") else " at "
        plain = self.bound is None or not self.quantity.bound.free_symbols
        bound = self.formula if plain else f"{self.formula}{joint}{short(self.bound)}"
        measured = "" if self.measured is None else f"{self.quantity.name} = {short(self.measured)}"
        return self.id, kind, bound, measured, self.verdict


def _id(statement: Statement, quantity: Quantity) -> str:
    return f"{statement.id}.{quantity.part}" if quantity.part else statement.id


def judge(statement: Statement, quantity: Quantity, facts: Facts, belongs: bool = True) -> Row:
    """Hold one quantity against the facts."""
    conditions = [e for c in statement.conditions if not isinstance(c, str) for e in (c.left, c.right)]
    unknown = {*facts.missing(quantity.bound, quantity.measured, *conditions), *(set(statement.needs) - set(facts.values))}
    missing = sorted({"k" if name == "hops" else name for name in unknown})
    bound = None if facts.missing(quantity.bound) else _value(statement, facts, quantity.bound)
    measured = None if facts.missing(quantity.measured) else _value(statement, facts, quantity.measured)
    if not belongs:
        verdict = f"not applicable because it is about {_either(statement.families)}"
    elif missing:
        verdict = f"not applicable because {', '.join(missing)} is not given"
    elif (why := statement.reason("vacuous", facts)) is not None:
        verdict = f"vacuous here because {why}"
    elif (why := statement.why_not(facts)) is not None:
        verdict = f"not applicable because {why}"
    elif bound is None or measured is None:
        verdict = f"vacuous here because {quantity.measured if measured is None else quantity.bound} has no value at these sizes"
    else:
        verdict = _compared(quantity, bound, measured)
        if quantity.aside is not None and not facts.missing(quantity.aside[1]):
            verdict += f"; {quantity.aside[0]} {short(_value(statement, facts, quantity.aside[1])) or 'nothing at these sizes'}"
    assumed = tuple(statement.assumed(facts))
    return Row(_id(statement, quantity), quantity.relation(), bound, measured, verdict, quantity, statement, assumed)


def rows(statement: Statement, facts: Facts, belongs: bool = True) -> list[Row]:
    """Hold every quantity of a statement against the facts; a statement without one is a row without a number."""
    if statement.quantities:
        return [judge(statement, quantity, facts, belongs) for quantity in statement.quantities]
    why = statement.why_not(facts) if belongs else f"it is about {_either(statement.families)}"
    verdict = "states no number" if why is None else f"not applicable because {why}"
    return [Row(statement.id, "", None, None, verdict, None, statement, tuple(statement.assumed(facts)))]


def _value(statement: Statement, facts: Facts, expression: sp.Expr) -> Number | None:
    """A value, or None where the expression has none (a logarithm of zero, a division by zero). Names the statement in what it raises."""
    try:
        value = facts.value(expression)
    except InputError as error:
        raise InputError(f"statement {statement.id}: {error.fact}", hint=error.hint) from None
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None
    return value if abs(value) != float("inf") and value == value else None


def _compared(quantity: Quantity, bound: Number, measured: Number) -> str:
    """The verdict where the statement applies and says something."""
    if bound <= 0 and (quantity.direction == "lower" or quantity.kind != "EXACT"):
        return f"vacuous here because {_equal(quantity, bound)} <= 0"
    if quantity.kind == "EXACT":
        more = measured - bound
        if more == 0:
            return "meets"
        if more < 0:
            return f"{'beats' if quantity.direction == 'upper' else 'violates'} by {short(-more)}"
        return f"exceeds by {short(more)}"
    if quantity.direction == "lower" and bound < 1:
        return f"vacuous here because {_equal(quantity, bound)} < 1"
    ratio = short(measured / bound)
    if quantity.kind != "explicit":
        return f"ratio {ratio} (unknown constant)"
    if quantity.direction == "lower":
        return f"ratio {ratio} ({'below 1: ruled out under the assumptions' if measured < bound else 'at least 1: not ruled out'})"
    return f"ratio {ratio} ({'within what suffices' if measured <= bound else 'more than suffices'})"


def _equal(quantity: Quantity, bound: Number) -> str:
    return f"{quantity.bound} = {short(bound)}" if quantity.bound.free_symbols else short(bound)


def short(value: Number | None) -> str:
    """A number for people: integers with thousands separated, others to three digits; from 10^15 on by powers of ten."""
    if value is None:
        return ""
    if abs(value) >= 10**15:
        return f"{Decimal(value):.2e}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _either(families: tuple[str, ...]) -> str:
    first = families[0]
    return first if all(f == first or f.startswith(f"{first}-") for f in families) else " or ".join(families)
