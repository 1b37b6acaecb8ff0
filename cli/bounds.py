"""What `headwork bounds` is asked for: one program, a whole family, or the shape of one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.errors import InputError
from ..compiler.language import Program
from ..mpc import Protocol
from .input import parse_alphabet
from .options import Build
from .programs import Source, blame, members_of, parse_settings

if TYPE_CHECKING:
    from ..runtime.model import Model
    from ..theory.over import Laws
    from ..theory.report import Bounds
    from ..theory.search import Found
    from ..theory.statement import Statement

LENGTH = 256


def numbers(option: str, text: str, doubling: bool) -> list[int]:
    """`64`, `1,2,3` or `1..64`; lengths and alphabets double from the first number on."""
    parts = text.split("..") if ".." in text else text.split(",")
    if not all(part.strip().isdecimal() for part in parts) or (".." in text and len(parts) != 2):
        raise InputError(f"{option} {text} is not a number, a list or a range", hint="for example 64, 1,2,3 or 1..64")
    found = [int(part) for part in parts]
    if ".." not in text:
        return found
    first, last = found
    if first > last or (doubling and first < 1):
        raise InputError(f"{option} {text} is an empty range", hint="give the smaller number first")
    return [first << i for i in range((last // first).bit_length())] if doubling else list(range(first, last + 1))


def one_model(
    model: Model, source: Source | Path, family: str | None, form: str | None, given: Sequence[str], every: bool, rows: Sequence[Statement]
) -> Bounds:
    """A compiled program held against its family's rows, which the library knows, the graph shows or a user states."""
    from ..theory.bounds import hold, member_of
    from ..theory.family import of_entry
    from ..theory.measure import of_model

    protocol = source.program if isinstance(source, Source) and isinstance(source.program, Protocol) else None
    if family is None and (given or form) and protocol is None:
        raise InputError("--with and --form go with --family", hint="for example --family khop --with k=3 --form previous")
    measured = of_model(model)
    if family is None and isinstance(source, Source) and source.entry is not None:
        member = of_entry(source.entry, source.parameters)
    else:
        member = member_of(protocol, measured, model.graph, family, form, parse_settings(given), rows)
    return hold(measured, member, every, rows)


def own_rows(texts: Sequence[str]) -> tuple[Statement, ...]:
    """The statements of users' files: `path.py:name`, a statement or several, or `path.py`, all of it."""
    from ..theory.bounds import statements
    from ..theory.statement import Statement

    found: list[Statement] = []
    for text in texts:
        path, _, name = text.rpartition(":") if ".py:" in text else (text, "", "")
        if not Path(path).is_file():
            raise InputError(f"there is no file {path}", hint="your own rows are path/to/file.py:name")
        members = members_of(Path(path))
        held = {key: value for key, value in members.items() if isinstance(value, Statement)}
        if name and name not in members:
            raise InputError(f"{path} has no {name!r}", hint=f"it has {', '.join(held) or 'no statement'}")
        if not name and not held:
            raise InputError(f"{path} has no statement", hint='write mine = hw.Statement(id="MINE", …) in it')
        found += statements(members[name]) if name else held.values()
    return statements(found)


def one_shape(
    source: Source | Path, shape: str, length: str | None, alphabet: str | None, family: str | None, given: Sequence[str]
) -> Bounds:
    """A proposed shape, `h=1,m=8,p=24`, held against what one layer cannot do."""
    from ..theory.bounds import one_layer
    from ..theory.family import of_entry, stated

    h, m, p = _shape(shape)
    known = of_entry(source.entry, source.parameters) if isinstance(source, Source) and source.entry is not None else None
    name = family or (known.family if known else None)
    if name is None:
        raise InputError("no statement about one layer is known for this program", hint="state its family with --family")
    known_values = known.given if known and family is None else {}
    member = stated(name, None, {**known_values, **parse_settings(given)})
    symbols = _sizes(alphabet)
    return one_layer(
        h=h,
        m=m,
        p=p,
        length=_one("--length", length),
        alphabet=symbols[0] if symbols else 3,
        family=name,
        **member.given,  # pyright: ignore[reportArgumentType]
    )


