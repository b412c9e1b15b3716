"""The words that contributed most to a score: the terms of the classifier's sum, grouped by word for a reviewer."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

import structlog

from pipeline.actions.model_versions import ACTIVE
from pipeline.decision.configuration import model_of
from pipeline.errors import AntispamError
from pipeline.models.classifier import Classifier
from pipeline.rules.words import borders
from pipeline.store.database import Database
from pipeline.store.registry import registry

LEAST = 0.2  # least log-odds of a character or word that is shown
_log = structlog.get_logger()
MOST = 6  # pieces shown


@dataclass(frozen=True)
class ScorePart:
    """A piece of the raw text (code points, `end` exclusive) and its contribution to the log-odds of spam."""

    start: int
    end: int
    log_odds: float


@dataclass(frozen=True)
class ScoreParts:
    """The pieces of greatest weight, heaviest first; `rest` sums all other pieces and the bias (log-odds)."""

    words: tuple[ScorePart, ...]
    rest: float


def model_in_force(db: Database) -> Classifier | None:
    """The model in force; None if no model was published or its folder is unreadable on this host."""
    value = registry.configuration(db, "model", ACTIVE)
    if value is None:
        return None
    try:
        return _loaded(value)
    except AntispamError as error:  # reviewers can decide without the parts of a score
        _log.warning("model_unreadable", cause=str(error))
        return None


def score_parts(model: Classifier, text: str) -> ScoreParts:
    """The words of greatest weight, for or against spam; jieba segments Chinese."""
    begins = [begin for _, begin, _ in borders.tokenizer().tokenize(text)]
    pieces: dict[int, ScorePart] = {}
    explained = model.explain(text)
    for part in explained.parts:
        word = bisect_right(begins, part.start)
        before = pieces.get(word)
        start, carried = (before.start, before.log_odds) if before else (part.start, 0.0)
        pieces[word] = ScorePart(start, part.end, carried + part.log_odds)
    named = [
        piece
        for piece in pieces.values()
        if abs(piece.log_odds) >= LEAST and any(map(str.isalnum, text[piece.start : piece.end]))
    ]
    words = tuple(sorted(named, key=lambda piece: -abs(piece.log_odds))[:MOST])
    return ScoreParts(words, explained.log_odds - sum(word.log_odds for word in words))


@lru_cache(maxsize=2)  # two: some workers still decide with the previous model during a change
def _loaded(value: str) -> Classifier:
    return model_of(value)
