"""Which texts are of a language that the model has not learnt.

Of the languages that are not Chinese, the model knows English. It reads words of Spanish or Filipino by their letters
alone, and a score of them means nothing, so it must never refuse them. Identifiers of languages guess badly on short
texts full of names and links; the question here is easier. A text is foreign if it is in letters that are never taken
for Latin, if words of another language outnumber the English ones, or if it has many words and not one that English
texts use often. Of short private messages in the languages listed, two thirds to all are recognised, and nine in ten of
longer texts; of English spam, three texts in
1,000 are taken for foreign, most of them Hindi in Latin letters.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

_words = re.compile(r"(?<![\w.@/:-])[a-z]{2,}(?![\w@/-]|\.\w)").findall
# Letters that nobody takes for Latin: Hebrew to Hangul. Greek and Cyrillic are read as the Latin letters they resemble.
_other_letters = re.compile(r"[\u0590-\u1cff\u3040-\u30ff\uac00-\ud7a3]").findall
_LEAST_LETTERS = 8
_pieces = re.compile(r"[a-z]+").findall
_BROKEN = 2.75  # mean letters in a piece; English broken up by spaces or signs has 2.2, Vietnamese 3
_MOST_CHARS = 400  # code points read
_LEAST_FOREIGN = 2  # words of another language beside English ones; a single one may be a name
_FEW_WORDS, _MANY_WORDS = 3, 12  # words without an English one: enough with a word of another language, enough alone


def foreign(folded: str) -> bool:
    """Whether a folded text (no accents, lower case or not) without Chinese is of a language other than English."""
    if len(_other_letters(folded[:_MOST_CHARS])) >= _LEAST_LETTERS:
        return True
    read = folded[:_MOST_CHARS].lower()
    pieces = _pieces(read)
    if sum(map(len, pieces)) < _BROKEN * len(pieces):
        return False  # words broken up to hide them
    words = _words(read)
    english, others = _lists()
    known = sum(word in english for word in words)
    strange = max((sum(word in other for word in set(words)) for other in others), default=0)
    if known:
        return strange >= max(_LEAST_FOREIGN, known + 1)
    return len(words) >= (_FEW_WORDS if strange else _MANY_WORDS)


@cache
def _lists() -> tuple[frozenset[str], tuple[frozenset[str], ...]]:
    """The words of English, and of each other language without the English ones."""
    text = Path(__file__).with_name("function_words.yaml").read_text(encoding="utf-8")
    lists = {name: frozenset(words.split()) for name, words in yaml.safe_load(text).items()}
    english = lists.pop("english")
    return english, tuple(words - english for words in lists.values())
