"""`hw.frontier`: one program in every code and dtype, certified, and which of them nothing else beats; as a table and a plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..certificate.certify import certify, proof
from ..certificate.refused import Refused
from ..certificate.robustness import proved_radius
from ..compiler.calls import public
from ..compiler.codes.numerics import DTYPES, dtype_named
from ..compiler.domain import Symbol
from ..compiler.errors import ExactnessError, HeadworkError
from ..compiler.language import Program
from ..compiler.language.program import require_program
from ..compiler.place.layout import layout
from ..compiler.place.schedule import schedule
from ..compiler.plan.planner import plan
from ..compiler.rewrite import optimise
from ..compiler.shown import Gridded
from ..runtime.model import NATURAL_CODES, codes_for, compile
from .plot import save
from .report import columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_WIDTH = 2048  # a d_model beyond this is planned but not built
HEADINGS = ("code", "dtypes", "layers", "heads", "d_model", "p", "m·p", "parameters", "m·p over the least", "")
RADIUS = "radius"


@dataclass(frozen=True, slots=True)
class Point:
    """A certified model: p is the mantissa its proof uses, `best` that no other is at least as good in every column.

    `radius` is the relative noise of every weight that is proved harmless, 0 where nothing is shown of noise (the compact style).
    """

    code: str
    dtypes: tuple[str, ...]
    layers: int
    heads: int
    d_model: int
    p: int
    parameters: int
    best: bool = False
    style: str = "compact"
    radius: float = 0.0

    @property
    def bits(self) -> int:
        """m·p, the bits of one position's residual stream."""
        return self.d_model * self.p

    @property
    def named(self) -> str:
        """The code, and the style where it is not the compact one."""
        return self.code if self.style == "compact" else f"{self.style} {self.code}"

    def costs(self) -> tuple[float, ...]:
        """What is compared, less being better."""
        return self.layers, self.heads, self.d_model, self.p, self.parameters, -self.radius


@dataclass(frozen=True)
class Frontier(Gridded):
    """Every construction of a program at one length, and those that were refused, with the reason."""

    name: str
    length: int
    symbols: int
    points: tuple[Point, ...]
    refused: tuple[tuple[str, str, str], ...]
    radius: bool = False

    @property
    def least_bits(self) -> float:
        """log2 N + log2 |Σ|: a position that holds a pointer and a symbol needs so many bits."""
        return math.log2(self.length) + math.log2(self.symbols)

    def as_dict(self) -> dict[str, object]:
        """The figures as JSON-ready values."""
        rows = [{**asdict(p), "mp": p.bits} for p in self.points]
        refused = [{"code": code, "dtype": dtype, "reason": reason} for code, dtype, reason in self.refused]
        sizes = {"name": self.name, "length": self.length, "alphabet": self.symbols, "least_bits": self.least_bits}
        return {**sizes, "points": rows, "refused": refused}

    def cells(self) -> list[tuple[str, ...]]:
        """A row a construction, under HEADINGS."""
        rows: list[tuple[str, ...]] = []
        for p in self.points:
            numbers = (f"{x:,}" for x in (p.layers, p.heads, p.d_model, p.p, p.bits, p.parameters))
            over = f"{p.bits / self.least_bits:.1f}" if self.least_bits else ""
            noise = (f"{p.radius:.1e}" if p.radius else "0",) * self.radius
            rows.append((p.named, ", ".join(p.dtypes), *numbers, over, *noise, "best" if p.best else ""))
        return rows

    def headings(self) -> tuple[str, ...]:
        """What the cells of a row are."""
        return (*HEADINGS[:-1], *(RADIUS,) * self.radius, HEADINGS[-1])

    def headline(self) -> str:
        """The program and its sizes."""
        return f"{self.name}: N = {self.length:,}, |Σ| = {self.symbols:,}; every row is certified"

    def grid(self) -> tuple[str, Sequence[str], Sequence[Sequence[str]]]:
        """Every construction; of those that were refused the reason stands in the last column."""
        blank = [""] * (len(self.headings()) - 3)
        refused = [(code, dtype, *blank, f"refused: {reason}") for code, dtype, reason in self.refused]
        return self.headline(), self.headings(), [*self.cells(), *refused]

    def __repr__(self) -> str:
        best = sum(p.best for p in self.points)
        return f"<Frontier of {self.name}: {len(self.points)} constructions, {best} of them best, {len(self.refused)} refused>"

    def __str__(self) -> str:
        lines = [self.headline(), "", columns(self.headings(), self.cells()), ""]
        lines.append("theorem (arXiv 2402.09268): m = O(1), p = Θ(log N)")
        lines.append(f"least m·p of a pointer and a symbol: log2 N + log2 |Σ| = {self.least_bits:.1f}")
        if self.radius:
            lines.append(
                "radius: relative noise of every weight, any, that changes no answer, proved; the compact style is shown bit by bit"
            )
        lines += [f"refused: {code} in {dtype}: {reason}" for code, dtype, reason in self.refused]
        return "\n".join(lines)

    def plot(self, path: str | Path) -> Path:
        """Width against precision, both logarithmic, as a PNG or SVG, and with radii width against those beside it.

        Raises InputError without matplotlib or for another suffix.
        """

        def draw(figure: Figure) -> None:
            axes, *noise = figure.subplots(1, 1 + self.radius, squeeze=False)[0]
            for beside in noise:
                self._noise(beside)
            widths = [p.d_model for p in self.points]
            for best, marker, label in ((True, "o", "on the frontier"), (False, "x", "beaten")):
                some = [p for p in self.points if p.best == best]
                axes.scatter([p.d_model for p in some], [p.p for p in some], marker=marker, label=label, zorder=3)
            for point in [p for p in self.points if p.best]:
                axes.annotate(point.named, (point.d_model, point.p), xytext=(4, 5), textcoords="offset points", fontsize=8)
            span = [1, max([*widths, self.least_bits])]
            axes.plot(
                span, [self.least_bits / m for m in span], "--", color="gray", label=f"m·p = log2 N + log2 |Σ| = {self.least_bits:.1f}"
            )
            axes.set(
                xscale="log", yscale="log", xlabel="m, the width of the residual stream", ylabel="p, bits of mantissa used", ylim=(1, 64)
            )
            axes.set_yticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
            axes.set_title(f"{self.name} at length {self.length:,} over {self.symbols:,} symbols")
            axes.legend()

        return save(path, draw, (12 if self.radius else 7, 4.5))

    def _noise(self, axes: Axes) -> None:
        """Width against the proved radius; what has none stands at the foot."""
        radii = [p.radius for p in self.points if p.radius]
        foot = min(radii, default=1e-6) / 10
        for style, colour in (("compact", "tab:gray"), ("natural", "tab:blue")):
            some = [p for p in self.points if p.style == style]
            axes.scatter([p.d_model for p in some], [p.radius or foot for p in some], color=colour, label=style, zorder=3)
            for p in [p for p in some if p.best and p.radius]:
                axes.annotate(p.code, (p.d_model, p.radius), xytext=(-4, 5), ha="right", textcoords="offset points", fontsize=8)
        axes.axhline(foot, color="black", lw=0.5)
        place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        axes.annotate("nothing proved", (0.98, foot), xytext=(0, -11), ha="right", fontsize=8, **place)
        axes.set(xscale="log", yscale="log", xlabel="m, the width of the residual stream", ylabel="radius proved, of each weight")
        axes.margins(0.15)
        axes.set_title("noise of the weights that changes no answer")
        axes.legend()


