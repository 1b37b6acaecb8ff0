"""Check the proofs with coqc and print what each theorem assumes: `make proofs`, or `python3 proofs/check.py`.

Files are compiled in the order of `_CoqProject`, in `build/proofs`. Ends with 1 if a proof fails or a theorem rests on an
axiom that is not one of the four below, which Coq's own theory of real numbers and Flocq use; with 2 if coqc or a library is missing.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "proofs"
INSTALL = "on Debian or Ubuntu: apt-get install coq libcoq-flocq"
AXIOMS = {
    "ClassicalDedekindReals.sig_forall_dec": "reals",
    "ClassicalDedekindReals.sig_not_dec": "reals",
    "FunctionalExtensionality.functional_extensionality_dep": "functions",
    "Classical_Prop.classic": "excluded middle",
}


def files() -> list[str]:
    """The names of the proofs in the order in which they are compiled."""
    return [line for line in (HERE / "_CoqProject").read_text().split() if line.endswith(".v")]


def theorems(text: str) -> list[str]:
    """The names of the theorems of a file, in order."""
    return re.findall(r"^Theorem\s+(\w+)", text, re.MULTILINE)


def coqc(name: str) -> str:
    """Compile a file of the build folder; its output. Ends the program if it fails."""
    done = subprocess.run(["coqc", "-q", "-Q", ".", "Headwork", name], cwd=BUILD, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} is not proved:\n{done.stdout}{done.stderr}")
    return done.stdout


def missing() -> str:
    """What is not installed, empty if nothing is."""
    if shutil.which("coqc") is None:
        return "coqc"
    probe = BUILD / "Probe.v"
    probe.write_text("From Flocq Require Import Core.\n")
    done = subprocess.run(["coqc", "-q", probe.name], cwd=BUILD, capture_output=True, text=True, check=False)
    return "Flocq" if done.returncode else ""


def assumptions(output: str) -> list[str]:
    """The axioms in what `Print Assumptions` printed."""
    return re.findall(r"^([A-Za-z][\w.]*)\s*:", output.partition("Axioms:")[2], re.MULTILINE)


def main() -> int:
    """Compile everything and print the table."""
    shutil.rmtree(BUILD, ignore_errors=True)
    BUILD.mkdir(parents=True)
    if lacks := missing():
        print(f"proofs not checked: {lacks} is not installed ({INSTALL})")
        return 2
    foreign = 0
    print(f"{'theorem':44} {'file':12} axioms of the library it uses")
    for name in files():
        shutil.copy(HERE / name, BUILD / name)
        coqc(name)
        module = name.removesuffix(".v")
        names = theorems((HERE / name).read_text())
        asked = [f'Goal True. idtac "theorem {theorem}". Abort.\nPrint Assumptions {theorem}.\n' for theorem in names]
        (BUILD / "Question.v").write_text(f"From Headwork Require Import {module}.\n" + "".join(asked))
        answers = re.split(r"^theorem ", coqc("Question.v"), flags=re.MULTILINE)[1:]
        for theorem, answer in zip(names, answers, strict=True):
            found = assumptions(answer)
            if not found and "Closed under the global context" not in answer:
                sys.exit(f"what {theorem} assumes was not understood:\n{answer}")
            foreign += sum(axiom not in AXIOMS for axiom in found)
            words = [AXIOMS.get(axiom, f"NOT ALLOWED: {axiom}") for axiom in found]
            print(f"{theorem:44} {name:12} {', '.join(dict.fromkeys(words)) or 'none'}", flush=True)
    return 1 if foreign else 0


if __name__ == "__main__":
    sys.exit(main())
