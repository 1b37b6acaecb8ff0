"""`hw.bounds` and `hw.one_layer`: the theory's rows held against a program, a model, or the sizes of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from ..compiler.graph import Graph
from ..compiler.language import Program
from ..compiler.language.program import require_program
from ..compiler.pipeline import lower
from ..mpc import Protocol
from ..runtime.cost import Cost
from ..runtime.looped import Looped
from ..runtime.model import Model, compile
from .family import Member, of_program, of_protocol, recognised, recognised_loop, stated
from .measure import Measured, of_cost, of_model, of_weights
from .report import Bounds
from .statement import Statement
from .verdict import rows

Subject: TypeAlias = Program | Model | Cost


@public
def bounds(
    subject: Subject,
    *,
    length: int | None = None,
    alphabet: int | Sequence[Symbol] | None = None,
    dtype: str | None = None,
    code: str | None = None,
    heads: int | None = None,
    family: str | None = None,
    form: str | None = None,
    rows: Sequence[Statement] = (),
    all: bool = False,
    **given: object,
) -> Bounds:
    """Hold a program, a model, or the cost of one against every row of the theory that speaks of its family.

    A program is compiled for `length`, `alphabet`, `dtype`, `code` and `heads`, as `compile` does; a cost needs `length`
    and `alphabet`. The family of a library program is known, and so is that of a program which the optimiser makes the same
    graph of; for others, state it: `family="khop", k=3`, and `form="previous"` where k-hop starts by copying the previous token.
    A protocol has R and s as it is written. `rows` are statements of your own, which come first; they may name families and
    parameters of their own. `all` adds the rows of other families.
    Raises InputError for sizes that do not belong to the subject, for an unknown family or parameter, and for a family
    stated of several values.
    """
    own = statements(rows)
    if family is None and (given or form) and not isinstance(subject, Protocol):
        raise InputError(f"{', '.join([*given, *(['form'] if form else [])])} is given without a family", hint='for example family="khop"')
    measured, graph = _measured(subject, length, alphabet, dtype, code, heads)
    return hold(measured, member_of(subject, measured, graph, family, form, given, own), all, own)


def statements(rows: object) -> tuple[Statement, ...]:
    """The caller's statements. Raises InputError for anything else."""
    found = (rows,) if isinstance(rows, Statement) else tuple(rows) if isinstance(rows, Iterable) else (rows,)
    for row in found:
        if not isinstance(row, Statement):
            raise InputError(f"rows holds {row!r}", hint='give statements: hw.Statement(id="MINE", statement=…, source=…, bounds="L <= 2")')
    ids = [row.id for row in found if isinstance(row, Statement)]
    if len(set(ids)) < len(ids):
        raise InputError(f"rows holds two statements named {max(ids, key=ids.count)!r}", hint="give each an id of its own")
    return tuple(row for row in found if isinstance(row, Statement))


def member_of(
    subject: object,
    measured: Measured,
    graph: Graph | None,
    family: str | None,
    form: str | None,
    given: Mapping[str, object],
    own: Sequence[Statement] = (),
) -> Member:
    """The family of what is held: as it is stated, else a protocol's own, else the library program's, else what the graph shows."""
    if isinstance(subject, Protocol):
        trace = subject.trace(measured.length, graph.sizes.alphabet.symbols if graph else None, measured.dtype)
        return stated(family or of_protocol(subject), form, {"R": trace.rounds, "s": trace.memory} | dict(given), own)
    if family not in (None, "mpc") and graph and len(graph.outputs) > 1:
        fact = f"{graph.name} returns {len(graph.outputs)} values, and what is stated of the family {family!r} is about one"
        raise InputError(fact, hint="hold a program of that one value, or state no family")
    if family is None and isinstance(subject, Program) and (known := of_program(subject)) is not None:
        return known
    if family is None and isinstance(subject, Looped):
        return recognised_loop(subject)
    return stated(family, form, given, own) if family else recognised(graph) if graph else Member(None, {})


