"""ONNX: headwork's own model as one file of standard operators, of any length up to N, run by onnxruntime.

The weights are the native ones, so bidirectional programs and strict masks need no rewriting, and the arithmetic is the one
the model was compiled for. Input `ids` (batch, n + 1) are word ids with <bos> in front, output `logits` (batch, n + 1, words).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from ..compiler.errors import CheckpointError, InputError
from ..compiler.pipeline import lower
from ..runtime.files import write_json
from ..runtime.model import Model, model_of
from ..runtime.module import AttentionShape, Shape
from ..runtime.sample import is_distribution
from ..runtime.serial import Json
from .check import Checked, Expected, compare
from .labels import Terms
from .native import Frame, Native, Reals, most_bits
from .stock import stored
from .target import Built, Storage, Target, head, unit
from .words import Words

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

FILE, OPSET, IR = "model.onnx", 17, 9
OWN = "The weights are headwork's own, and so is their arithmetic."
_WEIGHTS = ("W_", "blocks.")


def build(model: Model, code: str, dtype: str) -> Built:
    """The model itself. Raises InputError where another code or dtype is asked for, or a dtype the format is not run in."""
    if model.dtype not in ("float32", "float64") or code != "auto" or dtype not in ("auto", model.dtype):
        asked = f"code {code} and dtype {dtype}" if model.dtype in ("float32", "float64") else f"a model in {model.dtype}"
        raise InputError(f"onnx holds the compiled weights as they are, and was asked for {asked}", hint="compile the program so")
    notes: tuple[str, ...] = ()
    if is_distribution(model.graph):
        model = most_bits(model, model.dtype, lambda logs: model_of(lower(model.graph, model.dtype, logs=logs)))
        notes = ("The program was lowered again, for logarithms of its counts.",)
    words, frame = Words.of(model), Frame((0,) * model.module.shape.d_model, model.module.shape.d_model)
    blocks = len(model.module.shape.blocks)
    return Built(model, code, words, frame, config(model, words, frame), tensors(model, words, frame), blocks, OWN, notes)


def config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
    """What the file says of itself."""
    graph = operators(model.module.shape)
    constants: dict[str, Json] = {name: str(value.tolist()) for name, value in {**graph.constants, "hidden": -np.array(np.inf)}.items()}
    nodes: list[Json] = [str(node) for node in graph.made]
    more: dict[str, Json] = {"inputs": ["ids"], "functions": 0}
    return {"opset": [str(OPSET)], "length": model.length, "operators": nodes, "constants": constants, **more}


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """The initializers: the native tensors, embedding and unembedding by word."""
    found = Native.of(model)
    token = np.zeros((len(words.words), model.module.shape.d_model))
    token[1 : words.symbols + 1], token[words.bos] = found.tensors["W_E"][1:], found.tensors["W_E"][0]
    return {**found.tensors, "W_E": token, "W_U": head(model, words)}


def shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
    """The shape of every initializer that is a weight. Raises CheckpointError where the stream is not the model's own."""
    d_model, vocabulary = model.module.shape.d_model, len(words.words)
    if frame != Frame((0,) * d_model, d_model):
        raise CheckpointError(f"the stream is not the model's own of {d_model} dimensions", hint="export the model again")
    return {**model.module.shape.tensors(), "W_E": (vocabulary, d_model), "W_U": (d_model, vocabulary)}


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors: `tensors` undone."""
    w_e, w_u = found["W_E"][[words.bos, *range(1, words.symbols + 1)]], found["W_U"][:, list(words.classes)] / unit(model)
    return {**found, "W_E": w_e, "W_U": w_u}


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: what it makes of what."""

    kind: str
    inputs: tuple[str, ...]
    result: str
    attributes: tuple[tuple[str, int | tuple[int, ...]], ...]


class Nodes:
    """The operators of a graph, each named after what it makes, and their integer constants."""

    def __init__(self) -> None:
        self.made: list[Node] = []
        self.constants: dict[str, np.ndarray] = {}

    def op(self, kind: str, *inputs: str, to: str = "", **attributes: int | tuple[int, ...]) -> str:
        """Add an operator; the name of its result."""
        result = to or f"{kind}_{len(self.made)}"
        self.made.append(Node(kind, inputs, result, tuple(attributes.items())))
        return result

    def scalar(self, value: int) -> str:
        """A constant integer."""
        self.constants[f"scalar_{value}"] = np.array(value, np.int64)
        return f"scalar_{value}"

    def vector(self, value: int) -> str:
        """A list of one integer."""
        self.constants[f"vector_{value}"] = np.array([value], np.int64)
        return f"vector_{value}"


