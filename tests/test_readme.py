"""The README's Python is real: it runs, and says what the README says it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import headwork as hw
from headwork.compiler.domain import Alphabet, Domain, Sizes
from headwork.compiler.forms import scalar
from headwork.compiler.linear import Lin
from headwork.compiler.ops import Gadgets, Operand
from headwork.compiler.ops.base import Local

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_programs_compile_run_check_and_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    for block in BLOCKS[:2]:
        exec(compile(block, "README.md", "exec"), scope)
    printed = capsys.readouterr().out
    assert "exact: khop-3" in printed and "attention layers   3" in printed
    assert (tmp_path / "khop-3" / "model.safetensors").exists()
    assert isinstance(scope["induction"], hw.Program)


@pytest.mark.parametrize("about", ["beaver", "def seen", "hw.sample("])
def test_examples_print_what_is_printed(about: str, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (b for b in BLOCKS if about in b)
    exec(compile(block, "README.md", "exec"), {"hw": hw})
    assert f"```\n{capsys.readouterr().out}```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_stock_checkpoint_loads_and_says_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(compile(BLOCKS[0], "README.md", "exec"), scope)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for about, said in (("induction-gpt2", "0 wrong"), ("counts-gpt2", "0.25")):
        for block in (b for b in BLOCKS if about in b):
            exec(compile(block, "README.md", "exec"), scope)
        printed = capsys.readouterr().out
        assert said in printed and f"```\n{printed.splitlines()[-1]}\n```" in readme


def test_the_gguf_file_loads_and_says_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed: pip install -e '.[gguf]'")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(compile(BLOCKS[0], "README.md", "exec"), scope)
    (block,) = (b for b in BLOCKS if "induction-gguf" in b)
    exec(compile("model = hw.compile(induction, length=64, alphabet='a b c d'.split())\n" + block, "README.md", "exec"), scope)
    assert f"```\n{capsys.readouterr().out}```" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_new_primitive_is_a_primitive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its units compute what its meaning says, for every value and for ⊥."""
    module = ModuleType("headwork.compiler.ops.magnitude")
    module.__package__ = "headwork.compiler.ops"
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their own module up there
    scope = vars(module)
    (block,) = (b for b in BLOCKS if "class Magnitude" in b)
    exec(compile(block, "README.md", "exec", dont_inherit=True), scope)
    made = scope["Magnitude"]
    assert isinstance(made, type) and issubclass(made, Local)
    op = made()
    domain = Domain("int", -4, 6, none=True)
    form, out = scalar(domain), scalar(op.domain([domain], Sizes(4, Alphabet.of(2), True)))
    cells = {(1, 0): (0, form.top), (2, 0): (0, 1), (0, 0): (0, 1)}
    operand = Operand(Lin.cell(1), domain, form, flag=lambda: Lin.cell(2), square=lambda: Lin.cell(1))
    units = op.lower([operand], out, Gadgets(cells.__getitem__))
    assert isinstance(units, list)
    for value in (None, *range(-4, 7)):
        at = {(0, 0): 1, (1, 0): form.code(value)[0], (2, 0): int(value is not None)}
        total = sum(max(0, sum(k * at[cell] for cell, k in u.pre.terms)) * np.array(u.out) for u in units)
        assert tuple(total) == out.code(op.meaning(value)), value
