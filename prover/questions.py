"""What the kernel is asked, written down without names: a question that an earlier block's script answered is not asked again.

Untrusted: the kernel enumerates every block, whatever is remembered here.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from ..kernel.numbers import Scaled
from ..kernel.stream import Cell, Stream
from ..kernel.terms import LOCAL, Term, Terms

Script = dict[str, Any]


def plan(terms: Terms, wanted: Sequence[int], over: Collection[int]) -> Hashable:
    """How terms are computed from variables, with the ranges of these, step by step and nameless."""
    numbers: dict[int, int] = {}
    steps: dict[tuple[Any, ...], int] = {}
    met: dict[int, int] = {}
    needed, stack = set(wanted), list(wanted)
    while stack:
        here = stack.pop()
        if terms.find(here) not in over and terms.list[here].op in LOCAL:
            stack += (new := set(terms.list[here].args) - needed)
            needed |= new
    for here in sorted(needed):
        term, rep = terms.list[here], terms.find(here)
        if rep in over or term.op not in LOCAL | {"const"}:
            step: tuple[Any, ...] = ("axis", met.setdefault(rep, len(met)), terms.ranges[rep][:3], term.op == "position")
        else:
            step = (term.op, term.fields, terms.ranges[here][:3], tuple(numbers[a] for a in term.args))
        numbers[here] = steps.setdefault(step, len(steps))
    return tuple(steps), tuple(numbers[w] for w in wanted)


def mlp_question(stream: Stream, w_in: Scaled, w_out: Scaled, due: Mapping[int, Cell | None], way: Script, dtype: str) -> Hashable:
    """What units leave in some dimensions: the same for the same units, on cells alike, whatever terms these hold."""
    wide, rows = stream.with_sums(w_in.ints, way["sums"])
    out = w_out.ints[:, list(due)]
    units = np.flatnonzero(out.any(axis=1))
    read = [d for d, c in enumerate(wide.cells) if c is not None and (d in due or rows[d, units].any())]
    cells = [(d, c) for d in read if (c := wide.cells[d]) is not None] + [(d, c) for d, c in due.items() if c is not None]
    places = [(c.form, c.dim, list(due).index(d) if d in due else -1) for d, c in cells]
    variables = {wide.terms.find(v) for part in (way, *way["apart"]) for v in part["over"]}
    return (
        plan(wide.terms, [c.term for _, c in cells], variables),
        tuple(places),
        tuple(d if c is None else -1 for d, c in enumerate(due.values())),
        *(array.tobytes() for array in (rows[read][:, units], out[units])),
        (w_in.shift, w_out.shift, dtype, tuple(len(part["over"]) for part in (way, *way["apart"]))),
    )


def head_question(stream: Stream, term: Term, w_q: Scaled, w_k: Scaled, way: Script, mask: str, dtype: str) -> Hashable:
    """Whether a head attends as a lookup: the same for the same weights on cells alike."""
    wide, both = stream.with_sums(np.concatenate([w_q.ints, w_k.ints], axis=1), way["sums"])
    cells = wide.held(both)
    variables = {wide.terms.find(v) for g in way["groups"] for side in ("query", "key") for v in g[side]["over"]}
    groups = [(tuple(g["parts"]), *(tuple(map(wide.terms.find, g[s]["over"])) for s in ("query", "key"))) for g in way["groups"]]
    wanted = [*(c.term for _, c in cells), *term.args]
    named = plan(wide.terms, wanted + [v for g in groups for side in g[1:] for v in side], variables)
    return (
        named,
        term.fields,
        tuple((c.form, c.dim) for _, c in cells),
        tuple((g[0], *map(len, g[1:])) for g in groups),
        both[[d for d, _ in cells]].tobytes(),
        (w_q.shift, w_k.shift, mask, dtype),
    )
