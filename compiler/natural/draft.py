"""The stream of a natural plan while it grows: which direction is which value's, and how a value is read from there.

Every value is a function of one feature (`Code`): a function of a value costs nothing to read, it sums directions. What is
written by the embedding, the token, the position and what depends on one of them alone, gets its directions here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..codes.forms import Form
from ..errors import ExactnessError
from ..graph import Node
from ..ops import Total
from .digits import Spelled
from .gadgets import gate, rounding
from .heads import block
from .stage import BOS, ONE, Compute, Copy, Embed, Feature, Head, Lin, Origin, added

MOST = 1 << 13  # directions of one value


@dataclass(frozen=True, slots=True)
class Code:
    """A value as a function of a feature: `of` has the value for each value of the feature, and last for ⊥. A constant has no feature."""

    feature: int | None
    of: tuple[int | None, ...]

    @property
    def values(self) -> list[int]:
        """What it can be worth, in order, ⊥ left out."""
        return sorted({v for v in self.of if v is not None})

    @property
    def none(self) -> bool:
        """Whether it may be ⊥."""
        return None in self.of


class Draft:
    """The plan under construction: `codes` say of each node which function of which feature it is."""

    def __init__(self, sums: Spelled, lead: float, code: str) -> None:
        self.sums, self.lead, self.code = sums, lead, code
        self.graph = graph = sums.graph
        self.length, self.symbols = graph.sizes.length, len(graph.sizes.alphabet)
        self.width = 2
        self.features: list[Feature] = []
        self.heads: list[Head] = []
        self.values: list[tuple[int, ...]] = []  # of each feature, by dimension
        self.built: dict[tuple[object, tuple[int, ...]], int] = {}
        self._origins: dict[str, int] = {}
        self._derived: dict[Code, int] = {}
        self.averages: dict[tuple[int, tuple[tuple[int, float], ...], float], int] = {}
        self._ruler: int | None = None
        self._nothings: dict[int, int] = {}
        self.shares: dict[int, int | None] = {}
        one, bos = np.ones((self.symbols + 1, 1)), np.zeros((self.symbols + 1, 1))
        one[0], bos[0] = 0, 1
        self.features += [
            Feature("one", "one", Form("digits", 0, 1), (ONE,), Embed("token", one)),
            Feature("BOS", "one", None, (BOS,), Embed("token", bos)),
        ]
        self.values += [(1,), ()]
        self.codes: list[Code | ExactnessError | None] = []
        added_up = [graph.nodes[node.args[-1]].domain for node in graph.nodes if isinstance(node.op, Total)]
        self.largest = max((abs(end) for domain in added_up for end in (domain.lo, domain.hi)), default=1) or 1  # of what a head adds up

    def at(self, index: int) -> Code:
        """The code of a node. Raises its refusal."""
        code = self.codes[index]
        if isinstance(code, ExactnessError):
            raise code
        assert code is not None
        return code

    def identity(self, feature: int) -> Code:
        """The value that a feature holds."""
        return Code(feature, (*self.values[feature], None))

    def new(self, name: str, value: int | Origin, values: Sequence[int], line: Node | None) -> tuple[int, tuple[int, ...]]:
        """A place for a feature of a value: its number and dimensions, one for each value from the least to the greatest."""
        lo, hi = min(values), max(values)
        if hi - lo + 1 > MOST:
            fact = f"value {name} has {hi - lo + 1:,} values from {lo:,} to {hi:,}, and the natural style gives each a direction"
            raise ExactnessError(fact, line.line if line else None, f"at most {MOST:,} are allowed; the compact style has room for more")
        dims = tuple(range(self.width, self.width + hi - lo + 1))
        self.width += len(dims)
        self.values.append(tuple(range(lo, hi + 1)))
        return len(self.values) - 1, dims

    def origin(self, source: Literal["token", "position"]) -> int:
        """The feature of the token or the position."""
        if source not in self._origins:
            values = range(self.symbols) if source == "token" else range(1, self.length + 1)
            feature, dims = self.new(source, source, values, None)
            table = np.concatenate([np.zeros((1, len(dims))), np.eye(len(dims))])
            self.features.append(Feature(source, source, form(values), dims, Embed(source, table)))
            self._origins[source] = feature
        return self._origins[source]

    def ruler(self) -> Lin:
        """The position, about its middle, as an expression: coarse marks of ±1/2 at every block, and the place within the block.

        A scalar position of up to N would carry a noise of N·ε; the marks' errors are independent, and none is above a block.
        """
        size = block(self.length)
        marks = range(size, self.length, size)
        if self._ruler is None:
            at = np.arange(self.length)  # 0 for position 1
            columns = [np.where(at >= mark, 0.5, -0.5) for mark in marks] + [at % size - (size - 1) / 2]
            table = np.concatenate([np.zeros((1, len(columns))), np.stack(columns, axis=1)])
            dims = tuple(range(self.width, self.width + len(columns)))
            self.width += len(dims)
            self.values.append(())
            self.features.append(Feature("ruler", "position", None, dims, Embed("position", table)))
            self._ruler = len(self.features) - 1
        dims = self.features[self._ruler].dims
        return {**{dim: float(size) for dim in dims[:-1]}, dims[-1]: 1.0}

    def lins(self, code: Code, name: str = "", index: int | None = None) -> dict[int, Lin]:
        """For each value, in order, the expression that is 1 where it is the value, else 0."""
        if code.feature is None:
            return {v: {ONE: 1.0} for v in code.values}
        if index is not None:
            code = self._own(code, name, index)
        assert code.feature is not None
        cells = self.features[code.feature].dims
        found: dict[int, dict[int, float]] = {v: {} for v in code.values}
        for dim, value in zip(cells, code.of[:-1], strict=True):
            if value is not None:
                found[value][dim] = 1.0
        if (rest := code.of[-1]) is not None:
            if self.always(code):
                return {v: lin for v, lin in found.items() if lin}
            found[rest] = added([(found[rest], 1.0), ({ONE: 1.0}, 1.0), *(({dim: 1.0}, -1.0) for dim in cells)])
        return dict(found)

    def always(self, code: Code) -> bool:
        """Whether what a value is a function of is never ⊥ itself."""
        if code.feature is None:
            return True
        value = self.features[code.feature].value
        return value in ("token", "position") or (isinstance(value, int) and not self.graph.nodes[value].domain.none)

    def none(self, index: int, own: bool = False) -> Lin:
        """The expression that is 1 where a node is ⊥, else 0: a sum of cells, and for what may itself be ⊥ one less all of its cells.

        With `own` that has a direction, which is 0 where there is a value, whatever that is off; what a head brings has one for nothing.
        """
        code = self.at(index)
        if code.feature is None:
            return {} if code.values else {ONE: 1.0}
        feature = self.features[code.feature]
        gone = [({dim: 1.0}, 1.0) for dim, value in zip(feature.dims, code.of[:-1], strict=True) if value is None]
        if code.of[-1] is None and not self.always(code):
            if own or isinstance(feature.recipe, Copy):
                gone.append(({self._nothing(code.feature): 1.0}, 1.0))
            else:
                gone += [({ONE: 1.0}, 1.0), *(({dim: 1.0}, -1.0) for dim in feature.dims)]
        return added(gone)

    def _nothing(self, number: int) -> int:
        """The direction that is 1 where a feature is ⊥: brought by its head, BOS having it, or a gate on its cells."""
        if number not in self._nothings:
            feature, lack = self.features[number], ({ONE: 1.0}, 1.0)
            assert isinstance(feature.value, int)
            copied = isinstance(feature.recipe, Copy)
            source = added([({BOS: 1.0}, 1.0), (self.none(self.graph.nodes[feature.value].args[1]), 1.0)]) if copied else {}
            dim = self.width
            self.width += 1
            self.values.append(())
            if isinstance(feature.recipe, Copy):
                recipe, cleaner = Copy(feature.recipe.head, (source,)), rounding((dim,), silent={BOS: 2.0})  # BOS is no key of ⊥
            else:
                recipe, cleaner = Compute(tuple(gate([added([lack, *(({d: 1.0}, -1.0) for d in feature.dims)])], [(dim, 1.0)]))), ()
            self.features.append(Feature(f"{feature.name} is ⊥", feature.value, None, (dim,), recipe, cleaner, True))
            self._nothings[number] = dim
        return self._nothings[number]

    def read(self, index: int) -> dict[int, Lin]:
        """The expressions of a node's values."""
        return self.lins(self.at(index), self.graph.nodes[index].name, index)

    def _own(self, code: Code, name: str, index: int) -> Code:
        """What depends on the token or the position alone in directions of its own, written by the embedding."""
        source = next((s for s, f in self._origins.items() if f == code.feature), None)
        assert code.feature is not None
        if source is None or code.of[:-1] == self.values[code.feature] or not code.values:
            return code
        code = Code(code.feature, (*code.of[:-1], None))
        if code not in self._derived:
            feature, dims = self.new(name, index, code.values, self.graph.nodes[index])
            table = np.zeros((len(code.of), len(dims)))
            for row, value in enumerate(code.of[:-1], 1):
                if value is not None:
                    table[row, value - code.values[0]] = 1
            embed = Embed("token" if source == "token" else "position", table)
            self.features.append(Feature(name, index, form(code.values), dims, embed))
            self._derived[code] = feature
        return self.identity(self._derived[code])


def form(values: Sequence[int]) -> Form:
    """One direction for each value from the least to the greatest."""
    return Form("onehot", min(values) - 1, max(values) - min(values) + 1)
