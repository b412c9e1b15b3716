"""Verdicts of a reviewer or a deadline: they replace the pipeline's verdict, and the port's owner is notified.

An override replaces the pipeline's verdict of the same (id, round), in whichever order the two reach the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from pipeline.actions.status import link_outcomes
from pipeline.actions.status.callbacks import rejection
from pipeline.events import Submission, Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import DEFAULT, built_in
from pipeline.rules.refusals import SENTENCES, Refusal
from pipeline.store import schema
from pipeline.store.callback_queue import enqueue_all
from pipeline.store.database import upsert


@dataclass(frozen=True, slots=True)
class VerdictOverride:
    """The new verdict of one submission: `round` is the overridden round, `rule` the reason.

    `exceptions` maps recipients that the verdict does not cover to the rule that rejects each. `refusal` is why a
    reviewer refused.
    """

    submission: Submission
    round: int
    verdict: Verdict
    decided_by: str
    rule: BuiltInRule
    exceptions: Mapping[str, BuiltInRule] = field(default_factory=dict)
    refusal: Refusal | None = None


def override_verdicts(connection: Connection, now: int, overrides: Sequence[VerdictOverride]) -> None:
    """Store the verdicts and queue a callback for each rejection. Not idempotent: call once per override."""
    if not overrides:
        return
    rows = [_row(override, now) for override in overrides]
    table = schema.submissions
    statement = upsert(connection, table)
    changed = ("round", "verdict", "decided_by", "reasons", "decided_at")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["port", "id"],
            set_={name: statement.excluded[name] for name in changed},
            where=table.c.round <= statement.excluded.round,
        ),
        rows,
    )
    for override in overrides:
        if override.exceptions:
            _except(connection, override)
    refused = [row for row in rows if row["verdict"] != Verdict.RELEASE]
    enqueue_all(connection, [(row["port"], rejection(row)) for row in refused], now)
    outcomes = [outcome for row in refused for outcome in link_outcomes.of_refusal(row)]
    for override in overrides:
        if override.verdict is Verdict.RELEASE:
            left_out = [
                {"recipient": recipient, "verdict": Verdict.REJECT.value, "rule": rule.value}
                for recipient, rule in override.exceptions.items()
            ]
            outcomes += link_outcomes.of_exceptions(override.submission.port, override.submission.id, left_out)
    link_outcomes.put(connection, outcomes, now)


def _except(connection: Connection, override: VerdictOverride) -> None:
    """Add the override's exceptions to the exceptions of the decision."""
    table = schema.submissions
    row = (table.c.port == override.submission.port, table.c.id == override.submission.id)
    known = connection.scalar(select(table.c.exceptions).where(*row)) or []
    added = [
        {"recipient": recipient, "verdict": Verdict.REJECT.value, "rule": rule}
        for recipient, rule in override.exceptions.items()
    ]
    others = [exception for exception in known if exception["recipient"] not in override.exceptions]
    connection.execute(update(table).where(*row).values(exceptions=[*others, *added]))


def _row(override: VerdictOverride, now: int) -> dict[str, Any]:
    """A row for an override. All but its last five fields are provisional until the submission arrives."""
    submission = override.submission
    return {
        "port": submission.port,
        "id": submission.id,
        "recipients": submission.recipients,
        "priority": submission.priority.value,
        "accepted_at": submission.accepted_at,
        "round": override.round,
        "verdict": override.verdict.value,
        "decided_by": override.decided_by,
        "reasons": _reasons(override),
        "decided_at": now,
    }


def _reasons(override: VerdictOverride) -> list[dict[str, str]]:
    if override.refusal is None:
        return [{"rule": override.rule, "message": built_in(override.rule)}]
    said = built_in(override.rule, {"refusal": SENTENCES[override.refusal][DEFAULT]})
    return [{"rule": override.rule, "message": said, "refusal": override.refusal.value}]
