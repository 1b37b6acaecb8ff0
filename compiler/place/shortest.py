"""The shorter of two schedules: of a plan as it is, and with functions of functions composed."""

from __future__ import annotations

from ..plan.compose import composed, outline, units
from ..plan.stage import Plan
from .schedule import Schedule, schedule


def shortest(plan: Plan, heads: int | None = None) -> Schedule:
    """A plan's schedule; that of the plan with functions composed, where it has fewer MLPs and no more hidden units."""
    found, least = schedule(plan, heads), outline(plan)
    if least is None or schedule(least, heads).mlps() == found.mlps():
        return found
    tried = (schedule(other, heads) for other in composed(plan) if units(other) <= units(plan))
    return min([found, *tried], key=Schedule.mlps)
