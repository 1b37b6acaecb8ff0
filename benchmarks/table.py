"""The documentation's tables, computed: the libraries' costs, khop-8 in every code beside other work, a certificate, and bounds.

python benchmarks/table.py            print them all as Markdown
python benchmarks/table.py --write    put them into the pages of docs/, between their markers
python benchmarks/table.py --check    exit code 1 if a page holds anything else
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import headwork as hw
from headwork.compiler.codes.numerics import dtype_named
from headwork.compiler.plan.planner import plan
from headwork.compiler.rewrite import optimise
from headwork.runtime.cost import Cost
from headwork.theory.registry import GROUPS
from headwork.theory.statement import Statement

DOCS = Path(__file__).parent.parent / "docs"
LENGTH = 256
HOPS, ALPHABET, DTYPE = 8, 4, "float32"
MACHINES = 64
SHOWN_HOPS, SHOWN_LENGTH = 3, 1024  # the certificate and the bounds that are shown
SURE = {"T": "stated", "D": "derived", "M": "recalled"}
CODES = ("auto", "scalar", "digits:2", "digits:3", "binary", "onehot")
LONGEST = 1 << 20  # lengths beyond this are not tried
LONGEST_ONEHOT = 1 << 12  # a one-hot position code is as wide as the sequence is long


@dataclass(frozen=True, slots=True)
class Other:
    """A construction that is not ours, with the figures given for it."""

    name: str
    layers: str
    heads: str
    d_model: str
    outside: str
    parameters: str
    exact: str


# transformer-vm: khop-8 in its own graph language, measured apart from this repository, correct at every length tried.
# Its parameters are one figure, not split. Theorem: floor(log2 k) + 2 layers of one head (arXiv 2402.09268, Theorem 4.2).
OTHERS = (
    Other("transformer-vm, hard maximum", "7", "5", "10", "", "3,950", "tried to 256"),
    Other("theorem (arXiv 2402.09268)", "5", "1", "O(1)", "", "", ""),
)


def programs_table() -> str:
    """Every program at its defaults, over its own alphabet."""
    rows: list[list[str]] = []
    for name in hw.programs.names():
        entry = hw.programs.entry(name)
        cost = hw.compile(entry.program(), length=LENGTH).cost
        if cost.attention_layers != entry.layers(LENGTH, **entry.parameters):
            raise SystemExit(f"{name} has {cost.attention_layers} attention layers and the library states {entry.layers_formula}")
        parameters = ", ".join(f"`{p}={_default(value)}`" for p, value in entry.parameters.items())
        symbols = entry.alphabet if isinstance(entry.alphabet, int) else len(entry.alphabet)
        rows.append([f"`{name}`", parameters, str(symbols), entry.layers_formula, *_sizes(cost), entry.summary])
    columns = ["program", "takes", "symbols", "layers, stated", "layers", "heads", "d_model", "d_head", "parameters", "what it gives"]
    return markdown(columns, rows, (2, 4, 5, 6, 7, 8))


def codes_table() -> str:
    """khop-8 in each code, and the longest sequence each is exact for; then the constructions of others."""
    program = hw.programs.get("khop", k=HOPS)
    rows: list[list[str]] = []
    for code in CODES:
        cost = hw.compile(program, length=LENGTH, alphabet=ALPHABET, dtype=DTYPE, code=code).cost
        layers, heads, d_model, _, outside = _sizes(cost)
        limit = LONGEST_ONEHOT if code == "onehot" else LONGEST
        longest = longest_exact(program, code, limit)
        reach = f"over {limit:,}" if longest == limit else f"{longest:,}"
        rows.append([f"headwork, code `{code}`", layers, heads, d_model, outside, f"{cost.parameters:,}", reach])
    rows += [[o.name, o.layers, o.heads, o.d_model, o.outside, o.parameters, o.exact] for o in OTHERS]
    return markdown(["construction", "layers", "heads", "d_model", "parameters", "with embedding", "exact to length"], rows, range(1, 7))


def certified_table() -> str:
    """At which lengths each program is certified in float32, as one sentence."""
    lengths = (LENGTH, SHOWN_LENGTH)
    proofs = [hw.certify(hw.compile(hw.programs.get(name), length=n)) for n in lengths for name in hw.programs.names()]
    worst = max(proof.mantissa_bits for proof in proofs)
    text = ", ".join(f"`{name}`" for name in hw.programs.names())
    return f"Certified in {DTYPE} at {' and '.join(f'{n:,}' for n in lengths)} tokens: {text}. They use at most {worst} bits of mantissa."


def certificate_text() -> str:
    """One certificate, as the command prints it."""
    return f"```\n{hw.certify(_shown())}\n```"


def bounds_table() -> str:
    """One model against the theory, the rows that apply."""
    report = hw.bounds(_shown())
    rows = [row.texts() for row in report.rows if "not applicable" not in row.texts()[-1]]
    return markdown(["id", "kind", "bound", "measured", "verdict"], [[cell.replace("*", "\\*") for cell in row] for row in rows], ())


def _shown() -> hw.Model:
    return hw.compile(hw.programs.get("khop", k=SHOWN_HOPS), length=SHOWN_LENGTH, alphabet=ALPHABET, dtype=DTYPE)


def longest_exact(program: hw.Program, code: str, limit: int) -> int:
    """The greatest length up to `limit` that the planner accepts, by bisection: the bounds it checks grow with length."""
    least, most = 0, 1  # accepted, and not known
    while most <= limit and is_exact(program, code, most):
        least, most = most, most * 2
    if most > limit:
        return limit
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (middle, most) if is_exact(program, code, middle) else (least, middle)
    return least


def is_exact(program: hw.Program, code: str, length: int) -> bool:
    """Whether the program can be compiled; no weights are made."""
    try:
        plan(optimise(program.build(length, ALPHABET)), dtype_named(DTYPE), code)
    except hw.ExactnessError:
        return False
    return True


def _sizes(cost: Cost) -> list[str]:
    """Layers, heads of the widest layer, d_model, d_head, and parameters outside the embedding."""
    outside = cost.parameters - cost.embedding_parameters
    return [*map(str, (cost.attention_layers, max(cost.heads, default=0), cost.d_model, cost.d_head)), f"{outside:,}"]


def _default(value: object) -> str:
    return f"({len(value)} items)" if isinstance(value, tuple) else str(value)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    """A Markdown table; `numbers` are the columns that are aligned to the right."""
    rules = ["---:" if i in numbers else "---" for i in range(len(columns))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (columns, rules, *rows))


def protocols_table() -> str:
    """Every protocol at its defaults, its rounds beside its layers, and its width beside the theorem's."""
    rows: list[list[str]] = []
    for name in hw.protocols.names():
        entry = hw.protocols.entry(name)
        protocol = entry.protocol()
        trace = protocol.trace(MACHINES)
        cost = hw.compile(protocol, length=MACHINES).cost
        if cost.attention_layers != entry.layers(MACHINES):
            sys.exit(f"{name} takes {cost.attention_layers} layers, stated are {entry.layers(MACHINES)}")
        theorem = trace.memory**4 * (MACHINES - 1).bit_length()
        counts = [trace.memory, trace.rounds, cost.attention_layers, max(cost.heads, default=0), cost.d_model, theorem]
        rows.append([f"`{name}`", *(f"{c:,}" for c in counts), f"{cost.parameters - cost.embedding_parameters:,}", entry.summary])
    columns = ("protocol", "s", "rounds", "layers", "heads", "d_model", "s⁴·log2 N", "parameters", "what it computes")
    return markdown(columns, rows, range(1, 8))


