"""A round of messages as one attention layer.

A head that matches a receiver's own position against the senders' destinations finds one sender; heads that order the
senders differently (`covering.py`) find all of them. The receiver then drops what was found twice and orders the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, TypeVar

from ..compiler.errors import Location
from ..compiler.graph import Builder
from ..compiler.language import Hit, Selector, Value, match, maximum, minimum, where
from ..compiler.language.aggregate import added_up
from ..compiler.ops import Affine, Clip, Const, Position, Table
from .covering import rows


@dataclass(frozen=True, slots=True)
class Delivered:
    """An inbox as nodes: who sent message k, what its words are, and how many messages there are."""

    senders: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]
    count: int | None


@dataclass(frozen=True, slots=True)
class _Message:
    """A sender as an integer, N + 1 for no message, and what it sends."""

    sender: Value
    words: tuple[Value, ...]


def route(
    builder: Builder, to: Sequence[int], words: Sequence[Sequence[int]], capacity: int, counted: bool, line: Location | None
) -> Delivered:
    """The messages of every receiver, ordered by sender, then by slot; ⊥ beyond the last.

    `to[r]` is where slot r sends, ⊥ for nowhere; `words[r]` what it sends. Where more than `capacity` messages arrive, the
    count says so, and the messages are some of them.
    """
    lists = [_of_slot(builder, target, row, capacity, line) for target, row in zip(to, words, strict=True)]
    ranked = _ranked(lists)
    senders: list[int] = []
    texts: list[tuple[int, ...]] = []
    for k in range(capacity):
        # Message k is the one of rank k; entry j of a slot has at least rank j.
        some = [(rank == k, message) for row in ranked for rank, message in row[: k + 1]]
        held, chosen = _tree(some, lambda a, b: (a[0] | b[0], _either(a[0], a[1], b[1])))
        there = held & (chosen.sender <= builder.sizes.length)
        sender = builder.add(Affine("position", (1,), 0), [chosen.sender.index], "sender", line)
        senders.append(where(there, Value(builder, builder.add(Clip(1, builder.sizes.length), [sender], "sender", line)), None).index)
        texts.append(tuple(where(there, word, None).index for word in chosen.words))
    count = combine(builder, "count", to, [_constant(builder, 1)] * len(to), line) if counted else None
    return Delivered(tuple(senders), tuple(texts), count)


def _of_slot(builder: Builder, to: int, words: Sequence[int], capacity: int, line: Location | None) -> list[_Message]:
    """The messages of one slot by sender: the first, then what is least beyond the one before, and at the end the last."""
    bits = (builder.sizes.length - 1).bit_length()
    full = (1 << bits) - 1
    inner = [mask for mask in rows(capacity - 1, bits) if mask not in (0, full)] if capacity > 2 else []
    none = builder.sizes.length + 1

    def found(mask: int) -> _Message:
        hit = _hit(builder, to, mask, line)
        return _Message(hit.position.or_else(none), tuple(hit.fetch(Value(builder, word)) for word in words))

    def beyond(message: _Message, other: _Message) -> _Message:
        return _Message(where(message.sender > other.sender, message.sender, none), message.words)

    def least(a: _Message, b: _Message) -> _Message:
        return _Message(minimum(a.sender, b.sender), _either(a.sender <= b.sender, a, b).words)

    ordered = [found(full)]
    if capacity > 1:
        last = found(0)
        others = [*(found(mask) for mask in inner), last]
        for _ in range(capacity - 2):
            ordered.append(_tree([beyond(other, ordered[-1]) for other in others], least))
        ordered.append(beyond(last, ordered[-1]))
    return ordered


def _ranked(lists: list[list[_Message]]) -> list[list[tuple[Value, _Message]]]:
    """Every message with how many come before it: those before it in its slot, and those of other slots by comparison.

    Messages have different ranks below their number; what is no message ranks behind them.
    """
    ranks: dict[tuple[int, int], list[tuple[int, Value]]] = {}
    for r, s in itertools.combinations(range(len(lists)), 2):
        for j, a in enumerate(lists[r]):
            for k, b in enumerate(lists[s]):
                first = a.sender <= b.sender  # of one sender the lower slot comes first
                ranks.setdefault((s, k), []).append((1, first))
                ranks.setdefault((r, j), []).append((-1, first))
    made: list[list[tuple[Value, _Message]]] = []
    for r, row in enumerate(lists):
        made.append([])
        for j, message in enumerate(row):
            terms = ranks.get((r, j), [])
            start = j + sum(factor < 0 for factor, _ in terms)
            made[-1].append((_sum(message.sender.builder, [v for _, v in terms], [f for f, _ in terms], start), message))
    return made


def _either(condition: Value, a: _Message, b: _Message) -> _Message:
    """a where the condition holds, else b."""
    return _Message(where(condition, a.sender, b.sender), tuple(where(condition, x, y) for x, y in zip(a.words, b.words, strict=True)))


T = TypeVar("T")


def _tree(items: Sequence[T], join: Callable[[T, T], T]) -> T:
    """Items joined in pairs, pairs in pairs, and so on."""
    row = list(items)
    while len(row) > 1:
        joined = [join(a, b) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = joined + row[2 * len(joined) :]
    return row[0]


def combine(
    builder: Builder,
    how: Literal["sum", "min", "max", "any", "first", "count"],
    to: Sequence[int],
    payload: Sequence[int],
    line: Location | None,
) -> int:
    """What a receiver makes of all messages of all slots: one head a slot.

    ⊥ payloads count for `count` and `first` only, the message of the least sender. Of no message it is 0 for sum and count,
    False for any, else ⊥.
    """
    sent = [_sent(builder, target) for target in to]
    values = [Value(builder, p) for p in payload]
    match how:
        case "count":
            one = Value(builder, _constant(builder, 1))
            return added_up(builder, [(1, term) for s in sent for term in s.condition.count()], one, line).index
        case "sum":
            return _sum(
                builder, [added_up(builder, [(1, t) for t in s.condition.count()], v, line) for s, v in zip(sent, values, strict=True)]
            ).index
        case "any":
            return reduce(lambda a, b: a | b, (s.any(v) for s, v in zip(sent, values, strict=True))).index
        case "min" | "max":
            best = [(s.smallest(v) if how == "min" else s.largest(v)).fetch(v) for s, v in zip(sent, values, strict=True)]
            return reduce(lambda a, b: (minimum if how == "min" else maximum)(a.or_else(b), b.or_else(a)), best).index
        case "first":
            hits = [s.earliest() for s in sent]
            sender, value = hits[0].position, hits[0].fetch(values[0])
            for hit, v in zip(hits[1:], values[1:], strict=True):
                earlier = (hit.position < sender.or_else(builder.sizes.length + 1)).or_else(False)
                sender, value = where(earlier, hit.position, sender), where(earlier, hit.fetch(v), value)
            return value.index


def oblivious(builder: Builder, pattern: Sequence[Sequence[int]], words: Sequence[Sequence[int]], line: Location | None) -> Delivered:
    """The messages of a pattern known while compiling, `pattern[i - 1][r]` being where machine i's slot r goes, 0 for nowhere."""
    incoming: list[list[tuple[int, int]]] = [[] for _ in pattern]
    for sender, row in enumerate(pattern, 1):
        for slot, target in enumerate(row):
            if target:
                incoming[target - 1].append((sender, slot))
    capacity = max(map(len, incoming), default=0)
    senders: list[int] = []
    texts: list[tuple[int, ...]] = []
    there: list[Value] = []
    for k in range(capacity):
        asked = [sorted(inbox)[k] if k < len(inbox) else None for inbox in incoming]
        who = _table(builder, [None if a is None else a[0] for a in asked], f"sender {k}")
        hit = match(who, _here(builder)).latest()
        slot = Value(builder, _table(builder, [None if a is None else a[1] for a in asked], f"slot {k}").index)
        text: list[int] = []
        for word in range(len(words[0])):
            fetched = [hit.fetch(Value(builder, row[word])) for row in words]
            value = fetched[-1]
            for r in reversed(range(len(fetched) - 1)):
                value = where((slot == r).or_else(False), fetched[r], value)
            text.append(value.index)
        senders.append(hit.position.index)
        texts.append(tuple(text))
        there.append(where(hit.position.exists, Value(builder, _constant(builder, 1)), 0))
    count = _sum(builder, there).index
    return Delivered(tuple(senders), tuple(texts), count)


