"""Random programs over the whole language, spelled as lists of integers so that failures shrink."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import headwork as hw

MAX_SIZE = 64  # largest domain a random program may build
Pool = list[hw.Value]


class Choices:
    """Reads decisions off a list of integers; past its end every decision is 0."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers, self.place = numbers, 0

    def below(self, n: int) -> int:
        number = self.numbers[self.place] if self.place < len(self.numbers) else 0
        self.place += 1
        return number % n

    @property
    def left(self) -> bool:
        return self.place < len(self.numbers)


def program(numbers: Sequence[int], causal: bool, most: int = 1) -> hw.Program:
    """The program that a list of integers spells; it returns a value, or a tuple of at most `most` of its latest values."""

    def body(token: hw.Value, position: hw.Value) -> hw.Value | Pool:
        choices = Choices(numbers)
        pool: Pool = [token, position]
        while choices.left:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", hw.ProgramWarning)  # what reads ahead is ⊥, and is meant to be
                    made = STEPS[choices.below(len(STEPS))](choices, pool)
            except hw.DomainError as error:
                assert "heads, more than" in str(error)
                continue
            if made is not None and made.domain.size <= MAX_SIZE:
                pool.append(made)
        returned = (numbers[-1] if numbers and most > 1 else 0) % (most + 1)
        return pool[-returned:] if returned else pool[-1]

    return hw.program(name="random", causal=causal)(body)


def of_kind(choices: Choices, pool: Pool, *kinds: str) -> hw.Value | None:
    """Some value of the pool of one of the kinds; recent values are as likely as old ones."""
    fit = [v for v in pool if v.domain.kind in kinds]
    return fit[choices.below(len(fit))] if fit else None


def any_value(choices: Choices, pool: Pool) -> hw.Value:
    return pool[choices.below(len(pool))]


def same_kind(choices: Choices, pool: Pool, value: hw.Value) -> hw.Value:
    found = of_kind(choices, pool, value.domain.kind)
    return value if found is None else found


def previous(choices: Choices, pool: Pool) -> hw.Value:
    return hw.previous(any_value(choices, pool), by=choices.below(5) - 1)


def at(choices: Choices, pool: Pool) -> hw.Value | None:
    where = of_kind(choices, pool, "position")
    return None if where is None else any_value(choices, pool).at(where)


def match(choices: Choices, pool: Pool) -> hw.Value:
    pairs = []
    for _ in range(1 + choices.below(2)):
        query = any_value(choices, pool)
        pairs.append((query, same_kind(choices, pool, query)))
    found = hw.match(tuple(q for q, _ in pairs), tuple(k for _, k in pairs), before=bool(choices.below(2)))
    hit = [found.latest, found.earliest, found.unique][choices.below(3)]()
    read = choices.below(4)
    return hit.position if read == 0 else hit.found if read == 1 else hit.fetch(any_value(choices, pool))


def chain(choices: Choices, pool: Pool) -> hw.Value | None:
    """A value read through one or two maps again and again: what the depth optimiser is about."""
    first, second = of_kind(choices, pool, "position"), of_kind(choices, pool, "position")
    value = any_value(choices, pool)
    if first is None or second is None:
        return None
    for _ in range(1 + choices.below(7)):
        value = value.at(second if choices.below(3) == 0 else first)
    return value


def shift(choices: Choices, pool: Pool) -> hw.Value | None:
    number = of_kind(choices, pool, "position", "int")
    return None if number is None else number + (choices.below(7) - 3)


def scale(choices: Choices, pool: Pool) -> hw.Value | None:
    number = of_kind(choices, pool, "position", "int")
    return None if number is None else number * (choices.below(5) - 2)


def combine(choices: Choices, pool: Pool) -> hw.Value | None:
    a, b = of_kind(choices, pool, "position", "int"), of_kind(choices, pool, "position", "int")
    if a is None or b is None:
        return None
    return [lambda: a + b, lambda: a - b, lambda: hw.minimum(a, b), lambda: hw.maximum(a, b)][choices.below(4)]()


def compare(choices: Choices, pool: Pool) -> hw.Value:
    a = any_value(choices, pool)
    b = same_kind(choices, pool, a)
    if a.domain.kind in ("position", "int"):
        return [a == b, a != b, a < b, a <= b, a > b, a >= b][choices.below(6)]
    return [a == b, a != b][choices.below(2)]


