"""Features of a batch of texts: hashed grams of characters and words, computed by whole-array arithmetic.

A text is read three times, and each reading has a third of the buckets:

* *As written*: with case, digits, punctuation and spaces. Grams have one to four characters, or one or two if they
  contain Chinese. This reading is the best for ordinary texts. Invisible characters are left out, because they only
  break words, and long numbers are zeros: a mobile number must not weigh more than another number.
* *As meant*: disguises are undone, signs between words are removed, and Chinese is read by its sound. Grams are longer,
  because this reading has no word borders. It still works on disguised texts.
* *In words*: the words of the normal form that are not Chinese, and each pair of adjacent words. It reads other
  alphabets like Latin.

Every gram counts once a text, so repetition does not raise the score. Python code for each text would cost more than
the model, so a batch is one tape (`text.tape`). All values are exact integers, so the features of a text never depend
on its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.models import own_domains, particulars
from pipeline.text.characters import CJK, DIGIT, LETTER, MARK, OTHER, SEPARATOR, TECHNIQUES, characters
from pipeline.text.leet import letters
from pipeline.text.links import Link, find_links
from pipeline.text.normal import Normals, normalise_batch
from pipeline.text.pinyin import SYLLABLES
from pipeline.text.tape import BORDER, Codes, Flags, Indexes, Tape, after, before

READING_BITS = 20
BUCKETS = 3 << READING_BITS  # three readings
FEWEST = 16  # texts of fewer grams are scaled as if they had this many: a greeting of two characters is no evidence
MAX_CHARS = 2000  # code points read of a text; the length of the longest accepted content
SCRIPTS = ("zh", "en", "other")  # mostly Chinese characters, mostly Latin letters, mostly other letters
VOICES = (0, 1, 1)  # by script: index of the linear model that scores it
OTHER_VOICE = 2  # index of the linear model of the other languages, if there is one

_WRITTEN, _MEANT, _WORDS = 0, 1, 2
FIRST_WORD = _WORDS << READING_BITS  # the buckets from here on are of words and pairs of words
_WIDE_ORDERS = ((1, 2), (2, 3))  # lengths of grams that contain Chinese, by reading
_NARROW_ORDERS = ((1, 2, 3, 4), (3, 4, 5))  # lengths of grams without Chinese, by reading
_SYLLABLES_END = 0xF900
_KINDS = max(CJK, DIGIT, LETTER, MARK, OTHER, SEPARATOR) + 1
_SPACE, _ZERO = 0x20, 0x30
_INVISIBLE = TECHNIQUES.index("invisible")
_LONG_NUMBER = 6  # digits; shorter are hotlines (95588), years and prices
_FOREIGN_FROM, _FOREIGN_TO = 0x370, 0x1D00  # Greek, Cyrillic, Arabic, …; styled Latin letters begin behind
# Letters that weigh as much as a Chinese character: double the English equivalent, so that Chinese half spelled in
# pinyin still counts as Chinese.
_LETTERS_IN_A_CHARACTER = 6
_MIX = np.uint32(0x9E3779B1)  # 2**32 / golden ratio: multiplicative hashing (Knuth, TAOCP 6.4)
_STEP = np.uint32(0x01000193)
_PLACE = np.uint32(0x85EBCA6B)  # an odd constant that distinguishes the places of letters in a word


Links = Sequence[tuple[Link, ...]] | None  # the links of each text of a batch, or None to find them


class _Found(NamedTuple):
    """Grams of one kind. Gram i covers the tape's positions `first[i]` to `last[i]`, inclusive."""

    first: Indexes
    last: Indexes
    buckets: Codes


@dataclass(frozen=True, slots=True)
class Grams:
    """The distinct grams of a batch.

    Text t has `buckets[starts[t] : starts[t + 1]]`, in ascending order. `scripts[t]` is an index of SCRIPTS.
    `silent[t]` is True if the text has neither letter nor digit. `strange_letters[t]` counts letters that are neither
    Chinese nor Latin. `allowance[t]` is the allowance for its particulars and its own domains, in log-odds. `folded` is
    the batch without accents and disguised letters.
    """

    buckets: NDArray[np.intp]
    starts: Indexes
    scripts: NDArray[np.intp]
    silent: Flags
    strange_letters: NDArray[np.intp]
    allowance: NDArray[np.float64]
    folded: Tape

    @property
    def counts(self) -> NDArray[np.intp]:
        """The number of distinct grams of each text."""
        return np.diff(self.starts)

    def folded_text(self, number: int) -> str:
        """The folded text of this number."""
        ends = self.folded.borders
        begin = int(ends[number - 1]) + 1 if number else 0
        return self.folded.replace(self.folded.codes[begin : int(ends[number])]).joined()


