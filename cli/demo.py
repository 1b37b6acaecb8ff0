"""`headwork demo`: induction and k-hop induction on a real text, every answer compared with the plain reference."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from rich.table import Table

from .. import programs
from ..compiler.domain import Symbol
from ..programs import Entry
from ..runtime.check import Report, check
from ..runtime.model import Model, compile as compile_program
from .display import console, cost_table, progress, say, status, table

TOPICS = ("objects", "naming", "execmodel", "types", "specialnames", "formatstrings", "debugger")
PLACES = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """One program on the text: its answers, those of the plain reference, and the check of its insides."""

    model: Model
    answers: list[Symbol | None]
    reference: list[Symbol | None]
    report: Report
    seconds: float

    @property
    def agreeing(self) -> int:
        """Positions where model and reference give the same word, or both none."""
        return sum(a == b for a, b in zip(self.answers, self.reference, strict=True))

    @property
    def ok(self) -> bool:
        """Every answer agrees, and so does every value inside."""
        return self.agreeing == len(self.reference) == len(self.answers) and self.report.ok


def text(count: int) -> list[str]:
    """The first `count` words of some chapters of the Python reference manual, which come with Python itself."""
    from pydoc_data.topics import topics

    prose = " ".join(topics[name] for name in TOPICS if name in topics)
    return re.findall(r"[a-z]+(?:'[a-z]+)?", prose.lower().replace("’", "'"))[:count]


def run_demo(count: int) -> bool:
    """Print what the two programs predict, what they cost and the check's verdict; whether all of it is right."""
    words = text(count)
    alphabet = sorted(set(words))
    say(f"The text: {len(words):,} words of the Python reference manual, {len(alphabet):,} different ones.")
    say("The weights below were computed from two short programs; nothing was trained.\n")

    induction = _outcome(programs.entry("induction"), {}, words, alphabet)
    khop = _outcome(programs.entry("khop"), {"k": 4}, words, alphabet)

    say("induction predicts the next word: what followed the latest earlier occurrence of this one.")
    say("khop follows that pointer 4 times. Some places, evenly spaced; ⊥ is no prediction:\n")
    console().print(_excerpt(words, induction.answers, khop.answers))
    guesses = [(guess, came) for guess, came in zip(induction.answers, words[1:], strict=False) if guess is not None]
    right = sum(guess == came for guess, came in guesses)
    share = right / max(1, len(guesses))
    say(f"\ninduction had a prediction {len(guesses):,} times, and that word came {right:,} times ({share:.1%}).\n")

    console().print(cost_table({outcome.model.name: outcome.model.cost for outcome in (induction, khop)}))
    for outcome in (induction, khop):
        agreeing = f"{outcome.agreeing:,} of {len(words):,} answers equal the plain-Python reference's"
        say(f"\n{outcome.model.name}: {agreeing} ({outcome.seconds:.1f} s)")
        say(str(outcome.report))
    ok = induction.ok and khop.ok
    say("\nverdict: every answer and every value inside is exact" if ok else "\nverdict: WRONG, see above")
    return ok


def _outcome(entry: Entry, parameters: dict[str, object], words: list[str], alphabet: list[str]) -> Outcome:
    start = time.perf_counter()
    with status(f"compiling and running {entry.name}"):
        model = compile_program(entry.program(**parameters), length=len(words), alphabet=alphabet)
        answers = model.run(words)
        reference = entry.reference(words, **parameters)
    seconds = time.perf_counter() - start
    with progress(f"checking {model.name}") as step:
        report = check(model, samples=16, lengths=[64, len(words)], inputs=[words], progress=step)
    return Outcome(model, list(answers), reference, report, seconds)  # pyright: ignore[reportArgumentType]


def _excerpt(words: list[str], induced: list[Symbol | None], hopped: list[Symbol | None]) -> Table:
    """What was read, predicted, and came, at evenly spaced places."""
    rows: list[list[str]] = []
    for place in range(1, PLACES + 1):
        i = place * len(words) // PLACES - 2
        guess, hop = ("⊥" if value is None else str(value) for value in (induced[i], hopped[i]))
        context = "… " + " ".join(words[max(0, i - 5) : i + 1])
        rows.append([context, guess, words[i + 1], "right" if guess == words[i + 1] else "", hop])
    return table(["text so far", "predicted", "came", "", "4 hops"], rows)
