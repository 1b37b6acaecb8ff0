"""The steps of random programs: each says one expression of the language over the values there are, as Python text.

A step reads its decisions off a stream of integers, so that a program is a list of integers, and failures of tests shrink.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ..compiler.language import Value

MIXED = 11  # numbers that a random table tells apart
TABLE = 200  # entries of a random table
CROWD = 6  # values of what is counted one by one


class Choices:
    """Reads decisions off integers; past their end every decision is 0."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers, self.place = numbers, 0

    def below(self, n: int) -> int:
        """The next decision, one of n."""
        number = self.numbers[self.place] if self.place < len(self.numbers) else 0
        self.place += 1
        return number % n

    @property
    def left(self) -> bool:
        """Whether there is a decision left."""
        return self.place < len(self.numbers)


@dataclass(frozen=True, slots=True)
class Made:
    """A value and its name in the text."""

    name: str
    value: Value

    @property
    def kind(self) -> str:
        """What its domain is of."""
        return self.value.domain.kind

    @property
    def size(self) -> int:
        """How many values it has; 0 for none."""
        return self.value.domain.size

    def __str__(self) -> str:
        return self.name


Pool: TypeAlias = "list[Made]"
Step: TypeAlias = "Callable[[Choices, Pool], str | None]"


def of_kind(choices: Choices, pool: Pool, *kinds: str) -> Made | None:
    """Some value of one of the kinds; recent values are as likely as old ones."""
    fit = [v for v in pool if v.kind in kinds]
    return fit[choices.below(len(fit))] if fit else None


def any_value(choices: Choices, pool: Pool) -> Made:
    """Some value."""
    return pool[choices.below(len(pool))]


def same_kind(choices: Choices, pool: Pool, value: Made) -> Made:
    """Some value of the kind of another."""
    found = of_kind(choices, pool, value.kind)
    return value if found is None else found


def number(choices: Choices, pool: Pool) -> Made | None:
    """Some value that can be counted with."""
    return of_kind(choices, pool, "position", "int")


def previous(choices: Choices, pool: Pool) -> str:
    """A value some places before."""
    return f"hw.previous({any_value(choices, pool)}, by={choices.below(5) - 1})"


def at(choices: Choices, pool: Pool) -> str | None:
    """A value at a position."""
    where = of_kind(choices, pool, "position")
    return None if where is None else f"{any_value(choices, pool)}.at({where})"


def match(choices: Choices, pool: Pool) -> str:
    """Where one or two keys equal, or what is there."""
    queries: list[str] = []
    keys: list[str] = []
    for _ in range(1 + choices.below(2)):
        query = any_value(choices, pool)
        queries.append(str(query))
        keys.append(str(same_kind(choices, pool, query)))
    before = ", before=True" if choices.below(2) else ""
    pick = ("latest", "earliest", "unique")[choices.below(3)]
    read = choices.below(4)
    end = "position" if read == 0 else "found" if read == 1 else f"fetch({any_value(choices, pool)})"
    return f"hw.match({_tuple(queries)}, {_tuple(keys)}{before}).{pick}().{end}"


def chain(choices: Choices, pool: Pool) -> str | None:
    """A value read through one or two maps again and again: what the depth optimiser is about."""
    first, second = of_kind(choices, pool, "position"), of_kind(choices, pool, "position")
    text = str(any_value(choices, pool))
    if first is None or second is None:
        return None
    for _ in range(1 + choices.below(7)):
        text += f".at({second if choices.below(3) == 0 else first})"
    return text


def shift(choices: Choices, pool: Pool) -> str | None:
    """A number and a constant."""
    x = number(choices, pool)
    return None if x is None else f"{x} + {choices.below(7) - 3}"


def scale(choices: Choices, pool: Pool) -> str | None:
    """A number times a constant."""
    x = number(choices, pool)
    return None if x is None else f"{x} * {choices.below(5) - 2}"


def combine(choices: Choices, pool: Pool) -> str | None:
    """Two numbers."""
    a, b = number(choices, pool), number(choices, pool)
    if a is None or b is None:
        return None
    return (f"{a} + {b}", f"{a} - {b}", f"hw.minimum({a}, {b})", f"hw.maximum({a}, {b})")[choices.below(4)]


def compare(choices: Choices, pool: Pool) -> str:
    """Two values of a kind."""
    a = any_value(choices, pool)
    b = same_kind(choices, pool, a)
    relations = ("==", "!=", "<", "<=", ">", ">=") if a.kind in ("position", "int") else ("==", "!=")
    return f"{a} {relations[choices.below(len(relations))]} {b}"


def logic(choices: Choices, pool: Pool) -> str | None:
    """Truth values."""
    a, b = of_kind(choices, pool, "bool"), of_kind(choices, pool, "bool")
    return None if a is None or b is None else (f"{a} & {b}", f"{a} | {b}", f"~{a}")[choices.below(3)]


