"""Checkpoints: config.json (sizes), program.json (graph, vocabulary, places) and model.safetensors (tensors).

Nothing is executed on loading: no pickle, no program source. A checkpoint appears under its name whole or not at all.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import torch

from ..compiler.calls import public
from ..compiler.codes.forms import Form
from ..compiler.codes.numerics import DTYPES
from ..compiler.domain import Domain, Sizes
from ..compiler.errors import CheckpointError
from ..compiler.graph import Graph
from ..compiler.plan.heads import log_form, output_forms
from ..compiler.plan.stage import Origin
from .looped import Looped
from .looped_files import loop_config, loop_program, rebuild_looped
from .model import TORCH, HeadRecord, Model, Probe, Style, assemble, require_own_dtype
from .module import AttentionShape, MlpShape, Shape
from .place import appearing, digest, reading, snapshot, write
from .said import heads_said
from .serial import Json, Reader, alphabet_json, form_json, graph_json, is_int, read_alphabet, read_form, read_graph
from .tensors import Packed, packed, unpacked

if TYPE_CHECKING:
    from .module import Mask, Transformer

FORMAT, VERSION = "headwork", 3
OLDEST = 2  # of the versions that are read; it has no digest
DIGEST = "sha256"  # the field of config.json that ties the three files together
CONFIG, PROGRAM, TENSORS = "config.json", "program.json", "model.safetensors"
PROOF = "proof.json"  # a proof script, which `certify --proof` puts beside them
_STYLE = {"style", "sharpness"}  # of config.json, where it is not the compact one
EXPORT = "headwork.json"  # what an export says of itself, beside the files of its target


def save(model: Model, directory: Path) -> Path:
    """Write a checkpoint, atomically: into a temporary directory beside it, then moved into place.

    Replaces an earlier checkpoint of the same name. Raises InputError if the name is taken by something else, or if the module was
    brought to another dtype.
    """
    require_own_dtype(model)
    tensors = {name: value.detach().cpu().contiguous() for name, value in _stored(model).items()}
    config, program = config_json(model), json_bytes(program_json(model))
    files: dict[str, bytes | Packed] = {PROGRAM: program, TENSORS: packed(tensors)}
    files = {CONFIG: json_bytes({**config, DIGEST: sealed(config, files)}), **files}
    with appearing(directory, _is_checkpoint) as work:
        for name, content in files.items():
            write(work / name, content)
    return directory.absolute()


def _stored(model: Model) -> Mapping[str, torch.Tensor]:
    """The tensors of a model, those of a loop's block once."""
    return model.whole()[1] if isinstance(model, Looped) else model.module.state_dict()


def sealed(config: dict[str, Json], files: Mapping[str, bytes | Packed]) -> str:
    """The digest that ties a description to the files it describes: of them and of its own fields, the digest left out."""
    fields = {name: value for name, value in config.items() if name != DIGEST}
    return digest({**files, CONFIG: json.dumps(fields, sort_keys=True).encode()})


def json_bytes(content: Json) -> bytes:
    """A JSON file as it is written."""
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def write_json(path: Path, content: Json) -> None:
    """Write one file of a checkpoint."""
    write(path, json_bytes(content))


def _is_checkpoint(directory: Path) -> bool:
    """Whether a directory holds a checkpoint and nothing else."""
    try:
        names = {p.name for p in directory.iterdir()}
        config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("format") == FORMAT and names <= {CONFIG, PROGRAM, TENSORS, PROOF}


def config_json(model: Model) -> dict[str, Json]:
    """A model's sizes, as config.json holds them."""
    shape = model.whole()[0].shape if isinstance(model, Looped) else model.module.shape
    blocks: list[Json] = []
    for block in shape.blocks:
        if isinstance(block, AttentionShape):
            blocks.append({"kind": "attention", "d_head": block.d_head, "masks": list(block.masks)})
        else:
            blocks.append({"kind": "mlp", "d_mlp": block.d_mlp})
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": model.name,
        "dtype": model.dtype,
        "causal": model.graph.sizes.causal,
        "alphabet": shape.alphabet,
        "length": shape.length,
        "d_model": shape.d_model,
        "classes": list(shape.classes),
        "blocks": blocks,
        **({"loop": loop_config(model)} if isinstance(model, Looped) else {}),
        **({"style": model.style, "sharpness": model.sharpness} if model.style != "compact" else {}),
    }


