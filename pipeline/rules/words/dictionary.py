"""The keyword dictionary: words an enterprise may not send, and what follows when it does.

A list of ten thousand borrowed words refuses a quarter of honest traffic; a few hundred judged ones
do most of the good. So each word carries its own verdict, context and spellings, a hit says exactly
where it stands in the text the reviewer sees, and a Latin word counts only when it stands alone
("heroin", not "heroine").

Words are looked for in several readings of a text (`pipeline.text`), a batch of texts at a time:

| view | finds | of words |
|---|---|---|
| raw | as written, without case | all but regex |
| normal | the normal form, and regular expressions | evasive, pinyin; regex |
| joined, split | marks between characters, characters in halves | evasive, pinyin |
| leet | v1agra | Latin, from 4 letters |
| lookalike | a stroke more or less, up to half of the characters | Chinese, from 3 characters |
| pinyin | sound-alikes and pinyin letters | pinyin; evasive from 4 characters, or with Latin letters in it |

A Chinese word that is only written across other words of the language (举办|证券 holds 办证) is none. Sound alone
proves little: 信用卡待还 (to be repaid) sounds like 信用卡代还 (repaid for you). So a word that is found in Chinese
characters by their sound counts only where the characters that differ are no ordinary words, and it asks for a person
at most.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from pipeline.events import Category, Verdict
from pipeline.rules.words.borders import hidden, sounds_ordinary, words_at
from pipeline.rules.words.dictionary_file import NEVER, Entry, Mode, parse_entries
from pipeline.rules.words.patterns import WordPatterns
from pipeline.rules.words.views import MOST_PLACES, Find, WordViews
from pipeline.text.normal import Normals, normalise_batch

NEAR = 30  # code points of the normal form on each side in which `near` and `unless` are looked for
# Words of a text whose borders and context are asked for; 2,000 code points of ham have up to 4. Of a word in all its
# MOST_PLACES, half still count.
MAX_ASKED = MOST_PLACES // 2
_AS_WRITTEN = ("raw", "normal", "lookalike")  # in the other views marks or letters show that a word was taken apart


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A dictionary word found in a text: code points of the raw text, `end` exclusive; `via` names the view."""

    word: str
    category: Category
    verdict: Verdict
    start: int
    end: int
    via: str = "raw"
    severity: int = 50
    expires: int = NEVER


