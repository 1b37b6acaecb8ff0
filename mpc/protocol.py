"""Protocols: functions of a machine's number and its input words, to be traced, run and compiled for N machines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn, TypeAlias, cast

from ..compiler.calls import public
from ..compiler.codes.numerics import dtype_named
from ..compiler.domain import Alphabet, Sizes, Symbol, plain
from ..compiler.errors import InputError, ProgramError, caller
from ..compiler.graph import Graph
from ..compiler.language import Program, Value
from ..compiler.language.aggregate import Mean
from ..compiler.language.program import context_length, distinguished, inputs_of, place, returned, symbols_given
from ..compiler.ops import Position, Table, Token
from .trace import ProtocolBuilder, Trace

Memory: TypeAlias = int | Callable[[int], int]
GIVEN = ("me", "machines", "memory")
Words: TypeAlias = Mapping[str, Iterable[Symbol | None]]


@dataclass(frozen=True, repr=False)
class Protocol(Program):
    """A protocol of the MPC model: N machines, one a token, that compute locally and exchange at most s messages a round.

    `memory` is s, or a function of N. Of the function's inputs `me` is the machine's own number, a value; `machines` and
    `memory` are N and s as Python integers; the others are the machine's input words. `words` says what each word may be,
    and the alphabet is every combination of them.
    """

    memory: Memory = 2
    words: Words | Callable[[int], Words] | None = None

    @property
    def names_symbols(self) -> bool:
        """Whether it has symbols of its own: an alphabet, or values for its words."""
        return self.words is not None or self.alphabet is not None

    def memory_at(self, length: int) -> int:
        """s for so many machines. Raises InputError where it is no positive integer."""
        s = cast("int", plain(self.memory(length) if callable(self.memory) else self.memory))
        if isinstance(s, bool) or not isinstance(s, int) or s < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"protocol {self.name} has the memory {s!r}", hint="give the number of words a machine holds, at least 1")
        return s

    def symbols(self, length: int) -> int | tuple[Symbol, ...] | None:
        """The alphabet for so many machines: every combination of the words' values, single words plain."""
        if self.words is None:
            return self.alphabet
        words = self.words(length) if callable(self.words) else self.words
        if not isinstance(words, Mapping) or not all(isinstance(values, Iterable) for values in words.values()):  # pyright: ignore[reportUnnecessaryIsInstance]
            fact = f"protocol {self.name} has the words {words!r}"
            raise ProgramError(fact, place(self.function), 'give a range for every input word, for example {"successor": range(9)}')
        names = [name for name in self.inputs if name not in GIVEN]
        if list(words) != names:
            fact = f"protocol {self.name} has the words {', '.join(words) or 'none'} and takes {', '.join(names) or 'none'}"
            raise ProgramError(fact, place(self.function), "name a range for every input word, in the function's order")
        columns = [[cast("Symbol | None", plain(value)) for value in values] for values in words.values()]
        return tuple(cast("list[Symbol]", columns[0])) if len(columns) == 1 else tuple(itertools.product(*columns))

    def trace(self, length: int, alphabet: int | Sequence[Symbol] | None = None, dtype: str = "float32") -> Trace:
        """The protocol written down for N = length machines: its graph, its calls, its rounds.

        Raises ProgramError, DomainError or CapacityError with the user's line; InputError for impossible sizes.
        """
        length = context_length(length)
        spec = self.symbols(length) if alphabet is None else alphabet
        if spec is None:
            raise InputError(f"protocol {self.name} was given no alphabet", hint="pass alphabet=, or words= where it is defined")
        sizes = Sizes(length, Alphabet.of(spec), False, dtype_named(dtype).mantissa)
        builder = ProtocolBuilder(self.name, sizes, self.memory_at(length))
        given = self._arguments(builder)
        results, single = returned(f"protocol {self.name}", self.function, self.function(**given), builder)
        for r in results:
            if isinstance(r, Mean):
                raise ProgramError(
                    f"protocol {self.name} returned a mean", hint="return mean.numerator and mean.denominator, or compare it"
                )
        return builder.written([r.index for r in results if isinstance(r, Value)], single)

    def build(self, length: int, alphabet: int | Sequence[Symbol] | None = None, dtype: str = "float32") -> Graph:
        """The protocol as a program: every round's lookups and totals, and a guard where an inbox may overflow."""
        from .expand import expand

        return expand(self.trace(length, alphabet, dtype))

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        """Refused: a protocol counts its own rounds, so that it is no part of another."""
        hint = f"share a plain function of values between protocols; hw.run_protocol({self.name}, machines) runs it"
        raise ProgramError(f"protocol {self.name} was called as a function", caller(), hint)

    def rounds(self, length: int, alphabet: int | Sequence[Symbol] | None = None) -> int:
        """Rounds of the MPC model for so many machines, counted on the protocol as written."""
        return self.trace(length, alphabet).rounds

    def bidirectional(self) -> Protocol:
        """The protocol itself: its machines see all others."""
        return replace(self)

    def _arguments(self, builder: ProtocolBuilder) -> dict[str, Value | int]:
        me = Value(builder, builder.add(Position(), [], "me"))
        token = Value(builder, builder.add(Token(), [], "token"))
        names = [name for name in self.inputs if name not in GIVEN]
        known: dict[str, Value | int] = {"me": me, "machines": builder.sizes.length, "memory": builder.memory}
        found = {name: known[name] for name in self.inputs if name in GIVEN}
        if len(names) == 1:
            found[names[0]] = self._word(token, names[0], list(builder.sizes.alphabet.symbols), plain=True)
            return found
        for symbol in builder.sizes.alphabet.symbols:
            if not isinstance(symbol, tuple) or len(symbol) != len(names):
                fact = f"protocol {self.name} takes {len(names)} words and the alphabet holds {symbol!r}"
                raise ProgramError(fact, place(self.function), f"give symbols that are tuples of {len(names)}")
        columns: list[tuple[object, ...]] = list(zip(*builder.sizes.alphabet.symbols, strict=True))  # pyright: ignore[reportArgumentType]
        for name, column in zip(names, columns, strict=True):
            found[name] = self._word(token, name, column, plain=False)
        return found

    def _word(self, token: Value, name: str, column: Sequence[object], plain: bool) -> Value:
        """An input word: an integer or a boolean for every symbol, None for ⊥; symbols of another kind are words as they are."""
        kinds = {type(entry) for entry in column if entry is not None}
        if kinds <= {int} or kinds == {bool}:
            entries = tuple(None if entry is None else int(entry) for entry in column)  # pyright: ignore[reportArgumentType]
            op = Table("bool" if kinds == {bool} else "int", (0,), (len(entries),), entries, name)
            return Value(token.builder, token.builder.add(op, [token.index], name))
        if plain:
            return token
        fact = f"protocol {self.name} has the input word {name} of {', '.join(sorted(k.__name__ for k in kinds))}"
        raise ProgramError(fact, place(self.function), "words of tuples are integers or booleans, None for none; number other things")