def program_json(model: Model) -> Json:
    """What a model's numbers mean, as program.json holds it."""
    if isinstance(model, Looped):
        return loop_program(model, _probe_json, _record_json, alphabet_json(model.alphabet))
    return {
        "alphabet": alphabet_json(model.alphabet),
        "graph": graph_json(model.graph),
        "optimised": graph_json(model.optimised),
        "output_forms": [form_json(form) for form in model.output_forms],
        "probes": [_probe_json(p) for p in model.probes],
        "heads": [_record_json(r) for r in model.records],
    }


def _probe_json(p: Probe) -> Json:
    return {"name": p.name, "value": p.value, "form": form_json(p.form), "dims": list(p.dims), "block": p.block}


def _record_json(r: HeadRecord) -> Json:
    return {"block": r.block, "name": r.name, "does": r.does, "code": r.code, "inequality": r.inequality, "steps": r.steps}


@public
def load(directory: str | Path, *, mapped: bool = False) -> Model:
    """Rebuild a saved model, without its program's source.

    Each tensor is read once, into memory of its own. With `mapped` the tensors are the pages of the file, which take no memory that the
    system cannot have back, and which processes share; then nobody may write into that file while the model is used (`save` never
    does: it puts another file in its place).
    Raises CheckpointError, naming the file and the field, for anything missing, extra, damaged, of a wrong shape or
    type, or written by a newer version.
    """
    path = Path(directory)
    if not path.is_dir():
        raise CheckpointError(f"{path} is not a directory", hint="give the directory that save() or `headwork compile --out` wrote")
    if not (path / PROGRAM).exists() and (path / EXPORT).exists():
        raise CheckpointError(f"{path} was exported for other tools", hint="hw.read_export(directory) reads it back")
    texts, tensors = _contents(path, (CONFIG, PROGRAM), f"a checkpoint has {CONFIG}, {PROGRAM} and {TENSORS}", mapped)
    config, program = (Reader(_parsed(path / name, texts[name]), name) for name in (CONFIG, PROGRAM))
    model = rebuild(config, program, lambda shape, dtype: _tensors(path / TENSORS, tensors, shape, TORCH[dtype]))
    if config.int("version") < 3 and DIGEST not in config.data:
        warnings.warn(f"{path} was written before checkpoints had a digest, so nothing says that its files belong together", stacklevel=2)
    elif config.str(DIGEST) != sealed(config.data, {PROGRAM: texts[PROGRAM], TENSORS: _whole(path / TENSORS, tensors)}):
        fact = f"{path}: {CONFIG}, {PROGRAM} and {TENSORS} are not the files that were saved together"
        raise CheckpointError(fact, hint="the files are mixed, damaged or were edited; save the model again")
    return model


def load_module(directory: str | Path) -> Transformer:
    """The bare module of a config.json and a model.safetensors, without what its numbers mean. Raises CheckpointError as `load` does."""
    path = Path(directory)
    texts, tensors = _contents(path, (CONFIG,), f"a module has {CONFIG} and {TENSORS}")
    shape, dtype = _read_config(Reader(_parsed(path / CONFIG, texts[CONFIG]), CONFIG))
    return assemble(shape, _tensors(path / TENSORS, tensors, shape, TORCH[dtype]))


def _contents(path: Path, names: Sequence[str], hint: str, mapped: bool = False) -> tuple[dict[str, bytes], Packed | ValueError]:
    """The JSON files of a checkpoint, and its tensors, or what is wrong with them: said once the sizes they should have are read."""

    def read(files: Mapping[str, io.BufferedReader]) -> tuple[dict[str, bytes], Packed | ValueError]:
        texts = {name: files[name].read() for name in names}
        try:
            return texts, unpacked(files[TENSORS], mapped)
        except ValueError as error:
            return texts, error

    return reading(path, (*names, TENSORS), hint, read)


def _whole(path: Path, tensors: Packed | ValueError) -> Packed:
    """Tensors that could be read. Raises CheckpointError."""
    if isinstance(tensors, ValueError):
        hint = "the file is damaged or belongs to another checkpoint; save the model again"
        raise CheckpointError(f"{path} cannot be read: {tensors}", hint=hint) from tensors
    return tensors


