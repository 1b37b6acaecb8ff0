"""The programs of Tracr's library and tests and of the paper, at several lengths and two alphabets: headwork's models, certified, beside
Tracr's own.

    python benchmarks/rasp_table.py [--wide] [--theirs] [--only ours|theirs] [--program NAME] [--rows FILE] [length …]
    python benchmarks/rasp_table.py --write

Each row is written to FILE as a line of JSON; a row that is there is not computed again, and where there is no FILE, it begins with
Tracr's rows of the page, to the digits and dates that are printed. `--wide` takes 16 symbols instead of each
program's own. `--theirs` is Tracr too, in the environment that `make peers` makes, each cell with the limits of that benchmark.
`--write` makes docs/rasp-programs.md of the rows, and fails where a program has more layers than Tracr gives it, MLPs alone counted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from headwork.benchmarks.peers.cell import CPU_LIMIT
from headwork.benchmarks.peers.on_tracr_rasp import alike
from headwork.benchmarks.peers.rasp_programs import NAMES, Given, of_library, of_paper
from headwork.benchmarks.peers.systems import ONE_THREAD, SYSTEMS

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = (5, 16, 64, 256, 1024)
BY_DEFINITION = 64  # up to here a plain evaluator judges that is cubic; beyond, headwork's, which is quadratic
MANY = 256  # up to here all sequences are run; beyond, a random one, equal tokens and the shortest
PAGE = ROOT / "docs" / "rasp-programs.md"
BEGIN, END = "<!-- rows:begin -->", "<!-- rows:end -->"


@dataclass
class Row:
    """A program at a length: sizes, seconds, sequences wrong of those tried; for Tracr also by its own interpreter, where it did not raise.

    Layers are attention layers; of Tracr, all that it says it has. `blocks` counts every layer of attention and an MLP, either of which
    may be missing.
    """

    name: str
    length: int
    symbols: int
    who: str
    layers: int = 0
    blocks: int = 0
    heads: int = 0
    d_model: int = 0
    parameters: int = 0
    seconds: float = 0.0
    wrong: int = 0
    tried: int = 0
    wrong_by_its_own: int = 0
    raised: int = 0
    proving: float = 0.0
    note: str = ""
    date: str = ""

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What it is about."""
        return self.name, self.length, self.symbols, self.who


def given(name: str, length: int, wide: bool) -> Given:
    """A program, made of headwork's operations."""
    from headwork import rasp
    from headwork.tests import rasp_library, rasp_paper

    if name.endswith(".rasp"):
        return of_paper(rasp_paper.TEXTS, rasp.parse, name, length, wide)
    return of_library(rasp_library, name, length, wide)


def plain_python(name: str, tokens: Sequence[Any]) -> Sequence[Any] | None:
    """What a text of the paper is said to say, in plain Python."""
    from headwork.tests.rasp_paper import TEXTS

    return next((t.said(list(tokens)) for t in TEXTS if f"{t.name}.rasp" == name), None)


def mine(name: str, length: int, wide: bool) -> Row:
    """headwork's row; the note says whether it is certified."""
    import headwork as hw
    from headwork import rasp
    from headwork.tests.rasp_meaning import meaning

    made = given(name, length, wide)
    row = Row(name, length, len(made.symbols), "headwork", date=str(date.today()))
    start = time.process_time()
    try:
        model = hw.compile(rasp.program(made.sop, causal=made.causal), length=length, alphabet=made.symbols)
    except hw.HeadworkError as error:
        row.note = str(error).splitlines()[0]
        return row
    row.seconds = time.process_time() - start
    cost = model.cost
    row.layers, row.blocks, row.heads = cost.attention_layers, blocks(model), max(cost.heads, default=0)
    row.d_model, row.parameters = cost.d_model, cost.parameters
    evaluator = rasp.CausalEvaluator() if made.causal else rasp.DefaultRASPEvaluator()
    for tokens in made.inputs(name, length)[0 if length <= MANY else -3 :]:
        said = model.run(tokens)
        meant = meaning(made.sop, tokens, made.causal) if length <= BY_DEFINITION else evaluator.exactly(made.sop, tokens)
        python = plain_python(name, tokens)
        row.wrong += not (alike(said, meant) and (python is None or alike(said, python)))
        row.tried += 1
    start = time.process_time()
    try:
        proof = hw.certify(model)
        row.note = "certified" if proof else str(proof).splitlines()[0]
    except hw.HeadworkError as error:
        row.note = str(error).splitlines()[0]
    row.proving = time.process_time() - start
    return row


def blocks(model: Any) -> int:
    """How many layers of attention and an MLP, either of which may be missing, the blocks make."""
    count, last = 0, "Mlp"
    for block in model.module.blocks:
        kind = type(block).__name__
        count += not (kind == "Mlp" and last == "Attention")
        last = kind
    return count


