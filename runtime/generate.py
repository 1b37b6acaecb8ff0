"""Generation: a model's answer at the end of a text is put behind it, again and again; the text is the workspace."""

from __future__ import annotations

from collections.abc import Sequence

from ..compiler.calls import public
from ..compiler.domain import Symbol
from ..compiler.errors import InputError
from .model import Model, require_model
from .tokens import encode, in_order

LONG = 2048  # steps from which finding a certificate pays


@public
def generate(model: Model, prompt: Sequence[Symbol], steps: int) -> list[Symbol]:
    """What a model says after a prompt, symbol by symbol, at most `steps` of them; it ends at ⊥ or when the text is N long.

    A session reads the text once (`model.session()`): densely, or for LONG steps and more sparsely, where there is a certificate.
    While hooks watch the module the whole text is read again at every step. Raises InputError for an empty prompt, an unknown
    symbol, steps below 0, and for a causal program's lack: one that is bidirectional, or whose answers are not one symbol.
    """
    require_model("generate()", model)
    prompt = in_order(prompt)
    if len(model.output_forms) > 1:
        raise InputError(f"{model.name} gives {model.graph.gives()}, and one symbol is needed to go on with", hint="use run()")
    if model.output_domain.kind != "token":
        raise InputError(f"{model.name} answers {model.output_domain}, which is no symbol to go on with", hint="use run()")
    if not model.graph.sizes.causal:
        raise InputError(f"{model.name} is bidirectional: its earlier answers change as the text grows", hint="compile it causal")
    if not isinstance(steps, int) or steps < 0 or not prompt:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(
            f"cannot generate {steps!r} steps from {len(prompt)} tokens", hint="give at least one token, and steps of at least 0"
        )
    if model.module.watched:
        return _read_again(model, prompt, steps)
    session = model.session("auto" if steps >= LONG else "dense")
    session.feed(prompt)
    return session.generate(steps)


def _read_again(model: Model, prompt: Sequence[Symbol], steps: int) -> list[Symbol]:
    """The same by the module alone, so that hooks see every step."""
    ids = encode(model.graph.sizes, prompt)
    said: list[int] = []
    while len(said) < steps and len(ids) < model.length:
        best = int(model.classes([ids])[0, -1])
        if not best:
            break
        said.append(best + model.output_form.off)
        ids.append(said[-1])
    return [model.alphabet.symbols[i] for i in said]
