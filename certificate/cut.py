"""Interventions: a program whose values are set from outside, and a model that is hooked alike. This file is trusted, as the kernel is.

It takes the kernel's rules as they are. Some values x_1, x_2, … of a program are set, each at some positions, to a value of its span:
lo..hi, perhaps ⊥, at most position + lag where that is known. In the program all that is computed from x_j is computed from what it
was set to. In the model a hook overwrites the places of x_j, right after the block that writes them, with the code of what it was set
to, at the positions where it was; a lookup that is set has the patterns of its heads replaced. Of the embedding, all that is computed
from what was set is overwritten alike. Shown, block by block:

    FREE    x_j is a free input: the kernel's terms have one input beside the position, the token, so a token of many more symbols is read,
            whose digits are the token and the values set (`any_values` of `induction.py`). So each statement is about every text and every
            combination of values at every position.
    BLOCK   from a stream that holds codes of terms the block makes one that does, by the kernel's rules. Where it writes a place of x_j, it
            leaves x_j as computed there, or x_j as it was set; where it writes what is read through a lookup that is set, FETCH shows that
            this is the code of the value at whatever position wins.
    HOOK    then these cells are taken to hold what was set.
    LOGITS  the right class leads, or the logit is the logarithm, of the outputs computed from what was set.

A value that is set at some positions only: let it be set, at the others, to what is computed there. That is within its span, which is
compared, and there the hook changes nothing. So the theorem is of any positions; and of any of the values, since all others may be set
to what they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..kernel.blocks import Fact
from ..kernel.logits import logits
from ..kernel.numbers import Rejected, rejecting
from ..kernel.stream import Cell, Form, Stream, claims
from ..kernel.terms import LOCAL, ONE, POSITION, Range, Term, Terms
from ..kernel.verify import Checkpoint, blocks, embedding, equalities, require_tensors
from .induction import any_values, vars_of


class Place(NamedTuple):
    """Where a value stands after a block (0 is the embedding): its form, and the dimensions of its code.

    The value is that of a node, or `token`, `position` or `one` where no node stands for these.
    """

    node: int | str
    block: int
    form: Form
    dims: tuple[int, ...]


class Cut(NamedTuple):
    """What is proved of: a checkpoint whose nodes are the program that is cut, and what is set.

    `spans` are of the nodes that are set, of lookups the positions that they may find. `places` are all places of values; `pointed` says
    for heads, as (block, head), block from 1, whose patterns are replaced, which lookup they are of.
    """

    whole: Checkpoint
    spans: Mapping[int, Range]
    places: tuple[Place, ...]
    pointed: Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class Opened:
    """A program as terms: of each node what it is without any change (-1 where the embedding cannot hold it), what is computed where it
    stands, from what was set before it, and what its readers see: what it was set to, where it is."""

    terms: Terms
    token: int
    plain: tuple[int, ...]
    computed: tuple[int, ...]
    seen: tuple[int, ...]

    def of(self, node: int | str, numbers: Sequence[int]) -> int:
        """A node's term among these, or the token's, the position's, or that of 1."""
        return {"token": self.token, "position": POSITION, "one": ONE}[node] if isinstance(node, str) else numbers[node]


def opened(cut: Cut) -> Opened:
    """Rule FREE. Rejects a value that may be computed to be what it may not be set to."""
    whole = cut.whole
    terms, values, token = any_values(tuple(cut.spans.values()), whole.length, whole.symbols)
    free = dict(zip(cut.spans, values, strict=True))
    plain, computed, seen = list[int](), list[int](), list[int]()
    for number, (op, fields, args) in enumerate(whole.nodes):
        if any(not 0 <= a < number for a in args):
            raise Rejected(f"node {number} of the program refers to one that is not before it")
        source = {"token": token, "position": POSITION}.get(op)
        local = source is not None or op == "const" or (op in LOCAL and all(plain[a] >= 0 for a in args))
        plain.append(source if source is not None else terms.ensure(Term(op, fields, tuple(plain[a] for a in args))) if local else -1)
        computed.append(source if source is not None else terms.ensure(Term(op, fields, tuple(seen[a] for a in args))))
        if number not in free:
            seen.append(computed[-1])
        elif op == "lookup":
            seen.append(terms.ensure(Term("lookup", (fields[0], "only", 1, (), 0), (free[number], POSITION))))
        else:
            seen.append(free[number])
        if number in free:
            _within(terms.ranges[computed[-1]], cut.spans[number], f"term {computed[-1]}")
    return Opened(terms, token, tuple(plain), tuple(computed), tuple(seen))


def _within(found: Range, span: Range, what: str) -> None:
    """What is computed is within the span of what may be set."""
    empty = found.lo > found.hi
    ahead = span.lag is not None and not empty and (found.lag is None or found.lag > span.lag)
    if (not empty and not span.lo <= found.lo <= found.hi <= span.hi) or (found.none and not span.none) or ahead:
        raise Rejected(f"{what} may be {found}, which is not within the values that it may be set to, {span}")


