"""The reading and the class of a single code point: one table look-up each.

The tables undo, for each code point alone: full-width and other compatibility forms, circled digits and letters,
traditional characters, letters of other scripts that look Latin, accents and case. Invisible characters are dropped.
Every reading is read as itself, so a second reading changes nothing.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipeline.text.tables import rows
from pipeline.text.tape import Codes

SIZE = 0x2FA20  # code points in the tables; behind them are only rare ideographs, tags and private planes
_TAGS = 0xE0000  # all code points from here on are invisible
DROPPED = 0x110000  # in `fold`: invisible; larger values number the expansions

# Classes of a code point after folding.
OTHER, CJK, LETTER, DIGIT, SEPARATOR, MARK = range(6)

_BLANK = "\u115f\u1160\u3164\uffa0"  # Hangul fillers: letters in Unicode, but invisible
TECHNIQUES = ("", "invisible", "combining", "full_width", "circled", "styled", "traditional", "homoglyph")
_INVISIBLE, _COMBINING, _FULL_WIDTH, _CIRCLED, _STYLED, _TRADITIONAL, HOMOGLYPH = range(1, 8)

_PRINTS_NOTHING = ("Cc", "Cf", "Cs", "Co", "Cn")
# Sentence marks stay between characters: words on both sides of one rarely belong together.
_MARKS = frozenset(",!?;:。、()[]{}<>\"'《》〈〉【】「」『』〔〕“”‘’\n\r\u2028\u2029\x0b\x0c\x85")
_STROKES = frozenset("丶丨丿亅乀乁乚乛")  # strokes of characters, not words: 代丶开丶发丶票
_EMOJI_JOINTS = frozenset("\ufe0e\ufe0f")
_BOTH_SYSTEMS = frozenset("乾著瞭藉徵夥昇於")  # traditional in the table, but simplified texts use them too


@dataclass(frozen=True, slots=True)
class Characters:
    """The tables `fold` (a code point, DROPPED, or DROPPED + n for expansion n), `kind` and `technique`.

    Expansion n is the first `lengths[n]` code points of `expansions[n]`; zeros follow.
    """

    fold: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    technique: NDArray[np.uint8]
    expansions: NDArray[np.uint32]
    lengths: NDArray[np.intp]

    def fold_of(self, codes: Codes) -> Codes:
        """The reading of each code point."""
        if not len(codes) or codes.max() < SIZE:
            return self.fold.take(codes)
        folded = self.fold[np.minimum(codes, SIZE - 1)]
        beyond = codes >= SIZE
        folded[beyond] = np.where(codes[beyond] < _TAGS, codes[beyond], DROPPED)
        return folded

    def kind_of(self, codes: Codes) -> NDArray[np.uint8]:
        """The class of each code point, after folding."""
        kinds: NDArray[np.uint8] = self.kind.take(codes, mode="clip")
        return kinds

    def technique_of(self, codes: Codes) -> NDArray[np.uint8]:
        """The index in TECHNIQUES of the disguise that each raw code point indicates; 0 for most."""
        if not len(codes) or codes.max() < SIZE:
            return self.technique.take(codes)
        found = self.technique[np.minimum(codes, SIZE - 1)]
        found[codes >= _TAGS] = _INVISIBLE
        return found


@cache
def characters() -> Characters:
    """The tables, made on first use (about 0.2 s)."""
    homoglyphs = dict(rows("homoglyphs"))
    simplified = dict(rows("simplified"))
    fold = np.arange(SIZE, dtype=np.uint32)
    kind = np.zeros(SIZE, dtype=np.uint8)
    technique = np.zeros(SIZE, dtype=np.uint8)
    expansions = [""]
    fold[0xD800:0xF900] = DROPPED  # surrogates and private use
    technique[0xD800:0xF900] = _INVISIBLE
    kind[0x3400:0xA000] = kind[0x20000:SIZE] = kind[0x3005] = kind[0x3007] = CJK
    kind[[ord(stroke) for stroke in _STROKES]] = SEPARATOR
    for code in _worth_asking(simplified):
        char = chr(code)
        plain = _read(char, homoglyphs, simplified)
        technique[code] = _technique(char, plain, homoglyphs, simplified)
        if plain == char:
            kind[code] = _kind(char)
        elif len(plain) == 1:
            fold[code] = ord(plain)
        elif not plain:
            fold[code] = DROPPED
        else:
            fold[code] = DROPPED + len(expansions)
            expansions.append(plain)
    fold[0] = 0  # the border; `lay` has replaced the NULs of the texts themselves
    technique[0] = 0
    kind[0] = OTHER
    padded = np.zeros((len(expansions), max(map(len, expansions))), dtype=np.uint32)
    for n, expansion in enumerate(expansions):
        padded[n, : len(expansion)] = [ord(char) for char in expansion]
    return Characters(fold, kind, technique, padded, np.array([len(e) for e in expansions], dtype=np.intp))


def _worth_asking(simplified: dict[str, str]) -> list[int]:
    """The code points that have another reading or are not ideographs."""
    blocks = (range(0x3400), range(0xA000, 0xAC00), range(0xD7A4, 0xD800), range(0xF900, 0x20000), range(0x2F800, SIZE))
    return [*(code for block in blocks for code in block), *(ord(c) for c in simplified if c < "\ua000")]


def _read(char: str, homoglyphs: dict[str, str], simplified: dict[str, str]) -> str:
    plain = char
    for _ in range(6):  # each step applies one table; no chain has more steps
        again = "".join(_step(c, homoglyphs, simplified) for c in plain)
        if again == plain:
            return plain
        plain = again
    raise RuntimeError(f"U+{ord(char):04X} has no fixed reading")


def _step(char: str, homoglyphs: dict[str, str], simplified: dict[str, str]) -> str:
    category = unicodedata.category(char)
    if char in _BLANK:
        return ""
    if char in homoglyphs:
        return homoglyphs[char]
    if "\U0001f200" <= char <= "\U0001f2ff":
        return char  # 🈲 is used as an emoji between characters, not as a character
    if enclosed := _enclosed(char):
        return enclosed
    if category in ("Mn", "Me") or (category in _PRINTS_NOTHING and not char.isspace()):
        return ""
    if category == "Nd":
        return str(unicodedata.digit(char))  # digits of every script: ०, ٠ and 0 are the same digit
    plain = unicodedata.normalize("NFKC", simplified.get(char, char))
    if plain == char and ord(char) < 0x2000 and category[0] == "L":
        plain = unicodedata.normalize("NFD", char)[0]  # words are recognised without accents
    return plain if plain != char else char.casefold()


def _enclosed(char: str) -> str:
    """The digits or letter in a circle, square or bracket: ① ❶ ⑴ ⒈ ㈠ 🅐; empty for others."""
    code = ord(char)
    if 0x2460 <= code < 0x249C or 0x24EA <= code < 0x2500 or 0x2776 <= code < 0x2794 or 0x1F100 <= code < 0x1F10D:
        return str(int(unicodedata.numeric(char)))
    if 0x249C <= code < 0x24B6 or 0x1F110 <= code < 0x1F12A or 0x3200 <= code < 0x3244:
        return unicodedata.normalize("NFKC", char).strip("()")
    for first in (0x1F150, 0x1F170):  # white letters in black circles and squares
        if first <= code < first + 26:
            return chr(ord("a") + code - first)
    return ""


def _technique(char: str, plain: str, homoglyphs: dict[str, str], simplified: dict[str, str]) -> int:
    category = unicodedata.category(char)
    if plain == char or char in _EMOJI_JOINTS or char.isascii():
        return 0
    if not plain and (category in _PRINTS_NOTHING or char in _BLANK):
        return _INVISIBLE
    if char in simplified:
        return 0 if char in _BOTH_SYSTEMS else _TRADITIONAL
    if char == "\u20e3" or _enclosed(char):  # U+20E3 draws a key cap around the preceding digit
        return _CIRCLED
    if category in ("Mn", "Me"):
        return _COMBINING
    if char in homoglyphs:
        return _STYLED if unicodedata.name(char).startswith("LATIN LETTER SMALL CAPITAL") else HOMOGLYPH
    if plain.isascii() and plain.isalnum() and unicodedata.normalize("NFKC", char) != char:
        return _FULL_WIDTH if 0xFF00 <= ord(char) < 0xFF60 else _STYLED
    return 0


def _kind(char: str) -> int:
    if char in "々〇":
        return CJK
    if char.isascii() and char.isalnum():
        return DIGIT if char.isdigit() else LETTER
    if char in _MARKS:
        return MARK
    if char.isspace() or unicodedata.category(char)[0] in "PSZ":
        return SEPARATOR
    return OTHER