def elsewhere(names: Sequence[str], length: int, wide: bool) -> Iterator[Row]:
    """Tracr's rows, from a process of its own; after a program that ends it, from another."""
    import lark

    system = next(s for s in SYSTEMS if s.name == "Tracr")
    system.install()
    left = list(names)
    while left:
        command = [system.python, "-m", "benchmarks.peers.on_tracr_rasp", str(length), str(int(wide)), str(Path(lark.__file__).parents[1])]
        with subprocess.Popen([*command, *left], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | ONE_THREAD) as process:
            assert process.stdout is not None
            row = _tracr(left[0], length, wide)
            for line in process.stdout:
                said = json.loads(line)
                row = Row(**{**asdict(_tracr(said["name"], length, wide)), **{k: v for k, v in said.items() if k != "done"}})
                if "done" in said:
                    left.remove(row.name)
                    yield row
                    row = _tracr(left[0], length, wide) if left else row
        if left:
            left.remove(row.name)
            yield replace(row, note=f"ended by signal or error {process.returncode}, after at most {CPU_LIMIT} CPU seconds")


def _tracr(name: str, length: int, wide: bool) -> Row:
    return Row(name, length, len(given(name, length, wide).symbols), "Tracr", date=str(date.today()))


def tracr(names: Sequence[str], length: int, wide: bool, rows: Sequence[Row]) -> Iterator[Row]:
    """Tracr's rows; what a shorter length refuses or has no time for is not tried."""
    asked: list[str] = []
    for name in names:
        row = _tracr(name, length, wide)
        before = [r for r in rows if (r.name, r.symbols, r.who) == (name, row.symbols, "Tracr") and r.length < length and r.note]
        if not before:
            asked.append(name)
            continue
        last = max(before, key=lambda r: r.length)
        tried = not last.note.startswith(("refused", "not tried"))
        yield replace(row, note=f"not tried: at N = {last.length:,} {last.note}" if tried else last.note)
    yield from elsewhere(asked, length, wide)


def begin(path: Path) -> None:
    """A file of rows; a new one has Tracr's of the page, which do not change with headwork."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(row) for row in printed(PAGE.read_text(encoding="utf-8")) if row.who == "Tracr"]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def printed(text: str) -> Iterator[Row]:
    """The rows of a page, headwork's and Tracr's."""
    dates = re.findall(r"2\d{3}-\d{2}-\d{2}", text.split(BEGIN)[1].split("\n| ")[0])
    for line in re.findall(r"^\| `.*\|$", text, re.MULTILINE):
        name, n, v, *cells = (cell.strip().replace("&#124;", "|") for cell in line[1:-1].split("|"))
        about = {"name": name.strip("`"), "length": _number(n), "symbols": _number(v), "date": dates[-1]}
        layers, blocks, *sizes, wrong, note, proving, theirs = *cells[:9], cells[9:]
        yield _printed(Row(**about, who="headwork", note=note, blocks=int(blocks or 0), proving=float(proving)), [layers, *sizes], wrong)
        if any(theirs):
            said = theirs[-1].split("; ")
            tried = [x for x in said if re.fullmatch(r"\d+ of \d+", x)]
            row = _printed(Row(**about, who="Tracr", note="; ".join(said[len(tried) :])), theirs[:-1], tried[0] if tried else "")
            wrong_by_its_own, judged = map(int, (tried[-1] if tried else "0 of 0").split(" of "))
            yield replace(row, wrong_by_its_own=wrong_by_its_own, raised=row.tried - judged)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _printed(row: Row, sizes: Sequence[str], wrong: str) -> Row:
    """A row with what stands in its cells of sizes and in that of what is wrong."""
    if sizes[-1]:
        layers, heads, d_model, parameters = map(_number, sizes[:-1])
        row = replace(row, layers=layers, heads=heads, d_model=d_model, parameters=parameters, seconds=float(sizes[-1]))
    if wrong:
        row = replace(row, wrong=int(wrong.split()[0]), tried=int(wrong.split()[-1]))
    return row


def read(path: Path) -> list[Row]:
    """The rows of a file."""
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def deeper(rows: Sequence[Row], mlps: bool = False) -> list[tuple[Row, Row]]:
    """Where headwork's model has more layers than Tracr's, or is missing where Tracr's is there; with `mlps` counting MLPs alone too."""
    found = {row.key: row for row in rows}
    pairs = [(found.get((*row.key[:3], "headwork"), Row(*row.key[:3], "headwork")), row) for row in rows if row.who == "Tracr"]
    return [(a, b) for a, b in pairs if b.layers and (not a.parameters or (a.blocks if mlps else a.layers) > b.layers)]


