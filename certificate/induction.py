"""Looped models: right after any number of rounds, by induction over the rounds. This file is trusted, as the kernel is.

It takes the kernel's rules as they are, part by part, and states how the parts compose. A state has values v_0, v_1, …, each of a
span: lo..hi, perhaps ⊥, perhaps at most position + lag. Between rounds every dimension of the stream is (a) one that the embedding
writes and no block changes, (b) the one of a value of the state, holding its scalar code, or (c) zero. Shown:

    ENTRY   for every sequence of tokens, the blocks before the loop leave (a), (b) for the start state, whose values are within their
            spans, and (c).
    ROUND   for every sequence of states, each any combination of values within the spans, the block leaves (a), (b) for what the
            program's body makes of that state, again within the spans, and (c).
    EXIT    for every sequence of states the blocks after the loop and the logits give what the program's exit makes of that state.

The stream after ENTRY is one that ROUND starts from, the stream after ROUND is one that ROUND and EXIT start from: the same dimensions,
the same codes, the same spans. So by induction over T the model of T rounds gives exit(body^T(entry(tokens))) at every position.

A state is any: the kernel's terms have one input beside the position, the token, so a state is read as a token of an alphabet of as
many symbols as there are states, and its values are the token's digits (`digits`). No table of that alphabet is ever made: that the
stream holds the digits' codes is what ROUND and EXIT assume. The token that was read is one of the state's values, the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..kernel.blocks import Fact
from ..kernel.logits import logits
from ..kernel.numbers import Rejected, rejecting
from ..kernel.stream import Form, Stream, claims
from ..kernel.terms import POSITION, TOKEN, Range, Term, Terms
from ..kernel.verify import Checkpoint, Row, blocks, embedding, equalities, program, require_tensors

MOST_STATES = 1 << 52


class Part(NamedTuple):
    """A part of a program: its nodes, of which ("given", (j,), ()) is the state's value j, and what it returns."""

    nodes: tuple[Row, ...]
    outputs: tuple[int, ...]


class LoopCheckpoint(NamedTuple):
    """What is proved of: a checkpoint of one round, whose blocks are entry, body and exit; the parts, and the state.

    `spans`, `forms` and `dims` are the values of the state, and where their scalar codes stand; `changing` are those that the body
    returns, in order. `counts` are the blocks of each part.
    """

    whole: Checkpoint
    parts: tuple[Part, Part, Part]
    spans: tuple[Range, ...]
    forms: tuple[Form, ...]
    dims: tuple[int, ...]
    changing: tuple[int, ...]
    counts: tuple[int, int, int]


@rejecting("the script is malformed")
def verify_loop(loop: LoopCheckpoint, script: Mapping[str, Any]) -> list[list[Fact]]:
    """Replay a proof script of entry, round and exit. Raises Rejected where a step does not hold; no other exception leaves it."""
    whole, places = loop.whole, dict(zip(loop.dims, range(len(loop.dims)), strict=True))
    require_tensors(whole)
    if (
        sum(loop.counts) != len(whole.blocks)
        or min(loop.counts) < 0
        or len(places) != len(loop.spans)
        or len(loop.forms) != len(loop.spans)
    ):
        raise Rejected("the parts of the loop do not belong together")
    changed = set(loop.changing)
    if len(loop.parts[0].outputs) != len(loop.spans) or not len(loop.parts[1].outputs) == len(loop.changing) == len(changed):
        raise Rejected("the parts of the loop return another number of values than the state has")
    if not changed <= set(range(len(loop.spans))):
        raise Rejected("the body returns what is no value of the state")
    proved: list[list[Fact]] = [[], [], []]
    # ENTRY
    terms = Terms(whole.length, whole.symbols)
    shown = _shown(terms, loop.parts[0], (), TOKEN, script["entry"])
    start = embedding(whole, terms, script["entry"]["embedding"])
    end = _blocks(loop, 0, start, script["entry"], proved[0])
    lasting = [d for d, cell in enumerate(end.cells) if cell is not None and d not in places]
    for d in lasting:
        if end.cells[d] != start.cells[d]:
            raise Rejected(f"before the loop: dimension {d} is left with what is neither the state's nor the embedding's")
    _left(loop, end, shown, "before the loop")
    # ROUND
    terms, values, token = any_state(loop)
    shown = _shown(terms, loop.parts[1], values, token, script["round"])
    start = assumed(loop, terms, values, token, lasting, script["round"]["embedding"], "each round")
    end = _blocks(loop, 1, start, script["round"], proved[1])
    for d, cell in enumerate(end.cells):
        if d not in places and cell != start.cells[d]:
            raise Rejected(f"each round: dimension {d} is not left as it was found")
    after = dict(enumerate(values)) | dict(zip(loop.changing, shown, strict=True))
    _left(loop, end, [after[j] for j in range(len(values))], "each round")
    # EXIT
    terms, values, token = any_state(loop)
    _shown(terms, loop.parts[2], values, token, script["exit"])
    start = assumed(loop, terms, values, token, lasting, script["exit"]["embedding"], "after the loop")
    end = _blocks(loop, 2, start, script["exit"], proved[2])
    logits(end, whole.tensors["W_U"], whole.forms, script["exit"], whole.dtype, proved[2])
    return proved


