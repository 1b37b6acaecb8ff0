"""The pass from an optimised graph to a plan: every value read in the form its reader needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from ..codes.forms import Form, Ints, scalar
from ..codes.linear import ONE, Cell, Lin, Unit, activations
from ..codes.numerics import Dtype, Exactness
from ..domain import Domain
from ..errors import ExactnessError
from ..graph import Graph, Node
from ..ops import Affine, Const, Divide, Fetch, Gadgets, Given, Local, Lookup, Op, Operand, Position, Table, Token, Total, relation_of
from .exact import fits
from .heads import Candidate, apart, candidates
from .outputs import logarithm, output
from .reach import Reach
from .stage import Carried, Compute, Copy, Embed, Feature, Head, Origin, Output, Plan, Recipe, Tally, label, piecewise, prune
from .stairs import LONG, few, floor, signs
from .tally import exactness, fill

Source: TypeAlias = Literal["token", "position", "one", "mixed"]


def plan(
    graph: Graph,
    dtype: Dtype,
    code: str = "auto",
    limited: bool = False,
    logs: int | None = None,
    states: Sequence[Form] | None = None,
) -> Plan:
    """Choose codes and build the plan of a graph.

    `code` pins the lookups' code: "auto" (the narrowest that is exact), "scalar", "digits:r", "binary" or "onehot".
    `limited` says that layers may have too few heads for several to add to one cell. `logs` asks for the logarithms of the
    outputs, with that many bits behind the point. With `states` the outputs are a loop's state, left in these forms.
    Raises ExactnessError, naming the head or value, the inequality and the dtype that would do.
    """
    return _Planner(graph, dtype, code, limited, logs).finish(states)


LINKS = 64  # each is a few calls deep, of the 1,000 that Python allows


class _Planner:
    """The plan under construction. `read` is the one entry: the cells that hold a node in a form."""

    def __init__(self, graph: Graph, dtype: Dtype, code: str, limited: bool, logs: int | None) -> None:
        self.graph, self.dtype, self.code, self.limited, self.logs = graph, dtype, code, limited, logs
        self.features: list[Feature] = []
        self.heads: list[Head] = []
        self._spans: list[tuple[tuple[int, int], ...]] = []
        self._read: dict[tuple[int | Origin, Form], tuple[Lin, ...]] = {}
        self._refused: dict[tuple[int, Form], ExactnessError] = {}
        self._head_of: dict[tuple[Op, tuple[int, ...]], int] = {}
        self._repeated: dict[int, int] = {}
        self._reach = Reach.of(graph)
        self._sizes: dict[str, int] = {"token": len(graph.sizes.alphabet), "position": graph.sizes.length}
        self.add("one", Form("digits", 0, 1), Embed("position", np.ones((graph.sizes.length, 1), np.int64)), "one")

    def interval(self, cell: Cell) -> tuple[int, int]:
        return self._spans[cell[0]][cell[1]]

    def add(self, value: int | Origin, form: Form, recipe: Recipe, name: str) -> tuple[Lin, ...]:
        feature = Feature(value, form, recipe, name)
        if not isinstance(recipe, Embed):
            fits(feature, self.features, self.dtype, self._spans)  # an embedding column may turn out unused: it is checked at the end
        self.features.append(feature)
        self._spans.append(form.intervals())
        return tuple(Lin.cell(len(self.features) - 1, d) for d in range(form.width))

    def finish(self, states: Sequence[Form] | None = None) -> Plan:
        """The finished plan, every embedding column in it checked."""
        self._read_ahead()
        if states is not None:
            outputs = tuple(Output(form, self.read(root, form)) for root, form in zip(self.graph.roots, states, strict=True))
        else:
            outputs = tuple(output(self, root) if self.logs is None else logarithm(self, root, self.logs) for root in self.graph.roots)
        made = prune(Plan(self.graph, self.dtype, tuple(self.features), tuple(self.heads), outputs))
        for feature in made.features:
            if isinstance(feature.recipe, Embed):
                fits(feature, self.features, self.dtype, self._spans)
        return made

    def _read_ahead(self) -> None:
        """Read along chains of more than LINKS operations, lowest first: from the end alone it would be a recursion through them all."""
        links: list[int] = []
        for index, node in enumerate(self.graph.nodes):
            links.append(1 + max((links[a] for a in node.args), default=0))
            if links[-1] > LINKS and isinstance(node.op, (Local, Fetch)):
                links[-1] = 0
                with suppress(ExactnessError):  # refused again where it is needed, if it is
                    self.read(index, scalar(node.domain))

    # --- reading a value in a form -------------------------------------------------------------------

    def read(self, index: int, form: Form) -> tuple[Lin, ...]:
        """The expressions, one a dimension, that hold node `index` in `form`; features are added as needed."""
        if (index, form) in self._refused:
            raise self._refused[index, form]  # readers try one form after another of the same value
        if (index, form) not in self._read:
            try:
                self._read[index, form] = self._make(index, form)
            except ExactnessError as error:
                self._refused[index, form] = error
                raise
        return self._read[index, form]

    def _make(self, index: int, form: Form) -> tuple[Lin, ...]:
        node = self.graph.nodes[index]
        if form.kind == "flag" and not node.domain.none:
            return (ONE,)
        match node.op:
            case Token():
                return self._origin("token", form, index)
            case Position():
                return self._origin("position", form, index)
            case Const(value=value):
                return tuple(ONE * c for c in form.code(value))
            case Given(state=state) if form == scalar(node.domain):
                return self.add(index, form, Carried(state), node.name)
            case Fetch():
                written = self._reach.written(node.args[1], form)
                if written is None:
                    return self._converted(index, node, form)
                source = self.read(node.args[1], written)
                head = self._head(node.args[0], self.graph.nodes[node.args[0]].args)
                return self.add(index, written, Copy(head, source), label(node.name, form))
            case Total() if form == scalar(node.domain):
                return self._total(index, form, [(1, index)], 0)
            case Affine(coefficients=cs, constant=k) if form == scalar(node.domain) and self._adds_up(node):
                return self._total(index, form, list(zip(cs, node.args, strict=True)), k)
            case Local() as op if form == scalar(node.domain):
                if isinstance(op, Table) and (folded := self._gathered(index, node, op, form)):
                    return folded
                if isinstance(op, Divide):
                    return self._quotient(index, node, op, form)
                made = op.lower([self._operand(a) for a in node.args], form, Gadgets(self.interval))
                return self._computed(index, form, made)
            case _:
                return self._converted(index, node, form)

    def _origin(self, source: Literal["token", "position"], form: Form, value: int | Origin) -> tuple[Lin, ...]:
        """The token or the position in a form: embedding columns, one set however often it is read."""
        own = scalar(self._domain(source))
        if form.kind == "digits" and form.parts == 1 and form.off == own.off:
            form = own  # one scalar, whatever range the reader needs
        if (source, form) not in self._read:
            values = np.arange(self._sizes[source]) + (source == "position")
            self._read[source, form] = self._embedded(source, source, form, form.encode(values - form.off))
        return self._read[source, form]

    def _domain(self, source: Literal["token", "position"]) -> Domain:
        size = self._sizes[source]
        return Domain("position", 1, size) if source == "position" else Domain("token", 0, size - 1)

    def _embedded(self, source: Literal["token", "position"], value: int | Origin, form: Form, table: Ints) -> tuple[Lin, ...]:
        """Embedding columns; a column that is affine in the source's own scalar is a view of it instead."""
        own = scalar(self._domain(source))
        if form.width == 1 and not (value == source and form == own):
            column = table[:, 0]
            slope = int(column[1] - column[0]) if len(column) > 1 else 0
            base = np.arange(1, len(column) + 1)
            if (column == column[0] + slope * (base - 1)).all():
                x = self._origin(source, own, source)[0] if slope else ONE
                return (x * slope + ONE * int(column[0] - slope),)
        name = value if isinstance(value, str) else self.graph.nodes[value].name
        return self.add(value, form, Embed(source, table), label(name, form))

    def _computed(self, index: int, form: Form, made: Lin | list[Unit] | tuple[Unit, ...]) -> tuple[Lin, ...]:
        """What lowering returned, folded into the embedding where it depends on one source only."""
        name = self.graph.nodes[index].name
        pres = [made] if isinstance(made, Lin) else [u.pre for u in made]
        source = self._source(pres)
        if source == "mixed":
            return (made,) if isinstance(made, Lin) else self.add(index, form, Compute(tuple(made)), label(name, form))
        if isinstance(made, Lin):
            return (made,)
        rows = self._sizes.get(source, 1)
        table = activations(made, lambda lin: self._evaluate(lin, rows), rows, form.width)
        if source == "one":
            return tuple(ONE * int(c) for c in table[0])
        return self._embedded(source, index, form, table)

    def _gathered(self, index: int, node: Node, op: Table, form: Form) -> tuple[Lin, ...] | None:
        """A table whose arguments all come from one source is looked up at once, not unit by unit."""
        operands = [self._operand(a) for a in node.args]
        source = self._source([o.z for o in operands])
        if source not in ("token", "position"):
            return None
        rows = self._sizes[source]
        codes = [self._evaluate(o.z, rows) for o in operands]
        columns = [np.where(z > 0, z + o.form.off, np.iinfo(np.int32).min) for z, o in zip(codes, operands, strict=True)]
        return self._embedded(source, index, form, op.gather(columns, form)[:, None])

    def _quotient(self, index: int, node: Node, op: Divide, form: Form) -> tuple[Lin, ...]:
        """A quotient: of one source looked up at once, else one staircase, and where that is too long or not exact a floor in stages.

        floor((v - d·off) / d) = floor(v / d) - off: the floor of the number shifted by d·off is the quotient's code, 0 where it is ⊥.
        """
        (x,) = node.args
        operand, d = self._operand(x), op.divisor
        source = self._source([operand.z])
        if source in ("token", "position"):
            codes = self._evaluate(operand.z, self._sizes[source])
            return self._embedded(source, index, form, np.where(codes > 0, (codes + operand.form.off) // d - form.off, 0)[:, None])
        steps = op.steps(operand)
        # Two units at each step reach as far as it is to the greatest code, at the least.
        most = len(steps) * (2 * operand.form.top + 1 - steps[0] - steps[-1]) if steps else 0
        refused: ExactnessError | None = None
        if 2 * len(steps) <= LONG:
            try:
                Exactness(f"value {label(node.name, form)}", "Σ |weight|·max activation", most).require(self.dtype)
                return self._computed(index, form, op.lower([operand], form, Gadgets(self.interval)))
            except ExactnessError as error:
                refused = error
        try:
            return self.read(x, Form("floor", d * form.off, operand.domain.hi - d * form.off, d))
        except ExactnessError as error:
            raise refused or error from None

    def _source(self, lins: list[Lin]) -> Source:
        """Which one source the expressions depend on: token, position, one (none at all), or mixed."""
        found: set[Source] = set()
        for f in {f for lin in lins for f in lin.features()} - {0}:
            recipe = self.features[f].recipe
            found.add(recipe.source if isinstance(recipe, Embed) else "mixed")
        return "one" if not found else found.pop() if len(found) == 1 else "mixed"

    def _evaluate(self, lin: Lin, rows: int) -> Ints:
        total = np.zeros(rows, np.int64)
        for (f, d), k in lin.terms:
            recipe = self.features[f].recipe
            assert isinstance(recipe, Embed)
            total += k * (recipe.table[:, d] if f else 1)
        return total

    # --- other forms of computed values ----------------------------------------------------------------

    def _converted(self, index: int, node: Node, form: Form) -> tuple[Lin, ...]:
        """A computed value in another form than its natural scalar, by piecewise linear units on the scalar."""
        natural = scalar(node.domain)
        z = self.read(index, natural)[0]
        if form.kind == "digits" and form.parts == 1 and form.off == natural.off:
            return (z,)  # the range differs only: what lies outside it is never read
        source = self._source([z])
        if source == "one" and form.kind != "flag":
            code = sum(k for _, k in z.terms)
            return tuple(ONE * c for c in form.code(code + natural.off if code else None))
        if source in ("token", "position"):
            codes = self._evaluate(z, self._sizes[source])
            return self._embedded(source, index, form, form.encode(np.where(codes > 0, codes + natural.off - form.off, 0)))
        if form.kind == "flag":
            return self._computed(index, form, [Unit(z, (1,)), Unit(z - ONE, (-1,))]) if natural.top > 1 else (z,)
        if form.kind == "digits" and form.parts == 1:
            change = natural.off - form.off
            if not node.domain.none:
                return (z + ONE * change,)
            return self._computed(index, form, [Unit(z, (1 + change,)), Unit(z - ONE, (-change,))])
        moved = self.read(index, Form("digits", form.off, form.top))[0]
        if form.kind == "norm" and form.top == 1:
            return (moved,)  # 0 and 1 are their own squares
        if form.kind == "norm" and form.parts == 1 and node.domain.size == 2 and not node.domain.none:
            least, most = node.domain.lo - form.off, node.domain.hi - form.off
            return (moved * (least + most) - ONE * (least * most),)  # z² = (a + b)·z - a·b for z in {a, b}
        if form.kind == "digits":
            # digit_d = F_d - b·F_{d+1} with F_d = floor(z / b**d): only the staircases F_1.. are computed.
            floors = (Form("floor", form.off, form.top, form.base**d) for d in range(1, form.parts))
            stairs = [moved, *(self.read(index, f)[0] for f in floors)]
            return tuple(a - b * form.base for a, b in zip(stairs, [*stairs[1:], Lin()], strict=True))
        if form.kind == "norm" and form.parts > 1:
            digits = self.read(index, Form("digits", form.off, form.top, form.parts, form.radix))
            base = np.arange(form.base)[:, None]
            return self._computed(index, form, [unit for digit in digits for unit in piecewise(digit, base * base)])
        if form.kind == "floor":
            return self._computed(index, form, floor(form, partial(self.read, index), self.dtype, f"value {label(node.name, form)}"))
        if form.kind == "signs":
            return self._computed(index, form, signs(form, partial(self.read, index), self.dtype))
        few(f"value {label(node.name, form)}", form.top)
        return self._computed(index, form, piecewise(moved, form.encode(np.arange(form.top + 1))))

    def _number(self, index: int) -> Lin:
        """A value as the number that it is, 0 where it is ⊥."""
        node = self.graph.nodes[index]
        form, of = scalar(node.domain), node.args[0] if isinstance(node.op, Table) and None not in node.op.entries else index
        there = self.read(of, scalar(self.graph.nodes[of].domain).also("flag"))[0] if node.domain.none else ONE  # one for all tables of it
        return self.read(index, form)[0] + there * form.off

    def _operand(self, index: int) -> Operand:
        domain = self.graph.nodes[index].domain
        form = scalar(domain)
        return Operand(
            self.read(index, form)[0],
            domain,
            form,
            flag=lambda: self.read(index, form.also("flag"))[0],
            square=lambda: self.read(index, form.also("norm"))[0],
        )

    # --- heads and output ------------------------------------------------------------------------------

    def _head(self, index: int, compared: tuple[int, ...]) -> int:
        """The head of a lookup or total, built once, in the first candidate code that is exact."""
        node = self.graph.nodes[index]
        key = node.op, compared
        if key in self._head_of:
            return self._head_of[key]
        refusals: list[tuple[int, ExactnessError]] = []
        for candidate in candidates(self.graph, index, self.code, self.dtype, self._untied(node)):
            try:
                candidate.exact.require(self.dtype)
                head = self._built(index, node, candidate)
            except ExactnessError as error:
                refusals.append((candidate.exact.steps, error))
                continue
            self.heads.append(head)
            self._head_of[key] = len(self.heads) - 1
            return self._head_of[key]
        closest = min(refusals, key=lambda r: r[0])[1]
        raise ExactnessError(closest.fact, node.line, closest.hint)

    def _built(self, index: int, node: Node, candidate: Candidate) -> Head:
        position = self._origin("position", scalar(self._domain("position")), "position")[0]
        rank = Lin() if candidate.rank is None else self.read(candidate.rank, scalar(self.graph.nodes[candidate.rank].domain))[0]
        query, key = candidate.build(self.read, self._number, position, rank)
        if self.dtype.kept_back:
            query, key = apart(query, key)
        for lin in (*query, *key):
            what, size = f"a query or key of head {node.name}", lin.magnitude(self.interval)
            Exactness(what, "Σ |weight|·max|input|", size).require(self.dtype)
            Exactness(what, "Σ |weight|·max|input|", size // lin.step).require(self.dtype.reading)
        assert isinstance(node.op, (Lookup, Total))
        grid = self.dtype.tally if isinstance(node.op, Total) else self.dtype.grid
        return Head(index, node.name, node.op.mask, candidate.label, grid, query, key, candidate.exact)

    def _untied(self, node: Node) -> bool:
        """Whether a lookup ranks by what depends on the position alone and is different at each."""
        if not (isinstance(node.op, Lookup) and node.op.ranked):
            return False
        z = self.read(node.args[-1], scalar(self.graph.nodes[node.args[-1]].domain))
        if self._source(list(z)) != "position":
            return False
        ranks = self._evaluate(z[0], self._sizes["position"])
        return len(np.unique(ranks)) == len(ranks)

    def _adds_up(self, node: Node) -> bool:
        """Whether a sum is one of totals that heads can add up in one cell; with few heads a layer they cannot."""
        assert isinstance(node.op, Affine)
        totals = [self.graph.nodes[a] for a in node.args]
        if self.limited or len(totals) < 2 or not all(isinstance(t.op, Total) for t in totals):
            return False
        if any(fill(t.domain.lo, self.dtype) + t.domain.hi > self.dtype.limit for t in totals):
            return False  # not even one of them has a cell, and is refused: before longer rows are looked at
        bound = exactness("", self._bounds(list(zip(node.op.coefficients, node.args, strict=True))))
        return bound.steps <= self.dtype.limit

    def _bounds(self, terms: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
        """Coefficient, most matches and largest value of each total."""
        found: list[tuple[int, int, int]] = []
        for coefficient, total in terms:
            node = self.graph.nodes[total]
            domain = self.graph.nodes[node.args[-1]].domain
            largest = 1 if domain.kind == "bool" else max(abs(domain.lo), abs(domain.hi))
            found.append((coefficient, self._most(node), largest))
        return found

    def _total(self, index: int, form: Form, terms: list[tuple[int, int]], constant: int) -> tuple[Lin, ...]:
        """A sum of totals: their heads add to a filled cell, and one unit takes the filling off again."""
        node = self.graph.nodes[index]
        what = "the total" if node.name.startswith("total") else f"the total {node.name}"
        try:
            if math.exp(self.dtype.tally) > self.dtype.largest:
                fact = f"{what} needs e^{self.dtype.tally}, which {self.dtype.name} does not hold"
                raise ExactnessError(fact, hint="use float32 or float64")
            low, high = node.domain.lo - constant, node.domain.hi - constant
            base = fill(min(0, low), self.dtype)
            raw = Form("digits", constant - base, base + max(0, high))
            Exactness(f"value Σ {node.name} as {raw}", "largest entry", raw.top).require(self.dtype)
            exact = exactness(what, self._bounds(terms)).require(self.dtype)
            parts: list[tuple[int, Lin, int]] = []
            for coefficient, total in terms:
                args = self.graph.nodes[total].args
                source = self._operand(args[-1]).shifted(0)  # the number itself, 0 where it is ⊥
                parts.append((self._head(total, args[:-1]), source, coefficient))
        except ExactnessError as error:
            raise ExactnessError(error.fact, error.line or node.line, error.hint) from None
        cell = self.add(index, raw, Tally(tuple(parts), base, exact), f"Σ {node.name}")[0]
        return self._computed(index, form, [Unit(cell - ONE * (base - constant + form.off), (1,))])

    def _most(self, node: Node) -> int:
        """How many positions can match: no more than hold one value of a key that is a function of the position."""
        assert isinstance(node.op, Total)
        parts, n = node.op.parts, self.graph.sizes.length - (node.op.mask == "strict")
        for part, key in enumerate(node.args[parts : 2 * parts]):
            if not relation_of(node.op.relations, part):
                n = min(n, self._repeats(key))
        return n

    def _repeats(self, key: int) -> int:
        """The most positions at which a key has one value: all, unless it is a function of the position. The blocks of a sum share it."""
        if key not in self._repeated:
            z, n = self.read(key, scalar(self.graph.nodes[key].domain))[0], self.graph.sizes.length
            if self._source([z]) == "position":
                codes = self._evaluate(z, n)
                n = int(np.unique(codes[codes > 0], return_counts=True)[1].max(initial=0))
            self._repeated[key] = n
        return self._repeated[key]
