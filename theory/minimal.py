"""`hw.minimal_layers`: the least number of attention layers of a program within a stated class, with what proves it.

**Lookups.** A layer gives each place h lookups: each picks one earlier place or this one by any order on (place, what is known there)
that depends on what is known here, and hands over all that is known there. Any function of what is known is local. For one layer the
class is that of `theory.search`, decided by z3 on all texts over a few symbols; two texts that end alike and differ in their answers
show that no layers are not enough. A text of fewer places is a text of the program too, so what is infeasible at a short length is at
every longer one, if the program is causal.

**Powers of a map.** k-hop follows a pointer that is known after one lookup, and each place has the same choice, made when the program
is written. So what a place knows is which powers of the pointer it has as positions (K) and which tokens (S): K = {0, 1}, S = {0}
after the first layer; a lookup at a power e in K adds K + e and S + e. That fewer layers are too few z3 shows of the greatest powers
alone; that so many are enough is shown by choices, which are played through. Maps that differ (f after g after …) are words instead of
powers, and z3 decides which pieces of the goal are known after each layer.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Literal, TypeAlias

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.language import Program
from ..compiler.language.program import require_program
from ..compiler.pipeline import lower
from ..compiler.shown import Shown
from ..runtime.interpreter import interpret_graph
from .family import of_program, recognised
from .search import Row, Task, decide

if TYPE_CHECKING:
    import z3

Word: TypeAlias = tuple[int, ...]
Status: TypeAlias = Literal["least", "not decided"]  # of the programs in the class
TEXTS = 1 << 13  # of one length, over the symbols that are tried
LONGEST_CHAIN = 256


@dataclass(frozen=True)
class Minimal(Shown):
    """A program's layers as compiled, whether fewer are excluded in the class, and by what."""

    name: str
    layers: int
    status: Status
    lookups: int
    steps: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the compiled layers are shown to be the least."""
        return self.status == "least"

    def as_dict(self) -> dict[str, object]:
        """The result as JSON-ready values."""
        return {"name": self.name, "layers": self.layers, "status": self.status, "lookups": self.lookups, "steps": list(self.steps)}

    def __str__(self) -> str:
        class_ = f"with {self.lookups} lookup{'s' * (self.lookups > 1)} a layer"
        word = f"no program {class_} has fewer" if self.ok else f"whether a program {class_} has fewer is not decided"
        head = f"{self.name}: {self.layers} attention layer{'s' * (self.layers != 1)}; {word}"
        return "\n".join([head, *(f"  {step}" for step in self.steps)])


@public
def minimal_layers(
    program: Program, *, length: int = 256, alphabet: int | Sequence[Symbol] | None = None, lookups: int = 1, seconds: float = 30.0
) -> Minimal:
    """Compile a program and look for a proof that no fewer attention layers do, with so many lookups a layer.

    No layers: two texts that end alike and differ in the last answer. One layer: z3 on all texts of a few places over a few symbols.
    More: the powers of the pointer of k-hop, which is recognised by its graph. Where none of these decides, it says so.
    It is about this class: a program that counts may have fewer. Raises InputError for `lookups < 1`, for programs of several values, for
    the library's k-hop of more than 256 hops, and without z3.
    """
    require_program("minimal_layers()", program)
    if lookups < 1:
        raise InputError(f"lookups is {lookups}", hint="give the lookups of a layer, at least 1")
    known = of_program(program)
    asked = known.given.get("k", 0) if known is not None and "khop" in known.families() else 0
    if asked > LONGEST_CHAIN:  # before as many reads are written out
        fact = f"k is {asked:,}, and chains of at most {LONGEST_CHAIN} hops are searched"
        raise InputError(fact, hint=f"ask for at most {LONGEST_CHAIN} hops")
    began = time.monotonic()
    compiled = lower(program.build(length, alphabet), "float32", "auto", None)
    graph, layers = compiled.graph, compiled.optimised.depth
    if len(graph.outputs) > 1:
        raise InputError(f"{graph.name} returns {len(graph.outputs)} values", hint="ask for a program of one of them")
    steps: list[str] = []

    def done(status: Status) -> Minimal:
        return Minimal(graph.name, layers, status, lookups, tuple(steps), time.monotonic() - began)

    if layers == 0:
        steps.append("no answer depends on another place")
        return done("least")
    if not graph.sizes.causal:
        steps.append("places see what comes after them: the search is about the last place of a causal program")
        return done("not decided")
    member = recognised(graph)
    hops = member.given.get("k") if "khop" in member.families() else None
    if layers > 2 and hops is not None and hops <= LONGEST_CHAIN:
        found = chain_layers(hops, lookups, seconds)
        steps.append(f"powers of the pointer: {found.text(f'hop {hops}')}")
        return done("least" if found.layers == layers else "not decided")
    if layers > 2:
        steps.append(f"more than two layers are decided for k-hop of at most {LONGEST_CHAIN} hops only")
        return done("not decided")
    symbols = graph.sizes.alphabet.symbols
    for some, places in _sizes(len(symbols)):
        if time.monotonic() - began >= seconds:
            steps.append(f"nothing more was tried after {seconds:g} s")
            break
        task = Task(places, some, _answers(program.build(places, symbols), len(symbols) - some))
        if layers == 1:
            if (pair := _alike(task, began + seconds)) is not None:
                steps.append(
                    f"no layer is not enough: {_shown(pair[0], symbols, some)} and {_shown(pair[1], symbols, some)} end alike, and "
                    f"differ in the answer"
                )
                return done("least")
            continue
        result = decide(task, lookups, some * places, max(0.0, seconds - (time.monotonic() - began)))
        steps.append(
            f"one layer, {places} places, {some} symbols: {result.verdict} ({result.conflicts:,} pairs of texts, {result.seconds:.1f} s)"
        )
        if result.verdict == "infeasible":
            return done("least")
    return done("not decided")


def _sizes(symbols: int) -> list[tuple[int, int]]:
    """How many symbols and places to try, few texts first."""
    sizes = {(s, n) for s in range(2, min(symbols, 8) + 1) for n in range(2, 9) if s**n <= TEXTS} | {(symbols, 2)}
    return sorted(sizes, key=lambda x: x[0] ** x[1])


def _answers(graph: Graph, offset: int) -> Callable[[Row], object]:
    """The graph's answer at the last place, the symbols tried being those from `offset` on."""
    known: dict[Row, object] = {}

    def answer(row: Row) -> object:
        if row not in known:
            known[row] = interpret_graph(graph, [x + offset for x in row])[graph.output][-1]
        return known[row]

    return answer


