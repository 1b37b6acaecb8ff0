"""Models: compile a program, run it on the user's own symbols, look inside."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch

from ..compiler.calls import public, readable
from ..compiler.codes.forms import Form
from ..compiler.domain import Alphabet, Domain, Symbol
from ..compiler.emit import AttentionWeights, Weights, emit, heads_in_order
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.language import Program
from ..compiler.language.program import require_program
from ..compiler.natural.lower import STAGES as NATURAL_STAGES, lower as lower_naturally
from ..compiler.ops import Total
from ..compiler.pipeline import STAGES, Compiled, lower
from ..compiler.place.layout import Layout
from ..compiler.place.schedule import Attention
from ..compiler.plan.stage import Origin, Tally
from ..compiler.shown import Tabled
from ..compiler.tied.parts import parts_of
from .above import Above, most_robust
from .classes import classes
from .cost import Cost, cost_of
from .interpreter import Column
from .module import AttentionShape, MlpShape, Shape, Transformer
from .natural import module_of, probes_of, records_of
from .outputs import read, require_capacity
from .pad import Architecture, pad_model
from .said import matches
from .tokens import encode, id_rows, in_order

if TYPE_CHECKING:
    from ..compiler.natural.lower import Natural

Output: TypeAlias = list[Symbol | None]
Style: TypeAlias = Literal["compact", "natural"]
S = TypeVar("S", bound=Symbol)
TORCH = {"float64": torch.float64, "float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
CHUNK = 4096
STYLES = ("compact", "natural")
NATURAL_CODES = ("onehot", "binary")


@dataclass(frozen=True, slots=True)
class Probe:
    """Where a value can be read: dimensions of the residual stream after a block (0 is the embedding)."""

    name: str
    value: int | Origin
    form: Form
    dims: tuple[int, ...]
    block: int


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """What a head does and why it is exact, for people."""

    block: int
    name: str
    does: str
    code: str
    inequality: str
    steps: int


@readable
@dataclass(frozen=True, eq=False, repr=False)
class Model(Above, Tabled):
    """A compiled program: an ordinary torch module and what its numbers mean.

    `graph` is the program as written and `optimised` the one that was lowered; `probes` say where its values are.
    `output_forms` are those of the outputs, the guard's last where the program has one. `style` says how it was lowered, and
    `sharpness` is the lead of a natural lookup's winner in nats.
    """

    graph: Graph
    optimised: Graph
    module: Transformer
    dtype: str
    output_forms: tuple[Form, ...]
    probes: tuple[Probe, ...]
    records: tuple[HeadRecord, ...]
    compiled: Compiled | None = None
    style: Style = "compact"
    sharpness: float | None = None
    natural: Natural | None = None

    def __repr__(self) -> str:
        cost, sizes = self.cost, f"length {self.length}, {len(self.alphabet)} symbols, {self.dtype}"
        layers = f"{cost.attention_layers} attention layer{'s' * (cost.attention_layers != 1)}, d_model {cost.d_model}"
        return f"<Model {self.name}: {sizes}; {layers}, {cost.parameters:,} parameters>"

    def table(self) -> tuple[str, Sequence[tuple[str, str]]]:
        """The sizes, what it costs, and what each head does."""
        kind = "causal" if self.graph.sizes.causal else "bidirectional"
        rows = [("sizes", f"length {self.length:,}, {len(self.alphabet):,} symbols, {kind}, {self.dtype}"), *self.cost.table()[1]]
        rows += [(f"block {r.block}: {r.name}", r.does) for r in self.records]
        return self.name, rows

    @property
    def name(self) -> str:
        """The program's name."""
        return self.graph.name

    @property
    def length(self) -> int:
        """The longest sequence, N."""
        return self.graph.sizes.length

    @property
    def alphabet(self) -> Alphabet:
        """The symbols."""
        return self.graph.sizes.alphabet

    @property
    def cost(self) -> Cost:
        """Layers, heads, widths and parameters."""
        return cost_of(self.module)

    @property
    def output_domain(self) -> Domain:
        """The domain of the program's one result. Raises ProgramError where it returns several, or has a guard."""
        return self.graph.nodes[self.graph.output].domain

    @property
    def output_form(self) -> Form:
        """The form of the program's one result. Raises ProgramError where it returns several, or has a guard."""
        return self.output_forms[self.graph.roots.index(self.graph.output)]

    @overload
    def run(self, tokens: Sequence[list[S]], strict: bool = True, engine: str = "auto", audit: int = 0) -> list[Output]: ...
    @overload
    def run(self, tokens: Sequence[Symbol], strict: bool = True, engine: str = "auto", audit: int = 0) -> Output: ...
    @overload
    def run(
        self, tokens: Sequence[Sequence[Symbol]], strict: bool = True, engine: str = "auto", audit: int = 0
    ) -> Output | list[Output]: ...
    def run(
        self, tokens: Sequence[Symbol] | Sequence[Sequence[Symbol]], strict: bool = True, engine: str = "auto", audit: int = 0
    ) -> Output | list[Output]:
        """The program's result at every position, in the user's symbols; None is ⊥. Tuples where it returns a tuple.

        Takes one sequence or a batch of sequences of any lengths up to N and returns the same shape. A batch is an array of
        two dimensions, or a list whose items are all lists, tuples or arrays that are no symbols themselves. Raises InputError
        for unknown symbols and for sequences too long; CapacityError where an inbox overflows, or with `strict=False` what the
        model says then, right or not.

        `engine` is "dense", "sparse" (each head finds what it attends to: for certified models, the same answers), or "auto", the
        faster of the two for this length. `audit` is how many queries of each head the sparse engine also scores in full. Raises
        InputError for "sparse" where there is no certificate; see `execution/`.
        """
        items = in_order(tokens)
        if items and all(self.is_row(item) for item in items):
            rows = [encode(self.graph.sizes, row) for row in items]  # pyright: ignore[reportArgumentType]
            return self._run(rows, strict, engine, audit)
        return self._run([encode(self.graph.sizes, items)], strict, engine, audit)[0]

    def is_row(self, item: object) -> bool:
        """Whether an item of the input is a sequence of a batch: a list, a tuple or an array, and no symbol itself."""
        return (isinstance(item, (list, tuple)) or getattr(item, "ndim", 0) == 1) and self.alphabet.id(item) is None

    def _run(self, rows: list[list[int]], strict: bool, engine: str, audit: int) -> list[Output]:
        results: list[Output] = [[] for _ in rows]
        by_length: dict[int, list[int]] = {}
        for index, row in enumerate(rows):
            by_length.setdefault(len(row), []).append(index)
        for length, members in by_length.items():
            step = max(1, (1 << 16) // max(1, length))
            for start in range(0, len(members) if length else 0, step):
                part = members[start : start + step]
                for index, columns in zip(part, self.values([rows[i] for i in part], engine, audit), strict=True):
                    if self.graph.guard is not None and strict:
                        require_capacity(self.graph, rows[index], columns[-1])
                    results[index] = read(self.graph, columns[: len(self.graph.outputs)])
        return results

    def values(self, ids: Sequence[Sequence[int]], engine: str = "dense", audit: int = 0) -> list[list[Column]]:
        """For each sequence of token ids the values of every output, the guard's last, position by position; None is ⊥."""
        batch, n = len(ids), len(ids[0]) if ids else 0
        classes = (
            self.classes(ids, engine, audit).reshape(batch, n, -1).permute(0, 2, 1).tolist()
            if n
            else [[[]] * len(self.output_forms)] * batch
        )
        return [
            [[c + form.off if c else None for c in column] for form, column in zip(self.output_forms, row, strict=True)] for row in classes
        ]

    @torch.no_grad()
    def classes(self, ids: Sequence[Sequence[int]], engine: str = "dense", audit: int = 0) -> torch.Tensor:
        """The greatest logit's class at every position, 0 for ⊥, for each output where there are several, the guard's last.

        Shapes: B sequences of n token ids -> (B, n), or (B, n, outputs). Raises InputError where the module was brought to fewer
        bits, or to more where the model counts: it reads a total off a sum that its own dtype rounds; and for what is no sequences of ids.
        `engine` and `audit` as in `run`.
        """
        rows = torch.from_numpy(id_rows(ids))  # (B, n)
        if engine != "dense" and (sparse := self.sparsely(rows, engine, audit)) is not None:
            return sparse
        require_bits(self)
        if not rows.numel():
            return rows if len(self.output_forms) == 1 else rows.new_zeros(*rows.shape, len(self.output_forms))
        x = self.module.hidden(rows.to(self.module.W_E.device))
        parts: list[torch.Tensor] = []
        for start in range(0, x.shape[1], CHUNK):
            logits = self.module.split(self.module.unembed(x[:, start : start + CHUNK]))
            parts.append(torch.stack([classes(*pair) for pair in zip(self.output_forms, logits, strict=True)], dim=-1))
        found = torch.cat(parts, dim=1)
        return found[..., 0] if len(self.output_forms) == 1 else found

    def encode(self, tokens: Sequence[Symbol]) -> list[int]:
        """Symbols to the token ids that `module` takes. Raises InputError for an unknown symbol and for a sequence too long."""
        return encode(self.graph.sizes, tokens)

    def decode(self, ids: Sequence[int]) -> list[Symbol]:
        """Token ids to symbols. Raises InputError for an id that is none."""
        symbols = self.alphabet.symbols
        for place, i in enumerate(in_order(ids), 1):
            if isinstance(i, bool) or not isinstance(i, int) or not 0 <= i < len(symbols):
                raise InputError(f"id {place} is {i!r}, which is not in 0..{len(symbols) - 1}", hint="ids count the alphabet from 0")
        return [symbols[i] for i in ids]

    def logits(self, tokens: Sequence[Symbol]) -> npt.NDArray[np.floating]:
        """The logits at every position, in nats: ⊥ first, then the values; each output's, the guard's last.

        Shapes: n tokens -> (n, Σ classes). Raises InputError as `run` does.
        """
        ids = torch.tensor([self.encode(tokens)], dtype=torch.long, device=self.module.W_E.device)
        with torch.no_grad():
            return self.module(ids)[0].cpu().numpy()

    def save(self, directory: str | Path) -> Path:
        """Write config.json, program.json and model.safetensors; the directory appears whole or not at all."""
        from .files import save

        return save(self, Path(directory))

    def unrolled(self) -> Model:
        """The model with the rounds of a loop written out, each with weights of its own; itself where it has no loop."""
        return self

    def explain(self) -> str:
        """The model as a table: every head with what it matches and why it is exact, every MLP, every value's place."""
        from .explain import explain

        return explain(self)

    def stage(self, name: str) -> str:
        """A stage of the compilation as text. Raises InputError for an unknown stage, or one a checkpoint does not keep."""
        if name == "graph":
            return str(self.graph)
        if name == "optimised":
            return str(self.optimised)
        stages, made = (STAGES, self.compiled) if self.style == "compact" else (NATURAL_STAGES, self.natural)
        if name not in stages:
            raise InputError(f"there is no stage {name!r}", hint=f"stages are {', '.join(stages)}")
        if made is None:
            raise InputError(
                f"a checkpoint does not keep the stage {name!r}", hint="it has graph and optimised; compile the program for the rest"
            )
        return made.stage(name)


@public
def compile(
    program: Program,
    *,
    length: int,
    alphabet: int | Sequence[Symbol] | None = None,
    dtype: str = "float32",
    code: str = "auto",
    heads: int | None = None,
    style: str = "compact",
    sharpness: float | None = None,
    pad: Architecture | None = None,
    width: int | None = None,
) -> Model:
    """Compile a program to a transformer whose weights are constructed, not trained.

    `length` is the longest sequence N, `alphabet` a size or a list of symbols (the program's own if it names one),
    `dtype` the arithmetic to be exact in, `code` the lookups' code ("auto", "scalar", "digits:r", "binary", "onehot"),
    `heads` a limit per layer. `style` is "compact", the smallest and bit-exact, or "natural", made to be read: one direction a value,
    soft attention whose weights say what a head does; there `sharpness` is the lead of a winner in nats, and the code is that of
    addresses, "onehot" (auto) or "binary". With the code "robust" it is compiled in every code, and the model is taken that bears the most
    noise of its weights, proved, with a d_model of at most `width`. `pad` is an architecture whose shapes the model takes; what is unused
    is zero. Raises ProgramError and DomainError for mistakes in the program, ExactnessError with the inequality where it cannot be exact,
    InputError for impossible options, for an architecture that is too small, and for what does not fit in memory.
    """
    program = require_program("compile()", program)
    if style not in STYLES:
        raise InputError(f"style {style!r} is not known", hint=f"use one of {', '.join(STYLES)}")
    if sharpness is not None and style == "compact":
        raise InputError("sharpness is of the natural style", hint="the compact style's winners lead by what exp takes to zero")
    if pad is not None and not isinstance(pad, Architecture):
        raise InputError(f"pad is {pad!r}", hint="give an hw.Architecture, with its layers, heads, d_model, d_head and d_mlp")
    if width is not None and code != "robust":
        raise InputError(f"a width is a budget of code robust, and the code is {code}", hint='give code="robust", or leave out the width')
    graph = program.build(length, alphabet, dtype)
    if code == "robust":
        if graph.loops:
            raise InputError(f"{program.name} has a loop, and code robust chooses among whole models", hint="compile hw.unrolled(program)")
        known = NATURAL_CODES if style == "natural" else codes_for(graph)
        again = partial(compile, program, length=length, alphabet=alphabet, dtype=dtype, heads=heads, style=style, sharpness=sharpness)
        made = most_robust(program.name, known, width, lambda code: again(code=code))
        return made if pad is None else pad_model(made, pad)
    if graph.loops:
        if style == "natural":
            hint = "compile hw.unrolled(program): each round then has weights of its own"
            raise InputError(f"{program.name} has a loop, and the natural style ties no weights", hint=hint)
        if pad is not None:
            hint = "compile hw.unrolled(program): each round then has weights of its own"
            raise InputError(f"{program.name} has a loop, and its block is not padded", hint=hint)
        from .looped import compile_looped

        return compile_looped(parts_of(program, length, alphabet, dtype), dtype, code, heads)
    try:
        heads = heads if pad is None or heads is not None else pad.heads
        made = natural_of(graph, dtype, code, heads, sharpness) if style == "natural" else model_of(lower(graph, dtype, code, heads))
        return made if pad is None else pad_model(made, pad)
    except (MemoryError, RuntimeError) as error:  # of NumPy, of torch
        said = allocation(str(error))
        if not (said or isinstance(error, MemoryError)):
            raise
        sizes = f"length {graph.sizes.length:,} and {len(graph.sizes.alphabet):,} symbols"
        fact = f"{graph.name} at {sizes} does not fit in memory" + (f": {said} could not be had" if said else "")
    raise InputError(fact, hint="shorten the length or the alphabet")


def codes_for(graph: Graph) -> tuple[str, ...]:
    """Every code of the compact style: digits up to as many as the longest address has bits."""
    top = max(graph.sizes.length, len(graph.sizes.alphabet))
    return ("scalar", *(f"digits:{r}" for r in range(2, max(3, top.bit_length() - 1))), "binary", "onehot")


def allocation(message: str) -> str:
    """The size that NumPy or torch says it could not allocate, such as 1.00 GiB; empty where it says none."""
    found = re.search(r"[Uu]nable to allocate ([\d.]+ \w+)|tried to allocate (\d+ bytes)", message)
    return (found[1] or found[2]) if found else ""


def require_model(what: str, model: object) -> None:
    """Refuse what is not a model, where one is needed."""
    if not isinstance(model, Model):
        raise InputError(f"{what} was given {model!r}, which is not a model", hint="give what hw.compile() or hw.load() returns")


def require_bits(model: Model) -> None:
    """Refuse a module that was brought to fewer bits, or to more where the model counts. Raises InputError."""
    real, own = model.module.W_E.dtype, TORCH[model.dtype]
    counts = any(isinstance(node.op, Total) for node in model.optimised.nodes)
    if torch.finfo(real).eps > torch.finfo(own).eps or (counts and real != own):
        require_own_dtype(model)


def require_own_dtype(model: Model) -> None:
    """Refuse a module that was brought to another dtype than the model's. Raises InputError."""
    for name, tensor in model.module.state_dict().items():
        if tensor.dtype != TORCH[model.dtype]:
            brought = str(tensor.dtype).removeprefix("torch.")
            fact = f"{model.name} is exact in {model.dtype}, and its module was brought to {brought} ({name})"
            raise InputError(fact, hint=f"compile it for that dtype, or again for {model.dtype}")


def model_of(compiled: Compiled) -> Model:
    """The model of a compilation."""
    dtype = compiled.plan.dtype.name
    return Model(
        graph=compiled.graph,
        optimised=compiled.optimised,
        module=to_module(emit(compiled.layout), TORCH[dtype]),
        dtype=dtype,
        output_forms=tuple(output.form for output in compiled.plan.outputs),
        probes=tuple(probe for _, probe in probes_in(compiled.layout)),
        records=records_in(compiled.layout),
        compiled=compiled,
    )


def natural_of(graph: Graph, dtype: str, code: str, heads: int | None, sharpness: float | None) -> Model:
    """The model of a natural compilation. Raises InputError for a dtype in which its sums are not held."""
    if dtype not in ("float32", "float64"):
        hint = "compile for float32; hw.robustness says in which formats its weights may be stored"
        raise InputError(f"the natural style computes in float32 or float64, not in {dtype}", hint=hint)
    natural = lower_naturally(graph, code, heads, sharpness)
    return Model(
        graph=natural.graph,
        optimised=natural.optimised,
        module=module_of(natural, TORCH[dtype]),
        dtype=dtype,
        output_forms=tuple(output.form for output in natural.plan.outputs),
        probes=probes_of(natural),
        records=records_of(natural),
        style="natural",
        sharpness=natural.plan.sharpness,
        natural=natural,
    )


def to_module(weights: Weights, dtype: torch.dtype) -> Transformer:
    """The torch module that holds the emitted matrices, themselves where they are of that dtype."""
    blocks = tuple(
        AttentionShape(b.W_Q.shape[2], b.masks) if isinstance(b, AttentionWeights) else MlpShape(b.W_in.shape[1]) for b in weights.blocks
    )
    classes = tuple(output.form.classes for output in weights.layout.schedule.plan.outputs)
    shape = Shape(weights.W_E.shape[0] - 1, weights.W_pos.shape[0] - 1, weights.W_E.shape[1], classes, blocks)
    tensors = {"W_E": weights.W_E, "W_pos": weights.W_pos, "W_U": weights.W_U}
    for i, block in enumerate(weights.blocks):
        names = ("W_Q", "W_K", "W_V", "W_O") if isinstance(block, AttentionWeights) else ("W_in", "W_out")
        tensors |= {f"blocks.{i}.{name}": getattr(block, name) for name in names}
    return assemble(shape, {name: torch.from_numpy(value).to(dtype) for name, value in tensors.items()})


def assemble(shape: Shape, tensors: dict[str, torch.Tensor]) -> Transformer:
    """A module of that shape holding those tensors, without allocating them twice."""
    with torch.device("meta"):
        module = Transformer(shape)
    module.load_state_dict(tensors, assign=True)
    return module


def probes_in(layout: Layout) -> Iterator[tuple[int | None, Probe]]:
    """Where a layout's values are, and which feature each is; None for what fills a total's cell."""
    blocks, features = layout.blocks(), layout.schedule.plan.features
    for place in layout.places:
        feature = features[place.feature]
        if isinstance(feature.recipe, Tally):
            filling = Form("fill", 0, feature.recipe.fill)
            yield None, Probe(f"filling of {feature.name}", "one", filling, place.dims, blocks[place.born - 1])
        yield place.feature, Probe(feature.name, feature.value, feature.form, place.dims, blocks[place.born])


def records_in(layout: Layout) -> tuple[HeadRecord, ...]:
    """What the heads of a layout do."""
    plan, blocks = layout.schedule.plan, layout.blocks()
    records: list[HeadRecord] = []
    for s, sublayer in enumerate(layout.schedule.sublayers, 1):
        for use in heads_in_order(sublayer, plan) if isinstance(sublayer, Attention) else ():
            head = plan.heads[use.head]
            writes = ", ".join(plan.features[f].name for f in use.writes)
            does = f"{matches(plan.graph, head.node)} -> {writes}"
            records.append(HeadRecord(blocks[s], head.name, does, head.code, head.exact.inequality, head.exact.steps))
        for f in sublayer.writes:
            recipe = plan.features[f].recipe
            if isinstance(recipe, Tally):
                name, exact = plan.features[f].name, recipe.exact
                does = f"{len(recipe.parts)} heads add to {recipe.fill:,}" if len(recipe.parts) > 1 else f"a head adds to {recipe.fill:,}"
                records.append(
                    HeadRecord(blocks[s], name, f"{does}, where numbers have a spacing of 1", "a sum", exact.inequality, exact.steps)
                )
    return tuple(records)