@dataclass(frozen=True, slots=True)
class GramSpans:
    """The places of the grams of one text. Gram i covers raw code points `begins[i]` to `ends[i]`, exclusive."""

    buckets: NDArray[np.intp]
    begins: Indexes
    ends: Indexes


def grams(texts: Sequence[str], normals: Normals | None = None, links: Links = None, *, former: bool = False) -> Grams:
    """The grams of each text. Any str is accepted, including lone surrogates and NUL.

    Only the first MAX_CHARS code points are read. `normals` are the normal forms of the texts and `links` their links,
    if the caller has them. `former` reads as a model of the former release learnt to: numbers and invisible characters
    as they are, and no allowance for own domains.
    """
    if normals is None or max(map(len, texts), default=0) > MAX_CHARS:
        normals, links = _normals(texts), None
    parts, ends = [], []
    for tape, grams_of_tape in _readings(normals, former):
        borders = tape.borders
        parts += [found.buckets for found in grams_of_tape]
        ends += [found.first.searchsorted(borders) for found in grams_of_tape]
    found, starts = _distinct(np.concatenate(parts), np.array(ends))
    buckets = found.astype(np.intp)
    allowance = particulars.allowance(normals.folded, len(texts)) if former else _allowance(normals, links)
    return Grams(buckets, starts, *_scripts(normals, len(texts)), allowance, normals.folded)


def _distinct(buckets: Codes, ends: Indexes) -> tuple[Codes, Indexes]:
    """The distinct grams by text, each text's in ascending order, and where each text begins.

    `buckets` are the grams of all kinds, one kind after the other, each in order of texts. `ends[kind, text]` is where
    a text ends among its kind. Each text is sorted alone: NumPy sorts a few hundred numbers in a tenth of the time that
    they take among a batch's, and 32 bits faster than 64.
    """
    lengths = ends.copy()
    lengths[:, 1:] -= ends[:, :-1]
    starts = np.concatenate(([0], lengths.sum(axis=0).cumsum()))
    place = starts[:-1] + lengths.cumsum(axis=0) - lengths  # where each kind of each text goes
    place -= lengths.ravel().cumsum().reshape(lengths.shape) - lengths  # less where it comes from
    sorted_ = np.empty(len(buckets), dtype=np.uint32)
    sorted_[np.arange(len(buckets)) + np.repeat(place.ravel(), lengths.ravel())] = buckets
    for begin, end in pairwise(starts.tolist()):
        sorted_[begin:end].sort()
    new = np.ones(len(buckets) + 1, dtype=np.bool_)  # one more, for texts at the end that have no grams
    new[1:-1] = sorted_[1:] != sorted_[:-1]
    new[starts] = True
    return sorted_[new[:-1]], np.concatenate(([0], new.cumsum()))[starts]


def scripts(texts: Sequence[str]) -> NDArray[np.intp]:
    """The script of each text, as an index of SCRIPTS."""
    return _scripts(_normals(texts), len(texts))[0]


def allowances(texts: Sequence[str]) -> NDArray[np.float64]:
    """The log-odds to subtract for the particulars and the own domains of each text."""
    return _allowance(_normals(texts), None)


def voices(scripts: NDArray[np.intp]) -> NDArray[np.intp]:
    """The index of the linear model for each script."""
    return np.array(VOICES)[scripts]


def gram_spans(text: str, *, former: bool = False) -> GramSpans:
    """Every place of every gram of this text; a repeated gram has several places. `former`: see `grams`."""
    normals = _normals([text])
    buckets, begins, ends = [], [], []
    for tape, grams_of_tape in _readings(normals, former):
        for found in grams_of_tape:
            buckets.append(found.buckets)
            begins.append(tape.origin[found.first])
            ends.append(tape.end[found.last])
    return _within(text, np.concatenate(buckets).astype(np.intp), np.concatenate(begins), np.concatenate(ends))


