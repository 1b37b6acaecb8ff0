"""The rule for the closest: a match scores c for each graded part that agrees, and its position decides between equals.

Groups of components share no variable, so a score is base + Σ T(u, w) over the groups + r(t), r being what the key's position
adds. On the keys that match, write T = c·(graded parts that agree) + h, for one c > 0, with h in a range of width s for
each group; S is the sum of the widths, R the range of r. Then, as for other lookups, with G the gap that is needed:

1. a match scores at least G above BOS, anything else at least G below it;
2. one more part that agrees outweighs all positions: c - S - R >= G;
3. of equally close matches the later one leads: each step of r is at least G + S.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.ops import Lookup, relation_of
from .bilinear import LOW, related_cases
from .exact import NONE, Ints, Refused

if TYPE_CHECKING:
    from .attention import Block


def all_parts(op: Lookup, args: Sequence[int]) -> tuple[Lookup, list[int]]:
    """The lookup with its graded comparisons as parts after the others: what they read is grouped like what must match."""
    relations = (*(relation_of(op.relations, part) for part in range(op.parts)), *((),) * op.graded)
    queries = [*args[: op.parts], *args[2 * op.parts : 2 * op.parts + op.graded]]
    keys = [*args[op.parts : 2 * op.parts], *args[2 * op.parts + op.graded :]]
    return Lookup(op.mask, "latest", op.parts + op.graded, relations), [*queries, *keys]


def closest_margin(blocks: Sequence[Block], op: Lookup, q_const: Ints, k_const: Ints, what: str) -> int:
    """Twice the least lead of the closest over its rivals and BOS, and of BOS over what does not match, in grid steps."""
    (home,) = [b for b in blocks if "position" in b.key.cases.variables]
    if home.parts:
        raise Refused(f"{what}: it compares values that depend on the position, for which there is no rule")
    r = 2 * (home.key.vectors @ q_const)
    if not len(r):
        return -LOW  # no key is ever seen
    order = np.argsort(home.key.cases.column("position"))
    others = [_Group(b, op, q_const, k_const, what) for b in blocks if b is not home]
    rates = {group.rate for group in others if group.rate is not None}
    if len(rates) > 1 or min(rates, default=1) <= 0:
        raise Refused(f"{what}: parts that agree do not all add the same")
    rate = max(rates, default=0)
    base = 2 * int(q_const @ k_const)
    spread = sum(group.spread(rate) for group in others)
    match = base + int(r.min()) + sum(group.least for group in others)
    rivals = [group.rival + sum(o.greatest for o in others if o is not group) for group in others]
    mismatch = base + int(r.max()) + max(rivals, default=LOW)
    later = int(np.diff(r[order]).min(initial=-LOW)) - spread
    closer = rate - spread - int(r.max() - r.min()) if rates else -LOW
    return min(match, -mismatch, later, closer)


class _Group:
    """The scores of one group of components: which pairs match, and how many of their graded parts agree."""

    def __init__(self, block: Block, op: Lookup, q_const: Ints, k_const: Ints, what: str) -> None:
        query, key = block.query, block.key
        self.total = 2 * (query.vectors @ key.vectors.T + (query.vectors @ k_const)[:, None] + (key.vectors @ q_const)[None, :])
        self.match = np.ones(self.total.shape, bool)
        self.agree = np.zeros(self.total.shape, np.int64)
        for column, part in enumerate(block.parts):
            q, k = query.values[:, column], key.values[:, column]
            absent = (q == NONE)[:, None] | (k == NONE)[None, :]
            if part < op.parts:
                self.match &= related_cases(relation_of(op.relations, part), q, k) & ~absent
            elif absent.any():
                raise Refused(f"{what}: a value that it compares by degrees may be ⊥")
            else:
                self.agree += q[:, None] == k[None, :]
        self.rate = self._rate(what)

    def _rate(self, what: str) -> int | None:
        """Twice what one more part that agrees adds, by the best match with the most and with the fewest of them."""
        agree, total = self.agree[self.match], self.total[self.match]
        if not len(agree) or agree.min() == agree.max():
            return None
        rise = int(total[agree == agree.max()].max() - total[agree == agree.min()].max())
        return rise // int(agree.max() - agree.min())

    def spread(self, rate: int) -> int:
        """The width of the range of twice h over the matches."""
        h = (self.total - rate * self.agree)[self.match]
        return int(h.max() - h.min()) if len(h) else 0

    @property
    def least(self) -> int:
        """Twice the least score of a match."""
        return int(self.total[self.match].min(initial=-LOW))

    @property
    def greatest(self) -> int:
        """Twice the greatest score of any key."""
        return int(self.total.max(initial=LOW))

    @property
    def rival(self) -> int:
        """Twice the greatest score of a key that does not match."""
        return int(self.total[~self.match].max(initial=LOW))
