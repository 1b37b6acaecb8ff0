"""Loops: one block, compiled once, that is applied again and again to a state of values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import overload

from ..calls import public, short
from ..domain import plain
from ..errors import DomainError, Location, ProgramError, caller
from ..loops import Tie, joined
from ..ops import Given
from .program import Program, place, require_program, returned
from .value import Value, alike, lift

MOST_TIMES = 1 << 16


@overload
def loop(times: int | Callable[[int], int], body: Callable[..., object], start: object, /) -> Value: ...
@overload
def loop(
    times: int | Callable[[int], int], body: Callable[..., object], first: object, second: object, /, *more: object
) -> tuple[Value, ...]: ...
@public
def loop(times: int | Callable[[int], int], body: Callable[..., object], *start: object) -> Value | tuple[Value, ...]:
    """The state after `times` rounds of `body`, which starts from `start`: a block whose weights are there once.

    `body` takes the state's values and returns the next ones, in the same order: one value, or as many as it takes. `times` is a number,
    or a function of the context length N; a compiled model takes another when it runs (`model.run(tokens, times=…)`). What the body
    reads from outside is the same in every round. Returns one value where there is one, else a tuple.

    A program has one loop that is tied; a loop inside a body is written out, and `hw.unrolled(program)` writes out all.
    Raises ProgramError for a body that takes or returns another number of values or changes nothing, DomainError for one that leaves
    the domain of its state, with the value that grows. Source: looped transformers, arXiv 2301.13196.
    """
    line = caller()
    values = [x for x in start if isinstance(x, Value)]
    if not values:
        what = "no state" if not start else "no value of the program"
        raise ProgramError(f"loop() was given {what}", line, "write hw.loop(times, body, x): the body starts from x")
    builder = values[0].builder
    names = _names(body, len(start), line)
    state = [_started(values[0], x, line) for x in start]
    loops = builder.loops
    count = loops.times if loops.times is not None else _count(times, builder.sizes.length, line)
    if loops.tie is not None and not loops.tie.inside:
        state = _tied(loops.tie, names, state, body, count, line)
    else:
        loops.count += not loops.written
        for _ in range(count):
            state = _next(body, names, state, line)
    return state[0] if len(state) == 1 else tuple(state)


def unrolled(program: Program, times: int | None = None) -> Program:
    """The same program with its loops written out, each round with weights of its own, which the optimiser may then make fewer.

    `times` is the number of rounds, by default the program's own. Raises ProgramError for what is no program.
    """
    program = require_program("unrolled()", program)
    if times is not None:
        times = _count(times, 1, None)

    def function(**inputs: Value) -> object:
        for value in inputs.values():
            value.builder.loops.written, value.builder.loops.times = True, times
        return program.function(**inputs)

    function.__wrapped__ = program.function  # pyright: ignore[reportFunctionMemberAccess]
    return replace(program, function=function, origin=(unrolled, (("program", program), ("times", times))))


def _tied(
    tie: Tie, names: tuple[str, ...], start: list[Value], body: Callable[..., object], times: int, line: Location | None
) -> list[Value]:
    """The symbolic state, once the body has been applied to it."""
    builder = start[0].builder
    if tie.start:
        hint = "compile hw.unrolled(program), or put both into one state"
        raise ProgramError(f"program {builder.name} has a second loop, and one block is tied", line, hint)
    domains = [value.domain for value in start]
    for j, known in enumerate(tie.known):
        both = joined(domains[j], known)
        domains[j] = known if both is None else both
    given = [Value(builder, builder.add(Given.of(j, d), [], name)) for j, (d, name) in enumerate(zip(domains, names, strict=True))]
    tie.inside = True
    after = _next(body, names, given, line)
    tie.inside = False
    tie.names, tie.times, tie.line = names, times, line
    tie.start, tie.state, tie.after = (tuple(v.index for v in values) for values in (start, given, after))
    return given


def _next(body: Callable[..., object], names: tuple[str, ...], state: list[Value], line: Location | None) -> list[Value]:
    """One round. Raises ProgramError for another number of values, DomainError for values of another kind."""
    found, single = returned("loop()'s body", body, body(*state), state[0].builder)
    if len(found) != len(state) or (len(state) > 1 and single):
        raise ProgramError(
            f"loop()'s body returned {len(found)} values and takes {len(state)}", line, f"return the next {', '.join(names)}"
        )
    after: list[Value] = []
    for name, old, new in zip(names, state, found, strict=True):
        if not isinstance(new, Value):
            raise ProgramError(f"loop()'s body returned a fraction for {name}", line, "return its numerator and denominator")
        if joined(old.domain, new.domain) is None:
            raise DomainError(f"loop()'s body makes {new.domain} of {name}, which is {old.domain}", line, "return a value of the same kind")
        after.append(new)
    return after


def _started(like: Value, x: object, line: Location | None) -> Value:
    """A value that the state starts from; a literal is of the kind that it looks like."""
    if isinstance(x, Value):
        if x.builder is not like.builder:
            raise ProgramError("loop() mixes values of two programs", line, "build values inside one program function")
        return x
    if x is None:
        raise DomainError("loop() starts from None, which is ⊥ of no kind", line, "write hw.where(False, x, None) for an x of its kind")
    return lift(x, alike(like.builder, x), "loop()", line)


def _names(body: object, count: int, line: Location | None) -> tuple[str, ...]:
    """What the body calls the state's values."""
    if not callable(body):
        raise ProgramError(f"loop()'s body is {short(body)}, not a function", line, "write a function of the state's values")
    try:
        parameters = list(inspect.signature(body).parameters.values())
    except (TypeError, ValueError):
        raise ProgramError("loop()'s body does not say what it takes", line, "wrap it in a function of your own") from None
    names = tuple(p.name for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    if len(names) != count or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters):
        raise ProgramError(
            f"loop()'s body takes {len(names)} values and is started from {count}", line or place(body), "start it from one value for each"
        )
    return names


def _count(times: object, length: int, line: Location | None) -> int:
    """The number of rounds."""
    given = plain(times(length) if callable(times) else times)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= MOST_TIMES:
        raise ProgramError(f"loop() repeats {short(given)} times", line, f"give a number in 0..{MOST_TIMES:,}, or a function of the length")
    return given


def rounds(what: str, times: object) -> int:
    """A number of rounds that a caller asks for. Raises ProgramError for what is none."""
    try:
        return _count(times, 1, None)
    except ProgramError:
        raise ProgramError(f"{what} was given times={short(times)}", hint=f"give a number in 0..{MOST_TIMES:,}") from None


__all__ = ["loop", "rounds", "unrolled"]
