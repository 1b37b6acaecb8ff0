"""Learned programs, as Transformer Programs print them: the text of `run(tokens)` as operations, its classifier's weights from their file.

What is printed is Python of few forms: predicates and tables as functions of their own, `select_closest` and `aggregate`, `select` and
`aggregate_sum`, lists of a table's values, scores of variables, and at the end the class of the greatest sum of scores. Anything else is
refused at its line. (Friedman, Wettig and Chen, 2023, Learning Transformer Programs.)
"""

from __future__ import annotations

import ast
import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..compiler.errors import InputError, ProgramError
from .closest import Closest, Total
from .greatest import Greatest
from .parse import Parsed
from .selectors import Select, SelectorWidth
from .sops import Choice, Full, Map, SequenceMap, SOp, indices, length, tokens

Weights = Mapping[tuple[str, str], Mapping[str, float]]  # a variable and its value, "_" for a number: the score of each class
IGNORED = ("feature_logits", "logits", "classes", "predictions")


def learned(text: str, weights: Weights | str | Path | None = None, digits: int = 2, name: str = "learned") -> Parsed:
    """The program that a printed text is, as operations by their names in it; the result is the classifier's answer.

    `weights` are the classifier's, or the path of their file; without them the result is the last variable. They are taken to so many
    decimal `digits`: sums of scores are exact for weights as they are taken. Raises ProgramError at the line of what is not read.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ProgramError(f"{name}:{error.lineno}: {error.msg}") from None
    run = next((s for s in tree.body if isinstance(s, ast.FunctionDef) and s.name == "run"), None)
    if run is None:
        raise ProgramError(f"{name} has no function run(tokens)", hint="give the text that was printed for the program")
    read = _Reading(name)
    for statement in run.body:
        read.statement(statement)
    table = _table(weights) if isinstance(weights, (str, Path)) else weights
    result = read.names[read.last] if table is None else _classified(read, table, digits)
    return Parsed({k: v for k, v in read.names.items() if isinstance(v, SOp)}, result)


@dataclass
class _Reading:
    """The variables of a text, and what has a score in it."""

    file: str
    names: dict[str, Any] = field(default_factory=lambda: {"tokens": tokens})
    scores: list[tuple[str, SOp, bool]] = field(default_factory=list)  # feature, variable, whether it is a number
    kept: list[tuple[int, str]] = field(default_factory=list)  # (0, "<s>") for the first token, (-1, "</s>") for the last
    last: str = "tokens"

    def statement(self, node: ast.stmt) -> None:
        """One statement of run()."""
        match node:
            case ast.FunctionDef(name=name):
                made: dict[str, Any] = {}
                exec(compile(ast.Module([node], []), self.file, "exec"), {}, made)
                self.names[name] = made[name]
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in IGNORED:
                self.assigned(name, value, node)
            case ast.If(test=ast.Compare(left=ast.Subscript(slice=place), comparators=[ast.Constant(value=word)])):
                self.kept.append((int(ast.literal_eval(place)), str(word)))
            case ast.Assign() | ast.Return() | ast.Expr(value=ast.Constant()):
                return
            case _:
                raise self.error(node)

    def assigned(self, name: str, value: ast.expr, node: ast.stmt) -> None:
        """A variable, a pattern, or scores."""
        match value:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="pd"))):
                return
            case ast.Call(func=ast.Name(id="list")) if name == "positions":
                self.names[name] = indices
            case ast.ListComp() if name == "ones":
                self.names[name] = Full(1)
            case ast.Call(func=ast.Name(id=call), args=args) if all(isinstance(a, ast.Name) for a in args):
                self.names[name] = self.called(call, [self.names[a.id] for a in args if isinstance(a, ast.Name)], node)
                self.last = name if isinstance(self.names[name], SOp) else self.last
            case ast.ListComp(elt=ast.Call(func=ast.Name(id=function)), generators=[ast.comprehension(iter=over)]):
                sides = over.args if isinstance(over, ast.Call) else [over]
                self.names[name] = _mapped(self.names[function], [self.names[s.id] for s in sides if isinstance(s, ast.Name)])
                self.last = name
            case ast.Call(func=ast.Attribute(value=ast.Subscript(slice=rows), attr="mul")):
                self.scored(rows, True, node)
            case ast.Subscript(slice=rows):
                self.scored(rows, False, node)
            case _:
                raise self.error(node)

    def called(self, call: str, args: Sequence[Any], node: ast.stmt) -> object:
        """One of the four functions that texts begin with."""
        match call, args:
            case "select_closest", (keys, queries, predicate):
                return keys, queries, predicate
            case "select", (keys, queries, predicate):
                return Select(keys, queries, _key_first(predicate))
            case "aggregate", ((keys, queries, predicate), values):
                return Closest(keys, queries, _key_first(predicate), values)
            case "aggregate_sum", (Select() as selector, values):
                return SelectorWidth(selector) if isinstance(values, Full) else Total(selector, values)
            case _:
                raise self.error(node)

    def scored(self, rows: ast.expr, number: bool, node: ast.stmt) -> None:
        """Scores of a variable, under its name in the file of weights."""
        match rows:
            case ast.ListComp(elt=ast.Tuple(elts=[ast.Constant(value=feature), _]), generators=[ast.comprehension(iter=ast.Name(id=name))]):
                self.scores.append((str(feature), self.names[name], number))
            case _:
                raise self.error(node)

    def error(self, node: ast.stmt) -> ProgramError:
        """What is not read, at its line."""
        shown = ast.unparse(node).splitlines()[0]
        return ProgramError(f"{self.file}:{node.lineno}: this is no line of a printed program\n    {shown}", hint="see docs/from-rasp.md")


def _key_first(predicate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], bool]:
    """A printed predicate, which is of a query and a key, as one of a key and a query."""
    return lambda key, query: bool(predicate(query, key))


def _mapped(function: Callable[..., Any], of: Sequence[SOp]) -> SOp:
    """A table of one, two or more variables."""
    if len(of) == 1:
        return Map(function, of[0])
    first: SOp = of[0]
    for more in of[1:-1]:
        first = SequenceMap(lambda x, y: (*x, y) if isinstance(x, tuple) else (x, y), first, more)
    return SequenceMap(lambda x, y: function(*(x if isinstance(x, tuple) else (x,)), y), first, of[-1])


def _table(path: str | Path) -> Weights:
    """A file of weights: two columns that name a variable and its value, then a column for each class."""
    try:
        head, *rows = csv.reader(Path(path).read_text(encoding="utf-8").splitlines())
        found = {(row[0], row[1]): dict(zip(head[2:], map(float, row[2:]), strict=True)) for row in rows if row}
    except OSError as error:
        raise InputError(f"the weights {path} cannot be read: {error.strerror}") from None
    except (ValueError, IndexError, csv.Error) as error:
        hint = "two columns that name a variable and its value, then one a class"
        raise InputError(f"the weights {path} are no table: {error}", hint=hint) from None
    if not found or not head[2:] or not all(head[2:]) or not all(math.isfinite(w) for row in found.values() for w in row.values()):
        raise InputError(f"the weights {path} are no table: it has no row, a class has no name, or a weight is not finite")
    return found


def _classified(read: _Reading, weights: Weights, digits: int) -> SOp:
    """The class whose scores add up to most, the first of equals; the special tokens that the text keeps stay."""
    classes = list(next(iter(weights.values())))
    scale = 10**digits

    def score(feature: str, value: object, c: str) -> int:
        return round(scale * weights[feature, str(value)][c]) if (feature, str(value)) in weights else 0

    sums = [
        [Map(_times(score(f, "_", c)) if number else lambda v, f=f, c=c: score(f, v, c), variable) for f, variable, number in read.scores]
        for c in classes
    ]
    said: SOp = Greatest(sums, classes)
    for place, word in read.kept:
        at = SequenceMap(lambda i, n, p=place: i == p % n, indices, length)
        here = SequenceMap(lambda t, held, w=word: held and t == w, tokens, Map(lambda i: i == 0, indices) if place == 0 else at)
        said = Choice(here, Full(word), said)
    return said.named("predictions")


def _times(factor: int) -> Callable[[Any], Any]:
    return lambda x: factor * x
