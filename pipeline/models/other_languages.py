"""The third voice: texts that are neither Chinese nor English, of all other languages in one linear model.

    python -m pipeline.models.other_languages FILE… > table.md

A language has its own calibration and thresholds, because languages have their own collections: some are translated,
some are invented, and in some most of the honest texts are of another source than the spam. A language is *known* only
if a source of real texts has both classes and the folds are good enough; a text of a language that is not known is
scored and never refused by its score.

The strict threshold of a language is the higher of two: on folds that keep near-duplicates together, and on folds by
source. Portuguese shows why: trained on translated texts alone, 13 % of the honest texts of Mozambique were over the
threshold that translated texts gave.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import xxhash
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from pipeline.models import features, languages
from pipeline.models.card import Calibration, Language, Thresholds
from pipeline.models.classifier import SPAM_FROM, Classifier
from pipeline.models.evaluate import (
    FIELD,
    STRICT_OF_LANGUAGE,
    Sample,
    read_samples,
    reject_from,
    score,
    strict_threshold,
)
from pipeline.models.linear import SEED, fit_voice, matrix, platt

LEAST = 50  # spam and honest texts of a language that is learnt, and real ones of one source if it is to be known
REVIEW = 0.01  # share of honest texts over the threshold of review
# Of a known language: the most honest texts over strict, and the least spam over strict and over 0.5.
KNOWN_HONEST, KNOWN_STRICT, KNOWN_SPAM = 0.01, 0.6, 0.8
_FOLDS = 3
_STRESS = (1.5, 0.5)  # as for English (train.py)
_MOST_BALANCE = 10.0
_ALIKE = 0.6  # cosine of the grams of near-duplicates
_LEAST_OF_A_SOURCE = 25
_BATCH = 1000
_OWN = ("zh", "en", "other")  # tags of texts that the other two voices learn from

Margins = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Learnt:
    """The weights and the bias of the third voice, and by name the languages it learnt.

    The calibration of a language converts the margin of a text; `classifier` multiplies it by the step of the integers.
    """

    weights: Margins
    bias: float
    languages: dict[str, Language]


@dataclass(frozen=True, slots=True)
class _Taught:
    rows: Sequence[Sample]
    named: NDArray[np.str_]  # the language that the reader sees; "" if it sees none
    matrix: sp.csr_matrix
    spam: Flags
    weight: Margins
    allowance: Margins
    by_cluster: NDArray[np.intp]  # folds
    by_source: NDArray[np.intp]


def apart(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The samples of Chinese and English, and those of other languages, without lawful advertising.

    A sample without a tag is told by its text. With too few samples of other languages, all stay together.
    """
    untagged = [sample.text for sample in samples if not sample.lang]
    told = iter(_named(untagged))
    other = [next(told) != "" if not sample.lang else _tag(sample) not in _OWN for sample in samples]
    apart = [sample for sample, is_other in zip(samples, other, strict=True) if is_other]
    spam = sum(sample.label == "spam" for sample in apart)
    if min(spam, len(apart) - spam) < LEAST:
        return list(samples), []
    own = [sample for sample, is_other in zip(samples, other, strict=True) if not is_other]
    return own, [sample for sample in apart if sample.label == "spam" or sample.kind != "commercial"]


def learn_others(samples: Sequence[Sample]) -> Learnt:
    """The third voice of these samples: labels spam and ham, and at least LEAST of each."""
    taught = _teach(samples)
    weights, bias = _fit(taught, np.ones(len(samples), dtype=np.bool_))
    margins = [_out_of_fold(taught, fold) for fold in (taught.by_cluster, taught.by_source)]
    found = {}
    for name in sorted(set(taught.named.tolist()) - {""}):
        chosen = (taught.named == name) & (taught.by_cluster >= 0)
        if min((chosen & taught.spam).sum(), (chosen & ~taught.spam).sum()) >= LEAST:
            found[name] = _language(taught, chosen, *margins)
    return Learnt(weights, bias, found)


