"""Communication, as a protocol writes it: shuffle, scatter, gather, request, broadcast, all_reduce.

Every call starts a new round of the model; values computed before it are what is sent. Machines are numbered from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeAlias, TypeVar, cast, overload

from ..compiler.domain import plain
from ..compiler.errors import CapacityError, DomainError, Location, ProgramError, caller
from ..compiler.language.symbolic import Symbolic
from ..compiler.language.value import Value, boolean, number, numeric, require_value, same_kind, value_of
from ..compiler.ops import Affine, Clip
from .ops import HOW, Combine, Deliver, Gather, How, Received, Reduce, Request, Sender, Word
from .trace import CallKind, ProtocolBuilder, builder_of

Tuple: TypeAlias = tuple[Value, ...]
Payload: TypeAlias = Value | Tuple
P = TypeVar("P", Value, Tuple)
Pattern: TypeAlias = Callable[[int], int | None]


@dataclass(frozen=True, eq=False, repr=False)
class Inbox(Symbolic, Generic[P]):
    """What a machine received in one round, ordered by sender, then by slot.

    Combinations of tuples are taken word by word; `word(w)` reads one word, where not all of them can be combined.
    """

    builder: ProtocolBuilder
    shuffle: int
    payloads: tuple[tuple[Value, ...], ...]  # by slot, by word
    capacity: int
    tuples: bool
    chosen: tuple[int, ...]  # the words that are read
    called: ClassVar[str] = "an inbox"
    instead: ClassVar[str] = "read it: inbox.count, .messages, .senders, .first, .sum, .min, .max or .any"

    def word(self, number: int) -> Inbox[Value]:
        """The same inbox with one word of its tuples, counted from 0: `inbox.word(1).max`."""
        words = range(len(self.payloads[0]))
        if not self.tuples or isinstance(number, bool) or number not in words:
            what = f"messages of {len(words)} words" if self.tuples else "messages that are no tuples"
            raise DomainError(f"word({number!r}) is asked of {what}", caller(), "words count from 0")
        return Inbox(self.builder, self.shuffle, self.payloads, self.capacity, False, (number,))

    @property
    def count(self) -> Value:
        """How many messages arrived."""
        return value_of(self.builder, Received(), [self.shuffle], caller())

    @property
    def senders(self) -> list[Value]:
        """The sender of each message, `inbox` of them; ⊥ beyond the last."""
        line = caller()
        self._bounded("senders", line)
        return [value_of(self.builder, Sender(rank), [self.shuffle], line) for rank in range(self.capacity)]

    @property
    def messages(self) -> list[P]:
        """The messages, `inbox` of them: values, or tuples where tuples were sent; ⊥ beyond the last."""
        line = caller()
        self._bounded("messages", line)
        rows = [tuple(self._word(rank, w, line) for w in self.chosen) for rank in range(self.capacity)]
        return cast("list[P]", rows if self.tuples else [row[0] for row in rows])

    @property
    def sum(self) -> P:
        """The sum of what arrived, word by word; ⊥ adds nothing."""
        return self._combined("sum")

    @property
    def min(self) -> P:
        """The least of what arrived, word by word; ⊥ where nothing did."""
        return self._combined("min")

    @property
    def max(self) -> P:
        """The greatest of what arrived, word by word; ⊥ where nothing did."""
        return self._combined("max")

    @property
    def any(self) -> P:
        """Whether something true arrived, word by word."""
        return self._combined("any")

    @property
    def first(self) -> P:
        """The message of the least sender; ⊥ where nothing arrived."""
        return self._combined("first")

    def _bounded(self, what: str, line: Location | None) -> None:
        if not self.capacity:
            fact = f"an inbox of any size has no list of {what}"
            raise ProgramError(fact, line, "read count, sum, min, max, any or first, or give shuffle() inbox= a number")

    def _word(self, rank: int, word: int, line: Location | None) -> Value:
        args = [self.shuffle, *(slot[word].index for slot in self.payloads)]
        return value_of(self.builder, Word(rank, word, len(self.payloads)), args, line)

    def _combined(self, how: How) -> P:
        line = caller()
        found: list[Value] = []
        for word in self.chosen:
            column = [slot[word] for slot in self.payloads]
            for value in column:
                _combinable(how, f"inbox.{how}", value, line)
            op = Combine(how, word, len(column))
            found.append(value_of(self.builder, op, [self.shuffle, *(v.index for v in column)], line))
        return cast("P", tuple(found) if self.tuples else found[0])


@overload
def shuffle(to: Value, payload: P, inbox: int | Literal["any"] | None = None) -> Inbox[P]: ...
@overload
def shuffle(to: Sequence[Value], payload: Sequence[P], inbox: int | Literal["any"] | None = None) -> Inbox[P]: ...
def shuffle(to: Value | Sequence[Value], payload: Payload | Sequence[Payload], inbox: int | Literal["any"] | None = None) -> object:
    """One round: every machine sends a message in each slot, `payload[r]` to the machine `to[r]`; the inbox is what it gets.

    A destination that is ⊥ or no machine's number sends nothing. A payload is a value or a tuple of values. `inbox` says how
    many messages a machine may receive, the memory s if it is not given; more are a CapacityError when the protocol runs.
    `inbox="any"` takes any number, to be read by a combination only, and counts as the ceil(log_s N) rounds of a tree.

    Lowers to one attention layer (`routing.py`). Raises CapacityError where there are more slots than the memory s,
    DomainError where payloads do not fit together. Source: arXiv 2402.09268, section 3.
    """
    line = caller()
    targets = list(to) if isinstance(to, Sequence) else [to]
    if not targets:
        raise DomainError("shuffle() has no slot", line, "give to= at least one destination")
    builder = builder_of("shuffle()", targets[0])
    payloads, tuples = _payloads("shuffle()", payload, len(targets), isinstance(to, Sequence), line)
    pointers = [_pointer("shuffle()", target, builder, line) for target in targets]
    _slots("shuffle()", builder, len(targets), line)
    capacity = builder.memory if inbox is None else 0 if inbox == "any" else cast("int", plain(inbox))
    if (
        isinstance(capacity, bool)
        or not isinstance(capacity, int)
        or not 0 <= capacity <= builder.memory
        or (capacity == 0 and inbox != "any")
    ):
        raise DomainError(f"shuffle() was given inbox={inbox!r}", line, f'give a number from 1 to the memory {builder.memory}, or "any"')
    rounds, why = (1, "") if capacity else (_tree(builder), f"a tree of fan-in {builder.memory}")
    start = builder.call("shuffle", rounds, why, line)
    op = Deliver(start, len(targets), len(payloads[0]), capacity)
    args = [*(p.index for p in pointers), *(v.index for slot in payloads for v in slot)]
    return Inbox(builder, builder.add(op, args, "shuffle", line), payloads, capacity, tuples, tuple(range(len(payloads[0]))))


@overload
def scatter(to: Pattern, payload: P) -> Inbox[P]: ...
@overload
def scatter(to: Sequence[Pattern], payload: Sequence[P]) -> Inbox[P]: ...
def scatter(to: Pattern | Sequence[Pattern], payload: Payload | Sequence[Payload]) -> object:
    """One round whose pattern does not depend on data: slot r of machine i goes to machine `to[r](i)`, None for nowhere.

    Lowers to as many heads as any machine receives messages, at most s. Raises CapacityError where the
    pattern sends or brings a machine more messages than the memory s.
    """
    line = caller()
    patterns = list(to) if isinstance(to, Sequence) else [to]
    payloads, tuples = _payloads("scatter()", payload, len(patterns), isinstance(to, Sequence), line)
    builder = builder_of("scatter()", payloads[0][0])
    _slots("scatter()", builder, len(patterns), line)
    n = builder.sizes.length
    columns = [_numbers("scatter()", pattern, n, line) for pattern in patterns]
    rows = tuple(zip(*columns, strict=True))
    start = builder.call("scatter", 1, "", line)
    received: dict[int, list[int]] = {}
    for sender, row in enumerate(rows, 1):
        for target in row:
            if target:
                received.setdefault(target, []).append(sender)
    for target, senders in sorted(received.items()):
        if len(senders) > builder.memory:
            raise CapacityError.overflow(start, target, senders, builder.memory, line)
    capacity = max(map(len, received.values()), default=1)
    op = Deliver(start, len(patterns), len(payloads[0]), capacity, rows)
    index = builder.add(op, [v.index for slot in payloads for v in slot], "scatter", line)
    return Inbox(builder, index, payloads, capacity, tuples, tuple(range(len(payloads[0]))))


def gather(frm: Pattern, value: Value) -> Value:
    """One round whose pattern does not depend on data: machine i gets the value of machine `frm(i)`, ⊥ where that is None.

    Raises CapacityError where a machine would send its value to more than s machines; `broadcast` is for that.
    """
    line = caller()
    builder = builder_of("gather()", value)
    sources = _numbers("gather()", frm, builder.sizes.length, line)
    start = builder.call("gather", 1, "", line)
    for source in sorted(set(sources) - {0}):
        asked = [i for i, s in enumerate(sources, 1) if s == source]
        if len(asked) > builder.memory:
            fact = f"round {start}: machine {source} sends {len(asked)} messages, its memory holds {builder.memory}"
            raise CapacityError(fact, line, "use broadcast(), or spread the value over several rounds")
    return value_of(builder, Gather(start, tuple(sources)), [value.index], line)


@overload
def request(address: Value, value: P) -> P: ...
@overload
def request(address: Sequence[Value], value: P | list[P]) -> list[P]: ...
def request(address: Value | Sequence[Value], value: object) -> object:
    """Ask the machine at an address for its value (or tuple of values), ⊥ where there is none; a list asks several machines.

    Two rounds of the model, one attention layer. Any number of machines may ask for the same value: a pull has free
    fan-out (the model would copy what many ask for by a tree first). Raises CapacityError for more addresses than s.
    """
    line = caller()
    addresses = list(address) if isinstance(address, Sequence) else [address]
    if not addresses:
        raise DomainError("request() has no address", line, "give at least one")
    builder = builder_of("request()", addresses[0])
    several = isinstance(address, Sequence)
    rows: list[object] = list(value) if several and isinstance(value, list) else [value] * len(addresses)
    if len(rows) != len(addresses):
        raise DomainError(
            f"request() has {len(addresses)} addresses and {len(rows)} values", line, "give one value for all, or one for each"
        )
    _slots("request()", builder, len(addresses), line)
    pointers = [_pointer("request()", a, builder, line) for a in addresses]
    for word in (w for row in rows for w in (row if isinstance(row, tuple) else (row,))):
        require_value("request()", word, builder, line)
    start = builder.call("request", 2, "ask and answer", line)

    def answer(pointer: Value, word: object) -> Value:
        assert isinstance(word, Value)
        return value_of(builder, Request(start), [pointer.index, word.index], line)

    found = [
        tuple(answer(p, w) for w in cast("tuple[object, ...]", row)) if isinstance(row, tuple) else answer(p, row)
        for p, row in zip(pointers, rows, strict=True)
    ]
    return cast("list[Value]", found) if several else found[0]


def broadcast(value: Value, source: int = 1) -> Value:
    """The value of machine `source` at every machine: ceil(log_s N) rounds of the model, one attention layer."""
    line = caller()
    builder = builder_of("broadcast()", value)
    n, source = builder.sizes.length, cast("int", plain(source))
    if isinstance(source, bool) or not isinstance(source, int) or not 1 <= source <= n:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DomainError(f"broadcast() was given source={source!r}", line, f"give the number of a machine, 1 to {n}")
    start = builder.call("broadcast", _tree(builder), f"a tree of fan-out {builder.memory}", line)
    return value_of(builder, Gather(start, (source,) * n), [value.index], line)


def all_reduce(value: P, how: How = "sum") -> P:
    """The values of all machines together, word by word of a tuple, at every machine.

    2·ceil(log_s N) rounds of the model, one attention layer. Raises DomainError for an unknown `how`.
    """
    line = caller()
    words = cast("Tuple", value if isinstance(value, tuple) else (value,))
    if not words:
        raise DomainError("all_reduce() was given no word", line, "give a value, or a tuple of values")
    builder = builder_of("all_reduce()", words[0])
    if how not in HOW:
        raise DomainError(f"all_reduce() was given how={how!r}", line, f"give one of {', '.join(HOW)}")
    for word in words:
        require_value("all_reduce()", word, builder, line)
        _combinable(how, f"all_reduce({how})", word, line)
    start = builder.call("all_reduce", 2 * _tree(builder), f"a tree of fan-in {builder.memory}, and back", line)
    found = tuple(value_of(builder, Reduce(start, how), [word.index], line) for word in words)
    return cast("P", found if isinstance(value, tuple) else found[0])


def machine(number: Value) -> Value:
    """The machine of that number as an address, ⊥ where there is none: no communication, and no round.

    Addresses that are passed on as such, and asked for again, cost no local step in between.
    """
    return _pointer("machine()", number, builder_of("machine()", number), caller())


def _tree(builder: ProtocolBuilder) -> int:
    """ceil(log_s N), with s of at least 2: the depth of a tree over all machines."""
    rounds, reached = 0, 1
    while reached < builder.sizes.length:
        rounds, reached = rounds + 1, reached * max(2, builder.memory)
    return max(1, rounds)


def _slots(what: str, builder: ProtocolBuilder, slots: int, line: Location | None) -> None:
    if slots > builder.memory:
        start = 1 + sum(call.rounds for call in builder.calls)
        fact = f"round {start}: {what} sends {slots} messages from every machine, its memory holds {builder.memory}"
        raise CapacityError(fact, line, "give the machines more memory, or send over more rounds")


def _payloads(what: str, payload: object, slots: int, several: bool, line: Location | None) -> tuple[tuple[tuple[Value, ...], ...], bool]:
    """Payloads by slot and word, and whether they were written as tuples."""
    rows: list[object] = list(cast("Sequence[object]", payload)) if several and isinstance(payload, Sequence) else [payload]
    if len(rows) != slots:
        raise DomainError(f"{what} has {slots} destinations and {len(rows)} payloads", line, "give a payload for every slot")
    tuples = isinstance(rows[0], tuple)
    found: list[tuple[Value, ...]] = []
    for row in rows:
        words = cast("tuple[object, ...]", row) if isinstance(row, tuple) else (row,)
        if isinstance(row, tuple) != tuples or not words or len(words) != len(found[0] if found else words):
            raise DomainError(f"{what} has payloads of different shapes", line, "give every slot a value, or a tuple of as many words")
        for word in words:
            require_value(what, word, None, line)
        values = cast("tuple[Value, ...]", words)
        for word, first in zip(values, found[0] if found else values, strict=True):
            require_value(what, word, first.builder, line)
            same_kind(what, first, word, line)
        found.append(values)
    return tuple(found), tuples


def _pointer(what: str, address: object, builder: ProtocolBuilder, line: Location | None) -> Value:
    """A number as the position of a machine, ⊥ where there is no such machine."""
    require_value(what, address, builder, line)
    assert isinstance(address, Value)
    if not numeric(address):
        raise DomainError(f"{what} sends to {address.domain}, which is no machine", line, "give a machine's number, 1 to N")
    pointer = address
    if address.domain.kind != "position":
        pointer = Value(builder, builder.add(Affine("position", (1,), 0), [address.index], "address", line))
    n = builder.sizes.length
    if pointer.domain.lo < 1 or pointer.domain.hi > n:
        pointer = Value(builder, builder.add(Clip(1, n), [pointer.index], "address", line))
    return pointer


def _numbers(what: str, pattern: object, n: int, line: Location | None) -> list[int]:
    """A pattern's machine for every machine, 0 for none."""
    if not callable(pattern):
        raise DomainError(f"{what} was given the pattern {pattern!r}", line, "give a function of a machine's number")
    found: list[int] = []
    for machine in range(1, n + 1):
        try:
            target = plain(pattern(machine))
        except Exception as error:
            fact = f"{what} called its pattern with {machine} and it raised {type(error).__name__}: {error}"
            raise DomainError(fact, line, "return a machine's number, or None") from error
        if target is not None and (isinstance(target, bool) or not isinstance(target, int)):
            raise DomainError(f"{what}'s pattern returned {target!r} for machine {machine}", line, "return a machine's number, or None")
        found.append(target if target is not None and 1 <= target <= n else 0)
    return found


def _combinable(how: How, what: str, value: Value, line: Location | None) -> None:
    if how == "any":
        boolean(what, value, line)
    elif how in ("sum", "min", "max"):
        number(what, value, line)


__all__ = ["CallKind", "Inbox", "all_reduce", "broadcast", "gather", "machine", "request", "scatter", "shuffle"]
