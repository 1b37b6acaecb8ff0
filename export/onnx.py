"""ONNX: headwork's own model as one file of standard operators, of any length up to N, run by onnxruntime.

The weights are the native ones, so bidirectional programs and strict masks need no rewriting, and the arithmetic is the one
the model was compiled for. Input `ids` (batch, n + 1) are word ids with <bos> in front, output `logits` (batch, n + 1, words).
"""

from __future__ import annotations

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
from .native import Frame, Native, Reals, most_bits
from .stock import stored
from .target import Built, Storage, Target, head, unit
from .words import Words

if TYPE_CHECKING:
    from onnx import ModelProto

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
    return {"opset": OPSET, "length": model.length, "operators": [str(node) for node in graph.made], "constants": constants}


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """The initializers: the native tensors, embedding and unembedding by word."""
    found = Native.of(model)
    token = np.zeros((len(words.words), model.module.shape.d_model))
    token[1 : words.symbols + 1] = found.tensors["W_E"][1:]
    return {**found.tensors, "W_E": token, "W_U": head(model, words)}


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors: `tensors` undone."""
    w_e, w_u = found["W_E"][: words.symbols + 1], found["W_U"][:, list(words.classes)] / unit(model)
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
    import onnx

    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's errors have no common class of their own
        raise CheckpointError(f"{path} cannot be read: {error}", hint="the file is damaged; export the model again") from error


def read(path: Path) -> dict[str, Reals]:
    """The weights of a file, in float64."""
    from onnx import numpy_helper

    found = {t.name: numpy_helper.to_array(t) for t in _load(path).graph.initializer}
    return {name: value.astype(np.float64) for name, value in found.items() if name.startswith(_WEIGHTS)}


def settings(directory: Path) -> dict[str, Json]:
    """Opset, length, operators and constants of a file, as `config` states them."""
    from onnx import helper, numpy_helper

    model = _load(directory / FILE)
    length = {p.key: p.value for p in model.metadata_props}.get("length", "")
    nodes: list[Json] = []
    for n in model.graph.node:
        given = ((a.name, helper.get_attribute_value(a)) for a in n.attribute)
        attributes = tuple((name, v if isinstance(v, int) else tuple(v)) for name, v in given)
        nodes.append(str(Node(n.op_type, tuple(n.input), ", ".join(n.output), attributes)))
    kept = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer if not t.name.startswith(_WEIGHTS)}
    constants: dict[str, Json] = {name: str(value.tolist()) for name, value in kept.items()}
    found: Json = int(length) if length.isdigit() else None
    return {"opset": model.opset_import[0].version, "length": found, "operators": nodes, "constants": constants}


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
TARGET = Target("onnx", "onnxruntime.InferenceSession", ONNX, build, config, tensors, native, lambda *_: OWN)
