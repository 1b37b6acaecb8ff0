"""GGUF: the GPT-2 checkpoint as one file for llama.cpp, words included.

llama.cpp's GPT-2 is the stock one but for two things. Its activation is GELU, on CPUs a float16 table between -10 and 10: hidden
units are integers, so 128 times them are 0, or at least 128 away from it where GELU is ReLU; W_out takes 1/128. And
queries, keys and values are rounded to float16, by its cache, and by flash attention whatever the cache: see `half.py`. All that
is read is exact (`rounding.py`), so these numbers are themselves when rounded.

Words are pieces of a unigram tokenizer, each with the space before it, so that between two spaces there is one way to read a text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from ..certificate.certify import Certificate
from ..compiler.errors import ExactnessError, InputError
from ..compiler.ops import Total
from ..runtime.model import Model
from ..runtime.module import AttentionShape
from ..runtime.serial import Json
from . import gguf_natural, gpt2, gpt2_natural
from .check import Checked
from .expected import Expected
from .gguf_file import load
from .gguf_short import shortened
from .half import balanced, canonical, halved, plain, unfit
from .labels import Terms
from .llamacpp import FILE, RUNS, check_file
from .native import Frame, Reals, require_whole
from .target import Built, Certified, Storage, Target, by_style
from .totals import NOTHING, Sums, cells
from .words import Words

ARCHITECTURE, COUNT, SHARP = "gpt2", "GGUF.kv_count", 128.0
CODES = ("auto", "digits:2", "digits:3", "digits:4", "binary")
NOTE = "llama.cpp reads an unknown word as <pad>, and of what is no symbol it stops at ⊥ alone."
SPACE = "\u2581"  # how the tokenizer writes a space
NORMAL, CONTROL = 1, 3  # kinds of tokens
_NAMES = (
    ("transformer.wte.", "token_embd."),
    ("transformer.wpe.", "position_embd."),
    ("transformer.ln_f.", "output_norm."),
    ("lm_head.", "output."),
    ("transformer.h.", "blk."),
    (".ln_1.", ".attn_norm."),
    (".ln_2.", ".ffn_norm."),
    (".attn.c_attn.", ".attn_qkv."),
    (".attn.c_proj.", ".attn_output."),
    (".mlp.c_fc.", ".ffn_up."),
    (".mlp.c_proj.", ".ffn_down."),
)


def build(model: Model, code: str, dtype: str) -> Built:
    """A model's program for llama.cpp: for its default cache, or with dtype "float32" for a cache of that.

    Raises ExactnessError with the inequality where no code does, InputError for float64, which llama.cpp does not compute in.
    """
    if dtype == "float64":
        raise InputError("llama.cpp computes in float32, and was asked for float64", hint="leave out dtype, or export it to gpt2 or onnx")
    total = next((n for n in model.graph.nodes if isinstance(n.op, Total)), None)
    if total is not None:
        fact = f"{model.name} adds up over positions, which takes weights that a float16 cache does not keep"
        raise ExactnessError(fact, total.line, "export it to gpt2 or onnx")
    found, refused = list[Built](), list[ExactnessError]()
    for choice in CODES if code == "auto" else (code,):
        try:
            built = gpt2.build(model, choice, "float32")
            found.append(_built(built, choice, dtype == "auto"))
        except ExactnessError as error:
            refused.append(error)
            continue
        if found[-1].frame.width == built.frame.width:
            return found[-1]
    if not found:
        raise refused[-1]
    return min(found, key=lambda built: built.frame.width)


def _natural(model: Model, code: str, dtype: str) -> Built:
    """A natural model as it is, for llama.cpp's default cache, or with dtype "float32" for a cache of that; with "float16" matrices are
    stored in that, for the default cache where that is shown. Raises as `causal` does."""
    model = gguf_natural.lowered(model, code, dtype)
    words, frame = _spelt(Words.of(model)), gguf_natural.frame_of(model, dtype)
    gguf_natural.require(model, frame, dtype)
    made = config(model, words, frame), tensors(model, words, frame)
    return Built(model, code, words, frame, *made, gguf_natural.blocks(model), "The weights are headwork's own.", (NOTE,), frame.stored)


def _spelt(words: Words) -> Words:
    """Words that llama.cpp's tokenizer can read. Raises InputError."""
    if any(SPACE in word for word in words.words):
        fact = f"a word holds {SPACE!r}, which is a space to llama.cpp's tokenizer"
        raise InputError(fact, hint="rename the symbol, or export it to gpt2")
    return words


