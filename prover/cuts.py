"""Find the proof script of a hooked model, some of whose values are set from outside. Untrusted, as `prove.py` is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ..kernel.numbers import Rejected
from ..kernel.rewrite import linear
from ..kernel.stream import Form, Stream
from ..kernel.terms import Terms
from ..kernel.verify import Checkpoint, block
from . import blocks
from .rewrites import Ledger

MOST_GUESSES = 16  # ways to say which places of a block hold what was computed there and which what was set


class Place(Protocol):
    """Where a value stands, as `certificate/cut.py` says it."""

    @property
    def node(self) -> int | str: ...
    @property
    def block(self) -> int: ...
    @property
    def form(self) -> Form: ...
    @property
    def dims(self) -> tuple[int, ...]: ...


class Known(Ledger):
    """A ledger of terms that are there already."""

    def __init__(self, terms: Terms) -> None:
        self.terms, self.added, self.steps = terms, [], []


def prove_cut(
    whole: Checkpoint,
    terms: Terms,
    computed: Sequence[int],
    seen: Sequence[int],
    places: Sequence[Place],
    origins: Mapping[str, int],
    start: Stream,
    hooked: Callable[[Stream, int, Mapping[str, Any]], Stream],
    asked: blocks.Asked,
) -> dict[str, Any]:
    """The script. Raises Rejected where none is found.

    `computed` and `seen` are terms of the nodes: as computed, from what was set before, and as their readers see them. `places` are where
    values stand, `origins` the terms of those that are no node's; `hooked` what the hooks make of the stream after a block.
    """
    ledger = Known(terms)
    said = _short(ledger, whole, computed, seen)
    script: dict[str, Any] = {"terms": ledger.added, "steps": ledger.steps, "outputs": [seen[root] for root in whole.outputs], "blocks": []}
    stream = start
    for number, masks in enumerate(whole.blocks, 1):
        w, reason = block(whole, number), None
        for claims in _guesses(ledger, whole, said, seen, computed, [p for p in places if p.block == number], origins):
            try:
                if masks:
                    after, part = blocks.attention(stream, w, masks, claims, whole.dtype, number, asked)
                else:
                    after, part = blocks.mlp(stream, w, claims, whole.dtype, number, asked)
                after = hooked(after, number, part)
            except Rejected as rejected:
                reason = reason or rejected
            else:
                script["blocks"].append(part)
                stream = after
                break
        else:
            raise reason or Rejected(f"nothing is known of block {number}")
    script["logits"] = blocks.logits(stream, whole.tensors["W_U"], script["outputs"], whole.forms)
    return script


def _guesses(
    ledger: Ledger,
    whole: Checkpoint,
    said: Sequence[int],
    seen: Sequence[int],
    computed: Sequence[int],
    places: Sequence[Place],
    origins: Mapping[str, int],
) -> list[list[blocks.Claim]]:
    """What the places of a block may be said to hold, before the hooks: a value that is set is computed there, or taken from its place."""
    options: list[list[int]] = []
    for node in (place.node for place in places):
        if isinstance(node, str):
            options.append([origins[node]])
        elif whole.nodes[node][0] == "fetch" and seen[whole.nodes[node][2][0]] != computed[whole.nodes[node][2][0]]:
            lookup, value = whole.nodes[node][2]  # read through a lookup that is set: as the head would read it
            options.append([ledger.add("fetch", (), (computed[lookup], seen[value]))])
        elif seen[node] != computed[node]:
            options.append([said[node], seen[node]])
        else:
            options.append([said[node]])
    found: list[list[int]] = [[]]
    for some in options:
        found = [[*head, one] for one in some for head in found][:MOST_GUESSES]
    return [[claim for place, term in zip(places, terms, strict=True) for claim in _claims(place, term)] for terms in found]


def _claims(place: Place, term: int) -> list[blocks.Claim]:
    f = place.form
    return [(term, (f.kind, f.off, f.top, f.parts, f.radix), part, dim) for part, dim in enumerate(place.dims)]


def _short(ledger: Ledger, whole: Checkpoint, computed: Sequence[int], seen: Sequence[int]) -> list[int]:
    """What is computed where a node stands, with what cancels in sums left out: see `cancel.py`."""
    terms, found, left = ledger.terms, list[int](), list[int]()
    for number, (op, fields, args) in enumerate(whole.nodes):
        made, now = computed[number], tuple(left[a] for a in args)
        if now != tuple(seen[a] for a in args):
            made = ledger.add(op, fields, now)
            ledger.take("congruence", computed[number], made)
        if terms.list[made].op == "affine":
            parts, constant = linear(terms, made)
            kept = {rep: c for rep, c in parts.items() if c}
            if len(kept) < len(parts) and not any(terms.ranges[rep].none for rep in parts if rep not in kept):
                some = ledger.add(*(("affine", (tuple(kept.values()), constant), tuple(kept)) if kept else ("const", (constant,), ())))
                ledger.take("sums", made, some)
                made = some
        found.append(made)
        left.append(made if seen[number] == computed[number] else seen[number])
    return found
