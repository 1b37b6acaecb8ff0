"""The list of constructions, with what each claims; the modules are imported when one is run."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from ..compiler.errors import InputError

if TYPE_CHECKING:
    from .shown import Shown


@dataclass(frozen=True, slots=True)
class Lesson:
    """One construction: its name on the command line, what it claims in one sentence, and its module."""

    name: str
    claim: str
    module: str

    @property
    def command(self) -> str:
        """The command that shows the claim."""
        return f"headwork lecture {self.name}"

    def run(self) -> Shown:
        """Build it, hold it against its oracle and its bound, and give the tables and the figure."""
        return import_module(f".{self.module}", __package__).run()


LESSONS = (
    Lesson(
        "rnn-memory",
        "A recurrent network that does induction needs one state for each labelled rooted tree over the symbols seen: Ω(N) bits.",
        "rnn_memory",
    ),
    Lesson(
        "khop-sequential",
        "Recurrent layers compute k-hop in depth k, chain of thought in k + 1 steps, the transformer in floor(log2 k) + 2 layers.",
        "khop_sequential",
    ),
    Lesson(
        "subquadratic",
        "Linear attention needs a feature for every pair it keeps, windows miss what is far, and hashing keeps both depth and exactness.",
        "subquadratic",
    ),
    Lesson(
        "ngrams",
        "An n-gram table has |Σ|^n parameters and overfits; the compiled n-gram counts in the prompt, in two layers.",
        "ngrams",
    ),
    Lesson(
        "gradient-step",
        "A layer of linear attention is a step of gradient descent on the prompt's least squares, and an intention layer solves them.",
        "gradient_step",
    ),
    Lesson(
        "algorithm-selection",
        "One transformer runs ridge at several λ and logistic regression in the prompt and picks by held-out pairs, as an oracle would.",
        "selection",
    ),
    Lesson(
        "associative-memory",
        "Outer products keep about d/(4 ln d) patterns of d signs; one attention step keeps exponentially many, within a bound it states.",
        "associative",
    ),
    Lesson(
        "sgd-khop",
        "Transformers trained from scratch on k-hop: which depths SGD learns, and which learned head is like which compiled one.",
        "sgd_khop",
    ),
)


def lesson(name: str) -> Lesson:
    """The construction of that name. Raises InputError where there is none."""
    for found in LESSONS:
        if found.name == name:
            return found
    raise InputError(f"the lecture has no {name!r}", hint=f"it has {', '.join(x.name for x in LESSONS)}")
