"""The page against the model and the interpreter, in a real browser: every program of the library, every protocol, random programs.

python benchmarks/page.py --texts 100 --random 60 --seed 0

Of each a page is opened in Chromium. On random texts its outputs are compared with the model's, and with values set at random with the
interpreter's under the same change, at every value that is shown. Stops at the first difference. Needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import headwork as hw
from headwork.tests.browser import Browser, found
from headwork.tests.report.test_report import counterfactual, drawn, said

SIZES = {"library": 24, "protocols": 9}


def subjects(count: int, seed: int) -> Iterator[tuple[str, hw.Model]]:
    """What is tried: compact and natural where a program has both, protocols at nine machines, random programs."""
    for name in hw.programs.names():
        yield name, hw.compile(hw.programs.get(name), length=SIZES["library"])
        if name not in ("addition", "bigram", "ngram", "ngram_counts", "automaton", "turing"):  # their pages would be tens of megabytes
            try:
                yield f"{name}, natural", hw.compile(hw.programs.get(name), length=8, style="natural")
            except hw.HeadworkError as refused:
                print(f"{name}, natural: {str(refused).splitlines()[0]}")
    for name in hw.protocols.names():
        model = hw.compile(hw.protocols.get(name), length=SIZES["protocols"])
        if model.cost.parameters < 3_000_000:
            yield name, model
    for i in range(count):
        yield f"random program {i}", drawn(seed * 100_000 + i)


def settings(browser: Browser, model: hw.Model, rng: random.Random, texts: int) -> list[tuple[list[int], list[dict[str, int | None]]]]:
    """Texts, each with up to two values to set: any that the page lets set, to anything it offers there."""
    values = browser.run("headwork.model.values.map((v) => v.fixed)")
    made = []
    for _ in range(texts):
        ids = [rng.randrange(len(model.alphabet)) for _ in range(rng.randint(1, model.length))]
        sets: list[dict[str, int | None]] = []
        for v in rng.sample(range(len(values)), min(2, len(values))):
            position = rng.randint(1, len(ids))
            lo, hi, none = browser.run(f"(({{lo, hi, none}}) => [lo, hi, none])(headwork.choices({v}, {position}))")
            if not values[v] and hi >= lo:
                sets.append({"value": v, "position": position, "to": None if none and rng.random() < 0.2 else rng.randint(lo, hi)})
        made.append((ids, sets))
    return made


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("texts", 100), ("random", 60), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    path = found()
    if path is None:
        print("there is no Chromium: apt-get install chromium, or name one in CHROMIUM")
        return
    rng = random.Random(options.seed)
    pages = texts = positions = changed = values = unsaid = 0
    with Browser(path) as browser, tempfile.TemporaryDirectory() as folder:
        for name, model in subjects(options.random, options.seed):
            page = hw.Model.report(model, certify=False).save(Path(folder) / "page.html")
            browser.open(page)
            rows = [[rng.randrange(len(model.alphabet)) for _ in range(rng.randint(0, model.length))] for _ in range(options.texts)]
            got = browser.run(f"{json.dumps(rows)}.map((ids) => headwork.run(ids).outputs)")
            assert got == said(model, rows), name
            kinds = browser.run("headwork.model.values.map((v) => v.node === null ? (v.name === 'token' ? -1 : -2) : v.node)")
            cases = settings(browser, model, rng, max(1, options.texts // 4))
            script = "return [r.columns.map((c) => c.map((x) => x === undefined ? 'no code' : x)), r.outputs]; })"
            runs = browser.run(f"{json.dumps(cases)}.map(([ids, sets]) => {{ const r = headwork.run(ids, sets); {script}")
            for (ids, sets), (columns, outputs) in zip(cases, runs, strict=True):
                wanted = counterfactual(model, ids, sets, kinds)
                for v, column in enumerate(columns):
                    if kinds[v] >= 0:  # cells that hold no value's code are shown as such: what nobody reads there is not specified
                        pairs = [(x, w) for x, w in zip(column, wanted[kinds[v]], strict=True) if x != "no code"]
                        assert all(x == w for x, w in pairs), (name, v, ids, sets)
                        values, unsaid = values + len(pairs), unsaid + len(column) - len(pairs)
                assert outputs == [list(row) for row in zip(*(wanted[root] for root in model.optimised.roots), strict=True)], (
                    name,
                    ids,
                    sets,
                )
                changed += bool(sets)
            assert browser.errors == [], (name, browser.errors)
            pages, texts, positions = pages + 1, texts + len(rows), positions + sum(map(len, rows))
            print(f"{name}: {len(rows)} texts, {sum(bool(s) for _, s in cases)} changed", flush=True)
    print(f"{pages} pages: {texts:,} texts, {positions:,} positions as the model says; {changed:,} texts with values set,")
    print(f"{values:,} values as the interpreter says, and {unsaid:,} whose cells hold no code")


if __name__ == "__main__":
    main()
