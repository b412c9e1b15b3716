"""The test of strangers: what the model says of senders, kinds and sources that it has not met in training.

    python -m pipeline.models.strangers DIR [EACH] > table.md

`DIR` holds sms/{train,transactional}.jsonl. Validation texts come from the sources of the training, so they cannot show
this. Two rounds of three models are trained as `antispam train` trains. In the first round every model is trained
without some sources of spam and without some senders of business messages; in the second, without some kinds of them,
real or invented. A model is measured on what it was trained without. Its calibration and thresholds come from public
texts of a fold that it was trained without, too, so no measured text has had a part in them. A simple model,
char(1,2)+LR, is trained on the same rows without their copies, and once more without business messages and invented
texts. Its thresholds are fixed in the same way.

`EACH` trains on every n-th public text only: enough to choose between two designs, in a fraction of the time.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.models import train
from pipeline.models.benchmark import Row, ShortGrams, markdown, share
from pipeline.models.classifier import SPAM_FROM
from pipeline.models.evaluate import Sample, read_samples
from pipeline.models.features import SCRIPTS
from pipeline.models.linear import SEED

# By fold: the sources left out of training. Of each language, every fold keeps a source of spam and one of ham.
SOURCES_OUT = (("fbs", "spstudy"), ("zh80w", "smish5971"), ("nus_zh", "uci", "tw150"))

Group = Callable[[Sample], str | None]
Flagged = dict[str, list[list[bool]]]  # by group and text: over strict and over 0.5, by model
Margins = NDArray[np.float64]

_COLUMNS = [
    f"{model}: {over}"
    for model in ("ours", "char(1,2)+LR", "the same without business messages")
    for over in ("over strict", "over 0.5")
]


def strangers(samples: Sequence[Sample]) -> list[Row]:
    """A row for each group of strangers: the number of its texts, and their shares over strict and over 0.5."""
    taught = train.teach(samples)
    simple = ShortGrams(taught.rows, taught.fold)
    found: Flagged = defaultdict(list)
    for name, group, of_source in ROUNDS:
        out = _left_out(taught.rows, group, of_source)
        for fold in range(train.FOLDS):
            _measure(taught, simple, out == fold, fold, name, group, found)
    return [
        {"": name, "texts": str(len(flags))}
        | {column: share(each) for column, each in zip(_COLUMNS, np.array(flags).T, strict=True)}
        for name, flags in sorted(found.items())
    ]


def _sender(sample: Sample) -> str | None:
    """The sender of a business message: its source."""
    return sample.source if sample.kind is not None else None


def _kind(sample: Sample) -> str | None:
    """The kind of a business message or of an invented text: honest kinds and baits are told apart."""
    kind = sample.kind if sample.kind is not None else sample.cluster_id if _invented(sample) else None
    return None if kind is None else f"{sample.label} {kind}"


def _invented(sample: Sample) -> bool:
    return sample.source.startswith("invented")


# A round: its name, what is left out together, and whether sources of public texts are left out, too.
ROUNDS: tuple[tuple[str, Group, bool], ...] = (("sender", _sender, True), ("kind", _kind, False))


def _left_out(rows: Sequence[Sample], group: Group, of_source: bool) -> NDArray[np.intp]:
    """The fold whose model is trained without each row; -1 for a row that no group names."""
    source_fold = {source: fold for fold, sources in enumerate(SOURCES_OUT) for source in sources}

    def fold(sample: Sample) -> int:
        named = group(sample)
        if named is not None:
            return xxhash.xxh64_intdigest(named.encode(), seed=SEED) % train.FOLDS
        return source_fold.get(sample.source, -1) if of_source else -1

    return np.array([fold(sample) for sample in rows], dtype=np.intp)


def _measure(
    taught: train.Taught,
    simple: ShortGrams,
    strange: NDArray[np.bool_],
    fold: int,
    name: str,
    group: Group,
    found: Flagged,
) -> None:
    """Train without `strange` and without this fold of the public texts; add the flags of `strange` to `found`."""
    if not strange.any():
        return
    held = taught.public & (taught.fold == fold)
    rows = ~strange & ~held
    measured = strange | held
    margins = np.zeros(len(taught.spam))
    margins[measured] = train.fit(taught, rows).margins(taught.matrix[measured], taught.script[measured])
    seen = replace(taught, public=held & ~strange)
    flags = _flags(seen, margins)
    no_allowance = replace(seen, allowance=np.zeros(len(margins)))
    for of_simple in (rows, rows & taught.public):
        flags += _flags(no_allowance, simple.trained_on(of_simple))
    by_text = np.array(flags).T
    met: set[str] = set()
    for row in np.flatnonzero(strange).tolist():
        sample = taught.rows[row]
        if sample.text in met:
            continue
        met.add(sample.text)
        made = "invented " if _invented(sample) else "business " if sample.kind is not None else ""
        title = f"{name}: {sample.label} {SCRIPTS[taught.script[row]]} {made}"
        for member in ((group(sample) or sample.source).removeprefix(f"{sample.label} "), "all"):
            found[title + member].append(by_text[row].tolist())


def _flags(taught: train.Taught, margins: Margins) -> list[NDArray[np.bool_]]:
    """Whether each text is over strict and over 0.5, where `taught.public` fixes calibration and thresholds."""
    scale = [train.calibrate(taught, margins)[name] for name in SCRIPTS]
    scores = np.array(
        [scale[of].score(*each) for of, *each in zip(taught.script, margins, taught.allowance, strict=True)]
    )
    return [scores >= np.array([by.thresholds.reject for by in scale])[taught.script], scores >= SPAM_FROM]


def _every(samples: Sequence[Sample], each: int) -> list[Sample]:
    """The business messages, and every n-th public text."""
    return [sample for n, sample in enumerate(samples) if sample.kind is not None or n % each == 0]


if __name__ == "__main__":
    sms = Path(sys.argv[1]) / "sms"
    read = train.usable(read_samples([sms / "train.jsonl", sms / "transactional.jsonl"]))
    print(markdown(strangers(_every(read, int(sys.argv[2]) if len(sys.argv) > 2 else 1))), end="")
