"""Notebooks that are run: the code cells of an .ipynb file in one namespace, and what they show.

    python tests/notebook.py FILE...              run notebooks; stops at the first that shows something else than what is stored in it
    python tests/notebook.py --write FILE...      store what they show
    python tests/notebook.py --needs FILE...      print the extras that they name, as `[plot]` or nothing
    python tests/notebook.py --tools "TOOL==VERSION …" FILE...    the same of those that need tools of others, these and no more

A notebook's first cell says what it needs: "Needs `headwork[hf]`, `nnsight==0.8.1`." Without --tools those that need
tools of others are left out.

A notebook is JSON, and running one needs no Jupyter: a cell is executed, what it prints is a stream, and the value of its last
expression is shown as Jupyter shows it: a figure as PNG, what has `_repr_html_` as HTML too. PNGs are compared by their presence.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
import linecache
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


class Wrong(Exception):
    """A notebook shows something else than what is stored in it."""


def run(path: Path) -> dict[str, Any]:
    """The notebook, its code cells run in order in the current directory, with what they show."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    scope: dict[str, Any] = {"__name__": "__main__"}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        cell["execution_count"] = number
        cell["outputs"] = outputs("".join(cell["source"]), scope, number, f"{path.name}, cell {number}")
    return notebook


def outputs(source: str, scope: dict[str, Any], number: int, name: str) -> list[dict[str, Any]]:
    """Run a cell; what it prints and the value of its last expression, as notebooks store them."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)  # nnsight reads the lines that it runs in
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";") else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, name, "exec"), scope)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), scope)
    found: list[dict[str, Any]] = []
    if printed.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(keepends=True)})
    if value is not None:
        found.append({"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": shown(value)})
    return found


def shown(value: Any) -> dict[str, Any]:
    """A value by kinds of content."""
    data: dict[str, Any] = {"text/plain": repr(value).splitlines(keepends=True)}
    if hasattr(value, "savefig"):
        picture = io.BytesIO()
        value.savefig(picture, format="png", dpi=80, metadata={"Software": None})
        data = {"text/plain": ["<Figure>"], "image/png": base64.b64encode(picture.getvalue()).decode()}
    elif hasattr(value, "_repr_html_"):
        data["text/html"] = value._repr_html_().splitlines(keepends=True)
    return data


def text(notebook: Mapping[str, Any]) -> str:
    """A notebook as its file."""
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def without_pictures(notebook: Mapping[str, Any]) -> str:
    """The same with pictures replaced by the fact that there is one: their bytes are matplotlib's own affair."""
    copy = json.loads(text(notebook))
    for cell in copy["cells"]:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = "a picture"
    return text(copy)


def check(path: Path) -> int:
    """Run a notebook and compare; how many code cells it has. Raises Wrong where it shows something else."""
    stored, now = json.loads(path.read_text(encoding="utf-8")), run(path)
    for before, after in zip(stored["cells"], now["cells"], strict=True):
        if without_pictures({"cells": [before]}) != without_pictures({"cells": [after]}):
            raise Wrong(f"{path.name}: a cell\n{''.join(after['source'])}\nshows\n{after['outputs']}\nand stored is\n{before['outputs']}")
    return sum(cell["cell_type"] == "code" for cell in now["cells"])


def needs(path: Path) -> tuple[set[str], set[str]]:
    """What a notebook's first cell says that it needs: extras of headwork, and tools of others with their versions. Raises Wrong."""
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    said = re.search(r"Needs `headwork(?:\[([a-z,]+)\])?`((?:, `[\w.-]+==[\w.]+`)*)\.", first)
    if said is None:
        raise Wrong(f"{path.name} does not say what it needs")
    return set((said[1] or "").split(",")) - {""}, set(re.findall(r"`([^`]+)`", said[2]))


def chosen(paths: Iterable[Path], tools: str) -> tuple[list[Path], list[str]]:
    """The notebooks that need these tools of others and no more, or, of no tools, none; and why each of the rest is left out."""
    given, found, left = set(tools.split()), list[Path](), list[str]()
    for path in paths:
        wanted = needs(path)[1]
        if wanted <= given and bool(wanted) == bool(given):
            found.append(path)
        else:
            left.append(f"{path}: left out, it needs {', '.join(sorted(wanted)) or 'none of these tools'}")
    return found, left


def extras(paths: Iterable[Path]) -> str:
    """What headwork is installed with for these notebooks, as pip writes it."""
    names = ",".join(sorted({name for path in paths for name in needs(path)[0]}))
    return f"[{names}]" if names else ""


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="store what they show")
    parser.add_argument("--needs", action="store_true", help="print the extras that they name")
    parser.add_argument("--tools", default="", metavar='"TOOL==VERSION …"', help="the tools of others that are installed")
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    found, left = chosen(options.files, options.tools)
    if options.needs:
        print(extras(found))
        return
    print("\n".join(left), end="\n" * bool(left))
    for path in found:
        if options.write:
            path.write_text(text(run(path)), encoding="utf-8")
        else:
            print(f"{path}: {check(path.resolve())} cells as stored")


if __name__ == "__main__":
    main()