def _here(builder: Builder) -> Value:
    return Value(builder, builder.add(Position(), [], "me"))


def _constant(builder: Builder, value: int) -> int:
    return builder.add(Const("int", value), [], str(value))


def _sent(builder: Builder, to: int) -> Selector:
    """The senders whose destination is this position."""
    return match(_here(builder), Value(builder, to))


def _hit(builder: Builder, to: int, mask: int, line: Location | None) -> Hit:
    """The sender to this position that is first in the order of (t - 1) XOR mask."""
    n = builder.sizes.length
    sent = _sent(builder, to)
    if mask == 0:
        return sent.latest()
    if mask == (1 << (n - 1).bit_length()) - 1:
        return sent.earliest()
    return sent.largest(_table(builder, [(t - 1) ^ mask for t in range(1, n + 1)], f"order {mask:b}"))


def _sum(builder: Builder, terms: Sequence[Value], factors: Sequence[int] = (), constant: int = 0) -> Value:
    """A sum of numbers or truths; one number is itself."""
    if len(terms) == 1 and not factors and not constant:
        return terms[0]
    if not terms:
        return Value(builder, _constant(builder, constant))
    op = Affine("int", tuple(factors) or (1,) * len(terms), constant)
    return Value(builder, builder.add(op, [t.index for t in terms], "sum"))


def _table(builder: Builder, entries: Sequence[int | None], name: str) -> Value:
    here = _here(builder)
    return Value(builder, builder.add(Table("int", (1,), (len(entries),), tuple(entries), name), [here.index], name))
