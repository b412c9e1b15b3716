"""Which words carried a score: the classifier's sum, gathered for a person who looks at one text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pipeline.configuration import model_of
from pipeline.models.classifier import Classifier
from pipeline.store import configurations
from pipeline.store.database import Database

LEAST = 0.2  # log-odds of a character or word that is worth naming
MOST = 6  # pieces named


@dataclass(frozen=True)
class ScorePart:
    """A piece of the raw text (code points, `end` exclusive) and what it adds to the log-odds of spam."""

    start: int
    end: int
    log_odds: float


def model_in_force(db: Database) -> Classifier | None:
    """The model decisions are made with now; None when none was published. Raises AntispamError for a broken one."""
    with db.read() as connection:
        value = configurations.in_force(connection, "model", "active")
    return None if value is None else _loaded(value)


def score_parts(model: Classifier, text: str) -> tuple[ScorePart, ...]:
    """The pieces that weigh most, for or against spam, heaviest first; neighbours of one sign are one piece."""
    pieces: list[ScorePart] = []
    for part in model.explain(text).parts:
        if abs(part.log_odds) < LEAST:
            continue
        last = pieces[-1] if pieces else None
        if last and last.end == part.start and (last.log_odds > 0) == (part.log_odds > 0):
            pieces[-1] = ScorePart(last.start, part.end, last.log_odds + part.log_odds)
        else:
            pieces.append(ScorePart(part.start, part.end, part.log_odds))
    return tuple(sorted(pieces, key=lambda piece: -abs(piece.log_odds))[:MOST])


@lru_cache(maxsize=2)  # the one before is asked about while workers change over
def _loaded(value: str) -> Classifier:
    return model_of(value)
