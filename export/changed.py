"""Whether a model still has the weights of its program: an export that lowers the program again would drop any others."""

from __future__ import annotations

import torch

from ..certificate.certify import certify
from ..certificate.refused import Refused
from ..compiler.errors import InputError
from ..compiler.natural.lower import lower as lower_naturally
from ..compiler.pipeline import Compiled, lower
from ..compiler.tied.lower import lower_tied
from ..runtime.looped import Looped, matrices
from ..runtime.model import TORCH, Model, model_of, to_module
from ..runtime.module import Transformer
from ..runtime.natural import module_of


def changed(model: Model) -> str:
    """What shows that a model's weights are no longer its program's, empty where nothing does.

    Compared with its own compilation, bit for bit. A model from a file, which has none, is compared with the program compiled
    as usual, and where that differs it is certified: weights of another form, which are shown right, are the program's as well.
    """
    if model.style == "natural":
        made = model.natural or lower_naturally(model.graph, sharpness=model.sharpness)
        differs = _differs(model, module_of(made, TORCH[model.dtype]))
        if not differs or model.natural is not None:
            return differs
    elif model.compiled is not None:
        return _differing(model, model.compiled)
    elif not _differing(model, lower(model.graph, model.dtype)):
        return ""
    try:
        certify(model)
    except Refused as refusal:
        return f"the weights are not shown to be the program's ({refusal.fact.splitlines()[0]})"
    return ""


def written_out(model: Looped) -> Model:
    """A looped model's rounds as an ordinary program, compiled anew: each has weights of its own, which the optimiser may make fewer.

    Raises InputError where the loop's weights are neither what its program is compiled to nor shown right.
    """
    loop, tied = model.whole()
    again = matrices(lower_tied(loop.parts, model.dtype))
    same = again.keys() == tied.keys() and all(
        torch.equal(torch.as_tensor(value, dtype=TORCH[model.dtype]), tied[name].detach().cpu()) for name, value in again.items()
    )
    if not same:
        try:
            certify(model)
        except Refused as refusal:
            fact = f"the weights of {model.name} are not shown to be its program's ({refusal.fact.splitlines()[0]})"
            raise InputError(
                fact, hint="an export writes the rounds out anew, which would drop the change: compile the program again"
            ) from None
    return model_of(lower(model.graph, model.dtype))


def _differing(model: Model, compiled: Compiled) -> str:
    return _differs(model, to_module(compiled.weights, TORCH[model.dtype]))


def _differs(model: Model, module: Transformer) -> str:
    own, found = module.state_dict(), model.module.state_dict()
    for name in sorted(own.keys() | found.keys()):
        if name not in own or name not in found or not torch.equal(own[name], found[name].detach().cpu()):
            return f"tensor {name} was changed since compiling"
    return ""


def require_own_weights(model: Model, target: str, what: str) -> None:
    """Refuse to drop changed weights; `what` is found by `changed`. Raises InputError."""
    if what:
        fact = f"{model.name}: {what}, and an export to {target} lowers the program again, which would drop the change"
        raise InputError(fact, hint="export it to onnx, which holds the weights as they are, or compile the program again")
