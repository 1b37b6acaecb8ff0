"""Requests written as two shuffles: the second answers the first, and both together are one lookup.

    asked = shuffle(to=address, payload=anything)                 round r:     one slot
    answers = shuffle(to=asked.senders, payload=[x] * s)          round r + 1: x back to whoever asked

before: two rounds of routed messages; after: x.at(address). The one message that comes back is the asked machine's: its
sender is the address, its words are x there. The questions still count: more than s of them are an overflow as before.
"""

from __future__ import annotations

from dataclasses import dataclass

from .ops import Deliver, Sender
from .trace import Trace


@dataclass(frozen=True, slots=True)
class Reply:
    """A shuffle that answers another: where its receiver asked, and the words that come back."""

    address: int
    words: tuple[int, ...]


def replies(trace: Trace) -> dict[int, Reply]:
    """The shuffles of a protocol that only answer an earlier shuffle of one slot, every slot with the same words."""
    nodes = trace.graph.nodes
    found: dict[int, Reply] = {}
    for i, node in enumerate(nodes):
        op = node.op
        if not isinstance(op, Deliver) or op.pattern or not op.capacity:
            continue
        targets = [nodes[t] for t in node.args[: op.slots]]
        if not all(isinstance(t.op, Sender) for t in targets):
            continue
        asked = targets[0].args[0]
        question = nodes[asked].op
        capacity = question.capacity if isinstance(question, Deliver) and not question.pattern and question.slots == 1 else 0
        ranks = {t.op.rank for t in targets if isinstance(t.op, Sender)}
        rest = node.args[op.slots :]
        words = {rest[slot * op.words : (slot + 1) * op.words] for slot in range(op.slots)}
        same = all(t.args[0] == asked for t in targets) and len(words) == 1
        if same and capacity and len(ranks) == op.slots and ranks == set(range(capacity)):
            found[i] = Reply(nodes[asked].args[0], next(iter(words)))
    return found
