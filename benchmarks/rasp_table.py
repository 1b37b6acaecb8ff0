"""The programs of Tracr's library and tests and of the paper, at several lengths and two alphabets: headwork's models, certified, beside
Tracr's own.

    python benchmarks/rasp_table.py [--rows FILE] [--wide] [--theirs PYTHON] [--only ours|theirs] [length …]
    python benchmarks/rasp_table.py --page FILE

Each row is written to FILE as a line of JSON; a row that is there is not computed again, and `--page` prints them as a table in Markdown.
`--wide` takes 16 symbols instead of each program's own. `--theirs` is the interpreter of an environment with Tracr, such as `make peers`
leaves in benchmarks/peers/.cache/envs/tracr/bin/python: there the same file of programs runs with its import changed, each cell in a
process of its own, stopped after 60 CPU seconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LENGTHS = (5, 16, 64, 256, 1024)
SEQUENCES, SEED = 6, 0
CPU_LIMIT = 60
WIDE = 16
LIBRARY = ROOT / "tests" / "rasp_library.py"
SAMPLED = (  # one of each program; the rest differ in their inputs only
    *("frac_prevs_1", "shift_by_one", "shift_by_two", "detect_pattern_a", "detect_pattern_ab", "detect_pattern_abc", "reverse_1"),
    *("length_categorical", "pair_balance", "shuffle_dyck2_1", "shuffle_dyck3_1", "hist", "sort_unique_2", "sort", "sort_freq"),
    *("count_less_freq_1", "count_1", "nary_1", "double_hist", "most_freq", "induction_causal", "width_so_far_causal"),
)


@dataclass
class Row:
    """A program at a length: sizes, seconds, sequences wrong of those tried."""

    name: str
    length: int
    symbols: int
    who: str
    layers: int = 0
    heads: int = 0
    d_model: int = 0
    parameters: int = 0
    seconds: float = 0.0
    wrong: int = 0
    tried: int = 0
    note: str = ""

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What it is about."""
        return self.name, self.length, self.symbols, self.who


def widened(vocabulary: Sequence[Any]) -> list[Any]:
    """A vocabulary of 16 symbols that has the given ones: more numbers, or more letters."""
    if all(isinstance(s, int) for s in vocabulary):
        return list(range(1, WIDE + 1))
    more = [c for c in "abcdefghijklmnopqrst" if c not in vocabulary]
    return [*vocabulary, *more[: WIDE - len(vocabulary)]]


def program(library: Any, name: str, length: int, wide: bool) -> tuple[Any, list[Any], bool]:
    """A program for a length, its vocabulary, and whether it is causal."""
    if name in ("sort", "sort_freq"):
        keys = library.rasp.tokens if name == "sort" else -1 * library.histogram()
        sop, vocabulary, causal = library.sort(library.rasp.tokens, keys, length, 1), [1, 2, 3, 4], False
    else:
        case = next(c for c in library.CASES if c.name == name)
        sop, vocabulary, causal = case.program, list(case.vocabulary), case.causal
    return sop, widened(vocabulary) if wide else vocabulary, causal


def inputs(name: str, vocabulary: Sequence[Any], length: int) -> list[list[Any]]:
    """Random sequences, all tokens equal, and one token."""
    rng = random.Random(f"{SEED} {name} {length}")
    rows = [rng.choices(vocabulary, k=length) for _ in range(SEQUENCES - 2)]
    return [*rows, [vocabulary[0]] * length, [vocabulary[-1]]]


def mine(name: str, length: int, wide: bool) -> Row:
    """headwork's row; the note says whether it is certified."""
    import headwork as hw
    from headwork import rasp
    from headwork.tests import rasp_library
    from headwork.tests.rasp_meaning import meaning

    sop, vocabulary, causal = program(rasp_library, name, length, wide)
    row = Row(name, length, len(vocabulary), "headwork")
    start = time.process_time()
    try:
        model = hw.compile(rasp.program(sop, causal=causal), length=length, alphabet=vocabulary)
    except hw.HeadworkError as error:
        row.note = str(error).splitlines()[0]
        return row
    row.seconds = time.process_time() - start
    cost = model.cost
    row.layers, row.heads, row.d_model, row.parameters = cost.attention_layers, max(cost.heads, default=0), cost.d_model, cost.parameters
    for tokens in inputs(name, vocabulary, length)[: 2 if length > 256 else None]:
        evaluator = rasp.CausalEvaluator() if causal else rasp.DefaultRASPEvaluator()  # quadratic; the plain one is cubic
        meant = meaning(sop, tokens, causal) if length <= 64 else evaluator.exactly(sop, tokens)
        row.wrong += not alike(model.run(tokens), meant)
        row.tried += 1
    try:
        row.note = "certified" if hw.certify(model) else ""
    except hw.HeadworkError as error:
        row.note = str(error).splitlines()[0]
    return row


