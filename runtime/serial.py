"""Graphs, probes and records as JSON, read back strictly: every field is checked before it is used."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias, cast

from ..compiler.codes.forms import LOG_BITS, Form
from ..compiler.domain import Alphabet, Domain, Sizes, Symbol
from ..compiler.errors import CheckpointError, HeadworkError, InputError, Location
from ..compiler.graph import Delivery, Graph, Guard, Node
from ..compiler.ops import OPS, Fetch, Given, Lookup, Op

FARTHEST = 2**62  # of a number in a file, either way

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Reader:
    """One JSON object of a file: typed access to its fields; what is missing, extra or of another type is an error."""

    def __init__(self, data: Json, file: str, path: str = "") -> None:
        self.file, self.path = file, path
        if not isinstance(data, dict):
            raise CheckpointError(f"{file}: {path or 'the top level'} is not an object", hint="the file is damaged; save the model again")
        self.data = data

    def error(self, field: str, problem: str) -> CheckpointError:
        """The error for a field."""
        place = f"{self.path}.{field}" if self.path else field
        return CheckpointError(f"{self.file}: field {place!r} {problem}", hint="the file is damaged or was edited; save the model again")

    def only(self, *fields: str) -> None:
        """Refuse unknown fields."""
        for unknown in sorted(set(self.data) - set(fields)):
            raise self.error(unknown, "is not known")

    def value(self, field: str) -> Json:
        """A field of any type."""
        if field not in self.data:
            raise self.error(field, "is missing")
        return self.data[field]

    def int(self, field: str, lo: int = -FARTHEST, hi: int = FARTHEST) -> int:
        """An integer in lo..hi."""
        value = self.value(field)
        if not is_int(value) or not lo <= cast(int, value) <= hi:
            raise self.error(field, f"is {value!r}, not an integer in {lo}..{hi}")
        return cast(int, value)

    def str(self, field: str, choices: tuple[str, ...] = ()) -> str:
        """A string, one of `choices` if given."""
        value = self.value(field)
        if not isinstance(value, str) or (choices and value not in choices):
            raise self.error(field, f"is {value!r}, not " + (f"one of {', '.join(choices)}" if choices else "a string"))
        return value

    def bool(self, field: str) -> bool:
        """A boolean."""
        value = self.value(field)
        if not isinstance(value, bool):
            raise self.error(field, f"is {value!r}, not true or false")
        return value

    def list(self, field: str) -> list[Json]:
        """A list."""
        value = self.value(field)
        if not isinstance(value, list):
            raise self.error(field, "is not a list")
        return value

    def ints(self, field: str) -> tuple[int, ...]:
        """A list of integers."""
        values = self.list(field)
        if not all(is_int(v) for v in values):
            raise self.error(field, "is not a list of integers")
        return tuple(cast("list[int]", values))

    def objects(self, field: str) -> list[Reader]:
        """A list of objects."""
        return [Reader(item, self.file, f"{self.path + '.' if self.path else ''}{field}[{i}]") for i, item in enumerate(self.list(field))]

    def object(self, field: str) -> Reader:
        """An object."""
        return Reader(self.value(field), self.file, f"{self.path + '.' if self.path else ''}{field}")


def is_int(value: object) -> bool:
    """Whether a JSON value is an integer (true and false are not) of no more than 62 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and -FARTHEST <= value <= FARTHEST


def _ints(value: object, none: bool = False) -> bool:
    return isinstance(value, list) and all(is_int(v) or (none and v is None) for v in cast("list[object]", value))


_FIELD: dict[str, Callable[[object], bool]] = {
    "int": is_int,
    "int | None": lambda v: v is None or is_int(v),
    "bool": lambda v: isinstance(v, bool),
    "str": lambda v: isinstance(v, str),
    "tuple[int, ...]": _ints,
    "tuple[int | None, ...]": lambda v: _ints(v, none=True),
    "tuple[Relation, ...]": lambda v: isinstance(v, list) and all(_ints(r) for r in cast("list[object]", v)),
    "Kind": lambda v: v in ("token", "position", "int", "bool", "label"),
    "Mask": lambda v: v in ("causal", "strict", "full"),
    "Pick": lambda v: v in ("latest", "earliest", "only", "largest", "smallest", "closest"),
}


def alphabet_json(alphabet: Alphabet) -> Json:
    """An alphabet: its size if it is numeric, else its symbols, tuples as lists. Raises InputError for symbols JSON cannot hold."""
    if alphabet.numeric:
        return len(alphabet)
    return _symbols_json("symbol", alphabet.symbols)


def _symbols_json(what: str, symbols: tuple[Symbol, ...]) -> list[Json]:
    for symbol in symbols:
        if not (_held(symbol) or (isinstance(symbol, tuple) and all(s is None or _held(s) for s in symbol))):
            hint = "use strings, finite numbers, or tuples of them"
            raise InputError(f"the {what} {symbol!r} ({type(symbol).__name__}) is nothing a checkpoint can hold", hint=hint)
    return cast("list[Json]", [list(s) if isinstance(s, tuple) else s for s in symbols])


