"""Values that may be set: what a check allows for so that it covers a stream in which they were, at any positions, to what they may be.

A freed node is a variable of its own, with all that it may be set to for its cases. A token that is set holds the node's exact code,
in the dimensions in which the node lives, from the block that writes it on. So there a cell is taken to be its code, and all else of
what it was is an error of its own (`ind`): what two tokens of one case had in common they do not have any more, if one of them is set.
What the embedding holds of the token or of the position is made a cell of the freed node's variable: at each of its cases the error
is the greatest that a token of that case has; where there is none, the code is set, and there is no error.

Everything after that is shown for all joint cases of variables that know nothing of each other, as it is of values that heads
bring. So by induction over the blocks every value and output is what the program says with the same values set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .state import UP, Cell, State
from .terms import NONE, Ints, Terms, Unshown


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node lives: the block that writes it, 0 for the embedding, its dimensions, and the value whose code is 1 in each."""

    node: int
    block: int
    dims: tuple[int, ...]
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Freed:
    """Nodes that may be set, each with all that it may be set to, and the places of all nodes."""

    spans: Mapping[int, Ints]
    places: Sequence[Place]

    def terms(self, terms: Terms) -> Terms:
        """The program's terms with the freed nodes as variables of their own."""
        return Terms(terms.length, terms.symbols, terms.nodes, free=self.spans)

    def released(self, plain: Terms, terms: Terms, state: State, block: int) -> State:
        """The stream after a block, in which freed nodes may be set. Raises Unshown where it holds what it has no case for.

        What is set in the embedding takes along all that the embedding holds of it, each as its exact code.
        """
        cells = list(state.cells)
        for place in self.places:
            if place.block == block == 0 or (place.block <= block and place.node in self.spans):
                for d, v in zip(place.dims, place.values, strict=True):
                    cells[d] = _released(plain, terms, cells[d], place.node, v, place.block == block)
        return State(cells, state.bos, state.off)


def _released(plain: Terms, terms: Terms, cell: Cell, node: int, value: int, first: bool) -> Cell:
    """A dimension that is 1 where a node has a value, by case of what the node now is a function of.

    In the block that writes it, at `first`, what is never computed has been set: it is exact.
    """
    now, before = terms.of(node), plain.of(node)
    code, error = (now.table == value).astype(np.float64), np.zeros(len(now.table))
    if cell.scale:
        raise Unshown(f"node {node} is held in shares")
    if cell.variable == now.variable:
        error = np.abs(cell.x - code) + cell.com + cell.ind
        if first and node in terms.computed:
            error = np.where(np.isin(now.table, terms.computed[node]), error, 0)
    elif cell.variable in (before.variable, None):  # in the embedding
        off = np.abs(cell.x - (before.table == value)) + cell.com + cell.ind
        np.maximum.at(error, _cases(plain, terms, node), np.broadcast_to(off, before.table.shape))
    else:
        raise Unshown(f"node {node} is held by another variable")
    return Cell(now.variable, code, np.zeros(len(code)), error * UP)


def _cases(plain: Terms, terms: Terms, node: int) -> Ints:
    """For each case of what a node is a function of without freedom, the case of the variable that it has now."""
    before, variable = plain.of(node), terms.of(node).variable
    if variable is None:
        return np.zeros(len(before.table), np.int64)
    if variable == before.variable:
        return np.arange(len(before.table))
    freed = plain.of(variable)
    if freed.variable not in (before.variable, None):
        raise Unshown(f"node {node} is held by another variable")
    order = np.argsort(terms.cases[variable], kind="stable")
    return order[np.searchsorted(terms.cases[variable][order], np.broadcast_to(freed.table, before.table.shape))]


def span(lo: int, hi: int, none: bool) -> Ints:
    """All that a node may be set to."""
    return np.append(np.arange(lo, hi + 1), [NONE] if none else np.array([], np.int64))
