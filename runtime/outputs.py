"""What a program returns, as the user sees it, and the error where a guard says that an inbox overflows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from ..compiler.domain import Domain, Sizes, Symbol
from ..compiler.errors import CapacityError, InputError
from ..compiler.graph import Graph
from .interpreter import Column, interpret_graph
from .tokens import decode_value


def read(
    graph: Graph, columns: Sequence[Column], decode: Callable[[Sizes, Domain, int | None], Symbol | None] = decode_value
) -> list[Symbol | None]:
    """Results by position from the values of the outputs: each value as it is, or tuples where the program returns a tuple."""
    shown = [
        [decode(graph.sizes, graph.nodes[output].domain, value) for value in column]
        for output, column in zip(graph.outputs, columns, strict=True)
    ]
    for i in reversed(graph.fractions):
        shown[i : i + 2] = [[_over(p, q) for p, q in zip(*shown[i : i + 2], strict=True)]]
    return shown[0] if graph.single else list(zip(*shown, strict=True))


def _over(numerator: Symbol | None, denominator: Symbol | None) -> Fraction | None:
    """The fraction of two numbers, ⊥ where one is ⊥ or the denominator is 0."""
    if not (isinstance(numerator, int) and isinstance(denominator, int) and denominator):
        return None
    return Fraction(numerator, denominator)


def require_capacity(graph: Graph, ids: Sequence[int], guard: Column) -> None:
    """Raise CapacityError for the least round, and there the least machine, that the guard's values name, if any.

    The messages are counted by interpreting the graph as written. Raises InputError where it has no such overflow.
    """
    found = [(number, machine) for machine, number in enumerate(guard, 1) if number is not None]
    if not found:
        return
    number, machine = min(found)
    values = interpret_graph(graph, ids)
    for delivery in graph.guard.deliveries if graph.guard else ():
        sent = [(t, slot) for t in range(len(ids)) for slot in delivery.to if values[slot][t] == machine]
        if delivery.number == number and len(sent) > delivery.capacity:
            raise CapacityError.overflow(number, machine, [t + 1 for t, _ in sent], delivery.capacity, delivery.line)
    fact = f"{graph.name}: the guard names round {number} and machine {machine}, whose inbox does not overflow there"
    raise InputError(fact, hint="the model or its guard is wrong: compare them by check(model)")
