"""What differs between the variants of one text: the slots of a template that nobody wrote down. Pure.

Each text is aligned with the first one, token by token. A link, a number and a Latin word are one token each, any other
character is one. Where a text departs from the first, the tokens become a slot; slots without a common token between
them are one. So 2,000 renderings of one template show as the few columns that were filled in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from rapidfuzz.distance import Indel

MAX_CHARS = 600  # of each text that is read
_LINK = r"(?:https?://)?(?:[a-z0-9\-]{1,63}\.){1,5}[a-z]{2,10}(?![a-z])(?::[0-9]{1,5})?(?:[/?#][!-~]*)?"
_NUMBER = r"[0-9]+(?:[.,:/\-][0-9]+)*"
_tokens = re.compile(rf"{_LINK}|{_NUMBER}|[a-z]+|\s+|.", re.IGNORECASE | re.ASCII | re.DOTALL).findall
_is_link = re.compile(_LINK, re.IGNORECASE | re.ASCII).fullmatch
_is_number = re.compile(_NUMBER, re.ASCII).fullmatch

Kind = Literal["link", "number", "words"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in which texts differ: what it holds in each text, in order; empty where a text has nothing there."""

    kind: Kind
    values: tuple[str, ...]


def slots(texts: Sequence[str]) -> list[Slot]:
    """The slots of these texts, in the order of the first one; none for fewer than two texts."""
    read = [_tokens(text[:MAX_CHARS]) for text in texts]
    if len(read) < 2:
        return []
    size = 2 * len(read[0]) + 1  # odd places are the tokens of the first text, even ones what is inserted between them
    marked = [False] * size
    filled = []
    for tokens in read:
        pieces = [""] * size
        for tag, low, high, start, end in SequenceMatcher(None, read[0], tokens, autojunk=False).get_opcodes():
            if tag == "equal":
                pieces[2 * low + 1 : 2 * high : 2] = tokens[start:end]
                continue
            begin, stop = (2 * low, 2 * low + 1) if tag == "insert" else (2 * low + 1, 2 * high)
            marked[begin:stop] = [True] * (stop - begin)
            pieces[begin] = "".join(tokens[start:end])
        filled.append(pieces)
    found = []
    for begin, stop in _runs(marked):
        values = tuple("".join(pieces[begin:stop]).strip() for pieces in filled)
        found.append(Slot(_kind(values), values))
    return [slot for slot in found if len(set(slot.values)) > 1]


def most_different(first: str, others: Sequence[str], count: int) -> list[str]:
    """At most `count` of the texts, each the least like the first and those before it; of equals the earlier."""
    nearest = dict.fromkeys(others, 0.0)
    taken: list[str] = []
    last = first
    while nearest and len(taken) < count:
        for text in nearest:
            like = Indel.normalized_similarity(last[:MAX_CHARS], text[:MAX_CHARS])
            nearest[text] = max(nearest[text], like)
        last = min(nearest, key=lambda text: nearest[text])
        del nearest[last]
        taken.append(last)
    return taken


def _runs(marked: Sequence[bool]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for place, is_marked in enumerate(marked):
        if is_marked and runs and runs[-1][1] == place:
            runs[-1] = runs[-1][0], place + 1
        elif is_marked:
            runs.append((place, place + 1))
    return runs


def _kind(values: Sequence[str]) -> Kind:
    written = [value for value in values if value]
    if all(map(_is_link, written)):
        return "link"
    return "number" if all(map(_is_number, written)) else "words"
