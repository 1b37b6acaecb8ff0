"""CONTRIBUTING's recipes, followed to the letter in a copy of the package: what is added works, and is proved."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def indented(title: str, by: int = 4) -> str:
    """The code of a section that stands indented so far."""
    text = re.sub(r"```.*?```", "", section(title), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if re.match(rf" {{{by}}}\s*\S", line)]
    assert lines, title
    return textwrap.dedent("\n".join(lines)) + "\n"


class Copy:
    """A copy of the package under another folder, to be changed and imported from there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.package = folder, folder / "headwork"
        for path in (*ROOT.rglob("*.py"), *ROOT.glob("theory/rows/*.toml")):
            place = path.relative_to(ROOT)
            if place.parts[0] not in {"tests", "benchmarks", "examples", "build", ".venv", ".ci"}:
                (self.package / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, self.package / place)

    def put(self, place: str, text: str) -> None:
        """A new file."""
        (self.package / place).write_text(text, encoding="utf-8")

    def before(self, place: str, mark: str, text: str) -> None:
        """Text before the one line that begins so."""
        whole = (self.package / place).read_text(encoding="utf-8")
        lines = [line for line in whole.splitlines(keepends=True) if line.startswith(mark)]
        assert lines, f"{place} has no line that begins {mark!r}"
        (self.package / place).write_text(whole.replace(lines[0], text + lines[0], 1), encoding="utf-8")

    def python(self, code: str) -> str:
        """What a program prints that imports the copy."""
        head = f"import headwork as hw, pathlib; assert pathlib.Path(hw.__file__).is_relative_to({str(self.folder)!r})\n"
        (self.folder / "run.py").write_text(head + textwrap.dedent(code), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "run.py"], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.mark.slow
def test_a_primitive_is_added_as_the_page_says(copy: Copy) -> None:
    """Without the checker's own two rules it is refused, with them it is proved; checkpoints know it, and a wrong weight is found."""
    (code,) = re.findall(r"```python\n(.*?)```", section("Adding a primitive"), re.DOTALL)
    copy.put("compiler/ops/magnitude.py", code)
    copy.before("compiler/ops/__init__.py", "OPS: dict", "from .magnitude import Magnitude\n\n")
    copy.before("compiler/ops/__init__.py", "        *(Affine,", "        Magnitude,\n")
    copy.before("compiler/language/functions.py", "MAX_TABLE", "from ..ops.magnitude import Magnitude\n\n")
    copy.before("compiler/language/functions.py", "def extreme(", indented("Adding a primitive", 8) + "\n\n")
    copy.before("compiler/language/__init__.py", "from .functions import", "from .functions import magnitude\n")
    copy.before("__init__.py", "from .runtime.interpret import", "from .compiler.language import magnitude\n")
    use = """
        @hw.program(alphabet=4)
        def far(token, position):
            return hw.magnitude(position - hw.match(query=token, key=token, before=True).latest().position - 3)

        model = hw.compile(far, length=16)
        assert hw.check(model, samples=20).ok
        model.save("far")
        print(hw.load("far").run([0, 1, 2, 0, 1, 1, 1, 0]))
        try:
            print(hw.certify(model).statement[:27])
        except hw.Refused as refusal:
            print(refusal)
    """
    assert copy.python(use) == "[None, None, None, 0, 0, 2, 2, 1]\nno rule for the operation magnitude\n"

    terms = "kernel/terms.py"
    copy.before(terms, '    "exists": ((), 1),', '    "magnitude": ((), 1),\n')
    copy.before(terms, "LOCAL = STRICT", 'STRICT |= {"magnitude"}\n')
    copy.before(terms, '            case "exists":', '            case "magnitude":\n                a = args[0]\n')
    found = "Range(0, max(abs(a.lo), abs(a.hi)), none)"
    copy.before(terms, '            case "exists":', f"                made = {found}\n")
    copy.before(terms, '        case "or_else":', '        case "magnitude":\n            found = np.abs(given[0])\n')
    assert copy.python(use) == "[None, None, None, 0, 0, 2, 2, 1]\nFor every sequence of 1..16\n"


@pytest.mark.slow
def test_a_theorem_is_added_as_the_page_says(copy: Copy) -> None:
    """A model of two layers meets it, and one of three exceeds it by one."""
    place = "theory/rows/constructions.toml"
    copy.put(place, (copy.package / place).read_text(encoding="utf-8") + "\n" + indented("Adding a theorem"))
    said = copy.python("""
        for name in ("reverse", "sort_by_frequency"):
            report = hw.bounds(hw.compile(hw.programs.get(name), length=8), family="reverse")
            print(*(row.texts()[-1] for row in report.rows if row.texts()[0] == "REVERSE"))
    """)
    assert said == "meets\nexceeds by 1\n"


@pytest.mark.slow
def test_a_target_of_llamas_family_is_added_as_the_page_says(copy: Copy) -> None:
    """transformers' own Granite runs the files and gives headwork's logits, and they are proved from the files alone."""
    pytest.importorskip("transformers", reason="transformers is not installed: pip install -e '.[hf]'")
    place = "export/llama.py"
    whole = (copy.package / place).read_text(encoding="utf-8")
    copy.put(place, whole.replace("TARGETS = (\n", "TARGETS = (\n    " + indented("Adding a target"), 1))
    said = copy.python("""
        report = hw.compile(hw.programs.get("induction"), length=16).export("out", target="granite")
        print(report.loads, report.checked.ok)
        print(str(hw.certify_export("out")).splitlines()[0])
    """)
    assert said == "GraniteForCausalLM True\ncertified: induction in float32\n"
