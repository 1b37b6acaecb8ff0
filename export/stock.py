"""The files of a Hugging Face checkpoint, written with safetensors and json alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..compiler.errors import CheckpointError
from ..runtime.files import read_json, write_json
from ..runtime.serial import Json
from .check import check_stock
from .native import Reals
from .target import Built, Storage

CONFIG, TENSORS = "config.json", "model.safetensors"


def write(work: Path, built: Built) -> None:
    """Write configuration, tokenizer and tensors."""
    model, words = built.model, built.words
    ids: dict[str, Json] = {"bos_token_id": words.bos, "pad_token_id": words.pad, "eos_token_id": list[Json](words.ends)}
    write_json(work / CONFIG, {**built.config, **ids, "torch_dtype": model.dtype})
    write_json(work / "generation_config.json", words.generation_config(model.length))
    write_json(work / "tokenizer.json", words.tokenizer())
    write_json(work / "tokenizer_config.json", words.tokenizer_config(model.length))
    save_file(shortened(built), work / TENSORS, metadata={"format": "pt"})  # version 4 of transformers insists on the metadata
    (work / TENSORS).chmod(0o644)


def stored(built: Built) -> dict[str, np.ndarray]:
    """The tensors in the model's dtype, which holds every entry exactly."""
    real = np.float64 if built.model.dtype == "float64" else np.float32
    made = {name: np.ascontiguousarray(t.astype(real)) for name, t in built.tensors.items()}
    for name, tensor in built.tensors.items():
        assert (made[name] == tensor).all(), f"{name} does not fit {built.model.dtype}"
    return made


def shortened(built: Built) -> dict[str, torch.Tensor]:
    """The tensors as they are stored: in the format of fewer bits where there is one, and it holds every entry."""
    made = {name: torch.from_numpy(tensor) for name, tensor in stored(built).items()}
    if built.stored:
        kind = getattr(torch, built.stored)
        short = {name: tensor.to(kind) for name, tensor in made.items()}
        made |= {name: tensor for name, tensor in short.items() if torch.equal(tensor.to(made[name].dtype), made[name])}
    return made


def read(path: Path) -> dict[str, Reals]:
    """The tensors of a file, in float64. Raises CheckpointError where it cannot be read, or holds numbers of another kind."""
    again = "the file is damaged; export the model again"
    found: dict[str, Reals] = {}
    try:
        with safe_open(path, framework="pt") as file:
            names: list[str] = file.keys()
            for name in names:
                kind = file.get_slice(name).get_dtype()
                if kind not in ("F32", "F64", "F16", "BF16"):
                    raise CheckpointError(
                        f"{path}: tensor {name!r} holds {kind}, none of float32, float64, float16 and bfloat16", hint=again
                    )
                found[name] = file.get_tensor(name).double().numpy()
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}", hint=again) from error
    return found


def settings(directory: Path) -> dict[str, Json]:
    """config.json as it is."""
    found = read_json(directory / CONFIG)
    return cast("dict[str, Json]", found) if isinstance(found, dict) else {}


def storage(tokenizer_class: str) -> Storage:
    """The files, with the class that reads their tokenizer."""
    how = f"""from transformers import AutoModelForCausalLM, {tokenizer_class}
model = AutoModelForCausalLM.from_pretrained("DIR", dtype="auto")
tokenizer = {tokenizer_class}.from_pretrained("DIR")"""
    files = frozenset({CONFIG, TENSORS, "generation_config.json", "tokenizer.json", "tokenizer_config.json"})
    check = partial(check_stock, tokenizer_class=tokenizer_class)
    return Storage(files, TENSORS, "transformers", "hf", how, write, read, settings, check)


STOCK = storage("AutoTokenizer")
