"""Ordinary Chinese words around a find: they show whether a dictionary word was found by chance.

Chinese is written without spaces, so a word may appear across others by chance: 举办|证券 contains 办证,
查收|对公账户 contains 收对公账户, 皮下注射 contains 下注. Words also sound alike by chance: 信用卡待还 sounds like
信用卡代还. jieba's dictionary lists the words of the language with their frequencies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import jieba

Word = tuple[int, int]  # start and end (exclusive) of an ordinary word in a text
_AROUND = 12  # code points read on each side; a Chinese word is rarely longer than four
# Least occurrences in jieba's corpus of 60 million words for a single character to count as a common word (待, 再, 做).
# 360 characters are so common; they make up four fifths of the single-character words of honest texts.
_COMMON = 10_000
_latin = re.compile(r"[a-zA-Z0-9]{2}").fullmatch


@cache
def tokenizer() -> Any:
    """jieba with its own dictionary. Its cache file is not used, because any user could change it.

    The first call takes about a second: see `prepare`.
    """
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


def prepare() -> None:
    """Load the words now: loading at the first Chinese find would pause a live stream."""
    tokenizer()


def words_at(text: str, start: int, end: int) -> list[Word]:
    """The ordinary words that overlap `text[start:end]`, as jieba cuts the text."""
    first = max(0, start - _AROUND)
    words = []
    at = first
    for word in _cut(text[first : end + _AROUND]):
        stop = at + len(word)
        if stop > start:
            words.append((at, stop))
        at = stop
        if at >= end:
            break
    return words


@lru_cache(10_000)
def _cut(text: str) -> tuple[str, ...]:
    """The words of a text. Most texts are copies of a template, and differ elsewhere than around their finds."""
    return tuple(tokenizer().cut(text, HMM=False))


def hidden(text: str, words: Sequence[Word], start: int, end: int) -> bool:
    """True if one of the words at a span crosses an end of it, or contains the span in its middle (皮下注射 and 下注).

    A longer word that only extends a word of the span does not hide it: 开发票 and 发票, 银河娱乐|场 and 银河|娱乐.
    """
    known = tokenizer().FREQ
    return any(_hides(text, word, start, end, known) for word in words)


def may_be_hidden(text: str, start: int, end: int) -> bool:
    """Whether a word of jieba's dictionary would hide the span. To look for one costs a tenth of cutting the text."""
    for border in (start, end):
        if _latin(text[max(0, border - 1) : border + 1]):  # jieba makes words of Latin letters that it does not know
            return True
    known, last = tokenizer().FREQ, end + _AROUND
    for begin in range(max(0, start - _AROUND), end):
        stop = begin + 1
        while stop <= last and (frequency := known.get(text[begin:stop])) is not None and stop <= len(text):
            if frequency and stop > start and _hides(text, (begin, stop), start, end, known):
                return True
            stop += 1
    return False


def _hides(text: str, word: Word, start: int, end: int, known: Mapping[str, int]) -> bool:
    begin, stop = word
    if begin < start and stop > end:
        return True
    if not (begin < start < stop < end or start < begin < end < stop):
        return False
    shared = text[max(begin, start) : min(stop, end)]
    return len(shared) == 1 or not known.get(shared)


def sounds_ordinary(text: str, words: Sequence[Word], start: int, sought: str) -> bool:
    """Whether ordinary words explain the characters from `start` on, which sound like `sought` but differ from it.

    They do if each differing character belongs to a word of at least two characters (包裹 for 包过), or is a common
    single-character word in the place of another one (待 for 代, but not 发飘 for 发票).
    """
    known = tokenizer().FREQ
    there = {place: word for word in words for place in range(*word)}
    here = {place: word for word in words_at(sought, 0, len(sought)) for place in range(*word)}
    for n, char in enumerate(sought):
        written = text[start + n]
        if written == char or not _alone(there[start + n]):
            continue
        if known.get(written, 0) < _COMMON or not _alone(here[n]):
            return False
    return True


def _alone(word: Word) -> bool:
    return word[1] - word[0] == 1