@public
def frontier(
    program: Program,
    *,
    length: int,
    alphabet: int | Sequence[Symbol] | None = None,
    heads: int | None = None,
    radius: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Frontier:
    """Compile a program in every code and dtype, certify each, and mark those that no other beats in every cost.

    With `radius` the natural style is compiled too, in float32 and each code that it has, and the proved radius of its noise is one more
    column: more is better. What cannot be exact, or is wider than 2,048, is listed with its reason.

    Raises what building the program raises.
    """
    program = require_program("frontier()", program)
    graph = optimise(program.build(length, alphabet))
    codes = codes_for(graph)
    found: dict[tuple[str, tuple[int, int, int, int, int]], list[str]] = {}
    refused: list[tuple[str, str, str]] = []
    for done, (code, dtype) in enumerate(pairs := [(c, d) for c in codes for d in DTYPES]):
        if progress:
            progress(done, len(pairs))
        try:
            width = layout(schedule(plan(graph, dtype_named(dtype), code), heads)).d_model
            if width > MAX_WIDTH:
                refused.append((code, dtype, f"d_model is {width:,}, more than is built here"))
                continue
            model = compile(program, length=length, alphabet=alphabet, dtype=dtype, code=code, heads=heads)
            p = proof(model)[0].mantissa_bits
        except (ExactnessError, Refused) as error:
            refused.append((code, dtype, error.fact))
            continue
        cost = model.cost
        key = cost.attention_layers, max(cost.heads, default=0), cost.d_model, p, cost.parameters
        found.setdefault((code, key), []).append(dtype)
    points = [Point(code, tuple(dtypes), *key) for (code, key), dtypes in found.items()]
    for code in NATURAL_CODES if radius else ():
        try:
            model = compile(program, length=length, alphabet=alphabet, code=code, heads=heads, style="natural")
            if model.cost.d_model > MAX_WIDTH:
                refused.append((f"natural {code}", "float32", f"d_model is {model.cost.d_model:,}, more than is built here"))
                continue
            certify(model, witness=False)
        except (HeadworkError, Refused) as error:
            refused.append((f"natural {code}", "float32", error.fact))
            continue
        cost = model.cost
        key = cost.attention_layers, max(cost.heads, default=0), cost.d_model, DTYPES["float32"].mantissa, cost.parameters
        points.append(Point(code, ("float32",), *key, style="natural", radius=proved_radius(model)[0]))
    marked = [replace(p, best=not any(_beats(q, p) for q in points)) for p in points]
    return Frontier(graph.name, length, len(graph.sizes.alphabet), tuple(marked), tuple(refused), radius)


def _beats(a: Point, b: Point) -> bool:
    return a.costs() != b.costs() and all(x <= y for x, y in zip(a.costs(), b.costs(), strict=True))
