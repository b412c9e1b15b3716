"""What ordinary language makes of the place where a Chinese word was found.

Chinese is written without spaces, so words meet by chance: 举办|证券 holds 办证, 查收|对公账户 holds 收对公账户,
皮下注射 holds 下注. Words also sound alike by chance: 信用卡待还 sounds like 信用卡代还. jieba's dictionary knows the
words of the language and how common each is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import jieba

Word = tuple[int, int]  # where a word of the language begins and ends in a text, end exclusive
_AROUND = 12  # code points read on each side; a Chinese word is rarely longer than four
# Occurrences in jieba's corpus of 60 million words from which a single character is a word that stands in any text (待,
# 再, 做). 360 characters are as common; four fifths of the single-character words of honest texts are among them.
_COMMON = 10_000


@cache
def tokenizer() -> Any:
    """jieba with its own dictionary, without the cache file it would leave for anyone to change.

    Takes about a second, once: see `prepare`.
    """
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


def prepare() -> None:
    """Load the words now rather than at the first Chinese word found: a live stream must not pause for it."""
    tokenizer()


def words_at(text: str, start: int, end: int) -> list[Word]:
    """The words of the language that `text[start:end]` consists of or has a part of, as jieba cuts the text."""
    first = max(0, start - _AROUND)
    words = []
    at = first
    for word in tokenizer().cut(text[first : end + _AROUND], HMM=False):
        stop = at + len(word)
        if stop > start:
            words.append((at, stop))
        at = stop
        if at >= end:
            break
    return words


def hidden(text: str, words: Sequence[Word], start: int, end: int) -> bool:
    """True if one of the words at a span crosses an end of it, or has the span in its middle (皮下注射 and 下注).

    A longer word that only goes on from a word of the span hides nothing: 开发票 and 发票, 银河娱乐|场 and 银河|娱乐.
    """
    known = tokenizer().FREQ
    for begin, stop in words:
        if begin < start and stop > end:
            return True
        crosses = begin < start < stop < end or start < begin < end < stop
        shared = text[max(begin, start) : min(stop, end)]
        if crosses and (len(shared) == 1 or not known.get(shared)):
            return True
    return False


def sounds_ordinary(text: str, words: Sequence[Word], start: int, sought: str) -> bool:
    """Whether ordinary words explain what stands in a text from `start` on and only sounds like `sought`.

    They do if each character that differs belongs to a word of two characters or more (包裹 for 包过), or is a common
    word by itself in the place of another (待 for 代, but not 发飘 for 发票).
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
