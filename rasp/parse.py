"""RASP's own language: text to operations. Errors name line and column."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

from ..compiler.errors import HeadworkError, InputError, ProgramError
from .bounded import Budget, numbers, plus, power, times
from .grammar import GRAMMAR, PRELUDE
from .selectors import Aggregate, Comparison, Select, Selector, SelectorWidth
from .sops import Choice, Full, Map, SequenceMap, SOp, Source, indices, length, tokens

if TYPE_CHECKING:
    from lark import Lark, Token, Tree

OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    **{"+": plus, "-": operator.sub, "*": times, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod},
    **{"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "^": power},
    **{"and": lambda x, y: x and y, "or": lambda x, y: x or y},
}
ONE: dict[str, Callable[[Any], Any]] = {
    **{"round": round, "floor": math.floor, "ceil": math.ceil, "abs": abs, "int": int, "float": float, "str": str},
    **{"indicator": lambda x: 1 if x else 0, "sin": math.sin, "cos": math.cos, "sqrt": math.sqrt, "exp": math.exp, "log": math.log},
}
OF_LISTS: dict[str, Callable[..., Any]] = {
    **{"range": numbers, "len": len, "zip": lambda *xs: [list(row) for row in zip(*xs, strict=False)]},
    **{"sum": lambda xs: reduce(lambda a, b: _binary("+", a, b), xs), "enumerate": lambda xs: [list(pair) for pair in enumerate(xs)]},
}


@dataclass(frozen=True)
class Parsed:
    """A text's names, and its result: the last operation that it shows, or else defines. It stands for that wherever a program does."""

    names: dict[str, Any]
    result: SOp

    def __headwork_program__(self) -> object:
        from .program import program

        return program(self.result)

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise InputError(f"the text defines no {name!r}", hint=f"it defines {', '.join(self.names)}")
        return self.names[name]


def parse(text: str, name: str = "rasp") -> Parsed:
    """A program in RASP's own language. `name` is what the text is called in errors.

    Needs lark (the extra `rasp`). Raises ProgramError with line and column where the text is no program, does what it cannot, or
    takes more steps, or makes longer words, lists and numbers, than `bounded.py` allows.
    """
    frame = Frame(dict(_prelude()), name, Budget())
    try:
        frame.run(_tree(text, name))
    except Given as given:
        raise frame.error(given.node, "return stands outside a function", "to give a value, write it as a statement: x;") from None
    except RecursionError:
        raise ProgramError(f"{name}: a function calls itself without end", hint="write the repetition as a loop") from None
    mine = {n: v for n, v in frame.names.items() if n not in _prelude() or v is not _prelude()[n]}
    operations = [v for v in mine.values() if isinstance(v, SOp)]
    if not frame.shown and not operations:
        hint = "end it with one, for example: selector_width(select(tokens, tokens, ==));"
        raise ProgramError(f"{name} defines no sequence operation", hint=hint)
    last = frame.shown[-1] if frame.shown else operations[-1]
    title = next((n for n, v in reversed(mine.items()) if v is last), last.name)
    return Parsed(mine, last if isinstance(last, Source) else last.named(title))


def _tree(text: str, name: str) -> Tree[Token]:
    from lark import UnexpectedInput

    try:
        return _parser().parse(text)
    except UnexpectedInput as error:
        line, column = getattr(error, "line", -1), getattr(error, "column", -1)
        lines = text.splitlines() or [""]
        if line is None or line < 1 or getattr(getattr(error, "token", None), "type", "") == "$END":
            line, column = len(lines), len(lines[-1]) + 1
        found = lines[line - 1][column - 1 :].split() if line <= len(lines) else []
        fact = f"{name}:{line}:{column}: " + (
            f"{found[0]!r} is not expected here" if found else "the text ends here, in the middle of a statement"
        )
        hint = "statements end with a semicolon" if not found or line > 1 else ""
        raise ProgramError(f"{fact}\n    {lines[line - 1].strip() if line <= len(lines) else ''}", hint=hint) from None


@cache
def _parser() -> Lark:
    try:
        from lark import Lark
    except ImportError:
        raise InputError("reading RASP's own language needs lark", hint="pip install 'headwork[rasp]'") from None
    return Lark(GRAMMAR, parser="lalr", propagate_positions=True)