def table(samples: Sequence[Sample], classifier: Classifier) -> list[str]:
    """Lines of a Markdown table: what a model trained on other folds says, by tag and by how the texts were made.

    A text in which no language that was learnt is seen has the score of `classifier`, which has not learnt from it.
    """
    taught = _teach(samples)
    learnt = learn_others(samples)
    before = score(classifier, [sample.text for sample in samples])
    limit_before = reject_from(classifier, [sample.text for sample in samples])
    lines = [
        "| texts | honest | over strict | over 0.5 | spam | over strict | over 0.5 |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, fold in (("", taught.by_cluster), ("source left out: ", taught.by_source)):
        margins = _out_of_fold(taught, fold)
        scores, limits = before.copy(), limit_before.copy()
        for name, language in learnt.languages.items():
            at = taught.named == name
            scores[at] = _scores(language.calibration, margins[at], taught.allowance[at])
            limits[at] = language.thresholds.reject
        groups = defaultdict(list)
        for number, sample in enumerate(samples):
            groups[f"{title}{sample.lang} {sample.made}"].append(number)
            if taught.by_source[number] >= 0 and title:
                groups[f"{title}{sample.lang} {sample.source[:40]}"].append(number)
        for group, numbers in sorted(groups.items()):
            lines.append(_line(group, scores, limits, np.array(numbers), taught.spam))
    return lines


def _line(title: str, scores: Margins, limits: Margins, chosen: NDArray[np.intp], spam: Flags) -> str:
    cells = [title]
    for label in (False, True):
        of = chosen[spam[chosen] == label]
        cells.append(str(len(of)))
        cells += [
            f"{flags.mean():.3f}" if len(of) else "–" for flags in (scores[of] >= limits[of], scores[of] >= SPAM_FROM)
        ]
    return f"| {' | '.join(cells)} |"


def _language(taught: _Taught, chosen: Flags, margins: Margins, strange: Margins) -> Language:
    """Calibration, thresholds and figures of one language. `strange` are the margins of folds by source."""
    spam = taught.spam
    slope, shift = platt(margins[chosen], spam[chosen])
    calibration = Calibration(scale=slope, bias=shift)
    scores, of_strange = (_scores(calibration, each, taught.allowance) for each in (margins, strange))
    honest = chosen & ~spam
    measured = honest & (taught.by_source >= 0)
    reject = max(
        SPAM_FROM,
        strict_threshold(scores[honest], STRICT_OF_LANGUAGE),
        strict_threshold(of_strange[measured], STRICT_OF_LANGUAGE) if measured.any() else SPAM_FROM,
    )
    real = _real(taught, chosen)
    flagged = scores >= reject
    figures = {
        "honest_over_strict": _share(flagged[real & ~spam]),
        "spam_over_strict": _share(flagged[real & spam]),
        "spam_flagged": _share(scores[real & spam] >= SPAM_FROM),
    }
    return Language(
        calibration=calibration,
        thresholds=Thresholds(review=strict_threshold(scores[honest], REVIEW), reject=reject),
        known=bool(
            real.any()
            and figures["honest_over_strict"] <= KNOWN_HONEST
            and figures["spam_over_strict"] >= KNOWN_STRICT
            and figures["spam_flagged"] >= KNOWN_SPAM
        ),
        honest=int(honest.sum()),
        spam=int((chosen & spam).sum()),
        real_honest=int((real & ~spam).sum()),
        real_spam=int((real & spam).sum()),
        **figures,
    )


def _real(taught: _Taught, chosen: Flags) -> Flags:
    """The chosen texts of sources of real texts that have enough of both classes.

    Where each class has a source of its own, a model may tell the sources apart instead.
    """
    real = np.array([sample.made == "real" for sample in taught.rows], dtype=np.bool_) & chosen
    source = np.array([sample.source for sample in taught.rows])
    found = np.zeros(len(real), dtype=np.bool_)
    for name in set(source[real].tolist()):
        of = real & (source == name)
        if min((of & taught.spam).sum(), (of & ~taught.spam).sum()) >= LEAST:
            found |= of
    return found


def _teach(samples: Sequence[Sample]) -> _Taught:
    texts = [sample.text for sample in samples]
    tag = np.array([_tag(sample) for sample in samples])
    rows = matrix(texts)
    spam = np.array([sample.label == "spam" for sample in samples], dtype=np.bool_)
    weight = np.array([sample.weight for sample in samples])
    cluster = np.zeros(len(samples), dtype=np.intp)
    for name in sorted(set(tag.tolist())):
        of = np.flatnonzero(tag == name)
        guilty, honest = of[spam[of]], of[~spam[of]]
        if len(guilty) and len(honest):
            weight[guilty] *= np.clip(len(honest) / len(guilty), 1 / _MOST_BALANCE, _MOST_BALANCE)
        cluster[of] = [
            xxhash.xxh64_intdigest(f"{name} {group}".encode(), seed=SEED) % _FOLDS for group in _clusters(rows[of])
        ]
    field = np.array([sample.source in FIELD for sample in samples], dtype=np.bool_)
    return _Taught(
        samples,
        np.array(_named(texts)),
        rows,
        spam,
        weight,
        features.allowances(texts),
        np.where(field, -1, cluster),
        np.where(field, -1, _folds_by_source([sample.source for sample in samples], tag)),
    )


def _clusters(rows: sp.csr_matrix) -> NDArray[np.intp]:
    """The number of the cluster of each row: near-duplicates, and their near-duplicates, share one."""
    length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    used, columns = np.unique(rows.indices, return_inverse=True)
    small = sp.csr_matrix((rows.data, columns.astype(np.int32), rows.indptr), shape=(rows.shape[0], len(used)))
    small = sp.diags(1 / np.maximum(length, 1e-9)) @ small
    columns_first = small.T.tocsr()
    blocks = []
    for start in range(0, small.shape[0], _BATCH):  # the product of all rows at once may not fit into memory
        alike = small[start : start + _BATCH] @ columns_first
        alike.data[alike.data < _ALIKE] = 0
        alike.eliminate_zeros()
        blocks.append(alike)
    alike = sp.vstack(blocks)
    found: NDArray[np.intp] = connected_components(alike, directed=False)[1]
    return found


def _folds_by_source(sources: Sequence[str], tag: NDArray[np.str_]) -> NDArray[np.intp]:
    """The fold whose model is trained without each row's source; -1 where a language has one source that counts.

    The largest sources of a language have different folds, so each is measured by a model that met another.
    """
    source = np.array(sources)
    fold = np.full(len(source), -1, dtype=np.intp)
    for name in sorted(set(tag.tolist())):
        of = tag == name
        names, counts = np.unique(source[of], return_counts=True)
        if (counts >= _LEAST_OF_A_SOURCE).sum() < 2:
            continue
        for place, which in enumerate(names[np.argsort(-counts, kind="stable")]):
            fold[of & (source == which)] = place % _FOLDS
    return fold


def _out_of_fold(taught: _Taught, fold: NDArray[np.intp]) -> Margins:
    """The margin of each row from a model trained without its fold; 0 for a row of no fold or without a class."""
    margins = np.zeros(len(fold))
    for held in range(_FOLDS):
        measured = fold == held
        if measured.any() and len(np.unique(taught.spam[~measured])) == 2:
            weights, bias = _fit(taught, ~measured)
            margins[measured] = taught.matrix[measured] @ weights + bias
    return margins


def _fit(taught: _Taught, rows: Flags) -> tuple[Margins, float]:
    return fit_voice(taught.matrix[rows], taught.spam[rows], taught.weight[rows], *_STRESS)


def _named(texts: Sequence[str]) -> list[str]:
    """The language that the reader sees in each text; "" for Chinese, English and what it cannot name."""
    names = [""] * len(texts)
    for start in range(0, len(texts), _BATCH):
        grams = features.grams(texts[start : start + _BATCH])
        for at in languages.candidates(grams).tolist():
            names[start + at] = languages.language(grams.folded_text(at)) or ""
    return names


def _tag(sample: Sample) -> str:
    """The language of a tag without its region or letters: zh of zh-TW."""
    return sample.lang.partition("-")[0]


def _scores(calibration: Calibration, margins: Margins, allowance: Margins) -> Margins:
    scores: Margins = 1 / (1 + np.exp(allowance - calibration.scale * margins - calibration.bias))
    return scores


def _share(flags: Flags) -> float:
    return round(float(flags.mean()), 4) if len(flags) else 0.0


def _main(paths: Iterable[str]) -> None:
    samples = apart(read_samples([Path(path) for path in paths]))[1]
    print("\n".join(table(samples, Classifier.load())))


if __name__ == "__main__":
    _main(sys.argv[1:])
