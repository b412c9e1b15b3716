"""Measures a model in the figures that an operator needs.

F1 at 0.5 measures the general quality. Recall at one false alarm in a thousand shows how much spam the model may stop
without a reviewer. The share of transactional messages flagged shows the harm to honest customers. Each figure is given
by language and by source, because a model that has learnt the sources of its data instead of spam looks perfect in
total.
"""

from __future__ import annotations

import math
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import AntispamError
from pipeline.models.classifier import SPAM_FROM, Classifier

STRICT = 0.001  # largest share of ham flagged at the strict threshold
STRICT_OF_LANGUAGE = 0.005  # the same of other languages, whose collections of hundreds show no thousandth
FIELD = ("reviews", "complaints")  # sources of labels from the field: they teach, and no threshold rests on them
_BATCH = 500
Figures = dict[str, float | int | None]
_MAX_LINE = 1024 * 1024
SampleLabel = Literal["spam", "ham", "commercial"]


class Sample(msgspec.Struct, frozen=True):
    """One labelled text. `kind` is set for business messages (one-time code, bank, courier, …).

    `label` is spam, ham or commercial. Commercial means lawful advertising, which is neither and is left out of
    training. Near-duplicates share a `cluster_id`; they must never be on both sides of a split. `made` says how the
    text came about: real, translated or synthetic. A text counts `weight` times in training.
    """

    text: str
    label: SampleLabel
    lang: str = ""
    source: str = ""
    category: str | None = None
    kind: str | None = None
    cluster_id: str | int | None = None
    made: Literal["real", "translated", "synthetic"] = "real"
    licence: str = ""
    weight: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0


def read_samples(paths: Sequence[Path]) -> list[Sample]:
    """Read jsonl files of samples. Raises AntispamError naming file and line of the first fault."""
    return [sample for path in paths for sample in _read(path)]


def _read(path: Path) -> Iterator[Sample]:
    decode = msgspec.json.Decoder(Sample).decode
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if len(line) > _MAX_LINE:
                    raise AntispamError(f"{path}:{number}: line longer than {_MAX_LINE // 1024} KiB")
                try:
                    yield decode(line.removeprefix(BOM_UTF8))
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    raise AntispamError(f"{path}:{number}: not a labelled text: {error}") from error
    except OSError as error:
        raise AntispamError(f"{path}: cannot be read: {error.strerror}") from error


def evaluate(classifier: Classifier, samples: Sequence[Sample]) -> dict[str, Any]:
    """Score the samples and return the figures of `report`."""
    texts = [sample.text for sample in samples]
    return report(samples, score(classifier, texts), reject_from(classifier, texts))


def score(classifier: Classifier, texts: Sequence[str]) -> NDArray[np.float64]:
    """P(spam) of each text."""
    parts = (texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH))
    return np.array([result.score for part in parts for result in classifier.classify(part)])


def reject_from(classifier: Classifier, texts: Sequence[str]) -> NDArray[np.float64]:
    """The strict threshold of each text, which depends on its script."""
    parts = (texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH))
    return np.array([result.thresholds.reject for part in parts for result in classifier.classify(part)])


def report(samples: Sequence[Sample], scores: NDArray[np.float64], reject: NDArray[np.float64]) -> dict[str, Any]:
    """Precision, recall and F1 at 0.5, and recall at 0.1 % false positives, by language and source.

    `reject` is the strict threshold of each text. Business messages (`kind` set) and commercial messages are reported
    separately, as shares flagged at 0.5 and at `reject`. Figures are rounded to four decimals; a figure with divisor 0
    is None.
    """
    everything = _group(samples, lambda sample: "all" if _plain(sample) else None)
    by_lang = _group(samples, lambda sample: sample.lang if _plain(sample) else None)
    by_source = _group(samples, lambda sample: sample.source if _plain(sample) else None)
    business = _group(samples, lambda sample: None if _plain(sample) else f"{sample.lang} {sample.label}")
    spam = np.array([sample.label == "spam" for sample in samples], dtype=np.bool_)
    return {
        "all": {name: _figures(scores[index], spam[index], reject[index]) for name, index in everything.items()},
        "by_language": {name: _figures(scores[index], spam[index], reject[index]) for name, index in by_lang.items()},
        "by_source": {name: _flagged(scores[index], spam[index], reject[index]) for name, index in by_source.items()},
        "business": {name: _business(scores[index], reject[index]) for name, index in business.items()},
    }


def strict_threshold(scores: NDArray[np.float64], share: float) -> float:
    """The lowest threshold of nine decimals that flags at most `share` of these (ham) scores.

    A score >= the threshold is flagged. More decimals may differ from one training to the next.
    """
    if not len(scores):
        return 1.0
    allowed = int(share * len(scores))
    last = float(np.sort(scores)[::-1][min(allowed, len(scores) - 1)])
    return (math.floor(last * 1e9) + 1) / 1e9


def _plain(sample: Sample) -> bool:
    return sample.kind is None and sample.label in ("spam", "ham")


def _group(samples: Sequence[Sample], name: Callable[[Sample], str | None]) -> dict[str, NDArray[np.intp]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        key = name(sample)
        if key is not None:
            groups[key].append(index)
    return {key: np.array(groups[key]) for key in sorted(groups)}


def _figures(scores: NDArray[np.float64], spam: NDArray[np.bool_], reject: NDArray[np.float64]) -> Figures:
    flagged = scores >= SPAM_FROM
    hits = int((flagged & spam).sum())
    precision = _share(hits, int(flagged.sum()))
    recall = _share(hits, int(spam.sum()))
    strict = strict_threshold(scores[~spam], STRICT)
    return {
        "spam": int(spam.sum()),
        "ham": int((~spam).sum()),
        "precision": precision,
        "recall": recall,
        "f1": _share(2 * hits, int(flagged.sum() + spam.sum())),
        "recall_at_0.1%_fp": _share(int((scores[spam] >= strict).sum()), int(spam.sum())),
        "spam_over_reject": _share(int((scores >= reject)[spam].sum()), int(spam.sum())),
        "ham_over_reject": _share(int((scores >= reject)[~spam].sum()), int((~spam).sum())),
    }


def _flagged(scores: NDArray[np.float64], spam: NDArray[np.bool_], reject: NDArray[np.float64]) -> Figures:
    return {
        "spam": int(spam.sum()),
        "ham": int((~spam).sum()),
        "spam_flagged": _share(int((scores[spam] >= SPAM_FROM).sum()), int(spam.sum())),
        "spam_over_reject": _share(int((scores >= reject)[spam].sum()), int(spam.sum())),
        "ham_flagged": _share(int((scores[~spam] >= SPAM_FROM).sum()), int((~spam).sum())),
        "ham_over_reject": _share(int((scores >= reject)[~spam].sum()), int((~spam).sum())),
    }


def _business(scores: NDArray[np.float64], reject: NDArray[np.float64]) -> Figures:
    return {
        "messages": len(scores),
        "flagged": _share(int((scores >= SPAM_FROM).sum()), len(scores)),
        "over_reject": _share(int((scores >= reject).sum()), len(scores)),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