def allowed_at(text: str, *, former: bool = False) -> list[tuple[GramSpans, float]]:
    """The places of each allowance of a text, without real buckets (all 0), and its log-odds to subtract.

    `former`: see `grams`.
    """
    normals = _normals([text])
    folded = normals.folded
    found = []
    if particulars.allowance(folded, 1).any():
        first, behind = np.array(particulars.places(folded), dtype=np.intp).T
        found.append((folded.origin[first], folded.end[behind - 1], particulars.ALLOWANCE))
    [links] = find_links(normals)
    if own_domains.owned(links) and not former:
        first, behind = np.array([(link.start, link.end) for link in links], dtype=np.intp).T
        found.append((first, behind, own_domains.ALLOWANCE))
    return [(_within(text, np.zeros(len(begins), dtype=np.intp), begins, ends), odds) for begins, ends, odds in found]


def sums(values: NDArray[np.integer] | Flags, starts: NDArray[np.intp]) -> NDArray[np.int64]:
    """The sum of each text's values; 0 for a text without values. `starts`: see `Grams`."""
    found = np.zeros(len(starts) - 1, dtype=np.int64)
    some = np.flatnonzero(starts[1:] > starts[:-1])  # `reduceat` gives a text without values those of the next
    if len(some):
        found[some] = np.add.reduceat(values, starts[some], dtype=np.int32)  # 64 bits would convert each value first
    return found


def _within(text: str, buckets: NDArray[np.intp], begins: Indexes, ends: Indexes) -> GramSpans:
    length = min(len(text), MAX_CHARS)  # the spaces before and after the text have no place in it
    return GramSpans(buckets, np.clip(begins, 0, max(length - 1, 0)), np.clip(ends, min(length, 1), length))


def _normals(texts: Sequence[str]) -> Normals:
    return normalise_batch([text[:MAX_CHARS] for text in texts])


def _readings(normals: Normals, former: bool) -> list[tuple[Tape, list[_Found]]]:
    written = _padded(normals.raw)
    if not former:
        written = _as_written(written)
    meant = _as_meant(normals.sounds[0])
    return [
        (written, _characters(written, _WRITTEN)),
        (meant, _characters(meant, _MEANT)),
        (normals.tape, _words(normals.tape)),
    ]


def _allowance(normals: Normals, links: Links) -> NDArray[np.float64]:
    own = own_domains.allowance(find_links(normals) if links is None else links)
    allowed: NDArray[np.float64] = particulars.allowance(normals.folded, len(own)) + own
    return allowed


def _padded(raw: Tape) -> Tape:
    """The tape with a space at both ends of each text: so a word there has the same grams as inside a text."""
    borders = raw.borders
    ends = np.sort(np.concatenate((borders, borders[:-1] + 1, [0]))) if len(borders) else borders
    codes = np.insert(raw.codes, ends, np.uint32(_SPACE))
    return Tape(codes, np.insert(raw.origin, ends, ends), np.insert(raw.end, ends, ends))


def _as_written(raw: Tape) -> Tape:
    """The tape without invisible characters, with zeros for the digits of long numbers."""
    tape = raw.keep(characters().technique_of(raw.codes) != _INVISIBLE)
    digit = tape.codes - np.uint32(_ZERO) < 10  # smaller codes wrap around to large ones
    at = np.flatnonzero(digit)
    if not len(at):
        return tape
    begins = np.flatnonzero(np.concatenate(([True], at[1:] != at[:-1] + 1)))
    lengths = np.diff(np.append(begins, len(at)))
    codes = tape.codes.copy()
    codes[at[np.repeat(lengths >= _LONG_NUMBER, lengths)]] = _ZERO
    return tape.replace(codes)


def _as_meant(sounds: Tape) -> Tape:
    """The sounds without signs; a run of digits becomes one 0."""
    codes = letters(sounds)
    kind = characters().kind_of(codes)
    codes = np.where(kind == DIGIT, np.uint32(_ZERO), codes)
    kept = (kind != SEPARATOR) & (kind != MARK)
    tape = sounds.replace(codes).keep(kept)
    repeated = np.zeros(len(tape.codes), dtype=np.bool_)
    repeated[1:] = (tape.codes[1:] == tape.codes[:-1]) & (tape.codes[1:] == _ZERO)
    return tape.keep(~repeated)


