"""Both styles beside each other: what a program costs, how much noise of its weights it bears, and the formats it survives in.

Run: python benchmarks/natural.py [--length 64] [--samples 20] [--seed 0] [--only NAME ...] [--write]
With --write the table goes into docs/natural.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from table import markdown, write

import headwork as hw
from headwork.compiler.errors import HeadworkError

PAGE = Path(__file__).parent.parent / "docs" / "natural.md"
SHORT = {"bfloat16": "bf16", "float16": "f16", "tf32": "tf32", "int8 per channel": "int8/channel", "int8 per tensor": "int8/tensor"}


def row(name: str, style: str, length: int, samples: int, seed: int) -> list[str]:
    """One program in one style."""
    model = hw.compile(hw.programs.get(name), length=length, style=style)
    cost = model.cost
    found = hw.robustness(model, samples=samples, seed=seed)
    proved = [SHORT[f] for f, said in found.formats.items() if said == "proved"]
    radius = f"{found.proved_weights:.1e}" if found.proved_weights else "0"
    sizes = [f"{cost.parameters:,}", str(cost.attention_layers), str(cost.d_model)]
    return [f"`{name}`", style, *sizes, radius, f"{found.measured_weights:.1e}", ", ".join(proved) or "none"]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=hw.programs.names())
    parser.add_argument("--write", action="store_true", help="put the table into docs/natural.md")
    options = parser.parse_args()
    rows: list[list[str]] = []
    for name in options.only:
        for style in ("compact", "natural"):
            try:
                rows.append(row(name, style, options.length, options.samples, options.seed))
            except HeadworkError as error:
                rows.append([f"`{name}`", style, *["–"] * 5, str(error.fact)])
            print(" | ".join(rows[-1]), flush=True)
    head = ["program", "style", "parameters", "layers", "d_model", "radius proved", "measured", "formats proved"]
    text = markdown(head, rows)
    if options.write:
        page = PAGE.read_text(encoding="utf-8")
        begin, end = "<!-- styles:begin -->", "<!-- styles:end -->"
        write(PAGE, f"{page.split(begin)[0]}{begin}\n{text.rstrip()}\n{end}{page.split(end)[1]}")


if __name__ == "__main__":
    main()
