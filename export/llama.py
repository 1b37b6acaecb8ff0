"""The Llama family (Llama, Mistral, Qwen2): the stock configuration and tensors that compute a compiled program.

RMSNorm. rms_norm_eps = 2**80 and gain 2**40: beside epsilon a mean square below 2**55 vanishes in float32, so the layer is
the identity, bit for bit. There is no mean to round, so cells of totals are filled as natively: 2**46 is far below 2**55.
MLP. silu(128·a) = 128·relu(a) for an integer a, because exp(-128) is 0: gate = 128·W_in, up = 1/128, down = W_out.
RoPE. `longrope` gives every pair of dimensions its own frequency. Pairs n, n + 1, … turn by 2**-120 a position, which is
nothing: they carry what the program's heads compare. Pairs b < n turn by π/2**b and are read in the first block only.

A natural model's hidden units are no integers, and there S = 2**20 stands for 128: silu(S·a)/S is within 0.279/S of relu(a), as
x·(1 - sigmoid(x)) is at most 0.279. That is a noise of 0.279/S·Σ |w_out| after each MLP, under which the margins are shown. Its <bos>
is no zero vector, so its units are on there as well.

Positions are not in the stream, so the first block computes them. Head b at position i scores <bos>, i places back, with

    -2**(b + 8)·sin(π(i + 1/2)/2**b)              positive exactly if bit b of i is 1

and every other position with 0. |sin| >= sin(π/2**(b + 1)) >= 2**-b there, so with an exact angle the score is at least 256
away from 0. Rounding moves the angle by at most π·i/2**b · 2**-22, and sine, cosine and weights by 2**-21 together. That is
less than half of 256 while

    N·(π·2**-22 + 2**-21)  <=  1/2                                                                     (1)

which leaves 128 > 104 nats: bit b is exactly 1 or 0. The first block's MLP has a unit for each position, which fires on its
bits alone and writes the row of W_pos. From there on the stream is headwork's own, and every number in it is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..compiler.codes.numerics import dtype_named
from ..compiler.errors import CheckpointError, ExactnessError, InputError
from ..margin.state import Noise
from ..runtime.model import Model
from ..runtime.module import AttentionShape, MlpShape, Shape
from ..runtime.serial import Json
from .labels import Terms
from .native import Frame, Native, Reals, most_bits, pairs, relower, require_causal, require_whole
from .soft import HALF, causal, kept
from .stock import STOCK, storage
from .target import TRAP, Built, Storage, Target, by_style, head, unit
from .words import Words

EPSILON, GAIN, STILL = 2.0**80, 2.0**40, 2.0**120
SHARP, SHARPER, SMOOTH = 128.0, 2.0**20, 0.279
MAX_LENGTH = int(0.5 / (math.pi * 2.0**-22 + 2.0**-21))  # inequality (1)


def _sharp(model: Model) -> float:
    return SHARPER if model.style == "natural" else SHARP


def _bits(shape: Shape) -> int:
    return shape.length.bit_length()


def _sizes(shape: Shape) -> tuple[int, int, int]:
    """Heads, d_head and hidden units of every block, one of them for the trap: a head for each bit, d_head a power of four."""
    attention = [b for b in shape.blocks if isinstance(b, AttentionShape)]
    d_head = 4
    while d_head < 2 * _bits(shape) + max((b.d_head for b in attention), default=0):
        d_head *= 4
    inner = 1 + max(shape.length, *(b.d_mlp for b in shape.blocks if isinstance(b, MlpShape)), 0)
    return max(_bits(shape), *(len(b.masks) for b in attention), 0), d_head, inner


def _frame(shape: Shape) -> Frame:
    """Native dimensions first, then <bos>, 'no <bos>', the bits and one that nobody reads, for the trap; a multiple of the heads."""
    heads = _sizes(shape)[0]
    return Frame((0,) * shape.d_model, heads * -(-(shape.d_model + 3 + _bits(shape)) // heads))


def _still(shape: Shape, count: int) -> list[int]:
    """Dimensions of a head that RoPE leaves alone, enough for `count`; dimension d turns with d + d_head/2."""
    half, bits = _sizes(shape)[1] // 2, _bits(shape)
    free = [*range(bits, half), *range(half + bits, 2 * half)]
    return free[:count]


def config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
    """config.json without the architecture."""
    shape = model.module.shape
    heads, d_head, inner = _sizes(shape)
    turns = [2.0**b / math.pi if b < _bits(shape) else STILL for b in range(d_head // 2)]
    rope: dict[str, Json] = {
        "rope_type": "longrope",
        "short_factor": list[Json](turns),
        "long_factor": list[Json](turns),
        "factor": 1.0,
        "attention_factor": 1.0,
        "original_max_position_embeddings": model.length + 1,
    }
    return {
        "vocab_size": len(words.words),
        "hidden_size": frame.width,
        "intermediate_size": inner,
        "num_hidden_layers": 1 + len(_pairs(shape)),
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "head_dim": d_head,
        "hidden_act": "silu",
        "max_position_embeddings": model.length + 1,
        "rms_norm_eps": EPSILON,
        "attention_dropout": 0.0,
        "tie_word_embeddings": False,
        "use_cache": True,
        # Version 4 of transformers reads the first two, version 5 the third.
        "rope_theta": 1.0,
        "rope_scaling": rope,
        "rope_parameters": {**rope, "rope_theta": 1.0},
    }


def _pairs(shape: Shape) -> list[tuple[tuple[int, AttentionShape] | None, tuple[int, MlpShape] | None]]:
    return [pair for pair in pairs(shape) if any(pair)]


def tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
    """Every tensor of the checkpoint by its stock name; weights are (outputs, inputs)."""
    native, shape, sharp = Native.of(model), model.module.shape, _sharp(model)
    heads, d_head, inner = _sizes(shape)
    d, width = shape.d_model, frame.width
    bos, word, bits = d, d + 1, range(d + 2, d + 2 + _bits(shape))
    token = np.zeros((len(words.words), width))
    token[1 : words.symbols + 1] = frame.writes(native.tensors["W_E"][1:])
    token[1 : words.symbols + 1, word] = 1
    token[words.bos, :d], token[words.bos, bos] = native.tensors["W_E"][0], 1
    made = {
        "model.embed_tokens.weight": token,
        "model.norm.weight": np.full(width, GAIN),
        "lm_head.weight": frame.reads(head(model, words)).T,
    }

    def block(index: int, q: Reals, k: Reals, v: Reals, o: Reals, w_in: Reals, w_out: Reals) -> None:
        """Name one block. Shapes: q, k, v (width, heads, d_head), o (heads, d_head, width), w_in (width, m), w_out (m, width)."""
        gate, up, down = np.zeros((inner, width)), np.zeros((inner, width)), np.zeros((width, inner))
        m = w_in.shape[1]
        gate[:m], up[:m, word], down[:, :m] = sharp * w_in.T, 1 / sharp, w_out.T
        if index and model.style == "natural":
            up[:m, bos] = 1 / sharp
        down[bits.stop, -1] = TRAP if index == 0 else 0
        flat = {n: w.reshape(width, -1).T for n, w in (("q", q * d_head**0.5), ("k", k), ("v", v))}
        parts = {f"self_attn.{n}_proj": w for n, w in flat.items()} | {"self_attn.o_proj": o.reshape(-1, width).T}
        parts |= {"mlp.gate_proj": gate, "mlp.up_proj": up, "mlp.down_proj": down}
        parts |= {norm: np.full(width, GAIN) for norm in ("input_layernorm", "post_attention_layernorm")}
        made.update((f"model.layers.{index}.{name}.weight", np.ascontiguousarray(part)) for name, part in parts.items())

    def nothing() -> tuple[Reals, Reals, Reals, Reals, Reals, Reals]:
        q, k, v = np.zeros((3, width, heads, d_head))
        return q, k, v, np.zeros((heads, d_head, width)), np.zeros((width, 0)), np.zeros((0, width))

    q, k, v, o, _, _ = nothing()
    for b, bit in enumerate(bits):
        # (q1·cos - q2·sin)(π·i/2**b) with this q is -2**(b + 8)·sin(π(i + 1/2)/2**b): the key (1, 0) of <bos> is not turned.
        sine, cosine = math.sin(math.pi / 2 ** (b + 1)), math.cos(math.pi / 2 ** (b + 1))
        q[word, b, b], q[word, b, d_head // 2 + b] = np.array([-sine, cosine], np.float32) * 2.0 ** (b + 8)
        k[bos, b, b] = v[bos, b, 0] = o[b, 0, bit] = 1
    places = np.arange(1, shape.length + 1)
    digits = places[:, None] >> np.arange(len(bits)) & 1  # (N, bits)
    w_in = np.zeros((width, shape.length))
    w_in[bits.start : bits.stop] = (2 * digits - 1).T
    w_in[word] = 1 - digits.sum(axis=1)  # the sum is 1 at the position's own bits, at most 0 at any others
    block(0, q, k, v, o, w_in, frame.writes(native.tensors["W_pos"][1:]))
    for number, (attention, mlp) in enumerate(_pairs(shape), 1):
        q, k, v, o, w_in, w_out = nothing()
        if attention:
            index, part = attention
            still = _still(shape, part.d_head)
            for h in range(len(part.masks)):
                q[:, h, still], k[:, h, still] = (frame.reads(native.block(index, name)[h]) for name in ("W_Q", "W_K"))
                v[:, h, : part.d_head] = frame.reads(native.block(index, "W_V")[h])
                o[h, : part.d_head] = frame.writes(native.block(index, "W_O")[h])
        if mlp:
            w_in, w_out = frame.reads(native.block(mlp[0], "W_in")), frame.writes(native.block(mlp[0], "W_out"))
        block(number, q, k, v, o, w_in, w_out)
    return made


def shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor. Raises CheckpointError where the frame is not the family's."""
    shape, width = model.module.shape, frame.width
    require_causal(model)
    if frame != _frame(shape):
        raise CheckpointError(f"the stream is not laid out as {_frame(shape).width} dimensions of its own", hint="export the model again")
    heads, d_head, inner = _sizes(shape)
    made: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (len(words.words), width), "lm_head.weight": (len(words.words), width)}
    for number in range(1 + len(_pairs(shape))):
        sizes = {f"self_attn.{n}_proj": (heads * d_head, width) for n in "qkv"} | {"self_attn.o_proj": (width, heads * d_head)}
        sizes |= {"mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width), "mlp.down_proj": (width, inner)}
        made |= {f"model.layers.{number}.{name}.weight": size for name, size in sizes.items()}
        made |= {f"model.layers.{number}.{norm}.weight": (width,) for norm in ("input_layernorm", "post_attention_layernorm")}
    return {**made, "model.norm.weight": (width,)}


def native(model: Model, words: Words, frame: Frame, found: dict[str, Reals]) -> dict[str, Reals]:
    """The native tensors that tensors of this model's layout hold: `tensors` undone."""
    shape = model.module.shape
    heads, d_head, _ = _sizes(shape)

    def layer(number: int, name: str) -> Reals:
        return found[f"model.layers.{number}.{name}.weight"].T

    none, token = np.zeros((1, shape.d_model)), frame.unwritten(found["model.embed_tokens.weight"])
    made = {
        "W_E": token[[words.bos, *range(1, words.symbols + 1)]],
        "W_pos": np.concatenate([none, frame.unwritten(layer(0, "mlp.down_proj"))[: shape.length]]),
        "W_U": frame.unread(found["lm_head.weight"].T)[:, list(words.classes)] / unit(model),
    }
    for number, (attention, mlp) in enumerate(_pairs(shape), 1):
        if attention:
            index, part = attention
            still, plain = _still(shape, part.d_head), list(range(part.d_head))
            for name, stock, dims, scale in (
                ("W_Q", "q", still, d_head**0.5),
                ("W_K", "k", still, 1.0),
                ("W_V", "v", plain, 1.0),
            ):
                wide = layer(number, f"self_attn.{stock}_proj").reshape(frame.width, heads, d_head)
                made[f"blocks.{index}.{name}"] = np.stack([frame.unread(wide[:, h, dims]) / scale for h in range(len(part.masks))])
            out = layer(number, "self_attn.o_proj").reshape(heads, d_head, frame.width)
            made[f"blocks.{index}.W_O"] = np.stack([frame.unwritten(out[h, : part.d_head]) for h in range(len(part.masks))])
        if mlp:
            index, hidden = mlp
            made[f"blocks.{index}.W_in"] = frame.unread(layer(number, "mlp.gate_proj"))[:, : hidden.d_mlp] / _sharp(model)
            made[f"blocks.{index}.W_out"] = frame.unwritten(layer(number, "mlp.down_proj"))[: hidden.d_mlp]
    return made


def _member(name: str, loads: str, settings: dict[str, Json], storage: Storage = STOCK, biased: bool = False) -> Target:
    """One architecture of the family: its own settings, and zero biases where it has them."""

    def own_config(model: Model, words: Words, frame: Frame) -> dict[str, Json]:
        return {"architectures": [loads], "model_type": name, **config(model, words, frame), **settings}

    def own_tensors(model: Model, words: Words, frame: Frame) -> dict[str, Reals]:
        made = tensors(model, words, frame)
        if biased:
            size = made["model.layers.0.self_attn.q_proj.weight"].shape[0]
            layers = range(1 + len(_pairs(model.module.shape)))
            made |= {f"model.layers.{i}.self_attn.{part}_proj.bias": np.zeros(size) for i in layers for part in "qkv"}
        return made

    def own_shapes(model: Model, words: Words, frame: Frame) -> dict[str, tuple[int, ...]]:
        made = shapes(model, words, frame)
        if biased:
            weights = {key: size for key, size in made.items() if key.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight"))}
            made |= {key.replace(".weight", ".bias"): (size[0],) for key, size in weights.items()}
        return made

    def proof(model: Model, *_: object) -> str:
        return _soft_claim(model, loads) if model.style == "natural" else _claim(model)

    built = by_style(_build(own_config, own_tensors), _build_natural(loads, own_config, own_tensors))
    return Target(name, loads, storage, built, own_config, own_tensors, own_shapes, native, proof, TERMS, holds_natural=True)


TERMS = Terms("model.layers.{}", ahead=1, compared=lambda shape, part: _still(shape, part.d_head))


def _require_length(model: Model) -> None:
    """Inequality (1). Raises ExactnessError where it does not hold."""
    if model.length > MAX_LENGTH:
        fact = f"{model.name}: N·(π·2**-22 + 2**-21) > 1/2 at length {model.length:,}"
        raise ExactnessError(fact, hint=f"N = {MAX_LENGTH:,} would do")


def _claim(model: Model) -> str:
    """What holds of a model of this family. Raises ExactnessError where inequality (1) does not, a mean square may be seen, or
    a hidden unit may be no integer.

    The greatest number a certified stream holds is a total's cell, below 2**24, so mean squares stay below 2**48.
    """
    _require_length(model)
    if model.dtype != "float32":
        raise ExactnessError(f"{model.name} is in {model.dtype}, and RMSNorm of this family computes in float32", hint="export it to gpt2")
    require_whole(model)
    top = max((abs(end) for probe in model.probes for span in probe.form.intervals() for end in span), default=0)
    if top > 2**27:
        raise ExactnessError(f"{model.name}: a mean square may reach {top**2:,}, and epsilon swallows 2**55", hint="use another code")
    return (
        f"The first block computes positions 1..{model.length:,} from RoPE. Hidden units are integers. RMSNorm, SwiGLU "
        "and the still pairs of RoPE are exact: every number after the first block is headwork's own."
    )


def _soft_claim(model: Model, loads: str) -> str:
    """What holds of a natural model. Raises ExactnessError where inequality (1) does not, or a margin is lost."""
    _require_length(model)
    if model.dtype != "float32":
        raise ExactnessError(f"{model.name} is in {model.dtype}, and RMSNorm of this family computes in float32", hint="export it to gpt2")
    found = Native.of(model)
    mlps = [i for i, block in enumerate(model.module.shape.blocks) if isinstance(block, MlpShape)]
    size = max((float(np.abs(found.block(i, "W_out")).sum(axis=0).max(initial=0)) for i in mlps), default=0.0)
    made, granted = kept(model, loads, lambda together, u: Noise(stream=SMOOTH / SHARPER * size))
    if made.together >= 2.0**27:
        raise ExactnessError(f"{model.name}: a mean square may be seen beside epsilon", hint="shorten the length")
    return (
        f"The weights are headwork's own. The first block computes positions 1..{model.length:,} from RoPE. RMSNorm and the still pairs of "
        f"RoPE change nothing; SwiGLU is ReLU but for {granted.stream:.1e} in the stream, which the margins bear: the right class leads by "
        f"at least {made.margin:.3g} all the same."
    )


def _build_natural(
    loads: str, own_config: Callable[[Model, Words, Frame], dict[str, Json]], own_tensors: Callable[[Model, Words, Frame], dict[str, Reals]]
) -> Callable[[Model, str, str], Built]:
    def build(model: Model, code: str, dtype: str) -> Built:
        """A natural model as it is, behind a block that computes positions. Raises as `causal` does."""
        model = causal(model, loads, code, dtype)
        _require_length(model)
        if model.module.W_pos[0].any():
            fact = f"{model.name} writes to <bos> by its position, and the first block writes none there"
            raise InputError(fact, hint="export it to gpt2, hooked or onnx")
        words, frame = Words.of(model), _frame(model.module.shape)
        made = own_config(model, words, frame), own_tensors(model, words, frame)
        return Built(
            model,
            code,
            words,
            frame,
            *made,
            1 + len(_pairs(model.module.shape)),
            "The weights are headwork's own.",
            (),
            dtype if dtype in HALF else "",
        )

    return build


def _build(
    own_config: Callable[[Model, Words, Frame], dict[str, Json]], own_tensors: Callable[[Model, Words, Frame], dict[str, Reals]]
) -> Callable[[Model, str, str], Built]:
    def build(model: Model, code: str, dtype: str) -> Built:
        """A model's program in float32, the only arithmetic of RMSNorm. Raises ExactnessError where it is not exact."""
        if dtype == "float64":
            raise InputError("RMSNorm of this family computes in float32", hint="leave out dtype, or export to gpt2")
        _require_length(model)
        lowered = most_bits(model, "float32", lambda logs: relower(model, dtype_named("float32"), code, logs=logs))
        words, frame = Words.of(lowered), _frame(lowered.module.shape)
        return Built(
            lowered,
            code,
            words,
            frame,
            own_config(lowered, words, frame),
            own_tensors(lowered, words, frame),
            1 + len(_pairs(lowered.module.shape)),
            _claim(lowered),
            (),
        )

    return build


# For qwen2, AutoTokenizer of transformers 5 puts Qwen's own byte-pair tokenizer in the place of any other.
_BY_FILE = storage("PreTrainedTokenizerFast")
TARGETS = (
    _member("llama", "LlamaForCausalLM", {"attention_bias": False, "mlp_bias": False}),
    _member("mistral", "MistralForCausalLM", {"sliding_window": None}),
    _member("qwen2", "Qwen2ForCausalLM", {"use_sliding_window": False, "sliding_window": None}, _BY_FILE, biased=True),
)