def theirs(name: str, length: int, wide: bool) -> Row:
    """Tracr's row, in Tracr's environment."""
    import types

    from tracr.compiler import compiling  # type: ignore[import-not-found]

    text = LIBRARY.read_text(encoding="utf-8").replace("from headwork import rasp", "from tracr.rasp import rasp")
    library = types.ModuleType("library")
    sys.modules["library"] = library
    exec(
        compile(text.replace("from headwork.rasp import Comparison", "Comparison = rasp.Comparison"), str(LIBRARY), "exec"),
        library.__dict__,
    )
    sop, vocabulary, causal = program(library, name, length, wide)
    start = time.process_time()
    model = compiling.compile_rasp_to_model(sop, set(vocabulary), length, causal=causal, compiler_bos="BOS")
    config = model.model_config
    row = Row(name, length, len(vocabulary), "Tracr", config.num_layers, config.num_heads, len(model.residual_labels))
    row.seconds = time.process_time() - start
    row.parameters = sum(array.size for module in model.params.values() for array in module.values())
    print(json.dumps(asdict(row)), flush=True)
    spec = importlib.util.spec_from_file_location("rasp_meaning", ROOT / "tests" / "rasp_meaning.py")
    assert spec is not None and spec.loader is not None
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    meaning = plain.meaning
    for tokens in inputs(name, vocabulary, length)[: 2 if length > 256 else None]:
        row.wrong += not alike(model.apply(["BOS", *tokens]).decoded[1:], meaning(sop, tokens, causal))
        row.tried += 1
    return row


def alike(said: Sequence[Any], meant: Sequence[Any]) -> bool:
    """Whether answers are the same, numbers to within what a float can say. Where nothing is meant, anything may be said."""
    return len(said) == len(meant) and all(
        b is None or a == b or (is_number(a) and is_number(b) and abs(float(a) - float(b)) < 1e-4) for a, b in zip(said, meant, strict=True)
    )


def is_number(x: object) -> bool:
    """Whether a value is a number."""
    return isinstance(x, (int, float, Fraction))


def elsewhere(python: str, name: str, length: int, wide: bool) -> Row:
    """Tracr's row, from a process of its own."""
    from headwork.tests import rasp_library

    symbols = len(program(rasp_library, name, length, wide)[1])
    command = [python, __file__, "--cell", name, str(length), str(int(wide))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    row = Row(**json.loads(lines[-1])) if lines else Row(name, length, symbols, "Tracr")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        row.note = f"stopped at {CPU_LIMIT} CPU seconds" if done.returncode < 0 else last[:100]
    return row


def read(path: Path) -> list[Row]:
    """The rows of a file."""
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def page(rows: Sequence[Row]) -> str:
    """The table as Markdown: a line for each program, length and alphabet, with Tracr's numbers beside headwork's where there are some."""
    found = {row.key: row for row in rows}
    out = [
        "| program | N | V | layers | heads | d_model | parameters | compile, s | wrong | | Tracr: layers | heads | d_model "
        "| parameters | compile, s | wrong |",
        "| --- " + "| ---: " * 8 + "| --- " + "| ---: " * 6 + "|",
    ]
    for name, length, symbols, who in sorted(found, key=lambda k: (SAMPLED.index(k[0]), k[2], k[1])):
        if who == "headwork":
            a, b = found[name, length, symbols, who], found.get((name, length, symbols, "Tracr"))
            beside = _cells(b) if b is not None else "| | | | | "
            out.append(f"| `{name}` | {length:,} | {symbols} | {_cells(a)} | {a.note} | {beside} |")
    return "\n".join(out)


def _cells(row: Row) -> str:
    sizes = f"{row.layers} | {row.heads} | {row.d_model:,} | {row.parameters:,} | {row.seconds:.2f}" if row.parameters else "| | | | "
    if row.who == "headwork":
        return f"{sizes} | {row.wrong} of {row.tried}" if row.tried else f"{sizes} | "
    return f"{sizes} | " + (f"{row.wrong} of {row.tried}" if row.tried and not row.note else row.note)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, metavar="FILE", default=ROOT / "build" / "rasp_table.jsonl")
    parser.add_argument("--page", type=Path, metavar="FILE")
    parser.add_argument("--theirs", metavar="PYTHON")
    parser.add_argument("--only", choices=("ours", "theirs"))
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--cell", nargs=3, metavar=("NAME", "LENGTH", "WIDE"), help=argparse.SUPPRESS)
    parser.add_argument("length", nargs="*", type=int)
    options = parser.parse_args()
    if options.cell:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))
        name, length, wide = options.cell
        print(json.dumps(asdict(theirs(name, int(length), bool(int(wide))))), flush=True)
        return
    if options.page:
        print(page(read(options.page)))
        return
    sys.path.insert(0, str(ROOT))
    from headwork.tests import rasp_library

    options.rows.parent.mkdir(parents=True, exist_ok=True)
    done = {row.key for row in read(options.rows)}
    for length in options.length or LENGTHS:
        for name in SAMPLED:
            symbols = len(program(rasp_library, name, length, options.wide)[1])
            made = []
            if options.only != "theirs" and (name, length, symbols, "headwork") not in done:
                made.append(mine(name, length, options.wide))
            if options.theirs and options.only != "ours" and (name, length, symbols, "Tracr") not in done:
                made.append(elsewhere(options.theirs, name, length, options.wide))
            with options.rows.open("a", encoding="utf-8") as file:
                for row in made:
                    print(json.dumps(asdict(row)), file=file, flush=True)
                    print(row.name, row.length, row.symbols, row.who, row.layers, f"{row.wrong}/{row.tried}", row.note, flush=True)


if __name__ == "__main__":
    main()
