"""Checkpoints of looped models: the blocks before, in and after the loop, each once, and what the state is between rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from torch import nn

from ..compiler.codes.forms import scalar
from ..compiler.codes.numerics import DTYPES
from ..compiler.domain import Domain, Kind, Sizes
from ..compiler.language.loop import MOST_TIMES
from ..compiler.tied.parts import Parts
from .looped import Loop, Looped, viewed
from .serial import Json, Reader, form_json, graph_json, read_alphabet, read_graph

if TYPE_CHECKING:
    import torch

    from ..compiler.codes.forms import Form
    from ..compiler.graph import Graph
    from .model import HeadRecord, Probe
    from .module import Shape

KINDS = ("token", "position", "int", "bool", "label")
PARTS = ("before the loop", "each round", "after the loop")


def loop_config(model: Looped) -> dict[str, Json]:
    """What config.json says of a loop: the blocks of each part, the rounds, and the state's dimensions."""
    loop, _ = model.whole()
    return {"blocks": list(loop.counts), "times": model.times, "state": list(loop.state)}


def loop_program(model: Looped, probe: Callable[[Probe], Json], record: Callable[[HeadRecord], Json], alphabet: Json) -> Json:
    """What a looped model's numbers mean, as program.json holds it."""
    loop, _ = model.whole()
    state: list[Json] = [
        {"name": name, "kind": d.kind, "lo": d.lo, "hi": d.hi, "none": d.none, "lag": d.lag, "changes": j in loop.parts.changing}
        for j, (name, d) in enumerate(zip(loop.parts.names, loop.parts.domains, strict=True))
    ]
    parts: list[Json] = []
    for i in range(3):
        graph, optimised = loop.parts.graphs()[i], loop.optimised[i]
        parts.append(
            {
                "graph": graph_json(graph),
                "optimised": graph_json(optimised),
                "embedded": [probe(p) for p in loop.embedded[i]],
                "probes": [probe(p) for p in loop.probes[i]],
                "heads": [record(r) for r in loop.records[i]],
            }
        )
    return {
        "alphabet": alphabet,
        "rounds": loop.parts.times,
        "state": state,
        "parts": parts,
        "output_forms": [form_json(f) for f in loop.output_forms],
    }


def rebuild_looped(
    config: Reader,
    reader: Reader,
    shape: Shape,
    dtype: str,
    tensors: dict[str, torch.Tensor],
    forms: Callable[[Graph, Graph], tuple[Form, ...]],
    probe: Callable[[Reader, int, int], Probe],
    record: Callable[[Reader, int, Graph], HeadRecord],
) -> Looped:
    """A looped model from its descriptions and tensors. Raises CheckpointError as `load` does."""
    of_loop = config.object("loop")
    of_loop.only("blocks", "times", "state")
    counts, dims = of_loop.ints("blocks"), of_loop.ints("state")
    if len(counts) != 3 or min(counts) < 0 or sum(counts) != len(shape.blocks):
        raise of_loop.error("blocks", f"does not divide {len(shape.blocks)} blocks into three parts")
    reader.only("alphabet", "rounds", "state", "parts", "output_forms")
    alphabet = read_alphabet(reader, "alphabet", shape.alphabet)
    sizes = Sizes(shape.length, alphabet, config.bool("causal"), DTYPES[dtype].mantissa)
    rows = reader.objects("state")
    names: list[str] = []
    domains: list[Domain] = []
    changing: list[int] = []
    for j, row in enumerate(rows):
        row.only("name", "kind", "lo", "hi", "none", "lag", "changes")
        lag = None if row.value("lag") is None else row.int("lag")
        names.append(row.str("name"))
        domains.append(Domain(cast("Kind", row.str("kind", KINDS)), row.int("lo"), row.int("hi"), row.bool("none"), lag))
        changing += [j] if row.bool("changes") else []
    if len(dims) != len(rows) or len(set(dims)) != len(dims) or not all(0 <= d < shape.d_model for d in dims) or not changing:
        raise of_loop.error("state", f"does not name a dimension below {shape.d_model} for each of the {len(rows)} values of the state")
    parts = reader.objects("parts")
    if len(parts) != 3:
        raise reader.error("parts", "are not entry, body and exit")
    written: list[Graph] = []
    optimised: list[Graph] = []
    for i, (part, wanted) in enumerate(zip(parts, (len(rows), len(changing), None), strict=True)):
        part.only("graph", "optimised", "embedded", "probes", "heads")
        for field, found in (("graph", written), ("optimised", optimised)):
            found.append(read_graph(part.object(field), config.str("name"), sizes, domains if i else ()))
            if found[-1].guard is not None or (wanted is not None and len(found[-1].outputs) != wanted):
                raise part.error(field, "returns another number of values than the state has")
    graphs, lowered = (written[0], written[1], written[2]), (optimised[0], optimised[1], optimised[2])
    loop = Loop(
        Parts(*graphs, tuple(names), tuple(domains), tuple(changing), reader.int("rounds", 0, MOST_TIMES)),
        lowered,
        tuple(map(scalar, domains)),
        dims,
        shape,
        (counts[0], counts[1], counts[2]),
        forms(graphs[2], lowered[2]),
        tuple(tuple(probe(r, 0, len(g.nodes)) for r in part.objects("embedded")) for part, g in zip(parts, lowered, strict=True)),
        tuple(tuple(probe(r, n, len(g.nodes)) for r in part.objects("probes")) for part, g, n in zip(parts, lowered, counts, strict=True)),
        tuple(tuple(record(r, n, g) for r in part.objects("heads")) for part, g, n in zip(parts, lowered, counts, strict=True)),
    )
    own = {name: nn.Parameter(tensor) for name, tensor in tensors.items()}
    return viewed(loop, own, dtype, of_loop.int("times", 0, MOST_TIMES))
