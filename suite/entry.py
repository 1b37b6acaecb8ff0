"""One model of a suite: a program that is drawn, compiled, proved or refused, described, and written as a directory."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from safetensors.torch import save as tensor_bytes

from ..certificate.certify import certify
from ..certificate.refused import Refused
from ..compiler.domain import Symbol
from ..compiler.errors import HeadworkError, InputError
from ..compiler.language import Program
from ..export.files import target_named, write_files
from ..export.target import Built
from ..lab.disguise import disguise
from ..lab.necessity import Ablation
from ..programs import Entry, entry, names
from ..runtime.files import CONFIG, PROGRAM, TENSORS, config_json, json_bytes, program_json, sealed
from ..runtime.model import Model, compile
from ..runtime.pad import Architecture, pad_model
from ..runtime.serial import Json
from .draw import from_text, random_lines
from .samples import Samples, samples, value_of
from .truth import same_model, truth

MODEL, CIRCUIT, SAMPLES, TEXT, GPT2 = "model.json", "circuit.json", "samples.json", "program.py", "gpt2"
MOST_BYTES = 1_000_000  # of a model's directory
MOST_CLASSES = 64  # that an output may have
MOST_HEADS = 8  # of a model; it has at least one
ATTEMPTS = 200  # programs that are drawn for each model
EVERY = 3  # of so many models one is of the library
VARIANTS = 3  # of a parameter that is a number: its default, and what comes next


@dataclass(frozen=True, slots=True)
class Options:
    """What a suite is made of: ranges include both ends."""

    seed: int
    style: Literal["compact", "natural"]
    length: tuple[int, int]
    alphabet: tuple[int, int]
    steps: tuple[int, int]
    features: tuple[str, ...] | None
    ablation: Ablation
    disguise: bool
    pad: Architecture | None = None


@dataclass(frozen=True)
class Drawn:
    """A program that was drawn, as text and compiled; the library's entry with its parameters where it is of the library.

    `features` are the kinds of steps of a random program, line by line; `left_out` why the programs drawn before it did not fit.
    """

    text: str
    model: Model
    own: Entry | None
    parameters: Mapping[str, object]
    features: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Unfit(Exception):
    """A program that is left out: it says too little, too much, or does not compile."""


def build_model(work: Path, options: Options, number: int) -> int:
    """Build a model of a suite under its number; the first of the programs drawn for it that fits. Returns the number."""
    place, aside = work / "models" / f"{number:04}", work / "models" / f".{number:04}"
    left_out: list[str] = []
    for attempt in range(ATTEMPTS):
        shutil.rmtree(aside, ignore_errors=True)
        rng = random.Random(f"{options.seed} {number} {attempt}")
        try:
            drawn = replace(_drawn(options, number, attempt, rng), left_out=tuple(left_out))
            key = _write(aside, options, number, drawn, rng)
        except Unfit as unfit:
            left_out.append(str(unfit))
            continue
        if key is not None:
            (work / "keys" / f"{number:04}.json").write_bytes(key)
        os.rename(aside, place)
        return number
    most, times = Counter(left_out).most_common(1)[0]
    raise InputError(
        f"none of {ATTEMPTS} programs fits model {number}: {times} times {most}",
        hint="allow more steps, features, symbols, a greater length or a greater architecture",
    )


def _drawn(options: Options, number: int, attempt: int, rng: random.Random) -> Drawn:
    if number % EVERY == 0 and attempt < ATTEMPTS // 4 and options.features is None:
        return _of_library(options, number // EVERY + attempt * 7919, rng)
    length, size = rng.randint(*options.length), rng.randint(*options.alphabet)
    steps, causal = rng.randint(*options.steps), rng.random() < 0.9
    text, features = random_lines(rng.randrange(1 << 31), length, size, steps, options.features, causal)
    return Drawn(text, _compiled(from_text(text), length, None, options), None, {}, features)


def _of_library(options: Options, turn: int, rng: random.Random) -> Drawn:
    """A program of the library, taken in turn, with parameters near their defaults and some of its symbols."""
    known = names()
    found = entry(known[turn % len(known)])
    given = {
        name: value + rng.randrange(VARIANTS)
        for name, value in found.parameters.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    size = rng.randint(*options.alphabet)
    whole: list[Symbol] = list[Symbol](range(found.alphabet)) if isinstance(found.alphabet, int) else list(found.alphabet)
    symbols: list[Symbol] = whole if found.alphabet_fixed else whole[:size]
    try:
        program, settled = found.program(**given), found.settle(given)
    except HeadworkError as error:
        raise Unfit(f"{found.name}: {error.fact}") from error
    model = _compiled(program, rng.randint(*options.length), symbols, options)
    shown = ", ".join([repr(found.name), *(f"{name}={value!r}" for name, value in given.items())])
    text = f'"""{found.summary}"""\n\nimport headwork as hw\n\nALPHABET = {symbols!r}\nprogram = hw.programs.get({shown})\n'
    return Drawn(text, model, found, settled)


def _compiled(program: Program, length: int, symbols: list[Symbol] | None, options: Options) -> Model:
    try:
        model = compile(program, length=length, alphabet=symbols, style=options.style)
    except HeadworkError as error:
        raise Unfit(f"it is not compiled: {error.fact}") from error
    forms = model.output_forms
    if model.graph.guard is not None or model.graph.fractions or any(f.kind == "log" for f in forms):
        raise Unfit("it has a guard, or gives fractions or logarithms")
    if any(f.classes > MOST_CLASSES for f in forms):
        raise Unfit(f"an output has more than {MOST_CLASSES} classes")
    if not 1 <= sum(model.cost.heads) <= MOST_HEADS:
        raise Unfit(f"it has {sum(model.cost.heads)} heads")
    try:
        return model if options.pad is None else pad_model(model, options.pad)
    except InputError as error:
        raise Unfit(error.fact) from error


def _write(place: Path, options: Options, number: int, drawn: Drawn, rng: random.Random) -> bytes | None:
    """Write all files of a model; returns what its key holds where it is disguised."""
    model = drawn.model
    data = _sampled(drawn, rng)
    _require_right(model, data)
    place.mkdir()
    hidden = disguise(model, rng.randrange(1 << 31), prove=False) if options.disguise else None
    shown = hidden.model if hidden else model
    own = {n: t.detach().clone().contiguous() for n, t in shown.module.state_dict().items()}  # the rounds of a loop share theirs
    tensors = tensor_bytes(own, metadata={"format": "pt"})
    program = json_bytes(program_json(model))
    config = config_json(shown)
    if hidden is None:
        config["sha256"] = sealed(config, {PROGRAM: program, TENSORS: tensors})
        (place / PROGRAM).write_bytes(program)
    (place / CONFIG).write_bytes(json_bytes(config))
    (place / TENSORS).write_bytes(tensors)
    (place / TEXT).write_text(drawn.text, encoding="utf-8")
    (place / SAMPLES).write_bytes(compact(data.as_dict(model)))
    _require_small(place)  # before edges are decided, which takes the longest
    found = truth(model, options.ablation, hidden.key if hidden else None)
    built, why = _stock(model) if hidden is None else (None, "disguised weights are not lowered for it again")
    stock = None if built is None else found if same_model(built.model, model) else truth(built.model, options.ablation)
    circuits: dict[str, Json] = {"native": found, "gpt2": stock}
    if hidden is None:
        (place / CIRCUIT).write_bytes(compact(circuits))
    if built is not None:
        (place / GPT2).mkdir()
        write_files(place / GPT2, target_named("gpt2"), built)
        if _bytes(place) > MOST_BYTES:
            shutil.rmtree(place / GPT2)
            built, why = None, "with it the model would be greater than 1 MB"
    described = _described(options, number, drawn, built, why, place)
    (place / MODEL).write_bytes(json_bytes(described))
    _require_small(place)
    if hidden is None:
        return None
    return compact({"key": json.loads(hidden.key.text()), "circuit": circuits, "program": program_json(model)})


def compact(content: Json) -> bytes:
    """JSON on one line: most of a model's bytes are of such files."""
    return (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _bytes(place: Path) -> int:
    return sum(f.stat().st_size for f in place.rglob("*") if f.is_file())


def _require_small(place: Path) -> None:
    """Leave out what has more bytes already than a model may have. Raises Unfit."""
    if _bytes(place) > MOST_BYTES:
        raise Unfit("it is greater than 1 MB")


def _sampled(drawn: Drawn, rng: random.Random) -> Samples:
    """Samples of a model. Raises Unfit where it says the same on every row; the library's reference must say what the interpreter does."""
    model, own = drawn.model, drawn.own
    symbols = model.alphabet.symbols

    def row() -> list[int]:
        assert own is not None
        ids = [model.alphabet.id(s) for s in own.sample(rng, model.length, **drawn.parameters)]
        return [] if None in ids else cast("list[int]", ids)

    data = samples(model, rng, row if own else None)
    if data is None:
        raise Unfit("it says the same on every row")
    for ids, answers in zip(data.rows, data.answers, strict=True) if own else ():
        said = [[value_of(model, o, c) for o, c in enumerate(at)] for at in answers]
        wanted = own.reference([symbols[i] for i in ids], **drawn.parameters) if own else []
        if wanted and not model.graph.single and len(cast("Sequence[object]", wanted[0])) != len(model.graph.outputs):
            raise Unfit(f"{model.name}: its reference speaks of all its own symbols")
        right = [list(x) if isinstance(x, (list, tuple)) and not model.graph.single else [x] for x in wanted]
        assert said == right, f"{model.name}: the reference and the interpreter differ on {ids}: {right} and {said}"
    return data


def _require_right(model: Model, data: Samples) -> None:
    """The model must say the answers."""
    found = model.classes(data.rows).reshape(len(data.rows), model.length, -1).tolist()
    assert found == data.answers, f"{model.name} is wrong on its samples"


def _stock(model: Model) -> tuple[Built | None, str]:
    """The model for GPT-2 in float32, or why there is none."""
    try:
        return target_named("gpt2").build(model, "auto", "float32"), ""
    except HeadworkError as error:
        return None, error.fact


def _described(options: Options, number: int, drawn: Drawn, built: Built | None, why: str, place: Path) -> dict[str, Json]:
    """model.json: what it is, its sizes, what its classes say, and what is proved."""
    model = drawn.model
    cost = model.cost
    classes: list[Json] = [[cast(Json, value_of(model, o, c)) for c in range(size)] for o, size in enumerate(model.module.shape.classes)]
    try:
        proved: dict[str, Json] = {"proved": True, "statement": certify(model).statement}
    except Refused as refusal:
        proved = {"proved": False, "why": refusal.fact}
    stock: dict[str, Json] = {"held": False, "why": why}
    if built is not None:
        words = built.words
        below = model.output_form.off - built.model.output_form.off  # a value's class here less its class there
        there = dict(enumerate(words.classes))
        said: list[Json] = [0, *(there.get(c + below) for c in range(1, model.module.shape.classes[0]))]
        stock = {
            "held": True,
            "bos": words.bos,
            "symbols": list(range(1, words.symbols + 1)),
            "classes": said,
            "vocabulary": len(words.words),
        }
    lines = drawn.text.splitlines()
    kinds = [line.split(" = ", 1)[1] for line in lines if " = " in line] if drawn.own is None else []
    parameters = {k: list(v) if isinstance(v, tuple) else v for k, v in drawn.parameters.items()}
    return {
        "id": f"{number:04}",
        "program": model.name,
        "source": "library" if drawn.own else "random",
        "entry": drawn.own.name if drawn.own else None,
        "parameters": cast(Json, parameters),
        "steps": len(kinds),
        "features": list(drawn.features),
        "left_out": list(drawn.left_out),
        "style": model.style,
        "dtype": model.dtype,
        "causal": model.graph.sizes.causal,
        "length": model.length,
        "symbols": cast(Json, list(model.alphabet.symbols)),
        "kinds": [model.graph.nodes[o].domain.kind for o in model.graph.outputs],
        "classes": classes,
        "single": model.graph.single,
        "attention_layers": cost.attention_layers,
        "heads": list(cost.heads),
        "d_model": cost.d_model,
        "weights": cost.parameters,
        "certificate": proved,
        "gpt2": stock,
        "license": "Apache-2.0",
        "files": {str(f.relative_to(place)): f.stat().st_size for f in sorted(place.rglob("*")) if f.is_file()},
    }