def _labels_json(labels: tuple[Symbol, ...]) -> list[Json]:
    """Labels as symbols are written; a fraction as an object of its two numbers."""
    found: list[Json] = []
    for label in labels:
        if isinstance(label, Fraction):
            found.append({"over": [label.numerator, label.denominator]})
        else:
            found += _symbols_json("label", (label,))
    return found


def _read_labels(reader: Reader) -> tuple[Symbol, ...]:
    found: list[Symbol] = []
    for value in reader.list("labels"):
        if isinstance(value, dict):
            pair = value.get("over")
            if set(value) != {"over"} or not (_ints(pair) and isinstance(pair, list) and len(pair) == 2 and pair[1]):
                raise reader.error("labels", "holds an object that is no fraction")
            found.append(Fraction(cast(int, pair[0]), cast(int, pair[1])))
            continue
        label: object = tuple(value) if isinstance(value, list) else value
        parts: tuple[object, ...] = label if isinstance(label, tuple) else (label,)
        if not all(isinstance(p, (str, int, float)) or (p is None and isinstance(label, tuple)) for p in parts):
            raise reader.error("labels", f"holds {value!r}, which is no label")
        found.append(cast("Symbol", label))
    return tuple(found)


def _held(symbol: object) -> bool:
    """Whether JSON gives a symbol back as it is."""
    try:
        text = json.dumps(symbol, ensure_ascii=False, allow_nan=False).encode().decode()
        return isinstance(symbol, (str, int, float)) and json.loads(text) == symbol
    except (TypeError, ValueError):
        return False


def read_alphabet(reader: Reader, field: str, size: int) -> Alphabet:
    """An alphabet back from JSON; it must have `size` symbols."""
    value: object = reader.value(field)
    if isinstance(value, list):
        value = [tuple(s) if isinstance(s, list) else s for s in value]
    parts = [p for s in value for p in (s if isinstance(s, tuple) else [s])] if isinstance(value, list) else []
    flat = isinstance(value, list) and all(isinstance(p, (str, int, float)) or p is None for p in parts)
    if not (is_int(value) or (flat and isinstance(value, list) and None not in value)):
        raise reader.error(field, "is neither a size nor a list of symbols")
    if (len(value) if isinstance(value, list) else value) != size:
        found = len(value) if isinstance(value, list) else value
        raise reader.error(field, f"has {found} symbols where the sizes say {size}")
    try:
        return Alphabet.of(cast("int | list[Symbol]", value))
    except HeadworkError as error:
        raise reader.error(field, f"is no alphabet: {error.fact}") from error


def graph_json(graph: Graph) -> Json:
    """A graph as JSON; domains are inferred again on reading."""
    nodes: list[Json] = []
    for node in graph.nodes:
        fields = {f.name: getattr(node.op, f.name) for f in dataclasses.fields(node.op)}
        row: dict[str, Json] = {"op": node.op.name, "name": node.name, "args": list(node.args)}
        row["fields"] = {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}
        row["line"] = _line_json(node.line)
        nodes.append(row)
    guard: Json = None
    if graph.guard is not None:
        deliveries: list[Json] = [
            {"number": d.number, "to": list(d.to), "capacity": d.capacity, "line": _line_json(d.line)} for d in graph.guard.deliveries
        ]
        guard = {"node": graph.guard.node, "deliveries": deliveries}
    rare: dict[str, Json] = {"fractions": list(graph.fractions)} if graph.fractions else {}
    rare |= {"labels": _labels_json(graph.sizes.labels)} if graph.sizes.labels else {}
    return {"outputs": list(graph.outputs), "single": graph.single, "guard": guard, **rare, "nodes": nodes}


def _line_json(line: Location | None) -> Json:
    return [str(line).rsplit(":", 1)[0], line.line] if line else None


