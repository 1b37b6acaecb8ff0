"""`hw.bounds_over`: the costs of a whole family as expressions in N, |Σ| and its parameters, fitted exactly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..compiler.calls import public
from ..compiler.errors import InputError
from ..compiler.shown import Shown
from ..programs import entry as entry_named
from . import plot
from .bounds import statements
from .family import Member, stated
from .family_costs import Family, Instance, instances, of_function, of_library
from .fit import Fit, fit
from .functions import above, ceil_log2, exact, floor_log2, ones, sp
from .guards import DOUBLING
from .measure import READINGS
from .report import columns, markdown
from .statement import Statement
from .verdict import Row, rows as judged, short

HEADINGS = ("id", "codes", "bound", "measured", "verdict")
K = sp.Symbol("k", integer=True, nonnegative=True)
LENGTH, SYMBOLS = (sp.Symbol(name, integer=True, nonnegative=True) for name in ("N", "|Σ|"))
WORDS = ("meets", "beats", "exceeds", "violates", "ratio", "vacuous here", "not applicable", "states no number")
HOPS = ("khop", "induction")  # the programs that HOP-UB speaks of
CHAIN = ceil_log2(2 * (K + 1))
COSTS: dict[str, Callable[[Instance], int]] = {
    "heads": lambda i: max(i.cost.heads, default=0),
    "d_model": lambda i: i.cost.d_model,
    "d_head": lambda i: i.cost.d_head,
    "hidden units": lambda i: sum(i.cost.d_mlp),
    "parameters": lambda i: i.cost.parameters,
    "outside the embedding": lambda i: i.cost.parameters - i.cost.embedding_parameters,
}


@dataclass(frozen=True, slots=True)
class Law:
    """One cost of a family: what the theory or the library states, what was found, and how sure it is.

    `codes` names the choice of lookup codes it holds for, empty for all.
    """

    id: str
    codes: str
    bound: str
    measured: str
    verdict: str
    expression: sp.Expr | None

    def as_dict(self) -> dict[str, object]:
        """The row as JSON-ready values."""
        return {"id": self.id, "codes": self.codes, "bound": self.bound, "measured": self.measured, "verdict": self.verdict}

    def texts(self) -> tuple[str, str, str, str, str]:
        """The cells of the printed table."""
        return self.id, self.codes or "all", self.bound, self.measured, self.verdict


@dataclass(frozen=True)
class Laws(Shown):
    """The report of a family: one row a cost, or one a cost and choice of codes where the codes differ."""

    name: str
    ranges: str
    count: int
    rows: tuple[Law, ...]
    layers: tuple[tuple[Mapping[str, int], int, int | None], ...] = ()
    lines: tuple[tuple[str, tuple[float | None, ...]], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no instance takes more layers than stated, and none contradicts a statement of the caller's."""
        return not any("exceeds" in row.verdict or "violates" in row.verdict for row in self.rows)

    def plot(self, path: str | Path) -> Path:
        """Layers over the parameter with most values, and what is stated of them, as a PNG or SVG. Raises InputError without matplotlib."""
        names = list(self.layers[0][0])
        axis = max(names, key=lambda name: len({point[name] for point, _, _ in self.layers}))
        order = sorted(range(len(self.layers)), key=lambda i: self.layers[i][0][axis])
        points = [(self.layers[i][0][axis], self.layers[i][1]) for i in order]
        lines = [("stated", [(self.layers[i][0][axis], float(s)) for i in order if (s := self.layers[i][2]) is not None])]
        lines += [(label, [(self.layers[i][0][axis], v) for i in order if (v := values[i]) is not None]) for label, values in self.lines]
        return plot.layers(self.headline(), axis, points, [(label, values) for label, values in lines if values], path)

    def headline(self) -> str:
        """What was compiled."""
        return f"{self.name}: {self.ranges}; {self.count:,} instances compiled"

    def as_dict(self) -> dict[str, object]:
        """The report as JSON-ready values; every row has `id`, `bound`, `measured` and `verdict`."""
        return {"name": self.name, "ranges": self.ranges, "instances": self.count, "rows": [row.as_dict() for row in self.rows]}

    def markdown(self) -> str:
        """The report as a Markdown table."""
        return f"{self.headline()}\n\n{markdown(HEADINGS, [row.texts() for row in self.rows])}"

    def __str__(self) -> str:
        return f"{self.headline()}\n\n{columns(HEADINGS, [row.texts() for row in self.rows])}"