@public
def one_layer(
    *, h: int, m: int, p: int, length: int, alphabet: int = 3, family: str = "induction", form: str | None = None, **given: object
) -> Bounds:
    """Hold a proposed one-layer shape, h heads of width m in p bits, against what one layer cannot do at this length.

    Raises InputError for sizes below 1 and for an unknown family or parameter.
    """
    for name, value in {"h": h, "m": m, "p": p, "length": length, "alphabet": alphabet}.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"{name} is {value!r}", hint=f"give {name} as an integer of at least 1")
    name = f"one layer, h = {h}, m = {m}, p = {p}"
    shape = Measured(name, "", length, alphabet, 1, h, m, m, 2 * h * m, p)
    member = stated(family, form, given)
    found = hold(shape, member)
    about = [row for row in found.rows if row.statement.one_layer]
    if not about:
        raise InputError(f"no statement about one layer speaks of the family {family!r}", hint="for example family='induction'")
    return replace(found, rows=tuple(about))


def hold(measured: Measured, member: Member, every: bool = False, own: Sequence[Statement] = ()) -> Bounds:
    """The rows that speak of a family, the caller's `own` first, held against the sizes; with `every`, the others as not applicable."""
    facts = member.facts(measured)
    found = [row for s, speaks in member.statements(own, every) for row in rows(s, facts, speaks)]
    if (claim := _claim(member, measured.length)) is not None:
        found = [*rows(claim, facts), *found]
    about = str(member)
    if facts.values.get("hops", 0) > facts.values.get("k", 0):
        about += f"; {facts['hops']} hops count as {facts['k']} (HOP-SAT)"
    return Bounds(measured, about, tuple(found))


def _claim(member: Member, length: int) -> Statement | None:
    """What the library states of its own program's layers, as a row."""
    if member.entry is None or member.settings is None:
        return None
    return Statement(
        id="STATED",
        statement=f"{member.entry.name} takes {member.entry.layers_formula} attention layers.",
        source="the program library",
        kind="EXACT",
        certainty="D",
        bounds=f"L <= {member.entry.layers(length, **member.settings)}",
    )


def _measured(
    subject: Subject,
    length: int | None,
    alphabet: int | Sequence[Symbol] | None,
    dtype: str | None,
    code: str | None,
    heads: int | None,
) -> tuple[Measured, Graph | None]:
    options = {"length": length, "alphabet": alphabet, "dtype": dtype, "code": code, "heads": heads}
    if isinstance(subject, Model):
        _refuse(options, (), f"the model {subject.name}", "it was settled when the program was compiled")
        return of_model(subject), subject.graph
    if not isinstance(subject, Cost):
        subject = require_program("bounds()", subject)
    if length is None:
        raise InputError("no length is given", hint="pass length=, the longest sequence")
    if isinstance(subject, Cost):
        _refuse(options, ("length", "alphabet", "dtype"), "a cost", "a cost is measured already")
        if alphabet is None:
            raise InputError("no alphabet is given", hint="pass alphabet=, its size or its symbols")
        symbols = alphabet if isinstance(alphabet, int) else len(alphabet)
        least = {"length": (length, 1), "alphabet": (symbols, 1), "attention_layers": (subject.attention_layers, 0)}
        least |= {f"heads of layer {i + 1}": (h, 0) for i, h in enumerate(subject.heads)}
        least |= {name: (getattr(subject, name), 0) for name in ("d_model", "d_head", "parameters")}
        for name, (value, lowest) in least.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise InputError(f"{name} is {value!r}", hint=f"give {name} as an integer of at least {lowest}")
        return of_cost(subject, length=length, symbols=symbols, dtype=dtype or "float32"), None
    graph = subject.build(length, alphabet, dtype or "float32")
    if graph.loops:  # its rounds share one block's weights, which the graph written out does not show
        model = compile(subject, length=length, alphabet=alphabet, dtype=dtype or "float32", code=code or "auto", heads=heads)
        return of_model(model), graph
    compiled = lower(graph, dtype or "float32", code or "auto", heads)
    return of_weights(compiled.weights), compiled.graph


def _refuse(options: dict[str, object], accepted: tuple[str, ...], what: str, hint: str) -> None:
    for name in [name for name, value in options.items() if value is not None and name not in accepted]:
        raise InputError(f"{name} does not apply to {what}", hint=hint)
