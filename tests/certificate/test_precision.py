"""Products are never shortened: whichever of torch's switches is on, and whatever other threads do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import headwork as hw
from headwork import programs
from headwork.runtime.precision import is_full

SETTINGS = {
    "nothing": "",
    "legacy high": "torch.set_float32_matmul_precision('high')",
    "legacy medium": "torch.set_float32_matmul_precision('medium')",
    "legacy allow_tf32": "torch.backends.cuda.matmul.allow_tf32 = True",
    "all": "torch.backends.fp32_precision = 'tf32'",
    "all of a GPU": "torch.backends.cuda.fp32_precision = 'tf32'",
    "products on a GPU": "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
    "all of oneDNN": "torch.backends.mkldnn.fp32_precision = 'bf16'",
    "products of oneDNN": "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
    "products of oneDNN in TF32": "torch.backends.mkldnn.matmul.fp32_precision = 'tf32'",
    "both": "torch.backends.cuda.matmul.fp32_precision = 'tf32'; torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
    "newer after older": "torch.set_float32_matmul_precision('medium'); torch.backends.mkldnn.matmul.fp32_precision = 'tf32'",
}
# In a process of its own: torch has no way back from the newer form to its first state.
SCRIPT = """
import torch, headwork as hw
from headwork import programs
from headwork.runtime.precision import is_full
model = hw.compile(programs.get("induction"), length=12, alphabet="abc")
wanted = model.run(list("abcabcab"))

def state():
    try:
        legacy = torch.get_float32_matmul_precision()
    except RuntimeError:
        legacy = None
    b = torch.backends
    return [legacy, *(s.fp32_precision for s in (b, b.cuda.matmul, b.mkldnn, b.mkldnn.matmul))]

seen = []
for block in model.module.blocks:
    block.register_forward_hook(lambda *_: seen.append(is_full()))
for setting in SETTINGS:
    exec(setting)
    before = state()
    assert model.run(list("abcabcab")) == wanted, setting
    assert state() == before, (setting, before, state())
    assert seen and all(seen), setting
    torch.backends.cuda.matmul.fp32_precision = "none"
    torch.backends.mkldnn.matmul.fp32_precision = "none"
    torch.backends.mkldnn.fp32_precision = "none"
    torch.backends.cuda.fp32_precision = "none"
    torch.backends.fp32_precision = "none"
print("fine")
"""


@pytest.mark.slow
@pytest.mark.parametrize("names", [["newer after older"], [n for n in SETTINGS if n != "newer after older"]], ids=len)
def test_every_switch_of_torch_is_off_inside_and_as_it_was_after(names: list[str]) -> None:
    code = f"SETTINGS = {[SETTINGS[n] for n in names]!r}\n{SCRIPT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr


@pytest.fixture
def medium() -> Iterator[None]:
    import torch

    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("medium")
def test_threads_do_not_end_each_others_precision() -> None:
    """Four threads run one model under "medium": no block of any of them multiplies in less than float32."""
    import torch

    model = hw.compile(programs.get("induction"), length=12, alphabet="abc")
    seen: list[bool] = []
    for block in model.module.blocks:
        block.register_forward_hook(lambda *_: seen.append(is_full()))
    row = list("abcabcab")
    wanted = model.run(row)
    seen.clear()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: model.run(row), range(800)))
    assert results == [wanted] * 800 and len(seen) == 800 * len(model.module.blocks)
    assert seen.count(False) == 0
    assert torch.get_float32_matmul_precision() == "medium"


def test_a_switch_set_during_a_call_is_an_error() -> None:
    import torch

    model = hw.compile(programs.get("induction"), length=12, alphabet="abc")

    def meddle(*_: object) -> None:
        thread = threading.Thread(target=torch.set_float32_matmul_precision, args=("medium",))
        thread.start()
        thread.join()

    model.module.blocks[0].register_forward_hook(meddle)
    try:
        with pytest.raises(hw.InputError, match="was changed while a model ran"):
            model.run(list("abc"))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")
