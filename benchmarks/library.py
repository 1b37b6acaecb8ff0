"""Every program of the library at growing lengths, over two alphabets: answers, inner values, certificates, sizes.

Answers are compared with the plain-Python reference at every length, inner values with the interpreter at the lengths of
CHECKED, where the models are certified as well. A program about its own words has its own alphabet twice, with other
parameters the second time.
Run: python benchmarks/library.py [--seed 0] [--samples 4] [--only NAME] [--write]
"""

from __future__ import annotations

import argparse
import inspect
import random
import sys
import time
from dataclasses import dataclass
from datetime import date

import torch
from record import record
from table import markdown

import headwork as hw
from headwork.compiler.domain import Symbol

LENGTHS = (8, 16, 64, 256, 1024)
CHECKED = (64, 1024)
SYMBOLS = 64  # the second alphabet of programs that take any
OTHER: dict[str, dict[str, object]] = {
    "skip_trigram": {"table": [["a", "b", "c"], ["b", "c", "a"], ["c", "c", "b"]]},
    "ioi": {"names": ["Ann", "Bob", "Cleo", "Dora", "Eve", "Fay"]},
    "fraction_of_previous": {"word": "so", "parts": 3},
    "parity": {"word": "no"},
    "dyck_k": {"kinds": ["()", "<>"], "give": "partner"},
    "shuffle_dyck": {"kinds": ["ab", "xy"]},
    "automaton": {"dfa": [[i, s, (i + by) % 6] for i in range(6) for s, by in (("one", 1), ("two", 2))], "accept": [0]},
    "addition": {"heads": 3},
    "associative_memory": {"bits": 9},
    "nearest": {"bits": 2},
}


@dataclass(slots=True)
class Row:
    """What was found of one program over one alphabet."""

    name: str
    symbols: int
    sequences: int = 0
    wrong: int = 0
    values: int = 0
    wrong_values: int = 0
    margin: float = float("inf")
    certified: str = ""
    refusal: str = ""
    seconds: float = 0.0
    sizes: tuple[int, ...] = ()

    def cells(self) -> list[str]:
        """The row of the table."""
        counts = f"{self.wrong} of {self.sequences}", f"{self.wrong_values} of {self.values:,}"
        return [
            f"`{self.name}`",
            str(self.symbols),
            *map(str, self.sizes),
            f"{self.seconds:.2f}",
            *counts,
            f"{self.margin:g}",
            self.certified,
        ]


def measure(name: str, parameters: dict[str, object], symbols: int | None, samples: int, rng: random.Random) -> Row:
    """Compile at every length, run, check and certify."""
    entry = hw.programs.entry(name)
    program = entry.program(**parameters)
    settled = entry.settle(parameters)
    for length in LENGTHS:
        start = time.perf_counter()
        model = hw.compile(program, length=length, alphabet=symbols)
        seconds = time.perf_counter() - start
        if length == LENGTHS[0]:
            row = Row(name, len(model.alphabet))
        row.seconds = max(row.seconds, seconds)
        prompts: list[list[Symbol]] = []
        for j in range(samples):
            if symbols is None and j % 2 == 0:
                prompts.append(entry.sample(rng, length, **settled))
            else:
                prompts.append(list(rng.choices(model.alphabet.symbols, k=length)))
        order = {"order": model.alphabet.symbols} if "order" in inspect.signature(entry.reference).parameters else {}
        for prompt in prompts:
            row.sequences += 1
            row.wrong += model.run(prompt) != entry.reference(prompt, **settled, **order)
        if length in CHECKED:
            report = hw.check(model, samples=samples, lengths=[length], exhaustive=0, inputs=prompts, seed=rng.randrange(1000))
            row.values += report.values
            row.wrong_values += report.mismatches
            row.margin = min(row.margin, report.smallest_margin)
            try:
                hw.certify(model)
                row.certified += f"{', ' if row.certified else ''}{length:,}"
            except hw.Refused as refusal:
                row.refusal += f"- `{name}` over {row.symbols} symbols, N = {length:,}: {refusal.fact}\n"
        cost = model.cost
        stated = entry.layers(length, **settled)
        if cost.attention_layers > stated:
            raise SystemExit(f"{name} takes {cost.attention_layers} layers at N = {length}, and the library states {stated}")
    row.sizes = cost.attention_layers, max(cost.heads, default=0), cost.d_model, max(cost.d_mlp, default=0)
    return row


def main() -> int:
    """Measure, print or write; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=4, help="sequences for each program, alphabet and length")
    parser.add_argument("--only", action="append", help="a program; may be given several times")
    parser.add_argument("--write", action="store_true", help="put the table into docs/campaigns.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng, rows, start = random.Random(options.seed), [], time.perf_counter()
    for name in options.only or hw.programs.names():
        free = not hw.programs.entry(name).alphabet_fixed
        settings = [({}, None), ({}, SYMBOLS)] if free else [({}, None), *([(OTHER[name], None)] if name in OTHER else [])]
        for parameters, symbols in settings:
            rows.append(measure(name, parameters, symbols, options.samples, rng))
            print(" | ".join(rows[-1].cells()), file=sys.stderr, flush=True)
    seconds = time.perf_counter() - start
    columns = ["program", "symbols", "layers", "heads", "d_model", "d_mlp", "compile, s", "answers wrong", "values wrong", "margin"]
    text = (
        f"Seed {options.seed}, {options.samples} sequences a length, {date.today()}, {seconds:.0f} s. Sizes are at N = {LENGTHS[-1]:,}.\n\n"
    )
    text += markdown([*columns, "certified at N ="], [row.cells() for row in rows], range(1, 10)) + "\n"
    refusals = "".join(row.refusal for row in rows)
    text += f"\nNot certified:\n\n{refusals}" if refusals else "\nAll are certified at both lengths.\n"
    if options.write:
        record("library", text)
    else:
        print(text)
    return int(any(row.wrong or row.wrong_values for row in rows))


if __name__ == "__main__":
    sys.exit(main())
