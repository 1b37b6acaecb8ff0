"""The pages of a suite: its datasheet, its licence, and the loader that needs no headwork."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from ..runtime.serial import Json
from .entry import Options

DATASHEET, LICENSE, LOADER = "DATASHEET.md", "LICENSE", "load.py"
NOTICE = """Copyright the headwork authors

Licensed under the Apache License, Version 2.0 (the "License"); you may not use these files except in compliance with the License.
You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the specific language governing permissions
and limitations under the License.
"""

HIDDEN = [
    "",
    "The models are disguised: the stream is in another basis, heads and units are permuted, and some were added that change nothing.",
    "Circuits and keys are in a file of their own, which whoever scores has.",
]


def about(options: Options, models: Sequence[dict[str, Json]]) -> dict[str, str]:
    """The pages by name."""
    loader = (Path(__file__).parent / "loader.py").read_text(encoding="utf-8")
    return {DATASHEET: _datasheet(options, models), LICENSE: NOTICE, LOADER: loader}


def _datasheet(options: Options, models: Sequence[dict[str, Json]]) -> str:
    """What is in a suite, how it was made, what it is for, and what it is not."""
    sources = Counter(cast(str, m["source"]) for m in models)
    held = Counter("held" if cast("dict[str, Json]", m["gpt2"])["held"] else cast("dict[str, str]", m["gpt2"])["why"] for m in models)
    proved = sum(bool(cast("dict[str, Json]", m["certificate"])["proved"]) for m in models)
    entries = Counter(cast(str, m["entry"]) for m in models if m["entry"])
    weights, layers = sorted(cast(int, m["weights"]) for m in models), Counter(cast(int, m["attention_layers"]) for m in models)
    features = "all" if options.features is None else ", ".join(options.features)
    hidden, left = options.disguise, sum(len(cast("list[str]", m["left_out"])) for m in models)
    lines = [
        "# Datasheet",
        "",
        f"{len(models):,} transformers compiled by headwork from programs: nothing is trained, and what each part does is known.",
        "",
        "## What is in it",
        "",
        f"- {sources['library']:,} programs of headwork's library ({len(entries)} different ones), {sources['random']:,} random programs.",
        f"- The {options.style} style, float32; {weights[0]:,} to {weights[-1]:,} weights, {weights[len(weights) // 2]:,} in the median.",
        f"- Attention layers: {', '.join(f'{n} in {layers[n]:,}' for n in sorted(layers))}.",
        f"- Lengths {options.length[0]} to {options.length[1]}, alphabets of {options.alphabet[0]} to {options.alphabet[1]} symbols "
        f"(programs about their own symbols have those), {options.steps[0]} to {options.steps[1]} steps drawn, features: {features}.",
        *([f"- All have the shapes of one architecture: {options.pad}."] if options.pad else []),
        f"- {proved:,} have a certificate that every answer is right on every input; the others say in `model.json` why there is none.",
        f"- {held['held']:,} have a GPT-2 checkpoint" + ("; the others say why:" if len(held) > 1 else "."),
        *(f"    - {number:,}: {why}" for why, number in _reasons(held).most_common(8)),
        "",
        "## Files of a model",
        "",
        "| file | holds |",
        "| --- | --- |",
        "| `model.json` | sizes, symbols, what each class of the logits says, certificate, licence |",
        "| `config.json`, `model.safetensors` | the transformer; `load.py` runs it with NumPy |",
        *([] if hidden else ["| `program.json` | with the two above a checkpoint that `hw.load` reads: where each value lies |"]),
        "| `program.py` | the program; the `program` in it compiles to these weights at the length and symbols of `model.json` |",
        *([] if hidden else ["| `circuit.json` | the mechanism, and every edge that tools can name with its verdict; for `gpt2/` apart |"]),
        "| `samples.json` | rows, right answers, sets of rows, and right answers after interchanges |",
        *([] if hidden else ["| `gpt2/` | the same program as a checkpoint that `GPT2LMHeadModel.from_pretrained` loads |"]),
        "",
        "## How it was made",
        "",
        f"By `headwork suite build` with seed {options.seed}: the same options give the same bytes. Programs are drawn step by step, and",
        "those that say the same on every row, do not attend, or are greater than 1 MB are left out, and the next is drawn: "
        f"{left:,} were, each with its reason in `model.json`.",
        f"Edges are decided under {options.ablation} ablation by running all sequences of the model's length where they are few, and all",
        "pairs of them; else they are searched, and what has no witness is undecided. Scores leave undecided edges out.",
        *(HIDDEN if hidden else []),
        "",
        "## What it is for, and what it is not",
        "",
        "For scoring methods that find circuits, edges, nodes and values, and for probing and decompiling weights. Compiled weights are",
        "not learned ones: they are sparse and exact, in the compact style softmax is saturated, and programs are small. A method",
        "that fails here is not shown to fail on learned models, nor the reverse. There is no personal data in it.",
        "",
        "Licence: Apache-2.0.",
    ]
    return "\n".join(lines) + "\n"


def _reasons(held: Counter[str]) -> Counter[str]:
    """Why there is no GPT-2 checkpoint, without the names of programs."""
    found: Counter[str] = Counter()
    for why, number in held.items():
        if why != "held":
            found[why.partition(": ")[2] or why.partition(" is ")[2] or why] += number
    return found
