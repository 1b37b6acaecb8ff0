"""The benchmark beside other compilers, without them: tasks, headwork's worker, limits of a cell, and the tables."""

from __future__ import annotations

import itertools
import random
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from headwork.benchmarks.peers import __main__ as command, systems
from headwork.benchmarks.peers.cell import LENGTHS, Built, Inexpressible, Row, measure
from headwork.benchmarks.peers.on_headwork import build
from headwork.benchmarks.peers.report import document, filled, reach, summary, table
from headwork.benchmarks.peers.systems import SYSTEMS, InstallError, System
from headwork.benchmarks.peers.tasks import HOPS, TASKS, Answers, Symbol, Task

ROOT = Path(__file__).resolve().parents[2]


def balanced(word: str) -> bool:
    """By deleting pairs, which counts no depth."""
    while "()" in word:
        word = word.replace("()", "")
    return not word


def expected(task: str, x: list[Symbol], causal: bool) -> Answers:
    """Each task again, straight from its definition."""
    n = len(x)
    seen = [x[: i + 1] if causal else x for i in range(n)]

    def jump(i: int | None) -> int | None:
        return None if i is None else max((j for j in range(1, i + 1) if x[j - 1] == x[i]), default=None)

    def hop(i: int | None, k: int) -> int | None:
        return hop(jump(i), k - 1) if k else i

    def read(i: int | None) -> Symbol | None:
        return None if i is None else x[i]

    match task:
        case "previous":
            return [x[i - 1] if i else None for i in range(n)]
        case "induction" | "khop":
            return [read(hop(i, HOPS if task == "khop" else 1)) for i in range(n)]
        case "histogram":
            return [seen[i].count(x[i]) for i in range(n)]
        case "reverse":
            return [x[n - 1 - i] for i in range(n)]
        case "sort":
            return [min(y for y in set(x) if sum(z <= y for z in x) > i) for i in range(n)]
        case _:
            return [balanced("".join(map(str, seen[i]))) for i in range(n)]


@pytest.mark.parametrize("name", TASKS)
def test_the_references_are_the_definitions(name: str) -> None:
    task, rng = TASKS[name], random.Random(1)
    short = [list(x) for n in range(1, 7) for x in itertools.product(task.symbols[:3], repeat=n)]
    for x in (*short, *(task.sample(rng, 24) for _ in range(20))):
        for causal in (True, False):
            assert task.reference(x, causal) == expected(name, x, causal), (x, causal)


@pytest.mark.parametrize("name", TASKS)
def test_headwork_is_exact_on_every_task(name: str) -> None:
    said: list[Row] = []
    row = measure(build, "headwork", TASKS[name], 16, said.append)
    assert row.exact and row.tried == 10 and said[-1] == row and said[0].tried is None
    model = build(TASKS[name], 16)
    for x in (TASKS[name].sample(random.Random(seed), 16) for seed in range(5)):
        want = expected(name, x, model.causal)
        assert [a for a, w in zip(model.run(x), want, strict=True) if w is not None] == [w for w in want if w is not None]
    assert (row.layers, row.d_model) == (model.layers, model.d_model)


def test_bracket_samples_are_of_both_kinds() -> None:
    rng = random.Random(2)
    verdicts = [balanced("".join(map(str, TASKS["dyck1"].sample(rng, 64)))) for _ in range(100)]
    assert 30 < sum(verdicts) < 70


def test_one_wrong_position_makes_a_sequence_wrong() -> None:
    def spoiled(task: Task, length: int) -> Built:
        model = build(task, length)
        return replace(model, run=lambda x: [9, *model.run(x)[1:]] if x[0] == 1 else model.run(x))

    row = measure(spoiled, "spoiled", TASKS["reverse"], 16, lambda _: None)
    rng = random.Random("0 reverse 16")
    assert row.right == sum(TASKS["reverse"].sample(rng, 16)[0] != 1 for _ in range(10))
    assert 0 < row.right < 10 and not row.exact


def test_what_cannot_be_expressed_is_a_row_with_the_reason() -> None:
    def causal(task: Task, length: int) -> Built:
        raise Inexpressible("its attention is causal")

    row = measure(causal, "Tracr", TASKS["sort"], LENGTHS[0], lambda _: None)
    assert (row.status, row.note) == ("cannot express", "its attention is causal")


