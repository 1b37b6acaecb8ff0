"""`interpret`: what a program means on a sequence, by the reference interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.language import Program
from ..compiler.language.program import require_program
from .fixed import Setting, fixed_values
from .interpreter import interpret_graph
from .outputs import read, require_capacity
from .tokens import encode, in_order

if TYPE_CHECKING:
    from .model import Model

MAX_INFERRED = 1 << 20  # larger integers are taken for names of symbols, not for an alphabet's size


@public
def interpret(
    program: Program | Graph | Model,
    tokens: Sequence[Symbol],
    *,
    length: int | None = None,
    alphabet: int | Sequence[Symbol] | None = None,
    strict: bool = True,
    set: Mapping[str, Setting] | None = None,
) -> list[Symbol | None]:
    """The program's result at every position, by definition: no codes, no weights, no optimiser; None is ⊥.

    A program is built for `length` (the sequence's own if not given) and `alphabet` (the program's own, else the
    symbols that occur). Tuples where it returns a tuple. `set` sets named values from outside, of a model those of its optimised
    program: one value for all positions, a list in which `...` leaves one as it is, or a dictionary by position; inboxes are
    then not looked at. Raises InputError for unknown symbols and for values that cannot be set so, ProgramError and DomainError
    as building does, CapacityError where an inbox overflows unless `strict` is False.
    """
    tokens = in_order(tokens)
    if hasattr(type(program), "__headwork_program__"):
        program = require_program("interpret()", program)
    if isinstance(program, Program):
        graph = program.build(max(1, len(tokens) if length is None else length), _alphabet(program, tokens, alphabet))
    else:
        found = program if isinstance(program, Graph) else getattr(program, "optimised" if set else "graph", None)
        if not isinstance(found, Graph):
            require_program("interpret()", program)
        graph = cast("Graph", found)
    ids = encode(graph.sizes, tokens)
    values = interpret_graph(graph, ids, fixed_values(graph, len(ids), set) if set else None)
    if graph.guard is not None and strict and not set:
        require_capacity(graph, ids, values[graph.guard.node])
    return read(graph, [values[output] for output in graph.outputs])


def _alphabet(program: Program, tokens: Sequence[Symbol], alphabet: int | Sequence[Symbol] | None) -> int | Sequence[Symbol] | None:
    if alphabet is not None or program.names_symbols:
        return alphabet
    if tokens and all(isinstance(t, int) and not isinstance(t, bool) and 0 <= t < MAX_INFERRED for t in tokens):
        return max(t for t in tokens if isinstance(t, int)) + 1
    try:
        return list(dict.fromkeys(tokens)) or 1
    except TypeError as error:
        raise InputError(f"a token cannot be a symbol: {error}", hint="symbols are hashable, like strings or numbers") from error