def rebuild(config: Reader, reader: Reader, tensors: Callable[[Shape, str], dict[str, torch.Tensor]]) -> Model:
    """A model from its two descriptions and from the tensors for a shape and dtype. Raises CheckpointError as `load` does."""
    shape, dtype = _read_config(config)
    found = tensors(shape, dtype)  # first, so that no size is believed that the tensors do not have
    if "loop" in config.data:
        return rebuild_looped(
            config,
            reader,
            shape,
            dtype,
            found,
            lambda graph, lowered: _output_forms(reader, shape, graph, lowered),
            lambda r, blocks, nodes: _probe(r, shape, nodes, blocks),
            lambda r, blocks, graph: _record(r, blocks, heads_said(graph)),
        )
    reader.only("alphabet", "graph", "optimised", "output_forms", "probes", "heads")
    alphabet = read_alphabet(reader, "alphabet", shape.alphabet)
    sizes = Sizes(shape.length, alphabet, config.bool("causal"), DTYPES[dtype].mantissa)
    name = config.str("name")
    graph = read_graph(reader.object("graph"), name, sizes)
    optimised = read_graph(reader.object("optimised"), name, sizes)
    forms = _output_forms(reader, shape, graph, optimised)
    style, sharpness = _read_style(config)
    return Model(
        style=style,
        sharpness=sharpness,
        graph=graph,
        optimised=optimised,
        module=assemble(shape, found),
        dtype=dtype,
        output_forms=forms,
        probes=tuple(_probe(r, shape, len(optimised.nodes), len(shape.blocks)) for r in reader.objects("probes")),
        records=tuple(_record(r, len(shape.blocks), heads_said(optimised)) for r in reader.objects("heads")),
    )


def _read_style(config: Reader) -> tuple[Style, float | None]:
    """How it was lowered; compact checkpoints do not say so."""
    if "style" not in config.data:
        return "compact", None
    config.str("style", ("natural",))
    sharpness = config.value("sharpness")
    if isinstance(sharpness, bool) or not isinstance(sharpness, (int, float)) or not 0 < sharpness <= 1024:
        raise config.error("sharpness", f"is {sharpness!r}, not a lead in nats")
    return "natural", float(sharpness)


def _output_forms(reader: Reader, shape: Shape, graph: Graph, optimised: Graph) -> tuple[Form, ...]:
    """The form of each output, the guard's last: as many as both graphs and the sizes say, each of its value's domain."""
    rows = reader.objects("output_forms")
    for what, count in (("graph", len(graph.roots)), ("optimised", len(optimised.roots)), (f"{CONFIG}'s classes", len(shape.classes))):
        if count != len(rows):
            raise reader.error("output_forms", f"has {len(rows)} entries where {what} has {count} outputs")
    if (graph.single, graph.guard is None) != (optimised.single, optimised.guard is None):
        raise reader.error("graph", "and optimised differ in whether they return a tuple, or have a guard")
    if (graph.fractions, graph.sizes.labels) != (optimised.fractions, optimised.sizes.labels):
        raise reader.error("graph", "and optimised differ in their fractions or labels")
    forms: list[Form] = []
    for i, (row, classes) in enumerate(zip(rows, shape.classes, strict=True)):
        form, field = read_form(row), f"output_forms[{i}]"
        if form.classes != classes:
            raise reader.error(field, f"has {form.classes} classes where {CONFIG} says {classes}")
        written, lowered = graph.nodes[graph.roots[i]].domain, optimised.nodes[optimised.roots[i]].domain
        if written.kind != lowered.kind:
            raise reader.error("graph.outputs", f"has {written} where optimised.outputs has {lowered}")
        if form not in (*output_forms(lowered), log_form(lowered, form.parts), _directions(lowered)):
            raise reader.error(field, f"does not hold {lowered}")
        forms.append(form)
    return tuple(forms)


def _directions(domain: Domain) -> Form:
    """The form of a natural output: a class for each number, as of the first of `output_forms`, one direction each."""
    first = next(output_forms(domain))
    return Form("onehot", first.off, first.top)


def read_json(path: Path) -> Json:
    """One file of a checkpoint. Raises CheckpointError where it is missing or damaged."""
    hint = f"a checkpoint has {CONFIG}, {PROGRAM} and {TENSORS}"
    return _parsed(path, snapshot(path.parent, (path.name,), hint)[path.name])


