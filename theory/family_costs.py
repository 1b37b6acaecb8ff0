"""The costs of a library program over ranges of its parameters, lengths and alphabets, and the form each was written in."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..compiler.graph import Builder, Graph
from ..compiler.ops import Fetch
from ..compiler.pipeline import lower
from ..compiler.rewrite.maps import at_query
from ..programs import Entry
from ..runtime.cost import Cost
from .measure import cost_of_weights

_SIZE = re.compile(r", base \d+|(?<=onehot)\(\d+\)|(?<=signs)\(\d+\)")


@dataclass(frozen=True, slots=True)
class Instance:
    """One compilation. `point` holds the parameters, N and |Σ|; `codes` the lookups' codes in order, repeats left out.

    `chain` is (reads, depth of the map) where the program as written reads a value of depth 0 through one map again
    and again, None where it is written otherwise. `depth` is the attention depth the optimiser reached.
    """

    point: Mapping[str, int]
    cost: Cost
    codes: tuple[str, ...]
    chain: tuple[int, int] | None
    depth: int


def instances(
    entry: Entry,
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
    grid = list(itertools.product(lengths, alphabets, itertools.product(*ranges.values())))
    made: list[Instance] = []
    for length, symbols, values in grid:
        settings = dict(zip(ranges, values, strict=True))
        compiled = lower(entry.program(**settings).build(length, None if entry.alphabet_fixed else symbols), dtype, code, heads)
        codes = tuple(dict.fromkeys(_SIZE.sub("", head.code) for head in compiled.plan.heads))
        point = {**settings, "N": length, "|Σ|": symbols}
        chain = chain_of_reads(compiled.graph)
        made.append(Instance(point, cost_of_weights(compiled.weights), codes, chain, compiled.optimised.depth))
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
