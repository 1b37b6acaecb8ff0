"""A round of messages as one attention layer.

A head that matches a receiver's own position against the senders' destinations finds one sender; heads that order the
senders differently (`covering.py`) find all of them. The receiver then drops what was found twice and orders the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import networkx as nx

from ..compiler.errors import Location
from ..compiler.graph import Builder
from ..compiler.language import Hit, Selector, Value, match, maximum, minimum, where
from ..compiler.language.aggregate import added_up
from ..compiler.ops import Affine, Const, OrElse, Position, Table
from .covering import rows


@dataclass(frozen=True, slots=True)
class Delivered:
    """An inbox as nodes: who sent message k, what its words are, and how many messages there are."""

    senders: tuple[int, ...]
    words: tuple[tuple[int, ...], ...]
    count: int | None


def route(
    builder: Builder, to: Sequence[int], words: Sequence[Sequence[int]], capacity: int, counted: bool, line: Location | None
) -> Delivered:
    """The messages of every receiver, ordered by sender, then by slot; ⊥ beyond the last.

    `to[r]` is where slot r sends, ⊥ for nowhere; `words[r]` what it sends. Where more than `capacity` messages arrive, the
    count says so, and the messages are some of them.
    """
    here = _here(builder)
    slots, n = len(to), builder.sizes.length
    found: list[tuple[Value, Value, list[Value]]] = []  # key, sender, words of each candidate
    for slot in range(slots):
        for mask in rows(max(1, capacity - 1), (n - 1).bit_length()):
            hit = _hit(builder, to[slot], mask, line)
            key = _affine(hit.position, slots, slot + 1 - slots)
            found.append((key.or_else(slots * n + 1), hit.position, [hit.fetch(Value(builder, w)) for w in words[slot]]))
    senders: list[int] = []
    texts: list[tuple[int, ...]] = []
    last: Value | None = None
    for _ in range(capacity):
        later = [key if last is None else where(key > last, key, slots * n + 1) for key, _, _ in found]
        last = reduce(minimum, later)
        nothing = Value(builder, builder.add(Const("position", None), [], "⊥"))
        sender, text = nothing, [Value(builder, builder.add(Const(w.domain.kind, None), [], "⊥")) for w in found[0][2]]
        for key, who, what in reversed(found):
            same = key == last
            sender = where(same, who, sender)
            text = [where(same, a, b) for a, b in zip(what, text, strict=True)]
        senders.append(sender.index)
        texts.append(tuple(t.index for t in text))
    count = combine(builder, "count", to, [_constant(builder, 1)] * slots, line) if counted else None
    return Delivered(tuple(senders), tuple(texts), count)


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
            return _sum(builder, [added_up(builder, [(1, t) for t in s.condition.count()], v, line) for s, v in zip(sent, values, strict=True)])
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
    count = _sum(builder, there) if there else _constant(builder, 0)
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


def _affine(x: Value, factor: int, constant: int) -> Value:
    return Value(x.builder, x.builder.add(Affine("int", (factor,), constant), [x.index], "key"))


def _sum(builder: Builder, terms: Sequence[Value]) -> int:
    if len(terms) == 1:
        return terms[0].index
    return builder.add(Affine("int", (1,) * len(terms), 0), [t.index for t in terms], "sum")


def _table(builder: Builder, entries: Sequence[int | None], name: str) -> Value:
    here = _here(builder)
    return Value(builder, builder.add(Table("int", (1,), (len(entries),), tuple(entries), name), [here.index], name))