def choose(choices: Choices, pool: Pool) -> str | None:
    """One value or another, or ⊥."""
    condition, x = of_kind(choices, pool, "bool"), any_value(choices, pool)
    if condition is None:
        return None
    return f"hw.where({condition}, {x}, {(same_kind(choices, pool, x), None)[choices.below(2)]})"


def default(choices: Choices, pool: Pool) -> str:
    """A value where another is ⊥, or whether it is."""
    x = any_value(choices, pool)
    return f"{x}.or_else({same_kind(choices, pool, x)})" if choices.below(2) else f"{x}.exists"


def table(choices: Choices, pool: Pool) -> str | None:
    """Any function of one or two values."""
    values = [any_value(choices, pool) for _ in range(1 + choices.below(2))]
    if values[0].size * values[-1].size > TABLE or any(not v.size for v in values):
        return None
    salt = choices.below(97)
    said = tuple((bool(m % 2) if salt % 2 else m) if m % 5 else None for m in range(MIXED))
    names = ("a", "b")[: len(values)]
    mixed = " + ".join(f"{31 * (i + 3) % MIXED} * {name}" for i, name in enumerate(names))
    return f"hw.table(lambda {', '.join(names)}: {said}[({mixed} + {salt * 7 % MIXED}) % {MIXED}], {', '.join(map(str, values))})"


def selector(choices: Choices, pool: Pool) -> str:
    """One comparison, or two combined, or the complement of one; with windows and masks."""
    found = comparison(choices, pool)
    how = choices.below(6)
    if how == 0:
        return f"(~{found})"
    if how in (1, 2):
        return f"({found} {'&|'[how - 1]} {comparison(choices, pool)})"
    return found


def comparison(choices: Choices, pool: Pool) -> str:
    """A selector of one comparison."""
    query = any_value(choices, pool)
    key = same_kind(choices, pool, query)
    limits = ", before=True" if choices.below(3) == 0 else ""
    within = (None, None, None, 1, 2, 5)[choices.below(6)]
    limits += f", within={within}" if within else ""
    how, salt = choices.below(5), choices.below(23)
    if how == 0 and 0 < query.size * key.size <= 100:
        return f"hw.select({query}, {key}, lambda q, k: (5 * q + 3 * k + {salt}) % 7 < 3{limits})"
    ordered = query.kind in ("position", "int") and key.kind in ("position", "int") and query.size and key.size
    relations = ("==", "!=", "<", "<=", ">", ">=") if ordered else ("==", "!=")
    return f'hw.select({query}, {key}, "{relations[choices.below(len(relations))]}"{limits})'


def aggregate(choices: Choices, pool: Pool) -> str | None:
    """What to make of a selector: a count, a sum, an extreme, a mode, a pick."""
    found = selector(choices, pool)
    x, truth, value = number(choices, pool), of_kind(choices, pool, "bool"), any_value(choices, pool)
    how = choices.below(12)
    if how in (0, 1):
        return f"{found}.count()"
    if how == 2:
        return f"{found}.any()"
    if how == 3 and truth is not None:
        return f"{found}.any({truth})" if choices.below(2) else f"{found}.all({truth})"
    if how in (4, 5) and x is not None and x.size:
        return f"{found}.sum({x})" if how == 4 else f"{found}.mean({x}) >= {choices.below(4)}"
    if how in (6, 7) and x is not None and x.size:
        return f"{found}.max({x})" if choices.below(2) else f"{found}.smallest(by={x}).fetch({value})"
    if how == 8 and 0 < value.size <= CROWD:
        return f"{found}.mode({value})"
    return f"{found}.{('latest', 'earliest', 'unique')[choices.below(3)]}().fetch({value})"


def divide(choices: Choices, pool: Pool) -> str | None:
    """A number divided by a constant."""
    x = number(choices, pool)
    divisor = 1 + choices.below(5)
    return None if x is None or not x.size else f"{x} // {divisor}" if choices.below(2) else f"{x} % {divisor}"


def scan(choices: Choices, pool: Pool) -> str | None:
    """An associative operation over all that came before."""
    value = of_kind(choices, pool, "token", "int")
    if value is None or not 0 < value.size <= CROWD:
        return None
    op = ("min", "max", "lambda a, b: a", "lambda a, b: b")[choices.below(4)]
    return f"hw.scan({op}, {value}, heads={1 + choices.below(2)})"


STEPS: tuple[Step, ...] = (
    previous, at, match, match, match, chain, chain, shift, scale, combine, compare, logic, choose, default, table,
    aggregate, aggregate, aggregate, divide, scan,
)  # fmt: skip
FEATURES: dict[str, Step] = {step.__name__: step for step in STEPS}


def _tuple(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"({', '.join(names)})"
