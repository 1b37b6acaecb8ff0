"""Scans: every prefix combined by an associative operation, in a number of layers that is logarithmic in the length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..calls import public
from ..domain import Alphabet, Domain, plain
from ..errors import DomainError, Location, caller
from ..ops import Position
from .functions import MAX_TABLE, choose, tabulated
from .lookups import previous
from .value import Value, require_value, spaces


@public
def scan(op: Callable[..., object], value: Value, heads: int = 1) -> Value:
    """`out[i] = value[1] op value[2] op … op value[i]`, for an associative operation on the value's domain.

    Takes the least L with (heads + 1)**L >= N attention layers, of `heads` heads each: a layer joins heads + 1
    neighbouring stretches. ⊥ anywhere gives ⊥ from there on. `op` is called once for every pair of values (tokens as
    symbols) and returns a value of the same domain. Raises DomainError if it raises, leaves the domain, or is not
    associative, with the triple that breaks it. Source: Hillis and Steele 1986; for automata arXiv 2210.10749.
    """
    line = caller()
    require_value("scan()", value, None, line)
    if not isinstance(heads, int) or isinstance(heads, bool) or heads < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DomainError(f"scan() was given heads={heads!r}", line, "give an integer of at least 1")
    _require_associative(op, value, line)
    n = value.builder.sizes.length
    here = Value(value.builder, value.builder.add(Position(), [], "position"))
    joined, width = value, 1
    while width < n:
        whole = joined
        for j in range(1, heads + 1):
            if j * width < n:
                longer = tabulated(op, (previous(joined, by=j * width), whole), spaces, line)  # on the whole domain, as it is said
                whole = choose(here > j * width, longer, whole, "scan()", line)
        joined, width = whole, width * (heads + 1)
    return joined


def _index(result: object, domain: Domain, alphabet: Alphabet) -> int | None:
    """The place of a result in a domain, None where it lies outside."""
    if domain.kind == "token":
        number = alphabet.id(result)
    else:
        number = result if isinstance(result, int) and isinstance(result, bool) == (domain.kind == "bool") else None
    return int(number) - domain.lo if number is not None and domain.lo <= number <= domain.hi else None


def _require_associative(op: Callable[..., object], value: Value, line: Location | None) -> None:
    """Every triple, on the table of the operation."""
    points = spaces(value)
    v = len(points)
    if v * v > MAX_TABLE:
        fact = f"scan() would call its operation {v * v:,} times ({v:,} x {v:,}), more than {MAX_TABLE:,}"
        raise DomainError(fact, line, "use a value of fewer possibilities")
    alphabet, domain = value.builder.sizes.alphabet, value.domain
    found = np.zeros((v, v), np.int64)
    for i, a in enumerate(points):
        for j, b in enumerate(points):
            try:
                result = plain(op(a, b))
            except Exception as error:
                fact = f"scan() called its operation with ({a!r}, {b!r}) and it raised {type(error).__name__}: {error}"
                raise DomainError(fact, line, "return a value of the domain for every pair") from error
            index = _index(result, domain, alphabet)
            if index is None:
                fact = f"scan()'s operation returned {result!r} for ({a!r}, {b!r}), which is not {value.domain}"
                raise DomainError(fact, line, "return a value of the same domain")
            found[i, j] = index
    for i in range(v):  # (a op b) op c against a op (b op c), for all b and c at once
        wrong = np.argwhere(found[found[i]] != found[i][found])
        if len(wrong):
            a, b, c = points[i], points[int(wrong[0][0])], points[int(wrong[0][1])]
            left, right = points[int(found[found[i, wrong[0][0]], wrong[0][1]])], points[int(found[i, found[wrong[0][0], wrong[0][1]]])]
            fact = f"scan()'s operation is not associative: ({a!r} op {b!r}) op {c!r} is {left!r}, {a!r} op ({b!r} op {c!r}) is {right!r}"
            raise DomainError(fact, line, "prefixes can be combined in any grouping only if it is")
