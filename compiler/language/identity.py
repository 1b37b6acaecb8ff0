"""`x is None`, of a value: Python answers it while the program is built, the same for every position, and nobody can stop it.

What can be seen is the function's code: a test of an input against None is found in its instructions, where it is kept, and a test
of what the language returned in its source.
"""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
from collections.abc import Sequence
from types import CodeType, FunctionType, ModuleType

from ..errors import Location, ProgramError

JUMPS = ("_IF_NONE", "_IF_NOT_NONE")  # how Python compiles `if x is None`
PACKAGE = __name__.split(".")[0]
NEVER_NONE = ("match", "maximum", "minimum", "previous", "scan", "select", "table", "visible")


def refuse_none_tests(function: object, inputs: Sequence[str]) -> None:
    """Raise a ProgramError at the line where a function tests one of its inputs, or what was made of them, by `is None`."""
    if not isinstance(function, FunctionType):
        return
    code = function.__code__
    steps = list(dis.get_instructions(code))
    set_anew = {step.argval for step in steps if step.opname.startswith("STORE_")}
    for step, tested, then in zip(steps, steps[1:], [*steps[2:], None], strict=False):
        against_none = tested.opname == "LOAD_CONST" and tested.argval is None and then is not None and then.opname == "IS_OP"
        if not (against_none or tested.opname.endswith(JUMPS)):
            continue
        if step.opname.startswith("LOAD_") and step.argval in inputs and step.argval not in set_anew:
            line = step.positions.lineno if step.positions else None
            _refuse(code, step.argval, line or code.co_firstlineno)
    for text, line in _Source(function, inputs).tests():
        _refuse(code, text, code.co_firstlineno + line - 1)


def _refuse(code: CodeType, text: str, line: int) -> None:
    fact = f"`{text} is None` is asked of Python, which answers once for all positions"
    hint = f"use ~{text}.exists" if text.isidentifier() else "name it, and use ~name.exists"
    raise ProgramError(fact, Location(code.co_filename, line), hint)


class _Source:
    """A function's source, and which expressions in it are values for certain: never None, whatever is given."""

    def __init__(self, function: FunctionType, inputs: Sequence[str]) -> None:
        self.inputs, self.given = inputs, function.__globals__
        self.body: list[ast.stmt] = []
        self.set: dict[str, list[ast.expr | None]] = {}  # what each name is set to, None where that is not one expression
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        except (OSError, TypeError, SyntaxError):  # no source is kept, or a lambda's line is no statement
            return
        if tree.body and isinstance(tree.body[0], ast.FunctionDef):
            self.body = tree.body[0].body
        plain = {
            id(node.targets[0]): node.value
            for top in self.body
            for node in ast.walk(top)
            if isinstance(node, ast.Assign) and len(node.targets) == 1
        }
        for node in (node for top in self.body for node in ast.walk(top)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.set.setdefault(node.id, []).append(plain.get(id(node)))
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):  # names of its own
                self.set |= {argument.arg: [None] for argument in _arguments(node)}

    def tests(self) -> list[tuple[str, int]]:
        """What is tested against None though it is a value, and the line, counted from the function's first."""
        found: list[tuple[str, int]] = []
        for node in (node for top in self.body for node in ast.walk(top)):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Is, ast.IsNot)):
                against = node.comparators[0]
                if isinstance(against, ast.Constant) and against.value is None and self._value(node.left, 0):
                    found.append((ast.unparse(node.left), node.lineno))
        return found

    def _value(self, x: ast.expr, depth: int) -> bool:
        if depth > 20:
            return False
        match x:
            case ast.Name(id=name) if name in self.set:
                return all(e is not None and self._value(e, depth + 1) for e in self.set[name])
            case ast.Name(id=name):
                return name in self.inputs
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=attribute)) if self._language(name):
                return attribute in NEVER_NONE
            case ast.Call(func=function):
                return isinstance(function, ast.Attribute) and self._value(function.value, depth + 1)
            case ast.Attribute(value=inner) | ast.UnaryOp(operand=inner):
                return self._value(inner, depth + 1)
            case ast.BinOp(left=left, right=right):
                return self._value(left, depth + 1) or self._value(right, depth + 1)
            case _:
                return False

    def _language(self, name: str) -> bool:
        """Whether a name is the package, or its language."""
        module = None if name in self.set else self.given.get(name)
        return isinstance(module, ModuleType) and module.__name__.split(".")[0] == PACKAGE


def _arguments(node: ast.AST) -> list[ast.arg]:
    arguments = getattr(node, "args", None)
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs] if isinstance(arguments, ast.arguments) else []
