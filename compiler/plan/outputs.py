"""What the unembedding reads: an output in the narrowest form whose logits are exact, or its logarithm."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..codes.forms import Form, scalar
from ..codes.linear import Cell, Lin, Unit
from ..codes.numerics import Dtype, Exactness
from ..errors import ExactnessError
from ..graph import Graph
from .heads import log_form, output_forms
from .stage import Compute, Origin, Output, Recipe, label
from .stairs import staircase


class UnderWay(Protocol):
    """A plan under construction, as far as its outputs need it."""

    @property
    def graph(self) -> Graph: ...
    @property
    def dtype(self) -> Dtype: ...
    def read(self, index: int, form: Form) -> tuple[Lin, ...]: ...
    def interval(self, cell: Cell) -> tuple[int, int]: ...
    def add(self, value: int | Origin, form: Form, recipe: Recipe, name: str) -> tuple[Lin, ...]: ...


def output(plan: UnderWay, root: int) -> Output:
    """An output's form, the narrowest whose logits are exact, and its cells; digits that one staircase gives go before those in stages."""
    node = plan.graph.nodes[root]
    refused: ExactnessError | None = None
    for form in sorted(output_forms(node.domain), key=lambda form: form.parts > 1 and staircase(form.top, form.base) > plan.dtype.limit):
        # logit of class z: Σ 2·digit·code - |code|²·one, integers; the right class wins by at least 1.
        squares = sum(hi * hi for _, hi in form.intervals())
        exact = Exactness(f"the output {node.name} as {form}", "Σ 3·digit²", 3 * squares)
        try:
            exact.require(plan.dtype.unembedding)
            return Output(form, _digits_alone(plan, root, form, plan.read(root, form)))
        except ExactnessError as error:
            refused = refused or error
    assert refused is not None
    plan.read(root, scalar(node.domain))  # if that is refused, that is the reason; else the simplest form's inequality says most
    raise ExactnessError(refused.fact, node.line, refused.hint)


def logarithm(plan: UnderWay, root: int, bits: int) -> Output:
    """An output's logarithm: a count's own logit, 256 nats above that of 0."""
    node, form = plan.graph.nodes[root], log_form(plan.graph.nodes[root].domain, bits)
    what = f"the logarithm of {node.name} to {bits} bits"
    if node.domain.kind != "int" or node.domain.none or node.domain.lo < 0:
        raise ExactnessError(f"{node.name} is {node.domain}, which has no logarithm", node.line, "return integers of at least 0")
    logits = form.logits()
    if not (np.diff(logits) > 0).all():
        least = int(np.argmin(np.diff(logits))) + 1 + form.off
        raise ExactnessError(f"{what} is the same for {least:,} and {least + 1:,}", node.line, "take more bits, or a shorter length")
    Exactness(what, "2^k·(ln max + 256)", int(logits[-1])).require(plan.dtype.unembedding)
    return Output(form, plan.read(root, form))


def _digits_alone(plan: UnderWay, root: int, form: Form, digits: tuple[Lin, ...]) -> tuple[Lin, ...]:
    """An output's digits; each in a cell of its own where logits on the cells they are sums of would not be exact.

    A digit d = Σ k·cell is multiplied by up to 2·max d: Σ 2·max d·|k|·max|cell| and the squares must fit the mantissa.
    """
    tops = [hi for _, hi in form.intervals()]
    steps = sum(2 * hi * lin.size(plan.interval) + hi * hi for hi, lin in zip(tops, digits, strict=True))
    if steps <= plan.dtype.unembedding.limit:
        return digits
    units = tuple(Unit(lin, tuple(int(d == e) for e in range(len(digits)))) for d, lin in enumerate(digits))
    return plan.add(root, form, Compute(units), label(plan.graph.nodes[root].name, form))
