"""Sketches: 200 bytes of a text, from which the similarity of two texts is computed.

A text is taken in its normal form, without the parts that differ between renderings of one template: each link, number
and account becomes one sign; personal names, spaces and punctuation are dropped. The rest is converted to its sounds,
because senders replace characters by others that sound alike, and cut into overlapping shingles of three signs, each
hashed to one of 65,535 values. The SIZE smallest hashes are the sketch: all of a text of usual length, a fair sample of
a longer one. One changed character changes three shingles. So texts of up to SIGNS signs also keep their signs in
order.

Shingles have three signs, not two, because different campaigns of one trade (bank points to redeem) then share fewer
(measured on labelled fake-base-station messages: pairwise precision .99 instead of .97).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.events import Sketch
from pipeline.text.characters import CJK, LETTER, OTHER, characters
from pipeline.text.normal import Normals
from pipeline.text.pinyin import pinyin
from pipeline.text.tape import BORDER, Codes, lay

SIZE = 64  # shingles kept: a text message of one part has at most 70 characters
SIGNS = 70  # characters of a text of one part
NONE = 0xFFFF  # fills the row of a sketch with fewer shingles; no shingle has this value
MAX_CHARS = 2000  # code points read of a normal form; an SMS of ten parts has 670
BANDS = 16  # keys under which a sketch is looked up: similar texts share at least one
_JOINED = 2  # smallest hashes in one band: two texts of Jaccard similarity s share a band with probability s²
_SHINGLE = 3  # signs
_UNIVERSE = NONE
_LATIN_TO = 0x80
_ALPHABETIC_TO = 0x20000  # code points; ideographs follow

Shingles = NDArray[np.uint16]
Hashes = NDArray[np.uint64]

_LINK, _NUMBER = "\ue800", "\ue801"  # private use area: no normal form holds them
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔"
    "钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
# Frequent in given names, and seldom the first character of a word in messages.
_GIVEN = (
    "伟刚勇毅俊峰强军平东文辉明永健志义海波飞斌鹏宇杰涛磊超浩亮建华芳娜秀英敏静丽艳娟霞玲婷雪琳燕红梅洋倩慧晨欣佳嘉"
)
_name = re.compile(f"[{_SURNAMES}][{_GIVEN}]{{1,2}}").sub
_link = re.compile(
    r"(?:h(?:tt|xx)ps?[:/\\]{1,3})?(?<![a-z0-9_\-])[a-z0-9_\-]{1,63}(?:[.。点][a-z0-9_\-]{1,63}){0,5}[.。点][a-z]{2,6}(?![a-z])"
    r"(?::[0-9]{1,5})?(?:[/?#][!-~]*)?"
).sub
_dotted = re.compile(r"[.。点][a-z]{2}").search  # as every link is; to look for it takes a tenth of the time
_number = re.compile(r"(?<![a-z_\-])[a-z_\-]{0,30}[0-9][a-z0-9_\-]*(?:[.,:/\-][0-9]+)*").sub


@dataclass(frozen=True, slots=True)
class Sketches:
    """The sketches of a batch.

    `shingles[t]` ascends and ends in NONE. `counts[t]` is the number of distinct shingles of text t, `whole[t]` a hash
    of the whole text, `bands[t]` its look-up keys. A text too short for a shingle has count 0; only equal texts share
    its `whole`. `signs[t]` holds hashes (1 to 255) of the signs in order, then zeros. It is all zeros for a text of
    more than SIGNS signs, and for one of mostly Latin letters.
    """

    shingles: Shingles
    counts: NDArray[np.intp]
    whole: Hashes
    bands: Hashes
    signs: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.counts)


def sketch(normals: Normals) -> Sketches:
    """The sketch of each text, from the first MAX_CHARS code points of its normal form."""
    texts = [text[:MAX_CHARS] for text in normals.texts]
    signs = _signs(texts)
    ids, counts, whole = _shingles(signs, len(texts))
    size = len(texts)
    starts = np.cumsum(counts) - counts
    place = np.arange(len(ids)) - np.repeat(starts, counts)
    kept = place < SIZE
    shingles = np.full((size, SIZE), NONE, dtype=np.uint16)
    shingles[np.repeat(np.arange(size), counts)[kept], place[kept]] = ids[kept]
    bands = np.zeros((size, BANDS), dtype=np.uint64)
    some = counts > 0
    if some.any():
        bands[some] = _bands(np.minimum.reduceat(_ranks().take(ids, axis=0), starts[some], axis=0))
    for t in np.flatnonzero(~some).tolist():
        whole[t] = xxhash.xxh64_intdigest(texts[t].encode("utf-8", "surrogatepass"))
    return Sketches(shingles, counts, whole, bands, _in_order(signs, size))


def packed(sketches: Sketches, t: int) -> Sketch:
    """The sketch of text t as a field of an event."""
    count = int(sketches.counts[t])
    return Sketch(
        count=count,
        whole=int(sketches.whole[t]),
        shingles=sketches.shingles[t, :count].astype("<u2").tobytes(),
        bands=sketches.bands[t].astype("<u8").tobytes(),
        signs=in_order(sketches.signs[t]),
    )


def in_order(signs: NDArray[np.uint8]) -> bytes:
    """The signs of one text without the zeros that fill its row."""
    return signs.tobytes().rstrip(b"\0")


def unpacked(travelled: Sequence[Sketch]) -> Sketches:
    """The sketches of events as a batch. Raises ValueError for an invalid one."""
    shingles = np.full((len(travelled), SIZE), NONE, dtype=np.uint16)
    bands = np.zeros((len(travelled), BANDS), dtype=np.uint64)
    signs = np.zeros((len(travelled), SIGNS), dtype=np.uint8)
    for t, one in enumerate(travelled):
        found = np.frombuffer(one.shingles, dtype="<u2")
        of_right_sizes = len(found) == min(one.count, SIZE) and len(one.bands) == 8 * BANDS and len(one.signs) <= SIGNS
        if not of_right_sizes or not 0 <= one.whole < 1 << 64:
            raise ValueError("not a sketch")
        shingles[t, : len(found)] = found
        bands[t] = np.frombuffer(one.bands, dtype="<u8")
        signs[t, : len(one.signs)] = np.frombuffer(one.signs, dtype=np.uint8)
    counts = np.array([one.count for one in travelled], dtype=np.intp)
    return Sketches(shingles, counts, np.array([one.whole for one in travelled], dtype=np.uint64), bands, signs)


def _shingles(codes: Codes, texts: int) -> tuple[Shingles, NDArray[np.intp], Hashes]:
    """Distinct shingles of all texts, ascending within each; their number per text; the hash of each whole text."""
    signs: Hashes = codes.astype(np.uint64)
    length = len(signs)
    border = signs == BORDER
    owner = np.cumsum(border) - border
    padded = np.concatenate((signs, np.zeros(_SHINGLE, dtype=np.uint64)))
    hashes = np.zeros(length, dtype=np.uint64)
    full = np.ones(length, dtype=np.bool_)
    for n in range(_SHINGLE):
        part = padded[n : n + length]
        hashes = _mixed(hashes + part + np.uint64(1))
        full &= part != BORDER
    hashes, owner = hashes[full], owner[full].astype(np.uint64)
    keys = np.sort(owner << np.uint64(16) | hashes % np.uint64(_UNIVERSE))  # np.unique is slower for many keys
    keys = keys[np.flatnonzero(np.diff(keys, prepend=np.uint64(1 << 63)))]
    counts = np.bincount((keys >> np.uint64(16)).astype(np.intp), minlength=texts)
    whole = np.zeros(texts, dtype=np.uint64)
    begins = np.flatnonzero(np.diff(owner, prepend=np.uint64(texts)))
    if len(begins):  # a sum: order does not matter, repetition does
        whole[owner[begins].astype(np.intp)] = np.add.reduceat(_mixed(hashes), begins)
    return (keys & np.uint64(0xFFFF)).astype(np.uint16), counts, whole


def _in_order(signs: Codes, texts: int) -> NDArray[np.uint8]:
    """The signs of each text as bytes; zeros for a text of more than SIGNS signs or of mostly Latin letters.

    A Latin word is many signs, so a changed name in one template counts as much as another template.
    """
    ends = np.flatnonzero(signs == BORDER)
    begins = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    latin = np.cumsum((signs < _LATIN_TO) & (signs != BORDER))  # at a border: the sum over all texts so far
    lengths = ends - begins
    lengths[(lengths > SIGNS) | (2 * np.diff(latin[ends], prepend=0) > lengths)] = 0
    owner = np.repeat(np.arange(texts), lengths)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    found = np.zeros((texts, SIGNS), dtype=np.uint8)
    found[owner, place] = _mixed(signs[begins[owner] + place].astype(np.uint64)) % np.uint64(255) + np.uint64(1)
    return found


def _signs(texts: list[str]) -> Codes:
    text = "".join([(_link(_LINK, text) if _dotted(text) else text) + "\0" for text in texts])
    text = _name("", _number(_NUMBER, text))
    tape = lay(text.split("\0")[:-1])
    kind = characters().kind_of(tape.codes)
    masks = (tape.codes == ord(_LINK)) | (tape.codes == ord(_NUMBER))
    others = (kind == OTHER) & _alphabetic()[np.minimum(tape.codes, _ALPHABETIC_TO - 1)]
    kept = (kind == CJK) | (kind == LETTER) | others | (tape.codes == BORDER) | masks
    return pinyin(tape.keep(kept))[0].codes


@cache
def _alphabetic() -> NDArray[np.bool_]:
    """Whether each code point is a letter. Covers the alphabets that the normal form keeps, such as Hangul and Thai."""
    return np.array([chr(code).isalpha() for code in range(_ALPHABETIC_TO)])


def _mixed(values: Hashes) -> Hashes:
    """The finaliser of MurmurHash3: every bit of the value moves every bit of the hash."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def _bands(smallest: Shingles) -> Hashes:
    fields = smallest.astype(np.uint64).reshape(len(smallest), BANDS, _JOINED)
    hashes = np.broadcast_to(np.arange(BANDS, dtype=np.uint64), fields.shape[:2])
    for n in range(_JOINED):
        hashes = _mixed(hashes * np.uint64(0x9E3779B97F4A7C15) + fields[:, :, n] + np.uint64(1))
    return hashes


@cache
def _ranks() -> NDArray[np.uint16]:
    """By shingle, its place in random orders of all shingles, one for each smallest hash. The seed is fixed: processes
    compare their bands.
    """
    random = np.random.default_rng(20)
    return np.stack([random.permutation(_UNIVERSE).astype(np.uint16) for _ in range(BANDS * _JOINED)], axis=1)