class Dictionary:
    """An immutable set of words, matched in one pass a view whatever its size.

    Every word is found, in up to MOST_PLACES places of a text. What is *asked* of a text is bounded: whether a Chinese
    word lies across others, whether a sound is an ordinary word's, whether `near` and `unless` are right. Behind
    MAX_ASKED questions every further word counts where it stands, so that filling a text with words neither hides nor
    excuses one.

    `version` is a content hash (12 hex): the same words in another order are another version.
    """

    def __init__(self, entries: tuple[Entry, ...], version: str) -> None:
        self.entries = entries
        self.version = version
        self._views = WordViews([entry for entry in entries if entry.mode is not Mode.REGEX])
        self._regex = [entry for entry in entries if entry.mode is Mode.REGEX]
        self._patterns = WordPatterns([entry.word for entry in self._regex]) if self._regex else None
        self._context = {
            entry: tuple(tuple(normalise_batch(words).texts) for words in (entry.near, entry.unless))
            for entry in entries
            if entry.near or entry.unless
        }

    @classmethod
    def parse(cls, csv_text: str) -> Dictionary:
        """Read a dictionary file; raises AntispamError as `parse_entries`."""
        entries = parse_entries(csv_text)
        digest = hashlib.sha256(msgspec.json.encode(entries))
        return cls(entries, digest.hexdigest()[:12])

    def match(self, text: str, at: int | None = None) -> tuple[Hit, ...]:
        """What `match_batch` finds in one text, in force at `at` (epoch ms; by default, whenever)."""
        return in_force(self.match_batch([text])[0], at)

    def match_batch(self, texts: Sequence[str], normals: Normals | None = None) -> list[tuple[Hit, ...]]:
        """For each text every word found, overlapping and lapsed ones included; see `in_force`.

        `normals` saves reading the texts again.
        """
        hits: list[tuple[Hit, ...]] = [()] * len(texts)
        if not self.entries or not texts:
            return hits
        if normals is None:
            normals = normalise_batch(texts)
        finds = self._views.find(normals)
        if self._patterns is not None:
            finds += self._find_patterns(normals, self._patterns)
        if finds:
            for owner, kept in self._kept(finds, normals).items():
                hits[owner] = tuple(kept)
        return hits

    def _find_patterns(self, normals: Normals, patterns: WordPatterns) -> Iterator[Find]:
        tape, begin = normals.tape, 0
        for text in normals.texts:
            for pattern, start, end in patterns.find(text):
                first, last = int(tape.origin[begin + start]), int(tape.end[begin + end - 1])
                yield Find(self._regex[pattern], first, last, "normal")
            begin += len(text) + 1

    def _kept(self, finds: list[Find], normals: Normals) -> dict[int, list[Hit]]:
        """By text, the finds whose borders and context are right, with offsets in their text."""
        kept: dict[int, list[Hit]] = {}
        asked: Counter[int] = Counter()
        ends, origin = normals.raw.borders, normals.tape.origin
        begins = np.concatenate(([0], ends[:-1] + 1))
        starts = np.array([find.start for find in finds])
        owners = np.searchsorted(ends, starts)
        firsts = np.searchsorted(origin, begins[owners])
        places = zip(
            finds,
            owners.tolist(),
            begins[owners].tolist(),
            (np.searchsorted(origin, starts) - firsts).tolist(),
            (np.searchsorted(origin, [find.end for find in finds]) - firsts).tolist(),
            strict=True,
        )
        for find, owner, begin, start, end in places:
            entry, text = find.entry, normals.texts[owner]
            heard = find.via == "pinyin" and not _has_letters(text[start:end])
            chinese = heard or (find.via in _AS_WRITTEN and not text[start:end].isascii())
            if (chinese or entry in self._context) and asked[owner] < MAX_ASKED:
                asked[owner] += 1
                if self._excused(entry, text, start, end, chinese, heard):
                    continue
            verdict = Verdict.REVIEW if heard else entry.verdict
            hit = Hit(
                entry.word,
                entry.category,
                verdict,
                find.start - begin,
                find.end - begin,
                find.via,
                entry.severity,
                entry.expires,
            )
            kept.setdefault(owner, []).append(hit)
        return kept

    def _excused(self, entry: Entry, text: str, start: int, end: int, chinese: bool, heard: bool) -> bool:
        """Whether a word found in a normal form does not count: by its context, or since other words are there.

        `chinese`: its characters stand there; `heard`: others do, which sound alike.
        """
        if entry in self._context:
            near, unless = self._context[entry]
            around = text[max(0, start - NEAR) : end + NEAR]
            if (near and not any(word in around for word in near)) or any(word in around for word in unless):
                return True
        if not chinese:
            return False
        words = words_at(text, start, end)
        if hidden(text, words, start, end):
            return True
        sought = self._views.close_form(entry)
        if not heard or entry.mode is Mode.PINYIN or len(sought) != end - start:
            return False
        return sounds_ordinary(text, words, start, sought)


def _has_letters(text: str) -> bool:
    return any(char.isascii() and char.isalpha() for char in text)


def in_force(hits: Sequence[Hit], at: int | None = None) -> tuple[Hit, ...]:
    """Hits not lapsed at `at` (epoch ms), left to right; of overlapping ones the most severe.

    Of equally severe ones (verdict, then `severity`) the longest counts, then the leftmost.
    """
    standing = [hit for hit in hits if at is None or hit.expires > at]
    if len(standing) < 2:
        return tuple(standing)
    standing.sort(key=lambda hit: (-hit.verdict.severity, -hit.severity, hit.start - hit.end, hit.start))
    kept: list[Hit] = []  # in order of place, none overlapping
    for hit in standing:
        place = bisect_left(kept, hit.start, key=lambda other: other.start)
        if place and kept[place - 1].end > hit.start:
            continue
        if place < len(kept) and kept[place].start < hit.end:
            continue
        kept.insert(place, hit)
    return tuple(kept)
