"""`x is None`, of an input: Python answers it while the program is built, the same for every position, and nobody can stop it.

What can be seen is the function's code: a test of an input against None is found there and refused.
"""

from __future__ import annotations

import dis
from collections.abc import Sequence
from types import CodeType

from ..errors import Location, ProgramError

JUMPS = ("_IF_NONE", "_IF_NOT_NONE")  # how Python compiles `if x is None`


def refuse_none_tests(function: object, inputs: Sequence[str]) -> None:
    """Raise a ProgramError at the line where a function tests one of its inputs by `is None` or `is not None`."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return
    steps = list(dis.get_instructions(code))
    set_anew = {step.argval for step in steps if step.opname.startswith("STORE_")}
    for step, tested, then in zip(steps, steps[1:], [*steps[2:], None], strict=False):
        against_none = tested.opname == "LOAD_CONST" and tested.argval is None and then is not None and then.opname == "IS_OP"
        if not (against_none or tested.opname.endswith(JUMPS)):
            continue
        if step.opname.startswith("LOAD_") and step.argval in inputs and step.argval not in set_anew:
            line = step.positions.lineno if step.positions else None
            fact = f"`{step.argval} is None` is asked of Python, which answers once for all positions"
            raise ProgramError(fact, Location(code.co_filename, line or code.co_firstlineno), f"use ~{step.argval}.exists")
