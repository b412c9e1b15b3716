"""The keyword dictionary: words that an enterprise may not send, each with its verdict.

A list of ten thousand borrowed words refuses a quarter of honest traffic; a few hundred words judged one by one
achieve most of the effect. So each word has its own verdict, context and spellings. A hit gives its exact place in
the text that the reviewer sees. A Latin word counts only as a whole word ("heroin", not "heroine").

Words are searched in several views of a text (`pipeline.text`), a batch of texts at a time:

| view | finds | words searched |
|---|---|---|
| raw | as written, without case | all but regex |
| normal | the normal form, and regular expressions | evasive, pinyin; regex |
| joined, split | marks between characters, characters split in halves | evasive, pinyin |
| leet | v1agra | Latin, from 4 letters |
| lookalike | a stroke more or less in up to half of the characters | Chinese, from 3 characters |
| pinyin | sound-alikes and pinyin letters | pinyin; evasive from 4 characters, or with Latin letters in it |

A Chinese word that only appears across ordinary words (举办|证券 contains 办证) does not count. Sound alone is weak
evidence: 信用卡待还 (to be repaid) sounds like 信用卡代还 (repaid for you). So a word found by the sound of Chinese
characters counts only if the differing characters are not ordinary words, and its verdict is at most review.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from pipeline.events import Category, Verdict
from pipeline.rules.expiry import NEVER
from pipeline.rules.words.borders import hidden, may_be_hidden, sounds_ordinary, words_at
from pipeline.rules.words.dictionary_file import Entry, Mode, parse_entries
from pipeline.rules.words.patterns import WordPatterns
from pipeline.rules.words.views import MOST_PLACES, Find, WordViews
from pipeline.text.normal import Normals, normalise_batch

NEAR = 30  # code points of the normal form on each side that are searched for `near` and `unless`
# Finds of a text whose borders and context are checked; 2,000 code points of ham have up to 4 finds. Half of
# MOST_PLACES, so that a word repeated to that limit still has finds that count unchecked.
MAX_ASKED = MOST_PLACES // 2
_AS_WRITTEN = ("raw", "normal", "lookalike")  # in the other views, marks or letters show that a word was taken apart


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A dictionary word found in a text, at code points of the raw text, `end` exclusive; `via` names the view."""

    word: str
    category: Category
    verdict: Verdict
    start: int
    end: int
    via: str = "raw"
    severity: int = 50
    expires: int = NEVER


class Dictionary:
    """An immutable set of words. Each view is searched in one pass, whatever the number of words.

    Every word is found, in up to MOST_PLACES places of a text. The number of checks a text is limited. A check asks
    whether a Chinese word lies across ordinary words, whether ordinary words explain a sound, and whether `near` and
    `unless` hold. After MAX_ASKED checks every further find counts unchecked. So a text filled with words neither hides
    nor excuses any of them.

    `version` is a content hash (12 hex digits); the same words in another order have another version.
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
        """The dictionary of a csv text. Raises AntispamError like `parse_entries`."""
        entries = parse_entries(csv_text)
        digest = hashlib.sha256(msgspec.json.encode(entries))
        return cls(entries, digest.hexdigest()[:12])

    def match(self, text: str, at: int | None = None) -> tuple[Hit, ...]:
        """The hits of one text in force at `at` (epoch ms; None ignores expiry)."""
        return in_force(self.match_batch([text])[0], at)

    def match_batch(self, texts: Sequence[str], normals: Normals | None = None) -> list[tuple[Hit, ...]]:
        """All hits of each text, including overlapping and expired hits; see `in_force`.

        `normals` are the normal forms of the texts, if the caller has them already.
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
        """By text, the hits of the finds that pass the checks, with offsets in their text."""
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
        """Whether a find does not count, because of its context or because ordinary words explain it.

        `chinese`: the find is in Chinese characters. `heard`: these are other characters that sound alike.
        """
        if entry in self._context:
            near, unless = self._context[entry]
            around = text[max(0, start - NEAR) : end + NEAR]
            if (near and not any(word in around for word in near)) or any(word in around for word in unless):
                return True
        if not chinese:
            return False
        sought = self._views.close_form(entry)
        explained = heard and entry.mode is not Mode.PINYIN and len(sought) == end - start
        if not explained and not may_be_hidden(text, start, end):
            return False
        words = words_at(text, start, end)
        return hidden(text, words, start, end) or (explained and sounds_ordinary(text, words, start, sought))


def _has_letters(text: str) -> bool:
    return any(char.isascii() and char.isalpha() for char in text)


def in_force(hits: Sequence[Hit], at: int | None = None) -> tuple[Hit, ...]:
    """The hits not expired at `at` (epoch ms), left to right; of overlapping hits, the most severe.

    Of equally severe hits (verdict, then `severity`), the longest counts, then the leftmost.
    """
    standing = [hit for hit in hits if at is None or hit.expires > at]
    if len(standing) < 2:
        return tuple(standing)
    standing.sort(key=lambda hit: (-hit.verdict.severity, -hit.severity, hit.start - hit.end, hit.start))
    kept: list[Hit] = []  # sorted by place, without overlaps
    for hit in standing:
        place = bisect_left(kept, hit.start, key=lambda other: other.start)
        if place and kept[place - 1].end > hit.start:
            continue
        if place < len(kept) and kept[place].start < hit.end:
            continue
        kept.insert(place, hit)
    return tuple(kept)
