"""What a program handles stands for something at every position: it has no truth, no order and no length while the program is built.

Python asks these of any object, unseen, and has an answer for each: `if hit` is true and `hit == 3` is false, for any hit, and the
program built is another one than was written. So whatever a kind of symbol does not define itself is refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, NoReturn

from ..calls import close
from ..errors import MemberError, ProgramError, caller

BUILT = "while the program is built"


class Symbolic:
    """Refuses all that Python can do with an object and a kind of symbol does not define.

    `called` is what the kind is called in messages, `instead` what to write instead of any of it; where that is empty, it
    depends on what was tried. `elsewhere` says of members that other kinds have how they are reached from here.
    """

    __slots__ = ()
    called: ClassVar[str]
    instead: ClassVar[str] = ""
    elsewhere: ClassVar[Mapping[str, str]] = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __array_ufunc__(self, ufunc: object, method: str, *inputs: object, **options: object) -> object:
        """NumPy's numbers and arrays leave operators to this side; NumPy's other functions are refused by name."""
        name = getattr(ufunc, "__name__", "")
        own = _OF_NUMPY.get(name)
        if own is None or method != "__call__" or len(inputs) != 2 or options:
            return self.__array_function__(ufunc, (), (), {})
        first, second = inputs
        if isinstance(first, Symbolic):
            return getattr(first, f"__{own}__")(second)
        return getattr(second, f"__{_REFLECTED.get(own, 'r' + own)}__")(first)

    def __array_function__(self, function: object, types: object, args: object, kwargs: object) -> NoReturn:
        name = getattr(function, "__name__", "")
        raise ProgramError(f"np.{name} is no operation on {self.called}", caller(), self.instead or _INSTEAD.get(name, _TABLE))

    if not TYPE_CHECKING:  # a member that there is not stays an error to type checkers

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self)
            if name.startswith("_"):  # what Python, NumPy and notebooks look for
                raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}")
            members = {*dir(kind), *getattr(kind, "__dataclass_fields__", ())} - set(_ABOUT)
            there = sorted(member for member in members if not member.startswith("_"))
            meant = close(name, there)
            hint = kind.elsewhere.get(name, "") or (f"did you mean .{meant}?" if meant else f"it has {', '.join(there)}")
            raise MemberError(f"{self.called} has no {name!r}", caller(), hint)


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
_ABOUT = ("called", "instead", "elsewhere", "builder", "index", "condition", "lookups", "pick", "rank", "only")
_OF_NUMPY = {
    **{"add": "add", "subtract": "sub", "multiply": "mul", "floor_divide": "floordiv", "remainder": "mod", "power": "pow"},
    **{"divide": "truediv", "divmod": "divmod", "matmul": "matmul", "left_shift": "lshift", "right_shift": "rshift"},
    **{"bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor"},
    **{"equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge"},
}
_REFLECTED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_INSTEAD = {
    **dict.fromkeys(("maximum", "fmax", "max", "amax"), "use hw.maximum(x, y)"),
    **dict.fromkeys(("minimum", "fmin", "min", "amin"), "use hw.minimum(x, y)"),
    **{"where": "use hw.where(condition, x, y)", "absolute": "use hw.maximum(x, -x)", "abs": "use hw.maximum(x, -x)"},
    **{"logical_and": "use & on booleans", "logical_or": "use | on booleans", "logical_not": "use ~ on a boolean"},
    **dict.fromkeys(("sum", "mean", "cumsum"), "sums over positions are of a selector: hw.visible(x).sum(x)"),
}
_COMPARISONS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

for _name, (_fact, _hint) in _METHODS.items():
    setattr(Symbolic, f"__{_name}__", _refusing(_fact, _hint))
for _sign, (_name, _hint) in (*_OPERATORS.items(), *((sign, (name, "")) for sign, name in _COMPARISONS.items())):
    for _side in ("", "" if _sign in _COMPARISONS else "r"):
        setattr(Symbolic, f"__{_side}{_name}__", _refusing(f"{_sign} is no operation on {{}}", _hint))
