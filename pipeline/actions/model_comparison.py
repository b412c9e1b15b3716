"""The comparison of a model with the one in force: the evidence for its promotion.

Both models score the same labelled texts. The figures, the data and who saw them when are a row of the audit trail. A
comparison with a model that is no longer in force is no evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from pipeline.errors import AntispamError
from pipeline.models.classifier import Classifier
from pipeline.models.evaluate import evaluate, read_samples
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, require
from pipeline.store.database import Database

LEAST = 50  # spam and honest texts of a language, or business messages, from which a share is compared
# Our own choices: val moves by .003 with another draw of disguises, and strict is set for 0.1 % of the honest texts.
LESS_SPAM, MORE_HONEST = 0.005, 0.001
_COMPARE = "compare"  # the action in the audit trail
_OVER, _HONEST_OVER = "spam_over_reject", "ham_over_reject"

Figures = dict[str, dict[str, Any]]  # by group: figures of `pipeline.models.evaluate.report`


class Comparison(msgspec.Struct, frozen=True):
    """What was seen of a model beside the one in force.

    `before` and `after` are the figures of the model in force and of the other one. `worse` says in words where the
    other one finds less spam by more than LESS_SPAM, or has more honest texts over strict by more than MORE_HONEST.
    """

    version: str
    against: str
    data: dict[str, str]  # SHA-256 by file name
    before: Figures
    after: Figures
    worse: list[str]


def compare(db: Database, user: User, model: Path, in_force: Path, data: Sequence[Path], now: int) -> Comparison:
    """Measure two model directories on labelled texts, and record in the audit trail who saw which figures.

    Raises AntispamError for an unreadable file or model, and for data in which no language has LEAST spam and LEAST
    honest texts.
    """
    require(user, Right.APPROVE_POLICY)
    if user.scope:
        raise Forbidden("{person}: a model holds for all ports, beyond the scope of this account", person=user.name)
    samples = read_samples(data)
    candidate, current = Classifier.load(model), Classifier.load(in_force)
    after, before = (_figures(evaluate(each, samples)) for each in (candidate, current))
    if not any(_OVER in group for group in after.values()):
        raise AntispamError("a comparison needs at least {n} spam and {n} honest texts of one language", n=LEAST)
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data}
    found = Comparison(candidate.version, current.version, hashes, before, after, worse(before, after))
    with db.write() as connection:
        audit.record(
            connection,
            now,
            user.name,
            _COMPARE,
            f"model/{found.version}",
            {"version": found.against, "figures": before},
            {"version": found.version, "figures": after, "data": hashes, "worse": found.worse},
        )
    return found


def worse(before: Figures, after: Figures) -> list[str]:
    """What is worse by more than chance explains, one sentence each."""
    found = []
    for group in before:
        for figure, sign, most, what in (
            (_OVER, -1, LESS_SPAM, "spam"),
            (_HONEST_OVER, 1, MORE_HONEST, "honest texts"),
            ("over_reject", 1, MORE_HONEST, "business messages"),
        ):
            old, new = before[group].get(figure), after[group].get(figure)
            if old is not None and new is not None and sign * (new - old) > most + 1e-9:
                found.append(f"{group}: {what} over strict {new:.4f}, {old:.4f} by the model in force")
    return found


def evidence(connection: Connection, version: str, against: str) -> tuple[int, list[str]] | None:
    """The audit row of the last comparison of a version with the one in force, and what was worse; None without one."""
    table = schema.audit
    rows = connection.execute(
        select(table.c.id, table.c.before, table.c.after)
        .where(table.c.subject == f"model/{version}", table.c.action == _COMPARE)
        .order_by(table.c.id.desc())
    )
    return next(((row.id, row.after["worse"]) for row in rows if row.before["version"] == against), None)


def _figures(report: dict[str, Any]) -> Figures:
    """The figures of the languages and business messages with enough texts."""
    languages = {name: row for name, row in report["by_language"].items() if min(row["spam"], row["ham"]) >= LEAST}
    business = {
        f"business {name}": row
        for name, row in report["business"].items()
        if row["messages"] >= LEAST and name.endswith(" ham")
    }
    return languages | business