def theory_table() -> str:
    """Every row of the theory in two sentences: its bounds, how it is meant, how sure it is, what it assumes, and its source."""
    lines = [compared([row for rows in GROUPS.values() for row in rows]), ""]
    for title, rows in GROUPS.items():
        lines += [f"### {title}", ""]
        for row in rows:
            bounds = "; ".join(f"<code>{_plain(quantity.relation())}</code>" for quantity in row.quantities)
            kinds = ", ".join(dict.fromkeys([quantity.kind for quantity in row.quantities] or [row.kind]))
            assumed = f" Assumes {_plain('; '.join(row.assumes).replace('Σ', '|Σ|'))}." if row.assumes else ""
            checked = f"; checked {row.checked}" if row.checked else ""
            head = f"**{row.id}** ({kinds}; {SURE[row.certainty]})" + (f": {bounds}" if bounds else ": states no number")
            lines.append(f"- {head}<br>{_plain(row.statement)} {_plain(row.note)}{assumed}<br>{_plain(row.source)}{checked}")
        lines.append("")
    return "\n".join(lines).rstrip()


def compared(rows: Sequence[Statement]) -> str:
    """With how much of their sources the rows were compared, in two sentences; each counts where most was read."""
    kinds = {
        "the paper's text": "with the theorem in the paper's text",
        "in full": "with the authors' abstract, which states it in full",
        "state": "with the theorem as others state it",  # readings, formalisations, later papers
        "quote": "with the theorem as others state it",
        "": "with less",
    }
    sourced = [row for row in rows if row.certainty != "D"]
    counts = Counter(next(kind for word, kind in kinds.items() if word in row.checked) for row in sourced)
    parts = [f"{counts[kind] or 'none'} {kind}" for kind in dict.fromkeys(kinds.values())]
    own, page = len(rows) - len(sourced), sum("docs/proved-rows.md" in row.checked for row in rows)
    said = f"Of {len(rows)} rows {own} are derived or proved here, {page} of them on [a page of their own](proved-rows.md)."
    return f"{said} Of the others, {', '.join(parts[:-1])}, and {parts[-1]} were compared."


def _plain(text: str) -> str:
    """Text in which Markdown sees no marks, not even those that end a cell of a table."""
    return "".join(f"&#{ord(c)};" if c in "&<>|*_`\\" else c for c in text)


BLOCKS = {
    "table": ("library.md", programs_table),
    "certified": ("library.md", certified_table),
    "codes": ("concepts/codes.md", codes_table),
    "mpc": ("mpc.md", protocols_table),
    "certificate": ("certificate.md", certificate_text),
    "bounds": ("theory.md", bounds_table),
    "theory": ("theory.md", theory_table),
}


def filled(page: str, text: str) -> str:
    """A page with every block of it as it is now. Stops where a marker is missing."""
    for name, (_, make) in ((name, block) for name, block in BLOCKS.items() if block[0] == page):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise SystemExit(f"docs/{page} needs {begin} and, after it, {end}, once each")
        before, after = text.split(begin)[0], text.split(end)[1]
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def write(path: Path, text: str) -> None:
    """Replace a file at once: whoever reads it sees the old text or the new."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, path.stat().st_mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true", help="put them into the pages of docs/")
    action.add_argument("--check", action="store_true", help="exit code 1 if a page is out of date")
    options = parser.parse_args()
    if not (options.write or options.check):
        print("\n\n".join(make() for _, make in BLOCKS.values()))
        return
    stale: list[str] = []
    for page in dict.fromkeys(page for page, _ in BLOCKS.values()):
        old = (DOCS / page).read_text(encoding="utf-8")
        new = filled(page, old)
        if new != old:
            stale.append(f"docs/{page}")
            if options.write:
                write(DOCS / page, new)
    if options.check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; run python benchmarks/table.py --write")


if __name__ == "__main__":
    main()
