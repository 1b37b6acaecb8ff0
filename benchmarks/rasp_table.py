"""The programs of Tracr's library and tests at several lengths: headwork's models, certified, beside Tracr's own.

    python benchmarks/rasp_table.py [--theirs PYTHON [--until N]] [length …]

`--theirs` is the interpreter of an environment with Tracr, such as `make peers` leaves in benchmarks/peers/.cache/envs/tracr/bin/python:
there the same file of programs runs with its import changed, up to `--until` (64), each cell in a process of its own, stopped after
60 CPU seconds. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
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
    layers: int = 0
    heads: int = 0
    d_model: int = 0
    parameters: int = 0
    seconds: float = 0.0
    wrong: int = 0
    tried: int = 0
    note: str = ""


def program(library: Any, name: str, length: int) -> tuple[Any, list[Any], bool]:
    """A program for a length, its vocabulary, and whether it is causal."""
    if name == "sort":
        return library.sort(library.rasp.tokens, library.rasp.tokens, length, 1), [1, 2, 3, 4], False
    if name == "sort_freq":
        return library.sort(library.rasp.tokens, -1 * library.histogram(), length, 1), [1, 2, 3, 4], False
    case = next(c for c in library.CASES if c.name == name)
    return case.program, list(case.vocabulary), case.causal


def inputs(name: str, vocabulary: Sequence[Any], length: int) -> list[list[Any]]:
    """Random sequences, all tokens equal, and one token."""
    rng = random.Random(f"{SEED} {name} {length}")
    rows = [rng.choices(vocabulary, k=length) for _ in range(SEQUENCES - 2)]
    return [*rows, [vocabulary[0]] * length, [vocabulary[-1]]]


def mine(name: str, length: int) -> Row:
    """headwork's row; the note says whether it is certified."""
    import headwork as hw
    from headwork import rasp
    from headwork.tests import rasp_library
    from headwork.tests.rasp_meaning import meaning

    sop, vocabulary, causal = program(rasp_library, name, length)
    start = time.perf_counter()
    model = hw.compile(rasp.program(sop, causal=causal), length=length, alphabet=vocabulary)
    row = Row(name, length, seconds=time.perf_counter() - start)
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


def theirs(name: str, length: int) -> Row:
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
    sop, vocabulary, causal = program(library, name, length)
    start = time.perf_counter()
    model = compiling.compile_rasp_to_model(sop, set(vocabulary), length, causal=causal, compiler_bos="BOS")
    config = model.model_config
    row = Row(name, length, config.num_layers, config.num_heads, len(model.residual_labels), seconds=time.perf_counter() - start)
    row.parameters = sum(array.size for module in model.params.values() for array in module.values())
    print(json.dumps(asdict(row)), flush=True)
    sys.path.insert(0, str(ROOT))
    from headwork.tests.rasp_meaning import meaning

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


def elsewhere(python: str, name: str, length: int) -> Row:
    """Tracr's row, from a process of its own."""
    done = subprocess.run([python, __file__, "--cell", name, str(length)], capture_output=True, text=True, check=False, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    row = Row(**json.loads(lines[-1])) if lines else Row(name, length)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["?"])[-1]
        row.note = f"stopped at {CPU_LIMIT} CPU seconds" if done.returncode < 0 else last[:100]
    return row


def text(rows: Sequence[tuple[Row, Row | None]]) -> str:
    """The table as Markdown."""
    out = [
        "| program | N | | layers | heads | d_model | parameters | compile | wrong | |",
        "| --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for a, b in rows:
        for who, r in (("headwork", a), ("Tracr", b)):
            if r is not None:
                sizes = f"{r.layers} | {r.heads} | {r.d_model:,} | {r.parameters:,} | {r.seconds:.2f} s" if r.parameters else "| | | |"
                wrong = f"{r.wrong}/{r.tried}" if r.tried else ""
                out.append(f"| {f'`{r.name}`' if who == 'headwork' else ''} | {r.length:,} | {who} | {sizes} | {wrong} | {r.note} |")
    return "\n".join(out)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--theirs", metavar="PYTHON")
    parser.add_argument("--until", type=int, default=64, metavar="N")
    parser.add_argument("--cell", nargs=2, metavar=("NAME", "LENGTH"), help=argparse.SUPPRESS)
    parser.add_argument("length", nargs="*", type=int)
    options = parser.parse_args()
    if options.cell:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))
        print(json.dumps(asdict(theirs(options.cell[0], int(options.cell[1])))), flush=True)
        return
    sys.path.insert(0, str(ROOT))
    rows: list[tuple[Row, Row | None]] = []
    for name in SAMPLED:
        for length in options.length or LENGTHS:
            try:
                a = mine(name, length)
            except Exception as error:
                a = Row(name, length, note=str(error).splitlines()[0][:120])
            b = elsewhere(options.theirs, name, length) if options.theirs and length <= options.until else None
            rows.append((a, b))
            print(text([(a, b)]).split("\n", 2)[2], flush=True)


if __name__ == "__main__":
    main()
