"""The reasons for a case: the decision on its first member, and the places in the text that it points at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlalchemy import func, select, tuple_

from pipeline.actions.console.score_parts import ScoreParts, model_in_force, score_parts
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.review.places import in_access
from pipeline.lake.privacy import Privacy
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database


@dataclass(frozen=True)
class Span:
    """A place in the first member's text that a reason points at: code points, `end` exclusive.

    `word` is the recognised item (a dictionary word, a link's domain, a kind of contact). `via` is the view of the text
    in which it was recognised.
    """

    start: int
    end: int
    word: str
    via: str


@dataclass(frozen=True)
class Why:
    """A reason of a decision and the places it points at."""

    rule: str
    verdict: str
    message: str
    values: str  # JSON
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class CampaignSize:
    """The size of a text's campaign over all ports, as last published."""

    id: str
    messages: int
    ports: int
    senders: int


@dataclass(frozen=True)
class Explained:
    """The reasons for a case, the most severe first, with the campaign of its text and the parts of its score.

    `score_parts` is None if the model in force is not the model of the decision.
    """

    reasons: tuple[Why, ...]
    campaign: CampaignSize | None = None
    score_parts: ScoreParts | None = None


def why(
    db: Database,
    lake: duckdb.DuckDBPyConnection,
    privacy: Privacy,
    user: User,
    cases: Sequence[str],
    sentences: Sentences,
) -> dict[str, Explained]:
    """The reasons by case, in the words of `sentences`.

    Omits cases outside the user's scope and cases that are not in the lake yet.
    """
    require(user, Right.REVIEW)
    cases = _in_scope(db, user, cases)
    t = schema.case_members
    first = select(t.c.case, func.min(t.c.number)).where(t.c.case.in_(cases)).group_by(t.c.case)
    query = select(t.c.case, t.c.port, t.c.submission, t.c.round).where(tuple_(t.c.case, t.c.number).in_(first))
    with db.read() as connection:
        rows = connection.execute(query).all()
    if not rows:
        return {}
    wanted = {(privacy.party(row.port), privacy.ident(row.submission), row.round): row.case for row in rows}
    found = lake.execute(
        """
        SELECT coalesce(nullif(sender, ''), port) AS sent_by, id, round,
               arg_min(reasons, "offset"), arg_min(campaign, "offset"),
               arg_min(policy, "offset"), arg_min(model, "offset")
        FROM decisions
        WHERE source = 'submission' AND list_contains($ids, id) AND port IN (SELECT unnest($ports))
        GROUP BY sent_by, id, round
        """,
        {"ids": [ident for _, ident, _ in wanted], "ports": _ports(db, cases)},
    ).fetchall()
    sizes = campaign_sizes(lake, [campaign for *_, campaign, _, _ in found if campaign])
    model, contents = model_in_force(db), _contents(db, cases)
    explained: dict[str, Explained] = {}
    for *key, listed, campaign, policy, version in found:
        case = wanted.get(tuple(key))
        if case is not None:
            ordered = sorted(listed, key=lambda reason: -reason["severity"])
            parts = score_parts(model, contents[case]) if model and model.version == version else None
            reasons = tuple(_why(reason, sentences, policy) for reason in ordered)
            explained[case] = Explained(reasons, sizes.get(campaign), parts)
    return explained


def campaign_sizes(lake: duckdb.DuckDBPyConnection, campaigns: Sequence[str]) -> dict[str, CampaignSize]:
    """The sizes of campaigns by id. They are figures only, so every user who may see a text may see them."""
    if not campaigns:
        return {}
    rows = lake.execute(
        "SELECT campaign, messages, ports, senders FROM campaigns WHERE list_contains($ids, campaign)",
        {"ids": list(campaigns)},
    ).fetchall()
    return {row[0]: CampaignSize(*row) for row in rows}


def _in_scope(db: Database, user: User, cases: Sequence[str]) -> Sequence[str]:
    t = schema.cases
    with db.read() as connection:
        return connection.scalars(select(t.c.id).where(t.c.id.in_(cases), *in_access(user))).all()


def _ports(db: Database, cases: Sequence[str]) -> list[str]:
    with db.read() as connection:
        return list(connection.execute(select(schema.cases.c.port).where(schema.cases.c.id.in_(cases))).scalars())


def _contents(db: Database, cases: Sequence[str]) -> dict[str, str]:
    t = schema.cases
    with db.read() as connection:
        rows = connection.execute(select(t.c.id, t.c.content).where(t.c.id.in_(cases))).all()
    return {row.id: row.content for row in rows}


def _why(reason: dict[str, Any], sentences: Sentences, policy: str | None) -> Why:
    spans = tuple(
        Span(span["start"], span["end"], span["word"] or "", span["via"] or "") for span in reason["spans"] or ()
    )
    sentence = sentences.of_reason(reason, policy)
    return Why(reason["rule"], reason["verdict"], sentence, reason["values"] or "{}", spans)
