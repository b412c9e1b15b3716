"""Generators of disguises: the tricks of spammers against filters, applied to a text at random.

Training adds disguised copies of some texts, both spam and ham. So the model does not take a disguise itself for spam,
and still recognises the disguised words. The benchmark measures the recall under each trick. It uses foreign tables
(`Tables`), so that the product never undoes a disguise with the same table that made it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from pipeline.text.tables import rows

Disguise = Callable[[str, random.Random], str]

_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
_SYMBOLS = "*.-_~|,·'/^"
_CHINESE_SYMBOLS = "*.-_~|，。、·/^"
_EMOJI = "😀🔥💰❤🌹🎁👍✨🍀☀"
_CIRCLED = dict(zip("0123456789", "⓪①②③④⑤⑥⑦⑧⑨", strict=True))
_NUMERALS = dict(zip("0123456789", "零一二三四五六七八九", strict=True))
_FULL_WIDTH = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "b": "8", "g": "9", "l": "1|"}

_marks = re.compile(r"[^\w\s]").sub
_digits = re.compile(r"\d+").sub


@dataclass(frozen=True, slots=True)
class Tables:
    """Replacements of characters: each table maps a character to all its replacements."""

    homophones: Mapping[str, Sequence[str]]
    lookalikes: Mapping[str, Sequence[str]]
    splits: Mapping[str, Sequence[str]]
    pinyin: Mapping[str, Sequence[str]]
    traditional: Mapping[str, Sequence[str]]
    homoglyphs: Mapping[str, Sequence[str]]


@cache
def shipped() -> Tables:
    """The product's own tables, used in training."""
    syllables = rows("pinyin")
    alike = [chars for (chars,) in rows("lookalikes")]
    glyphs: dict[str, str] = {}
    for letter, latin in rows("homoglyphs"):
        if len(latin) == 1:
            glyphs[latin] = glyphs.get(latin, "") + letter
    splits: dict[str, list[str]] = {}
    for pair, whole in rows("splits"):
        splits.setdefault(whole, []).append(pair)
    return Tables(
        homophones={char: chars.replace(char, "")[:8] for _, chars in syllables for char in chars if len(chars) > 1},
        lookalikes={char: chars.replace(char, "") for chars in alike for char in chars},
        splits=splits,
        pinyin={char: [syllable] for syllable, chars in syllables for char in chars},
        traditional={simple: old for old, simple in rows("simplified")},
        homoglyphs=glyphs,
    )


def chinese(tables: Tables, rate: float) -> dict[str, Disguise]:
    """The tricks for Chinese texts, by name; `rate` is the share of the possible places that are changed."""

    return {
        "zero_width": _between(_ZERO_WIDTH, rate, _is_chinese),
        "punctuation": _between(_CHINESE_SYMBOLS, rate, _is_chinese),
        "spaces": _between(" ", rate, _is_chinese),
        "emoji": _between(_EMOJI, rate, _is_chinese),
        "traditional": _instead(tables.traditional, 1.0),
        "full_width": _instead(_FULL_WIDTH, 1.0),
        "circled_digits": _instead(_CIRCLED, 1.0),
        "chinese_digits": _instead(_NUMERALS, 1.0),
        "homophones": _instead(tables.homophones, rate),
        "lookalikes": _instead(tables.lookalikes, rate),
        "splits": _instead(tables.splits, rate),
        "pinyin": _instead(tables.pinyin, rate),
    }


def english(tables: Tables, rate: float) -> dict[str, Disguise]:
    """The tricks for English texts, by name; `rate` is the share of the possible places that are changed."""
    return {
        "full_width": _instead(_FULL_WIDTH, 1.0),
        "zero_width": _between(_ZERO_WIDTH, rate, _is_latin),
        "spaces": _between(" ", rate, _is_latin),
        "punctuation": _between(_SYMBOLS, rate, _is_latin),
        "homoglyphs": _instead(tables.homoglyphs, rate),
        "leet": _instead(_LEET, rate),
    }


def several(tricks: Mapping[str, Disguise], number: int = 3) -> Disguise:
    """A disguise that applies `number` different tricks, one after the other."""

    def disguise(text: str, rng: random.Random) -> str:
        for name in rng.sample(sorted(tricks), number):
            text = tricks[name](text, rng)
        return text

    return disguise


def padded(innocent: Sequence[str]) -> Disguise:
    """A disguise that puts an innocent text before or after the text."""

    def disguise(text: str, rng: random.Random) -> str:
        words = rng.choice(innocent)
        return f"{text} {words}" if rng.random() < 0.5 else f"{words} {text}"

    return disguise


def restyled(text: str, rng: random.Random) -> str:
    """The text in another collection's style: without punctuation and, at random, without case, digits or spaces."""
    text = _marks(rng.choice(("", " ")), text)
    if rng.random() < 0.7:
        text = text.lower()
    if rng.random() < 0.6:
        text = _digits(rng.choice(("", "0")), text)
    if rng.random() < 0.5 and any(map(_is_chinese, text)):
        text = "".join(text.split())
    return text


def _between(signs: str, rate: float, of_kind: Callable[[str], bool]) -> Disguise:
    """A disguise that inserts signs between adjacent characters of a kind."""

    def disguise(text: str, rng: random.Random) -> str:
        made: list[str] = []
        for n, char in enumerate(text):
            if n and of_kind(char) and of_kind(text[n - 1]) and rng.random() < rate:
                made.append(rng.choice(signs))
            made.append(char)
        return "".join(made)

    return disguise


def _instead(others: Mapping[str, Sequence[str]], rate: float) -> Disguise:
    """A disguise that replaces characters; an upper-case letter gets the replacements of its lower case."""

    def other(char: str, rng: random.Random) -> str:
        found = others.get(char) or others.get(char.lower())
        if not found or rng.random() >= rate:
            return char
        return rng.choice(found)

    return lambda text, rng: "".join(other(char, rng) for char in text)


def _is_chinese(char: str) -> bool:
    return "\u3400" <= char <= "\u9fff"


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalpha()
