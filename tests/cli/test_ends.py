"""How the command ends when it is stopped: one line, the exit code that says by what, and nothing half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "headwork"]
STOPS = [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """A shell's background job ignores SIGINT, and so would all that it starts."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)


def stopped(command: list[str], number: int, ready: Path) -> subprocess.CompletedProcess[str]:
    """A process that gets a signal once it has made the file or directory `ready`."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not ready.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.parametrize(("number", "line"), STOPS)
def test_a_signal_while_it_imports(number: int, line: str, tmp_path: Path) -> None:
    """A NumPy that takes for ever stands for the first second."""
    ready = tmp_path / "ready"
    (tmp_path / "numpy.py").write_text(f"import pathlib, time\npathlib.Path({str(ready)!r}).touch()\ntime.sleep(600)\n")
    done = stopped([sys.executable, "-c", STARTED.format(path=str(tmp_path))], number, ready)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", f"{line}\n")


STARTED = "import sys; sys.argv = ['headwork', 'list']; sys.path.insert(0, {path!r}); from headwork.cli import main; main()"

SLOW = """
import sys, time
import headwork.runtime.files as files
import headwork.cli as cli
write = files.write
files.write = lambda path, content: (write(path, content), (path.parent.parent / "ready").touch(), time.sleep(600))
sys.argv = ["headwork", "compile", "induction", "--length", "4", "--alphabet", "2", "--out", {out!r}]
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "line"), STOPS)
def test_a_signal_while_it_writes(number: int, line: str, tmp_path: Path) -> None:
    done = stopped([sys.executable, "-c", SLOW.format(out=str(tmp_path / "model"))], number, tmp_path / "ready")
    assert (done.returncode, done.stderr) == (128 + number, f"{line}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["ready"]


def test_a_signal_that_is_ignored_stays_so() -> None:
    """As nohup, and a shell's background jobs, have it."""
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.argv = ['headwork']; import headwork.cli.ends as ends\n"
    code += "with ends.ending(): signal.raise_signal(signal.SIGINT); print('still here')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "still here\n", "")


def test_who_imports_headwork_keeps_the_signals() -> None:
    code = "import signal, headwork; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    code += "; assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_an_interrupt_inside_a_users_function(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import headwork as hw\n\ndef f(t):\n    raise KeyboardInterrupt\n\n@hw.program\ndef p(token):\n    return hw.table(f, token)\n"
    )
    command = [*COMMAND, "run", f"{file}:p", "--input", "[0, 1]"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["list", "--json"], ["--help"]], ids=" ".join)
def test_an_output_that_is_full(arguments: list[str], unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (2, "error: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_left(unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run([*COMMAND, "list"], stdout=write, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
