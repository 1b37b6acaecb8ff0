"""What every expression of a program has: parts, a name, annotations, and a number of its own."""

from __future__ import annotations

import copy
import enum
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, TypeAlias, TypeVar

NumericValue: TypeAlias = "int | float"
Value: TypeAlias = "int | float | str | bool | None"
SelectorValue: TypeAlias = "list[list[bool]]"
Annotator: TypeAlias = "Callable[[RASPExpr], object]"
RASPExprT = TypeVar("RASPExprT", bound="RASPExpr")

DEFAULT_ANNOTATORS: dict[str, Annotator] = {}  # what an annotation is where an expression has none of that name; more can be added


class Annotations(Mapping[str, object]):
    """An expression's annotations by name; one that was not given is worked out when it is asked for."""

    def __init__(self, expr: RASPExpr, given: Mapping[str, object]) -> None:
        self._expr, self._given = expr, dict(given)

    def __getitem__(self, key: str) -> object:
        if key not in self._given:
            if key not in DEFAULT_ANNOTATORS:
                raise KeyError(f"there is no annotation {key!r}; there are {sorted({*self._given, *DEFAULT_ANNOTATORS})}")
            self._given[key] = DEFAULT_ANNOTATORS[key](self._expr)
        return self._given[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class RASPExpr(ABC):
    """An expression of a program: a sequence operation or a selector. Called on a list, it is evaluated."""

    kind: ClassVar[str] = "expr"
    _numbers = itertools.count(1)
    _number: int | None = None

    def __init__(self) -> None:
        self._annotations: Mapping[str, object] = Annotations(self, {})

    @property
    @abstractmethod
    def children(self) -> Sequence[RASPExpr]:
        """The expressions that this one is made of."""

    @property
    def annotations(self) -> Mapping[str, object]:
        """The annotations by name."""
        return self._annotations

    @annotations.setter
    def annotations(self, given: Mapping[str, object]) -> None:
        self._annotations = Annotations(self, given)

    @property
    def name(self) -> str:
        """The name it was given, or its kind's."""
        return str(self.annotations["name"])

    @property
    def unique_id(self) -> int:
        """A number that no other expression has, given when it is first asked for."""
        if self._number is None:
            self._number = next(self._numbers)
        return self._number

    @property
    def label(self) -> str:
        """The name with the number."""
        return f"{self.name}_{self.unique_id}"

    def copy(self: RASPExprT) -> RASPExprT:
        """The same expression under a number of its own."""
        new = copy.copy(self)
        new._number = None
        return new

    def named(self: RASPExprT, name: str) -> RASPExprT:
        """The same expression under a name."""
        return annotate(self, name=name)

    def annotated(self: RASPExprT, **annotations: object) -> RASPExprT:
        """The same expression with annotations added."""
        return annotate(self, **annotations)


def annotate(expr: RASPExprT, **annotations: object) -> RASPExprT:
    """The same expression with annotations added, in the place of those of the same name."""
    new = expr.copy()
    new.annotations = {**expr.annotations, **annotations}
    return new


class Encoding(enum.Enum):
    """How other compilers would encode a value. headwork chooses codes by itself; the annotation is kept."""

    CATEGORICAL = "categorical"
    NUMERICAL = "numerical"


def numerical(sop: RASPExprT) -> RASPExprT:
    """The same expression, annotated as numerical."""
    return annotate(sop, encoding=Encoding.NUMERICAL)


def categorical(sop: RASPExprT) -> RASPExprT:
    """The same expression, annotated as categorical."""
    return annotate(sop, encoding=Encoding.CATEGORICAL)


def get_encoding(sop: RASPExpr) -> object:
    """The encoding that an expression is annotated with; categorical where it is not."""
    return sop.annotations["encoding"]


def is_numerical(sop: RASPExpr) -> bool:
    """Whether it is annotated as numerical."""
    return get_encoding(sop) == Encoding.NUMERICAL


def is_categorical(sop: RASPExpr) -> bool:
    """Whether it is annotated as categorical, or not at all."""
    return get_encoding(sop) == Encoding.CATEGORICAL


def default_name(expr: RASPExpr) -> str:
    """The name of an expression that was given none: its kind."""
    return expr.kind


def default_encoding(expr: RASPExpr) -> Encoding:
    """The encoding of an expression that was annotated with none."""
    return Encoding.CATEGORICAL


DEFAULT_ANNOTATORS["name"] = default_name
DEFAULT_ANNOTATORS["encoding"] = default_encoding
