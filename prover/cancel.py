"""What cancels in a sum is left out of the terms that claims are made with: `position + (token - position)` depends on the token alone.

Untrusted: each new term is shown equal to the one whose place it takes.
"""

from __future__ import annotations

from ..compiler.graph import Graph
from ..kernel.rewrite import linear
from .rewrites import Ledger


def cancelled(ledger: Ledger, graph: Graph, numbers: list[int]) -> list[int]:
    """The terms of a graph's nodes, with those in whose place they stand; sums multiplied out where something cancels."""
    terms, found = ledger.terms, list[int]()
    for node, number in zip(graph.nodes, numbers, strict=True):
        made, args = number, tuple(found[a] for a in node.args)
        if args != tuple(numbers[a] for a in node.args):
            made = ledger.node(node.op, args)
            ledger.take("congruence", number, made)
        if terms.list[made].op == "affine" and not all(terms.list[a].op == "total" for a in args):  # a cell says which totals it adds up
            parts, constant = linear(terms, made)
            kept = {rep: c for rep, c in parts.items() if c}
            if len(kept) < len(parts) and not any(terms.ranges[rep].none for rep in parts if rep not in kept):
                short = ("affine", (tuple(kept.values()), constant), tuple(kept)) if kept else ("const", (constant,), ())
                left = ledger.add(*short)
                ledger.take("sums", made, left)
                made = left
        found.append(made)
    return found
