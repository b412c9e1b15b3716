"""The keyword dictionary: words an enterprise may not send, and what follows when it does.

A list of ten thousand borrowed words refuses a quarter of honest traffic; a few hundred judged ones
do most of the good. So each word carries its own verdict, a hit says exactly where it stands in the
text the reviewer sees, and a Latin word counts only when it stands alone ("heroin", not "heroine").

This version finds words as written, ignoring case; disguised spellings are found by matching further
views of the text.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass

import ahocorasick

from pipeline.errors import AntispamError
from pipeline.events import Category, Verdict

MAX_BYTES = 16 * 1024 * 1024
MAX_WORDS = 200_000
MIN_LENGTH, MAX_LENGTH = 2, 64  # code points; a single character is never unambiguous
_COLUMNS = ["word", "category", "verdict"]
_VERDICTS = {verdict.value: verdict for verdict in (Verdict.REVIEW, Verdict.REJECT, Verdict.BLACKLIST)}
_CATEGORIES = {category.value: category for category in Category}


@dataclass(frozen=True, slots=True)
class Hit:
    """A dictionary word found in a text: code points of the raw text, `end` exclusive."""

    word: str
    category: Category
    verdict: Verdict
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One word of a dictionary, as its author wrote it."""

    word: str
    category: Category
    verdict: Verdict


class Dictionary:
    """An immutable set of words, matched in one pass whatever its size.

    `version` is a content hash (12 hex): the same words in another order are another version.
    """

    def __init__(self, entries: tuple[Entry, ...], version: str) -> None:
        self.entries = entries
        self.version = version
        self._automaton = ahocorasick.Automaton()
        for entry in entries:
            folded = _fold(entry.word)
            stands_alone = _latin(folded[0]), _latin(folded[-1])
            self._automaton.add_word(_spread(folded), (len(folded), stands_alone, entry))
        self._automaton.make_automaton()

    @classmethod
    def parse(cls, csv_text: str) -> Dictionary:
        """Read `word,category,verdict[,note]` with a header line; further columns are refused.

        Raises AntispamError naming the line of the first fault: a word too short, too long or
        there twice, an unknown category or verdict, too many words.
        """
        if len(csv_text) > MAX_BYTES:
            raise AntispamError(f"dictionary: larger than {MAX_BYTES // 1024 // 1024} MiB")
        csv_text = csv_text.removeprefix("\ufeff")
        rows = csv.reader(io.StringIO(csv_text, newline=""), strict=True)
        entries: list[Entry] = []
        seen: dict[str, int] = {}
        try:
            header = next(rows, [])
            if header not in (_COLUMNS, [*_COLUMNS, "note"]):
                raise AntispamError("dictionary line 1: expected the header word,category,verdict[,note]")
            for row in rows:
                if not row:
                    continue
                entry = _entry(row, len(header), rows.line_num)
                first = seen.setdefault(_fold(entry.word), rows.line_num)
                if first != rows.line_num:
                    raise AntispamError(f"dictionary line {rows.line_num}: {entry.word!r} is already on line {first}")
                entries.append(entry)
                if len(entries) > MAX_WORDS:
                    raise AntispamError(f"dictionary line {rows.line_num}: more than {MAX_WORDS} words")
        except csv.Error as error:
            raise AntispamError(f"dictionary line {rows.line_num}: {error}") from error
        digest = hashlib.sha256("\n".join(f"{e.word}\t{e.category}\t{e.verdict}" for e in entries).encode())
        return cls(tuple(entries), digest.hexdigest()[:12])

    def match(self, text: str) -> tuple[Hit, ...]:
        """All words in `text`, left to right; of overlapping ones the longest, then the leftmost."""
        if not self.entries:
            return ()
        folded = _fold(text)
        found: list[Hit] = []
        spread = _spread(folded)
        done = end = 0
        for last, (length, (alone_before, alone_after), entry) in self._automaton.iter(spread):
            end += _gathered_length(spread[done : last + 1])  # hits come in order of their end
            done = last + 1
            start = end - length
            if alone_before and start and _latin(folded[start - 1]):
                continue
            if alone_after and end < len(folded) and _latin(folded[end]):
                continue
            found.append(Hit(entry.word, entry.category, entry.verdict, start, end))
        return _longest(found) if len(found) > 1 else tuple(found)


def _entry(row: list[str], columns: int, line: int) -> Entry:
    if len(row) != columns:
        raise AntispamError(f"dictionary line {line}: {len(row)} fields, expected {columns}")
    word, category, verdict = (field.strip() for field in row[:3])
    if not MIN_LENGTH <= len(word) <= MAX_LENGTH:
        raise AntispamError(
            f"dictionary line {line}: a word has {MIN_LENGTH} to {MAX_LENGTH} characters, not {len(word)}"
        )
    if not word.isprintable():
        raise AntispamError(f"dictionary line {line}: a word has printable characters only")
    if category not in _CATEGORIES:
        raise AntispamError(
            f"dictionary line {line}: unknown category {category[:40]!r}; one of {', '.join(_CATEGORIES)}"
        )
    if verdict not in _VERDICTS:
        raise AntispamError(f"dictionary line {line}: unknown verdict {verdict[:40]!r}; one of {', '.join(_VERDICTS)}")
    return Entry(word, _CATEGORIES[category], _VERDICTS[verdict])


def _fold(text: str) -> str:
    """`text` without case and with every code point in its place: spans stay those of the raw text."""
    folded = text.casefold()
    if len(folded) == len(text):  # a fold never shortens, so equal length means one for one
        return folded
    return "".join(f if len(f := char.casefold()) == 1 else char for char in text)


def _spread(folded: str) -> str:
    """The UTF-8 bytes as a str of that many characters.

    The automaton looks for a node's next character one by one; thousands of Chinese characters may
    begin a word, but no more than 64 bytes follow another. UTF-8 keeps borders: no hit is misaligned.
    """
    return folded.encode("utf-8", "surrogatepass").decode("latin-1")


def _gathered_length(spread: str) -> int:
    return len(spread.encode("latin-1").decode("utf-8", "surrogatepass"))


def _latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _longest(found: list[Hit]) -> tuple[Hit, ...]:
    kept: list[Hit] = []
    covered: set[int] = set()
    for hit in sorted(found, key=lambda hit: (hit.start - hit.end, hit.start)):
        # What is kept is at least as long, so an overlap always covers one end of this hit.
        if hit.start not in covered and hit.end - 1 not in covered:
            covered.update(range(hit.start, hit.end))
            kept.append(hit)
    return tuple(sorted(kept, key=lambda hit: hit.start))
