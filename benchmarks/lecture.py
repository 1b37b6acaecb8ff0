"""The tables of docs/lecture.md, computed: every construction of `headwork lecture`, and the recorded training runs.

python benchmarks/lecture.py            print them all as Markdown
python benchmarks/lecture.py --write    put them into docs/lecture.md, between its markers, and draw the figures in docs/lecture/
python benchmarks/lecture.py --check    exit code 1 if docs/lecture.md holds anything else; times are not compared
python benchmarks/lecture.py --train    train what docs/lecture/training.csv does not hold yet, and record it there; the others only read it
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from table import write

from headwork.lecture.catalogue import LESSONS
from headwork.theory.report import markdown

DOCS = Path(__file__).parent.parent / "docs"
PAGE, FIGURES = DOCS / "lecture.md", DOCS / "lecture"
RECORD = FIGURES / "training.csv"
UNFINISHED = Path(__file__).parent.parent / "build" / "training"  # a run that was stopped goes on from its checkpoint here
COLUMNS = ("k", "layers", "seed", "accuracy", "learned_at", "steps", "seconds", "heads")
SEEDS = (0, 1, 2)
GRID = [(k, layers, seed) for seed in SEEDS for k in (1, 2, 3, 4) for layers in (1, 2, 3, 4)]
STEPS = 1500
TRAINED = "sgd-khop"  # its tables come from the record, not from a run


def blocks(draw: bool) -> Iterator[tuple[str, str, bool]]:
    """Each block's name, its text, and whether it is the same in every run."""
    for lesson in LESSONS:
        if lesson.name == TRAINED:
            continue
        shown = lesson.run()
        if not shown.ok:
            sys.exit(f"{lesson.command} is wrong:\n{shown}")
        if draw:
            shown.plot(FIGURES / f"{lesson.name}.png")
        yield lesson.name, shown.markdown(), True
        if timed := shown.markdown(varies=True):
            yield f"{lesson.name}-times", timed, False
    yield "claims", markdown(("command", "claim"), [(f"`{x.command}`", x.claim) for x in LESSONS]), True
    rows = record()
    cells = [(r["k"], r["layers"], r["seed"], r["accuracy"], r["learned_at"] or "not learned", r["steps"], r["heads"]) for r in rows]
    yield (
        TRAINED,
        _by_depth(rows)
        + "\n\n"
        + markdown(("k", "layers", "seed", "accuracy", "98% right at step", "steps run", "heads, by layer"), cells),
        True,
    )
    if draw:
        _heat(rows)


def record() -> list[dict[str, str]]:
    """The runs that were recorded."""
    with RECORD.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _by_depth(rows: list[dict[str, str]]) -> str:
    """Accuracy for each k and depth: the least, the middle and the greatest of the seeds, and how many learned."""
    cells: list[tuple[str, ...]] = []
    for k, layers in dict.fromkeys((r["k"], r["layers"]) for r in rows):
        some = [r for r in rows if (r["k"], r["layers"]) == (k, layers)]
        found = sorted(float(r["accuracy"]) for r in some)
        learned = sum(bool(r["learned_at"]) for r in some)
        construction = str(int(k).bit_length() + 1)
        cells.append(
            (k, layers, construction, f"{found[0]:.3f}", f"{found[len(found) // 2]:.3f}", f"{found[-1]:.3f}", f"{learned} of {len(some)}")
        )
    return markdown(("k", "layers", "the construction's", "least", "middle", "greatest", "seeds that were 98% right"), cells)


def _heat(rows: list[dict[str, str]]) -> None:
    from headwork.lecture.sgd_khop import heat
    from headwork.lecture.shown import Shown

    points = [(int(r["k"]), int(r["layers"]), float(r["accuracy"])) for r in rows]
    Shown(TRAINED, (), (), (), lambda figure: heat(figure, points)).plot(FIGURES / f"{TRAINED}.png")


def train() -> None:
    """Run what the record lacks of the grid; a row is written as soon as its run has ended. Seconds are of one core, not of the clock."""
    from headwork.lecture.learner import CHECKPOINT, Setting
    from headwork.lecture.sgd_khop import heads
    from headwork.lecture.training import load_run, start, train as go

    rows = {tuple(int(r[name]) for name in COLUMNS[:3]): r for r in (record() if RECORD.exists() else [])}
    for k, layers, seed in [point for point in GRID if point not in rows]:
        place, began = UNFINISHED / f"k{k}-layers{layers}-seed{seed}", time.process_time()
        run = load_run(place) if (place / CHECKPOINT).exists() else start(Setting(k=k, layers=layers, seed=seed, steps=STEPS))
        whole = run.step == 0  # only then are its seconds those of the whole run
        run = go(run, place)
        like = "; ".join(f"{h[2]} {h[3]:.2f}" for h in heads(run))
        seconds = f"{time.process_time() - began:.0f}" if whole else ""
        found = (k, layers, seed, f"{run.accuracy(k):.3f}", run.learned.get(str(k), ""), run.step, seconds, like)
        rows[k, layers, seed] = dict(zip(COLUMNS, map(str, found), strict=True))
        text = "\n".join(",".join(row) for row in (COLUMNS, *(tuple(rows[p][c] for c in COLUMNS) for p in GRID if p in rows))) + "\n"
        FIGURES.mkdir(exist_ok=True)
        RECORD.touch()
        write(RECORD, text)
        print(found, flush=True)


def filled(text: str, draw: bool, times: bool) -> str:
    """The page with every block as it is now; without `times` the blocks that vary keep what they hold."""
    for name, made, same in blocks(draw):
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
            raise SystemExit(f"{PAGE.name} needs {begin} and, after it, {end}, once each")
        if same or times:
            text = f"{text.split(begin)[0]}{begin}\n{made}\n{end}{text.split(end)[1]}"
    return text


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group()
    for name in ("write", "check", "train"):
        action.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    if options.train:
        train()
    elif not (options.write or options.check):
        print("\n\n".join(f"## {name}\n\n{made}" for name, made, _ in blocks(False)))
    else:
        old = PAGE.read_text(encoding="utf-8")
        new = filled(old, draw=options.write, times=options.write)
        if options.check and new != old:
            sys.exit(f"{PAGE.name} is out of date; run python benchmarks/lecture.py --write")
        if options.write and new != old:
            write(PAGE, new)


if __name__ == "__main__":
    main()