def operators(shape: Shape) -> Nodes:
    """The operators of `runtime/module.py`: embedding, blocks, unembedding."""
    g = Nodes()
    size = g.op("Gather", g.op("Shape", "ids"), g.scalar(1))
    places = g.op("Range", g.scalar(0), size, g.scalar(1))
    x = g.op("Add", g.op("Gather", "W_E", "ids"), g.op("Gather", "W_pos", places))  # (B, n, d_model)
    i, t = g.op("Unsqueeze", places, g.vector(1)), g.op("Unsqueeze", places, g.vector(0))
    visible = {
        "causal": lambda: g.op("LessOrEqual", t, i),
        "strict": lambda: g.op("Less", t, g.op("Max", i, g.scalar(1))),  # <bos> sees itself
        "full": lambda: g.op("Or", g.op("Greater", i, g.scalar(0)), g.op("Equal", t, g.scalar(0))),
    }
    masks = {m for b in shape.blocks if isinstance(b, AttentionShape) for m in b.masks}
    seen = {m: g.op("Unsqueeze", visible[m](), g.vector(0)) for m in sorted(masks)}  # (1, n, n)
    for b, block in enumerate(shape.blocks):
        name = f"blocks.{b}"
        if not isinstance(block, AttentionShape):
            change = g.op("MatMul", g.op("Relu", g.op("MatMul", x, f"{name}.W_in")), f"{name}.W_out")
        else:
            wide = g.op("Unsqueeze", x, g.vector(1))  # (B, 1, n, d_model)
            q, k, v = (g.op("MatMul", wide, f"{name}.{w}") for w in ("W_Q", "W_K", "W_V"))  # (B, nh, n, hs)
            scores = g.op("MatMul", q, g.op("Transpose", k, perm=(0, 1, 3, 2)))  # (B, nh, n, n)
            runs = [seen[m] for m in block.masks]
            mask = runs[0] if len(set(runs)) == 1 else g.op("Concat", *runs, axis=0)  # (nh or 1, n, n)
            weights = g.op("Softmax", g.op("Where", mask, scores, "hidden"), axis=-1)
            heads = g.op("MatMul", g.op("MatMul", weights, v), f"{name}.W_O")  # (B, nh, n, d_model)
            change = g.op("ReduceSum", heads, g.vector(1), keepdims=0)
        x = g.op("Add", x, change)
    g.op("MatMul", x, "W_U", to="logits")
    return g


