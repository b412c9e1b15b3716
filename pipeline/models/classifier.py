"""The classifier: the probability that a text is spam, and its category.

Linear models over hashed grams of characters and words: one for Chinese, one for English and for what it is taken for,
and one for the other languages that were learnt. Better models exist. These score tens of thousands of texts a second
on one core, explain a score as a sum, and fit in a file small enough to be published with every policy. Weights are
integers, so a text gets the same score, to the last bit, in every batch, on every machine and with every release of
numpy. So a decision replayed from the lake gets the stored score again.

The policy decides whether a score stops a message, because only the caller knows transactional kinds, templates and
consent.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import AntispamError
from pipeline.events import Category, Label
from pipeline.models import features, own_domains, particulars
from pipeline.models.card import Card, Thresholds
from pipeline.models.languages import candidates, language
from pipeline.text.normal import Normals

WEIGHTS = Path(__file__).with_name("weights")  # the model that ships with the package
FORMAT = 4
FORMER_FORMAT = 3  # of two voices: no language but Chinese and English was learnt
SPAM_FROM = 0.5  # least score for the label spam
# Must change with every change of the features (features.py, particulars.py, own_domains.py): a model with other
# features is refused.
FEATURES = (
    f"as written 1-4 without long numbers, as meant 2-5, words 1-2, 3 x {features.READING_BITS} bits, "
    f"allowances {particulars.ALLOWANCE} and {own_domains.ALLOWANCE}"
)
# A model published by the former release gives the scores that it gave there.
FORMER_FEATURES = "as written 1-4, as meant 2-5, words 1-2, 3 x 20 bits, allowance 1.5"
CATEGORY_SHIFT = 6  # categories need only 3 * 2**14 buckets, from the top bits of the same hash
_CATEGORY_BUCKETS = features.BUCKETS >> CATEGORY_SHIFT
_MAX_FILE = 16 * 1024 * 1024
_T = TypeVar("_T", bound=np.generic)
_CHINESE = features.SCRIPTS.index("zh")
_NEVER = 1.0  # threshold that no score reaches
_MAX_LOG_ODDS = 30.0  # beyond this a float64 probability differs from 0 or 1 by less than 1e-13
_word = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+").finditer


class Classified(msgspec.Struct, frozen=True, gc=False):
    """The result for one text. `category` is None for ham."""

    score: float  # P(spam), calibrated for equal shares of spam and ham, 0..1
    label: Label
    category: Category | None
    thresholds: Thresholds  # for the text's script; no score reaches `reject` in a language that was not learnt


@dataclass(frozen=True, slots=True)
class Part:
    """The log-odds that a Chinese character or another word adds, at `start` to `end` (exclusive) of the text."""

    start: int
    end: int
    log_odds: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """The origin of a score.

    `log_odds` = `bias` + the sum of the parts + `between` (the share of the spaces), except for rounding of floats. The
    score is the logistic function of `log_odds`. The weight of a gram and the allowances for `particulars` and
    `own_domains` are spread evenly over their code points.
    """

    score: float
    log_odds: float
    bias: float
    parts: tuple[Part, ...]
    between: float


class Classifier:
    """A loaded model. Immutable, so threads may share it; `version` is a content hash."""

    def __init__(self, spam: NDArray[np.int16], category: NDArray[np.int8], card: Card) -> None:
        self.card = card
        self.version = card.version
        self._former = card.features == FORMER_FEATURES
        self._categories = tuple(Category(name) for name in card.categories)
        self._spam = spam
        self._category = category
        learnt = card.languages.values()
        # By register: the scripts, then the languages that were learnt.
        self._register = {name: len(features.SCRIPTS) + place for place, name in enumerate(card.languages)}
        self._voices = np.array([*features.VOICES, *(features.OTHER_VOICE for _ in learnt)])
        self._thresholds = [card.thresholds[script] for script in features.SCRIPTS] + [
            by.thresholds if by.known else msgspec.structs.replace(by.thresholds, reject=_NEVER) for by in learnt
        ]
        calibration = [card.calibration[script] for script in features.SCRIPTS] + [by.calibration for by in learnt]
        self._scale = np.array([by.scale for by in calibration])
        self._bias = np.array([by.bias for by in calibration])

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Classifier:
        """Read a model directory: weights.npz and card.json.

        No code from the files is executed, and sizes are checked before memory is allocated. Raises AntispamError if a
        file is missing, broken or of another format, or if the two files do not belong together.
        """
        card = Card.load(path / "card.json")
        where = path / "card.json"
        if card.format not in (FORMAT, FORMER_FORMAT) or card.features not in (FEATURES, FORMER_FEATURES):
            raise AntispamError(f"{where}: made for another release (format {card.format}, {card.features!r})")
        if not (set(card.calibration) == set(card.thresholds) == set(features.SCRIPTS)):
            raise AntispamError(f"{where}: calibration and thresholds must be for {', '.join(features.SCRIPTS)}")
        calibration = [*card.calibration.values(), *(by.calibration for by in card.languages.values())]
        if not all(math.isfinite(value) for by in calibration for value in (by.scale, by.bias)):
            raise AntispamError(f"{where}: scale and bias must be finite")
        if not card.categories or not set(card.categories) <= set(Category):
            raise AntispamError(f"{where}: categories must be some of {', '.join(Category)}")
        spam, category = _read_weights(path / "weights.npz", len(card.categories), 3 if card.languages else 2)
        if weights_version(spam, category, card) != card.version:
            raise AntispamError(f"{path}: weights.npz and card.json do not belong together")
        return cls(spam, category, card)

    def save_weights(self, path: Path) -> None:
        """Write weights.npz into a directory, which is created if missing."""
        path.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path / "weights.npz", spam=self._spam, category=self._category)

    def classify(
        self, texts: Sequence[str], normals: Normals | None = None, links: features.Links = None
    ) -> list[Classified]:
        """Score each text, in order; equal texts always get equal scores.

        Any str is accepted. Only the first `features.MAX_CHARS` code points are read. A text without a letter or digit
        scores 0. `normals` are the normal forms of the texts and `links` their links, if the caller has them already.
        """
        if not texts:
            return []
        grams = features.grams(texts, normals, links, former=self._former)
        registers = self._registers(grams)
        sums = features.sums(self._weights(grams, self._voices[registers]), grams.starts)
        log_odds = (
            sums / np.sqrt(np.maximum(grams.counts, features.FEWEST)) * self._scale[registers]
            + self._bias[registers]
            - grams.allowance
        )
        scores = [
            0.0 if silent else _probability(odds)
            for odds, silent in zip(log_odds.tolist(), grams.silent.tolist(), strict=True)
        ]
        spam = [index for index, score in enumerate(scores) if score >= SPAM_FROM]
        categories = dict(zip(spam, self._categorise(grams, spam), strict=True))
        return [
            Classified(score, Label.SPAM, categories[index], self._limits(grams, index, score, register))
            if index in categories
            else Classified(score, Label.HAM, None, self._thresholds[register])
            for index, (score, register) in enumerate(zip(scores, registers.tolist(), strict=True))
        ]

    def _weights(self, grams: features.Grams, voices: NDArray[np.intp]) -> NDArray[np.int16]:
        """The weight of each gram in the voice of its text. `take` costs half of an index by arrays."""
        alone = bool((voices == voices[0]).all())
        table = self._spam[voices[0]] if alone else self._spam.ravel()
        at = grams.buckets if alone else np.repeat(voices * features.BUCKETS, grams.counts) + grams.buckets
        weights: NDArray[np.int16] = table.take(at)
        return weights

    def _registers(self, grams: features.Grams) -> NDArray[np.intp]:
        """The index of the calibration of each text: of its script, or of its language if it was learnt."""
        if not self._register:
            return grams.scripts
        registers = grams.scripts.copy()
        for index in candidates(grams).tolist():
            registers[index] = self._register.get(language(grams.folded_text(index)) or "", registers[index])
        return registers

    def _limits(self, grams: features.Grams, index: int, score: float, register: int) -> Thresholds:
        """The thresholds of a text. Whether a script hides another language is asked only where it matters."""
        limits = self._thresholds[register]
        told = register == _CHINESE or register >= len(features.SCRIPTS)
        if told or score < limits.reject or language(grams.folded_text(index)) is None:
            return limits
        return msgspec.structs.replace(limits, reject=_NEVER)

    def explain(self, text: str) -> Explanation:
        """The share of each character and word in the score of a text. Too slow for traffic; meant for single cases."""
        score = self.classify([text])[0].score
        register = int(self._registers(features.grams([text], former=self._former))[0])
        spans = features.gram_spans(text, former=self._former)
        distinct, which, often = np.unique(spans.buckets, return_inverse=True, return_counts=True)
        step = float(self._scale[register]) / math.sqrt(max(len(distinct), features.FEWEST))
        bias = float(self._bias[register])
        length = min(len(text), features.MAX_CHARS)
        spam = self._spam[self._voices[register]]
        share = spam[spans.buckets] * step / often[which] / np.maximum(spans.ends - spans.begins, 1)
        begins, ends, shares = [spans.begins], [spans.ends], [share]
        allowed = features.allowed_at(text, former=self._former)
        for places, odds in allowed:
            shares.append(-odds / len(places.begins) / np.maximum(places.ends - places.begins, 1))
            begins.append(places.begins)
            ends.append(places.ends)
        at, behind, share = np.concatenate(begins), np.concatenate(ends), np.concatenate(shares)
        # +share where a gram begins, -share behind its end: the running sum is the share of each code point.
        steps = np.bincount(at, share, length + 1) - np.bincount(behind, share, length + 1)
        sums = np.concatenate(([0.0], np.cumsum(np.cumsum(steps)[:length])))
        parts = tuple(
            Part(match.start(), match.end(), float(sums[match.end()] - sums[match.start()]))
            for match in _word(text[:length])
        )
        total = float(spam[distinct].astype(np.int64).sum()) * step
        total -= sum(odds for _, odds in allowed)
        return Explanation(score, bias + total, bias, parts, total - sum(part.log_odds for part in parts))

    def _categorise(self, grams: features.Grams, chosen: list[int]) -> list[Category]:
        if not chosen:
            return []
        flags = np.zeros(len(grams.scripts), dtype=np.bool_)
        flags[chosen] = True
        wanted = grams.buckets[np.repeat(flags, grams.counts)]
        ends = np.cumsum(grams.counts[flags])
        weights = self._category.take(wanted >> CATEGORY_SHIFT, axis=0)
        # Sums of 32 bits: by default they have 64, and NumPy converts every weight first.
        totals = np.add.reduceat(weights, ends - grams.counts[flags], axis=0, dtype=np.int32)
        return [self._categories[best] for best in totals.argmax(axis=1).tolist()]


def weights_version(spam: NDArray[np.int16], category: NDArray[np.int8], card: Card) -> str:
    """12 hex digits: a hash of all data that affects scores, labels or thresholds."""
    digest = hashlib.sha256(spam.tobytes())
    digest.update(category.tobytes())
    by_script = [(name, card.calibration[name], card.thresholds[name]) for name in features.SCRIPTS]
    digest.update(repr((card.format, card.features, by_script, card.categories)).encode())
    for name, by in card.languages.items():
        digest.update(repr((name, by.calibration, by.thresholds, by.known)).encode())
    return digest.hexdigest()[:12]


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-_MAX_LOG_ODDS, min(_MAX_LOG_ODDS, log_odds))))


def _read_weights(path: Path, categories: int, voices: int) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise AntispamError(f"{path}: larger than {_MAX_FILE // 1024 // 1024} MiB")
        with zipfile.ZipFile(path) as archive:
            spam = _read_array(archive, "spam.npy", np.dtype(np.int16), (voices, features.BUCKETS))
            shape = (_CATEGORY_BUCKETS, categories)
            category = _read_array(archive, "category.npy", np.dtype(np.int8), shape)
    except OSError as error:
        raise AntispamError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, EOFError, RuntimeError) as error:  # RuntimeError: zipfile cannot read the archive
        raise AntispamError(f"{path}: not a weights file: {error}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise AntispamError(f"{path}: damaged: {error}") from error
    return spam, category


def _read_array(archive: zipfile.ZipFile, name: str, kind: np.dtype[_T], shape: tuple[int, ...]) -> NDArray[_T]:
    """One array. Its size is checked before it is unpacked, because a header may claim terabytes."""
    expected = math.prod(shape) * kind.itemsize
    if archive.getinfo(name).file_size > expected + 1024:
        raise ValueError(f"{name} is larger than {expected} bytes")
    stream = io.BytesIO(archive.read(name))
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} is not a version 1.0 array")
    found_shape, fortran, found_kind = np.lib.format.read_array_header_1_0(stream)
    if (found_shape, found_kind, fortran) != (shape, kind, False):
        raise ValueError(f"{name} has shape {found_shape} of {found_kind}, expected {shape} of {kind}")
    return np.frombuffer(stream.read(), dtype=kind).reshape(shape)
