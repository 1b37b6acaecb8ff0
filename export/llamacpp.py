"""The check of a GGUF file in llama.cpp itself: its server, as the package xllamacpp brings it, on this machine's CPU."""

from __future__ import annotations

import json
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, cast
from urllib.request import Request, urlopen

import numpy as np
import torch

from ..runtime.serial import Json
from .check import PROMPTS, STEPS, Checked, compare
from .expected import Expected

FILE = "model.gguf"


@dataclass(frozen=True, slots=True)
class Run:
    """How llama.cpp is asked to attend: what the cache holds, and whether as it chooses (flash attention) or plainly."""

    cache: Literal["float16", "float32"]
    plainly: bool

    def __str__(self) -> str:
        return f"cache {self.cache}{', no flash attention' if self.plainly else ''}"


PLAIN = Run("float32", plainly=True)  # the one way in which nothing is rounded to float16
RUNS = {"float16": (Run("float16", plainly=False), Run("float16", plainly=True), PLAIN), "float32": (PLAIN,)}


class LlamaCpp:
    """A file that llama.cpp has loaded; it serves as long as the object lives."""

    def __init__(self, file: Path, run: Run, positions: int) -> None:
        xllamacpp = import_module("xllamacpp")  # an extension module without types
        self._key = secrets.token_hex()
        params = xllamacpp.CommonParams()
        params.model.path, params.api_keys = str(file), [self._key]
        params.n_ctx = params.n_batch = params.n_ubatch = positions
        params.n_parallel, params.verbosity, params.warmup = 1, 0, False
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_F{run.cache.removeprefix('float')}")
        if run.plainly:
            params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        # The stream behind the last norm at every position: the server has no logits of a prompt.
        params.embedding, params.embd_normalize = True, -1
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_NONE
        self._server = xllamacpp.Server(params)

    def post(self, path: str, body: dict[str, Json]) -> Json:
        """The server's answer."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        with urlopen(Request(self._server.listening_address + path, json.dumps(body).encode(), headers)) as answer:
            return cast("Json", json.loads(answer.read()))

    def streams(self, ids: list[list[int]]) -> np.ndarray:
        """What the unembedding reads, NaN where llama.cpp has it. Shapes: (B, n) -> (B, n, width)."""
        answers = cast("list[dict[str, Json]]", self.post("/embedding", {"content": cast("Json", ids)}))
        rows = sorted(answers, key=lambda answer: cast("int", answer["index"]))
        return np.array([row["embedding"] for row in rows], float)

    def continued(self, text: str, steps: int) -> list[int]:
        """The ids of the words after a text, by the greatest logit."""
        body: dict[str, Json] = {"prompt": text, "n_predict": steps, "temperature": 0, "return_tokens": True, "cache_prompt": False}
        return cast("list[int]", cast("dict[str, Json]", self.post("/completion", body))["tokens"])


def check_file(file: Path, unembedding: np.ndarray, runs: Sequence[Run], expected: Expected, tried: Sequence[Sequence[int]]) -> Checked:
    """Compare a file in llama.cpp with the interpreter, in each way to run it.

    All positions of all sequences of token ids in `tried`, the last product, W_U of shape (words, width), being taken here;
    then texts read by the file's own tokenizer and continued word by word by llama.cpp alone.
    """
    import xllamacpp

    report = Checked(f"llama.cpp (xllamacpp {xllamacpp.__version__}), {'; '.join(map(str, runs))}", expected.scale)
    limit, words = expected.graph.sizes.length, expected.words
    rng = random.Random(0)
    sizes = sorted({rng.randint(1, max(1, min(limit - 1, 24))) for _ in range(PROMPTS)})
    prompts = [[rng.randrange(len(expected.graph.sizes.alphabet)) for _ in range(size)] for size in sizes]
    steps = min(STEPS, limit - max(sizes))
    for run in runs:
        served = LlamaCpp(file, run, limit + 1)
        compare(lambda ids, s=served: torch.from_numpy(s.streams(ids.tolist()) @ unembedding.T), expected, tried, report)
        for prompt in prompts if steps > 0 else []:
            text = " ".join(words.words[t + 1] for t in prompt)
            read = cast("dict[str, Json]", served.post("/tokenize", {"content": text, "add_special": True}))["tokens"]
            if read != words.ids(prompt):
                report.note(f"the tokenizer reads {text!r} as {read}")
                continue
            report.generations += 1
            said = served.continued(text, steps)
            right, wanted = expected.follow(prompt, said)
            if wanted or (right < steps and (not right or said[right - 1] not in words.ends)) or (0 in said[:-1]):
                shown = " ".join(words.words[w] for w in said)
                report.note(f"{text!r} is continued ({run}) as {shown!r}, the program says {wanted or 'more'!r} after {right} words")
    return report
