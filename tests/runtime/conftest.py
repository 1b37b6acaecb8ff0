"""Checkpoints on disk, for the tests of files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from headwork.tests.runtime.checkpoints import model_of


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    base = tmp_path_factory.mktemp("saved")

    def get(name: str) -> Path:
        return base / name if (base / name).exists() else model_of(name).save(base / name)

    return get


@pytest.fixture
def checkpoint(saved: Callable[[str], Path], tmp_path: Path) -> Path:
    """A fresh checkpoint of induction at length 9 over abcd."""
    return Path(shutil.copytree(saved("induction"), tmp_path / "m"))
