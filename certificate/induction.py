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

from ..kernel.blocks import Fact, attention, mlp
from ..kernel.logits import logits
from ..kernel.numbers import Rejected
from ..kernel.rewrite import step
from ..kernel.stream import Form, Stream, claims
from ..kernel.terms import POSITION, TOKEN, Range, Term, Terms
from ..kernel.verify import FAULTS, Checkpoint, block, embedding, frozen, require_tensors

MOST_STATES = 1 << 52
Row = tuple[str, tuple[Any, ...], tuple[int, ...]]


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


def verify_loop(loop: LoopCheckpoint, script: Mapping[str, Any]) -> list[list[Fact]]:
    """Replay a proof script of entry, round and exit. Raises Rejected where a step does not hold; no other exception leaves it."""
    try:
        return _replay(loop, script)
    except FAULTS as fault:
        if isinstance(fault, Rejected):
            raise
        raise Rejected(f"the script is malformed: {type(fault).__name__}: {fault}") from fault


def _replay(loop: LoopCheckpoint, script: Mapping[str, Any]) -> list[list[Fact]]:
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
    shown = equalities(terms, loop.parts[0], (), TOKEN, script["entry"])
    start = embedding(whole, terms, script["entry"]["embedding"])
    end = _blocks(loop, 0, start, script["entry"], proved[0])
    lasting = [d for d, cell in enumerate(end.cells) if cell is not None and d not in places]
    for d in lasting:
        if end.cells[d] != start.cells[d]:
            raise Rejected(f"before the loop: dimension {d} is left with what is neither the state's nor the embedding's")
    _left(loop, end, shown, "before the loop")
    # ROUND
    terms, values, token = any_state(loop)
    shown = equalities(terms, loop.parts[1], values, token, script["round"])
    start = assumed(loop, terms, values, token, lasting, script["round"]["embedding"], "each round")
    end = _blocks(loop, 1, start, script["round"], proved[1])
    for d, cell in enumerate(end.cells):
        if d not in places and cell != start.cells[d]:
            raise Rejected(f"each round: dimension {d} is not left as it was found")
    after = dict(enumerate(values)) | dict(zip(loop.changing, shown, strict=True))
    _left(loop, end, [after[j] for j in range(len(values))], "each round")
    # EXIT
    terms, values, token = any_state(loop)
    shown = equalities(terms, loop.parts[2], values, token, script["exit"])
    start = assumed(loop, terms, values, token, lasting, script["exit"]["embedding"], "after the loop")
    end = _blocks(loop, 2, start, script["exit"], proved[2])
    logits(end, whole.tensors["W_U"], whole.forms, {"outputs": shown, "logits": script["exit"]["logits"]}, whole.dtype, proved[2])
    return proved


def equalities(terms: Terms, part: Part, state: Sequence[int], token: int, script: Mapping[str, Any]) -> list[int]:
    """The terms that a script shows to be what a part returns: its nodes as terms, those the script adds, and its steps."""
    program: list[int] = []
    for op, fields, args in part.nodes:
        if any(not 0 <= a < len(program) for a in args):
            raise Rejected(f"node {len(program)} of the program refers to one that is not before it")
        if op == "given":
            if not 0 <= fields[0] < len(state):
                raise Rejected(f"node {len(program)} of the program is no value of the state")
            program.append(state[fields[0]])
        elif op == "token":
            program.append(token)
        else:
            term = Term(op, fields, tuple(program[a] for a in args))
            program.append(terms.add(term) if (number := terms.known(term)) is None else number)
    for op, fields, args in script["terms"]:
        terms.add(Term(op, frozen(fields), frozen(args)))
    for rule, a, b in script["steps"]:
        step(terms, rule, a, b)
    if len(script["outputs"]) != len(part.outputs):
        raise Rejected("the script is of another number of outputs")
    for root, shown in zip(part.outputs, script["outputs"], strict=True):
        if not 0 <= root < len(program) or terms.list[program[root]].op == "lookup" or not terms.same(program[root], shown):
            raise Rejected(f"output {root} is not shown to be term {shown}")
    return list(script["outputs"])


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
        term = Term(op, fields, args)
        return terms.add(term) if (number := terms.known(term)) is None else number

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
    whole = loop.whole
    w_e, w_pos = whole.tensors["W_E"], whole.tensors["W_pos"]
    state = [(v, tuple(vars_of(f)), 0, d) for v, f, d in zip(values, loop.forms, loop.dims, strict=True)]
    held = claims(terms, state, w_e.shape[1], whole.dtype)
    fixed = claims(terms, rows, w_e.shape[1], whole.dtype)
    if set(fixed) != set(lasting):
        raise Rejected(f"{what}: nothing, or too much, is said of what the embedding writes for good")
    for d, cell in fixed.items():
        by_token = bool(w_e[:, d].any())
        source, table = (token, w_e) if by_token else (POSITION, w_pos)
        for cases in terms.cases([source], f"dimension {d}"):
            at, value = terms.values([source, cell.term], cases, f"dimension {d}")
            if (table[at + by_token, d] != cell.form.codes(value, cell.dim)).any():  # tokens count from 0, positions from 1; row 0 is BOS
                raise Rejected(f"{what}: dimension {d} is not term {cell.term} as the embedding writes it")
    return Stream(terms, tuple((held | fixed).get(d) for d in range(w_e.shape[1])))


def vars_of(form: Form) -> tuple[Any, ...]:
    """A form's fields, as a script has them."""
    return form.kind, form.off, form.top, form.parts, form.radix


def _blocks(loop: LoopCheckpoint, part: int, stream: Stream, script: Mapping[str, Any], proved: list[Fact]) -> Stream:
    """What the blocks of a part leave, by the kernel's rules."""
    first = sum(loop.counts[:part])
    if len(script["blocks"]) != loop.counts[part]:
        raise Rejected("the script is for another number of blocks")
    for number, said in enumerate(script["blocks"], first + 1):
        masks, w, dtype = loop.whole.blocks[number - 1], block(loop.whole, number), loop.whole.dtype
        stream = attention(stream, w, masks, said, dtype, number, proved) if masks else mlp(stream, w, said, dtype, number, proved)
    return stream


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
