"""The training run of `learner`: curriculum, checkpoints that resume, progress, and how well the result does."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch.nn.functional import cross_entropy

from ..compiler.errors import CheckpointError
from .learner import CHECKPOINT, COLUMNS, EVERY, PROGRESS, RIGHT, STATE, Learner, Setting, answers, sequences

WARMUP = 100
TESTED = 1_000_000_000  # batches from this step on are for testing


@dataclass(slots=True)
class Run:
    """A training run so far: the model, the step, the stage k' of the curriculum, and what was seen of it every 50 steps."""

    setting: Setting
    model: Learner
    adam: torch.optim.Adam
    step: int = 0
    stage: int = 1
    began: int = 0
    learned: dict[str, int] = field(default_factory=dict)  # stage -> the step at which it was 98% right
    history: list[tuple[int, int, float, float]] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the last stage is learned or the steps are spent."""
        return str(self.setting.k) in self.learned or self.step >= self.setting.steps

    def state(self) -> dict[str, object]:
        """All but the tensors, as JSON-ready values."""
        names = ("step", "stage", "began", "learned", "history")
        return {"setting": asdict(self.setting), **{name: getattr(self, name) for name in names}}

    def accuracy(self, k: int, batch: int = 512) -> float:
        """The share of right answers on sequences never trained on, over the places that have one."""
        rows = sequences(np.random.default_rng([self.setting.seed, TESTED + self.step]), batch, self.setting.length, self.setting.symbols)
        with torch.inference_mode():
            said = self.model(torch.tensor(rows)).argmax(-1).numpy()
        truth = answers(rows, k)
        there = truth > 0
        return float((said == truth)[there].mean()) if there.any() else 1.0


def start(setting: Setting) -> Run:
    """A fresh run. Raises InputError for a setting that makes no sense."""
    setting.check()
    torch.manual_seed(setting.seed)
    model = Learner(setting)
    return Run(setting, model, torch.optim.Adam(model.parameters(), lr=setting.rate))


def train(run: Run, out: Path | None = None, progress: Callable[[int, int], None] | None = None, until: int | None = None) -> Run:
    """Train to the end, or to step `until`; saves in `out` every 50 steps. One torch thread, so that runs repeat."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        while not run.done and (until is None or run.step < until):
            loss = _step(run)
            if run.step % EVERY == 0 or run.step == run.setting.steps:
                _look(run, loss)
                if progress:
                    progress(run.step, run.setting.steps)
                if out is not None:
                    save_run(run, out)
        if out is not None:
            save_run(run, out)
    finally:
        torch.set_num_threads(threads)
    return run


def _step(run: Run) -> float:
    setting = run.setting
    rows = sequences(np.random.default_rng([setting.seed, run.step]), setting.batch, setting.length, setting.symbols)
    logits = run.model(torch.tensor(rows))  # (B, n, |Σ| + 1)
    loss = cross_entropy(logits.flatten(0, 1), torch.tensor(answers(rows, run.stage)).flatten())
    for group in run.adam.param_groups:
        group["lr"] = setting.rate * min(1.0, (run.step + 1) / WARMUP)
    run.adam.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.adam.step()
    run.step += 1
    return float(loss.detach())


def _look(run: Run, loss: float) -> None:
    accuracy = run.accuracy(run.stage)
    run.history.append((run.step, run.stage, round(loss, 5), round(accuracy, 5)))
    if accuracy >= RIGHT:
        run.learned[str(run.stage)] = run.step
    spent = run.step - run.began >= run.setting.steps // run.setting.k
    if run.stage < run.setting.k and (accuracy >= RIGHT or spent):
        run.stage, run.began = run.stage + 1, run.step


def save_run(run: Run, out: Path) -> None:
    """Write the checkpoint, each file at once; the tensors' file holds the state too, so the two never disagree."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": t for name, t in run.model.state_dict().items()}
    for i, moments in run.adam.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": t for name, t in moments.items()}
    text = json.dumps(run.state())
    lines = io.StringIO()
    csv.writer(lines).writerows([COLUMNS, *run.history])
    _write(out / CHECKPOINT, save(tensors, {"state": text}))
    _write(out / STATE, text.encode())
    _write(out / PROGRESS, lines.getvalue().encode())


def load_run(out: Path) -> Run:
    """Read a checkpoint. Raises CheckpointError where it is not one of these, or its tensors do not fit."""
    path = out / CHECKPOINT
    if not path.is_file():
        raise CheckpointError(f"there is no {path}", hint="`headwork train khop --out DIR` writes one")
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
        run = start(Setting(**state["setting"]))
        run.model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, t in tensors.items():
            if name.startswith("adam."):
                _, i, what = name.split(".")
                moments.setdefault(int(i), {})[what] = t
        run.adam.load_state_dict({"state": moments, "param_groups": run.adam.state_dict()["param_groups"]})
        run.step, run.stage, run.began = int(state["step"]), int(state["stage"]), int(state["began"])
        run.learned = {str(k): int(v) for k, v in state["learned"].items()}
        run.history = [(int(a), int(b), float(c), float(d)) for a, b, c, d in state["history"]]
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of a training run", hint="train again into another directory") from error
    return run


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