def write(work: Path, built: Built) -> None:
    """Write model.onnx and the tokenizer. Raises InputError where onnx is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise InputError("onnx is not installed", hint="pip install 'headwork[onnx]'") from error
    from onnx import TensorProto, helper, numpy_helper

    model, words = built.model, built.words
    graph = operators(model.module.shape)
    weights = stored(built)
    real = weights["W_E"].dtype
    weights = {**weights, **graph.constants, "hidden": np.array(-np.inf, real)}
    kind = TensorProto.DOUBLE if real == np.float64 else TensorProto.FLOAT
    made = helper.make_graph(
        [helper.make_node(n.kind, n.inputs, [n.result], None, None, None, None, **dict(n.attributes)) for n in graph.made],
        model.name,
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "positions"])],
        [helper.make_tensor_value_info("logits", kind, ["batch", "positions", len(words.words)])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    whole = helper.make_model(made, producer_name="headwork", ir_version=IR, opset_imports=[helper.make_opsetid("", OPSET)])
    helper.set_model_props(whole, {"length": str(model.length), "words": " ".join(words.words)})
    onnx.checker.check_model(whole, full_check=True)
    (work / FILE).write_bytes(whole.SerializeToString())
    write_json(work / "tokenizer.json", words.tokenizer())
    write_json(work / "tokenizer_config.json", words.tokenizer_config(model.length))


def _load(path: Path) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        return ModelProto.FromString(path.read_bytes())
    except (DecodeError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint="the file is damaged; export the model again") from error


def _array(path: Path, tensor: TensorProto) -> np.ndarray:
    """A tensor that lies in the file itself, of the size that it declares. Raises CheckpointError for any other."""
    from onnx import TensorProto

    kinds: dict[int, str] = {TensorProto.FLOAT: "<f4", TensorProto.DOUBLE: "<f8", TensorProto.INT64: "<i8"}
    kind = kinds.get(tensor.data_type)
    shape = tuple(tensor.dims)
    if kind is None or min(shape, default=0) < 0 or len(tensor.raw_data) != math.prod(shape) * np.dtype(kind).itemsize:
        raise CheckpointError(f"{path}: an initializer is not what headwork writes", hint="export the model again")
    return np.frombuffer(tensor.raw_data, kind).reshape(shape)


def _initializers(path: Path, model: ModelProto) -> dict[str, np.ndarray]:
    """The initializers by name. Raises CheckpointError where two have one name: readers differ in which they take."""
    found: dict[str, np.ndarray] = {}
    for tensor in model.graph.initializer:
        name = str(tensor.name)  # bytes where it is no UTF-8
        if name in found:
            raise CheckpointError(f"{path}: two initializers are named {name!r}", hint="export the model again")
        found[name] = _array(path, tensor)
    return found


def read(path: Path) -> dict[str, Reals]:
    """The weights of a file, in float64."""
    found = _initializers(path, _load(path))
    return {name: value.astype(np.float64) for name, value in found.items() if name.startswith(_WEIGHTS)}


def settings(directory: Path) -> dict[str, Json]:
    """Opsets, length, operators and constants of a file, as `config` states them, and how many things besides."""
    model = _load(directory / FILE)
    length = {p.key: p.value for p in model.metadata_props}.get("length", "")
    nodes: list[Json] = []
    for n in model.graph.node:
        attributes = tuple((a.name, tuple(a.ints) if a.type == a.INTS else a.i) for a in n.attribute)
        kind = f"{n.domain}.{n.op_type}" if n.domain else n.op_type
        nodes.append(str(Node(kind, tuple(n.input), ", ".join(map(str, n.output)), attributes)))
    kept = {name: value for name, value in _initializers(directory / FILE, model).items() if not name.startswith(_WEIGHTS)}
    constants: dict[str, Json] = {name: str(value.tolist()) for name, value in kept.items()}
    opsets: list[Json] = [f"{opset.domain} {opset.version}".strip() for opset in model.opset_import]
    found: Json = int(length) if isinstance(length, str) and length.isascii() and length.isdigit() and len(length) < 20 else None
    inputs: list[Json] = [value.name for value in model.graph.input]
    graph = model.graph
    more = len(model.functions) + len(model.training_info) + len(graph.sparse_initializer) + len(graph.quantization_annotation)
    return {"opset": opsets, "length": found, "operators": nodes, "constants": constants, "inputs": inputs, "functions": more}


def check(directory: Path, expected: Expected, tried: Sequence[Sequence[int]]) -> Checked:
    """Run the file in onnxruntime and compare every position of every sequence tried with the interpreter."""
    import onnxruntime

    session = onnxruntime.InferenceSession(directory / FILE, providers=["CPUExecutionProvider"])
    report = Checked(f"onnxruntime {onnxruntime.__version__}", expected.scale)

    def run(ids: torch.Tensor) -> torch.Tensor:
        (logits,) = session.run(["logits"], {"ids": ids.numpy()})
        return torch.from_numpy(cast("np.ndarray", logits))

    compare(run, expected, tried, report)
    return report


LOAD = """from onnxruntime import InferenceSession
session = InferenceSession("DIR/model.onnx")
(logits,) = session.run(["logits"], {"ids": ids})  # ids (batch, n + 1), <bos> first"""

ONNX = Storage(
    frozenset({FILE, "tokenizer.json", "tokenizer_config.json"}), FILE, "onnxruntime", "onnx", LOAD, write, read, settings, check
)
TERMS = Terms("blocks.{}", paired=False)
TARGET = Target(
    "onnx",
    "onnxruntime.InferenceSession",
    ONNX,
    build,
    config,
    tensors,
    shapes,
    native,
    lambda *_: OWN,
    TERMS,
    holds_any=True,
)
