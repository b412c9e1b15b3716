"""Whether a short Chinese word is really there, or only the end of one word and the start of the next.

举办|证券 holds 办证, 背刷|单词 holds 刷单. Two characters meet by chance often enough to refuse honest
texts; jieba's dictionary knows where the words around them begin and end.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jieba

_AROUND = 12  # code points read on each side; a Chinese word is rarely longer than four


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
    """Load the words now rather than at the first short word found: a live stream must not pause for it."""
    tokenizer()


def straddles(text: str, start: int, end: int) -> bool:
    """True if a word of the language begins before `start` and ends inside, or begins inside and ends after `end`.

    A longer word that holds all of it (开发票) does not count.
    """
    first = max(0, start - _AROUND)
    at = first
    for word in tokenizer().cut(text[first : end + _AROUND], HMM=False):
        stop = at + len(word)
        if (at < start < stop < end) or (start < at < end < stop):
            return True
        at = stop
        if at >= end:
            break
    return False
