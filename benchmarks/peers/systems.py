"""The systems, each in an environment of its own, and the one command that runs a cell in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from signal import SIGXCPU

from headwork.benchmarks.peers.cell import CPU_LIMIT, MEMORY_LIMIT, Row

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = Path(__file__).resolve().parent / ".cache"
WALL_LIMIT = 4 * CPU_LIMIT  # seconds: ends what waits without computing, on a machine that others use too
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}


class InstallError(Exception):
    """An environment could not be made; the text is the last line of the installer."""


@dataclass(frozen=True, slots=True)
class System:
    """A compiler, its worker in this folder, and the packages that it needs; headwork runs where this command runs."""

    name: str
    worker: str
    packages: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        """The interpreter that runs the worker."""
        return CACHE / "envs" / self.worker / "bin" / "python" if self.packages else Path(sys.executable)

    @property
    def version(self) -> str:
        """What is installed, for the record."""
        return " ".join(self.packages) or f"headwork at {_commit()}"

    def install(self) -> None:
        """Make the environment unless it is there, with headwork's own versions of what both use. Raises InstallError."""
        if not self.packages:
            return
        root = CACHE / "envs" / self.worker
        made = root / "installed.txt"
        if made.exists() and made.read_text(encoding="utf-8") == self.version:
            return
        venv.create(root, clear=True, with_pip=True)
        command = [
            self.python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-c",
            ROOT / "constraints.txt",
            *self.packages,
        ]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise InstallError(_last_line(done.stderr))
        made.write_text(self.version, encoding="utf-8")

    def run(self, task: str, length: int) -> Row:
        """One cell in a process of its own. What it said before it ended for any reason is kept."""
        blank = Row(self.name, task, length, "measured")
        command = [self.python, "-m", f"benchmarks.peers.on_{self.worker}", task, str(length)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, timeout=WALL_LIMIT, check=False
            )
            code, said, errors, limit = done.returncode, done.stdout, done.stderr, f"{CPU_LIMIT} CPU seconds"
        except subprocess.TimeoutExpired as late:
            code, said, errors, limit = -SIGXCPU, (late.stdout or b"").decode(), "", f"{WALL_LIMIT} seconds of the clock"
        lines = [line for line in said.splitlines() if line.startswith("{")]
        row = Row(**json.loads(lines[-1])) if lines else blank
        row = replace(row, system=self.name, version=self.version, date=str(date.today()))
        if code == -SIGXCPU:
            return replace(row, status="time limit", note=f"stopped at {limit}")
        if code:
            memory = f" (memory is limited to {MEMORY_LIMIT >> 30} GiB)" if _out_of_memory(errors) else ""
            return replace(row, status="crashed", note=(_last_line(errors) or f"ended with code {code}") + memory)
        return row


SYSTEMS = (
    System("headwork", "headwork"),
    System("Tracr", "tracr", ("tracr-pypi==1.0.0",)),
    System("torchwright", "torchwright", ("torchwright==0.2.0",)),
    System("transformer-vm", "transformer_vm", ("mlx-transformer-vm==0.2.0", "mlx[cpu]==0.32.4")),
)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _out_of_memory(errors: str) -> bool:
    return any(word in errors for word in ("MemoryError", "RESOURCE_EXHAUSTED", "bad_alloc", "not enough memory", "Out of memory"))


def _commit() -> str:
    """The last commit that changed what is measured."""
    command = ["git", "log", "-1", "--format=%h", "--", "compiler", "runtime", "programs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "an unknown commit"