def logic(choices: Choices, pool: Pool) -> hw.Value | None:
    a, b = of_kind(choices, pool, "bool"), of_kind(choices, pool, "bool")
    if a is None or b is None:
        return None
    return [a & b, a | b, ~a][choices.below(3)]


def choose(choices: Choices, pool: Pool) -> hw.Value | None:
    condition, x = of_kind(choices, pool, "bool"), any_value(choices, pool)
    if condition is None:
        return None
    return hw.where(condition, x, [same_kind(choices, pool, x), None][choices.below(2)])


def default(choices: Choices, pool: Pool) -> hw.Value:
    x = any_value(choices, pool)
    return x.or_else(same_kind(choices, pool, x)) if choices.below(2) else x.exists


def table(choices: Choices, pool: Pool) -> hw.Value | None:
    values = [any_value(choices, pool) for _ in range(1 + choices.below(2))]
    if values[0].domain.size * values[-1].domain.size > 200 or any(not v.domain.size for v in values):
        return None
    salt = choices.below(97)

    def f(*point: object) -> int | bool | None:
        mixed = (sum((i + 3) * int(p) for i, p in enumerate(point)) * 31 + salt * 7) % 11  # type: ignore[call-overload]
        return (bool(mixed % 2) if salt % 2 else mixed) if mixed % 5 else None

    return hw.table(f, *values)


def selector(choices: Choices, pool: Pool) -> hw.Selector:
    """One comparison, or two combined, or the complement of one; with windows and masks."""
    found = comparison(choices, pool)
    how = choices.below(6)
    if how == 0:
        return ~found
    if how == 1:
        return found & comparison(choices, pool)
    return found | comparison(choices, pool) if how == 2 else found


def comparison(choices: Choices, pool: Pool) -> hw.Selector:
    query = any_value(choices, pool)
    key = same_kind(choices, pool, query)
    limits = {"before": choices.below(3) == 0, "within": [None, None, None, 1, 2, 5][choices.below(6)]}
    how, salt = choices.below(5), choices.below(23)
    if how == 0 and 0 < query.domain.size * key.domain.size <= 100:
        return hw.select(query, key, lambda q, k: (int(q) * 5 + int(k) * 3 + salt) % 7 < 3, **limits)  # type: ignore[call-overload]
    ordered = query.domain.kind in ("position", "int") and key.domain.kind in ("position", "int") and query.domain.size and key.domain.size
    relations = ["==", "!=", "<", "<=", ">", ">="] if ordered else ["==", "!="]
    return hw.select(query, key, relations[choices.below(len(relations))], **limits)


def aggregate(choices: Choices, pool: Pool) -> hw.Value | None:
    """What to make of a selector: a count, a sum, an extreme, a mode, a pick."""
    found = selector(choices, pool)
    number, truth, value = of_kind(choices, pool, "position", "int"), of_kind(choices, pool, "bool"), any_value(choices, pool)
    how = choices.below(12)
    if how in (0, 1):
        return found.count()
    if how == 2:
        return found.any()
    if how == 3 and truth is not None:
        return found.any(truth) if choices.below(2) else found.all(truth)
    if how in (4, 5) and number is not None and number.domain.size:
        return found.sum(number) if how == 4 else found.mean(number) >= choices.below(4)
    if how in (6, 7) and number is not None and number.domain.size:
        return found.max(number) if choices.below(2) else found.smallest(by=number).fetch(value)
    if how == 8 and 0 < value.domain.size <= 6:
        return found.mode(value)
    return [found.latest, found.earliest, found.unique][choices.below(3)]().fetch(value)


def divide(choices: Choices, pool: Pool) -> hw.Value | None:
    number = of_kind(choices, pool, "position", "int")
    divisor = 1 + choices.below(5)
    return None if number is None or not number.domain.size else number // divisor if choices.below(2) else number % divisor


def scan(choices: Choices, pool: Pool) -> hw.Value | None:
    value = of_kind(choices, pool, "token", "int")
    if value is None or not 0 < value.domain.size <= 6:
        return None
    return hw.scan([min, max, lambda a, b: a, lambda a, b: b][choices.below(4)], value, heads=1 + choices.below(2))


STEPS: tuple[Callable[[Choices, Pool], hw.Value | None], ...] = (
    previous, at, match, match, match, chain, chain, shift, scale, combine, compare, logic, choose, default, table,
    aggregate, aggregate, aggregate, divide, scan,
)  # fmt: skip
