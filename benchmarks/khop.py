"""What khop costs: compile time, size, and forward time beside bare attention and beside plain Python.

    python benchmarks/khop.py [--full] [--threads T] [--json]

For every k and length N, in one process and interleaved, so that both sides meet the same machine:

- forward: `model.module(ids)`, token ids to logits;
- bare: the same embedding gather, matrix products and `scaled_dot_product_attention` calls, of the same shapes, on
  random weights and without any code of headwork; no residual additions, no BOS padding, no strict mask;
- run: `model.run(tokens)`, symbols to symbols;
- reference: the library's plain-Python `reference`, symbols to symbols.

Times are medians; the ratio to bare is given of medians and of minima. A second table compiles and runs khop-16 in a
fresh process for each N: compile time after the imports, with all that is done only once, and peak memory.
`--full` adds N = 16,384 and 65,536, which takes some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.functional import relu, scaled_dot_product_attention

import headwork as hw
from headwork.runtime.model import Model
from headwork.runtime.module import AttentionShape, MlpShape, Shape

HOPS = (1, 4, 16)
LENGTHS, MORE_LENGTHS = (256, 1024, 4096), (16384, 65536)
ALPHABET = 64
SEED = 0
WIDTH = 150
REPEATS = 5
SECONDS, PAIRS = 3.0, (3, 201)  # time to spend on one ratio; at least and at most so many pairs of runs
FRESH = 16  # the k that is compiled and run in a fresh process
TARGET_RATIO, TARGET_COMPILE = 1.3, {1024: 1.0, 65536: 3.0}  # seconds for khop-16


@dataclass(frozen=True, slots=True)
class Row:
    """One k at one length; times in seconds."""

    k: int
    length: int
    compile: float
    layers: int
    heads: int
    d_model: int
    d_head: int
    parameters: int
    forward: float
    bare: float
    forward_least: float
    bare_least: float
    pairs: int
    run: float
    reference: float

    @property
    def ratio(self) -> float:
        """Forward time in units of bare time, of medians."""
        return self.forward / self.bare

    @property
    def ratio_least(self) -> float:
        """The same, of minima."""
        return self.forward_least / self.bare_least


@dataclass(frozen=True, slots=True)
class Fresh:
    """khop-16 in a process of its own. Memory is in bytes: at the end of the imports, and the peak of compile and run."""

    length: int
    compile: float
    run: float
    imported: int
    peak: int

    @property
    def growth(self) -> int:
        """Bytes that compiling and running added."""
        return self.peak - self.imported


class Bare:
    """The products and attention calls of a model of that shape, and nothing else."""

    def __init__(self, shape: Shape) -> None:
        self.blocks = shape.blocks
        d = shape.d_model
        self.W_E, self.W_pos, self.W_U = _random(shape.alphabet + 1, d), _random(shape.length + 1, d), _random(d, sum(shape.classes))
        self.weights = [_block(d, block) for block in shape.blocks]

    def __call__(self, ids: Tensor) -> Tensor:
        """Logits of no meaning. Shapes: (B, N + 1) -> (B, N + 1, Σ classes)."""
        x = self.W_E[ids] + self.W_pos[: ids.shape[1]]  # (B, n, d)
        for block, weights in zip(self.blocks, self.weights, strict=True):
            if isinstance(block, AttentionShape):
                w_q, w_k, w_v, w_o = weights
                q, k, v = x[:, None] @ w_q, x[:, None] @ w_k, x[:, None] @ w_v  # (B, nh, n, hs)
                z = scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)  # (B, nh, n, hs)
                x = (z @ w_o).sum(1) if len(block.masks) > 1 else (z @ w_o)[:, 0]  # (B, n, d)
            else:
                w_in, w_out = weights
                x = relu(x @ w_in) @ w_out  # (B, n, d)
        return x @ self.W_U


def _random(*shape: int) -> Tensor:
    return torch.randn(shape) / math.sqrt(shape[-2])


def _block(d: int, block: AttentionShape | MlpShape) -> tuple[Tensor, ...]:
    if isinstance(block, AttentionShape):
        h, hs = len(block.masks), block.d_head
        return _random(h, d, hs), _random(h, d, hs), _random(h, d, hs), _random(h, hs, d)
    return _random(d, block.d_mlp), _random(block.d_mlp, d)


def seconds(work: Callable[[], object]) -> float:
    """How long the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Times of both in turn, each first in half of the pairs. The first pair warms up, and counts only where it is long."""
    a, b = [seconds(ours)], [seconds(theirs)]
    least, most = PAIRS
    pairs = min(most, max(least, int(SECONDS / (a[0] + b[0]))))
    if a[0] + b[0] < SECONDS:
        a, b = [], []
    while len(a) < pairs:
        if len(a) % 2:
            b.append(seconds(theirs))
            a.append(seconds(ours))
        else:
            a.append(seconds(ours))
            b.append(seconds(theirs))
    return a, b


def repeated(work: Callable[[], object]) -> float:
    """Median time of some runs, or the one time of a long run."""
    first = seconds(work)
    return first if first > SECONDS else median(seconds(work) for _ in range(REPEATS))


def compiled(k: int, length: int) -> Model:
    """khop-k at that length."""
    return hw.compile(hw.programs.get("khop", k=k), length=length, alphabet=ALPHABET)


@torch.inference_mode()
def measure(k: int, length: int) -> Row:
    """One row. Stops the benchmark if the model's answers are not the reference's."""
    model = compiled(k, length)
    tokens = random.Random(SEED).choices(range(ALPHABET), k=length)
    ids = torch.tensor([tokens])  # (1, N)
    padded = torch.nn.functional.pad(ids + 1, (1, 0))  # (1, N + 1)
    bare = Bare(model.module.shape)
    reference = hw.programs.entry("khop").reference
    answers: list[object] = []
    run = repeated(lambda: answers.append(model.run(tokens)))
    if any(answer != reference(tokens, k=k) for answer in answers):
        raise SystemExit(f"khop-{k} at length {length} differs from the reference")
    ours, theirs = interleaved(lambda: model.module(ids), lambda: bare(padded))
    cost = model.cost
    return Row(
        k=k,
        length=length,
        compile=repeated(lambda: compiled(k, length)),
        layers=cost.attention_layers,
        heads=max(cost.heads),
        d_model=cost.d_model,
        d_head=cost.d_head,
        parameters=cost.parameters - cost.embedding_parameters,
        forward=median(ours),
        bare=median(theirs),
        forward_least=min(ours),
        bare_least=min(theirs),
        pairs=len(ours),
        run=run,
        reference=repeated(lambda: reference(tokens, k=k)),
    )


def in_fresh_process(length: int) -> Fresh:
    """Compile and run khop-16 in a new process."""
    command = [sys.executable, __file__, "--fresh", str(length), "--threads", str(torch.get_num_threads())]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Fresh(**json.loads(done.stdout))


def fresh(length: int) -> Fresh:
    """What the new process does."""
    imported = peak_memory()
    start = time.perf_counter()
    model = compiled(FRESH, length)
    compile_time = time.perf_counter() - start
    tokens = random.Random(SEED).choices(range(ALPHABET), k=length)
    run = seconds(lambda: model.run(tokens))
    return Fresh(length, compile_time, run, imported, peak_memory())


def peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes (ru_maxrss is in kilobytes on Linux, in bytes on macOS)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def row_table(rows: list[Row]) -> Table:
    """Forward time beside bare and reference."""
    columns = "k N compile layers heads d_model d_head params forward bare ratio least run Python ratio".split()
    title = "khop; params are outside the embedding, ratio and least are forward to bare, of medians and of minima"
    table = _table(title, columns)
    for row in rows:
        table.add_row(
            str(row.k),
            f"{row.length:,}",
            _time(row.compile),
            *map(str, (row.layers, row.heads, row.d_model, row.d_head)),
            f"{row.parameters:,}",
            _time(row.forward),
            _time(row.bare),
            f"{row.ratio:.2f}",
            f"{row.ratio_least:.2f}",
            _time(row.run),
            _time(row.reference),
            f"{row.run / row.reference:.1f}",
        )
    return table


def fresh_table(results: list[Fresh]) -> Table:
    """Compile time and memory; the last column is constant where memory is linear in N."""
    table = _table(f"khop-{FRESH} in a fresh process", ["N", "compile", "run", "peak memory", "over imports", "bytes per added token"])
    before: Fresh | None = None
    for now in results:
        slope = "" if before is None else f"{(now.growth - before.growth) / (now.length - before.length):,.0f}"
        table.add_row(f"{now.length:,}", _time(now.compile), _time(now.run), _size(now.peak), _size(now.growth), slope)
        before = now
    return table


def verdicts(rows: list[Row], results: list[Fresh]) -> list[str]:
    """The targets, each with what was measured."""
    worst = max(rows, key=lambda row: row.ratio)
    what = f"forward at most {TARGET_RATIO} x bare: worst {worst.ratio:.2f}, at k = {worst.k} and N = {worst.length:,}"
    lines = [_verdict(worst.ratio <= TARGET_RATIO, what)]
    for result in results:
        if result.length in TARGET_COMPILE:
            limit = TARGET_COMPILE[result.length]
            what = f"khop-{FRESH} at N = {result.length:,} compiles in under {limit:g} s: {_time(result.compile)}"
            lines.append(_verdict(result.compile < limit, what))
    return lines


def _verdict(met: bool, what: str) -> str:
    return f"{'met   ' if met else 'MISSED'}  {what}"


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _time(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.0f} us"


def _size(value: int) -> str:
    return f"{value / 2**20:,.1f} MiB"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help=f"also N = {', '.join(f'{n:,}' for n in MORE_LENGTHS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--threads", type=int, default=1, metavar="T", help="torch's threads; with more than free cores, times mean little")
    parser.add_argument("--fresh", type=int, metavar="N", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.fresh is not None:
        print(json.dumps(asdict(fresh(options.fresh))))
        return
    torch.manual_seed(SEED)
    lengths = [*LENGTHS, *(MORE_LENGTHS if options.full else ())]
    notes = Console(stderr=True)
    # Linux counts the parent's memory at exec in ru_maxrss, so the processes come before anything large happens here.
    with notes.status("running in fresh processes") if notes.is_terminal else contextlib.nullcontext():
        results = [in_fresh_process(n) for n in lengths]
    rows: list[Row] = []
    for n in lengths:
        for k in HOPS:
            with notes.status(f"khop-{k} at N = {n:,}") if notes.is_terminal else contextlib.nullcontext():
                rows.append(measure(k, n))
    setting = {"torch": torch.__version__, "threads": torch.get_num_threads(), "dtype": "float32", "alphabet": ALPHABET, "batch": 1}
    if options.json:
        measured = [asdict(row) | {"ratio": row.ratio, "ratio_least": row.ratio_least} for row in rows]
        print(json.dumps({"setting": setting, "rows": measured, "fresh": [asdict(r) for r in results]}, indent=1))
        return
    out = Console(highlight=False, markup=False, emoji=False)
    out = out if out.is_terminal else Console(highlight=False, markup=False, emoji=False, width=WIDTH)
    print(", ".join(f"{name} {value}" for name, value in setting.items()) + "\n")
    out.print(row_table(sorted(rows, key=lambda row: (row.k, row.length))))
    print()
    out.print(fresh_table(results))
    print("\n" + "\n".join(verdicts(rows, results)))


if __name__ == "__main__":
    main()
