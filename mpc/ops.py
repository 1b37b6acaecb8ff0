"""What machines do between local steps, as operations of a protocol's graph.

A protocol's graph has the language's local operations and these. Nothing below the language knows them: `expand.py` writes
a protocol with lookups and totals, and `superstep.py` runs it message by message.

A `Deliver` is one shuffle. Its value at a machine is that machine's inbox: the messages (sender, slot, words) sent to it,
ordered by sender, then by slot. `Received`, `Sender`, `Word` and `Combine` read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from ..compiler.domain import Domain, Kind, Sizes
from ..compiler.ops import Op

Message: TypeAlias = tuple[int, int, tuple[int | None, ...]]  # sender, slot, words
How: TypeAlias = Literal["sum", "min", "max", "any", "first", "count"]
HOW: tuple[How, ...] = ("sum", "min", "max", "any", "first", "count")


@dataclass(frozen=True)
class Deliver(Op):
    """A shuffle in round `round`: arguments are `slots` destinations (none where a `pattern` is known), then `words` a slot.

    A destination that is ⊥ or names no machine sends nothing. A machine may receive `capacity` messages, 0 for any number.
    `pattern` holds the destination of every machine and slot, 0 for none, where they are known while compiling.
    """

    round: int
    slots: int
    words: int
    capacity: int
    pattern: tuple[tuple[int, ...], ...] = ()
    name: ClassVar[str] = "shuffle"
    attends: ClassVar[bool] = True

    def arity(self) -> int:
        return self.slots * (self.words + (not self.pattern))

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return Domain("int", 0, self.capacity if self.pattern else self.slots * sizes.length)

    def label(self) -> str:
        return f"shuffle in round {self.round}" + (", pattern known" if self.pattern else "")


@dataclass(frozen=True)
class Received(Op):
    """How many messages an inbox holds. Argument: the shuffle."""

    name: ClassVar[str] = "received"

    def arity(self) -> int:
        return 1

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return args[0]


@dataclass(frozen=True)
class Sender(Op):
    """The machine that sent message number `rank` (from 0) of an inbox, ⊥ beyond the last. Argument: the shuffle."""

    rank: int
    name: ClassVar[str] = "sender"

    def arity(self) -> int:
        return 1

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return Domain("position", 1, sizes.length, none=True)

    def label(self) -> str:
        return f"sender of message {self.rank}"


@dataclass(frozen=True)
class Word(Op):
    """Word `word` of message number `rank` of an inbox, ⊥ beyond the last. Arguments: the shuffle, that word of every slot."""

    rank: int
    word: int
    slots: int
    name: ClassVar[str] = "word"

    def arity(self) -> int:
        return 1 + self.slots

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return union(args[1:]).maybe()

    def label(self) -> str:
        return f"word {self.word} of message {self.rank}"


@dataclass(frozen=True)
class Combine(Op):
    """One word of all messages of an inbox together; arguments as of `Word`. ⊥ words count for `count` and `first` only.

    Of no word at all: 0 for sum and count, false for any, else ⊥. `first` is the word of the first message.
    """

    how: How
    word: int
    slots: int
    name: ClassVar[str] = "combine"

    def arity(self) -> int:
        return 1 + self.slots

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return combined(self.how, union(args[1:]), args[0].hi)

    def label(self) -> str:
        return f"{self.how} of word {self.word}"


@dataclass(frozen=True)
class Request(Op):
    """Ask the machine at an address for a value, in rounds `round` and `round + 1`. Arguments: the address, the value."""

    round: int
    name: ClassVar[str] = "request"
    attends: ClassVar[bool] = True

    def arity(self) -> int:
        return 2

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return args[1].maybe()

    def label(self) -> str:
        return f"request in round {self.round}"


@dataclass(frozen=True)
class Gather(Op):
    """Read a value from the machine that `sources` names for each machine, 0 for none. Argument: the value."""

    round: int
    sources: tuple[int, ...]
    name: ClassVar[str] = "gather"
    attends: ClassVar[bool] = True

    def arity(self) -> int:
        return 1

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return args[0].maybe()

    def label(self) -> str:
        return f"gather in round {self.round}"


@dataclass(frozen=True)
class Reduce(Op):
    """The value of all machines together, at every machine: an all-reduce. Argument: the value."""

    round: int
    how: How
    name: ClassVar[str] = "reduce"
    attends: ClassVar[bool] = True

    def arity(self) -> int:
        return 1

    def domain(self, args: Sequence[Domain], sizes: Sizes) -> Domain:
        return combined(self.how, args[0], sizes.length)

    def label(self) -> str:
        return f"all-reduce {self.how} in round {self.round}"


def union(domains: Sequence[Domain]) -> Domain:
    """The least domain that holds several: of their kind, or of integers where they are numbers of several kinds."""
    kinds = {d.kind for d in domains}
    kind: Kind = domains[0].kind if len(kinds) == 1 else "int"
    return Domain(kind, min(d.lo for d in domains), max(d.hi for d in domains), any(d.none for d in domains))


def combined(how: How, word: Domain, most: int) -> Domain:
    """The domain of a combination of at most `most` words."""
    match how:
        case "sum":
            lo, hi = (0, 1) if word.kind == "bool" else (word.lo, word.hi)
            return Domain("int", most * min(0, lo), most * max(0, hi))
        case "count":
            return Domain("int", 0, most)
        case "any":
            return Domain("bool", 0, 1)
        case "min" | "max" | "first":
            return word.maybe()


def combine(how: How, words: Sequence[int | None]) -> int | None:
    """What `Combine` and `Reduce` mean on the words of an inbox, in order."""
    values = [w for w in words if w is not None]
    match how:
        case "sum":
            return sum(values)
        case "count":
            return len(words)
        case "any":
            return int(any(values))
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
        case "first":
            return words[0] if words else None


READERS = (Received, Sender, Word, Combine)
