"""What a session remembers of its MLPs: sums of equal rows alone, however many rows there are; runs by memory are the dense ones."""

from __future__ import annotations

import random

import numpy as np

import headwork as hw
from headwork import programs
from headwork.execution import memo as memos
from headwork.execution.grounds import require
from headwork.execution.jit import FAST
from headwork.execution.machine import packed
from headwork.execution.plan import plan_of

COUNTER = [r.split() for r in "R _ _ < I|R 0 0 > R|R 1 1 > R|I 1 0 < I|I 0 1 > R|I _ 1 > R".split("|")]


def counter(length: int) -> hw.Model:
    return hw.compile(programs.get("turing", rules=COUNTER, cells=22), length=length)


def test_a_machine_that_runs_from_memory_says_what_the_dense_engine_says() -> None:
    steps = 1500 if FAST else 200
    one = counter(steps)
    session = one.session("sparse")
    session.feed(["start"])
    said = session.generate(steps - 1)
    assert one.run(["start", *said], engine="dense")[:-1] == said and len(set(said)) <= 88
    asked, found = session._memo.tally[:, [memos.ASKED, memos.FOUND]].sum(axis=0)
    assert asked >= steps and found > asked - 200  # the rows of 88 words and two symbols under the head


def test_only_an_equal_row_is_recalled() -> None:
    """Rows that differ by one number, near each other and far; more rows than there is room for."""
    one = counter(16)
    m, rng = packed(plan_of(one, require(one))), random.Random(1)
    assert m is not None and len(m.spans) == 1
    memo, d = memos.blank(m), m.E.shape[1]
    first, reads, lands = m.spans[0]
    read, land = m.touched[first : first + reads], m.touched[first + reads :]
    kept: dict[tuple[float, ...], np.ndarray] = {}
    found = 0
    for step in range(3000 if FAST else 300):
        x, change = np.zeros(d), np.zeros(d)
        x[read] = [rng.choice([0, 1, -1, 0.5, 2.0**-7, 3e15]) if rng.random() < 0.3 else 0 for _ in read]
        key = tuple(x[read].tolist())
        at = memos.recalled(memo, m, 0, x, change)
        if at >= 0:
            found += 1
            assert (change[land] == kept[key]).all()
        else:
            change[land] = kept.setdefault(key, np.array([step + i for i in range(lands)], float))
            memos.keep(memo, m, 0, -1 - at, x, change)
    assert found > 30 and len(kept) > 100
    memo.taken[...] = 1  # no place is free, and the first one is given up
    x, change = np.full(d, 7.0), np.zeros(d)
    at = memos.recalled(memo, m, 0, x, change)
    memos.keep(memo, m, 0, -1 - at, x, np.full(d, 9.0))
    assert at < 0 and memos.recalled(memo, m, 0, x, change) == -1 - at and (change[land] == 9).all()


def test_a_memo_whose_rows_do_not_return_rests() -> None:
    one = counter(16)
    m = packed(plan_of(one, require(one)))
    assert m is not None
    memo = memos.blank(m)
    memo.tally[0] = memos.TRIAL, memos.TRIAL // 4, 0
    assert memos.awake(memo, 0) and memo.tally[0].tolist() == [0, 0, 0]
    memo.tally[0] = memos.TRIAL, memos.TRIAL // 4 - 1, 0
    assert memos.awake(memo, 0) and memo.tally[0, memos.RESTS] == memos.REST
    assert not memos.awake(memo, 0) and memo.tally[0, memos.RESTS] == memos.REST - 1
