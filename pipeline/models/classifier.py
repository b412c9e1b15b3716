"""The classifier: how much a text looks like spam, and what about.

A linear model over hashed character n-grams. It is not the best model there is; it is the best that
scores a hundred thousand texts a second on one core, explains itself as a sum, and fits in a file
small enough to travel with every policy. Weights are integers, so the score of a text is the same to
the last bit whatever batch, machine or release of numpy it is computed with: a decision replayed from
the lake meets the number it stored.

Whether a score stops a message is policy, not ours: transactional kinds, templates and consent are
known to the caller only.
"""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import AntispamError
from pipeline.events import Category, Label
from pipeline.models import features
from pipeline.models.card import Card, Thresholds

WEIGHTS = Path(__file__).with_name("weights")  # the model that ships with the package
FORMAT = 1
SPAM_FROM = 0.5  # score from which the label is spam
FEATURES = f"char 1-2, latin 1-4, {features.BUCKET_BITS} bits"  # changes when features.py does
CATEGORY_SHIFT = 3  # categories need fewer buckets: 2**15, the top bits of the same hash
_CATEGORY_BUCKETS = features.BUCKETS >> CATEGORY_SHIFT
_MAX_FILE = 16 * 1024 * 1024
_T = TypeVar("_T", bound=np.generic)
_MAX_LOG_ODDS = 30.0  # beyond this a float64 probability differs from 0 or 1 by less than 1e-13


@dataclass(frozen=True, slots=True)
class Classified:
    """The classifier's opinion of one text. `category` is None for ham."""

    score: float  # P(spam), calibrated on data with 44 % spam, 0..1
    label: Label
    category: Category | None


class Classifier:
    """A loaded model. Immutable, safe to share between threads; `version` is a content hash."""

    def __init__(self, spam: NDArray[np.int16], category: NDArray[np.int8], card: Card) -> None:
        self.card = card
        self.version = card.version
        self.thresholds: Thresholds = card.thresholds
        self._categories = tuple(Category(name) for name in card.categories)
        # One more entry, always zero, for positions where no gram starts (features.NONE).
        self._spam = np.append(spam.astype(np.int32), np.int32(0))
        self._category = np.vstack((category.astype(np.int16), np.zeros((1, category.shape[1]), np.int16)))

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> Classifier:
        """Read a model directory: weights.npz and card.json.

        Nothing in it is executed and sizes are checked before anything is allocated. Raises
        AntispamError when a file is missing, broken, of another format, or not the other's pair.
        """
        card = Card.load(path / "card.json")
        where = path / "card.json"
        if card.format != FORMAT or card.features != FEATURES:
            raise AntispamError(f"{where}: made for another release (format {card.format}, {card.features!r})")
        if not all(map(math.isfinite, (card.scale, card.bias))):
            raise AntispamError(f"{where}: scale and bias must be finite")
        if not card.categories or not set(card.categories) <= set(Category):
            raise AntispamError(f"{where}: categories must be some of {', '.join(Category)}")
        spam, category = _read_weights(path / "weights.npz", len(card.categories))
        if weights_version(spam, category, card) != card.version:
            raise AntispamError(f"{path}: weights.npz and card.json do not belong together")
        return cls(spam, category, card)

    def classify(self, texts: Sequence[str]) -> list[Classified]:
        """Score each text, in order; equal texts always get equal scores.

        Any str is accepted. Only the first `features.MAX_CHARS` code points are looked at; a text
        without a letter or digit says nothing and scores 0.
        """
        grams = features.grams(texts)
        if not texts:
            return []
        total = self._spam[grams.buckets[0]]
        for buckets in grams.buckets[1:]:
            total += self._spam[buckets]
        sums = np.add.reduceat(total, grams.starts)
        log_odds = sums / np.sqrt(np.maximum(grams.counts, 1)) * self.card.scale + self.card.bias
        scores = [
            1 / (1 + math.exp(-max(-_MAX_LOG_ODDS, min(_MAX_LOG_ODDS, odds)))) if count else 0.0
            for odds, count in zip(log_odds.tolist(), grams.counts.tolist(), strict=True)
        ]
        spam = [index for index, score in enumerate(scores) if score >= SPAM_FROM]
        categories = dict(zip(spam, self._categorise(grams, spam), strict=True))
        return [
            Classified(score, Label.SPAM, categories[index])
            if index in categories
            else Classified(score, Label.HAM, None)
            for index, score in enumerate(scores)
        ]

    def _categorise(self, grams: features.Grams, chosen: list[int]) -> list[Category]:
        if not chosen:
            return []
        positions = len(grams.buckets[0])
        lengths = np.diff(np.append(grams.starts, positions))
        flags = np.zeros(len(lengths), dtype=np.bool_)
        flags[chosen] = True
        mask = np.repeat(flags, lengths)
        sums = np.zeros((int(mask.sum()), len(self._categories)), dtype=np.int16)
        for buckets in grams.buckets:
            sums += self._category[buckets[mask] >> CATEGORY_SHIFT]
        ends = np.cumsum(lengths[flags])
        totals = np.add.reduceat(sums, ends - lengths[flags], axis=0, dtype=np.int32)
        return [self._categories[best] for best in totals.argmax(axis=1).tolist()]


def weights_version(spam: NDArray[np.int16], category: NDArray[np.int8], card: Card) -> str:
    """12 hex digits that change with anything that can change a score, label or threshold."""
    digest = hashlib.sha256(spam.tobytes())
    digest.update(category.tobytes())
    digest.update(repr((card.format, card.features, card.scale, card.bias, card.categories)).encode())
    digest.update(repr((card.thresholds.review, card.thresholds.reject)).encode())
    return digest.hexdigest()[:12]


def _read_weights(path: Path, categories: int) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise AntispamError(f"{path}: larger than {_MAX_FILE // 1024 // 1024} MiB")
        with zipfile.ZipFile(path) as archive:
            spam = _read_array(archive, "spam.npy", np.dtype(np.int16), (features.BUCKETS,))
            shape = (_CATEGORY_BUCKETS, categories)
            category = _read_array(archive, "category.npy", np.dtype(np.int8), shape)
    except OSError as error:
        raise AntispamError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, EOFError, RuntimeError, NotImplementedError) as error:
        raise AntispamError(f"{path}: not a weights file: {error}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise AntispamError(f"{path}: damaged: {error}") from error
    return spam, category


def _read_array(archive: zipfile.ZipFile, name: str, kind: np.dtype[_T], shape: tuple[int, ...]) -> NDArray[_T]:
    """One array, its size known before a byte of it is unpacked: a header may claim terabytes."""
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
