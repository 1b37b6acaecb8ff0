"""The library in TransformerLens itself, both styles: `hooked` exports against the interpreter, and in version 4 native models as they are.

Run it where TransformerLens is: `build/transformer-lens==4.3.0/bin/python benchmarks/lens.py` after `make lens`. Every sequence of up to
4 of at most 4 symbols, then random ones and some of the program's own kind up to N. Some minutes on one core. The counts are
recorded in docs/campaigns.md.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import torch

import headwork as hw
from headwork import programs
from headwork.export.files import TARGETS
from headwork.export.hooked import check
from headwork.export.read import expected

SEED, LONG, MOST = 0, 24, 2_000_000  # numbers of the file: natural models beyond take too long
BRIDGE = int(version("transformer-lens").split(".")[0]) >= 4


def texts(name: str, model: hw.Model, rng: random.Random) -> list[list[int]]:
    """Token ids."""
    few = rng.sample(range(len(model.alphabet)), min(4, len(model.alphabet)))
    rows = [list(row) for n in range(1, 5) for row in itertools.product(few, repeat=n)]
    for i in range(LONG):
        own = [model.alphabet.id(s) for s in programs.entry(name).sample(rng, model.length)]
        rows.append([t for t in own if t is not None] if i % 2 else [rng.randrange(len(model.alphabet)) for _ in range(model.length)])
    return rows


def exported(name: str, model: hw.Model, rows: list[list[int]]) -> tuple[int, int, float] | str:
    """Positions, wrong ones and the greatest deviation of an export; or why there is none."""
    try:
        built = TARGETS["hooked"].build(model, "auto", "auto")
    except hw.HeadworkError as error:
        return error.fact
    if sum(t.size for t in built.tensors.values()) > MOST:
        return "larger than what is run here"
    with tempfile.TemporaryDirectory() as work:
        made = model.export(Path(work) / "out", "hooked", check=False)
        seen = check(made.directory, expected(model, built), rows)
    if seen.wrong:
        print(f"WRONG {model.name}: {seen}")
    return seen.positions, seen.wrong, seen.deviation


def native(name: str, model: hw.Model, rows: list[list[int]]) -> tuple[int, int, float]:
    """Positions, wrong answers and the greatest deviation of a native model in TransformerLens 4, by the module and the interpreter."""
    bridge = hw.to_transformer_lens(model)
    positions = wrong = 0
    off = 0.0
    for row in rows[:: max(1, len(rows) // 40)]:
        if not row:
            continue
        with torch.no_grad():
            logits = bridge(torch.tensor([[0, *(t + 1 for t in row)]]))[:, 1:]
            own = model.module(torch.tensor([row]))
        symbols = [model.alphabet.symbols[t] for t in row]
        off = max(off, (logits - own).abs().max().item())
        parts, theirs = model.module.split(own), model.module.split(logits)
        wrong += sum(int((a.argmax(-1) != b.argmax(-1)).sum()) for a, b in zip(parts, theirs, strict=True))
        if model.graph.guard is None:
            wrong += sum(a != b for a, b in zip(model.run(symbols), hw.interpret(model, symbols), strict=True))
        positions += len(row)
    return positions, wrong, off


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[16, 48])
    parser.add_argument("--only", nargs="*", default=None)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"TransformerLens {version('transformer-lens')}, torch {torch.__version__}, seed {SEED}")
    bad = 0
    for style, length in itertools.product(("compact", "natural"), options.lengths):
        totals = {"hooked": [0, 0, 0.0, 0], "native": [0, 0, 0.0, 0]}
        refused: dict[str, list[str]] = {}
        for name in options.only or programs.names():
            rng = random.Random(f"{SEED} {name} {length}")
            try:
                model = hw.compile(programs.get(name), length=length, alphabet=programs.entry(name).alphabet, style=style)
            except hw.HeadworkError as error:
                refused.setdefault(error.fact, []).append(name)
                continue
            rows = texts(name, model, rng)
            found = exported(name, model, rows)
            ways = {"hooked": found} if not isinstance(found, str) else {}
            if isinstance(found, str):
                refused.setdefault(found.replace(model.name, "it"), []).append(name)
            if BRIDGE and sum(t.numel() for t in model.module.state_dict().values()) <= MOST:
                ways["native"] = native(name, model, rows)
            for way, (positions, wrong, off) in ways.items():
                total = totals[way]
                totals[way] = [total[0] + positions, total[1] + wrong, max(total[2], off), total[3] + 1]
        for way, (positions, wrong, off, count) in totals.items():
            if count:
                print(
                    f"{style}, N = {length}, {way}: {count} programs, {positions:,} positions, {wrong:,} wrong, logits off by {off:.1e}",
                    flush=True,
                )
                bad += int(wrong)
        for why, names in refused.items():
            print(f"  not held: {', '.join(names)}: {why}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
