"""Words: the vocabulary of a checkpoint, and the tokenizer files that stock classes read.

Word 0 is ⊥ and words 1..V are the symbols, so that class c of a program that returns a token is word c. What the
program can return and is no symbol follows; <bos> and <pad> come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..compiler.errors import InputError
from ..runtime.model import Model
from ..runtime.sample import is_distribution
from ..runtime.serial import Json
from ..runtime.tokens import decode_value

NONE, BOS, PAD = "⊥", "<bos>", "<pad>"


@dataclass(frozen=True, slots=True)
class Words:
    """The vocabulary by id; `symbols` says how many words are symbols, `classes` which word each column of W_U is.

    `drawn` says that the logits are a distribution to draw the next word from.
    """

    words: tuple[str, ...]
    symbols: int
    classes: tuple[int, ...]
    drawn: bool = False

    @classmethod
    def of(cls, model: Model) -> Words:
        """The vocabulary of a model. Raises InputError for symbols that are no words of a whitespace-separated text."""
        symbols = [str(s) for s in model.alphabet.symbols]
        for symbol, text in zip(model.alphabet.symbols, symbols, strict=True):
            if not text or any(c.isspace() for c in text) or NONE in text or BOS in text or PAD in text:
                raise InputError(f"the symbol {symbol!r} cannot be a word", hint=f"words have no spaces and hold no {NONE}, {BOS} or {PAD}")
            if symbols.count(text) > 1:
                raise InputError(f"two symbols read {text!r}", hint="symbols must differ as text to be words")
        ids = {word: i for i, word in enumerate((NONE, *symbols))}
        if is_distribution(model.graph):
            return cls((*ids, BOS, PAD), len(symbols), tuple(range(1, len(symbols) + 1)), drawn=True)
        form, domain = model.output_form, model.output_domain
        values = (decode_value(model.graph.sizes, domain, c + form.off) for c in range(1, form.top + 1))
        classes = [0, *(ids.setdefault(str(value), len(ids)) for value in values)]
        return cls((*ids, BOS, PAD), len(symbols), tuple(classes))

    @property
    def bos(self) -> int:
        """The id of <bos>, which stands before every sequence."""
        return len(self.words) - 2

    @property
    def pad(self) -> int:
        """The id of <pad>."""
        return len(self.words) - 1

    @property
    def ends(self) -> list[int]:
        """The ids generation stops at: ⊥, and every other output that is no symbol and so cannot be read again."""
        return [0, *range(self.symbols + 1, self.bos)]

    def ids(self, tokens: Sequence[int]) -> list[int]:
        """Word ids of token ids, <bos> in front."""
        return [self.bos, *(t + 1 for t in tokens)]

    def tokenizer(self) -> Json:
        """tokenizer.json: words between spaces, <bos> put in front; unknown words are refused. ⊥ is special, as no word of a text."""
        special: list[Json] = [
            {
                "id": i,
                "content": self.words[i],
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for i in (0, self.bos, self.pad)
        ]
        first: Json = {"SpecialToken": {"id": BOS, "type_id": 0}}
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": special,
            "normalizer": None,
            "pre_tokenizer": {"type": "WhitespaceSplit"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [first, {"Sequence": {"id": "A", "type_id": 0}}],
                "pair": [first, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {BOS: {"id": BOS, "ids": [self.bos], "tokens": [BOS]}},
            },
            # Each word brings the space before it: `pipeline` puts what is generated right behind the prompt.
            "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"Regex": "^"}, "content": " "}, {"type": "Fuse"}]},
            "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(self.words)}, "unk_token": "<unk>"},
        }

    def tokenizer_config(self, length: int) -> Json:
        """tokenizer_config.json; padding is on the left, where generation wants it."""
        return {
            # Version 5 of transformers has another name for this class, which version 4 does not know; both know this one.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": BOS,
            "pad_token": PAD,
            "padding_side": "left",
            "clean_up_tokenization_spaces": False,
            "model_max_length": length + 1,
            "model_input_names": ["input_ids", "attention_mask"],
        }

    def generation_config(self, length: int) -> Json:
        """generation_config.json: the greatest logit, or a draw from all words, until an output that is no symbol, or to N words."""
        how: dict[str, Json] = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0} if self.drawn else {"do_sample": False}
        ids: dict[str, Json] = {"bos_token_id": self.bos, "pad_token_id": self.pad, "eos_token_id": list[Json](self.ends)}
        return {**how, **ids, "max_length": length + 1}
