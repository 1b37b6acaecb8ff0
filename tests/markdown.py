"""Markdown that is run: the Python of a page, its commands, and what the page says they print.

    python tests/markdown.py PAGE...            run pages as a reader would, from top to bottom; stops at the first that is not as written
    python tests/markdown.py --write PAGE...    put into them what is printed

A page is one session. Its fences mean:

    ```python     is run, in the names of the page so far
    ```           right after it: exactly what it printed
    ```console    lines that begin with `$ headwork`, or `$ echo … | headwork`, are run; the lines below each are what it printed
    ```{ .python .elsewhere }    needs what is not installed here, and is not run

A line `...` in what is printed stands for any lines. Nothing here needs pytest, so that an installed package can be tried with it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(?P<kind>[^\n`]*)\n(?P<body>.*?)^```[ ]*$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what stands behind its first fence, its text and where that is in the page.

    `said` is where the page says what it prints, None where it does not: of Python the block after it, of commands the block itself.
    """

    kind: str
    body: str
    line: int
    said: tuple[int, int] | None = None


class Wrong(Exception):
    """A page says something else than what happens."""


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page; a plain block right after a Python one is what that prints."""
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        kind, body = match["kind"].strip(), match["body"]
        if not kind and found and found[-1].kind == "python" and not text[end : match.start()].strip():
            found[-1] = Block("python", found[-1].body, found[-1].line, match.span("body"))
        else:
            said = match.span("body") if kind == "console" else None
            found.append(Block(kind, body, text.count("\n", 0, match.start()) + 1, said))
        end = match.end()
    return found


def same(said: str, printed: str) -> bool:
    """Whether it was printed so; a line `...` stands for any lines, and spaces at the ends of lines do not count."""
    parts = [r"(?:.*\n)*" if line.strip() == "..." else re.escape(line.rstrip()) + r"\n" for line in said.splitlines()]
    return re.fullmatch("".join(parts), "".join(line.rstrip() + "\n" for line in printed.splitlines())) is not None


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block with what is said that it prints."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, said = part.partition("\n")
        yield command, said


def call(command: str) -> str:
    """What a command prints, in this process. Its errors are part of it, as in a terminal."""
    from typer.testing import CliRunner

    from headwork.cli.app import app

    words = shlex.split(command, comments=True)
    given = None
    if words[0] == "echo":
        bar = words.index("|")
        given, words = " ".join(words[1:bar]) + "\n", words[bar + 1 :]
    if words[0] != "headwork":
        raise Wrong(f"only headwork and echo are run here: {command}")
    done = CliRunner().invoke(app, words[1:], input=given, prog_name="headwork")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def session(path: Path) -> Iterator[tuple[Block, str]]:
    """Run the page's blocks in order; each with what it should say, all its commands' output in their places."""
    text = path.read_text(encoding="utf-8")
    scope: dict[str, object] = {"__name__": "__page__"}
    for block in blocks(text):
        if block.kind == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                # Behind as many empty lines as stand above it, so that errors name the page's own lines.
                exec(compile("\n" * block.line + block.body, str(path), "exec", dont_inherit=True), scope)
            said = "" if block.said is None else text[slice(*block.said)]
            yield block, said if same(said, out.getvalue()) else out.getvalue()
        elif block.kind == "console":
            parts = [(command, said, call(command)) for command, said in commands(block.body)]
            yield block, "".join(f"$ {command}\n{said if same(said, out) else out}" for command, said, out in parts)


def run(path: Path) -> int:
    """Run a page in the current directory; how many blocks were run. Raises Wrong at the first that is not as written."""
    text = path.read_text(encoding="utf-8")
    ran = 0
    for block, printed in session(path):
        ran += 1
        if block.said is not None and text[slice(*block.said)] != printed:
            raise Wrong(f"{path.name}:{block.line}: the page says\n{text[slice(*block.said)]}\nbut printed is\n{printed}")
    return ran


def written(path: Path) -> str:
    """The page with what its blocks print, where it says that."""
    text = path.read_text(encoding="utf-8")
    places = [(block.said, "\n".join(map(str.rstrip, printed.splitlines())) + "\n") for block, printed in session(path) if block.said]
    for (begin, end), printed in reversed(places):
        text = text[:begin] + printed + text[end:]
    return text


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put what is printed into the pages")
    parser.add_argument("pages", nargs="+", type=Path)
    options = parser.parse_args()
    for path in options.pages:
        if options.write:
            path.write_text(written(path), encoding="utf-8")
        else:
            print(f"{path}: {run(path.resolve())} blocks as written")


if __name__ == "__main__":
    main()
