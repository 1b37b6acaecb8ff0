"""What the logits say of the stream after the last block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .blocks import Fact
from .numbers import NONE, Ints, Reals, Rejected, exact, few, product, scaled
from .stream import Form, Stream, shown
from .terms import ONE, whole

MAX_CLASSES = 1 << 24  # classes times numbers of their codes


def logits(stream: Stream, tensor: Reals, forms: Sequence[Form], script: Mapping[str, Any], dtype: str, facts: list[Fact]) -> None:
    """Rule LOGITS: the right class has the greatest logit of its output, by a margin, or the logit is exactly the form's logarithm."""
    w_u = scaled(tensor, "W_U", 0)
    most = exact(int(stream.sizes(w_u.ints).max(initial=0)), w_u.shift, dtype, "a logit")
    parts = np.split(w_u.ints, np.cumsum([form.logits for form in forms])[:-1], axis=1)
    for number, (term, form, rows, cases) in enumerate(zip(script["outputs"], forms, parts, script["logits"], strict=True), 1):
        rule = logarithm if form.kind == "log" else nearest
        lead = rule(stream, rows, term, form, w_u.shift, cases, f"output {number}")
        facts.append(Fact("logits", 0, number, term, most, lead / 2 * 2.0**-w_u.shift))


def logarithm(stream: Stream, rows: Ints, term: int, form: Form, shift: int, script: Mapping[str, Any], what: str) -> int:
    """Twice the least difference between two values' logits, every one being exactly what its form says."""
    span, weight = stream.terms.ranges[term], 1 << (form.parts + 8)

    def said(v: Ints) -> Ints:
        return form.codes(v, 0) + weight * form.codes(v, 1)

    if span.none or span.lo - form.off < 1 or span.hi - form.off > form.top:
        raise Rejected(f"{what} can take a value that has no logarithm")
    shown(stream, rows, shift, term, said, script, what, f"its logit is not the logarithm of term {term}")
    apart = np.diff(said(np.arange(form.off + 1, form.off + form.top + 1)))  # of all that a logit may be read as
    if (apart <= 0).any():
        raise Rejected(f"{what}: two values have the same logit")
    return 2 * int(apart.min(initial=weight)) << shift


def nearest(stream: Stream, rows: Ints, term: int, form: Form, _: int, script: Mapping[str, Any], what: str) -> int:
    """Twice the least lead of the right class's logit. Class 0 is ⊥, class z the value z + off.

    The script has weights with which the stream gives f·c(v), c being the codes of classes, and logits are f·c(v)·c(z) - f·|c(z)|²/2,
    by these and a dimension that holds 1: their lead is f·|c(v) - c(z)|²/2, at least f/2.
    """
    weights, f, one = np.array(script["code"], np.int64), script["factor"], stream.cells[script["one"]]
    few(form.width * rows.shape[1], MAX_CLASSES, 2, f"{what} has {rows.shape[1]:,} classes with codes of {form.width:,} numbers")
    values = np.append(NONE, np.arange(1, form.top + 1) + form.off)
    codes = np.stack([form.codes(values, dim) for dim in range(form.width)], axis=1)  # (classes, width)
    squares = product(codes * codes, np.ones((form.width, 1)), what)[:, 0] if np.abs(codes).max() < 2**25 else None
    if not whole(f) or f <= 0 or one is None or (one.term, one.least, one.most) != (ONE, 1, 1) or squares is None:
        raise Rejected(f"{what}: its classes are not told apart by their codes")
    beside = 2 * (rows - product(weights, codes.T, what))
    few(f * int(squares.max()), 1 << 60, 2, f"{what} weighs its codes by {f}")
    beside[script["one"]] += f * squares
    if beside[stream.live()].any() or len(np.unique(codes, axis=0)) < len(codes):
        raise Rejected(f"{what}: its classes are not told apart by their codes")

    def wanted(v: Ints) -> Ints:
        if ((v != NONE) & ((v - form.off < 1) | (v - form.off > form.top))).any():
            raise Rejected(f"{what} can take a value that has no class")
        return f * np.stack([form.codes(v, dim) for dim in range(form.width)])

    shown(stream, weights, 0, term, wanted, script, what, "the stream does not say its code")
    return f