@public
def bounds_over(
    program: str | Callable[..., object],
    *,
    lengths: Sequence[int] = (256, 512, 1024, 2048),
    alphabets: Sequence[int] | None = None,
    dtype: str = "float32",
    code: str = "auto",
    heads: int | None = None,
    rows: Sequence[Statement] = (),
    family: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    **ranges: object,
) -> Laws:
    """Compile a family of programs over ranges of integer parameters (`k=range(1, 65)`), lengths and alphabet sizes.

    `program` names a library program, or is a function that returns a program for those parameters. Attention layers are held
    against the library's formula at every instance, and called proved only where the structure of the program proves them; `rows`
    are statements of your own, held at every instance too, those of `family` and those that name none. The other costs are fitted
    exactly, over rationals, for each choice of lookup codes. `alphabets` defaults to the program's own size, twice and four times
    it (4, 8 and 16 where it has none). Raises InputError for an unknown program or family or an empty range, and what compiling raises.
    """
    own = statements(rows)
    if taken := [f"{name} ({READINGS[name].meaning})" for name in ranges if name in READINGS and READINGS[name].read is not None]:
        fact = f"a parameter of the family has the name {taken[0]}, which bounds read off a model"
        raise InputError(fact, hint="give the function's parameter another name")
    spans = {parameter: _integers(parameter, values) for parameter, values in ranges.items()}
    found = of_library(entry_named(program)) if isinstance(program, str) else of_function(program, spans)
    member = stated(family, None, {}, own) if family else Member(None, {})
    sizes = list(alphabets or found.alphabets)
    if not lengths:
        raise InputError("no lengths are given", hint="for example lengths=[256, 512, 1024]")
    made = instances(found, spans, lengths, sizes, dtype=dtype, code=code, heads=heads, progress=progress)
    over = ", ".join([*(f"{p} = {_span(v)}" for p, v in spans.items()), f"N = {_span(lengths)}"])
    where = f"{over}, |Σ| = {_span(sorted({i.point['|Σ|'] for i in made}))}, {dtype}"
    basis = _basis(spans, {code for i in made for code in i.codes})
    laws, lines = _held(own, member, list(spans), made, basis, over)
    laws.append(_layers(found, made, list(spans), basis, over))
    for cost, read in COSTS.items():
        laws += _fitted(found.name, cost, read, made, basis, over)
    points = tuple((i.point, i.cost.attention_layers, _stated(found, i, list(spans))) for i in made)
    return Laws(found.name, where, len(made), tuple(laws), points, lines)


def _stated(family: Family, instance: Instance, parameters: Sequence[str]) -> int | None:
    return None if family.layers is None else family.layers(instance.point["N"], **{p: instance.point[p] for p in parameters})


def _held(
    own: Sequence[Statement], member: Member, parameters: Sequence[str], made: Sequence[Instance], basis: Sequence[sp.Expr], over: str
) -> tuple[list[Law], tuple[tuple[str, tuple[float | None, ...]], ...]]:
    """The caller's statements at every instance, a law each; and the values of those about layers, for a plot."""
    found: dict[str, list[Row]] = {}
    families = member.families()
    for instance in made:
        given = {p: instance.point[p] for p in parameters}
        facts = Member(member.family, given).facts(instance.measured)
        for row in own:
            for one in judged(row, facts, not row.families or bool(families & set(row.families))):
                found.setdefault(one.id, []).append(one)
    laws: list[Law] = []
    lines: list[tuple[str, tuple[float | None, ...]]] = []
    for name, each in found.items():
        whole = [row.measured for row in each if isinstance(row.measured, int)]
        fitted = fit([i.point for i in made], whole, basis) if len(whole) == len(made) else None
        measured, expression = (str(fitted.expression), fitted.expression) if fitted else ("", None)
        laws.append(Law(name, "", each[0].formula, measured, _verdicts(each), expression))
        quantity = each[0].quantity
        if quantity is not None and quantity.name == "L" and all(row.applies for row in each):
            lines.append((f"{name}: {each[0].formula}", tuple(None if row.bound is None else float(row.bound) for row in each)))
    return laws, tuple(lines)


