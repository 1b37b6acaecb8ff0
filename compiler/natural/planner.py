"""The pass from an optimised graph to a natural plan.

Every value is a function of one feature (`Code`): a function of a value costs nothing to read, it sums directions. Only what depends
on several features is computed, by gates and staircases, and gets directions of its own. What depends on the token or the position
alone is written by the embedding, in its own directions too.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..codes.forms import Form, offset
from ..domain import Domain
from ..errors import ExactnessError, InputError
from ..graph import Graph, Node
from ..ops import Affine, Const, Equal, Extreme, Fetch, Local, Lookup, OrElse, Position, Relation, Token, Total, Where, related, relation_of
from .gadgets import gate, gentle, levels, rounding, share_rounding, sum_rounding
from .heads import apart, block, coarse, near, resting, scale, sharpness, short, slope, split
from .stage import BOS, ONE, Compute, Copy, Embed, Feature, Head, Lin, Origin, Output, Plan, Unit, added

MOST = 1 << 13  # directions of one value
GATES = 1 << 15  # of one value
CODES = ("auto", "onehot", "binary")


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


def plan(graph: Graph, lead: float | None, code: str = "auto") -> Plan:
    """Choose features and heads. `lead` is the sharpness in nats, None for what the inequality of `heads.py` gives.

    Raises ExactnessError where a value has too many directions, naming it; InputError for an unknown code or sharpness.
    """
    if code not in CODES:
        raise InputError(f"code {code!r} is none of the natural style", hint=f"use one of {', '.join(CODES)}")
    if lead is not None and not (isinstance(lead, (int, float)) and 0 < lead <= 1024):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"the sharpness is {lead!r}", hint="give the lead of a winner in nats, such as 14")
    default = sharpness(graph.sizes.length)
    return _Planner(graph, default if lead is None else float(lead), code).finish()


class _Planner:
    """The plan under construction: `codes` say of each node which function of which feature it is."""

    def __init__(self, graph: Graph, lead: float, code: str) -> None:
        self.graph, self.lead, self.code = graph, lead, code
        self.length, self.symbols = graph.sizes.length, len(graph.sizes.alphabet)
        self.width = 2
        self.features: list[Feature] = []
        self.heads: list[Head] = []
        self.values: list[tuple[int, ...]] = []  # of each feature, by dimension
        self._heads: dict[tuple[object, tuple[int, ...]], int] = {}
        self._origins: dict[str, int] = {}
        self._derived: dict[Code, int] = {}
        self._shares: dict[tuple[int, tuple[tuple[int, float], ...]], int] = {}
        self._ruler: int | None = None
        self.shares: dict[int, int | None] = {}
        one, bos = np.ones((self.symbols + 1, 1)), np.zeros((self.symbols + 1, 1))
        one[0], bos[0] = 0, 1
        self.features += [
            Feature("one", "one", Form("digits", 0, 1), (ONE,), Embed("token", one)),
            Feature("BOS", "one", None, (BOS,), Embed("token", bos)),
        ]
        self.values += [(1,), ()]
        self.codes: list[Code | ExactnessError | None] = []
        for index, node in enumerate(graph.nodes):
            try:
                self.codes.append(None if isinstance(node.op, Lookup) else self._coded(index, node))
            except ExactnessError as error:
                self.codes.append(ExactnessError(error.fact, error.line or node.line, error.hint))

    def finish(self) -> Plan:
        """The plan of what the outputs need."""
        outputs = tuple(self._output(root) for root in self.graph.roots)
        return _pruned(Plan(self.graph, self.lead, self.width, tuple(self.features), tuple(self.heads), outputs, self.shares))

    # --- codes ------------------------------------------------------------------------------------------

    def at(self, index: int) -> Code:
        """The code of a node. Raises its refusal."""
        code = self.codes[index]
        if isinstance(code, ExactnessError):
            raise code
        assert code is not None
        return code

    def _coded(self, index: int, node: Node) -> Code:
        match node.op:
            case Token():
                return self._identity(self._origin("token"))
            case Position():
                return self._identity(self._origin("position"))
            case Const(value=value):
                return Code(None, (value,))
            case Fetch():
                return self._fetched(index, node)
            case Total():
                return self._total(index, node)
            case Local() as op:
                return self._local(index, node, op)
            case _:
                raise AssertionError(f"no natural form of {node.op}")

    def _identity(self, feature: int) -> Code:
        return Code(feature, (*self.values[feature], None))

    def _new(self, name: str, value: int | Origin, values: Sequence[int], line: Node | None) -> tuple[int, tuple[int, ...]]:
        """A place for a feature of a value: its number and dimensions, one for each value from the least to the greatest."""
        lo, hi = min(values), max(values)
        if hi - lo + 1 > MOST:
            fact = f"value {name} has {hi - lo + 1:,} values from {lo:,} to {hi:,}, and the natural style gives each a direction"
            raise ExactnessError(fact, line.line if line else None, f"at most {MOST:,} are allowed; the compact style has room for more")
        dims = tuple(range(self.width, self.width + hi - lo + 1))
        self.width += len(dims)
        self.values.append(tuple(range(lo, hi + 1)))
        return len(self.values) - 1, dims

    def _origin(self, source: Literal["token", "position"]) -> int:
        if source not in self._origins:
            values = range(self.symbols) if source == "token" else range(1, self.length + 1)
            feature, dims = self._new(source, source, values, None)
            table = np.concatenate([np.zeros((1, len(dims))), np.eye(len(dims))])
            self.features.append(Feature(source, source, _form(values), dims, Embed(source, table)))
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
            value = self.features[code.feature].value
            if value in ("token", "position") or (isinstance(value, int) and not self.graph.nodes[value].domain.none):
                return {v: lin for v, lin in found.items() if lin}  # never ⊥
            found[rest] = added([(found[rest], 1.0), ({ONE: 1.0}, 1.0), *(({dim: 1.0}, -1.0) for dim in cells)])
        return dict(found)

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
            feature, dims = self._new(name, index, code.values, self.graph.nodes[index])
            table = np.zeros((len(code.of), len(dims)))
            for row, value in enumerate(code.of[:-1], 1):
                if value is not None:
                    table[row, value - code.values[0]] = 1
            embed = Embed("token" if source == "token" else "position", table)
            self.features.append(Feature(name, index, _form(code.values), dims, embed))
            self._derived[code] = feature
        return self._identity(self._derived[code])

    # --- what is computed -------------------------------------------------------------------------------

    def _local(self, index: int, node: Node, op: Local) -> Code:
        args = [self.at(a) for a in node.args]
        if op.strict and any(not arg.values for arg in args):
            return Code(None, (None,))
        bases = {arg.feature for arg in args if arg.feature is not None}
        if len(bases) <= 1:
            base = next(iter(bases), None)
            size = 1 if base is None else len(self.values[base]) + 1
            rows = [[arg.of[0 if arg.feature is None else i] for arg in args] for i in range(size)]
            return Code(base, tuple(_meaning(op, row) for row in rows))
        read = [self.read(a) for a in node.args]
        none = [arg.none and self.graph.nodes[a].domain.none for a, arg in zip(node.args, args, strict=True)]
        match op:
            case Affine(coefficients=cs, constant=k):
                return self._sum(index, node, read, none, cs, k)
            case _:
                gates = self._gates(node, op, read, none)
        values = sorted({v for v, _ in gates})
        if not values:
            return Code(None, (None,))
        feature, dims = self._new(node.name, index, values, node)
        units = [unit for v, inputs in gates for unit in gate(inputs, [(dims[v - values[0]], 1.0)])]
        self.features.append(Feature(node.name, index, _form(values), dims, Compute(_merged(units))))
        return self._identity(feature)

    def _gates(self, node: Node, op: Local, read: list[dict[int, Lin]], none: list[bool]) -> list[tuple[int, list[Lin]]]:
        """For each value, conjunctions of which at most one holds, and one does where that is the value."""
        match op:
            case Where():
                c, x, y = read
                return [*((v, [c[1], lin]) for v, lin in x.items() if 1 in c), *((v, [c[0], lin]) for v, lin in y.items() if 0 in c)]
            case OrElse():
                x, y = read
                absent = added([({ONE: 1.0}, 1.0), *((lin, -1.0) for lin in x.values())])
                return [*((v, [lin]) for v, lin in x.items()), *((v, [absent, lin]) for v, lin in y.items() if none[0])]
            case Extreme(largest=largest):
                a, b = read
                first = [(v, [lin, _any(b, operator.le if largest else operator.ge, v)]) for v, lin in a.items()]
                second = [(v, [lin, _any(a, operator.lt if largest else operator.gt, v)]) for v, lin in b.items()]
                return [(v, inputs) for v, inputs in first + second if all(inputs)]
            case Equal():
                a, b = read
                return [
                    *((1, [lin, b[v]]) for v, lin in a.items() if v in b),
                    *((0, [lin, others]) for v, lin in a.items() if (others := _any(b, operator.ne, v))),
                ]
            case _:
                assert op.strict, op
                return self._tabulated(node, op, read)

    def _tabulated(self, node: Node, op: Local, read: list[dict[int, Lin]]) -> list[tuple[int, list[Lin]]]:
        """Any strict function: for all arguments but the longest each combination, and the values of that one by what they lead to."""
        longest = max(range(len(read)), key=lambda a: len(read[a]))
        others = [lins for a, lins in enumerate(read) if a != longest]
        if math.prod(map(len, read)) > GATES * 16:
            raise ExactnessError(f"value {node.name} is a table of {math.prod(map(len, read)):,} cases", node.line, "use the compact style")
        found: list[tuple[int, list[Lin]]] = []
        for point in itertools.product(*(lins.items() for lins in others)):
            groups: dict[int, list[Lin]] = {}
            for v, lin in read[longest].items():
                values = [u for u, _ in point]
                values.insert(longest, v)
                if (result := op.meaning(*values)) is not None:
                    groups.setdefault(result, []).append(lin)
            found += [(result, [*(lin for _, lin in point), added((lin, 1.0) for lin in lins)]) for result, lins in groups.items()]
        if len(found) > GATES:
            raise ExactnessError(f"value {node.name} would take {len(found):,} gates", node.line, "use the compact style")
        return found

    def _sum(
        self, index: int, node: Node, read: list[dict[int, Lin]], none: list[bool], coefficients: Sequence[int], constant: int
    ) -> Code:
        """A weighted sum: one staircase. Where an argument is ⊥ the sum is pushed below its least value."""
        ends = [(min(c * min(a), c * max(a)), max(c * min(a), c * max(a))) for c, a in zip(coefficients, read, strict=True)]
        lo, hi = (constant + sum(end[side] for end in ends) for side in (0, 1))
        feature, dims = self._new(node.name, index, (lo, hi), node)
        x = added(
            [
                ({ONE: 1.0}, constant - lo + 1.0),
                *((lin, float(c * v)) for c, a in zip(coefficients, read, strict=True) for v, lin in a.items()),
            ]
        )
        slope_of_sum = gentle(sum(max(abs(end[0]), abs(end[1])) for end in ends))
        silence: dict[int, float] = {}
        if any(none):  # the terms that are there add up to at most what the largest of them do
            over = constant - lo + 1 + sum(max(0, end[1]) for end in ends)
            gone = [({ONE: 1.0}, 1.0) for missing in none if missing]
            here = [(lin, -1.0) for a, missing in zip(read, none, strict=True) if missing for lin in a.values()]
            silence = added([(added([*gone, *here]), float(max(1, over)))])
        units = _merged(levels(x, {ONE: 1.0}, dims, silence, slope_of_sum))
        sizes = sum(max(abs(end[0]), abs(end[1])) for end in ends)
        match = scale(self.lead, self.length - 1).match
        cleaner = sum_rounding(dims, slope(self.length, len(dims))) if coarse(len(x), sizes, match, self.lead) else ()
        self.features.append(Feature(node.name, index, _form((lo, hi)), dims, Compute(units), cleaner))
        return self._identity(feature)

    # --- heads ------------------------------------------------------------------------------------------

    def _fetched(self, index: int, node: Node) -> Code:
        lookup, source = node.args
        if not self.at(source).values:
            return Code(None, (None,))
        head, found = self._lookup(lookup), self.read(source)
        feature, dims = self._new(node.name, index, list(found), node)
        lins = tuple(found.get(v, {}) for v in self.values[feature])
        self.features.append(Feature(node.name, index, _form(list(found)), dims, Copy(head, lins), rounding(dims)))
        return self._identity(feature)

    def _pairs(self, node: Node, a: float, what: Sequence[tuple[int, int, tuple[int, ...]]]) -> tuple[list[Lin], list[Lin], list[float]]:
        """Queries and keys of compared parts, and what a match of each adds: `a` more than anything else."""
        queries: list[Lin] = []
        keys: list[Lin] = []
        full: list[float] = []
        for q, k, relation in what:
            left, right = self.read(q), self.read(k)
            full.append(a)
            if self.code == "binary" and not relation and min(len(left), len(right)) > 2:
                bits = max(*left, *right, 0).bit_length() if min(*left, *right) >= 0 else 0
                bits = bits or (max(*left, *right) - min(*left, *right) + 1).bit_length()
                base = min(0, *left, *right)
                sides = [[_signs(side, base, b) for b in range(bits)] for side in (left, right)]
                factor = split(short(a / 2))
                queries += [added([(lin, factor[0])]) for lin in sides[0]]
                keys += [added([(lin, factor[1])]) for lin in sides[1]]
                full[-1] = short(a / 2) * bits
                continue
            columns: dict[tuple[int, ...], list[Lin]] = {}
            for v, lin in right.items():
                asked = tuple(u for u in left if (related(relation, u, v) if relation else u == v))
                if asked:
                    columns.setdefault(asked, []).append(lin)
            factor = split(a)
            for asked, lins in columns.items():
                queries.append(added((left[u], factor[0]) for u in asked))
                keys.append(added((lin, factor[1]) for lin in lins))
        return queries, keys, full

    def _lookup(self, index: int) -> int:
        """The head of a lookup, built once."""
        node = self.graph.nodes[index]
        op = node.op
        assert isinstance(op, Lookup)
        if (op, node.args) in self._heads:
            return self._heads[op, node.args]
        n, parts = self.length, op.parts
        bonus: list[tuple[Lin, Lin]] = []
        steps, base = 0.0, 0.0
        if op.pick != "only":
            steps += n - 1
            bonus.append(({ONE: 1.0}, added([(self.ruler(), -self.lead if op.pick == "earliest" else self.lead)])))
        grade = float((n + 1) * self.lead)
        if op.ranked:
            rank = self.read(node.args[-1])
            middle = (min(rank) + max(rank)) / 2
            steps += (n + 1) * (max(rank) - min(rank))
            sign = -1.0 if op.pick == "smallest" else 1.0
            factor = split(short(grade))
            bonus.append(({ONE: factor[1]}, added((lin, sign * factor[0] * (v - middle)) for v, lin in rank.items())))
        if op.graded:
            rest = node.args[2 * parts :]
            half = len(rest) // 2
            queries, keys, full = self._pairs(node, short(grade), [(q, k, ()) for q, k in zip(rest[:half], rest[half:], strict=True)])
            bonus += zip(queries, keys, strict=True)
            base = sum(full) / 2
            steps += (n + 1) * half * short(grade) / grade
        size = scale(self.lead, steps)
        compared = _compared(node, parts, op.relations)
        queries, keys, full = self._pairs(node, size.match, compared)
        rest_score = near(sum(full) - size.match / 2 + base)
        factor = split(rest_score)
        queries += [{ONE: factor[0]}, *(q for q, _ in bonus)]
        keys += [{BOS: factor[1]}, *(k for _, k in bonus)]
        why = f"leads by {self.lead:g}, a match adds {size.match:g}, BOS scores {rest_score:g}"
        return self._made(index, node, "lookup", queries, keys, why)

    def _made(self, index: int, node: Node, kind: Literal["lookup", "total"], queries: list[Lin], keys: list[Lin], why: str) -> int:
        op = node.op
        assert isinstance(op, (Lookup, Total))
        code = "binary" if self.code == "binary" else "onehot"
        compared = node.args if isinstance(op, Lookup) else node.args[:-1]
        self.heads.append(Head(index, node.name, op.mask, kind, tuple(queries), tuple(keys), code, why))
        self._heads[op, compared] = len(self.heads) - 1
        return len(self.heads) - 1

    def _total(self, index: int, node: Node) -> Code:
        """A number read off shares: levels of the sum in one MLP, rounded in the next."""
        op = node.op
        assert isinstance(op, Total)
        n, parts = self.length, op.parts
        h = resting(n)
        if (op, node.args[:-1]) not in self._heads:
            compared = _compared(node, parts, op.relations)
            a = apart(n)
            queries, keys, full = self._pairs(node, short(a), compared)
            factor = split(sum(full))
            queries += [{ONE: factor[0]}, {ONE: 1.0}]
            keys += [{BOS: factor[1]}, {BOS: h}]
            why = f"matches score alike, BOS {h:g} above them, the rest {a:g} below"
            self._made(index, node, "total", queries, keys, why)
        head = self._heads[op, node.args[:-1]]
        values = {v: lin for v, lin in self.read(node.args[-1]).items() if v}
        domain = node.domain
        rest = self._share(head, {BOS: 1.0}, f"rest of {node.name}", None)
        if not values:
            return Code(None, (0,))
        lo, hi = self._bounds(op, list(values), domain)
        share = self._share(head, added((lin, float(v)) for v, lin in values.items()), f"share of {node.name}", index)
        feature, dims = self._new(node.name, index, (lo, hi), node)
        x = added([({share: 1.0}, math.exp(h)), ({rest: 1.0}, 1.0 - lo)])
        silence = {BOS: 2.0 - lo}  # at BOS its own weight is 1
        units = _merged(levels(x, {rest: 1.0}, dims, silence))
        self.features.append(Feature(node.name, index, _form((lo, hi)), dims, Compute(units), share_rounding(dims, slope(n))))
        return self._identity(feature)

    def _bounds(self, op: Total, values: list[int], domain: Domain) -> tuple[int, int]:
        most = max(0, self.length - (op.mask == "strict"))
        return max(domain.lo, most * min(0, *values)), min(domain.hi, most * max(0, *values))

    def _share(self, head: int, source: Lin, name: str, total: int | None) -> int:
        """The dimension that holds what a head averages, without rounding."""
        key = head, tuple(sorted(source.items()))
        if key not in self._shares:
            dim = self.width
            self.width += 1
            self.values.append(())
            self.features.append(Feature(name, "one", None, (dim,), Copy(head, (source,))))
            self.shares[len(self.features) - 1] = total
            self._shares[key] = dim
        return self._shares[key]

    # --- outputs ----------------------------------------------------------------------------------------

    def _output(self, root: int) -> Output:
        """An output's logits: 1 for what it is, 0 for what it is not, 1/2 for ⊥."""
        domain = self.graph.nodes[root].domain
        lins = self.read(root)
        off = offset(domain) if domain.lo <= 1 + domain.size else domain.lo - 1
        top = max(1, domain.hi - off)
        if top + 1 > 1 << 20:
            fact = f"output {self.graph.nodes[root].name} has {top + 1:,} classes"
            raise ExactnessError(fact, self.graph.nodes[root].line, "use the compact style")
        return Output(Form("onehot", off, top), ({ONE: 0.5}, *(lins.get(z + off, {}) for z in range(1, top + 1))))


