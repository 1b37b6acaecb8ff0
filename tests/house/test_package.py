"""What the package says about itself: one version everywhere, its licence, types, and completion for shells."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import headwork as hw
from headwork import programs, protocols

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def headwork(*arguments: str, **environment: str) -> str:
    """What the command prints."""
    code = "import sys; from headwork.cli import main; sys.argv[0] = 'headwork'; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_is_one() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", hw.__version__)
    assert cited["version"] == hw.__version__ and cited["license"] == PROJECT["license"] == "Apache-2.0"
    assert headwork("--version") == f"headwork {hw.__version__}\n"


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Copyright 2026 The headwork authors" in text and "[yyyy]" not in text
    assert [int(number) for number in re.findall(r"^   (\d)\. [A-Z]", text, re.MULTILINE)] == list(range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["license-files"] == ["LICENSE"]


def test_the_package_says_that_it_is_typed() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert (ROOT / "py.typed").is_file() and settings["package-data"]["headwork"] == ["py.typed"]


def test_what_is_imported_at_the_top_is_a_dependency() -> None:
    """What an installed file imports when it is imported, installing brings; what an extra brings is imported inside functions."""
    needed = {re.split(r"[>=]", line)[0] for line in PROJECT["dependencies"]}
    used: set[str] = set()
    for path in ROOT.rglob("*.py"):
        if path.relative_to(ROOT).parts[0] in {"tests", "benchmarks", "examples", ".venv", "build"}:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                used |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                used.add((node.module or "").split(".")[0])
    assert used - set(sys.stdlib_module_names) == needed, "a module is imported that is no dependency, or a dependency that no file imports"


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_be_taught_to_complete(shell: str) -> None:
    """The shell is named here; otherwise it is the one that the command was started from, which need not be one of these."""
    assert "_HEADWORK_COMPLETE" in headwork("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("headwork cert", {"certify"}),
        ("headwork run khop", {"khop"}),
        ("headwork certify dyck", {name for name in programs.names() if name.startswith("dyck")}),
        ("headwork mpc run sort", {name for name in protocols.names() if name.startswith("sort")}),
        ("headwork run ./mine", set()),  # nothing is offered, so that the shell completes file names
    ],
)
def test_completion_knows_commands_and_programs(typed: str, offered: set[str]) -> None:
    place = str(len(typed.split()) - 1)
    assert set(headwork(COMP_WORDS=typed, COMP_CWORD=place, _HEADWORK_COMPLETE="complete_bash").split()) == offered
