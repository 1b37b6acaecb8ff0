"""The face in a notebook or a terminal: names that TAB finds, results that show themselves, attributes that are not there."""

from __future__ import annotations

import html.parser
import inspect
import re
from dataclasses import FrozenInstanceError

import pytest

import headwork as hw
from headwork import programs, protocols

MODEL = hw.compile(programs.khop(k=8), length=32)
WIDE = hw.compile(programs.automaton(), length=32)


class Cells(html.parser.HTMLParser):
    """The text of a page's cells, and whether every tag was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        assert tag in ("table", "caption", "tr", "th", "td"), tag
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class Paper:
    """What IPython prints on."""

    def __init__(self) -> None:
        self.said = ""

    def text(self, obj: str) -> None:
        self.said += obj


def test_every_public_name_is_found_and_is_there() -> None:
    assert set(hw.__all__) <= set(dir(hw))
    assert all(getattr(hw, name) is not None for name in dir(hw))
    with pytest.raises(AttributeError, match="no attribute 'complie'"):
        hw.complie  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", programs.names())
def test_a_program_is_an_attribute(name: str) -> None:
    entry = getattr(hw.programs, name)
    assert entry is programs.entry(name) and name in dir(hw.programs) and name in programs.__all__
    made, got = entry(), programs.get(name)
    assert (made.name, made.alphabet, made.causal) == (got.name, got.alphabet, got.causal)
    assert name in repr(entry) and len(repr(entry)) < 250


@pytest.mark.parametrize("name", protocols.names())
def test_a_protocol_is_an_attribute(name: str) -> None:
    entry = getattr(hw.protocols, name)
    assert entry is protocols.entry(name) and name in dir(hw.protocols) and name in protocols.__all__
    assert entry().trace(9) == protocols.get(name).trace(9)
    assert name in repr(entry) and len(repr(entry)) < 250


def test_parameters_are_checked_there_too() -> None:
    assert hw.programs.khop(k=8).name == "khop(k=8)" and repr(hw.programs.khop).startswith("<khop(k=2): ")
    assert (
        hw.programs.khop(8).name == "khop(k=8)"
        and hw.protocols.connected_components(9, 3).name == hw.protocols.get("connected_components", nodes=9, memory=3).name
    )
    with pytest.raises(hw.InputError, match="2 values without a name"):
        hw.programs.khop(8, 9)
    with pytest.raises(hw.InputError, match="k by name"):
        hw.programs.khop(8, k=9)
    with pytest.raises(hw.InputError, match="has no parameter 'j'"):
        hw.programs.khop(j=1)
    with pytest.raises(hw.InputError, match="has no parameter 'speed'"):
        hw.protocols.sort(speed=1)


def test_reprs_are_one_short_line() -> None:
    trace = hw.protocols.sort().trace(9)
    things = [MODEL, WIDE, MODEL.graph, WIDE.graph, MODEL.compiled, trace, hw.certify(MODEL), programs.turing(), hw.protocols.sort()]
    for thing in things:
        assert len(repr(thing)) < 200 and "\n" not in repr(thing), repr(thing)
    assert repr(MODEL) == "<Model khop(k=8): length 32, 4 symbols, float32; 5 attention layers, d_model 6, 570 parameters>"


RESULTS = {"cost": lambda: MODEL.cost, "check": lambda: hw.check(MODEL, samples=2), "certify": lambda: hw.certify(MODEL)}


GRIDS = {
    "bounds": lambda: hw.bounds(MODEL),
    "frontier": lambda: hw.frontier(programs.induction(), length=4, alphabet=2),
}
NOTEBOOK = {
    **RESULTS,
    **GRIDS,
    "model": lambda: MODEL,
    "program": lambda: programs.khop(k=8),
    "protocol": lambda: hw.protocols.sort(),
    "trace": lambda: hw.trace(MODEL, list("abacab")),
    "circuit": lambda: hw.circuit(MODEL),
    "comparison": lambda: hw.compare(MODEL.module, MODEL, list("abacab")),
}


@pytest.mark.parametrize("name", NOTEBOOK)
def test_everything_is_short_in_text_and_whole_in_a_notebook(name: str) -> None:
    thing, paper = NOTEBOOK[name](), Paper()
    assert len(repr(thing)) < 250 and "\n" not in repr(thing)
    page = thing._repr_html_()  # type: ignore[union-attr]
    assert len(page) < 20_000 and len(Cells(page).texts) > 3 and "color" not in page  # a notebook's own colours, light or dark
    thing._repr_pretty_(paper, False)  # type: ignore[union-attr]
    assert paper.said == str(thing)


@pytest.mark.parametrize("name", GRIDS)
def test_grids_have_their_headings(name: str) -> None:
    title, headings, rows = GRIDS[name]().grid()
    cells = Cells(GRIDS[name]()._repr_html_()).texts
    assert cells == [text for text in (title, *headings, *(text for row in rows for text in row)) if text]
    assert rows and all(len(row) == len(headings) for row in rows)


def test_a_trace_is_values_by_tokens() -> None:
    trace = hw.trace(MODEL, list("abacab"))
    texts = Cells(trace._repr_html_()).texts
    assert texts[1:7] == list("abacab") and texts[-7:] == ["output", *("⊥" if v is None else str(v) for v in trace.output)]
    changed = hw.compile(programs.khop(k=8), length=32)
    changed.module.W_U.data[:, 2:] *= -1
    wrong = hw.trace(changed, list("abacabacabac"))
    assert any(" (not " in text for text in Cells(wrong._repr_html_()).texts)


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_tables_in_a_notebook_and_text_in_a_terminal(name: str) -> None:
    result, paper = RESULTS[name](), Paper()
    cells = Cells(result._repr_html_()).texts
    title, rows = result.table()
    assert cells == [title, *(text for row in rows for text in row)]
    assert all(said.split("\n")[0] in str(result) for _, said in rows)
    result._repr_pretty_(paper, False)
    assert paper.said == str(result)


def test_what_a_table_says_is_escaped() -> None:
    program = hw.program(name="<b>&bold")(lambda token: token)
    model = hw.compile(program, length=2, alphabet=["<i>", "b"])
    for thing in (model, program, hw.bounds(model), hw.trace(model, ["<i>"]), hw.circuit(model), hw.compare(model.module, model, ["<i>"])):
        assert not {"<b>", "<i>"} & set(re.findall("<.*?>", thing._repr_html_()))
        assert {"<b>", "<i>"} & set(re.findall("<.>", "".join(Cells(thing._repr_html_()).texts)))
    page = hw.check(model, samples=1)._repr_html_()
    assert "<b>" not in page and "exact: <b>&bold in float32" in Cells(page).texts


def test_a_model_is_itself() -> None:
    again = hw.compile(programs.khop(k=8), length=32)
    assert MODEL == MODEL and again != MODEL and len({MODEL, again, MODEL}) == 2


@pytest.mark.parametrize("thing", [MODEL, MODEL.cost, MODEL.graph, hw.certify(MODEL), programs.khop(k=2)], ids=lambda t: type(t).__name__)
def test_attributes_that_are_not_there(thing: object) -> None:
    with pytest.raises(FrozenInstanceError, match="x"):
        thing.x = 1  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="lenght"):
        thing.lenght  # type: ignore[attr-defined]  # noqa: B018


def test_methods_print_types_without_quotes() -> None:
    for kind in (hw.Model, hw.Value, hw.Selector, hw.Hit):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            text = "" if name.startswith("_") else str(inspect.signature(method))
            assert ": '" not in text and "-> '" not in text, f"{kind.__name__}.{name}{text}"
