"""Models with a loop: the block's weights are there once, and the module applies them as often as it is asked to.

A looped model is an ordinary model of the program with its rounds written out, in which the blocks of all rounds share their
parameters; so whatever looks into a model looks into every round. `repeat` gives the same weights another number of rounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..compiler.calls import readable
from ..compiler.codes.forms import Form
from ..compiler.domain import Symbol
from ..compiler.emit import AttentionWeights, Matrix
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.language.loop import rounds
from ..compiler.ops import Lookup, Total
from ..compiler.plan.stage import Carried, Embed
from ..compiler.tied.lower import STAGES, WHAT, Tied, lower_tied
from ..compiler.tied.parts import Parts, unrolled
from .model import TORCH, HeadRecord, Model, Output, Probe, assemble, probes_in, records_in
from .module import AttentionShape, MlpShape, Shape
from .said import matches

ENTRY, BODY, EXIT = range(3)


@dataclass(frozen=True, slots=True)
class Loop:
    """What a looped model's numbers mean, part by part: entry, body, exit.

    `parts` are the graphs as written and what the state is; `optimised` those that were lowered. `forms` and `state` say how and in
    which dimension each value of the state stands between rounds. `blocks` are the shapes of each part's blocks. Probes and records are
    by part: their blocks count from the part's first, and what the embedding writes is at block 0; their values are nodes of
    the part's optimised graph.
    """

    parts: Parts
    optimised: tuple[Graph, ...]
    forms: tuple[Form, ...]
    state: tuple[int, ...]
    shape: Shape
    counts: tuple[int, int, int]
    output_forms: tuple[Form, ...]
    embedded: tuple[tuple[Probe, ...], ...]
    probes: tuple[tuple[Probe, ...], ...]
    records: tuple[tuple[HeadRecord, ...], ...]

    def starts(self, times: int) -> list[tuple[int, int]]:
        """For entry, each round and exit: the part, and the number of blocks before it. Shape: (times + 2) pairs."""
        a, b, _ = self.counts
        return [(ENTRY, 0), *((BODY, a + b * t) for t in range(times)), (EXIT, a + b * times)]

    def stored(self, times: int) -> list[int]:
        """For each block of so many rounds, which stored block it is."""
        offsets = (0, self.counts[0], self.counts[0] + self.counts[1])
        return [offsets[part] + i for part, _ in self.starts(times) for i in range(self.counts[part])]


@readable
@dataclass(frozen=True, eq=False, repr=False)
class Looped(Model):
    """A compiled program with a loop: a model of `times` rounds that share one block's weights.

    `loop` says what the block is. `tied` are the parameters, each once, by the names of a model of one round.
    """

    loop: Loop | None = None
    times: int = 0
    tied: Mapping[str, nn.Parameter] | None = None
    tied_stages: Tied | None = None

    def __repr__(self) -> str:
        cost, loop = self.cost, self.whole()[0]
        layers = [sum(isinstance(b, AttentionShape) for b in part) for part in blocks_by_part(loop)]
        text = f"{layers[0]} + {self.times} x {layers[1]} + {layers[2]} attention layers"
        sizes = f"length {self.length}, {len(self.alphabet)} symbols, {self.dtype}"
        return f"<Looped {self.name}: {sizes}; {text}, d_model {cost.d_model}, {cost.parameters:,} parameters>"

    def whole(self) -> tuple[Loop, Mapping[str, nn.Parameter]]:
        """The loop and its parameters. Raises InputError where the module has others, so that its rounds are not one block."""
        assert self.loop is not None and self.tied is not None
        own = dict(self.module.named_parameters(remove_duplicate=False))
        if len(self.module.blocks) != len(self.loop.stored(self.times)) or any(own[n] is not self.tied[n] for n in ("W_E", "W_pos", "W_U")):
            raise InputError(f"the module of {self.name} is not the loop's, {self.times} times", hint="use it with the rounds that it has")
        for block, stored in enumerate(self.loop.stored(self.times)):
            shape = self.loop.shape.blocks[stored]
            if getattr(self.module.blocks[block], "masks", ()) != getattr(shape, "masks", ()):
                raise InputError(
                    f"the module of {self.name} has other masks in block {block} than the loop's", hint="leave them as they are"
                )
            for name in self.loop.shape.blocks[stored].tensors:
                if own.get(f"blocks.{block}.{name}") is not self.tied[f"blocks.{stored}.{name}"]:
                    fact = f"the module of {self.name} has other weights in block {block} than the loop's"
                    raise InputError(fact, hint="change the parameters of the compiled model itself, or use it with the rounds that it has")
        return self.loop, self.tied

    def repeat(self, times: int) -> Looped:
        """The same weights with another number of rounds. Raises ProgramError for what is no number of rounds."""
        times = rounds("repeat()", times)
        loop, tied = self.whole()
        return self if times == self.times else viewed(loop, tied, self.dtype, times, self.tied_stages)

    def unrolled(self) -> Model:
        """The rounds as an ordinary model, each with its own copy of the block's weights, for what knows nothing of loops."""
        fields = {name: getattr(self, name) for name in ("graph", "optimised", "dtype", "output_forms", "probes", "records")}
        own = {name: value.detach().clone() for name, value in self.module.state_dict().items()}
        return Model(module=assemble(self.module.shape, own), **fields)

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        tokens: Sequence[Symbol] | Sequence[Sequence[Symbol]],
        strict: bool = True,
        engine: str = "auto",
        audit: int = 0,
        *,
        times: int | None = None,
    ) -> Output | list[Output]:
        """The program's result after `times` rounds, by default the model's own number; all else as `Model.run`."""
        model = self if times is None else self.repeat(times)
        return Model.run(model, tokens, strict, engine, audit)

    def stage(self, name: str) -> str:
        """A stage of every part as text; what the optimiser made is a stage of loaded models too. Raises InputError for an unknown one."""
        if self.tied_stages is not None and name in STAGES:
            return self.tied_stages.stage(name)
        assert self.loop is not None
        if name in ("graph", "optimised"):
            graphs = self.loop.parts.graphs() if name == "graph" else self.loop.optimised
            return "\n\n".join(f"{what}\n{graph}" for what, graph in zip(WHAT, graphs, strict=True))
        raise InputError(f"there is no stage {name!r}", hint=f"stages of a program with a loop are {', '.join(STAGES)}")


