"""Tracr on the RASP programs, in its own environment: sizes, and sequences wrong by its own interpreter and by the definition.

python -m benchmarks.peers.on_tracr_rasp LENGTH WIDE FOLDER NAME …

FOLDER is where lark is, for programs that are texts; it comes last on the path, so that everything else is of this environment. Each line
of output is a row, `done` the last one of a program; when a limit ends the process, the last row says how far it came.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import signal
import sys
import time
import types
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from .cell import CPU_LIMIT, MEMORY_LIMIT
from .rasp_programs import Given, of_library, of_paper

ROOT = Path(__file__).resolve().parents[2]
BOS = "BOS"


def given(name: str, length: int, wide: bool) -> Given:
    """A program, made of Tracr's operations."""
    if not name.endswith(".rasp"):
        text = (ROOT / "tests" / "rasp_library.py").read_text(encoding="utf-8")
        text = text.replace("from headwork import rasp", "from tracr.rasp import rasp")
        text = text.replace("from headwork.rasp import Comparison", "Comparison = rasp.Comparison")
        library = types.ModuleType("library")
        sys.modules["library"] = library
        exec(compile(text, "rasp_library.py", "exec"), library.__dict__)
        return of_library(library, name, length, wide)
    loaded("headwork", ROOT / "__init__.py", [str(ROOT)])
    from headwork import rasp  # needs what Tracr needs, and lark

    made = of_paper(loaded("texts", ROOT / "tests" / "rasp_paper.py").TEXTS, rasp.parse, name, length, wide)
    rows = [row for row in made.inputs(name, length) if len(row) <= 16] or [made.inputs(name, 8)[0]]
    return Given(Converted(rows)(made.sop), made.symbols, made.causal, made.begins)


def loaded(name: str, path: Path, inside: list[str] | None = None) -> types.ModuleType:
    """A file as a module, under that name."""
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inside)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Converted:
    """Expressions of headwork's as Tracr's, as one who writes for Tracr's compiler would: a mean of zeros and ones is numerical."""

    def __init__(self, rows: Sequence[Sequence[Any]]) -> None:
        from tracr.rasp import rasp

        self.rasp, self.rows, self.known = rasp, rows, dict[int, Any]()

    def __call__(self, e: Any) -> Any:
        """One expression; what is shared stays so."""
        if id(e) not in self.known:
            self.known[id(e)] = self.made(e)
        return self.known[id(e)]

    def made(self, e: Any) -> Any:
        """One expression of parts that are made."""
        rasp, kind = self.rasp, type(e).__name__
        match kind:
            case "TokensType" | "IndicesType":
                return {"TokensType": rasp.tokens, "IndicesType": rasp.indices}[kind]
            case "LengthType":  # which Tracr's compiler does not take
                return rasp.SelectorWidth(rasp.Select(rasp.tokens, rasp.tokens, rasp.Comparison.TRUE))
            case "Full":
                return rasp.Map(lambda _: e.fill, rasp.tokens)
            case "Map":
                return rasp.Map(e.f, self(e.inner))
            case "SequenceMap":
                return rasp.SequenceMap(e.f, self(e.fst), self(e.snd))
            case "Choice":
                pair = rasp.SequenceMap(lambda c, x: (bool(c), x), self(e.condition), self(e.fst))
                return rasp.SequenceMap(lambda cx, y: cx[1] if cx[0] else y, pair, self(e.snd))
            case "Select":
                sign = getattr(e.predicate, "value", None)
                return rasp.Select(self(e.keys), self(e.queries), e.predicate if sign is None else rasp.Comparison(sign))
            case "SelectorAnd" | "SelectorOr":
                fst, snd = self(e.fst), self(e.snd)
                return fst & snd if kind == "SelectorAnd" else fst | snd
            case "SelectorNot":
                return ~self(e.inner)
            case "SelectorWidth":
                return rasp.SelectorWidth(self(e.selector))
            case "Aggregate":
                whole = [x for row in self.rows for x in e.sop(row)]
                means = [x for row in self.rows for x in e(row)]
                if set(whole) <= {0, 1} and not set(means) <= {0, 1, None}:
                    return rasp.numerical(rasp.Aggregate(self(e.selector), rasp.numerical(rasp.Map(int, self(e.sop))), default=0))
                return rasp.Aggregate(self(e.selector), self(e.sop), e.default)
            case _:
                raise NotImplementedError(kind)


