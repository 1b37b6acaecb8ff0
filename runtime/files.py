"""Checkpoints: config.json (sizes), program.json (graph, vocabulary, places) and model.safetensors (tensors).

Nothing is executed on loading: no pickle, no program source. A checkpoint appears under its name whole or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..compiler.calls import public
from ..compiler.domain import Sizes
from ..compiler.errors import CheckpointError, InputError
from ..compiler.forms import Form
from ..compiler.graph import Graph
from ..compiler.heads import log_form, output_forms
from ..compiler.numerics import DTYPES
from ..compiler.plan import Origin
from .model import TORCH, HeadRecord, Model, Probe, assemble, require_own_dtype
from .module import AttentionShape, MlpShape, Shape
from .serial import Json, Reader, alphabet_json, form_json, graph_json, is_int, read_alphabet, read_form, read_graph

if TYPE_CHECKING:
    from .module import Mask

FORMAT, VERSION = "headwork", 2
CONFIG, PROGRAM, TENSORS = "config.json", "program.json", "model.safetensors"
EXPORT = "headwork.json"  # what an export says of itself, beside the files of its target


def save(model: Model, directory: Path) -> Path:
    """Write a checkpoint, atomically: into a temporary directory beside it, then moved into place.

    Replaces an earlier checkpoint of the same name. Raises InputError if the name is taken by something else, or if the module was
    brought to another dtype.
    """
    require_own_dtype(model)
    files = {CONFIG: config_json(model), PROGRAM: program_json(model)}
    with appearing(directory, _is_checkpoint) as work:
        for name, content in files.items():
            write_json(work / name, content)
        tensors = {name: value.detach().cpu().contiguous() for name, value in model.module.state_dict().items()}
        save_file(tensors, work / TENSORS, metadata={"format": "pt"})
    return directory.absolute()


def write_json(path: Path, content: Json) -> None:
    """Write one file of a checkpoint."""
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


@contextmanager
def appearing(directory: Path, ours: Callable[[Path], bool]) -> Iterator[Path]:
    """A directory to fill, which takes its name when all went well; what `ours` accepts, or an empty one, is replaced.

    Raises InputError if the name is taken by something else.
    """
    directory = directory.resolve()  # a link stays one, and what it points to is replaced
    if directory.exists() and not (directory.is_dir() and (not any(directory.iterdir()) or ours(directory))):
        raise InputError(f"{directory} exists and is not a headwork checkpoint", hint="choose another directory, or empty this one")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{directory.parent} is not a directory", hint="choose another place to save") from error
    work = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        yield work
        work.chmod(0o755)
        if directory.exists():
            _swap(directory, work)
        else:
            os.replace(work, directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _swap(directory: Path, work: Path) -> None:
    """Put `work` in the place of `directory`; if that fails, the old one stays."""
    aside = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
    try:
        os.replace(directory, aside / "old")
        os.replace(work, directory)
    except BaseException:
        if (aside / "old").exists() and not directory.exists():
            os.replace(aside / "old", directory)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _is_checkpoint(directory: Path) -> bool:
    """Whether a directory holds a checkpoint and nothing else."""
    names = {p.name for p in directory.iterdir()}
    try:
        config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and config.get("format") == FORMAT and names <= {CONFIG, PROGRAM, TENSORS}


def config_json(model: Model) -> Json:
    """A model's sizes, as config.json holds them."""
    shape = model.module.shape
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
    }


def program_json(model: Model) -> Json:
    """What a model's numbers mean, as program.json holds it."""
    return {
        "alphabet": alphabet_json(model.alphabet),
        "graph": graph_json(model.graph),
        "optimised": graph_json(model.optimised),
        "output_forms": [form_json(form) for form in model.output_forms],
        "probes": [
            {"name": p.name, "value": p.value, "form": form_json(p.form), "dims": list(p.dims), "block": p.block} for p in model.probes
        ],
        "heads": [
            {"block": r.block, "name": r.name, "does": r.does, "code": r.code, "inequality": r.inequality, "steps": r.steps}
            for r in model.records
        ],
    }


@public
def load(directory: str | Path) -> Model:
    """Rebuild a saved model, without its program's source.

    Raises CheckpointError, naming the file and the field, for anything missing, extra, damaged, of a wrong shape or
    type, or written by a newer version.
    """
    path = Path(directory)
    if not path.is_dir():
        raise CheckpointError(f"{path} is not a directory", hint="give the directory that save() or `headwork compile --out` wrote")
    if not (path / PROGRAM).exists() and (path / EXPORT).exists():
        raise CheckpointError(f"{path} was exported for other tools", hint="hw.read_export(directory) reads it back")
    config, program = (Reader(read_json(path / name), name) for name in (CONFIG, PROGRAM))
    return rebuild(config, program, lambda shape, dtype: _tensors(path / TENSORS, shape, TORCH[dtype]))