def _alike(task: Task, deadline: float) -> tuple[Row, Row] | None:
    """Two texts with one last symbol and different answers, None where there are none, or none were found in time."""
    first: dict[int, Row] = {}
    for row in itertools.product(range(task.symbols), repeat=task.length):
        if time.monotonic() >= deadline:
            return None
        other = first.setdefault(row[-1], row)
        if task.answer(other) != task.answer(row):
            return other, row
    return None


def _shown(row: Row, symbols: Sequence[Symbol], some: int) -> str:
    return repr(" ".join(str(symbols[len(symbols) - some + x]) for x in row))


@dataclass(frozen=True, slots=True)
class Chain:
    """The least layers to have a power or a word, the lookups that do it, and the layers that were excluded; None where time ran out."""

    layers: int | None
    choices: tuple[tuple[Word, ...], ...]
    excluded: tuple[int, ...]

    def text(self, goal: str) -> str:
        """The result in words."""
        if self.layers is None:
            return f"{goal}: not decided in time; excluded: {', '.join(map(str, self.excluded)) or 'none'}"
        chosen = "; ".join(", ".join(_word(w) for w in layer) or "none" for layer in self.choices)
        return f"{goal} takes {self.layers} layers; z3 excludes {self.excluded[-1] if self.excluded else 0} and fewer; lookups at {chosen}"


def _word(word: Word) -> str:
    return str(len(word)) if len(set(word)) == 1 else "∘".join(f"f{x}" for x in reversed(word))


def chain_layers(k: int, lookups: int = 1, seconds: float = 30.0) -> Chain:
    """The least layers of k-hop: the matching layer, which makes the pointer known, and lookups at its powers."""
    return _least((0,) * k, 1, lookups, seconds)


def composition_layers(maps: int, lookups: int = 1, seconds: float = 30.0) -> Chain:
    """The least layers to read what stands at f_m(…f_1(i)…) where every place knows where each map leads from it."""
    return _least(tuple(range(1, maps + 1)), 0, lookups, seconds)


def ranking_layers(length: int, lookups: int = 1, seconds: float = 30.0) -> Chain:
    """The least layers for every place of a list of at most `length` places to know how far it is from the end.

    A place knows its rank if it is less than its horizon, 1 before all lookups; a lookup at power e adds e to that of the place found.
    All ranks are known once the horizon is length - 1: the rank that is left is the greatest.
    """
    if length <= 2:
        return Chain(0, (), ())
    return _least((0,) * (length - 2), 0, lookups, seconds)  # horizon h: S holds the power h - 1


