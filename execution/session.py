"""Sessions: a model that has read a text and goes on from there, token by token, in constant time a token and head."""

from __future__ import annotations

import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.domain import Symbol, plain
from ..compiler.errors import EngineWarning, InputError
from ..runtime.model import require_bits
from ..runtime.outputs import read, require_capacity
from ..runtime.place import named
from ..runtime.tokens import encode, in_order
from .cache import Cache
from .choose import ENGINES
from .grounds import grounds, require
from .held import Held, require_unwatched
from .loop import State, advance, fresh, larger, working
from .machine import Machine, packed
from .memo import blank
from .plan import plan_of

if TYPE_CHECKING:
    from ..runtime.model import Model

FIRST = 256  # positions that a new session has room for
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)  # of zip files


class Session:
    """A causal model and the text it has read. `feed` reads on, `generate` says what follows and reads it.

    A certified model has an index for each head: a token costs the same after 10 or 10^6 others, and what it answers is what `run`
    answers, bit for bit. Any other model keeps the keys and values of each layer (a KV cache), and a token costs as many products as the
    text is long. `engine` says which: "sparse" or "dense". Once the model's tensors change, a session refuses to go on.
    """

    def __init__(self, model: Model, engine: str = "auto") -> None:
        if not model.graph.sizes.causal:
            raise InputError(f"{model.name} is bidirectional: its earlier answers change as the text grows", hint="compile it causal")
        if engine not in ENGINES:
            raise InputError(f"there is no engine {engine!r}", hint=f"engines are {', '.join(ENGINES)}")
        require_unwatched(model)
        require_bits(model)
        self.model = model
        self.reason = grounds(model).reason if engine == "auto" else require(model).reason if engine == "sparse" else "dense was asked for"
        self._machine: Machine | None = None
        if not self.reason:
            plan = plan_of(model, require(model))
            self._gap, self._machine = plan.gap, packed(plan)
            self.reason = "" if self._machine is not None else "an output is no code book"
        self._n, self._held = 0, Held(model)
        self._off = model.output_forms[0].off
        if self._machine is not None:
            self._state = fresh(self._machine, min(FIRST, model.length) + 1)
            self._room, self._memo = working(self._machine), blank(self._machine)
        else:
            self._cache = Cache(model)

    def __len__(self) -> int:
        return self._n

    def __repr__(self) -> str:
        return f"<Session of {self.model.name}: {self._n:,} of {self.model.length:,} tokens read, {self.engine}>"

    @property
    def engine(self) -> str:
        """How it runs: "sparse", or "dense" for the reason that `reason` gives."""
        return "dense" if self.reason else "sparse"

    @property
    def text(self) -> list[Symbol]:
        """The text read so far."""
        symbols = self.model.alphabet.symbols
        return [symbols[i] for i in self._ids()]

    @property
    def answers(self) -> list[Symbol | None]:
        """The program's result at every position read so far, as `run` has it."""
        return self._answers(0)

    def feed(self, tokens: Sequence[Symbol], strict: bool = True) -> list[Symbol | None]:
        """Read tokens; what the model answers at each of them. Raises InputError and CapacityError as `Model.run` does."""
        ids, start = self._encoded(tokens), self._n
        self._read(ids)
        return self._answers(start, strict)

    def generate(self, steps: int) -> list[Symbol]:
        """Say what follows, at most `steps` symbols, and read it; it ends at ⊥ or when the text is N long.

        Raises InputError as `hw.generate` does.
        """
        symbols = self.model.alphabet.symbols
        return [symbols[i] for i in self._say(steps)]

    def stream(self, steps: int) -> Iterator[Symbol]:
        """The same, symbol by symbol as they come; a little is said ahead of what is taken."""
        said, step, steps = 0, 1, self._steps(steps)
        while said < steps:
            found = self.generate(min(step, steps - said))
            yield from found
            said, step = said + len(found), min(2 * step, 4096)
            if not found:
                return

    def fork(self) -> Session:
        """A second session at the same place, independent of this one. Raises InputError where the model's tensors have changed."""
        self._held.require()
        other = Session.__new__(Session)
        other.__dict__.update(self.__dict__)
        if self._machine is not None:
            other._state = State._make(array.copy() for array in self._state)
            other._room, other._memo = working(self._machine), blank(self._machine)
        else:
            other._cache = self._cache.fork()
        return other

    def verify(self, text: Sequence[Symbol]) -> int | None:
        """The first place, counted from 0, at which a text is not what the model would have said after what was read; None if it is.

        The text is not read: all answers are found in one pass. Raises InputError as `feed` and `generate` do.
        """
        self._require_symbol()
        ids = self._encoded(text)
        self._held.require(numbers=True)
        if not ids:
            return None
        other, before = self.fork(), self._last()
        other._read(ids[:-1])
        answers = other._classes(self._n)[:, 0]  # at every token but the last
        said = np.concatenate([[-1 if before is None else before], np.where(answers > 0, answers + self._off, -1)])
        wrong = np.flatnonzero(said != np.array(ids))
        return int(wrong[0]) if len(wrong) else None

    def save(self, path: str | Path) -> Path:
        """Write the session to one .npz file, whole or not at all: its text, and the digest of the tensors that read it."""
        path = named(path)
        self._held.require(numbers=True)
        made = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with made.open("wb") as file:
                np.savez(file, allow_pickle=False, text=np.array(self._ids(), np.int64), of=np.frombuffer(self._held.stamp, np.uint8))
            made.replace(path)
        except OSError as error:
            made.unlink(missing_ok=True)
            raise InputError(f"{path} cannot be written: {error.strerror}", hint="choose another place for the session") from error
        return path

    def restore(self, path: str | Path) -> Session:
        """Go on from a saved session of the same model, by reading its text again. Raises InputError for a file that is none."""
        self._held.require(numbers=True)
        try:
            with named(path).open("rb") as file, np.load(file, allow_pickle=False) as found:
                text, of = found["text"], found["of"]
        except (*UNREADABLE, OSError) as error:
            raise InputError(f"{path} is no saved session: {error}", hint="give the file that save() wrote") from error
        if text.dtype != np.int64 or text.ndim != 1 or of.dtype != np.uint8:
            raise InputError(f"{path} is no saved session: it has other arrays", hint="give the file that save() wrote")
        if of.tobytes() != self._held.stamp:
            raise InputError(f"{path} is a session of another model, or of other tensors", hint="restore it with the model that saved it")
        if len(text) > self.model.length or (len(text) and not 0 <= text.min() <= text.max() < len(self.model.alphabet)):
            raise InputError(f"{path} is no saved session: its text is none of this model's", hint="give the file that save() wrote")
        other = Session(self.model, "dense" if self._machine is None else "sparse")
        other._read(text.tolist())
        self.__dict__.update(other.__dict__)
        return self

    # --- below -----------------------------------------------------------------------------------------------

    def _encoded(self, tokens: Sequence[Symbol]) -> list[int]:
        """Token ids of what comes next. Raises InputError where the text would be longer than the model, or its tensors have changed."""
        self._held.require()
        ids = encode(self.model.graph.sizes, in_order(tokens))
        if self._n + len(ids) > self.model.length:
            fact = f"the text would have {self._n + len(ids):,} tokens, more than the length {self.model.length:,}"
            raise InputError(fact, hint="compile for a greater length")
        return ids

    def _ids(self) -> list[int]:
        return self._state.text[1 : self._n + 1].tolist() if self._machine is not None else list(self._cache.ids)

    def _classes(self, start: int) -> np.ndarray:
        """Classes of the answers from a position on. Shape (n - start, outputs)."""
        return (
            self._state.said[start + 1 : self._n + 1]
            if self._machine is not None
            else np.array(self._cache.said[start:]).reshape(-1, len(self.model.output_forms))
        )

    def _said(self, i: int) -> int | None:
        """The token that the model answers at position i, counted from 1."""
        found = int(self._classes(i - 1)[0, 0])
        return found + self._off if found else None

    def _last(self) -> int | None:
        return self._said(self._n) if self._n else None

    def _answers(self, start: int, strict: bool = True) -> list[Symbol | None]:
        graph, forms = self.model.graph, self.model.output_forms
        rows = self._classes(start)
        columns = [[c + form.off if c else None for c in rows[:, o].tolist()] for o, form in enumerate(forms)]
        if graph.guard is not None and strict:
            require_capacity(graph, self._ids(), [*([None] * start), *columns[-1]])
        return read(graph, columns[: len(graph.outputs)])

    def _require_room(self, count: int) -> None:
        """Refuse so many tokens more than the model has positions for."""
        if self._n + count > self.model.length:
            fact = f"the text would have {self._n + count:,} tokens, more than the length {self.model.length:,}"
            raise InputError(fact, hint="compile for a greater length")

    def _require_symbol(self) -> None:
        model = self.model
        if len(model.output_forms) > 1:
            raise InputError(f"{model.name} gives {model.graph.gives()}, and one symbol is needed to go on with", hint="use run()")
        if model.output_domain.kind != "token":
            raise InputError(f"{model.name} answers {model.output_domain}, which is no symbol to go on with", hint="use run()")

    def _steps(self, steps: int) -> int:
        """A number of steps as given. Raises InputError for what is none, and where there is nothing to go on from."""
        self._require_symbol()
        number = plain(steps)
        if isinstance(number, bool) or not isinstance(number, int) or number < 0 or not self._n:
            raise InputError(
                f"cannot generate {number!r} steps from {self._n} tokens", hint="give at least one token, and steps of at least 0"
            )
        return number

    def _say(self, steps: int) -> list[int]:
        steps = self._steps(steps)
        self._held.require()
        start, stop = self._n, min(self._n + steps, self.model.length)
        if self._machine is not None and self._run(start + 1, start, stop):
            return self._state.text[start + 1 : self._n + 1].tolist()
        while self._n < stop and (token := self._last()) is not None:
            self._read([token])
        return self._ids()[start:]

    def _read(self, ids: Sequence[int]) -> None:
        if self._machine is not None:
            start, stop = self._n + 1, self._n + len(ids)
            self._reserve(stop)
            self._state.text[start : stop + 1] = ids
            if self._run(start, stop, stop):
                return
            ids = self._state.text[self._n + 1 : stop + 1].tolist() if self._machine is not None else ids[self._n + 1 - start :]
        if len(ids):
            self._cache.feed(list(ids))
            self._n += len(ids)

    def _reserve(self, stop: int) -> None:
        assert self._machine is not None
        cap = len(self._state.text)
        if stop >= cap:
            self._state = larger(self._machine, self._state, self._n, min(max(2 * cap, stop + stop // 4 + 1), self.model.length + 1))

    def _run(self, start: int, known: int, stop: int) -> bool:
        """Read and say by the machine; False where a head has no index here, from where on the session is dense."""
        machine = self._machine
        assert machine is not None
        while True:
            until = min(stop, max(known, start + len(self._state.text), 4096))
            self._reserve(until)
            done = int(advance(machine, self._state, self._room, self._memo, self._gap, start, known, until, self._off))
            if done < 0:
                self._fall_back(-done - 1)
                return False
            self._n = done
            if done == stop or done < until:
                return True
            start = done + 1

    def _fall_back(self, n: int) -> None:
        """Go on densely: the first n positions are read again."""
        ids = self._state.text[1 : n + 1].tolist()
        self.reason = f"a head has no index for the text at position {n + 1}"
        warnings.warn(f"{self.model.name}: {self.reason}; the session goes on densely", EngineWarning, stacklevel=4)
        self._machine, self._cache = None, Cache(self.model)
        self._n = n
        if ids:
            self._cache.feed(ids)


def session(model: Model, engine: str = "auto") -> Session:
    """A session of a model that has read nothing yet; `engine` as in `Model.run`. Raises InputError for a bidirectional model."""
    return Session(model, engine)


def generate_all(sessions: Sequence[Session], steps: int) -> list[list[Symbol]]:
    """What several sessions say, each at most `steps` symbols; side by side on the cores there are.

    Raises InputError for what is no session, and for one twice: it is at one place at a time.
    """
    if not isinstance(sessions, (list, tuple)) or not all(isinstance(one, Session) for one in sessions):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"{sessions!r} is no list of sessions", hint="give what model.session() returns, several of them")
    if len({id(one) for one in sessions}) < len(sessions):
        raise InputError("one session twice cannot run side by side with itself", hint="fork() it")
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda one: one.generate(steps), sessions))
