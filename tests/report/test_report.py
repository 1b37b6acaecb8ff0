"""The page: what it holds, that nothing in it is markup but its own, and, in a real browser, that its numbers are the model's.

Screenshots are left in build/report/.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import headwork as hw
from headwork.cli.app import app
from headwork.report.page import report
from headwork.runtime.interpreter import Column, node_values
from headwork.runtime.model import Model
from headwork.tests.browser import Browser, found
from headwork.tests.generate import program as random_program

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "build" / "report"
HOSTILE = [
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    "\"'><svg onload=window.hacked=1>",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "${window.hacked=1}`",
    "a b",
    "",
    "\u202eevil",
    "\u2028",
    "\x00\x1b[31m",
    "\ud800",
    "\\",
    "$title",
]
BROWSER = pytest.mark.skipif(found() is None, reason="there is no Chromium: apt-get install chromium, or name one in CHROMIUM")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = found()
    assert path is not None
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Browser(path) as one:
        yield one


@pytest.fixture(scope="module")
def khop() -> Model:
    return hw.compile(hw.programs.khop(k=16), length=64)


def opened(browser: Browser, model: Model, tokens: list[object], folder: Path, **window: object) -> None:
    """Open a model's page; nothing may complain, and nothing but the page itself may be asked for."""
    browser.errors.clear()
    browser.requests.clear()
    path = report(model, tokens, certify=bool(window.pop("certify", False))).save(folder / "page.html")
    browser.open(path, **window)  # type: ignore[arg-type]
    assert browser.errors == [] and browser.requests == [path.resolve().as_uri()]
    assert browser.run("document.getElementById('failed').hidden")


def rows_of(model: Model, count: int, seed: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(len(model.alphabet)) for _ in range(rng.randint(0, model.length))] for _ in range(count)]


def said(model: Model, rows: list[list[int]]) -> list[list[list[int | None]]]:
    """What the model says, as the page has it: by text, position and output."""
    found: list[list[list[int | None]]] = [[] for _ in rows]
    for length in {len(row) for row in rows} - {0}:
        same = [i for i, row in enumerate(rows) if len(row) == length]
        for i, columns in zip(same, model.values([rows[i] for i in same]), strict=True):
            found[i] = [list(position) for position in zip(*columns, strict=True)]
    return found


# --- without a browser ---------------------------------------------------------------------------------------------


def test_a_page_is_small_and_asks_for_nothing(khop: Model, tmp_path: Path) -> None:
    page = report(khop, list("abacbacdab"))
    assert len(page.html.encode()) < 500_000 and len(repr(page)) < 100
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page.html)
    assert policy and "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?(?:https?:|//)", page.html)
    saved = page.save(tmp_path / "x.html")
    assert saved.read_text(encoding="utf-8") == page.html and [p.name for p in tmp_path.iterdir()] == ["x.html"]
    umask = os.umask(0)
    os.umask(umask)
    assert saved.stat().st_mode & 0o777 == 0o666 & ~umask
    again = report(khop, list("abacbacdab"))
    assert again == page  # deterministic


def test_what_comes_from_users_is_only_text() -> None:
    program = hw.program(name="</title><script>alert(1)</script>")(lambda token: hw.previous(token))
    model = hw.compile(program, length=8, alphabet=HOSTILE)
    page = report(model, HOSTILE[:8], certify=False).html
    assert not any(symbol in page for symbol in HOSTILE if "<" in symbol and symbol != "<!--")
    assert page.count("<script") == 3 and page.count("</script") == 3 and page.count("<img") == 0 and "<title>&lt;/title&gt;" in page
    data = re.search(r'<script type="application/json" id="model">(.*?)</script>', page, re.DOTALL)
    assert data and not set("<>&") & set(data[1])
    assert json.loads(data[1])["alphabet"] == HOSTILE
    frame = report(model, [], certify=False)._repr_html_()
    assert frame.count("<") == 2 and frame.startswith("<iframe sandbox='allow-scripts'")


def test_a_checkpoint_shows_no_file_of_this_disk(tmp_path: Path) -> None:
    """A checkpoint names the file its program was written in; whoever made it may name any."""
    secret = tmp_path / "secret.py"
    secret.write_text("def f():\n    password = 'hunter2'\n    return password\n")
    model = hw.compile(hw.programs.induction(), length=8)
    model.save(tmp_path / "model")
    description = tmp_path / "model" / "program.json"
    description.write_text(re.sub(r'"[^"]*induction.py"', json.dumps(str(secret)), description.read_text()))
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config.pop("sha256")
    (tmp_path / "model" / "config.json").write_text(json.dumps({**config, "version": 2}))
    with pytest.warns(UserWarning, match="no digest|had a digest"):
        loaded = hw.load(tmp_path / "model")
    assert str(secret) in str([node.line for node in loaded.graph.nodes])
    assert "hunter2" not in report(loaded).html and "hunter2" not in report(loaded).html


