"""The documentation is real: its code runs and prints what it says, it names every public name, and its links hold elsewhere."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from typer.main import get_command

import headwork as hw
from headwork.cli.app import app
from headwork.compiler.codes.forms import scalar
from headwork.compiler.codes.linear import Lin
from headwork.compiler.domain import Alphabet, Domain, Sizes
from headwork.compiler.ops import Gadgets, Operand
from headwork.compiler.ops.base import Local
from headwork.tests.markdown import Wrong, blocks, run, written

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
RUN = [page for page in PAGES if any(block.kind in ("python", "console") for block in blocks(page.read_text(encoding="utf-8")))]
NEEDS = {"export.md": "transformers", "gguf.md": "xllamacpp", "transformer-lens.md": "transformer_lens"}
PUBLIC = [
    *hw.__all__,
    *(f"programs.{name}" for name in hw.programs.__all__ if name not in hw.programs.names()),
    *(f"protocols.{name}" for name in hw.protocols.__all__ if name not in hw.protocols.names()),
]


def title(page: Path) -> str:
    return str(page.relative_to(ROOT))


def script(name: str) -> ModuleType:
    """A script of benchmarks/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.mark.parametrize("page", RUN, ids=title)
def test_a_page_says_what_happens(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name], reason=f"{NEEDS[page.name]} is not installed")
    monkeypatch.chdir(tmp_path)
    assert run(page) > 0


def test_the_pages_that_must_run_are_found() -> None:
    """The test above would hold of no page at all."""
    tutorials = {page.name for page in RUN if page.parent.name == "tutorials"}
    assert tutorials == {path.name for path in (DOCS / "tutorials").iterdir()} and len(tutorials) >= 7
    assert ROOT / "README.md" in RUN and DOCS / "language.md" in RUN


@pytest.mark.parametrize(
    ("page", "right"),
    [
        ("```python\nprint(1)\n```\n\n```\n1\n```\n", True),
        ("```python\nprint(1)\n```\n\n```\n2\n```\n", False),
        ("```python\nprint(1)\nprint(2)\n```\n\n```\n...\n2\n```\n", True),
        ("```python\nprint(1)\n```\n\n```\n1\n2\n```\n", False),
        ("```python\nx = 1\n```\n\ntext\n\n```\nnot printed\n```\n\n```python\nprint(x)\n```\n\n```\n1\n```\n", True),
        ("```console\n$ headwork --version\nheadwork 0.0\n```\n", False),
        (f"```console\n$ headwork --version\nheadwork {hw.__version__}\n```\n", True),
        ("```{ .python .elsewhere }\nraise SystemExit\n```\n", True),
    ],
)
def test_a_page_that_says_something_else_is_wrong(page: str, right: bool, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(page, encoding="utf-8")
    if right:
        run(path)
        return
    with pytest.raises(Wrong, match=r"page\.md:1"):
        run(path)
    path.write_text(written(path), encoding="utf-8")
    run(path)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_a_docstring_and_a_place_in_the_reference(name: str) -> None:
    found = hw
    for part in name.split("."):
        found = getattr(found, part)
    text = inspect.getdoc(found) or ""
    assert len(text.split()) > 3 and text.rstrip()[-1] in ".:)`" and text != inspect.getdoc(type(found)), (
        f"{name} has no docstring: {text!r}"
    )
    if isinstance(found, ModuleType):
        return  # a page of its own
    pages = [page for page in (DOCS / "reference").glob("*.md") if f"::: headwork.{name}\n" in page.read_text(encoding="utf-8")]
    assert len(pages) == 1, f"{name} is on {len(pages)} pages of docs/reference"


def test_the_reference_names_nothing_that_is_not_public() -> None:
    named = {
        name
        for page in (DOCS / "reference").glob("*.md")
        for name in re.findall(r"^::: headwork\.(\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named <= set(PUBLIC) and len(named) > 60


def test_every_program_and_protocol_of_the_libraries_is_listed() -> None:
    programs, protocols = ((DOCS / name).read_text(encoding="utf-8") for name in ("library.md", "mpc.md"))
    for name in hw.programs.names():
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(hw.programs.entry(name).summary)} \|$", programs, re.MULTILINE), name
    for name in hw.protocols.names():
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(hw.protocols.entry(name).summary)} \|$", protocols, re.MULTILINE), name


def test_the_page_of_theory_has_every_row_as_it_is() -> None:
    """`make lint` compares the tables that take compiling."""
    rows = script("table").theory_table()
    assert f"<!-- theory:begin -->\n{rows}\n<!-- theory:end -->" in (DOCS / "theory.md").read_text(encoding="utf-8"), (
        "run python benchmarks/table.py --write"
    )


def test_every_command_is_on_the_page_of_commands() -> None:
    table = (DOCS / "commands.md").read_text(encoding="utf-8").split("PROGRAM is a library name")[0]
    assert set(re.findall(r"^\| `headwork ([a-z]+)", table, re.MULTILINE)) == set(get_command(app).commands)


def test_the_readme_is_short_and_its_links_hold_where_there_is_no_repository() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert f"each of the {len(hw.programs.names())} programs" in text.replace("\n  ", " ")
    links = re.findall(r"\]\(([^)\s]+)", text)
    assert [link for link in links if not re.match(r"https://|#", link)] == ["docs/execution.png"]  # a picture, with words in its place
    for path in re.findall(r"`((?:docs|examples|tests|benchmarks)/[^`\s]*|[A-Z]+\.(?:md|cff))`", text):
        assert (ROOT / path).exists(), f"README.md names {path}, which is not there"


def test_every_page_is_in_the_contents() -> None:
    """MkDocs warns of it too, where it is installed."""
    text = re.sub(r"!!\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    nav = yaml.safe_load(text)["nav"]
    listed = [
        page
        for part in nav
        for pages in part.values()
        for entry in (pages if isinstance(pages, list) else [{"": pages}])
        for page in entry.values()
    ]
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_gallery_has_its_pictures() -> None:
    """Each is drawn by the script, named by the page, and small."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    gallery = script("gallery")
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    drawn = {picture.name: picture for picture in gallery.pictures()}
    assert {path.stem for path in (DOCS / "gallery").iterdir()} == set(drawn) == set(re.findall(r"\(gallery/(\w+)\.png\)", text))
    assert all(path.stat().st_size < 100_000 for path in (DOCS / "gallery").iterdir())
    assert gallery.draw(drawn["sort"]).axes
    with pytest.raises(SystemExit, match=r"a weight of 0\.5 is neither"):
        gallery.seen(np.array([[0.5, 0.5]]))


def test_the_new_primitive_is_a_primitive(monkeypatch: pytest.MonkeyPatch) -> None:
    """CONTRIBUTING's example: its units compute what its meaning says, for every value and for ⊥."""
    module = ModuleType("headwork.compiler.ops.magnitude")
    module.__package__ = "headwork.compiler.ops"
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their own module up there
    scope = vars(module)
    (block,) = (b for b in blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")) if b.kind == "python")
    exec(compile(block.body, "CONTRIBUTING.md", "exec", dont_inherit=True), scope)
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
