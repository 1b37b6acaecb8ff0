"""Both styles beside each other: what a program costs, how much noise of its weights it bears, and the formats it survives in.

Run: python benchmarks/natural.py [--length 64] [--samples 100] [--seed 0] [--only NAME ...] [--minutes M] [--write]
Rows are kept in a file (--rows), so that a run goes on where one ended. With --write the table goes into docs/natural.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from table import markdown, write

import headwork as hw
from headwork.certificate.robustness import formats_of, measured_radius, proved_radius, texts_of
from headwork.compiler.errors import HeadworkError

PAGE = Path(__file__).parent.parent / "docs" / "natural.md"
ROWS = Path(__file__).parent.parent / "build" / "natural.json"
SHORT = {"bfloat16": "bf16", "float16": "f16", "tf32": "tf32", "int8 per channel": "int8/channel", "int8 per tensor": "int8/tensor"}
HEAD = ["program", "style", "parameters", "layers", "d_model", "reads", "radius proved", "measured", "formats proved"]


def row(name: str, style: str, length: int, samples: int, seed: int) -> list[str]:
    """One program in one style."""
    program = hw.programs.get(name)
    model = hw.compile(hw.unrolled(program) if style == "natural" else program, length=length, style=style).unrolled()
    cost = model.cost
    reads = "counts" if any(node.op.name == "total" for node in model.optimised.nodes) else "lookups" if model.records else "–"
    sizes = [f"{cost.parameters:,}", str(cost.attention_layers), str(cost.d_model), reads]
    radius, lost = proved_radius(model)
    texts = texts_of(model, seed)
    proved = [SHORT[f] for f, said in formats_of(model, texts).items() if said == "proved"]
    said = f"{radius:.1e}" if radius or style == "compact" else f"0: {lost}"
    measured = measured_radius(model, samples, seed, texts)
    return [f"`{name}`", style, *sizes, "0" if said == "0.0e+00" else said, f"{measured:.1e}", ", ".join(proved) or "none"]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=hw.programs.names())
    parser.add_argument("--minutes", type=float, default=1e9, help="start no row after so long")
    parser.add_argument("--rows", type=Path, default=ROWS, help="where rows are kept")
    parser.add_argument("--write", action="store_true", help="put the table into docs/natural.md")
    options = parser.parse_args()
    setting = f"{options.length} {options.samples} {options.seed}"
    kept: dict[str, dict[str, list[str]]] = json.loads(options.rows.read_text(encoding="utf-8")) if options.rows.exists() else {}
    rows, start = kept.setdefault(setting, {}), time.monotonic()
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        for style in ("compact", "natural"):
            key = f"{name} {style}"
            if key in rows or time.monotonic() - start > options.minutes * 60:
                continue
            try:
                rows[key] = row(name, style, options.length, options.samples, options.seed)
            except HeadworkError as error:
                rows[key] = [f"`{name}`", style, *["–"] * 6, str(error.fact)]
            print(" | ".join(rows[key]), flush=True)
            options.rows.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    done = [rows[key] for name in hw.programs.names() for style in ("compact", "natural") if (key := f"{name} {style}") in rows]
    text = markdown(HEAD, done, (2, 3, 4, 6, 7))
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        begin, end = "<!-- styles:begin -->", "<!-- styles:end -->"
        said = f"N = {options.length}, {options.samples} draws, seed {options.seed}, {time.strftime('%Y-%m-%d')}."
        write(PAGE, f"{page.split(begin)[0]}{begin}\n{said}\n\n{text}\n{end}{page.split(end)[1]}")


if __name__ == "__main__":
    main()
