"""A round of messages as one attention layer.

A head that matches a receiver's own position against the destinations of one slot finds one sender. Heads that order the
senders differently (`covering.py`) find all of them; the MLP drops what was found twice and orders the rest (`ordering.py`).
Heads for each slot, N = 1,024: 1 for an inbox of 1, 2 (first and last) of 2, 7 of 3, 13 of 4, and 1 that counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from ..compiler.errors import Location
from ..compiler.graph import Builder
from ..compiler.language import Hit, Selector, Value, match, maximum, minimum, where
from ..compiler.language.aggregate import added_up
from ..compiler.language.terms import Term
from ..compiler.ops import Const, Exists, Position, Table
from .covering import rows
from .ops import How
from .ordering import Message, earlier, message, ordered, pick, ranked, total, tree


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
    count says so, and the messages are some of them. Source: arXiv 2402.09268, Theorem 3.1, with fewer heads.
    """
    bits = (builder.sizes.length - 1).bit_length()
    full = (1 << bits) - 1
    inner = [mask for mask in rows(capacity - 1, bits) if mask not in (0, full)] if capacity > 2 else []
    lists: list[list[Message]] = []
    for target, row in zip(to, words, strict=True):
        payload = [Value(builder, word) for word in row]
        first = message(_hit(builder, target, full), payload)
        last = message(_hit(builder, target, 0), payload) if capacity > 1 else first
        lists.append(ordered(first, [message(_hit(builder, target, mask), payload) for mask in inner], last, capacity))
    merged = ranked(lists)
    picked = [pick(merged, k) for k in range(capacity)]
    count = combine(builder, "count", to, to, line) if counted else None
    return Delivered(tuple(s.index for s, _ in picked), tuple(tuple(w.index for w in ws) for _, ws in picked), count)


def combine(builder: Builder, how: How, to: Sequence[int], payload: Sequence[int], line: Location | None) -> int:
    """What a receiver makes of all messages of all slots, however many: one head a slot.

    ⊥ payloads count for `count` and `first` only, the message of the least sender. Of no message it is 0 for sum and count,
    False for any, else ⊥.
    """
    sent = [_sent(builder, target) for target in to]
    values = [Value(builder, p) for p in payload]
    pairs = list(zip(sent, values, strict=True))
    match how:
        case "count":  # the heads of all slots add to one cell
            one = Value(builder, builder.add(Const("int", 1), [], "one"))
            return added_up(builder, [term for s in sent for term in _counted(s)], one, line).index
        case "sum":
            sums = [added_up(builder, _counted(s), v, line) for s, v in pairs]
            return sums[0].index if len(sums) == 1 else total(builder, sums, [1] * len(sums)).index
        case "any":
            return reduce(lambda a, b: a | b, [s.any(v) for s, v in pairs]).index
        case "min" | "max":
            best = [(s.smallest(v) if how == "min" else s.largest(v)).fetch(v) for s, v in pairs]
            return tree(best, lambda a, b: (minimum if how == "min" else maximum)(a.or_else(b), b.or_else(a))).index
        case "first" if len(to) == 1:
            return sent[0].earliest().fetch(values[0]).index
        case "first":
            return tree([message(s.earliest(), [v]) for s, v in pairs], earlier).words[0].index


def oblivious(builder: Builder, pattern: Sequence[Sequence[int]], words: Sequence[Sequence[int]], line: Location | None) -> Delivered:
    """The messages of a pattern known while compiling, `pattern[i - 1][r]` being where machine i's slot r goes, 0 for nowhere.

    Head k reads every receiver's message k where a table of the position says, so there is nothing to order. The pattern's
    bipartite graph coloured by Kőnig's theorem would take as many heads as anyone sends or receives; reading may be
    repeated, so here it is as many as anyone receives.
    """
    n = builder.sizes.length
    first = [words.index(row) for row in words]  # the first slot that sends the same
    incoming: list[list[tuple[int, int]]] = [[] for _ in range(n)]
    for sender, row in enumerate(pattern, 1):
        for slot, target in enumerate(row):
            if target:
                incoming[target - 1].append((sender, first[slot]))
    senders: list[Value] = []
    texts: list[tuple[int, ...]] = []
    for k in range(max(map(len, incoming), default=0)):
        asked = [inbox[k] if k < len(inbox) else None for inbox in incoming]
        hit = match(_table(builder, [a and a[0] for a in asked], f"sender {k}"), _here(builder)).latest()
        slots = sorted({a[1] for a in asked if a})
        which = _table(builder, [a[1] if a else slots[0] for a in asked], f"slot {k}")
        text = [hit.fetch(Value(builder, word)) for word in words[slots[0]]]
        for slot in slots[1:]:
            text = [where(which == slot, hit.fetch(Value(builder, word)), old) for word, old in zip(words[slot], text, strict=True)]
        senders.append(hit.position)
        texts.append(tuple(word.index for word in text))
    there = [Value(builder, builder.add(Exists(), [s.index], "there")) for s in senders]
    return Delivered(tuple(s.index for s in senders), tuple(texts), total(builder, there, [1] * len(there)).index)


def _here(builder: Builder) -> Value:
    return Value(builder, builder.add(Position(), [], "me"))


def _sent(builder: Builder, to: int) -> Selector:
    """The senders whose destination is this position."""
    return match(_here(builder), Value(builder, to))


def _counted(selector: Selector) -> list[tuple[int, Term]]:
    return [(factor, term) for term, factor in selector.condition.count().items()]


def _hit(builder: Builder, to: int, mask: int) -> Hit:
    """The sender to this position that is greatest in the order of (t - 1) XOR mask."""
    n, sent = builder.sizes.length, _sent(builder, to)
    if mask == 0:
        return sent.latest()
    if mask == (1 << (n - 1).bit_length()) - 1:
        return sent.earliest()
    return sent.largest(_table(builder, [(t - 1) ^ mask for t in range(1, n + 1)], f"order {mask:b}"))


def _table(builder: Builder, entries: Sequence[int | None], name: str) -> Value:
    """A number for every position."""
    return Value(builder, builder.add(Table("int", (1,), (len(entries),), tuple(entries), name), [_here(builder).index], name))