def rebuild(config: Reader, reader: Reader, tensors: Callable[[Shape, str], dict[str, torch.Tensor]]) -> Model:
    """A model from its two descriptions and from the tensors for a shape and dtype. Raises CheckpointError as `load` does."""
    shape, dtype = _read_config(config)
    reader.only("alphabet", "graph", "optimised", "output_forms", "probes", "heads")
    alphabet = read_alphabet(reader, "alphabet", shape.alphabet)
    sizes = Sizes(shape.length, alphabet, config.bool("causal"), DTYPES[dtype].mantissa)
    name = config.str("name")
    graph = read_graph(reader.object("graph"), name, sizes)
    optimised = read_graph(reader.object("optimised"), name, sizes)
    forms = _output_forms(reader, shape, graph, optimised)
    return Model(
        graph=graph,
        optimised=optimised,
        module=assemble(shape, tensors(shape, dtype)),
        dtype=dtype,
        output_forms=forms,
        probes=tuple(_probe(r, shape, len(optimised.nodes)) for r in reader.objects("probes")),
        records=tuple(_record(r, shape) for r in reader.objects("heads")),
    )


def _output_forms(reader: Reader, shape: Shape, graph: Graph, optimised: Graph) -> tuple[Form, ...]:
    """The form of each output, the guard's last: as many as both graphs and the sizes say, each of its value's domain."""
    rows = reader.objects("output_forms")
    for what, count in (("graph", len(graph.roots)), ("optimised", len(optimised.roots)), (f"{CONFIG}'s classes", len(shape.classes))):
        if count != len(rows):
            raise reader.error("output_forms", f"has {len(rows)} entries where {what} has {count} outputs")
    if (graph.single, graph.guard is None) != (optimised.single, optimised.guard is None):
        raise reader.error("graph", "and optimised differ in whether they return a tuple, or have a guard")
    forms: list[Form] = []
    for i, (row, classes) in enumerate(zip(rows, shape.classes, strict=True)):
        form, field = read_form(row), f"output_forms[{i}]"
        if form.classes != classes:
            raise reader.error(field, f"has {form.classes} classes where {CONFIG} says {classes}")
        written, lowered = graph.nodes[graph.roots[i]].domain, optimised.nodes[optimised.roots[i]].domain
        if written.kind != lowered.kind:
            raise reader.error("graph.outputs", f"has {written} where optimised.outputs has {lowered}")
        if form not in (*output_forms(lowered), log_form(lowered, form.parts)):
            raise reader.error(field, f"does not hold {lowered}")
        forms.append(form)
    return tuple(forms)


def read_json(path: Path) -> Json:
    """One file of a checkpoint. Raises CheckpointError where it is missing or damaged."""
    try:
        return cast("Json", json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing", hint=f"a checkpoint has {CONFIG}, {PROGRAM} and {TENSORS}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="the file is damaged; save the model again") from error


def _read_config(config: Reader) -> tuple[Shape, str]:
    config.str("format", (FORMAT,))
    version = config.int("version", 1)
    if version > VERSION:
        raise CheckpointError(
            f"{CONFIG}: field 'version' is {version}, newer than the {VERSION} this headwork reads", hint="install a newer headwork"
        )
    if version < VERSION:
        raise CheckpointError(
            f"{CONFIG}: field 'version' is {version}, older than the {VERSION} this headwork reads", hint="compile the program again"
        )
    config.only("format", "version", "name", "dtype", "causal", "alphabet", "length", "d_model", "classes", "blocks")
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


def _tensors(path: Path, shape: Shape, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    wanted = shape.tensors()
    again = "the file is damaged or belongs to another checkpoint; save the model again"
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            for name in sorted(wanted.keys() - names):
                raise CheckpointError(f"{path}: tensor {name!r} is missing", hint=again)
            for name in sorted(names - wanted.keys()):
                raise CheckpointError(f"{path}: tensor {name!r} is not known", hint=again)
            tensors: dict[str, torch.Tensor] = {}
            for name, size in wanted.items():
                found = tuple(file.get_slice(name).get_shape())
                if found != size:
                    raise CheckpointError(f"{path}: tensor {name!r} has shape {found} where {CONFIG} says {size}", hint=again)
                tensors[name] = file.get_tensor(name)
                if tensors[name].dtype != dtype:
                    raise CheckpointError(f"{path}: tensor {name!r} is {tensors[name].dtype} where {CONFIG} says {dtype}", hint=again)
                if not tensors[name].isfinite().all():
                    raise CheckpointError(f"{path}: tensor {name!r} holds a number that is not finite", hint=again)
            return tensors
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing", hint=f"a checkpoint has {CONFIG}, {PROGRAM} and {TENSORS}") from error
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint=again) from error


def _probe(reader: Reader, shape: Shape, nodes: int) -> Probe:
    reader.only("name", "value", "form", "dims", "block")
    form, dims = read_form(reader.object("form")), reader.ints("dims")
    if len(dims) != form.width or any(not 0 <= d < shape.d_model for d in dims):
        raise reader.error("dims", f"does not name {form.width} dimensions below {shape.d_model}")
    value = reader.value("value")
    if not (value in get_args(Origin) or (is_int(value) and 0 <= cast(int, value) < nodes)):
        raise reader.error("value", f"is {value!r}, not a node of the graph")
    return Probe(reader.str("name"), cast("int | Origin", value), form, dims, reader.int("block", 0, len(shape.blocks)))


def _record(reader: Reader, shape: Shape) -> HeadRecord:
    reader.only("block", "name", "does", "code", "inequality", "steps")
    texts = [reader.str(field) for field in ("name", "does", "code", "inequality")]
    return HeadRecord(reader.int("block", 1, len(shape.blocks)), *texts, steps=reader.int("steps", 0))
