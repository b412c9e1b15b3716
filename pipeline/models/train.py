"""Training: makes a model directory from labelled texts; the same input gives the same bytes.

Decisions that matter more than the algorithm:

* Business messages have tenfold weight, and invented ones are added (invented.py). Public data has few of them, and an
  honest customer's one-time code must never be flagged as spam.
* Copies of some texts are added in disguise (evasions.py), and copies of some without the style of their source, so
  that the model learns to judge the rest of the text. Both spam and ham are copied, so that neither a disguise nor a
  missing comma is learnt as spam.
* Chinese and other texts have separate models: digits, links and rare grams mean different things in them, and a
  common model had less recall on both.
* Calibration and thresholds are by script. They come from cross-validation in which near-duplicates, and all business
  messages of one source, stay in one fold: a threshold fixed on texts of the training would be too low.
* The allowances for particulars and own domains (particulars.py, own_domains.py) are not learnt: the words of the
  training notices are known, and only notices of unknown senders need them. The thresholds are fixed with them.
* Other languages have a voice of their own (other_languages.py): adding them changes nothing for Chinese and English.
* Labels from the field teach with the weight they have, and neither calibration nor thresholds are fixed on them: who
  sends or reviews must not be able to move a threshold by labels.
* Lawful advertising is left out: consent, not wording, decides whether it may be sent.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import scipy.sparse as sp
import xxhash
from numpy.typing import NDArray

from pipeline.errors import AntispamError
from pipeline.models import evasions, features
from pipeline.models.card import Calibration, Card, Language, Thresholds
from pipeline.models.categories import fit_categories
from pipeline.models.classifier import FEATURES, FORMAT, SPAM_FROM, Classifier, weights_version
from pipeline.models.evaluate import FIELD, STRICT, Sample, evaluate, read_samples, report, strict_threshold
from pipeline.models.invented import invented
from pipeline.models.linear import SEED, fit_voice, matrix, platt
from pipeline.models.other_languages import Learnt, apart, learn_others

_CORRECTIONS = Path(__file__).with_name("corrections.tsv")
FOLDS = 3
BUSINESS_WEIGHT = 10.0  # a business message counts as ten others
INVENTED_WEIGHT = {"ham": 3.0, "spam": 1.0}  # an invented notice counts as three
INVENTED_EACH = 20  # renderings of each template
REVIEW = 0.01  # share of ham at the review threshold
MIN_TEXTS = 50  # least number of spam and of ham texts; with fewer a model is noise
DISGUISED, RESTYLED = 0.7, 0.4  # share of the texts copied in disguise, and share copied without style
_DRAWS = 3  # rounds of copies: with one round, the random choice of disguises changes recall by half a point
_COPY_WEIGHT = 0.5 / _DRAWS
_MOST_BALANCE = 10.0  # largest weight of a spam text; below it, spam and ham of a script have equal total weight
_CALIBRATED_FROM = 200  # a script with fewer texts is calibrated on the texts of all scripts
# By voice: rarity and inequality (see linear.py), weight of the other voice's texts.
_STRESS = ((1.0, 0.0, 0.1), (1.5, 0.5, 0.0))
_HEARD = 4  # a voice hears every fourth text of the other voice, with four times the weight: half the time of training
_PADDED, _SEVERAL = 0.3, 0.2  # shares of padding and of several tricks among the disguises
_SHORT = 160  # code points; an innocent text used as padding is shorter


@dataclass(frozen=True, slots=True)
class Taught:
    """The training data: one row a text, invented texts last. `fold` is -1 for a text that is never measured."""

    rows: Sequence[Sample]
    matrix: sp.csr_matrix
    spam: NDArray[np.bool_]
    script: NDArray[np.intp]
    weight: NDArray[np.float64]
    fold: NDArray[np.intp]
    allowance: NDArray[np.float64]  # log-odds to subtract for each text (features.allowances)
    public: NDArray[np.bool_]  # neither business messages nor invented
    copies: sp.csr_matrix  # disguised and restyled copies of some rows
    copy_of: NDArray[np.intp]
    copy_script: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Fitted:
    """The linear model of each voice (`features.VOICES`): weights by voice and bucket, bias by voice."""

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def margins(self, matrix: sp.csr_matrix, script: NDArray[np.intp]) -> NDArray[np.float64]:
        """The margin of each row from the model for its script; above 0 is spam."""
        voice = features.voices(script)
        both = matrix @ self.weights.T + self.bias
        margins: NDArray[np.float64] = both[np.arange(len(voice)), voice]
        return margins


def train(data: Sequence[Path], out: Path, held_out: Sequence[Path] = (), field: Sequence[Sample] = ()) -> Card:
    """Train on jsonl files of `Sample`s and on labels from the `field`; write weights.npz, card.json and card.md.

    The model is measured on the `held_out` files after training; the card records the result. Takes a few minutes for
    90,000 texts on one core. Raises AntispamError for a broken line or too little data.
    """
    samples = [*read_samples(data), *field]
    out.mkdir(parents=True, exist_ok=True)  # fail before the long training if the directory cannot be made
    classifier, cross_validated = learn(samples)
    metrics: dict[str, Any] = {"cross_validated": cross_validated}
    if held_out:
        metrics["held_out"] = evaluate(classifier, read_samples(held_out))
    card = msgspec.structs.replace(classifier.card, metrics=metrics)
    classifier.save_weights(out)
    card.save(out / "card.json")
    (out / "card.md").write_text(card.markdown(), encoding="utf-8")
    return card


def learn(samples: Sequence[Sample]) -> tuple[Classifier, dict[str, Any]]:
    """A classifier trained on these samples, and the report of its cross-validation.

    Raises AntispamError for too little data.
    """
    samples, others = apart(usable(samples))
    taught = teach(samples)
    margins = out_of_fold(taught)
    scale = calibrate(taught, margins)
    fitted = fit(taught, np.ones(len(taught.spam), dtype=np.bool_))
    step = np.abs(fitted.weights).max(axis=1) / np.iinfo(np.int16).max
    integers = np.rint(fitted.weights / step[:, None]).astype(np.int16)
    languages: dict[str, Language] = {}
    if others:
        third, languages = add_voice(learn_others(others))
        integers = np.vstack((integers, third))
    names, category = fit_categories(taught.matrix, taught.rows, SEED)
    card = Card(
        format=FORMAT,
        version="",
        features=FEATURES,
        calibration={
            name: Calibration.rounded(
                step[voice] * scale[name].slope, fitted.bias[voice] * scale[name].slope + scale[name].shift
            )
            for name, voice in zip(features.SCRIPTS, features.VOICES, strict=True)
        },
        categories=names,
        thresholds={name: by.thresholds for name, by in scale.items()},
        languages=languages,
        sources=(*_sources(taught.rows), *_sources_of_others(others)),
        weaknesses=_WEAKNESSES,
    )
    card = msgspec.structs.replace(card, version=weights_version(integers, category, card))
    measured = np.flatnonzero(taught.fold >= 0)
    by_text = [scale[features.SCRIPTS[which]] for which in taught.script[measured]]
    scores = np.array(
        [by.score(*of) for by, *of in zip(by_text, margins[measured], taught.allowance[measured], strict=True)]
    )
    reject = np.array([by.thresholds.reject for by in by_text])
    return Classifier(integers, category, card), report([samples[row] for row in measured], scores, reject)


def add_voice(learnt: Learnt) -> tuple[NDArray[np.int16], dict[str, Language]]:
    """The third voice in integers, and its languages with a calibration for sums of integers."""
    step = float(np.abs(learnt.weights).max()) / np.iinfo(np.int16).max
    integers = np.rint(learnt.weights / step).astype(np.int16)
    return integers, {
        name: msgspec.structs.replace(
            language,
            calibration=Calibration.rounded(
                step * language.calibration.scale,
                learnt.bias * language.calibration.scale + language.calibration.bias,
            ),
        )
        for name, language in learnt.languages.items()
    }


def usable(samples: Sequence[Sample]) -> list[Sample]:
    """The samples for training: spam and ham, without the samples that `corrections` excludes."""
    wrong = corrections()
    kept = [
        s for s in samples if s.label == "spam" or (s.label == "ham" and (s.source, str(s.cluster_id)) not in wrong)
    ]
    spam = sum(sample.label == "spam" for sample in kept)
    if min(spam, len(kept) - spam) < MIN_TEXTS:
        raise AntispamError(f"training needs at least {MIN_TEXTS} spam and {MIN_TEXTS} ham texts")
    return kept


def corrections() -> frozenset[tuple[str, str]]:
    """Source and cluster of texts labelled ham that are clearly advertising or fraud (corrections.tsv)."""
    lines = _CORRECTIONS.read_text(encoding="utf-8").splitlines()
    return frozenset((source, cluster) for source, cluster, _ in (line.split("\t") for line in lines[1:]))


@dataclass(frozen=True, slots=True)
class Scale:
    """Converts the margins of a script to scores; with the thresholds of the script."""

    slope: float
    shift: float
    thresholds: Thresholds

    def score(self, margin: float, allowance: float) -> float:
        """P(spam) for a margin and an allowance (log-odds to subtract for particulars)."""
        return float(1 / (1 + np.exp(allowance - self.slope * margin - self.shift)))


def calibrate(taught: Taught, margins: NDArray[np.float64]) -> dict[str, Scale]:
    """The scale of each script, fitted on out-of-fold margins of public texts.

    A script with few texts is fitted on the texts of all scripts.
    """
    found = {}
    for index, name in enumerate(features.SCRIPTS):
        chosen = taught.public & (taught.script == index)
        if min((chosen & taught.spam).sum(), (chosen & ~taught.spam).sum()) < _CALIBRATED_FROM:
            chosen = taught.public
        slope, shift = platt(margins[chosen], taught.spam[chosen])
        ham = chosen & ~taught.spam
        honest = 1 / (1 + np.exp(taught.allowance[ham] - slope * margins[ham] - shift))
        # With few, clearly separated texts the strict threshold would be close to 0.
        reject = max(SPAM_FROM, strict_threshold(honest, STRICT))
        limits = Thresholds(review=strict_threshold(honest, REVIEW), reject=reject)
        found[name] = Scale(slope, shift, limits)
    return found


def teach(samples: Sequence[Sample]) -> Taught:
    """The training data of the samples, the invented texts and copies of both."""
    own = invented(INVENTED_EACH, SEED)
    rows = [*samples, *own]
    texts = [row.text for row in rows]
    spam = np.array([row.label == "spam" for row in rows], dtype=np.bool_)
    weight = np.array(
        [
            sample.weight * (1.0 if sample.kind is None or sample.source in FIELD else BUSINESS_WEIGHT)
            for sample in samples
        ]
        + [INVENTED_WEIGHT[row.label] for row in own]
    )
    field = np.array([sample.source in FIELD for sample in samples], dtype=np.bool_)
    fold = np.concatenate((np.where(field, -1, folds(samples)), np.full(len(own), -1)))
    script = features.scripts(texts)
    public = np.array([sample.kind is None for sample in samples] + [False] * len(own), dtype=np.bool_)
    public[: len(samples)] &= ~field
    for which in range(len(features.SCRIPTS)):
        guilty, honest = public & spam & (script == which), public & ~spam & (script == which)
        if guilty.any() and honest.any():
            weight[guilty] *= min(float(honest.sum() / guilty.sum()), _MOST_BALANCE)
    copies, copy_of = _copies(texts, spam, script, ~public)
    return Taught(
        rows,
        matrix(texts),
        spam,
        script,
        weight,
        fold,
        features.allowances(texts),
        public,
        matrix(copies),
        np.array(copy_of, dtype=np.intp),
        features.scripts(copies),
    )


def out_of_fold(taught: Taught) -> NDArray[np.float64]:
    """The margin of each measured text from a model trained without its fold; 0 for texts that are not measured."""
    margins = np.zeros(len(taught.spam))
    for held in range(FOLDS):
        measured = taught.fold == held
        if len(np.unique(taught.spam[~measured])) < 2 or not measured.any():
            raise AntispamError("training needs spam and ham from several sources or clusters")
        margins[measured] = fit(taught, ~measured).margins(taught.matrix[measured], taught.script[measured])
    return margins


def fit(taught: Taught, rows: NDArray[np.bool_]) -> Fitted:
    """Train each voice on these rows and their copies. A copy is used by its text's voice and by its own.

    The Chinese voice also learns from other scripts' texts, with a small weight: common traits of spam are the only
    help against an unknown source. Trained without one of two sources of Chinese spam, it flagged 92 % of that source,
    and 87 % without the other scripts.
    """
    copied = rows[taught.copy_of]
    of_copies = taught.copy_of[copied]
    matrix = sp.vstack((taught.matrix[rows], taught.copies[copied]), format="csr")
    spam = np.concatenate((taught.spam[rows], taught.spam[of_copies]))
    weight = np.concatenate((taught.weight[rows], taught.weight[of_copies] * _COPY_WEIGHT))
    voice = features.voices(np.concatenate((taught.script[rows], taught.copy_script[copied])))
    of_text = features.voices(np.concatenate((taught.script[rows], taught.script[of_copies])))
    weights, bias = np.zeros((len(_STRESS), features.BUCKETS)), np.zeros(len(_STRESS))
    for which, (rarity, inequality, strange) in enumerate(_STRESS):
        own = (voice == which) | (of_text == which)
        if min(spam[own].sum(), (~spam[own]).sum()) < MIN_TEXTS:
            own[:] = True  # too few texts of its own, so the voice learns from all
        heard = own | ((strange > 0) & (np.arange(len(own)) % _HEARD == 0))
        loud = np.where(own, weight, weight * strange * _HEARD)[heard]
        weights[which], bias[which] = fit_voice(matrix[heard], spam[heard], loud, rarity, inequality)
    return Fitted(weights, bias)


def _copies(
    texts: Sequence[str], spam: NDArray[np.bool_], script: NDArray[np.intp], business: NDArray[np.bool_]
) -> tuple[list[str], list[int]]:
    """Copies in disguise and without style, and the index of each copy's text.

    Half of the padding is notices, because spammers hide a bait behind texts that every phone receives.
    """
    rng = random.Random(SEED)  # noqa: S311  variety, no secret
    tables = evasions.shipped()
    chinese = [evasions.chinese(tables, rate) for rate in (0.25, 0.5, 0.8)]
    english = [evasions.english(tables, rate) for rate in (0.15, 0.3, 0.6)]
    short = [number for number, text in enumerate(texts) if not spam[number] and len(text) < _SHORT]
    innocent = {
        which: [
            found
            for notices in (True, False)
            if (found := [texts[n] for n in short if (script[n] == 0) == which and business[n] == notices])
        ]
        for which in (True, False)
    }
    made, copy_of = [], []
    for number, text in [*enumerate(texts)] * _DRAWS:
        is_chinese = bool(script[number] == 0)
        if rng.random() < DISGUISED:
            kind = rng.random()
            tricks = rng.choice(chinese if is_chinese else english)
            if kind < _PADDED and innocent[is_chinese]:
                disguise = evasions.padded(rng.choice(innocent[is_chinese]))
            elif kind < _PADDED + _SEVERAL:
                disguise = evasions.several(tricks, 2)
            else:
                disguise = tricks[rng.choice(sorted(tricks))]
            made.append(disguise(text, rng))
            copy_of.append(number)
        if rng.random() < RESTYLED:
            made.append(evasions.restyled(text, rng))
            copy_of.append(number)
    return made, copy_of


def folds(samples: Sequence[Sample], business_by_source: bool = True) -> NDArray[np.intp]:
    """The fold of each sample. Near-duplicates share a fold, and so do all business messages of a source."""

    def group(sample: Sample, number: int) -> str:
        if sample.kind is not None and business_by_source:
            return f"source {sample.source}"
        return f"row {number}" if sample.cluster_id is None else f"cluster {sample.cluster_id}"

    return np.array(
        [xxhash.xxh64_intdigest(group(s, n).encode(), seed=SEED) % FOLDS for n, s in enumerate(samples)], dtype=np.intp
    )


def _sources(samples: Sequence[Sample]) -> tuple[dict[str, Any], ...]:
    """The number of texts by source. Business sources are many and small, so they are counted together."""
    counts = Counter(
        (sample.source if sample.kind is None else "business messages", sample.label) for sample in samples
    )
    stated = {sample.source: sample.licence for sample in samples}
    names = sorted({name for name, _ in counts})
    listed: list[dict[str, Any]] = [
        {
            "source": name or "unnamed",
            "spam": counts[name, "spam"],
            "ham": counts[name, "ham"],
            "licence": _LICENCES.get(name) or stated.get(name) or "not recorded",
        }
        for name in names
    ]
    return tuple(listed)


def _sources_of_others(samples: Sequence[Sample]) -> tuple[dict[str, Any], ...]:
    """The number of texts in other languages by licence and repository: `owner/name` of a source `owner/name:file`."""
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for sample in samples:
        name = sample.source.partition(":")[0] or "unnamed"
        counts[name, _LICENCES.get(name) or sample.licence or "not recorded"][sample.label] += 1
    return tuple(
        {"source": name, "spam": found["spam"], "ham": found["ham"], "licence": licence}
        for (name, licence), found in sorted(counts.items())
    )


_LICENCES = {
    "zh80w": "none stated; research use",
    "fbs": "none stated, cite CCS 2020; research use",
    "nus_zh": "none stated, cite NUS SMS corpus; research use",
    "nus_en": "none stated, cite NUS SMS corpus; research use",
    "uci": "free for all purposes",
    "smish5971": "not stated; research use",
    "spstudy": "none stated, cite; research use",
    "tw150": "Apache-2.0",
    "invented notices": "this project's",
    "invented baits": "this project's",
    "business messages": "various, by row in the data; research use",
}

_WEAKNESSES = (
    "Lawful commercial messages look like spam: judge them by port, signature, template and consent.",
    "Business messages of a kind or sender never seen are flagged more often than the figures say; English "
    "notices of banks and prepaid carriers most. The invented notices were written after counting such failures.",
    "Chinese ham of one source are web sentences, not messages; most Chinese texts are from before 2016.",
    "A booking written in front of a bait (card, amount, date) brings one spam in ten under the strict threshold.",
    "Frauds younger than the collections are known from invented texts only: nobody has measured them on real ones.",
    "Some spam sources hold personal texts and some ham sources advertisements, so recall at 0.1 % is noisy.",
    "Style (case, digits, punctuation) is part of what is read: a source of another style is judged worse.",
    "Categories of English spam are learnt from key words, not from labels.",
)
