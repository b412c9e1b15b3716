"""The language of a text that is neither Chinese nor English.

Identifiers of languages guess badly on short texts full of names and links; the question here is easier. A text is of
another language if it is in letters that are never taken for Latin, if words of another language outnumber the English
ones, or if it has many words and not one that English texts use often. Its letters, or the list with most of its
words, name the language. `candidates` leaves out what is clearly English at the price of a sum, because most texts
are.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from pipeline.models import features

UNKNOWN = ""  # another language, but which one cannot be told
_words = re.compile(r"(?<![\w.@/:-])[a-z]{2,}(?![\w@/-]|\.\w)").findall
# Letters that nobody takes for Latin. Most letters of Greek and Cyrillic are read as the Latin letters they resemble,
# the rest are among these.
_other_letters = re.compile(r"[\u0370-\u1cff\u3040-\u30ff\uac00-\ud7a3]").findall
_LEAST_LETTERS = 8
_ALPHABETS = (  # the last letter of an alphabet that one language writes most texts in; None: many languages
    ("\u03ff", "el"),
    ("\u052f", "ru"),
    ("\u058f", None),
    ("\u05ff", "he"),
    ("\u077f", "ar"),
    ("\u08ff", None),
    ("\u097f", "hi"),
    ("\u0dff", None),
    ("\u0e7f", "th"),
    ("\u10ff", None),
    ("\u11ff", "ko"),
    ("\u1cff", None),
    ("\u30ff", "ja"),
    ("\ud7a3", "ko"),
)
_PERSIAN = re.compile("[\u067e\u0686\u0698\u06a9\u06af\u06cc]").search
_pieces = re.compile(r"[a-z]+").findall
_BROKEN = 2.75  # mean letters in a piece; English broken up by spaces or signs has 2.2, Vietnamese 3
_MAX_CHARS = 400  # code points read
_LEAST_FOREIGN = 2  # words of another language beside English ones; a single one may be a name
_FEW_WORDS, _MANY_WORDS = 3, 12  # words without an English one: enough with a word of another language, enough alone
_ENGLISH, _FOREIGN = 1, 2
# A word shared by n languages counts a nth for each. Whole numbers have the same sum in every order; fractions would
# name a text by the order of a set, which changes from process to process.
_WHOLE = 720_720  # divisible by 1 to 16


def language(folded: str) -> str | None:
    """The language of a folded text (no accents, lower case or not) without Chinese; None for English and for scraps.

    UNKNOWN if it is another language and nothing tells which.
    """
    letters = _other_letters(folded[:_MAX_CHARS])
    if len(letters) >= _LEAST_LETTERS:
        return _of_letters(letters)
    read = folded[:_MAX_CHARS].lower()
    pieces = _pieces(read)
    if sum(map(len, pieces)) < _BROKEN * len(pieces):
        return None  # words broken up to hide them
    words = _words(read)
    english, others = _lists()
    known = sum(word in english for word in words)
    counts: Counter[str] = Counter()
    shares: Counter[str] = Counter()
    for word in set(words):
        names = others.get(word, ())
        for name in names:
            counts[name] += 1
            shares[name] += _WHOLE // len(names)
    strange = max(counts.values(), default=0)
    if strange < max(_LEAST_FOREIGN, known + 1) if known else len(words) < (_FEW_WORDS if strange else _MANY_WORDS):
        return None
    if strange < _LEAST_FOREIGN:
        return UNKNOWN
    return max(counts, key=lambda name: (shares[name], name))  # closely related languages may tie


def candidates(grams: features.Grams) -> NDArray[np.intp]:
    """The texts of a batch of which `language` may name the language, as indexes; all others are Chinese, or have as
    many English words as words of other languages, or too few of these.
    """
    told = (grams.scripts != features.SCRIPTS.index("zh")) & ~grams.silent
    if not told.any():
        return np.flatnonzero(told)
    words = np.flatnonzero(grams.buckets >= features.FIRST_WORD)
    kinds = _marks().take(grams.buckets[words] - features.FIRST_WORD)
    starts = np.searchsorted(words, grams.starts)
    english, strange = (features.sums(kinds == kind, starts) for kind in (_ENGLISH, _FOREIGN))
    told &= (strange > np.maximum(english, 1)) | (grams.strange_letters >= _LEAST_LETTERS)
    return np.flatnonzero(told)


def _of_letters(letters: list[str]) -> str:
    """The language most of whose letters these are."""
    names = Counter(next(name for last, name in _ALPHABETS if letter <= last) for letter in letters)
    [(name, _)] = names.most_common(1)
    if name == "ar" and _PERSIAN("".join(letters)):
        return "fa"
    return name or UNKNOWN


@cache
def _lists() -> tuple[frozenset[str], dict[str, tuple[str, ...]]]:
    """The words of English, and by word the other languages that have it."""
    text = Path(__file__).with_name("function_words.yaml").read_text(encoding="utf-8")
    lists = {name: frozenset(words.split()) for name, words in yaml.safe_load(text).items()}
    english = lists.pop("english")
    others: dict[str, tuple[str, ...]] = {}
    for name, words in lists.items():
        for word in words - english:
            others[word] = (*others.get(word, ()), name)
    return english, others


@cache
def _marks() -> NDArray[np.uint8]:
    """By bucket of a word: whether it is English or of another language."""
    english, others = _lists()
    marks = np.zeros(1 << features.READING_BITS, dtype=np.uint8)
    for words, mark in ((others, _FOREIGN), (english, _ENGLISH)):  # English wins where two words share a bucket
        buckets = features.grams(sorted(words)).buckets
        marks[buckets[buckets >= features.FIRST_WORD] - features.FIRST_WORD] = mark
    return marks
