"""The proofs say what the certificate's page quotes, leave nothing out, and hold where Coq is installed to check them."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROOFS = ROOT / "proofs"
STATEMENT = re.compile(r"^Theorem\s+(\w+)\s*:(.*?)\.\s*$", re.MULTILINE | re.DOTALL)
QUOTE = re.compile(r"^```coq\n(.*?)^```", re.MULTILINE | re.DOTALL)
LEFT_OUT = set("Admitted admit Axiom Axioms Parameter Parameters Conjecture Hypothesis Hypotheses Variable Variables".split())


def stated(text: str) -> dict[str, str]:
    """The theorems of a text with their statements, white space made alike."""
    return {name: " ".join(statement.split()) for name, statement in STATEMENT.findall(without_comments(text))}


def without_comments(text: str) -> str:
    """Coq's text without its comments, which may stand in one another."""
    kept, depth = [], 0
    for piece in re.split(r"(\(\*|\*\))", text):
        depth += (piece == "(*") - (piece == "*)")
        if depth == 0 and piece != "*)":
            kept.append(piece)
    return "".join(kept)


def proved() -> dict[str, str]:
    """Every theorem of the proofs."""
    found: dict[str, str] = {}
    for path in sorted(PROOFS.glob("*.v")):
        here = stated(path.read_text())
        assert here, f"{path.name} states no theorem"
        assert not here.keys() & found.keys()
        found |= here
    return found


def quoted() -> dict[str, str]:
    """Every theorem that the certificate's page quotes."""
    return stated("".join(QUOTE.findall((ROOT / "docs" / "certificate.md").read_text())))


def test_statements_are_read_as_coq_reads_them() -> None:
    text = "(* Theorem no : (* at *) all. *)\nTheorem one :\n  forall x : Z,\n  x = x.\nProof. auto. Qed.\n(** *) Theorem two : a.b = 1.\n"
    assert stated(text) == {"one": "forall x : Z, x = x"}
    assert stated("Theorem one : b.\nProof.") != stated("Theorem one : c.\nProof.")


def test_every_theorem_is_quoted_as_it_stands() -> None:
    page, files = quoted(), proved()
    assert len(page) == len(QUOTE.findall((ROOT / "docs" / "certificate.md").read_text())), "a quotation that holds no theorem"
    for name, statement in page.items():
        assert statement == files.get(name), f"docs/certificate.md quotes {name} otherwise than proofs/ states it"
    assert set(page) == set(files), "theorems that the page does not quote, or that are not there"


@pytest.mark.parametrize("path", sorted(PROOFS.glob("*.v")), ids=lambda path: path.name)
def test_nothing_is_left_out(path: Path) -> None:
    text = without_comments(path.read_text())
    outside = re.sub(r"^Section (\w+)\..*?^End \1\.", "", text, flags=re.MULTILINE | re.DOTALL)  # a section's Context becomes premises
    assert not set(re.findall(r"\w+", text)) & LEFT_OUT
    assert "Context" not in outside
    starts, ends = (len(re.findall(rf"\b(?:{words})\b", text)) for words in ("Theorem|Lemma|Instance", r"Qed\.|Qed"))
    assert starts == ends
    assert path.name in (PROOFS / "_CoqProject").read_text().split(), "a file that is not checked"


def test_the_table_names_every_axiom() -> None:
    check = runpy.run_path(str(PROOFS / "check.py"))
    printed = "Axioms:\nfoo : nat\nBar.long_name\n  : forall x : nat,\n    x = x\n"
    assert check["assumptions"](printed) == ["foo", "Bar.long_name"]
    assert check["assumptions"]("Closed under the global context\n") == []
    assert sorted(check["files"]()) == sorted(path.name for path in PROOFS.glob("*.v"))
    assert check["theorems"]("Theorem a : b.\nLemma c : d.\nTheorem e :\n") == ["a", "e"]


@pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed")
def test_a_false_statement_is_not_proved(tmp_path: Path) -> None:
    """The checker of proofs can fail: a copy with one number changed does."""
    (tmp_path / "proofs").mkdir()
    text = (PROOFS / "Relu.v").read_text()
    changed = text.replace("2 * relu d + relu (d - 1) =", "3 * relu d + relu (d - 1) =")
    assert changed != text
    (tmp_path / "proofs" / "Relu.v").write_text(changed)
    (tmp_path / "proofs" / "_CoqProject").write_text("-Q . Headwork\nRelu.v\n")
    shutil.copy(PROOFS / "check.py", tmp_path / "proofs" / "check.py")
    done = subprocess.run([sys.executable, str(tmp_path / "proofs" / "check.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 1 or "not installed" in done.stdout
    assert "not proved" in done.stderr or "not installed" in done.stdout
