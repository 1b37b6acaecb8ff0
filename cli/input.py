"""Alphabets and token sequences as the commands are given them: sizes, lists, JSON or words."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ..compiler.domain import Alphabet, Symbol
from ..compiler.errors import InputError

Sequences: TypeAlias = list[list[Symbol]]
MAX_DIGITS = 4300  # of what Python reads as an integer
MAX_SIZE = 1 << 16  # integers beyond this are taken for names, not for 0..V-1


def parse_alphabet(text: str | None) -> int | list[Symbol] | None:
    """`64`, `a,b,c`, `a b c` or `@file.json` (a JSON list). Items that are all integers become integers."""
    if text is None:
        return None
    if text.startswith("@"):
        symbols = read_json(_read(text[1:])[0], text[1:])
        if not isinstance(symbols, list) or any(isinstance(s, (list, dict)) for s in symbols):
            raise InputError(f"{text[1:]} does not hold a JSON list of symbols", hint='for example ["a", "b", "c"]')
        return symbols
    if _is_integer(text):
        return int(text)
    symbols = [part.strip() for part in text.split(",")] if "," in text or not text.strip() else text.split()
    if "" in symbols:
        raise InputError(f"--alphabet {text!r} holds an empty symbol", hint="give a size, symbols a,b,c or 'a b c', or @file.json")
    return _as_numbers(symbols)


def read_json(text: str, name: str) -> object:
    """JSON, or an InputError naming the place it breaks off."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} is not JSON: {error}", hint="give a JSON list, a list of lists, or words separated by spaces") from None


@dataclass(frozen=True, slots=True)
class Given:
    """Token sequences as read, and how they were written, so that results are written the same way."""

    rows: Sequences
    batch: bool
    json: bool

    def own_alphabet(self) -> int | list[Symbol]:
        """The smallest alphabet that holds these sequences: a size for small integers, else the symbols sorted."""
        symbols: set[Symbol] = set(itertools.chain(*self.rows))
        if not self.json:
            symbols = set(_as_numbers([str(word) for word in symbols]))
        numbers = [s for s in symbols if isinstance(s, int) and not isinstance(s, bool)]
        if len(numbers) == len(symbols) and min(numbers, default=0) >= 0 and max(numbers, default=0) < MAX_SIZE:
            return max(numbers, default=0) + 1
        return sorted(symbols, key=lambda s: (type(s).__name__, s if isinstance(s, int) else 0, str(s)))

    def in_symbols_of(self, alphabet: Alphabet) -> Sequences:
        """The sequences with each word replaced by the symbol that results write that way; JSON values stand for themselves.

        Raises InputError for a word that several symbols are written as.
        """
        from .display import words

        if self.json:
            return self.rows
        written: dict[str, list[Symbol]] = {}
        for symbol in alphabet.symbols:
            written.setdefault(words([symbol]), []).append(symbol)
        return [[_meant(str(word), written) for word in row] for row in self.rows]


def read_sequences(name: str) -> Given:
    """Sequences as they stand, from a file, or standard input for `-`: a JSON list, a JSON list of lists, or words.

    Raises InputError where JSON is damaged or nested deeper.
    """
    text, what = _given(name)
    if not text.lstrip().startswith(("[", "{")):
        return Given([list(text.split())], batch=False, json=False)
    data = read_json(text, what)
    match data:
        case [list(), *_] if all(isinstance(row, list) for row in data):
            rows, batch = [list(row) for row in data], True
        case list():
            rows, batch = [list(data)], False
        case _:
            rows, batch = [], False
    if not rows or any(isinstance(s, (list, dict)) for row in rows for s in row):
        raise InputError(f"{what} does not hold a list of tokens, nor a list of such lists", hint='for example ["a", "b"] or [[1, 2], [3]]')
    return Given(rows, batch=batch, json=True)


def read_machines(name: str) -> Given:
    """One symbol a machine as they stand, from a file, or standard input for `-`: words, or a JSON list in which a list is a tuple.

    Raises InputError where JSON is damaged, no list, or nested deeper.
    """
    text, what = _given(name)
    if not text.lstrip().startswith(("[", "{")):
        return Given([list(text.split())], batch=False, json=False)
    data = read_json(text, what)
    machines: list[Symbol] = []
    for entry in data if isinstance(data, list) else [{}]:
        if isinstance(entry, dict) or (isinstance(entry, list) and any(isinstance(word, (list, dict)) for word in entry)):
            hint = "for example [2, 3, 0], or [[1, 2], [2, null]] where machines hold several words"
            raise InputError(f"{what} does not hold a list of machines' inputs", hint=hint)
        machines.append(tuple(entry) if isinstance(entry, list) else entry)
    return Given([machines], batch=False, json=True)


def _given(text: str) -> tuple[str, str]:
    """The text of the file of that name, of standard input for `-`, or the text itself where there is no such file; and what to call it.

    One word could be meant either way: then standard error says how it was taken. What is written like a file's name is one.
    """
    there, one_word = _exists(text), len(text.split()) == 1 and not text.lstrip().startswith(("[", "{"))
    like_a_file = one_word and (os.sep in text or re.search(r"\.[A-Za-z]\w{0,4}$", text) is not None)
    if text == "-" or there or like_a_file:
        if there and one_word and not like_a_file:
            print(f"note: {text!r} is read as the file of that name", file=sys.stderr)
        return _read(text)
    if one_word:
        print(f"note: {text!r} is taken as one token, there is no file of that name", file=sys.stderr)
    return text, "what was given"


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long for a name, or not one
        return False


def _read(name: str) -> tuple[str, str]:
    """The text of a file, or standard input for `-`, and what to call it."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text: {error.reason} at byte {error.start}", hint="save it as UTF-8") from None
    return text.removeprefix("\ufeff"), "standard input" if name == "-" else name


def parse_lengths(text: str | None) -> list[int] | None:
    """`1,8,64` as numbers."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(_is_integer(part) and int(part) > 0 for part in parts):
        raise InputError(f"--lengths {text!r} is not a list of lengths", hint="for example --lengths 1,8,64")
    return [int(part) for part in parts]


def _as_numbers(words: list[str]) -> list[Symbol]:
    """Words as integers where every one of them is an integer."""
    if words and all(map(_is_integer, words)):
        return [int(word) for word in words]
    return list(words)


def _meant(word: str, written: dict[str, list[Symbol]]) -> Symbol:
    """The symbol that a word stands for."""
    symbols = written.get(word) or _as_numbers([word])
    if len(symbols) > 1:
        meant = " and ".join(map(repr, symbols))
        raise InputError(f"the word {word} stands for {len(symbols)} symbols, {meant}", hint="give the tokens as a JSON list")
    return symbols[0]


def _is_integer(word: str) -> bool:
    """Whether a word is an integer as Python writes it, so that what it becomes is printed as the same word."""
    digits = word.removeprefix("-")
    return digits.isascii() and digits.isdecimal() and len(digits) < MAX_DIGITS and str(int(word)) == word