@rejecting("the script is malformed")
def verify_cut(cut: Cut, script: Mapping[str, Any]) -> list[Fact]:
    """Replay a proof script of a hooked model. Raises Rejected where a step does not hold; no other exception leaves it."""
    whole, facts = cut.whole, list[Fact]()
    require_tensors(whole)
    made = opened(cut)
    equalities(made.terms, made.seen, whole.outputs, script)

    def after(stream: Stream, number: int, said: Mapping[str, Any]) -> Stream:
        return hooked(cut, made, stream, number, said)

    stream = blocks(whole, range(1, len(whole.blocks) + 1), embedded(cut, made), script, facts, after)
    logits(stream, whole.tensors["W_U"], whole.forms, script, whole.dtype, facts)
    return facts


def embedded(cut: Cut, made: Opened) -> Stream:
    """The embedding: its tables hold the codes of what token or position determine, unchanged, and the hook those of what is seen."""
    embedding(cut.whole, made.terms, _rows(cut, made, made.plain, 0), made.token)
    for place in (p for p in cut.places if p.block == 0):
        if made.of(place.node, made.plain) != (seen := made.of(place.node, made.seen)):
            _covers(place.form, made.terms.ranges[seen], f"term {seen}")
    d_model = cut.whole.tensors["W_E"].shape[1]
    due = _cells(cut, made, 0, d_model)
    return Stream(made.terms, tuple(due.get(d) for d in range(d_model)))


def hooked(cut: Cut, made: Opened, stream: Stream, number: int, said: Mapping[str, Any]) -> Stream:
    """Rule HOOK after block `number`: what the hooks overwrite there; then every place of a value holds what its readers are to see."""
    terms, cells = made.terms, list(stream.cells)
    for at, head in enumerate(said.get("heads", ())):
        _point(cut, made, cells, (number, at), head)
    due = _cells(cut, made, number, len(cells))
    for place in (p for p in cut.places if p.block == number):
        node = place.node
        for part, d in enumerate(place.dims):
            cell = cells[d]
            if cell is None and due[d].least == due[d].most == 0:  # a code that is always zero
                continue
            if cell is None or (cell.form, cell.dim) != (place.form, part):
                raise Rejected(f"block {number} does not leave node {node} in dimension {d}")
            seen = made.of(node, made.seen)
            if isinstance(node, int) and node in cut.spans:
                _covers(place.form, terms.ranges[seen], f"term {seen}")
                if not (terms.same(cell.term, seen) or terms.same(cell.term, made.computed[node])):
                    raise Rejected(f"block {number} does not leave term {made.computed[node]} in dimension {d}")
                cells[d] = due[d]
            elif not terms.same(cell.term, seen):
                raise Rejected(f"block {number} does not leave term {seen} in dimension {d}")
    return replace(stream, cells=tuple(cells))


def _point(cut: Cut, made: Opened, cells: list[Cell | None], where: tuple[int, int], head: Mapping[str, Any]) -> None:
    """What a head writes whose pattern is replaced is read where the pattern points; no other head may be of a lookup that is set."""
    terms, node = made.terms, cut.pointed.get(where)
    if node is None:
        if head["kind"] == "lookup" and any(terms.same(head["term"], made.computed[n]) for n in cut.spans if _is_lookup(cut, n)):
            raise Rejected(f"block {where[0]}, head {where[1]} attends as a lookup that is set, and is not pointed")
        return
    if head["kind"] != "lookup" or not terms.same(head["term"], made.computed[node]):
        raise Rejected(f"block {where[0]}, head {where[1]} does not attend as term {made.computed[node]}")
    for d, _ in head["writes"]:
        cell = cells[d]
        assert cell is not None
        term = Term("fetch", (), (made.seen[node], terms.list[cell.term].args[1]))
        (cells[d],) = claims(terms, [(terms.ensure(term), vars_of(cell.form), cell.dim, 0)], 1, cut.whole.dtype).values()


def _is_lookup(cut: Cut, node: int) -> bool:
    return cut.whole.nodes[node][0] == "lookup"


def _rows(cut: Cut, made: Opened, numbers: Sequence[int], block: int) -> list[tuple[int, tuple[Any, ...], int, int]]:
    """What a block's places hold of the nodes' terms among these, as a script says it."""
    places = (place for place in cut.places if place.block == block)
    return [(made.of(p.node, numbers), vars_of(p.form), part, d) for p in places for part, d in enumerate(p.dims)]


def _cells(cut: Cut, made: Opened, block: int, d_model: int) -> dict[int, Cell]:
    """The cells of a block's places, as their readers are to see them."""
    return claims(made.terms, _rows(cut, made, made.seen, block), d_model, cut.whole.dtype)


def _covers(form: Form, span: Range, what: str) -> None:
    """A place has a code for every value that is written there: of others the hook writes none."""
    if span.lo <= span.hi and not form.off < span.lo <= span.hi <= form.off + form.top:
        raise Rejected(f"{what} has a place of which some values have no code")