def decided(program: str, shape: str | None, length: str | None, seconds: float) -> list[Found]:
    """The shape's verdict by search and, unless that is feasible, those of more heads up to the first that is not infeasible."""
    from ..theory.search import search_one_layer

    if shape is None or program != "induction":
        raise InputError("--search goes with --one-layer, for induction", hint="headwork bounds induction --one-layer h=1,m=2,p=3 --search")
    h, m, p = _shape(shape)
    n = _one("--length", length or "5")
    found = [search_one_layer(length=n, h=h, m=m, p=p, seconds=seconds)]
    while found[-1].verdict == "infeasible" and found[-1].h < n:
        found.append(search_one_layer(length=n, h=found[-1].h + 1, m=m, p=p, seconds=seconds))
    return found


def _shape(text: str) -> tuple[int, int, int]:
    sizes = parse_settings(text.split(","))
    h, m, p = (sizes.get(name) for name in ("h", "m", "p"))
    if len(sizes) != 3 or not (isinstance(h, int) and isinstance(m, int) and isinstance(p, int)):
        raise InputError(f"--one-layer {text} does not give h, m and p", hint="for example --one-layer h=1,m=8,p=24")
    return h, m, p


def whole_family(
    text: str,
    over: Sequence[str],
    length: str | None,
    alphabet: str | None,
    build: Build,
    family: str | None,
    rows: Sequence[Statement],
    progress: Callable[[int, int], None] | None,
) -> Laws:
    """A library program, or a function of a user's file, over ranges of its parameters."""
    from .. import programs
    from ..theory.over import bounds_over

    if build.style == "natural":
        raise InputError("--over is of the compact style, whose sizes it compares with the bounds", hint="leave out --style, or --over")
    ranges: dict[str, object] = {}
    for item in over:
        name, equals, span = item.partition("=")
        if not equals or not name.isidentifier() or name in ranges:
            raise InputError(f"--over {item} is not name=range, each name once", hint="for example --over k=1..64")
        ranges[name] = numbers("--over", span, doubling=False)
    path, _, member = text.rpartition(":") if ".py:" in text else ("", "", "")
    if not path and text not in programs.names():
        raise InputError(
            "--over takes a program of the library, or path/to/file.py:function", hint="for example headwork bounds khop --over k=1..64"
        )
    subject: str | Callable[..., object] = text
    if path:
        if not Path(path).is_file():
            raise InputError(f"there is no file {path}", hint="your own family is path/to/file.py:function")
        found = members_of(Path(path)).get(member)
        if not callable(found) or isinstance(found, Program):
            raise InputError(f"{text} is no function of parameters", hint="a family is a function that returns a program: def mine(k): …")
        subject = found
    lengths = numbers("--length", length or f"{LENGTH}..2048", doubling=True)
    with blame(Path(path) if path else None):
        return bounds_over(
            subject,
            lengths=lengths,
            alphabets=_sizes(alphabet),
            dtype=build.dtype or "float32",
            code=build.code or "auto",
            heads=build.heads,
            rows=rows,
            family=family,
            progress=progress,
            **ranges,
        )


def one_length(source: Source | Path, length: str | None) -> int | None:
    """The length to compile for; a checkpoint has its own."""
    return _one("--length", length) if length or isinstance(source, Source) else None


def _one(option: str, text: str | None) -> int:
    found = numbers(option, text, doubling=True) if text else [LENGTH]
    if len(found) != 1 or found[0] < 1:
        raise InputError(f"{option} {text} is not one length", hint="a range of lengths goes with --over, for example --over k=1..64")
    return found[0]


def _sizes(alphabet: str | None) -> list[int] | None:
    """Alphabet sizes: numbers, a range that doubles, or the size of an alphabet of symbols."""
    if alphabet is None:
        return None
    if all(part.strip().isdecimal() for part in alphabet.replace("..", ",").split(",")):
        return numbers("--alphabet", alphabet, doubling=True)
    symbols = parse_alphabet(alphabet)
    return [symbols if isinstance(symbols, int) else len(symbols or ())]