def _characters(tape: Tape, reading: int) -> list[_Found]:
    """The grams of characters, one item for each length."""
    codes = tape.codes
    inside = codes != BORDER
    narrow = inside & ~_wide(codes)
    wide_orders, narrow_orders = _WIDE_ORDERS[reading], _NARROW_ORDERS[reading]
    value, whole, latin = codes, inside, narrow
    found = []
    for order in range(1, max(wide_orders + narrow_orders) + 1):
        if order > 1:
            value = _extend(value, codes, order - 1)
            whole = whole & _ahead(inside, order - 1)
            latin = latin & _ahead(narrow, order - 1)
        wanted = np.zeros(len(codes), dtype=np.bool_)
        if order in wide_orders:
            wanted |= whole & ~latin
        if order in narrow_orders:
            wanted |= latin & (codes != _SPACE) if order == 1 else latin
        at = np.flatnonzero(wanted)
        found.append(_Found(at, at + order - 1, _bucket(value[at], reading)))
    return found


def _words(tape: Tape) -> list[_Found]:
    """The words of Latin letters and digits, with all digits alike, and each pair of adjacent words."""
    kind = characters().kind_of(tape.codes)
    inside = (kind == LETTER) | (kind == DIGIT)
    at = np.flatnonzero(inside)
    begins = ~before(inside)[at]
    first = at[begins]
    if not len(first):
        return []
    last = at[~after(inside)[at]]
    place = (at - np.repeat(first, last - first + 1)).astype(np.uint32)
    codes = np.where(kind[at] == DIGIT, np.uint32(_ZERO), tape.codes[at])
    mixed = codes * (place * _PLACE + _MIX)
    mixed = (mixed ^ (mixed >> np.uint32(13))) * _STEP
    value = np.add.reduceat(mixed, np.flatnonzero(begins), dtype=np.uint32)  # overflow wraps around
    owners = _owners(tape)[first]
    pair = np.flatnonzero(owners[1:] == owners[:-1])
    following = value[pair] * _STEP + (value[pair + 1] ^ _MIX)
    return [
        _Found(first, last, _bucket(value, _WORDS)),
        _Found(first[pair], last[pair + 1], _bucket(following, _WORDS)),
    ]


def _wide(codes: Codes) -> Flags:
    flags: Flags = (characters().kind_of(codes) == CJK) | ((codes >= SYLLABLES) & (codes < _SYLLABLES_END))
    return flags


def _bucket(value: Codes, reading: int) -> Codes:
    hashed: Codes = ((value ^ (value >> np.uint32(15))) * _MIX) >> np.uint32(32 - READING_BITS)
    return hashed | np.uint32(reading << READING_BITS)


def _extend(value: Codes, codes: Codes, ahead: int) -> Codes:
    longer = value * _STEP
    longer[:-ahead] += codes[ahead:]
    return longer + _STEP


def _ahead(flags: Flags, ahead: int) -> Flags:
    moved = np.zeros_like(flags)
    moved[:-ahead] = flags[ahead:]
    return moved


def _owners(tape: Tape) -> NDArray[np.int64]:
    """The index of the text of each position."""
    border = tape.codes == BORDER
    owners: NDArray[np.int64] = np.cumsum(border, dtype=np.int64) - border
    return owners


def _scripts(normals: Normals, count: int) -> tuple[NDArray[np.intp], Flags, NDArray[np.intp]]:
    """The main script of each text (Latin for a text without letters), flags of texts without letter or digit, and the
    number of letters that are neither Chinese nor Latin.
    """
    folded = normals.folded
    kind = characters().kind_of(folded.codes)
    written = normals.raw.codes[folded.origin]
    foreign = (written >= _FOREIGN_FROM) & (written < _FOREIGN_TO)  # Cyrillic folds to Latin, but is not Latin
    owners = _owners(folded)
    kind[foreign & (kind == LETTER)] = OTHER
    kind[folded.codes == BORDER] = MARK
    counts = np.bincount(owners * _KINDS + kind, minlength=count * _KINDS).reshape(count, _KINDS)
    chinese, latin, digits, others = (counts[:, which] for which in (CJK, LETTER, DIGIT, OTHER))
    silent = chinese + latin + digits + others == 0
    chinese = chinese * _LETTERS_IN_A_CHARACTER
    return np.where(others > chinese + latin, 2, np.where(chinese >= np.maximum(latin, 1), 0, 1)), silent, others