def _verdicts(each: Sequence[Row]) -> str:
    """One verdict of many: how many instances meet, beat, exceed or violate a bound, and by how much at most."""
    kinds: dict[str, list[Row]] = {}
    for row in each:
        kinds.setdefault(next(word for word in WORDS if row.verdict.startswith(word)), []).append(row)
    parts: list[str] = []
    for word, some in kinds.items():
        how = f"on all {len(each):,}" if len(kinds) == 1 else f"on {len(some):,} of {len(each):,}"
        numbers = [(row.measured, row.bound) for row in some if row.measured is not None and row.bound]
        if word in ("beats", "exceeds", "violates"):
            word += f" by up to {short(max(abs(m - b) for m, b in numbers))}"
        elif word == "ratio":
            word += f" {short(min(m / b for m, b in numbers))} to {short(max(m / b for m, b in numbers))}"
        elif word in ("vacuous here", "not applicable"):
            word = some[0].verdict
        parts.append(f"{word} {how} instances")
    return "; ".join(parts)


def _integers(parameter: str, values: object) -> Sequence[int]:
    found = [values] if isinstance(values, int) else list(values) if isinstance(values, Iterable) else []
    whole = [v for v in found if isinstance(v, int) and not isinstance(v, bool)]
    if not whole or len(whole) < len(found):
        raise InputError(f"{parameter} is given as {values!r}", hint=f"give integers, for example {parameter}=range(1, 65)")
    return sorted(set(whole))


def _span(values: Sequence[int]) -> str:
    return str(values[0]) if len(values) == 1 else f"{min(values)}..{max(values)}"


def _basis(spans: Mapping[str, Sequence[int]], codes: Iterable[str]) -> list[sp.Expr]:
    """1, N, |Σ| and products of what the codes' widths are, each alone and times functions of the parameters."""
    shapes: list[sp.Expr] = [sp.Integer(1)]
    for parameter, values in spans.items():
        x = sp.Symbol(parameter, integer=True, nonnegative=True)
        several, log = above(ones(x), 1), floor_log2(x if min(values) > 0 else sp.Max(1, x))
        shapes += [several, log, ones(x), several * log, above(x, 1), above(x, 2), x]
    sizes: list[sp.Expr] = [sp.Integer(1), LENGTH, SYMBOLS]
    if "onehot" in codes:
        sizes += [LENGTH**2, LENGTH * SYMBOLS, SYMBOLS**2]
    if "signs" in codes:
        n, a = ceil_log2(LENGTH + 1), ceil_log2(SYMBOLS + 1)
        sizes += [n, a, n * LENGTH, a * LENGTH, n * SYMBOLS, a * SYMBOLS, n**2, n * a, a**2]
    return [size * shape for size in sizes for shape in shapes]


def _layers(family: Family, made: Sequence[Instance], parameters: Sequence[str], basis: Sequence[sp.Expr], over: str) -> Law:
    """Attention layers against what the library states, proved where the program is a chain of reads through one map."""
    fitted = _least(made, lambda i: i.cost.attention_layers, basis)
    measured = "no exact expression" if fitted is None else str(fitted.expression)
    fits = f"fits {over}, not proved" if fitted else _failed(basis)
    if family.layers is None:
        if set(parameters) == {"k"} and all(_is_doubling(i) for i in made):
            return Law("attention_layers", "", "", str(DOUBLING), f"proved for every k >= 1: {_proof()}", DOUBLING)
        return Law("attention_layers", "", "", measured, fits, fitted.expression if fitted else None)
    stated = [_stated(family, i, parameters) or 0 for i in made]
    found = [i.cost.attention_layers for i in made]
    above = [f - s for f, s in zip(found, stated, strict=True) if f > s]
    below = [s - f for f, s in zip(found, stated, strict=True) if f < s]
    verdict = f"meets on all {len(made):,} instances"
    if above:
        verdict = f"exceeds by up to {max(above)} on {len(above):,} of {len(made):,} instances"
    elif below:
        verdict = f"beats by up to {max(below)} on {len(below):,} of {len(made):,} instances, meets on the others"
    if family.name == "khop" and set(parameters) == {"k"} and all(_is_doubling(i) for i in made):
        return Law("attention_layers", "", str(DOUBLING), str(DOUBLING), f"{verdict}; proved for every k >= 1: {_proof()}", DOUBLING)
    return Law("attention_layers", "", family.formula, measured, f"{verdict}; {fits}", fitted.expression if fitted else None)