def test_what_the_command_writes(tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = CliRunner().invoke(app, ["report", "induction", "--input", "a rose is a rose", "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["bytes"] == out.stat().st_size
    data = re.search(r'id="model">(.*?)</script>', out.read_text(encoding="utf-8"), re.DOTALL)
    assert data is not None
    content = json.loads(data[1])
    assert content["length"] == 64 and [content["alphabet"][i] for i in content["text"]] == "a rose is a rose".split()
    assert content["certificate"]["ok"] and content["source"]["file"] == "induction.py"
    wrong = CliRunner().invoke(app, ["report", "induction", "--input", "a", "-o", str(tmp_path / "no" / "x.html")])
    assert wrong.exit_code == 2 and "is not a directory" in wrong.output


def test_a_model_that_was_changed_is_not_certified(khop: Model) -> None:
    changed = hw.compile(hw.programs.khop(k=2), length=8)
    changed.module.blocks[0].W_Q.data *= 0
    data = re.search(r'id="model">(.*?)</script>', report(changed).html, re.DOTALL)
    assert data and json.loads(data[1])["certificate"]["ok"] is False
    with pytest.raises(hw.InputError, match="brought to"):
        changed.module.double()
        report(changed)
    with pytest.raises(hw.InputError, match="not in the alphabet"):
        report(khop, ["z"])


# --- in a browser --------------------------------------------------------------------------------------------------


@BROWSER
def test_a_thousand_texts_are_the_models(browser: Browser, khop: Model, tmp_path: Path) -> None:
    opened(browser, khop, list("abacbacdab"), tmp_path)
    rows = rows_of(khop, 1000, 0)
    got = browser.run(f"{json.dumps(rows)}.map((ids) => headwork.run(ids).outputs)")
    assert got == said(khop, rows)
    assert sum(value is not None for text in got for position in text for (value,) in [position]) > 1000


OTHERS = {
    "sort": {},
    "ngram_counts": {},
    "dyck_k": {},
    "histogram": {"dtype": "float64"},
    "induction": {"dtype": "bfloat16", "length": 8},
    "skip_trigram": {"dtype": "float16", "length": 8},
    "khop": {"code": "binary"},
    "sort_by": {},
    "dyck1": {"style": "natural"},
}


@BROWSER
def test_loaded_and_exported_models(browser: Browser, tmp_path: Path) -> None:
    """What was saved and read back computes the same in its page, and knows its heads and its circuit."""
    model = hw.compile(hw.programs.khop(k=4), length=16)
    rows = rows_of(model, 40, 2)
    model.save(tmp_path / "saved")
    model.export(tmp_path / "exported", "gpt2", check=False)
    for back in (hw.load(tmp_path / "saved"), hw.read_export(tmp_path / "exported")):
        opened(browser, back, list("abacbacd"), tmp_path)
        assert browser.run(f"{json.dumps(rows)}.map((ids) => headwork.run(ids).outputs)") == said(model, rows)
        assert browser.run("headwork.model.heads.map((head) => head.does)") == [record.does for record in back.records]
        assert browser.run("document.querySelectorAll('.circuit .part').length") > 4
        assert "keeps the graph" in browser.run("document.getElementById('source').textContent")


@BROWSER
@pytest.mark.parametrize("name", OTHERS)
def test_other_arithmetics_and_heads(browser: Browser, name: str, tmp_path: Path) -> None:
    model = hw.compile(hw.programs.get(name), **{"length": 20, **OTHERS[name]})  # type: ignore[arg-type]
    opened(browser, model, [], tmp_path)
    rows = rows_of(model, 60, 1)
    assert browser.run(f"{json.dumps(rows)}.map((ids) => headwork.run(ids).outputs)") == said(model, rows)


def counterfactual(model: Model, ids: list[int], sets: list[dict[str, int | None]], nodes: list[int]) -> list[Column]:
    """The interpreter with values set: `nodes` are those of the page's values, -1 for the token's."""
    found: list[Column] = []
    for index, node in enumerate(model.optimised.nodes):
        column = node_values(node, [found[a] for a in node.args], ids)
        for s in sets:
            if nodes[s["value"]] == index or (nodes[s["value"]] == -1 and node.op.name == "token"):  # type: ignore[index]
                column[s["position"] - 1] = s["to"]  # type: ignore[operator]
        found.append(column)
    return found


def drawn(seed: int) -> Model:
    """A random program, compiled."""
    rng = random.Random(seed)
    while True:
        numbers = [rng.randrange(1000) for _ in range(rng.randint(15, 60))]
        try:
            model = hw.compile(random_program(numbers, causal=rng.random() < 0.7), length=9, alphabet=4)
        except (hw.ExactnessError, hw.DomainError):
            continue
        if model.cost.parameters < 60_000:
            return model


def natural(name: str) -> Model:
    return hw.compile(hw.programs.get(name), length=9, style="natural")


@BROWSER
@pytest.mark.parametrize("subject", [*range(6), "khop", "histogram", "dyck_k"])
def test_counterfactuals_are_the_interpreters(browser: Browser, subject: int | str, tmp_path: Path) -> None:
    """Values set in the page, by the weights, and in the interpreter: every value that is shown, and the outputs, are the same."""
    rng = random.Random(str(subject))
    model = drawn(subject) if isinstance(subject, int) else natural(subject)
    opened(browser, model, [], tmp_path)
    values = browser.run("headwork.model.values")
    nodes = [-1 if v["node"] is None and v["name"] == "token" else -2 if v["node"] is None else v["node"] for v in values]
    cases = []
    for _ in range(25):
        ids = [rng.randrange(len(model.alphabet)) for _ in range(rng.randint(1, 9))]
        sets: list[dict[str, int | None]] = []
        for v in rng.sample(range(len(values)), min(2, len(values))):
            position = rng.randint(1, len(ids))
            lo, hi, none = browser.run(f"(({{lo, hi, none}}) => [lo, hi, none])(headwork.choices({v}, {position}))")
            if not values[v]["fixed"] and hi >= lo:
                sets.append({"value": v, "position": position, "to": rng.choice([None] * none + list(range(lo, hi + 1)))})
        cases.append((ids, sets))
    got = browser.run(
        f"{json.dumps(cases)}.map(([ids, sets]) => {{ const r = headwork.run(ids, sets); "
        "return [r.columns.map((c) => c.map((x) => x === undefined ? 'no code' : x)), r.outputs]; })"
    )
    for (ids, sets), (columns, outputs) in zip(cases, got, strict=True):
        wanted = counterfactual(model, ids, sets, nodes)
        for v, column in enumerate(columns):
            if nodes[v] >= 0 and "no code" not in column:
                assert column == wanted[nodes[v]], (values[v]["name"], ids, sets)
        assert outputs == [list(row) for row in zip(*(wanted[root] for root in model.optimised.roots), strict=True)], (ids, sets)
    assert any(sets for _, sets in cases)


@BROWSER
def test_a_click_on_a_head_changes_the_picture(browser: Browser, khop: Model, tmp_path: Path) -> None:
    opened(browser, khop, list("abacbacdab"), tmp_path, certify=True)
    picture = "document.querySelector('#pattern canvas').toDataURL()"
    before, first = browser.run(picture), browser.run("document.getElementById('head').textContent")
    browser.click("[data-head='1']")
    assert browser.run(picture) != before
    about = browser.run("document.getElementById('head').textContent")
    assert about != first and "jump.2 = position" in about and "winners lead by 128 nats" in about and "at least 128 nats" in about
    assert browser.run("document.querySelector('[data-head=\"1\"]').getAttribute('aria-pressed')") == "true"
    assert "jump.2" in browser.run("document.getElementById('qk').textContent")
    browser.click("#pattern canvas")
    assert "reads" in browser.run("document.getElementById('cell').textContent")
    assert browser.errors == []


@BROWSER
def test_typing_computes_and_says_what_is_wrong(browser: Browser, khop: Model, tmp_path: Path) -> None:
    opened(browser, khop, list("ab"), tmp_path)
    outputs = "headwork.page.now.outputs.map(([x]) => x)"
    for text in ("c a b a b c a b", '["c","a","b","a"]', "cababcab"):
        browser.type("#text", text)
        ids = [i for i in ("abcd".find(c) for c in text) if i >= 0]
        browser.wait(f"JSON.stringify(headwork.page.ids) === '{json.dumps(ids, separators=(',', ':'))}'")
        assert browser.run(outputs) == [row[0] for row in said(khop, [ids])[0]]
    browser.type("#text", "a b <b>x</b>")
    browser.wait("document.getElementById('problem').textContent !== ''")
    assert browser.run("document.getElementById('problem').textContent") == "token 3, <b>x</b>, is not in the alphabet"
    browser.type("#text", "a " * 65)
    browser.wait("document.getElementById('problem').textContent.includes('65 tokens')")
    browser.click("#symbols button")  # the last good text, and one more symbol
    browser.wait("document.getElementById('problem').textContent === ''")
    browser.click("#clear")
    browser.wait("headwork.page.ids.length === 0")
    assert browser.errors == []


@BROWSER
def test_a_value_is_set_by_keys_alone(browser: Browser, khop: Model, tmp_path: Path) -> None:
    opened(browser, khop, list("abacbacdab"), tmp_path)
    browser.run("document.querySelector('[data-cell]').focus()")
    browser.press("Enter")
    browser.wait("document.activeElement.tagName === 'SELECT'")
    browser.press("ArrowDown")  # token at position 1: from a to b
    browser.wait("headwork.page.sets.length === 1")
    assert browser.run("[headwork.page.sets[0].position, headwork.page.sets[0].to]") == [1, 1]
    assert browser.run("document.querySelectorAll('#table .changed').length") > 0
    assert browser.run("headwork.page.now.outputs") == said(khop, [[1, 1, 0, 2, 1, 0, 2, 3, 0, 1]])[0]
    browser.press("Escape")
    assert browser.run("document.activeElement.dataset.cell") is not None
    browser.click("#sets button")
    browser.wait("headwork.page.sets.length === 0")
    browser.run("document.getElementById('pattern').focus()")
    browser.press("ArrowDown")
    assert "position 2 (b) reads BOS" in browser.run("document.getElementById('cell').textContent")
    browser.run("document.querySelector('.circuit .part').focus()")
    browser.press("Enter")
    assert "is read by" in browser.run("document.getElementById('part').textContent")
    assert browser.errors == []


ODD = {
    "no attention": lambda: hw.compile(hw.programs.khop(k=0), length=3),
    "one symbol, one token": lambda: hw.compile(hw.programs.induction(), length=1, alphabet=["x"]),
    "numbers and texts alike": lambda: hw.compile(hw.programs.previous(), length=9, alphabet=[1, "1", "True", (1, 2), 2.5]),
    "a guard": lambda: hw.compile(hw.protocols.permute(), length=5),
    "many symbols": lambda: hw.compile(hw.programs.induction(), length=8, alphabet=700),
    "several outputs": lambda: hw.compile(hw.programs.ngram_counts(), length=8),
    "float64": lambda: hw.compile(hw.programs.majority(), length=8, dtype="float64"),
}


@BROWSER
@pytest.mark.parametrize("name", ODD)
def test_odd_models_have_pages(browser: Browser, name: str, tmp_path: Path) -> None:
    model = ODD[name]()
    rows = [row for row in rows_of(model, 30, 4) if row]
    opened(browser, model, [model.alphabet.symbols[i] for i in rows[0]], tmp_path)
    assert browser.run("headwork.page.ids") == rows[0]  # through the text field, as it is typed
    assert browser.run(f"{json.dumps(rows)}.map((ids) => headwork.run(ids).outputs)") == said(model, rows)
    browser.click("#random")
    browser.click("#clear")
    assert browser.errors == []


@BROWSER
def test_hostile_symbols_do_nothing(browser: Browser, tmp_path: Path) -> None:
    program = hw.program(name="<b>x</b>\u202e")(lambda token: hw.previous(token))
    model = hw.compile(program, length=20, alphabet=HOSTILE)
    opened(browser, model, list(HOSTILE), tmp_path)
    assert browser.run("window.hacked") is None
    assert browser.run("document.querySelectorAll('#symbols button').length") == len(HOSTILE)
    assert browser.run("document.querySelectorAll('main img, main iframe, main a').length") == 0
    ids = browser.run("headwork.page.ids")
    assert ids == list(range(len(HOSTILE)))  # typed as JSON, and read back as it was
    assert browser.run("headwork.page.now.outputs") == said(model, [ids])[0]
    assert browser.run("document.getElementById('name').textContent") == "<b>x</b>\\u{202e}"
    for head in browser.run("headwork.model.heads.map((_, h) => h)"):
        browser.click(f"[data-head='{head}']")
    for part in range(browser.run("document.querySelectorAll('.circuit .part').length")):
        browser.run(f"document.querySelectorAll('.circuit .part')[{part}].dispatchEvent(new MouseEvent('click'))")
    assert browser.errors == [] and browser.run("window.hacked") is None


@BROWSER
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_window(browser: Browser, khop: Model, width: int, dark: bool, tmp_path: Path) -> None:
    opened(browser, khop, list("abacbacdabcabdacbd"), tmp_path, width=width, dark=dark, certify=True)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("getComputedStyle(document.body).backgroundColor") == ("rgb(20, 22, 26)" if dark else "rgb(253, 253, 252)")
    browser.click(".circuit .part")
    browser.picture(PICTURES / f"khop-{width}-{'dark' if dark else 'light'}.png", whole=True)


@BROWSER
def test_what_does_not_start_says_so(browser: Browser, khop: Model, tmp_path: Path) -> None:
    page = report(khop, certify=False).html
    weights = re.search(r'id="weights">([^<]{40})', page)
    assert weights is not None
    broken = tmp_path / "broken.html"
    broken.write_text(page.replace(weights[1], "A" * 40))
    browser.open(broken)
    assert "could not start" in browser.run("document.getElementById('failed').textContent")