def _shown(terms: Terms, part: Part, state: Sequence[int], token: int, script: Mapping[str, Any]) -> list[int]:
    """The terms that a script shows to be what a part returns."""
    inputs: dict[tuple[Any, ...], int] = {("token",): token} | {("given", j): value for j, value in enumerate(state)}
    return equalities(terms, program(terms, part.nodes, inputs), part.outputs, script)


def any_state(loop: LoopCheckpoint) -> tuple[Terms, list[int], int]:
    """Terms whose token is any state, the terms of its values, and that of the token that was read."""
    return any_values(loop.spans, loop.whole.length, loop.whole.symbols)


def any_values(given: Sequence[Range], length: int, symbols: int) -> tuple[Terms, list[int], int]:
    """Terms whose token is any combination of values within spans and of a token: the terms of these, and that of the token."""
    spans = [*given, Range(0, symbols - 1)]
    counts = [max(0, span.hi - span.lo + 1) + span.none for span in spans]
    states = 1
    for count in counts:
        states *= max(1, count)
    if states > MOST_STATES or min(counts) < 1:
        raise Rejected(f"there are {states:,} states, more than {MOST_STATES:,}, or none")
    terms, below, found = Terms(length, states), 1, list[int]()
    for span, count in zip(spans, counts, strict=True):
        found.append(digit(terms, span, below, count, states))
        below *= count
        if terms.ranges[found[-1]] != span:
            raise Rejected(f"a value of the state that is {span} is not one that positions allow: {terms.ranges[found[-1]]}")
    return terms, found[:-1], found[-1]


def digit(terms: Terms, span: Range, below: int, count: int, states: int) -> int:
    """The value of a span that a state's number says: digit d = number // below mod count is lo + d, the first ⊥ where that is a value.

    Of a span that ends at position + lag it is the lesser of the two: so every value that is allowed at a position is some state's.
    """

    def add(op: str, fields: tuple[Any, ...], *args: int) -> int:
        return terms.ensure(Term(op, fields, args))

    if span.lo > span.hi:
        return add("const", (None,))
    value = add("divide", (below,), TOKEN)
    if below * count < states:
        value = add("affine", ((1, -count), 0), value, add("divide", (below * count,), TOKEN))
    value = add("affine", ((1,), span.lo - span.none), value)
    if span.none:
        value = add("clip", (span.lo, span.hi), value)
    else:
        value = add("extreme", (True,), value, add("const", (span.lo,)))
        value = add("extreme", (False,), value, add("const", (span.hi,)))
    if span.lag is not None:
        value = add("extreme", (False,), value, add("affine", ((1,), span.lag), POSITION))
        if span.none:
            value = add("clip", (span.lo, span.hi), value)
    return value


def assumed(
    loop: LoopCheckpoint, terms: Terms, values: Sequence[int], token: int, lasting: Sequence[int], rows: Sequence[Sequence[Any]], what: str
) -> Stream:
    """The stream before a round or the exit: the state's codes, what the embedding writes for good, compared with its tables, and zero."""
    stream = embedding(loop.whole, terms, rows, token, zeros=False)
    if {d for d, cell in enumerate(stream.cells) if cell is not None} != set(lasting):
        raise Rejected(f"{what}: nothing, or too much, is said of what the embedding writes for good")
    state = [(v, vars_of(f), 0, d) for v, f, d in zip(values, loop.forms, loop.dims, strict=True)]
    held = claims(terms, state, len(stream.cells), loop.whole.dtype)
    return Stream(terms, tuple(held.get(d, cell) for d, cell in enumerate(stream.cells)))


def vars_of(form: Form) -> tuple[Any, ...]:
    """A form's fields, as a script has them."""
    return form.kind, form.off, form.top, form.parts, form.radix


def _blocks(loop: LoopCheckpoint, part: int, stream: Stream, script: Mapping[str, Any], proved: list[Fact]) -> Stream:
    """What the blocks of a part leave, by the kernel's rules."""
    first = 1 + sum(loop.counts[:part])
    return blocks(loop.whole, range(first, first + loop.counts[part]), stream, script, proved)


def _left(loop: LoopCheckpoint, stream: Stream, wanted: Sequence[int], what: str) -> None:
    """Every value of the state stands in its dimension, as its scalar code, and is within its span."""
    terms = stream.terms
    for j, (term, span, form, dim) in enumerate(zip(wanted, loop.spans, loop.forms, loop.dims, strict=True)):
        cell, found = stream.cells[dim], terms.ranges[term]
        empty = found.lo > found.hi
        if cell is None or (cell.form, cell.dim) != (form, 0) or not terms.same(cell.term, term):
            zero = cell is None and empty  # ⊥ everywhere, whose code is zero
            if not zero:
                raise Rejected(f"{what}: dimension {dim} is not left with value {j} of the state")
        ahead = span.lag is not None and not empty and (found.lag is None or found.lag > span.lag)
        if (not empty and not span.lo <= found.lo <= found.hi <= span.hi) or (found.none and not span.none) or ahead:
            raise Rejected(f"{what}: value {j} of the state may be {found}, which is not within {span}")
