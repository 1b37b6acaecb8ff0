"""The shape of the code: imports run one way, the oracle shares nothing with the lowering, and torch is imported late."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("compiler", "runtime", "programs", "certificate", "kernel", "margin", "prover", "theory", "export", "mpc", "protocols"),
    *("lecture", "lab", "report", "learning", "suite", "rasp", "execution", "cli"),
)
COMMAND_LINE = {"cli", "__main__"}
LOWERING = {"codes", "plan", "place", "emit", "pipeline"}
MAY_IMPORT = {
    "compiler": {"compiler"},
    "runtime": {"compiler", "runtime"},
    "programs": {"compiler", "programs"},
    "kernel": {"kernel"},
    "margin": {"margin"},
    "prover": {"compiler", "runtime", "kernel", "prover"},
    "certificate": {"compiler", "runtime", "kernel", "margin", "prover", "certificate"},
    "theory": {"compiler", "runtime", "programs", "certificate", "mpc", "protocols", "theory"},
    "export": {"compiler", "runtime", "certificate", "margin", "lab", "export"},
    "mpc": {"compiler", "runtime", "mpc"},
    "protocols": {"compiler", "mpc", "programs", "protocols"},
    "lecture": {"compiler", "runtime", "programs", "theory", "learning", "lecture"},
    "execution": {"compiler", "runtime", "certificate", "execution"},
    "rasp": {"compiler", "runtime", "rasp"},
    "lab": {"compiler", "runtime", "certificate", "programs", "lab"},
    "learning": {"compiler", "runtime", "programs", "theory", "lab", "learning"},
    "report": {"compiler", "runtime", "certificate", "theory", "lab", "report", "__version__"},
    "suite": {"compiler", "runtime", "programs", "certificate", "export", "lab", "suite", "__version__"},
    "cli": {*PACKAGES, "__version__"},
}
ABOVE = "runtime.above"  # a model's words for functions above it, each imported when it is used

FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    """`compiler/ops/base.py` is `compiler.ops.base`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def imports(path: Path, everywhere: bool = True) -> set[str]:
    """The modules of this repository a file imports, as dotted names from the root; without those inside functions
    and under TYPE_CHECKING unless `everywhere`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if everywhere else iter(tree.body)
    package = list(path.relative_to(ROOT).parent.parts)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {a.name.removeprefix("headwork.") for a in node.names if a.name.split(".")[0] == "headwork"}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                assert node.level - 1 <= len(package), f"{path}: a relative import leaves the package"
                base = package[: len(package) - (node.level - 1)] + (node.module.split(".") if node.module else [])
            elif (node.module or "").split(".")[0] == "headwork":
                base = (node.module or "").split(".")[1:]
            else:
                continue
            for alias in node.names:
                inner = ".".join([*base, alias.name])
                found.add(inner if inner in MODULES or not base else ".".join(base))
    return found


def test_the_scan_sees_the_code() -> None:
    """The other tests would hold of nothing, so the scan must find files and known imports."""
    assert len(FILES) > 20
    assert "compiler.graph" in imports(ROOT / "compiler" / "language" / "value.py")
    assert "compiler.language" in imports(ROOT / "programs" / "induction.py")
    assert "runtime.files" in imports(ROOT / "runtime" / "model.py")
    assert "runtime.files" not in imports(ROOT / "runtime" / "model.py", everywhere=False)


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    for name in imports(path):
        top = name.split(".")[0]
        if module_name(path) == ABOVE:
            continue
        assert package == "cli" or top not in COMMAND_LINE, f"{module_name(path)} imports the command line: {name}"
        assert top in MAY_IMPORT[package], f"{module_name(path)} imports {name}: {package} may import {sorted(MAY_IMPORT[package])}"


def test_the_face_does_not_import_the_command_line() -> None:
    """But how it ends, which must be known before the imports are done."""
    assert {name for name in imports(ROOT / "__init__.py") if name.split(".")[0] in COMMAND_LINE} == {"cli.ends"}


def test_what_is_installed_is_the_package_and_nothing_else() -> None:
    """The root is the package, so every module in it is installed, and every folder of modules must be listed."""
    assert {path.stem for path in ROOT.glob("*.py")} == {"__init__", "__main__"}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in FILES if path.name == "__init__.py"}
    assert set(settings["packages"]) == {"headwork", *(f"headwork.{folder}" for folder in folders)}


def test_what_points_up_is_imported_when_it_is_used() -> None:
    """The words of a model for functions above it stand in one file, which imports none of them when it is imported."""
    top = imports(ROOT / "runtime" / "above.py", everywhere=False)
    assert {name.split(".")[0] for name in top} == {"compiler"}


def test_no_circles() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for name, path in MODULES.items():
        graph.add_edges_from((name, other) for other in imports(path, everywhere=False) if other in MODULES and other != name)
    assert graph.number_of_edges() > 20
    assert list(nx.simple_cycles(graph)) == []


def test_the_compiler_does_not_import_torch() -> None:
    for path in FILES:
        if path.is_relative_to(ROOT / "compiler") or path.is_relative_to(ROOT / "programs"):
            assert "import torch" not in path.read_text(encoding="utf-8"), path


def test_the_kernel_stands_alone() -> None:
    """What must be believed reads arrays and text: it needs NumPy and, for files, safetensors, and nothing of what it checks."""
    for path in sorted((ROOT / "kernel").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        outside = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        outside |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and not n.level}
        foreign = {name for name in outside if name.split(".")[0] not in sys.stdlib_module_names} - {"numpy", "numpy.typing"}
        assert foreign <= ({"safetensors"} if path.stem == "files" else set()), path


@pytest.mark.parametrize("name", ["interpreter", "interpret", "tokens"])
def test_the_oracle_shares_no_code_with_the_lowering(name: str) -> None:
    for imported in imports(ROOT / "runtime" / f"{name}.py", everywhere=False):
        assert not set(imported.split(".")) & LOWERING, f"runtime/{name}.py imports {imported}"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_importing_headwork_imports_neither_torch_nor_sympy() -> None:
    done = python("import sys, headwork; headwork.program; headwork.programs.names(); assert not {'torch', 'sympy'} & set(sys.modules)")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["compile", "--help"], ["list"], ["mpc", "--help"], ["mpc", "run", "--help"], ["mpc", "list"], ["lecture"]]
)
def test_help_and_list_import_neither_torch_nor_ray(arguments: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["headwork", *{arguments!r}]
from headwork.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
assert not {{"torch", "ray"}} & set(sys.modules)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout
