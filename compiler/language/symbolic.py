"""What a program handles stands for something at every position: it has no truth, no order and no length while the program is built.

Python asks these of any object, unseen, and has an answer for each: `if hit` is true and `hit == 3` is false, for any hit, and the
program built is another one than was written. So whatever a kind of symbol does not define itself is refused here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NoReturn

from ..errors import ProgramError, caller

BUILT = "while the program is built"


class Symbolic:
    """Refuses all that Python can do with an object and a kind of symbol does not define.

    `called` is what the kind is called in messages, `instead` what to write instead of any of it; where that is empty, it
    depends on what was tried.
    """

    __slots__ = ()
    __array_ufunc__ = None  # NumPy's numbers and arrays leave operators to this side
    called: ClassVar[str]
    instead: ClassVar[str] = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def _refusing(fact: str, hint: str) -> Callable[..., NoReturn]:
    def refuse(self: Symbolic, *others: object) -> NoReturn:
        raise ProgramError(fact.format(self.called), caller(), self.instead or hint)

    return refuse


_TRUTH = "{} has no truth of its own " + BUILT + ": it differs by position"
_SEQUENCE = "{} is no sequence " + BUILT + ": it stands for one thing at every position"
_NUMBER = "{} is no Python number " + BUILT + ": it differs by position"
_TABLE = "hw.table(f, x) applies a Python function, or looks x up"
_READ = "hw.previous(x) and x.at(position) read other positions; hw.match() searches them"

_METHODS = {
    "bool": (_TRUTH, "use hw.where(condition, x, y), and & | ~ instead of and, or, not; hw.minimum and hw.maximum for min and max"),
    **dict.fromkeys(("iter", "len", "getitem", "contains", "reversed"), (_SEQUENCE, _READ)),
    **dict.fromkeys(("int", "float", "complex", "index", "round", "trunc", "floor", "ceil"), (_NUMBER, _TABLE)),
    "hash": ("{} is no key of a dictionary or a set " + BUILT + ": it differs by position", _TABLE),
    "abs": ("abs() is no operation on {}", "use hw.maximum(x, -x)"),
    "pos": ("unary + is no operation on {}", "leave it out"),
    "neg": ("unary - is no operation on {}", ""),
    "invert": ("~ is no operation on {}", ""),
}
_OPERATORS = {
    "/": ("truediv", "use // for the quotient, rounded down"),
    "//": ("floordiv", "the divisor is an integer constant; use hw.table(f, x) for another function"),
    "%": ("mod", "the divisor is an integer constant; use hw.table(f, x) for another function"),
    "**": ("pow", "use hw.table(lambda x: x**2, x)"),
    "^": ("xor", "use != on booleans"),
    "<<": ("lshift", "multiply by a power of two"),
    ">>": ("rshift", "divide by a power of two: x // 2"),
    "@": ("matmul", "products are sums of matches; use hw.match(...).sum(x)"),
    "divmod()": ("divmod", "use x // k and x % k"),
    **{sign: (name, "") for sign, name in zip(("+", "-", "*", "&", "|"), ("add", "sub", "mul", "and", "or"), strict=True)},
}
_COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

for _name, (_fact, _hint) in _METHODS.items():
    setattr(Symbolic, f"__{_name}__", _refusing(_fact, _hint))
for _sign, (_name, _hint) in (*_OPERATORS.items(), *((sign, (name, "")) for sign, name in _COMPARISONS.items())):
    for _side in ("", "" if _sign in _COMPARISONS else "r"):
        setattr(Symbolic, f"__{_side}{_name}__", _refusing(f"{_sign} is no operation on {{}}", _hint))