@public
def protocol(
    function: Callable[..., object] | None = None,
    /,
    *,
    memory: Memory | None = None,
    words: Words | Callable[[int], Words] | None = None,
    alphabet: int | Sequence[Symbol] | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., object]], Protocol]:
    """Turn a function of `me` and input words into a protocol for machines of `memory` words (or of a function of N).

    `words` gives each input word its possible values, as a mapping or as a function of N that returns one; `alphabet` gives
    whole inputs instead. Parameters with a default are the function's own business. Raises ProgramError without a memory.
    """

    if function is not None or memory is None:
        what = f"protocol {getattr(function, '__name__', '')}".strip() if function is not None else "a protocol"
        hint = (
            'write @hw.protocol(memory=2, words={"x": range(9)}) above the function: s words a machine, and the values of each input word'
        )
        raise ProgramError(f"{what} was given no memory", place(function) if function is not None else caller(), hint)

    def make(f: Callable[..., object]) -> Protocol:
        given, inputs = inputs_of("protocol", f)
        if not set(inputs) - set(GIVEN):
            raise ProgramError(f"protocol {given} takes no input word", place(f), "for example def ranks(me, successor)")
        return Protocol(f, name or distinguished(given, f), False, symbols_given(alphabet), inputs, memory, words)

    return make