def _least(goal: Word, before: int, lookups: int, seconds: float) -> Chain:
    """Layers are added until z3 finds choices; each number before that is shown to be too few."""
    began, excluded = time.monotonic(), list[int]()
    if not goal:
        return Chain(0, (), ())
    for more in itertools.count():
        left = seconds - (time.monotonic() - began)
        choices = _choices(goal, more, lookups, left) if left > 0 else None
        if choices is None:
            return Chain(None, (), tuple(excluded))
        if choices:
            return Chain(before + more, choices[0], tuple(excluded))
        excluded.append(before + more)
    raise AssertionError("the loop ends by returning")


def _choices(goal: Word, layers: int, lookups: int, seconds: float) -> list[tuple[tuple[Word, ...], ...]] | None:
    """One choice of lookups that has the goal after so many layers, an empty list where there is none, None where z3 does not say."""
    if layers == 0:
        return []
    return _powers(len(goal), layers, seconds) if len(set(goal)) == 1 and len(goal) > 1 else _words(goal, layers, lookups, seconds)


def _powers(k: int, layers: int, seconds: float) -> list[tuple[tuple[Word, ...], ...]] | None:
    """Powers of one map. Of several lookups in a layer only the one at the greatest power moves the greatest powers, so one is enough."""
    z3 = _z3()
    solver = z3.Solver()
    solver.set("timeout", max(1, int(1000 * seconds)))
    place, token = z3.IntVal(1), z3.IntVal(0)  # the greatest powers known as positions, and as tokens
    for t in range(layers):
        e = z3.Int(f"e{t}")
        solver.add(e >= 1, e <= place)
        place, token = place + e, token + e
    solver.add(token >= k)
    result = solver.check()
    if result != z3.sat:
        return [] if result == z3.unsat else None
    chosen = [1 << t for t in range(layers)]
    places, tokens = {0, 1}, {0}
    for e in chosen:
        assert e in places
        places, tokens = places | {e + x for x in places}, tokens | {e + x for x in tokens}
    assert k in tokens, "z3 finds greatest powers that doubling does not reach"
    return [tuple(((0,) * e,) for e in chosen)]


def _words(goal: Word, layers: int, lookups: int, seconds: float) -> list[tuple[tuple[Word, ...], ...]] | None:
    """Words of maps. Only pieces of the goal matter: what is read later stands behind what is known, so it has to stand in the goal."""
    z3 = _z3()
    n = len(goal)
    words = sorted({goal[a:b] for a in range(n) for b in range(a, n + 1)}, key=lambda w: (len(w), w))
    solver = z3.Solver()
    solver.set("timeout", max(1, int(1000 * seconds)))
    at = [{w: z3.Bool(f"K{t}.{w}") for w in words} for t in range(layers + 1)]
    told = [{w: z3.Bool(f"S{t}.{w}") for w in words} for t in range(layers + 1)]
    pick = [[{w: z3.Bool(f"c{t}.{h}.{w}") for w in words if w} for h in range(lookups)] for t in range(layers)]
    for w in words:
        solver.add(at[0][w] == (len(w) <= 1), told[0][w] == (len(w) == 0))
    for t in range(layers):
        for choice in pick[t]:
            solver.add(z3.AtMost(*choice.values(), 1), *(z3.Implies(c, at[t][w]) for w, c in choice.items()))
        for before, after in ((at[t], at[t + 1]), (told[t], told[t + 1])):
            for w in words:
                ways = [z3.And(choice[w[:i]], before[w[i:]]) for choice in pick[t] for i in range(1, len(w) + 1)]
                solver.add(after[w] == z3.Or(before[w], *ways))
    solver.add(told[layers][goal])
    result = solver.check()
    if result != z3.sat:
        return [] if result == z3.unsat else None
    model = solver.model()
    return [tuple(tuple(w for choice in layer for w, c in choice.items() if _true(model, c)) for layer in pick)]


def _z3() -> ModuleType:
    """z3, or an InputError that says how to get it."""
    try:
        import z3
    except ImportError:
        raise InputError("the search needs z3", hint="pip install 'headwork[search]'") from None
    return z3


def _true(model: z3.ModelRef, c: z3.BoolRef) -> bool:
    return str(model.eval(c, model_completion=True)) == "True"