@cache
def _prelude() -> dict[str, Any]:
    frame = Frame(
        {"tokens": tokens, "tokens_str": tokens, "indices": indices, "length": length, "tokens_int": Map(int, tokens)},
        "the prelude",
        Budget(None),
    )
    frame.names["tokens_float"] = Map(float, tokens)
    for one, f in ONE.items():
        frame.names[one] = lambda x, f=f: Map(f, x) if isinstance(x, SOp) else f(x)
    frame.names |= OF_LISTS | {"select": _select, "aggregate": _aggregate, "selector_width": _width, "min": _least(min), "max": _least(max)}
    frame.run(_tree(PRELUDE, "the prelude"))
    return frame.names


# --- meaning -----------------------------------------------------------------------------------------------


class Given(Exception):
    """A function gives its value, at a place in the text."""

    def __init__(self, value: object, node: object) -> None:
        super().__init__()
        self.value, self.node = value, node


@dataclass
class Frame:
    """The names of a text or of a function's call, and what was shown."""

    names: dict[str, Any]
    file: str
    budget: Budget
    shown: list[SOp] = field(default_factory=list)

    def run(self, tree: Tree[Token]) -> None:
        """All statements."""
        for statement in tree.children:
            self.statement(statement)

    def statement(self, node: Any) -> None:
        """One statement."""
        parts = node.children
        match node.data:
            case "assign":
                names = [str(p) for p in parts if _is_name(p)]
                values = [self.value(p) for p in parts if not _is_name(p)]
                self.bind(names, values[0] if len(values) == 1 and len(names) > 1 else values if len(names) > 1 else values[0], node)
            case "define":
                name, *parameters, body = (p for p in parts if p is not None)
                self.names[str(name)] = self.function(str(name), [str(p) for p in parameters], body)
            case "loop":
                *names, over, body = parts
                for value in self.value(over):
                    self.bind([str(n) for n in names], value, node)
                    self.run(body)
            case "give":
                values = [self.value(p) for p in parts]
                raise Given(values[0] if len(values) == 1 else values, node)
            case "show":
                value = self.value(parts[0])
                if isinstance(value, SOp):
                    self.shown.append(value)
            case _:
                return

    def bind(self, names: Sequence[str], value: Any, node: Any) -> None:
        """Give a name its value, or several names theirs."""
        if len(names) == 1:
            self.names[names[0]] = value.named(names[0]) if isinstance(value, (SOp, Selector)) and value.name == value.kind else value
            return
        if not isinstance(value, list) or len(value) != len(names):
            raise self.error(node, f"{len(names)} names are given {value!r}", "give as many values")
        for name, one in zip(names, value, strict=True):
            self.bind([name], one, node)

    def function(self, name: str, parameters: Sequence[str], body: Tree[Token]) -> Callable[..., Any]:
        """A function of the text's. It sees what the text has defined when it is called."""

        def call(*values: Any) -> Any:
            if len(values) != len(parameters):
                raise TypeError(f"{name}() takes {len(parameters)} values and was given {len(values)}")
            inner = Frame({**self.names, **dict(zip(parameters, values, strict=True))}, self.file, self.budget)
            try:
                inner.run(body)
            except Given as given:
                return given.value
            return None

        return call

    def error(self, node: Any, fact: str, hint: str = "") -> ProgramError:
        """An error at a node's line and column."""
        meta = getattr(node, "meta", node)
        return ProgramError(f"{self.file}:{getattr(meta, 'line', '?')}:{getattr(meta, 'column', '?')}: {fact}", hint=hint)

    def value(self, node: Any) -> Any:
        """What an expression is."""
        try:
            self.budget.step()
            return self._value(node)
        except (ProgramError, Given, RecursionError):
            raise
        except HeadworkError as error:
            raise self.error(node, error.fact, error.hint) from None
        except Exception as error:
            raise self.error(node, f"{type(error).__name__}: {error}") from None

    def _value(self, node: Any) -> Any:
        parts = [p for p in node.children if p is not None]
        match node.data:
            case "number":
                return float(parts[0]) if "." in parts[0] else int(parts[0])
            case "string":
                return str(parts[0])[1:-1]
            case "true" | "false" | "none":
                return {"true": True, "false": False, "none": None}[node.data]
            case "name":
                if str(parts[0]) not in self.names:
                    raise self.error(node, f"{parts[0]} is not defined", "names are defined before they are used")
                return self.names[str(parts[0])]
            case "list_":
                return [self.value(p) for p in parts]
            case "dict_":
                return {self.value(k): self.value(v) for k, v in (p.children for p in parts)}
            case "comprehension":
                body, *names, over = parts
                return [self._inside([str(n) for n in names], x, body, node) for x in self.value(over)]
            case "relation":
                return Comparison(str(parts[0]))
            case "call":
                return self._call(node, parts)
            case "item":
                return _item(*map(self.value, parts))
            case "choose":
                a, condition, b = map(self.value, parts)
                return _choose(condition, a, b)
            case "not_":
                x = self.value(parts[0])
                return ~x if isinstance(x, (SOp, Selector)) else not x
            case "negative":
                return _binary("-", 0, self.value(parts[1]))
            case "raised":
                return _binary("^", *map(self.value, parts))
            case "within" | "without":
                return _within(self.value(parts[0]), self.value(parts[1]), node.data == "within")
            case "and_" | "or_":
                return _binary(node.data[:-1], *map(self.value, parts))
            case "relate" | "binary":
                return _binary(str(parts[1]), self.value(parts[0]), self.value(parts[2]))
            case _:
                raise self.error(node, f"{node.data} has no meaning here")

    def _inside(self, names: Sequence[str], x: Any, body: Any, node: Any) -> Any:
        inner = Frame(dict(self.names), self.file, self.budget)
        inner.bind(names, x, node)
        return inner.value(body)

    def _call(self, node: Any, parts: Sequence[Any]) -> Any:
        function = self.value(parts[0])
        if isinstance(function, SOp):
            raise self.error(node, "a sequence operation is called", "hw.interpret(program, tokens) evaluates it")
        if not callable(function):
            raise self.error(node, f"{function!r} is called, which is no function")
        values = [self.value(p) for p in parts[1:] if p.data != "named"]
        options = {str(p.children[0]): self.value(p.children[1]) for p in parts[1:] if p.data == "named"}
        return function(*values, **options)


