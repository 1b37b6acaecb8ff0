"""Tracr's own library and tests with their import line changed, and its own objects, where Tracr is installed: `make peers`."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import headwork as hw
from headwork import rasp

ENVIRONMENT = Path(__file__).resolve().parents[2] / "benchmarks" / "peers" / ".cache" / "envs" / "tracr"
TRACR = next(iter(ENVIRONMENT.glob("lib/python3*/site-packages/tracr")), None)
pytestmark = pytest.mark.skipif(TRACR is None, reason="Tracr is not installed: `make peers` installs it")
IMPORT, OURS = "from tracr.rasp import rasp", "from headwork import rasp"


def theirs(path: str, name: str, *changed: tuple[str, str]) -> types.ModuleType:
    """A file of Tracr's as a module, its import lines changed."""
    assert TRACR is not None
    text = (TRACR / path).read_text(encoding="utf-8")
    for line, instead in changed:
        assert line in text
        text = text.replace(line, instead)
    module = types.ModuleType(name)
    exec(compile(text, path, "exec"), module.__dict__)
    return module


@pytest.fixture(scope="module")
def cases() -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Tracr's test cases, made of headwork's operations: only the import lines differ."""
    sys.modules["their_lib"] = theirs("compiler/lib.py", "their_lib", (IMPORT, OURS))
    module = theirs("compiler/test_cases.py", "their_cases", (IMPORT, OURS), ("from tracr.compiler import lib", "import their_lib as lib"))
    yield {"full": module.TEST_CASES, "causal": module.CAUSAL_TEST_CASES, "refused": module.UNSUPPORTED_TEST_CASES}
    del sys.modules["their_lib"]


def close(said: Any, wanted: Any) -> bool:
    """Whether an answer is what Tracr's tests expect, which write fractions as floats."""
    return said == wanted or (isinstance(said, Fraction) and abs(float(said) - wanted) < 1e-12)


@pytest.mark.parametrize("kind", ["full", "causal"])
def test_their_test_programs_are_exact_and_certified(cases: dict[str, list[dict[str, Any]]], kind: str) -> None:
    assert len(cases[kind]) > 10
    for case in cases[kind]:
        program = rasp.program(case["program"], causal=kind == "causal")
        model = hw.compile(program, length=case["max_seq_len"], alphabet=sorted(case["vocab"], key=str))
        said = model.run(case["test_input"])
        assert all(map(close, said, case["expected_output"])) and len(said) == len(case["expected_output"]), case["testcase_name"]
        assert hw.certify(model), case["testcase_name"]


def test_what_their_compiler_refuses_compiles(cases: dict[str, list[dict[str, Any]]]) -> None:
    for case in cases["refused"]:
        model = hw.compile(case["program"], length=5, alphabet=sorted(case["vocab"]))
        assert model.run([1, 3, 2, 2]) == rasp.DefaultRASPEvaluator().exactly(case["program"], [1, 3, 2, 2])


def test_their_own_objects_convert() -> None:
    assert TRACR is not None
    sys.path.append(str(TRACR.parent))
    try:
        module, lib = importlib.import_module("tracr.rasp.rasp"), importlib.import_module("tracr.compiler.lib")
        rows = [list("({)}"), list("(){)}"), list("{}")]
        for made in (lib.make_shuffle_dyck(["()", "{}"]), lib.make_reverse(module.tokens), lib.make_pair_balance(module.tokens, "(", ")")):
            model = hw.compile(rasp.program(made), length=5, alphabet="(){}")
            for row in rows:
                assert all(map(close, model.run(row), made(row))), row
        named = rasp.from_tracr(lib.make_hist())
        assert named.name == "hist" and rasp.is_operation(lib.make_hist())
        bridge = rasp.compile_rasp_to_model(lib.make_hist(), {"a", "b"}, 5, compiler_bos="BOS")
        assert bridge.apply(["BOS", "a", "b", "a"]).decoded == ["BOS", 2, 1, 2]
    finally:
        sys.path.remove(str(TRACR.parent))