def compile_looped(parts: Parts, dtype: str, code: str, heads: int | None) -> Looped:
    """The model of a program's parts. Raises ExactnessError as lowering does."""
    tied = lower_tied(parts, dtype, code, heads)
    flat = [block for part in tied.blocks for block in part]
    shapes = tuple(AttentionShape(b.W_Q.shape[2], b.masks) if isinstance(b, AttentionWeights) else MlpShape(b.W_in.shape[1]) for b in flat)
    outputs = tied.layouts[EXIT].schedule.plan.outputs
    shape = Shape(tied.W_E.shape[0] - 1, tied.W_pos.shape[0] - 1, tied.W_E.shape[1], tuple(o.form.classes for o in outputs), shapes)
    embedded, probes = zip(*(_split_probes(tied, part) for part in range(3)), strict=True)
    counts = tuple(map(len, tied.blocks))
    assert len(counts) == 3
    loop = Loop(
        parts,
        tied.optimised,
        tied.forms,
        tied.state,
        shape,
        counts,
        tuple(o.form for o in outputs),
        embedded,
        probes,
        tuple(map(records_in, tied.layouts)),
    )
    own = {name: nn.Parameter(torch.tensor(value, dtype=TORCH[dtype])) for name, value in matrices(tied).items()}
    return viewed(loop, own, dtype, parts.times, tied)