def _is_name(part: object) -> bool:
    return getattr(part, "type", "") == "NAME"


def _sop(x: Any) -> SOp:
    return x if isinstance(x, SOp) else Full(x)


def _binary(sign: str, a: Any, b: Any) -> Any:
    """An operator between operations, selectors and constants."""
    op = OPERATORS[sign]
    if isinstance(a, Selector) and isinstance(b, Selector):
        if sign not in ("and", "or"):
            raise TypeError(f"{sign} is no operation on selectors")
        return a & b if sign == "and" else a | b
    if isinstance(a, Selector) or isinstance(b, Selector):
        raise TypeError(f"{sign} combines a selector with what is none")
    if isinstance(a, SOp) and isinstance(b, SOp):
        return SequenceMap(op, a, b)
    if isinstance(a, SOp):
        return Map(lambda x: op(x, b), a)
    return Map(lambda x: op(a, x), b) if isinstance(b, SOp) else op(a, b)


def _select(keys: Any, queries: Any, relation: Any = Comparison.EQ) -> Selector:
    if not isinstance(relation, Comparison):
        raise TypeError("select(keys, queries, ==) compares by ==, !=, <, <=, > or >=")
    return Select(_sop(keys), _sop(queries), relation)


def _aggregate(selector: Any, values: Any, default: Any = None) -> SOp:
    return Aggregate(selector, _sop(values), default)


def _width(selector: Any, assume_bos: bool = False) -> SOp:
    return SelectorWidth(selector)


def _least(f: Callable[..., Any]) -> Callable[..., Any]:
    def of(*values: Any) -> Any:
        listed = values[0] if len(values) == 1 and isinstance(values[0], list) else values
        return reduce(lambda a, b: SequenceMap(f, _sop(a), _sop(b)) if isinstance(a, SOp) or isinstance(b, SOp) else f(a, b), listed)

    return of


def _item(x: Any, i: Any) -> Any:
    """An entry of a list or dictionary; an operation read at a position, from the end where it is negative; a table looked up."""
    if isinstance(x, dict) and isinstance(i, SOp):
        return Map(x.get, i)
    if not isinstance(x, SOp):
        return x[i]
    place = length + i if isinstance(i, int) and i < 0 else _sop(i)
    return Aggregate(Select(indices, place, Comparison.EQ), x)


def _within(x: Any, among: Any, wanted: bool) -> Any:
    """Whether a value is one of a list, or a list's is among an operation's values anywhere."""
    if isinstance(among, SOp):
        found = SelectorWidth(Select(among, _sop(x), Comparison.EQ)) > 0
        return found if wanted else ~found
    return Map(lambda v: (v in among) == wanted, x) if isinstance(x, SOp) else (x in among) == wanted


def _choose(condition: Any, a: Any, b: Any) -> Any:
    if isinstance(condition, SOp):
        return Choice(condition, _sop(a), _sop(b))
    return a if condition else b
