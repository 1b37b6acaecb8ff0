"""The groups of an automaton, against their derived series in plain Python, and the rows that ask for them."""

from __future__ import annotations

import itertools
import random

import pytest

import headwork as hw
from headwork.theory.semigroup import unsolvable

Maps = dict[str, tuple[int, ...]]
A5: Maps = {"r": (1, 2, 3, 4, 0), "t": (1, 2, 0, 3, 4)}
S3: Maps = {"r": (1, 2, 0), "t": (1, 0, 2)}
RESET: Maps = {"r": (1, 2, 3, 4, 0), "t": (1, 2, 0, 3, 4), "to 0": (0,) * 5}


def closure(maps: list[tuple[int, ...]]) -> set[tuple[int, ...]]:
    found = set(maps)
    while new := {tuple(g[x] for x in f) for f, g in itertools.product(found, repeat=2)} - found:
        found |= new
    return found


def solvable(group: set[tuple[int, ...]]) -> bool:
    """By the derived series: commutators generate less and less, down to the unit."""
    while len(group) > 1:
        power = {f: [f] for f in group}
        for f, powers in power.items():  # the last power before the first comes again is the unit, the one before it the inverse
            while (longer := tuple(f[x] for x in powers[-1])) != f:
                powers.append(longer)
        inverse = {f: (powers * 2)[len(powers) - 2] for f, powers in power.items()}
        less = closure([tuple(g[f[inverse[g][x]]] for x in inverse[f]) for f, g in itertools.product(group, repeat=2)])
        if len(less) == len(group):
            return False
        group = less
    return True


def counted(maps: list[tuple[int, ...]]) -> int:
    found = closure(maps)
    units = (({f for f in found if tuple(e[x] for x in f) == f == tuple(f[x] for x in e)}, e) for e in found if tuple(e[x] for x in e) == e)
    return sum(not solvable({f for f in monoid if e in closure([f])}) for monoid, e in units)


def rows(maps: Maps) -> list[tuple[int, str, int]]:
    return [(i, symbol, f[i]) for i in range(len(next(iter(maps.values())))) for symbol, f in maps.items()]


def test_known_groups() -> None:
    assert [unsolvable(list(m.values())) for m in (A5, S3, RESET)] == [1, 0, 1]
    assert counted(list(S3.values())) == 0 and unsolvable([(0, 0, 1), (1, 2, 2)]) == 0


def test_random_automata_against_derived_series() -> None:
    rng = random.Random(4)
    for _ in range(60):
        n = rng.randint(2, 4)
        maps = [tuple(rng.randrange(n) for _ in range(n)) for _ in range(2)]
        if len(closure(maps)) <= 100:
            assert unsolvable(maps) == counted(maps)


@pytest.mark.slow
def test_the_least_unsolvable_group_by_its_derived_series() -> None:
    assert counted(list(A5.values())) == 1


@pytest.mark.parametrize(("maps", "deep"), [(A5, True), (S3, False)], ids=["A5", "S3"])
def test_rows_apply_where_their_assumption_holds(maps: Maps, deep: bool) -> None:
    found = hw.bounds(hw.programs.get("automaton", dfa=rows(maps), accept=[]), length=8).as_dict()
    verdicts = {row["id"]: row["verdict"] for row in found["rows"]}  # pyright: ignore
    assert ("unsolvable" in verdicts["KROHN-RHODES"]) == deep and ("unsolvable" in verdicts["NC1-LB"]) == (not deep)


@pytest.mark.parametrize(
    ("maps", "groups", "heads"),
    [(S3, 0, 2), *(pytest.param(maps, 1, heads, marks=pytest.mark.slow) for maps, heads in ((A5, 1), (A5, 3), (RESET, 1)))],
    ids=["S3", "A5", "A5 by 3 heads", "reset"],
)
def test_a_model_shows_that_it_is_a_scan_and_of_which_groups(maps: Maps, groups: int, heads: int) -> None:
    """A model holds no name of its automaton; its graph holds the semigroup."""
    program = hw.programs.get("automaton", dfa=rows(maps), accept=[0], heads=heads)
    about = f"family scan, unsolvable = {groups}"
    assert hw.bounds(program, length=5).about == hw.bounds(hw.compile(program, length=5)).about == about


def test_what_is_nearly_a_scan_is_not() -> None:
    def greatest(a: int, b: int) -> int:
        return max(a, b)

    @hw.program(name="scanned", alphabet=(0, 1, 2))
    def scanned(token: hw.Value) -> hw.Value:
        return hw.scan(greatest, hw.table(int, token), heads=2) + 1

    @hw.program(name="read again", alphabet=(0, 1, 2))
    def read_again(token: hw.Value) -> hw.Value:
        return hw.previous(hw.scan(greatest, hw.table(int, token))).or_else(0)

    @hw.program(name="beside", alphabet=(0, 1, 2))
    def beside(token: hw.Value) -> hw.Value:
        return hw.scan(greatest, hw.table(int, token)) + hw.previous(hw.table(int, token)).or_else(0)

    abouts = [hw.bounds(p, length=9).about for p in (scanned, read_again, beside)]
    assert abouts == ["family scan, unsolvable = 0", "family not stated", "family not stated"]
