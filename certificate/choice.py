"""`code="robust"`: the code whose model bears the most noise, proved, within a width."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.errors import ExactnessError, InputError
from .certify import certify
from .refused import Refused
from .robustness import formats_of, proved_radius

if TYPE_CHECKING:
    from ..runtime.model import Model


def most_robust(name: str, codes: tuple[str, ...], width: int | None, compiled: Callable[[str], Model]) -> Model:
    """Of a program compiled in each code, the certified model with the greatest proved radius whose d_model is at most `width`.

    Among equal radii, as those of the compact style are, all 0, it is the one whose weights survive the most formats as stored, proved,
    then measured, then the one of the fewest parameters. Raises ExactnessError where no code is within the width and certified, with
    the reason for each.
    """
    if width is not None and (isinstance(width, bool) or not isinstance(width, int) or width < 1):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"the width is {width!r}", hint="give the greatest d_model, an integer of at least 1, or none for no limit")
    found: list[tuple[tuple[float, int, int, int], Model]] = []
    reasons: list[str] = []
    for code in codes:
        try:
            model = compiled(code)
            if width is not None and model.cost.d_model > width:
                reasons.append(f"{code} needs d_model {model.cost.d_model:,}")
                continue
            radius, lost = proved_radius(model) if model.style == "natural" else (0.0, "")
            if model.style == "natural" and not radius:
                reasons.append(f"{code} is not certified: {lost}")
                continue
            if model.style == "compact":
                certify(model, witness=False)
            kept = list(formats_of(model).values())
        except (ExactnessError, Refused) as error:
            reasons.append(f"{code}: {error.fact}")
            continue
        survives = kept.count("proved"), sum(not said.startswith("wrong") for said in kept)
        found.append(((radius, *survives, -model.cost.parameters), model))
    if not found:
        budget = "" if width is None else f" of a d_model up to {width:,}"
        raise ExactnessError(f"{name} has no code{budget} with a certificate: {'; '.join(reasons)}", hint="give more width")
    return max(found, key=lambda pair: pair[0])[1]