def alike(said: Sequence[Any], meant: Sequence[Any]) -> bool:
    """Whether answers are the same, numbers to within what a float can say. Where nothing is meant, anything may be said."""
    return len(said) == len(meant) and all(b is None or near(a, b) for a, b in zip(said, meant, strict=True))


def near(a: Any, b: Any) -> bool:
    """Whether two answers are the same."""
    numbers = all(isinstance(x, (int, float, Fraction)) for x in (a, b))
    return bool(a == b) or (numbers and abs(float(a) - float(b)) < 1e-4)


def measured(name: str, length: int, wide: bool) -> Iterator[dict[str, Any]]:
    """A program's row, again and again as it becomes known; the last one is `done`."""
    from tracr.compiler import compiling
    from tracr.rasp import causal_eval, rasp

    made = given(name, length, wide)
    row: dict[str, Any] = {"name": name, "length": length, "symbols": len(made.symbols), "who": "Tracr"}
    start = time.process_time()
    try:
        model = compiling.compile_rasp_to_model(made.sop, set(made.symbols), length, causal=made.causal, compiler_bos=BOS)
    except (MemoryError, TimeoutError):
        raise
    except Exception as error:  # of any kind: NotImplementedError where it knows what it refuses
        last = (str(error).splitlines() or [""])[-1]
        yield {**row, "note": f"refused: {type(error).__name__}: {last}"[:160], "done": True}
        return
    config, arrays = model.model_config, [array.size for module in model.params.values() for array in module.values()]
    row |= {"layers": config.num_layers, "heads": config.num_heads, "d_model": len(model.residual_labels), "parameters": sum(arrays)}
    row |= {"seconds": time.process_time() - start, "wrong": 0, "tried": 0, "wrong_by_its_own": 0, "raised": 0}
    yield row
    meaning = loaded("plain", ROOT / "tests" / "rasp_meaning.py").meaning
    own = (causal_eval.CausalEvaluator() if made.causal else rasp.DefaultRASPEvaluator()).evaluate
    for tokens in made.inputs(name, length):
        said = model.apply([BOS, *tokens]).decoded[1:]
        row["wrong"] += not alike(said, meaning(made.sop, tokens, made.causal))
        row["tried"] += 1
        try:
            row["wrong_by_its_own"] += not alike(said, own(made.sop, tokens))
        except TimeoutError:
            raise
        except Exception:  # where nothing is selected, or words are, it may raise any
            row["raised"] += 1
        yield row
    yield {**row, "done": True}


def late(*_: object) -> None:
    """A cell's time is over. The next line of Python raises; where there is none, the process ends five seconds later."""
    raise TimeoutError


def main() -> None:
    """The command: every cell has the limits of a cell of the table of peers, after a first one that is not counted."""
    length, wide, folder, *names = sys.argv[1:]
    sys.path.append(folder)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    signal.signal(signal.SIGXCPU, late)
    import jax

    jax.config.update("jax_default_matmul_precision", "float32")
    *_, _ = measured("hist", 5, False)
    for name in names:
        spent = int(time.process_time()) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent + CPU_LIMIT, resource.RLIM_INFINITY))
        row: dict[str, Any] = {"name": name}
        try:
            for row in measured(name, int(length), bool(int(wide))):
                print(json.dumps(row), flush=True)
        except TimeoutError:
            print(json.dumps({**row, "note": f"stopped at {CPU_LIMIT} CPU seconds", "done": True}), flush=True)
        except MemoryError:
            print(json.dumps({**row, "note": f"more than {MEMORY_LIMIT >> 30} GiB", "done": True}), flush=True)
        except Exception as error:
            crash = f"{type(error).__name__}: {error}"
            note = f"more than {MEMORY_LIMIT >> 30} GiB" if "RESOURCE_EXHAUSTED" in crash or "allocate" in crash else crash[:120]
            print(json.dumps({**row, "note": note, "done": True}), flush=True)


if __name__ == "__main__":
    main()
