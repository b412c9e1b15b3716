"""A voice: one linear model over hashed grams, and the conversion of its margins to log-odds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from pipeline.models import features

SEED = 20_240_601
_REGULARISATION = 0.3  # C; results hardly change from 0.1 to 1
_TOLERANCE = 0.3  # of the solver; on a part of the texts the figures differed by 0.002 at most from those with 0.02
_RARE = 2  # least number of texts with a bucket; rarer buckets are ignored
_BATCH = 2000


def fit_voice(
    matrix: sp.csr_matrix, spam: NDArray[np.bool_], weight: NDArray[np.float64], rarity: float, inequality: float
) -> tuple[NDArray[np.float64], float]:
    """The weight of each bucket and the bias; `rarity` and `inequality` are those of `_stress`.

    The loss is the squared hinge: it ignores clearly separated texts, so it ranks doubtful texts better than the
    logistic loss.
    """
    stress = _stress(matrix, spam, weight, rarity, inequality)
    model = LinearSVC(C=_REGULARISATION, tol=_TOLERANCE, max_iter=300, random_state=SEED)
    model.fit(matrix @ sp.diags(stress.astype(np.float32)), spam, sample_weight=weight)
    return model.coef_[0] * stress, float(model.intercept_[0])


def matrix(texts: Sequence[str]) -> sp.csr_matrix:
    """One row for each text: 1 for each distinct gram, divided by the square root of their number."""
    parts = [sp.csr_matrix((0, features.BUCKETS), dtype=np.float32)]
    for start in range(0, len(texts), _BATCH):
        grams = features.grams(texts[start : start + _BATCH])
        values = np.repeat(1 / np.sqrt(np.maximum(grams.counts, features.FEWEST)), grams.counts).astype(np.float32)
        shape = (len(grams.counts), features.BUCKETS)
        parts.append(sp.csr_matrix((values, grams.buckets.astype(np.int32), grams.starts), shape=shape))
    return sp.vstack(parts, format="csr")


def platt(margins: NDArray[np.float64], spam: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and shift: log-odds = slope * margin + shift, for equal shares of spam and ham.

    The shares of spam in the collections are arbitrary, so a score should not depend on them.
    """
    model = LogisticRegression(C=1e6, class_weight="balanced", random_state=SEED).fit(margins[:, None], spam)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def _stress(
    matrix: sp.csr_matrix, spam: NDArray[np.bool_], weight: NDArray[np.float64], rarity: float, inequality: float
) -> NDArray[np.float64]:
    """The factor for each bucket before training: a larger factor makes a weight cheaper under regularisation.

    It is the inverse document frequency to the power `rarity`, or 0 for a gram of a single text. Its share `inequality`
    is multiplied by the inequality of the gram between spam and ham (the log ratio of naive Bayes, as in Wang and
    Manning, ACL 2012).
    """
    owner = np.repeat(np.arange(len(spam)), np.diff(matrix.indptr))
    texts = np.bincount(matrix.indices, minlength=features.BUCKETS)
    of_spam, of_ham = (
        (np.bincount(matrix.indices, (weight * of)[owner], features.BUCKETS) + 1) / weight[of].sum()
        for of in (spam, ~spam)
    )
    unequal = np.abs(np.log(of_spam / of_ham))
    unequal /= np.average(unequal, weights=texts)
    stress: NDArray[np.float64] = (np.log((len(spam) + 1) / (texts + 1)) + 1) ** rarity
    stress *= 1 - inequality + inequality * unequal
    stress[texts < _RARE] = 0
    return stress
