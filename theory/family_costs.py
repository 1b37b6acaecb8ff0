"""The costs of a family of programs over ranges of its parameters, lengths and alphabets, and the form each was written in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..compiler.errors import InputError
from ..compiler.graph import Builder, Graph
from ..compiler.language import Program
from ..compiler.ops import Fetch
from ..compiler.pipeline import lower
from ..compiler.rewrite.maps import at_query
from ..programs import Entry
from ..runtime.cost import Cost
from .measure import Measured, cost_of_weights, of_weights

_SIZE = re.compile(r", base \d+|(?<=onehot)\(\d+\)|(?<=signs)\(\d+\)")


@dataclass(frozen=True, slots=True)
class Family:
    """Programs that differ by integer parameters: how each is made, and the attention layers that are stated of it, if any are."""

    name: str
    make: Callable[..., Program]
    alphabets: tuple[int, ...]
    fixed: bool
    layers: Callable[..., int] | None = None
    formula: str = ""


def of_library(entry: Entry) -> Family:
    """A library program's family."""
    own = entry.alphabet if isinstance(entry.alphabet, int) else len(entry.alphabet)
    sizes = (own,) if entry.alphabet_fixed else (own, 2 * own, 4 * own)
    return Family(entry.name, entry.program, sizes, entry.alphabet_fixed, entry.layers, entry.layers_formula)


def of_function(make: Callable[..., object], ranges: Mapping[str, Sequence[int]]) -> Family:
    """The family that a function of the caller's makes. Raises InputError where it does not return programs for these parameters."""
    name = getattr(make, "__name__", "family")

    def program(**settings: object) -> Program:
        made = make(**settings)
        if not isinstance(made, Program):
            fact = f"{name}({', '.join(f'{k}={v}' for k, v in settings.items())}) returned {made!r}, not a program"
            raise InputError(fact, hint="decorate the inner function with @hw.program and return it")
        return made

    first = program(**{parameter: values[0] for parameter, values in ranges.items()})
    return Family(name, program, () if first.names_symbols else (4, 8, 16), first.names_symbols)


@dataclass(frozen=True, slots=True)
class Instance:
    """One compilation. `point` holds the parameters, N and |Σ|; `codes` the lookups' codes in order, repeats left out.

    `chain` is (reads, depth of the map) where the program as written reads a value of depth 0 through one map again
    and again, None where it is written otherwise. `depth` is the attention depth the optimiser reached.
    """

    point: Mapping[str, int]
    cost: Cost
    measured: Measured
    codes: tuple[str, ...]
    chain: tuple[int, int] | None
    depth: int


def instances(
    family: Family,
    ranges: Mapping[str, Sequence[int]],
    lengths: Sequence[int],
    alphabets: Sequence[int],
    *,
    dtype: str = "float32",
    code: str = "auto",
    heads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Instance]:
    """Compile every combination; a program about its own words keeps its alphabet. Raises what compiling raises."""
    grid = list(itertools.product(lengths, alphabets or (0,), itertools.product(*ranges.values())))
    made: list[Instance] = []
    for length, symbols, values in grid:
        settings = dict(zip(ranges, values, strict=True))
        graph = family.make(**settings).build(length, None if family.fixed else symbols)
        compiled = lower(graph, dtype, code, heads)
        codes = tuple(dict.fromkeys(_SIZE.sub("", head.code) for head in compiled.plan.heads))
        point = {**settings, "N": length, "|Σ|": len(graph.sizes.alphabet)}
        sizes, cost = of_weights(compiled.weights), cost_of_weights(compiled.weights)
        made.append(Instance(point, cost, sizes, codes, chain_of_reads(compiled.graph), compiled.optimised.depth))
        if progress is not None:
            progress(len(made), len(grid))
    return made


def chain_of_reads(graph: Graph) -> tuple[int, int] | None:
    """How often the one output reads through one map, and the depth of that map, if it is such a chain on a value of depth 0."""
    if len(graph.outputs) > 1:
        return None
    builder = Builder(graph.name, graph.sizes)
    builder.nodes = list(graph.nodes)
    depths = graph.depths()
    node, reads, maps = graph.output, 0, set[int]()
    while isinstance(graph.nodes[node].op, Fetch):
        lookup, value = graph.nodes[node].args
        query = at_query(builder, lookup)
        if query is None:
            return None
        maps.add(query)
        node, reads = value, reads + 1
    if len(maps) != 1 or depths[node] != 0:
        return None
    return reads, depths[maps.pop()]
