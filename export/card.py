"""The model card: what a checkpoint computes, what it costs, how to load it, what is proved of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..runtime.files import EXPORT
from .labels import Labels
from .native import Reals, strict_lookups
from .target import Built, Target
from .words import BOS, NONE

ROWS = 60  # of the circuit


def card(source_layers: int, target: Target, built: Built, proof: Sequence[str], labels: Labels, name: str) -> str:
    """README.md of a checkpoint in a directory of that name; `proof` says what is proved of it, and notes."""
    model, words, stock = built.model, built.words, target.storage.module == "transformers"
    symbols = " ".join(words.words[1 : words.symbols + 1][:64]) + (" …" if words.symbols > 64 else "")
    right = "right" if model.style == "natural" else "exact"
    lines = [
        "---",
        f"library_name: {target.storage.module}",
        "---",
        "",
        f"# {model.name}, compiled to {target.name}",
        "",
        "Nothing is trained: headwork computed every weight from the program below.",
        "",
        "```python",
        target.storage.how.replace("DIR", json.dumps(name, ensure_ascii=False)[1:-1]),  # where the directory is
        "```",
        "",
        f"{_said(built)} Words are separated by spaces. {BOS} stands",
        f"first, the tokenizer puts it there. Sequences have up to {model.length:,} words. Generation stops at what is no symbol.",
        "",
        *(
            [
                f"It is {right} in {model.dtype}; loaded in fewer bits, in bfloat16 say, it gives NaN and no words.",
                "",
            ]
            if stock
            else []
        ),
        *(["A word that is no symbol is an error of the tokenizer's (its text: Missing [UNK] token).", ""] if stock else []),
        f"Symbols ({words.symbols:,}): {symbols}",
        "",
        "## Cost",
        "",
        *(f"- {line}" for line in summary(source_layers, built)),
        "",
        "## Proof",
        "",
        *proof,
        "",
        "## Circuit",
        "",
        *_circuit(labels),
        "",
        "## Program",
        "",
        "```",
        str(model.graph),
        "```",
        "",
    ]
    return "\n".join(lines)


def _circuit(labels: Labels) -> list[str]:
    """A line a head, group of units or place of a value, so many as a reader reads."""
    _, rows = labels.table()
    more = [f"- and {len(rows) - ROWS:,} more"] if len(rows) > ROWS else []
    file = f"All of it is in `{EXPORT}` under `circuit`; hook points are TransformerLens's. Heads that are not named are zero."
    return [file, "", *(f"- `{name}`: {said}" for name, said in rows[:ROWS]), *more]


def _said(built: Built) -> str:
    """What the logits say."""
    if built.words.drawn:
        return f"Softmax of the logits at a position is the program's distribution there; {NONE} is left where nothing was counted."
    return f"The greatest logit at a position is the program's result there; {NONE} is no value."


def summary(source_layers: int, built: Built) -> list[str]:
    """What the target made of the program's layers, in sentences."""
    model = built.model
    layers = model.cost.attention_layers
    lines = [f"{built.blocks} blocks for {layers} attention layers and {model.cost.mlp_sublayers} MLPs; code {built.code}, {model.dtype}"]
    strict = strict_lookups(model)
    if strict and not model.graph.sizes.strict:
        grown = f"{layers} attention layers where headwork's own model has {source_layers}"
        lines.append(f"{strict} strict {'lookup' if strict == 1 else 'lookups'} written as causal ones over previous keys: {grown}")
    lines.append(f"{parameters(built.tensors):,} parameters")
    if built.stored:
        how = (
            f"what they multiply is rounded to {built.stored}"
            if built.frame.stored
            else f"computed with in {model.dtype}, as the configuration says"
        )
        lines.append(f"weights are stored in {built.stored} and {how}")
    if built.words.drawn:
        bits = model.output_forms[0].parts
        lines.append(f"logits are logarithms to {bits} bits: each probability is count / Σ counts to within a relative 2^-{bits}")
    return lines


def parameters(tensors: dict[str, Reals]) -> int:
    """The entries of all tensors."""
    return sum(t.size for t in tensors.values())
