"""The groups in an automaton's transition semigroup, which say how deep a transformer for it must be."""

from __future__ import annotations

from collections.abc import Sequence

from ..programs.automaton import Map, compositions, then

SMALLEST = 60  # elements of the least group that is not solvable, A5


def unsolvable(maps: Sequence[Map]) -> int:
    """How many maximal subgroups of the semigroup that some maps of the states generate are not solvable.

    A maximal subgroup has an idempotent e as its unit: all f with f = e·f·e that permute what e leaves in place. Maps that commute
    generate abelian groups only. Raises InputError for a semigroup of more than 256 maps.
    """
    if all(then(f, g) == then(g, f) for f in maps for g in maps):
        return 0
    found, count = compositions(maps), 0
    for e in (f for f in found if then(f, f) == f):
        kept = sorted(set(e))
        units = {tuple(f[state] for state in kept) for f in found if then(then(e, f), e) == f and len(set(f)) == len(kept)}
        count += len(units) >= SMALLEST and not _solvable(units, kept)
    return count


def _solvable(units: set[Map], kept: Sequence[int]) -> bool:
    from sympy.combinatorics import Permutation, PermutationGroup

    place = {state: i for i, state in enumerate(kept)}
    return bool(PermutationGroup([Permutation([place[state] for state in unit]) for unit in sorted(units)]).is_solvable)
