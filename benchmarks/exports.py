"""All causal programs to all targets: exhaustive short and random long sequences, run from the files, against the interpreter.

`python benchmarks/exports.py` takes about an hour on one core. `--write` puts the rows into docs/exports.md, with date, seed
and versions; `--only khop,gpt2` runs what is named, and its rows replace those of the same name if date and versions agree.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import random
import sys
import tempfile
from pathlib import Path

import torch

import headwork as hw
from headwork import programs
from headwork.export.check import Checked
from headwork.export.files import TARGETS
from headwork.export.read import expected

DOCS = Path(__file__).resolve().parent.parent / "docs" / "exports.md"
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
SEED = 0
KHOP: tuple[dict[str, object], ...] = ({"k": 3}, {"k": 8})
PROGRAMS = [(name, p) for name in programs.names() if programs.get(name).causal for p in (KHOP if name == "khop" else ({},))]
COLUMNS = ("program", "target", "N", "dtype, code", "blocks", "attention layers", "parameters", "positions", "wrong")
COLUMNS += ("logits off", "shares off", "texts")


def tried(model: hw.Model, name: str, parameters: dict[str, object], rng: random.Random) -> list[list[int]]:
    """Every sequence of at most 6 of at most 4 symbols; 50 long ones at N = 256, 5 at N = 1,024, half of the program's own kind."""
    few = rng.sample(range(len(model.alphabet)), min(4, len(model.alphabet)))
    rows = [list(row) for n in range(1, 7) for row in itertools.product(few, repeat=n)]
    entry, n = programs.entry(name), model.length
    for i in range(50 if n <= 256 else 5):
        own = [model.alphabet.id(s) for s in entry.sample(rng, n, **parameters)]
        rows.append([t for t in own if t is not None] if i % 2 else [rng.randrange(len(model.alphabet)) for _ in range(n)])
    return rows


def run(name: str, parameters: dict[str, object], target: str, length: int) -> tuple[list[str], Checked | None]:
    """One export, checked from its files; None where the target refuses the program."""
    entry, spec = programs.entry(name), TARGETS[target]
    model = hw.compile(programs.get(name, **parameters), length=length, alphabet=entry.alphabet)
    try:
        built = spec.build(model, "auto", "auto")
    except hw.ExactnessError as error:
        print(f"{model.name} to {target} at {length:,}: {error.fact}")
        return [model.name, target, f"{length:,}", "refused", *[""] * (len(COLUMNS) - 4)], None
    rng = random.Random(f"{SEED} {name} {length}")
    with tempfile.TemporaryDirectory() as directory:
        report = model.export(Path(directory) / "out", target, check=False)
        seen = spec.storage.check(report.directory, expected(model, built), tried(model, name, parameters, rng))
        back = hw.read_export(report.directory)
        assert hw.check(back, samples=8, exhaustive=0).ok, f"{name} does not read back from {target}"
    off = f"{seen.deviation / seen.scale:.0e}" if seen.deviation else "0"
    sizes = [f"{report.blocks}", f"{report.attention_layers}", f"{report.parameters:,}"]
    shares = f"{seen.error:.0e}" if built.words.drawn else "0"
    counts = [f"{seen.positions:,}", f"{seen.wrong:,}", off, shares, f"{seen.generations}"]
    return [model.name, target, f"{length:,}", f"{report.dtype}, {report.code}", *sizes, *counts], seen


def record(rows: list[list[str]], complete: bool) -> None:
    """Put rows into docs/exports.md, under what they were run with; a partial run joins rows of the same date and versions."""
    import onnxruntime
    import transformers
    import xllamacpp

    versions = (
        f"transformers {transformers.__version__}, onnxruntime {onnxruntime.__version__}, "
        f"llama.cpp of xllamacpp {xllamacpp.__version__}, torch {torch.__version__}"
    )
    title = f"Run on {datetime.date.today().isoformat()} with seed {SEED}: {versions}."
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    lines = {tuple(row[:3]): "| " + " | ".join(row) + " |" for row in rows}
    if not complete and title in old:
        known = [line for line in old.splitlines() if line.startswith("| ")][2:]
        lines = {tuple(line.strip("| ").split(" | ")[:3]): line for line in known} | lines
    order = {name: place for place, name in enumerate([*programs.names(), *TARGETS])}
    places = sorted(lines, key=lambda row: (order[row[0].split("(")[0]], row[0], order[row[1]], int(row[2].replace(",", ""))))
    head = ["| " + " | ".join(COLUMNS) + " |", "| --- | --- | " + " | ".join("---:" for _ in COLUMNS[2:]) + " |"]
    DOCS.write_text(before + "\n".join([BEGIN, title, "", *head, *(lines[place] for place in places), END]) + after, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true", help="put the table into docs/exports.md")
    parser.add_argument("--only", default="", help="programs and targets, separated by commas")
    options = parser.parse_args()
    torch.set_num_threads(1)
    only = set(filter(None, options.only.split(",")))
    rows: list[list[str]] = []
    faults = 0
    for (name, parameters), target, length in itertools.product(PROGRAMS, TARGETS, (256, 1024)):
        if only and not (name in (only & set(programs.names()) or {name}) and target in (only & set(TARGETS) or {target})):
            continue
        row, seen = run(name, parameters, target, length)
        rows.append(row)
        faults += seen is not None and not seen.ok
        print("| " + " | ".join(row) + " |" + (f"\n{seen}" if seen and not seen.ok else ""), flush=True)
    if options.write:
        record(rows, complete=not only)
    print(f"{sum(row[3] != 'refused' for row in rows)} exports, {faults} wrong")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