def table(rows: Sequence[Row]) -> str:
    """Markdown: what holds over all rows, then a line for each program, length and alphabet, Tracr's numbers beside headwork's."""
    found = {row.key: row for row in rows}
    ours, others = ([row for row in rows if row.who == who] for who in ("headwork", "Tracr"))
    more = deeper(rows, mlps=True)
    which = f" ({', '.join(f'`{name}`' for name in sorted({a.name for a, _ in more}))})" if more else ""
    built, (wrong, tried), (theirs, of) = [row for row in others if row.layers], _sequences(ours), _sequences(others)
    out = [
        f"{len(ours):,} rows of headwork's, {min(r.date for r in ours)} to {max(r.date for r in ours)}: {wrong:,} of {tried:,} sequences "
        f"wrong, {sum(r.note == 'certified' for r in ours):,} certified. {len(others):,} of Tracr's: {len(built):,} compiled, in "
        f"{len(deeper(rows)):,} of which headwork has more attention layers than Tracr layers, in {len(more):,} with MLPs alone counted "
        f"too{which}; {theirs:,} of {of:,} sequences wrong.",
        "",
        "| program | N | V | layers | with MLPs | heads | d_model | parameters | compile, s | wrong | | proof, s | Tracr: layers "
        "| heads | d_model | parameters | compile, s | wrong |",
        "| --- " + "| ---: " * 9 + "| --- | ---: " + "| ---: " * 6 + "|",
    ]
    for name, length, symbols, who in sorted(found, key=lambda k: (NAMES.index(k[0]), k[2], k[1])):
        if who == "headwork":
            a, b = found[name, length, symbols, who], found.get((name, length, symbols, "Tracr"))
            beside = _cells(b) if b is not None else "| | | | | "
            out.append(f"| `{name}` | {length:,} | {symbols} | {_cells(a)} | {bars(a.note)} | {a.proving:.2f} | {beside} |")
    return "\n".join(out)


def bars(text: str) -> str:
    """Text as a cell of a table in Markdown."""
    return text.replace("|", "&#124;")


def _sequences(rows: Sequence[Row]) -> tuple[int, int]:
    return sum(row.wrong for row in rows), sum(row.tried for row in rows)


def _cells(row: Row) -> str:
    numbers = [row.heads, row.d_model, row.parameters]
    depth = [row.layers, row.blocks] if row.who == "headwork" else [row.layers]
    sizes = " | ".join([*(f"{x:,}" for x in [*depth, *numbers]), f"{row.seconds:.2f}"])
    if not row.parameters:
        sizes = "| " * (len(depth) + 3)
    if row.who == "headwork":
        return f"{sizes} | {row.wrong} of {row.tried}" if row.tried else f"{sizes} | "
    own = f"; {row.wrong_by_its_own} of {row.tried - row.raised}" if row.raised or row.wrong != row.wrong_by_its_own else ""
    said = [*([f"{row.wrong} of {row.tried}{own}"] if row.tried else []), *([row.note] if row.note else [])]
    return f"{sizes} | " + bars("; ".join(said))


def write(rows: Sequence[Row]) -> None:
    """The page, with these rows."""
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, metavar="FILE", default=ROOT / "build" / "rasp_table.jsonl")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--theirs", action="store_true")
    parser.add_argument("--only", choices=("ours", "theirs"))
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--program", action="append", metavar="NAME", choices=NAMES)
    parser.add_argument("length", nargs="*", type=int)
    options = parser.parse_args()
    if options.write:
        rows = read(options.rows)
        write(rows)
        found = deeper(rows, mlps=True)
        sys.exit("\n".join(f"{a.name} at {a.length}: {a.blocks} layers, Tracr has {b.layers}" for a, b in found) or 0)
    begin(options.rows)
    for length in options.length or LENGTHS:
        rows = read(options.rows)
        done = {row.key for row in rows}
        missing: dict[str, list[str]] = {"headwork": [], "Tracr": []}
        for name in options.program or NAMES:
            key = (name, length, len(given(name, length, options.wide).symbols))
            for who, names in missing.items():
                if (*key, who) not in done:
                    names.append(name)
        ours = (mine(name, length, options.wide) for name in missing["headwork"] if options.only != "theirs")
        others = tracr(missing["Tracr"], length, options.wide, rows) if options.theirs and options.only != "ours" else iter(())
        for row in itertools.chain(ours, others):
            with options.rows.open("a", encoding="utf-8") as file:
                print(json.dumps(asdict(row)), file=file)
            print(*row.key, row.layers, f"{row.wrong}/{row.tried}", f"{row.seconds:.2f} s, {row.proving:.2f} s", row.note, flush=True)


if __name__ == "__main__":
    main()
