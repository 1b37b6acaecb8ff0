"""What is in the wheel and in the source distribution: the package, its licence, and nothing that is not for users.

python .ci/contents.py FILE...
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_FOR_USERS = {"tests", "benchmarks", "examples", "docs", "proofs", "build", "dist", ".ci", ".venv"}


def contents(path: Path) -> tuple[set[str], str]:
    """The files without the folder that holds them all, and the metadata."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
            (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
            return {name.removeprefix("headwork/") for name in names}, wheel.read(metadata).decode()
    with tarfile.open(path) as archive:
        names = [member.name.partition("/")[2] for member in archive if member.isfile()]
        file = archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
        assert file is not None
        return set(names), file.read().decode()


def faults(path: Path) -> list[str]:
    """What is wrong with a distribution."""
    files, text = contents(path)
    metadata = message_from_string(text)
    found = [f"{name} is not for users" for name in files if set(Path(name).parts) & NOT_FOR_USERS or Path(name).name.startswith("test_")]
    modules = {str(file.relative_to(ROOT)) for file in ROOT.rglob("*.py") if file.relative_to(ROOT).parts[0] not in NOT_FOR_USERS}
    data = (ROOT / "report" / "template", ROOT / "theory" / "rows")  # of the page that `headwork report` writes, and the theory's table
    parts = {str(file.relative_to(ROOT)) for folder in data for file in folder.iterdir()}
    found += [f"{name} is missing" for name in sorted({*modules, *parts, "py.typed"} - files)]
    found += [f"{name} is no module of the package" for name in sorted({name for name in files if name.endswith(".py")} - modules)]
    if not any(Path(name).name == "LICENSE" for name in files) or metadata["License-Expression"] != "Apache-2.0":
        found.append("the licence is missing")
    # Whoever reads the description elsewhere has no repository: a link must be whole, or lead to a heading of the same page. A picture has
    # its words in its place.
    links = re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)", str(metadata.get_payload()))
    found += [f"the description links to {link}" for link in links if not re.match(r"https://|#", link)]
    return found


def main() -> None:
    """The command; exit code 1 where something is wrong."""
    wrong = False
    for path in map(Path, sys.argv[1:]):
        for fault in faults(path):
            print(f"{path.name}: {fault}")
            wrong = True
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {len(contents(path)[0])} files")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