def _compared(node: Node, parts: int, relations: tuple[Relation, ...]) -> list[tuple[int, int, Relation]]:
    """The parts of a lookup or total: query, key, and the relation, empty for equality."""
    pairs = zip(node.args[:parts], node.args[parts : 2 * parts], strict=True)
    return [(q, k, relation_of(relations, p)) for p, (q, k) in enumerate(pairs)]


def _meaning(op: Local, values: Sequence[int | None]) -> int | None:
    return None if op.strict and None in values else op.meaning(*values)


def _any(lins: dict[int, Lin], wanted: Callable[[int, int], bool], v: int) -> Lin:
    """1 where a value u of these has `wanted(u, v)`."""
    return added((lin, 1.0) for u, lin in lins.items() if wanted(u, v))


def _signs(side: dict[int, Lin], base: int, bit: int) -> Lin:
    return added((lin, 1.0 if (v - base) >> bit & 1 else -1.0) for v, lin in side.items())


def _form(values: Sequence[int]) -> Form:
    return Form("onehot", min(values) - 1, max(values) - min(values) + 1)


def _merged(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """Units that read the same are one."""
    found: dict[tuple[tuple[int, float], ...], dict[int, float]] = {}
    for unit in units:
        out = found.setdefault(tuple(unit.pre.items()), {})
        for dim, weight in unit.out:
            out[dim] = out.get(dim, 0.0) + weight
    return tuple(Unit(dict(pre), tuple((d, w) for d, w in out.items() if w)) for pre, out in found.items() if pre and any(out.values()))


def _pruned(plan: Plan) -> Plan:
    """What the outputs need, with dimensions and heads numbered again."""
    owner, need = plan.owner(), {0, 1}
    stack = [owner[dim] for output in plan.outputs for lin in output.logits for dim in lin]
    while stack:
        f = stack.pop()
        if f not in need:
            need.add(f)
            stack += {owner[dim] for dim in plan.features[f].reads(plan.heads)}
    kept = [plan.features[f] for f in sorted(need)]
    shares = {new: plan.shares[old] for new, old in enumerate(sorted(need)) if old in plan.shares}
    dims = {old: new for new, old in enumerate(dim for feature in kept for dim in feature.dims)}
    used = sorted({feature.recipe.head for feature in kept if isinstance(feature.recipe, Copy)})
    heads = {old: new for new, old in enumerate(used)}

    def lin(old: Lin) -> Lin:
        return {dims[dim]: k for dim, k in old.items()}

    def units(old: tuple[Unit, ...]) -> tuple[Unit, ...]:
        return tuple(Unit(lin(unit.pre), tuple((dims[d], w) for d, w in unit.out)) for unit in old)

    def recipe(old: Embed | Compute | Copy) -> Embed | Compute | Copy:
        match old:
            case Embed():
                return old
            case Compute():
                return Compute(units(old.units))
            case Copy():
                return Copy(heads[old.head], tuple(map(lin, old.source)))

    return replace(
        plan,
        width=len(dims),
        shares=shares,
        features=tuple(replace(f, dims=tuple(dims[d] for d in f.dims), recipe=recipe(f.recipe), cleaner=units(f.cleaner)) for f in kept),
        heads=tuple(
            replace(head, query=tuple(map(lin, head.query)), key=tuple(map(lin, head.key))) for head in (plan.heads[h] for h in used)
        ),
        outputs=tuple(replace(output, logits=tuple(map(lin, output.logits))) for output in plan.outputs),
    )