def _built(built: Built, code: str, half: bool) -> Built:
    """The GPT-2 checkpoint as llama.cpp's."""
    model, words = built.model, _spelt(built.words)
    if half:
        try:
            model = halved(model)
        except ExactnessError as error:
            raise ExactnessError(f"{model.name}: {error.fact}", hint=_HINT) from None
    model = canonical(model)
    if half and (odd := unfit(balanced(model, _root(model)), _root(model))):
        raise ExactnessError(f"{model.name}: {odd} makes numbers that float16 does not hold", hint=_HINT)
    d_head = int(_root(model) ** 2)
    heads = max(-(-built.frame.width // d_head), *(len(b.masks) for b in model.module.shape.blocks if isinstance(b, AttentionShape)), 1)
    frame = replace(built.frame, width=heads * d_head)
    claim = _claim(model, words, frame, NOTHING)
    return Built(model, code, words, frame, config(model, words, frame), tensors(model, words, frame), built.blocks, claim, (NOTE,))


def _claim(model: Model, words: Words, frame: Frame, sums: Sums) -> str:
    """What holds in llama.cpp's arithmetic: GPT-2's, and of the cache. Raises ExactnessError where an inequality fails."""
    if cells(model):
        raise ExactnessError(f"{model.name} adds up over positions, which takes weights that a float16 cache does not keep", hint=_HINT)
    require_whole(model)
    theirs = balanced(model, _root(model))
    said = gpt2.holds(theirs, frame, gpt2.tensors(theirs, words, frame), sums)
    if unfit(theirs, _root(model)):
        return f"{said} Run it with a float32 cache and no flash attention (-ctk f32 -ctv f32 -fa off): llama.cpp rounds to float16 else."
    return f"{said} Queries, keys and values are float16 numbers, so llama.cpp's default cache keeps them."


def proof(model: Model, words: Words, frame: Frame, certificate: Certified) -> str:
    """What holds of a file in llama.cpp's arithmetic, by its numbers and a certificate of its model. Raises ExactnessError."""
    if model.style == "natural":
        return gguf_natural.claim(model, frame)
    assert isinstance(certificate, Certificate)
    return _claim(model, words, frame, Sums.certified(certificate))


_HINT = "shorten the length, or dtype float32 writes it for llama.cpp's -ctk f32 -ctv f32 -fa off"


def _root(model: Model) -> float:
    """What GPT-2's W_Q is multiplied by."""
    return math.sqrt(gpt2._sizes(model.module.shape)[0])


def config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
    """The fields of the file."""
    natural = model.style == "natural"
    stock = (gpt2_natural if natural else gpt2).config(model, words, frame)
    pieces: list[Json] = [SPACE + word if i < words.bos else word for i, word in enumerate(words.words)]
    fields: dict[str, Json] = {
        "general.architecture": ARCHITECTURE,
        "general.name": model.name,
        "gpt2.context_length": stock["n_positions"],
        "gpt2.embedding_length": stock["n_embd"],
        "gpt2.block_count": stock["n_layer"],
        "gpt2.feed_forward_length": stock["n_inner"],
        "gpt2.attention.head_count": stock["n_head"],
        "gpt2.attention.layer_norm_epsilon": stock["layer_norm_epsilon"],
        "tokenizer.ggml.model": "t5",  # unigram
        "tokenizer.ggml.tokens": pieces,
        "tokenizer.ggml.scores": list[Json](0.0 for _ in pieces),
        "tokenizer.ggml.token_type": list[Json](NORMAL if i < words.bos else CONTROL for i in range(len(pieces))),
        "tokenizer.ggml.bos_token_id": words.bos,
        "tokenizer.ggml.eos_token_id": words.ends[0],
        "tokenizer.ggml.padding_token_id": words.pad,
        "tokenizer.ggml.unknown_token_id": words.pad,
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
        "tokenizer.ggml.add_space_prefix": True,
        "tokenizer.ggml.remove_extra_whitespaces": True,
        "headwork.cache": gguf_natural.cache(model, frame) if natural else _cache(model),
    }
    return {**fields, COUNT: len(fields)}  # so a field more is seen


def _cache(model: Model) -> str:
    return "float32" if unfit(balanced(model, _root(model)), _root(model)) else "float16"


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """Every tensor by llama.cpp's name; weights are (outputs, inputs)."""
    made: dict[str, Reals] = {}
    stock = (
        gpt2_natural.tensors(model, words, frame) if model.style == "natural" else gpt2.tensors(balanced(model, _root(model)), words, frame)
    )
    for name, tensor in stock.items():
        turned, scale, theirs = _map(name, model.style, frame)
        made[theirs] = (tensor.T if turned else tensor) * scale
    return made


def shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor."""
    made: dict[str, tuple[int, ...]] = {}
    for name, size in _stock_shapes(model, words, frame).items():
        turned, _, theirs = _map(name, model.style, frame)
        made[theirs] = size[::-1] if turned else size
    return made


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors: `tensors` undone."""
    stock: dict[str, Reals] = {}
    for name in _stock_shapes(model, words, frame):
        turned, scale, theirs = _map(name, model.style, frame)
        stock[name] = (found[theirs].T if turned else found[theirs]) / scale
    return gpt2_natural.native(model, words, frame, stock) if model.style == "natural" else plain(gpt2.native(model, words, frame, stock))


def _stock_shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
    if model.style == "natural":
        return gpt2_natural.shapes_in(model, words, frame, gguf_natural.wanted(model, frame))
    return gpt2.shapes(model, words, frame)


def _map(name: str, style: str, frame: Frame) -> tuple[bool, float, str]:
    """Of a stock tensor: whether it is turned, its factor, and its name here."""
    sharp = gguf_natural.sharp(frame) if style == "natural" else SHARP
    scale = sharp if ".c_fc." in name else 1 / sharp if name.endswith("mlp.c_proj.weight") else 1.0
    turned, theirs = name.endswith(".weight") and ".c_" in name, name
    for ours, other in _NAMES:
        theirs = theirs.replace(ours, other)
    return turned, scale, theirs


def write(work: Path, built: Built) -> None:
    """Write model.gguf. Raises InputError where gguf is not installed."""
    try:
        from gguf import GGUFWriter
    except ImportError as error:
        raise InputError("gguf is not installed", hint="pip install 'headwork[gguf]'") from error
    writer = GGUFWriter(work / FILE, ARCHITECTURE)
    for name, value in built.config.items():
        match value:
            case _ if name in ("general.architecture", COUNT):
                pass  # the writer's own
            case bool():
                writer.add_bool(name, value)
            case int():
                writer.add_uint32(name, value)
            case float():
                writer.add_float32(name, value)
            case str():
                writer.add_string(name, value)
            case _:
                writer.add_array(name, cast("list[Json]", value))
    for name, tensor in shortened(built).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: Path) -> dict[str, Reals]:
    """The tensors of a file, in float64."""
    return load(path)[1]


def settings(directory: Path) -> dict[str, Json]:
    """The fields of a file."""
    fields = load(directory / FILE)[0]
    return {**fields, COUNT: len(fields)}


def check(directory: Path, expected: Expected, tried: Sequence[Sequence[int]]) -> Checked:
    """Run the file in llama.cpp in every way it is made for, and compare it with the interpreter."""
    runs = RUNS[str(settings(directory)["headwork.cache"])]
    return check_file(directory / FILE, read(directory / FILE)["output.weight"], runs, expected, tried)


LOAD = """from xllamacpp import CommonParams, Server
params = CommonParams()
params.model.path = "DIR/model.gguf"
server = Server(params)
answer = server.handle_completions({"prompt": "WORDS", "temperature": 0, "max_tokens": 8})["choices"][0]["text"]"""

GGUF = Storage(frozenset({FILE}), FILE, "xllamacpp", "gguf", LOAD, write, read, settings, check)
BUILD, TERMS = by_style(build, _natural), Terms("blk.{}", emptied=True)
TARGET = Target("gguf", "llama.cpp", GGUF, BUILD, config, tensors, shapes, native, proof, TERMS, holds_natural=True)