def matrices(tied: Tied) -> dict[str, Matrix]:
    """The matrices by the names of a model of one round."""
    found = {"W_E": tied.W_E, "W_pos": tied.W_pos, "W_U": tied.W_U}
    for i, block in enumerate(block for part in tied.blocks for block in part):
        names = ("W_Q", "W_K", "W_V", "W_O") if isinstance(block, AttentionWeights) else ("W_in", "W_out")
        found |= {f"blocks.{i}.{name}": getattr(block, name) for name in names}
    return found


def _split_probes(tied: Tied, part: int) -> tuple[tuple[Probe, ...], tuple[Probe, ...]]:
    """Where a part's values are: those of the embedding, and those of its blocks. What the state holds is where it was written."""
    plan = tied.layouts[part].schedule.plan
    embedded: list[Probe] = []
    own: list[Probe] = []
    for feature, probe in probes_in(tied.layouts[part]):
        recipe = None if feature is None else plan.features[feature].recipe
        if isinstance(recipe, Embed) or (feature is None and probe.block == 0 and part == ENTRY):
            embedded.append(probe)
        elif not isinstance(recipe, Carried):
            own.append(probe)
    return tuple(embedded), tuple(own)


def blocks_by_part(loop: Loop) -> list[tuple[AttentionShape | MlpShape, ...]]:
    """The shapes of each part's blocks."""
    a, b, _ = loop.counts
    blocks = loop.shape.blocks
    return [blocks[:a], blocks[a : a + b], blocks[a + b :]]


def _said_of(record: HeadRecord, part: Graph, whole: Graph, became: Sequence[int]) -> HeadRecord:
    """A record of a part's head in the words of the graph of all rounds, `became` saying which node each of the part's became."""
    for index, node in enumerate(part.nodes):
        if node.name == record.name and isinstance(node.op, (Lookup, Total)):
            said, arrow, written = record.does.partition(" -> ")
            anything = said != matches(part, index)
            does = f"{matches(whole, became[index], anything)}{arrow}{written}"
            return replace(record, name=whole.nodes[became[index]].name, does=does)
    return record


def viewed(loop: Loop, tied: Mapping[str, nn.Parameter], dtype: str, times: int, stages: Tied | None = None) -> Looped:
    """The model of so many rounds over one set of parameters."""
    graph, _ = unrolled(loop.parts.graphs(), loop.parts.changing, times)
    optimised, maps = unrolled(loop.optimised, loop.parts.changing, times, spare=times == 0)
    stored, starts = loop.stored(times), loop.starts(times)
    shape = replace(loop.shape, blocks=tuple(loop.shape.blocks[i] for i in stored))
    tensors: dict[str, torch.Tensor] = {name: tied[name] for name in ("W_E", "W_pos", "W_U")}
    for block, i in enumerate(stored):
        tensors |= {f"blocks.{block}.{name}": tied[f"blocks.{i}.{name}"] for name in loop.shape.blocks[i].tensors}
    probes: dict[tuple[object, ...], Probe] = {}
    for part, number in ((ENTRY, 0), (BODY, 1 if times else 2), (EXIT, times + 1)):
        for probe in loop.embedded[part]:
            value = maps[number][probe.value] if isinstance(probe.value, int) else probe.value
            probes.setdefault(("embedding", probe.dims), replace(probe, value=value, block=0))
    for number, (part, start) in enumerate(starts):
        for probe in loop.probes[part]:
            value = maps[number][probe.value] if isinstance(probe.value, int) else probe.value
            name = f"{probe.name} (round {number})" if part == BODY else probe.name
            probes[number, probe.dims, probe.block] = Probe(name, value, probe.form, probe.dims, start + probe.block)
    records = [
        replace(_said_of(r, loop.optimised[part], optimised, maps[number]), block=start + r.block)
        for number, (part, start) in enumerate(starts)
        for r in loop.records[part]
    ]
    return Looped(
        graph=graph,
        optimised=optimised,
        module=assemble(shape, tensors),
        dtype=dtype,
        output_forms=loop.output_forms,
        probes=tuple(sorted(probes.values(), key=lambda p: p.block)),
        records=tuple(records),
        loop=loop,
        times=times,
        tied=tied,
        tied_stages=stages,
    )