def _parsed(path: Path, content: bytes) -> Json:
    try:
        return cast("Json", json.loads(content.decode()))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="the file is damaged; save the model again") from error


def _read_config(config: Reader) -> tuple[Shape, str]:
    config.str("format", (FORMAT,))
    version = config.int("version", 1)
    if version > VERSION:
        raise CheckpointError(
            f"{CONFIG}: field 'version' is {version}, newer than the {VERSION} this headwork reads", hint="install a newer headwork"
        )
    if version < OLDEST:
        raise CheckpointError(
            f"{CONFIG}: field 'version' is {version}, older than the {OLDEST} this headwork reads", hint="compile the program again"
        )
    config.only(
        "format",
        "version",
        "name",
        "dtype",
        "causal",
        "alphabet",
        "length",
        "d_model",
        "classes",
        "blocks",
        DIGEST,
        *({"loop"} | _STYLE).intersection(config.data),
    )
    blocks: list[AttentionShape | MlpShape] = []
    for block in config.objects("blocks"):
        if block.str("kind", ("attention", "mlp")) == "mlp":
            block.only("kind", "d_mlp")
            blocks.append(MlpShape(block.int("d_mlp", 0)))
            continue
        block.only("kind", "d_head", "masks")
        masks = block.list("masks")
        if not masks or any(m not in ("causal", "strict", "full") for m in masks):
            raise block.error("masks", "is not a list of causal, strict or full")
        blocks.append(AttentionShape(block.int("d_head", 1), tuple(cast("list[Mask]", masks))))
    classes = config.ints("classes")
    if not classes or min(classes) < 1:
        raise config.error("classes", "is not a list of positive integers")
    sizes = [config.int(field, 1) for field in ("alphabet", "length", "d_model")]
    return Shape(*sizes, classes=classes, blocks=tuple(blocks)), config.str("dtype", tuple(DTYPES))


def _tensors(path: Path, found: Packed | ValueError, shape: Shape, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    wanted, tensors = shape.tensors(), _whole(path, found).tensors
    again = "the file is damaged or belongs to another checkpoint; save the model again"
    for name in sorted(wanted.keys() - tensors.keys()):
        raise CheckpointError(f"{path}: tensor {name!r} is missing", hint=again)
    for name in sorted(tensors.keys() - wanted.keys()):
        raise CheckpointError(f"{path}: tensor {name!r} is not known", hint=again)
    for name, size in wanted.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != size:
            raise CheckpointError(f"{path}: tensor {name!r} has shape {tuple(tensor.shape)} where {CONFIG} says {size}", hint=again)
        if tensor.dtype != dtype:
            raise CheckpointError(f"{path}: tensor {name!r} is {tensor.dtype} where {CONFIG} says {dtype}", hint=again)
        if tensor.numel() and not all(end.isfinite() for end in tensor.aminmax()):  # NaN is an end where there is one
            raise CheckpointError(f"{path}: tensor {name!r} holds a number that is not finite", hint=again)
    return {name: tensors[name] for name in wanted}


def _probe(reader: Reader, shape: Shape, nodes: int, blocks: int) -> Probe:
    reader.only("name", "value", "form", "dims", "block")
    form, dims = read_form(reader.object("form")), reader.ints("dims")
    if len(dims) != form.width or any(not 0 <= d < shape.d_model for d in dims):
        raise reader.error("dims", f"does not name {form.width} dimensions below {shape.d_model}")
    value = reader.value("value")
    if not (value in get_args(Origin) or (is_int(value) and 0 <= cast(int, value) < nodes)):
        raise reader.error("value", f"is {value!r}, not a node of the graph")
    return Probe(reader.str("name"), cast("int | Origin", value), form, dims, reader.int("block", 0, blocks))


def _record(reader: Reader, blocks: int, said: Mapping[str, Collection[str]]) -> HeadRecord:
    """What is said of a head, which the program must say too; a cell in which heads add up has a record of its own."""
    reader.only("block", "name", "does", "code", "inequality", "steps")
    texts = [reader.str(field) for field in ("name", "does", "code", "inequality")]
    name, does, code, _ = texts
    if code != "a sum" and does.split(" -> ")[0] not in said.get(name, ()):
        raise reader.error("does", f"is {does!r}, which is not what {name} does in the program")
    return HeadRecord(reader.int("block", 1, blocks), *texts, steps=reader.int("steps", 0))
