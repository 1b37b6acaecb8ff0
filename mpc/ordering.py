"""An inbox out of what heads found: messages of one slot in order, slots merged by rank, message k picked by its rank.

Hidden units for C candidates a slot, S slots, an inbox of c, w words: about S·(c - 2)·C·(10 + 2w) to order the slots,
3·c²·S·(S - 1)/2 to compare them, and S·c²·(5 + w) to pick. Of all that two messages (c = 2) need the last two only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..compiler.graph import Builder
from ..compiler.language import Hit, Value, minimum, where
from ..compiler.ops import Affine, Clip, Const

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Message:
    """A sender as an integer, N + 1 where there is no message, and what it sends."""

    sender: Value
    words: tuple[Value, ...]


def message(hit: Hit, words: Sequence[Value]) -> Message:
    """The message of a hit, or none."""
    return Message(hit.position.or_else(hit.builder.sizes.length + 1), tuple(hit.fetch(word) for word in words))


def ordered(first: Message, others: Sequence[Message], last: Message, capacity: int) -> list[Message]:
    """The different messages among these by sender, up to `capacity`: each the least beyond the one before, the last at the end."""
    row = [first]
    for _ in range(capacity - 2):
        row.append(tree([_beyond(m, row[-1]) for m in (*others, last)], earlier))
    return [*row, _beyond(last, row[-1])] if capacity > 1 else row


def _beyond(a: Message, b: Message) -> Message:
    """a where its sender is greater than b's, else none; none is greater than no sender."""
    return Message(where(a.sender > b.sender, a.sender, a.sender.builder.sizes.length + 1), a.words)


def earlier(a: Message, b: Message) -> Message:
    """The message of the lesser sender, a where there is only one."""
    return Message(minimum(a.sender, b.sender), either(a.sender <= b.sender, a, b).words)


def either(condition: Value, a: Message, b: Message) -> Message:
    """a where the condition holds, else b."""
    return Message(where(condition, a.sender, b.sender), tuple(where(condition, x, y) for x, y in zip(a.words, b.words, strict=True)))


def ranked(lists: Sequence[Sequence[Message]]) -> list[list[tuple[Value, Message]]]:
    """Every message of ordered slots with its rank: how many come before it in its own slot and, by comparison, in others.

    V messages have the ranks 0..V - 1. What is no message comes after all of its own slot and is no less than any of the
    others, so that its rank is V or more.
    """
    before: dict[tuple[int, int], list[tuple[int, Value]]] = {}
    for r, s in itertools.combinations(range(len(lists)), 2):
        for (j, a), (k, b) in itertools.product(enumerate(lists[r]), enumerate(lists[s])):
            first = a.sender <= b.sender  # of one sender the lower slot comes first
            before.setdefault((s, k), []).append((1, first))
            before.setdefault((r, j), []).append((-1, first))  # b is before a: 1 - first
    made: list[list[tuple[Value, Message]]] = []
    for r, row in enumerate(lists):
        made.append([])
        for j, m in enumerate(row):
            terms = before.get((r, j), [])
            constant = j + sum(factor < 0 for factor, _ in terms)
            made[-1].append((total(m.sender.builder, [v for _, v in terms], [f for f, _ in terms], constant), m))
    return made


def pick(lists: Sequence[Sequence[tuple[Value, Message]]], rank: int) -> tuple[Value, tuple[Value, ...]]:
    """The sender, as a position, and the words of the message with a rank; ⊥ where there is none.

    Message j of a slot has at least rank j, so later ones cannot be it.
    """
    some = [(own == rank, m) for row in lists for own, m in row[: rank + 1]]
    held, chosen = tree(some, lambda a, b: (a[0] | b[0], either(a[0], a[1], b[1])))
    builder, n = held.builder, held.builder.sizes.length
    there = held & (chosen.sender <= n)
    address = builder.add(Affine("position", (1,), 0), [chosen.sender.index], "sender")
    sender = Value(builder, builder.add(Clip(1, n), [address], "sender"))
    return where(held, sender, None), tuple(where(there, word, None) for word in chosen.words)


def tree(items: Sequence[T], join: Callable[[T, T], T]) -> T:
    """Items joined in neighbouring pairs, these in pairs, and so on: ceil(log2) of their number deep."""
    row = list(items)
    while len(row) > 1:
        joined = [join(a, b) for a, b in zip(row[::2], row[1::2], strict=False)]
        row = joined + row[2 * len(joined) :]
    return row[0]


def total(builder: Builder, terms: Sequence[Value], factors: Sequence[int], constant: int = 0) -> Value:
    """A weighted sum of numbers or truths, which count as 0 and 1."""
    if not terms:
        return Value(builder, builder.add(Const("int", constant), [], str(constant)))
    return Value(builder, builder.add(Affine("int", tuple(factors), constant), [t.index for t in terms], "rank"))