def _proof() -> str:
    return f"a chain of k reads through one map at depth 1 takes {CHAIN} layers, which is {DOUBLING}"


def _is_doubling(instance: Instance) -> bool:
    """Whether the instance has the structure of the proof, and the proof's figure.

    The program as written reads a value of depth 0 through one map p of depth 1, k times. Powers of p commute, so the
    optimiser reads lowest bit first: before bit t of k the map is p^(2^t), at depth t + 1, hence the value read there
    is at depth t + 2. The last bit that is 1 is bit floor(log2 k), so the output is at depth floor(log2 k) + 2. As
    2^t <= k < 2^(t+1) says 2^(t+1) < 2(k + 1) <= 2^(t+2), that is also ceil(log2(2(k + 1))), the least depth of any tree
    of these k + 1 leaves. Checked: the chain, the identity, the optimiser's depth and the layers of the weights.
    """
    k = instance.point["k"]
    layers = exact(DOUBLING, k=k) if k >= 1 else None
    same = layers is not None and layers == exact(CHAIN, k=k) == instance.depth == instance.cost.attention_layers
    return same and instance.chain == (k, 1)


def _fitted(
    name: str, cost: str, read: Callable[[Instance], int], made: Sequence[Instance], basis: Sequence[sp.Expr], over: str
) -> list[Law]:
    """A cost as one expression, or one for each choice of codes, or the statement that there is none."""
    whole = _least(made, read, basis)
    if whole is not None:
        return [_law(name, cost, "", whole, basis, over)]
    groups: dict[tuple[str, ...], list[Instance]] = {}
    for instance in made:
        groups.setdefault(instance.codes, []).append(instance)
    laws: list[Law] = []
    for codes, members in groups.items():
        found = _least(members, read, basis)
        laws.append(_law(name, cost, ", ".join(codes) or "none", found, basis, _where([i.point for i in members])))
    return laws


def _least(made: Sequence[Instance], read: Callable[[Instance], int], basis: Sequence[sp.Expr]) -> Fit | None:
    """The fit from the fewest functions of the parameters: a short range does not determine many."""
    shapes = len(_shapes(basis))
    for few in sorted({min(1, shapes), min(5, shapes), shapes}):
        part = [f for start in range(0, len(basis), shapes) for f in basis[start : start + few]]
        if (found := fit([i.point for i in made], [read(i) for i in made], part)) is not None:
            return found
    return None


def _shapes(basis: Sequence[sp.Expr]) -> list[sp.Expr]:
    """The functions of the parameters alone."""
    return [b for b in basis if not {"N", "|Σ|"} & set(map(str, b.free_symbols))]


def _law(name: str, cost: str, codes: str, found: Fit | None, basis: Sequence[sp.Expr], over: str) -> Law:
    bound = {"heads": "1", "d_model": "O(1)"}.get(cost, "") if name in HOPS else ""
    if found is None:
        return Law(cost, codes, bound, "no exact expression", _failed(basis), None)
    checked = f"{found.points:,} instances" + (f", {found.unseen:,} of them unseen by the fit" if found.unseen else ", all used by the fit")
    return Law(cost, codes, bound, str(found.expression), f"fits {over} ({checked}), not proved", found.expression)


def _where(points: Sequence[Mapping[str, int]]) -> str:
    return ", ".join(f"{name} = {_span(sorted({p[name] for p in points}))}" for name in points[0])


def _failed(basis: Sequence[sp.Expr]) -> str:
    shapes = list(map(str, _shapes(basis)))
    sizes = ", ".join(map(str, basis[:: len(shapes)]))
    return f"no exact expression found in the basis ({', '.join(shapes)}) times ({sizes})"
