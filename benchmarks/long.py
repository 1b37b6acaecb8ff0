"""Long texts: what sparse execution costs, in time and memory, beside the dense engine, plain Python and other decoders.

    python benchmarks/long.py [--only SECTION …] [--repeats R] [--json FILE] [--write] [--firebrand PYTHON] [--transformer-vm PYTHON]

Sections: `prefill` (khop-16 over 64 symbols at N = 2^20, beside its reference), `slopes` (six programs from 2^14 tokens to 2^18, or to the
longest power of two below that is certified, and the slope of time in length on a log-log plot), `dense` (both engines at 4,096 tokens
and the length from which the sparse one is faster), `decode` (sessions of khop-8 and turing at a context of 10^3 and of 10^6, and the same
by a dense KV cache at 10^3), `machines` (10^6 steps of a binary counter and of the busy beaver of 5 states, and that of 4 until it
halts, each in one session, compared with a direct simulation), `lengths` (every program of the library compiled at N = 2^20 in
float32 and float64, each in a process of its own with its peak memory, or what refuses it). Times are CPU seconds of one thread, medians
of R runs with the least and the greatest; certificates are found before and timed alone. At the end each target is printed beside what
was measured. `--write` puts the tables into docs/execution.md and draws docs/execution.png; `--json` keeps the rows, so that sections can
be measured one by one.
`--firebrand` is a Python with firebrand installed, whose RV32IM machine then counts in the same run; `--transformer-vm` one with
mlx-transformer-vm, which then decodes khop-8 with its caches.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import torch
from long_said import LONGEST, Found, Row, page, plot, targets
from record import record

import headwork as hw
from headwork import programs
from headwork.compiler.domain import Symbol
from headwork.execution.engine import engine
from headwork.execution.grounds import require
from headwork.runtime.model import Model

SECTIONS = ("prefill", "slopes", "dense", "decode", "machines", "lengths")
SLOPES: tuple[tuple[str, str, str], ...] = (  # program, dtype, code; at 2^18
    ("histogram", "float64", "auto"),
    ("sort", "float64", "auto"),
    ("dyck_k", "float64", "auto"),
    ("ngram", "float64", "auto"),
    ("nearest", "float64", "binary"),
    ("compose", "float32", "auto"),
)
BEAVER4 = [r.split() for r in "A 0 1 > B|A 1 1 < B|B 0 1 < A|B 1 0 < C|C 0 1 > H|C 1 1 < D|D 0 1 > D|D 1 0 > A".split("|")]
BEAVER5 = [
    r.split() for r in "A 0 1 > B|A 1 1 < C|B 0 1 > C|B 1 1 > B|C 0 1 > D|C 1 0 < E|D 0 1 < A|D 1 1 < D|E 0 1 > H|E 1 0 < A".split("|")
]
COUNTER = [r.split() for r in "R _ _ < I|R 0 0 > R|R 1 1 > R|I 1 0 < I|I 0 1 > R|I _ 1 > R".split("|")]
STEPS = 1_000_000


def made(
    name: str, length: int, dtype: str, alphabet: int | Sequence[Symbol] | None = None, code: str = "auto", **parameters: object
) -> tuple[Model, str]:
    """A certified model, and how long it and its certificate took."""
    entry = programs.entry(name)
    start = time.process_time()
    alphabet = alphabet or (None if parameters else entry.alphabet)
    model = hw.compile(entry.program(**parameters), length=length, alphabet=alphabet, dtype=dtype, code=code)
    compiled = time.process_time()
    require(model)
    return model, f"{dtype}; compiled in {compiled - start:.1f} s, certified in {time.process_time() - compiled:.0f} s"


def text(name: str, model: Model, n: int, **parameters: object) -> list[int]:
    """Token ids of the kind the program is meant for, repeated up to n."""
    rng, ids = random.Random(n), list[int]()
    while len(ids) < n:
        ids += model.encode(programs.entry(name).sample(rng, min(n, 512), **parameters))
    return ids[:n]


def gigabytes() -> float:
    """The most memory that this process held. `ru_maxrss` would count what its parent held when it began."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 2**20  # pyright: ignore[reportOptionalSubscript]
    except (OSError, TypeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def memory() -> str:
    return f"peak memory {gigabytes():.2f} GiB"


def prefill(found: Found) -> None:
    """khop-16 at a million tokens, and its reference in plain Python."""
    n = 1 << 20
    model, note = made("khop", n, "float64", 64, k=16)
    ids = np.random.default_rng(0).integers(0, 64, n).tolist()
    engine(model).classes([ids[:5000]])  # loops are compiled
    found.add("prefill", "khop-16, V = 64, token ids to classes", n, lambda: engine(model).classes([ids]), f"{note}; {memory()}")
    symbols = model.decode(ids)
    found.add("prefill", "the same, symbols to symbols: `model.run`", n, lambda: model.run(symbols, engine="sparse"), memory())
    found.facts["prefill, GiB"] = gigabytes()
    found.add("prefill", "khop's reference in plain Python", n, lambda: programs.entry("khop").reference(symbols, k=16))
    classes = engine(model, audit=8).classes([ids])  # raises where a query that is scored in full reads something else
    assert classes.shape == (1, n)
    wanted = programs.entry("khop").reference(symbols, k=16)
    assert model.run(symbols, engine="sparse") == wanted, "the sparse engine is wrong"


def slopes(found: Found) -> None:
    """Time against length."""
    for name, dtype, code in SLOPES:
        model, longest = None, LONGEST
        while model is None:
            try:
                model, note = made(name, longest, dtype, code=code)
            except hw.HeadworkError as refused:  # halved until it is certified
                print(f"{name} at N = {longest:,}: {str(refused).splitlines()[0]}", flush=True)
                longest //= 2
        lengths = [n for n in (1 << k for k in range(9 if longest < 1 << 14 else 14, 19)) if n <= longest]
        rows: list[Row] = []
        for n in lengths:
            ids = text(name, model, n)
            engine(model).classes([ids])
            rows.append(found.add("slopes", name, n, lambda m=model, i=ids: engine(m).classes([i]), note if n == longest else ""))
        slope = np.polyfit(np.log([r.tokens for r in rows]), np.log([r.seconds for r in rows]), 1)[0]
        found.facts[f"slope of {name}"] = float(slope)
        print(f"slope of {name}: {slope:.2f}", flush=True)


def dense(found: Found) -> None:
    """Both engines, and where they cross."""
    n = 4096
    for name, dtype, parameters, alphabet in (
        *((("khop", "float32", {"k": 16}, 64)),),
        ("histogram", "float32", {}, None),
        ("sort", "float64", {}, None),
        ("dyck_k", "float64", {}, None),
        ("compose", "float32", {}, None),
        ("nearest", "float64", {"code": "binary"}, None),
    ):
        model, note = made(name, n, dtype, alphabet, **parameters)  # pyright: ignore[reportArgumentType]
        ids = text(name, model, n) if name != "khop" else np.random.default_rng(0).integers(0, 64, n).tolist()
        assert torch.equal(model.classes([ids]), engine(model).classes([ids]))
        sparse = found.add("dense", f"{name}, sparse", n, lambda m=model, i=ids: engine(m).classes([i]), note, 5)
        full = found.add("dense", f"{name}, dense", n, lambda m=model, i=ids: m.classes([i]), repeats=5)
        cross = next((k for k in (64, 128, 256, 512, 1024, 2048, 4096) if _faster(model, ids[:k])), None)
        found.facts |= {f"ratio of {name}": full.seconds / sparse.seconds, f"crossover of {name}": float(cross or math.inf)}
        print(f"{name}: {full.seconds / sparse.seconds:.1f} times as fast at {n:,} tokens; faster from {cross} tokens", flush=True)


def _faster(model: Model, ids: list[int]) -> bool:
    times: list[list[float]] = [[], []]
    for _ in range(5):
        for side, run in enumerate((lambda: engine(model).classes([ids]), lambda: model.classes([ids]))):
            start = time.process_time()
            run()
            times[side].append(time.process_time() - start)
    return median(times[0]) < median(times[1])


def decode(found: Found, peers: Mapping[str, str]) -> None:
    """Sessions, one thread; dense KV caches; other decoders."""
    khop, note = made("khop", 1 << 20, "float64", 64, k=8)
    turing, other = made("turing", 1 << 20, "float64", rules=COUNTER, cells=48)
    for what, model, said in (("khop-8", khop, note), ("turing (binary counter)", turing, other)):
        rng = np.random.default_rng(1)
        if model is khop:
            ids = model.decode(rng.integers(0, 64, 1_010_000).tolist())
        else:
            session = model.session("sparse")
            session.feed(["start"])
            ids = ["start", *session.generate(1_010_000)]
        for context, more in ((1_000, 9_000), (1_000_000, 9_000)):
            prompt, rest = ids[:context], model.encode(ids[context : context + more])
            session = model.session("sparse")
            session.feed(prompt)
            forks = [session.fork() for _ in range(found.repeats)]  # they stay: to give one back takes longer than to read on
            turns = iter(forks)
            found.add("decode", f"{what}, sparse, after {context:,} tokens", more, lambda t=turns, r=rest: next(t)._read(r), said)
            said = memory()
        cache = model.session("dense")
        cache.feed(ids[:1000])
        rest = model.encode(ids[1000:1050])
        found.add("decode", f"{what}, dense KV cache in torch, after 1,000 tokens", 50, lambda c=cache, r=rest: c.fork()._read(r))
    for name, python in peers.items():
        if python:
            worker = Path(__file__).parent / "peers" / f"decode_{name}.py"
            done = subprocess.run([python, worker], check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
            print(f"{name}:", done.stdout.strip(), flush=True)
            found.others += [f"{name}: {line}" for line in done.stdout.strip().splitlines()]
            if name == "firebrand":
                found.facts["firebrand, tokens/s"] = float(done.stdout.split(" a second")[0].split()[-1].replace(",", ""))


def simulated(rules: Sequence[Sequence[str]], cells: int, steps: int) -> list[str]:
    """A Turing machine, directly: its steps in the words of the program `turing`."""
    table = {(state, see): (write, 1 if move == ">" else -1, after) for state, see, write, move, after in rules}
    blank, state, head = rules[0][1], rules[0][0], cells // 2
    tape, said = [blank] * cells, list[str]()
    while len(said) < steps and (state, tape[head]) in table:
        write, move, after = table[state, tape[head]]
        tape[head] = write
        head, state = head + move, after
        if not 0 <= head < cells:
            break
        said.append(f"{state}:{write}{'>' if move == 1 else '<'}{head}")
    return said


def machines(found: Found) -> None:
    """A million steps in one session."""
    for what, rules, cells, length in (
        ("binary counter, 48 cells", COUNTER, 48, 1 << 20),
        ("busy beaver of 4 states, until it halts", BEAVER4, 24, 1 << 10),
        ("busy beaver of 5 states, 4,000 cells", BEAVER5, 4000, 1 << 20),
    ):
        model, note = made("turing", length, "float64", rules=rules, cells=cells)
        wanted = simulated(rules, cells, STEPS)
        warm = model.session("sparse")
        warm.feed(["start"])
        warm.generate(10)  # loops are compiled
        session = model.session("sparse")
        session.feed(["start"])
        said: list[Symbol] = []
        found.add("machines", what, len(wanted), lambda s=session, out=said: out.extend(s.generate(STEPS)), note, 1)
        assert said[: len(wanted)] == wanted and len(said) == len(wanted), f"{what}: differs from its simulation"
        found.facts[f"steps as simulated, {what}"] = float(len(wanted))
        print(f"{what}: {len(wanted):,} steps as simulated", flush=True)


def lengths(found: Found) -> None:
    """Every program of the library at N = 2^20, two processes side by side."""
    found.lengths.clear()
    each = [(name, dtype) for name in programs.names() for dtype in ("float32", "float64")]
    with ThreadPoolExecutor(2) as pool:
        for row in pool.map(length_of, each):
            found.lengths.append(row)
            print("| lengths |", " | ".join(row), "|", flush=True)


CPU = 30  # seconds that a program of the library may take to be compiled


def length_of(which: tuple[str, str]) -> list[str]:
    """Program, dtype, CPU seconds, GiB and what refuses it, of one program in a process of its own."""
    name, dtype = which
    code = f"import long; long.compiled({name!r}, {dtype!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent, check=False)
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return [name, dtype, str(CPU), "-", f"stopped after {CPU} s of CPU"]
    if done.returncode:
        raise SystemExit(f"{name} in {dtype}: {done.stderr}")
    took, used, refused = done.stdout.rstrip("\n").split("\t")
    return [name, dtype, took, used, refused]


def compiled(name: str, dtype: str) -> None:
    """Compile one program at N = 2^20: CPU seconds and peak memory, or the reason why not. Stops after so much CPU."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU))
    entry, start, refused = programs.entry(name), time.process_time(), ""
    try:
        hw.compile(entry.program(), length=1 << 20, alphabet=entry.alphabet, dtype=dtype)
    except hw.HeadworkError as error:
        refused = str(error).splitlines()[0]
    print(f"{time.process_time() - start:.1f}", f"{gigabytes():.2f}", refused, sep="\t")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="keep the rows in this file, beside those of other sections")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/execution.md, and draw docs/execution.png")
    parser.add_argument("--firebrand", default="", help="a Python with firebrand installed")
    parser.add_argument("--transformer-vm", default="", help="a Python with mlx-transformer-vm installed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = Found(options.repeats)
    if options.json and options.json.exists():
        kept = json.loads(options.json.read_text())
        found.rows += [row for row in (Row(**row) for row in kept["rows"]) if row.section not in options.only]
        found.facts, found.lengths, found.others = kept["facts"], kept["lengths"], kept["others"] if "decode" not in options.only else []
    print(f"{sys.version.split()[0]}, torch {torch.__version__}, one thread")
    print("| section | what | tokens | median (least to greatest) | tokens/s | note |\n| --- | --- | --- | --- | --- | --- |")
    peers = {"firebrand": options.firebrand, "transformer_vm": options.transformer_vm}
    for section in options.only:
        decode(found, peers) if section == "decode" else globals()[section](found)
        if options.json:
            kept = {"rows": [asdict(row) for row in found.rows], "facts": found.facts, "lengths": found.lengths, "others": found.others}
            options.json.write_text(json.dumps(kept, indent=1) + "\n")
    print("\n" + "\n".join(targets(found)))
    if options.write:
        said = f"{date.today()}, Python {sys.version.split()[0]}, torch {torch.__version__}, {os.cpu_count()} cores"
        for name, lines in page(found, said).items():
            record(name, "\n".join(lines), DOCS / "execution.md")
        plot(found.rows, DOCS / "execution.png")


DOCS = Path(__file__).parent.parent / "docs"


if __name__ == "__main__":
    main()