def read_graph(reader: Reader, name: str, sizes: Sizes, state: Sequence[Domain] = ()) -> Graph:
    """A graph back from JSON, of a part of a loop if it has a state. Raises CheckpointError where it is not a program's graph."""
    given = reader.data if isinstance(reader.data, dict) else {}
    reader.only("outputs", "single", "guard", "nodes", *({"fractions", "labels"} & set(given)))
    if "labels" in given:
        sizes = dataclasses.replace(sizes, labels=_read_labels(reader))
    nodes: list[Node] = []
    for row in reader.objects("nodes"):
        row.only("op", "name", "args", "fields", "line")
        args = row.ints("args")
        if not all(0 <= a < len(nodes) for a in args):
            raise row.error("args", "points to a node that is not before it")
        op = _read_op(row)
        if len(args) != op.arity():
            raise row.error("args", f"has {len(args)} entries where {op.name} takes {op.arity()}")
        fetch = isinstance(op, Fetch)
        if any(isinstance(nodes[a].op, Lookup) != (fetch and place == 0) for place, a in enumerate(args)):
            raise row.error("args", "uses a lookup as a value, or a value as a lookup")
        problem = op.problem([nodes[a].domain for a in args], sizes)
        if problem:
            raise row.error("args", f"does not suit {op.name}: {problem}")
        domain = op.domain([nodes[a].domain for a in args], sizes)
        if isinstance(op, Given) and not (0 <= op.state < len(state) and state[op.state] == domain):
            raise row.error("fields", "names no value of a loop's state")
        if max(abs(domain.lo), abs(domain.hi)) > FARTHEST:
            raise row.error("args", f"makes {op.name} worth more than 2**62")
        nodes.append(Node(op, args, domain, row.str("name"), _read_line(row)))
    outputs, single = _values(reader, "outputs", nodes), reader.bool("single")
    fractions = reader.ints("fractions") if "fractions" in given else ()
    if not outputs or (single and len(outputs) - len(fractions) > 1):
        raise reader.error("outputs", f"has {len(outputs)} entries where single is {str(single).lower()}")
    apart = all(b - a >= 2 for a, b in itertools.pairwise((*fractions, len(outputs)))) and min(fractions, default=0) >= 0
    if not apart or any(nodes[outputs[i + j]].domain.kind not in ("int", "position") for i in fractions for j in (0, 1)):
        raise reader.error("fractions", "names no outputs that are a numerator and a denominator")
    guard = None if reader.value("guard") is None else _read_guard(reader.object("guard"), nodes)
    return Graph(name, sizes, tuple(nodes), outputs, single, guard, fractions)


def _values(reader: Reader, field: str, nodes: list[Node]) -> tuple[int, ...]:
    """A list of nodes that are values."""
    found = reader.ints(field)
    if not all(0 <= i < len(nodes) for i in found):
        raise reader.error(field, f"names a node that is not in 0..{len(nodes) - 1}")
    if any(isinstance(nodes[i].op, Lookup) for i in found):
        raise reader.error(field, "names a lookup, not a value")
    return found


def _read_guard(reader: Reader, nodes: list[Node]) -> Guard:
    reader.only("node", "deliveries")
    node = reader.int("node", 0, len(nodes) - 1)
    if isinstance(nodes[node].op, Lookup) or nodes[node].domain.kind != "int":
        raise reader.error("node", "is not an integer value")
    deliveries: list[Delivery] = []
    for row in reader.objects("deliveries"):
        row.only("number", "to", "capacity", "line")
        to = _values(row, "to", nodes)
        if any(nodes[t].domain.kind not in ("position", "int") for t in to):
            raise row.error("to", "names a value that is no position")
        deliveries.append(Delivery(row.int("number", 1), to, row.int("capacity", 0), _read_line(row)))
    return Guard(node, tuple(deliveries))


def _read_line(row: Reader) -> Location | None:
    line = row.value("line")
    if line is None:
        return None
    if not (isinstance(line, list) and len(line) == 2 and isinstance(line[0], str) and is_int(line[1])):
        raise row.error("line", "is not a file name and a line number")
    return Location(line[0], cast(int, line[1]))


def _read_op(row: Reader) -> Op:
    name = row.str("op", tuple(OPS))
    fields = row.object("fields")
    kinds = {f.name: str(f.type) for f in dataclasses.fields(OPS[name])}
    fields.only(*kinds)
    values: dict[str, object] = {}
    for field, kind in kinds.items():
        value = fields.value(field)
        if not _FIELD[kind](value):
            raise fields.error(field, f"is {value!r}, not of type {kind}")
        values[field] = tuple(tuple(v) if isinstance(v, list) else v for v in value) if isinstance(value, list) else value
    return OPS[name](**values)


def form_json(form: Form) -> Json:
    """A form as JSON."""
    radix: dict[str, Json] = {"radix": form.radix} if form.radix else {}
    return {"kind": form.kind, "off": form.off, "top": form.top, "parts": form.parts, **radix}


def read_form(reader: Reader) -> Form:
    """A form back from JSON."""
    wide = isinstance(reader.data, dict) and "radix" in reader.data
    reader.only("kind", "off", "top", "parts", *(["radix"] if wide else []))
    kind = reader.str("kind", ("digits", "norm", "flag", "floor", "signs", "onehot", "fill", "log"))
    top = reader.int("top", 1, 2**53)
    parts = reader.int("parts", 1, {"floor": top, "log": LOG_BITS}.get(kind, 64))
    radix = reader.int("radix", 2, top) if wide else 0
    if radix and (kind, parts) != ("digits", 2):
        raise reader.error("radix", "is not of two digits")
    return Form(kind, reader.int("off", -(2**53), 2**53), top, parts, radix)  # pyright: ignore[reportArgumentType]
