"""What the table's rows ask of a model before they are held against it: why a row excludes nothing here, or does not apply.

A guard is a function of the facts that gives a reason, or None. Rows name it: `vacuous_by = "small"`, `excluded_by = "shallower"`.
"""

from __future__ import annotations

from .functions import sp
from .statement import Facts, Guard
from .text import expression

DOUBLING = expression("floor(log2(k)) + 2")
NEEDED, TOLD = expression("n*log2(n)"), expression("H*(m + 1)*p")
LONGEST_SHUFFLE = 1 << 16


def small(facts: Facts) -> str | None:
    """N/k**6 below 1 asks for less than one unit of anything."""
    if facts.values.get("hops") == 0:
        return "k = 0 is the identity"
    return f"N/k**6 = {facts['N'] / facts['k'] ** 6:.3g} < 1" if facts["N"] < facts["k"] ** 6 else None


def one_hop(facts: Facts) -> str | None:
    """The logarithm of one hop asks for nothing."""
    return "log2 k = 0" if facts["k"] == 1 else None


def loglog(facts: Facts) -> str | None:
    """loglog N has to be positive."""
    return f"loglog N <= 0 at N = {facts['N']}" if facts["N"] <= 2 else None


def peng(facts: Facts) -> str | None:
    """What the heads cannot tell, R, has to be positive."""
    remainder = facts.value(NEEDED - TOLD)
    return f"R = n*log2(n) - H*(m + 1)*p = {remainder:,.6g} <= 0: one layer of this size is not excluded" if remainder <= 0 else None


def sequential(facts: Facts) -> str | None:
    """The size has to be within what the theorem excludes."""
    size, most = facts["H"] * facts["d_qk"] * facts["p"], float(facts["N"]) ** (2.0 ** (-4 * facts["L"]))
    return f"H*d_qk*p = {size:,} > N**(2**(-4*L)) = {most:.4g}" if size > most else None


def shallower(facts: Facts) -> str | None:
    """The class that was searched composes lookups; only the library's programs are known to be in it."""
    return _outside(facts, DOUBLING, "that was searched")


def _outside(facts: Facts, least: sp.Expr, which: str) -> str | None:
    """A model with fewer layers than any of a class can have is not of the class, unless the library says that it is."""
    if facts["L"] < facts.value(least) and not facts.library:
        return f"L = {facts['L']} < {facts.value(least)} shows a program outside the class {which}"
    return None


def positions(facts: Facts) -> str | None:
    """Transformers without positions cannot tell two places apart by where they are."""
    if facts.places is None:
        return "the weights are not known, and this is about transformers without positions"
    return f"W_pos tells {facts.places:,} places apart, and this is about transformers without positions" if facts.places > 1 else None


def previous_form(facts: Facts) -> str | None:
    """k-hop has to be written as lectures draw it, and still be so where it is compiled."""
    if facts.form is None:
        return 'nobody said how the program is written; state form="previous" where it starts by copying the previous token'
    if facts.form != "previous":
        return "the program does not start by copying the previous token"
    if facts.masks is not None and "strict" in facts.masks:
        return "a head has the strict mask: what was compiled is no longer in that form"
    return None


def alone(facts: Facts) -> str | None:
    """A compiled program without heads is proved to need none at its length: a chain of two is cut off at N = 2."""
    compiled = facts.masks is not None and facts["L"] == 0
    return f"N = {facts['N']}: what was compiled has no head, so no answer depends on another place" if compiled else None


def arrays(facts: Facts) -> str | None:
    """Covering arrays are computed up to a length."""
    too_long = facts["s"] > 2 and facts["N"] > LONGEST_SHUFFLE
    return f"N = {facts['N']}: the arrays are computed to N = {LONGEST_SHUFFLE:,}" if too_long else None


_ALL = (small, one_hop, loglog, peng, sequential, shallower, positions, previous_form, alone, arrays)
GUARDS: dict[str, Guard] = {guard.__name__: guard for guard in _ALL}