def fake(body: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> System:
    """A system whose worker is that Python."""
    package = tmp_path / "benchmarks" / "peers"
    package.mkdir(parents=True)
    (package / "on_fake.py").write_text(body, encoding="utf-8")
    monkeypatch.setattr(systems, "ROOT", tmp_path)
    return System("Tracr", "fake")


SAYS = """import json, sys
row = dict(system="?", task=sys.argv[1], length=int(sys.argv[2]), status="measured", layers=3)
print(json.dumps(row), flush=True)
"""


@pytest.mark.parametrize(
    ("then", "status", "note"),
    [
        ("", "measured", ""),
        ("raise ValueError('too wide')", "crashed", "ValueError: too wide"),
        ("raise MemoryError", "crashed", "MemoryError (memory is limited to 8 GiB)"),
        ("import os; os.abort()", "crashed", "ended with code -6"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGXCPU)", "time limit", "stopped at 60 CPU seconds"),
    ],
)
def test_however_a_cell_ends_there_is_a_row(then: str, status: str, note: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    row = fake(SAYS + then, monkeypatch, tmp_path).run("sort", 64)
    assert (row.system, row.task, row.length, row.layers) == ("Tracr", "sort", 64, 3)
    assert (row.status, row.note) == (status, note)


def test_results_are_kept_and_nothing_is_run_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.jsonl")
    asked: list[tuple[str, int]] = []

    class Fake:
        name = "Tracr"

        def run(self, task: str, length: int) -> Row:
            asked.append((task, length))
            if task == "sort":
                return Row("Tracr", task, length, "cannot express", "no order")
            return Row("Tracr", task, length, "time limit" if length == 64 else "measured")

    for _ in range(2):
        for task in ("khop", "sort"):
            command.run(Fake(), task, command.recorded())  # pyright: ignore[reportArgumentType]
    assert asked == [("khop", 8), ("khop", 16), ("khop", 64), ("sort", 8)]
    assert [(row.length, row.status) for row in command.recorded()] == [
        (8, "measured"),
        (16, "measured"),
        (64, "time limit"),
        (256, "not tried"),
        (1024, "not tried"),
        (8, "cannot express"),
    ]
    command.forget(["Tracr"])
    assert command.recorded() == []


def test_a_failed_installation_says_what_the_installer_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(systems, "CACHE", tmp_path)
    monkeypatch.setattr(systems.venv, "create", lambda *_, **__: None)
    (tmp_path / "envs" / "none" / "bin").mkdir(parents=True)
    python = tmp_path / "envs" / "none" / "bin" / "python"
    python.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('ERROR: no such package')\n", encoding="utf-8")
    python.chmod(0o755)
    with pytest.raises(InstallError, match=r"^ERROR: no such package$"):
        System("none", "none", ("none==1",)).install()


ROWS = [
    Row("headwork", "sort", 8, "measured", "", "headwork at abc", "2026-01-02", 2, 2, 11, 4345, 0.0081, 0.00025, 10, 10),
    Row("headwork", "sort", 16, "measured", "", "headwork at abc", "2026-01-03", 2, 2, 12, 5345, 1.25, 0.00025, 10, 10),
    Row("Tracr", "sort", 8, "measured", "", "tracr-pypi==1", "2026-01-02", 4, 1, 115, 1234567, 4.0, 0.5, 10, 10),
    Row("Tracr", "sort", 16, "measured", "", "tracr-pypi==1", "2026-01-02", 4, 1, 203, 2234567, 4.0, 0.5, 7, 10),
    Row("Tracr", "sort", 64, "time limit", "stopped at 60 CPU seconds", "tracr-pypi==1", "2026-01-02", 4, 1, 400, 9, 31.0),
    Row("Tracr", "sort", 256, "not tried", "length 64 was over the time limit"),
    Row("torchwright", "sort", 8, "cannot express", "its attention is causal"),
    *(Row("transformer-vm", "sort", n, "not installed", "no wheel | none") for n in LENGTHS),
]


def test_every_cell_is_in_the_table() -> None:
    lines = table(random.Random(0).sample(ROWS, len(ROWS))).splitlines()[2:]
    assert len(lines) == len(ROWS)
    assert lines[0] == "| `sort` | 8 | headwork | 2 | 2 | 11 | 4,345 | 8.1 ms | 0.25 ms | 10/10 |"
    assert lines[2] == "| `sort` | all | torchwright |  |  |  |  |  |  | cannot express: its attention is causal |"
    assert "| `sort` | 16 | Tracr | 4 | 1 | 203 | 2,234,567 | 4.0 s | 500 ms | **7/10** |" in lines
    assert "| `sort` | 64 | Tracr | 4 | 1 | 400 | 9 | 31.0 s |  | time limit: stopped at 60 CPU seconds |" in lines
    assert "| `sort` | 256 | Tracr |  |  |  |  |  |  | not tried: length 64 was over the time limit |" in lines
    assert "| `sort` | 8 | transformer-vm |  |  |  |  |  |  | not installed: no wheel \\| none |" in lines


def test_the_short_table_stops_at_the_first_length_that_is_not_exact() -> None:
    late = [*ROWS, replace(ROWS[3], length=1024, right=10)]
    assert reach(late, "Tracr", "sort") == "8 (4, 115)"
    assert "| `sort` | 16 (2, 12) | 8 (4, 115) | cannot express | not installed |" in summary(ROWS).splitlines()
    assert reach([replace(ROWS[0], right=9)], "headwork", "sort") == "none"
    assert reach([], "headwork", "sort") == "not measured"


def test_the_document_says_when_what_and_which_versions() -> None:
    text = document(ROWS)
    assert "Measured 2026-01-02 to 2026-01-03, seed 0." in text and "Tracr: tracr-pypi==1; headwork: headwork at abc." in text
    assert table(ROWS) in text and all(f"`{name}`" in text for name in TASKS)


def test_the_page_has_the_place_and_the_figures_of_the_document() -> None:
    page, record = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("related.md", "peers.md"))
    block = re.search("<!-- peers:begin -->\n(.*)\n<!-- peers:end -->", page, re.DOTALL)
    assert block
    cells = [line.strip("| ").split(" | ") for line in record.splitlines() if line.startswith("| `")]
    for line in block[1].splitlines()[2:]:
        task, *found = line.strip("| ").split(" | ")
        for system, text in zip((s.name for s in SYSTEMS), found, strict=True):
            match = re.fullmatch(r"([\d,]+) \(([\d,]+), ([\d,]+)\)", text)
            if match:
                row = next(cell for cell in cells if cell[:3] == [task, match[1], system])
                assert (row[3], row[5]) == (match[2], match[3])
                right, tried = row[9].split("/")
                assert right == tried
            else:
                assert text in ("none", "cannot express"), (task, system)


def test_a_page_without_the_markers_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"docs/related\.md needs <!-- peers:begin -->"):
        filled("<!-- peers:end -->", ROWS)
