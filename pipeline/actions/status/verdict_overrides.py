"""What a person or a deadline settled about submissions: their status, and the word to their sender.

The first verdict of an (id, round) is the pipeline's; what is settled here replaces it, whichever of
the two reaches the database first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from pipeline.actions.status.callbacks import enqueue_all, rejection
from pipeline.events import Submission, Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import schema
from pipeline.store.database import upsert

_MESSAGES = {
    BuiltInRule.EXPIRED: "有效期已过，未发送",
    BuiltInRule.UNMET: "等待端口登记或策略超过期限，未发送",
    BuiltInRule.REVIEWED: "人工审核",
    BuiltInRule.UNREVIEWED: "保存期限内无人审核，未发送",
    BuiltInRule.RECIPIENT_UNSUBSCRIBED: "接收人已退订",
    BuiltInRule.RECIPIENT_BLOCKED: "接收人在屏蔽名单",
    BuiltInRule.PORT_SUSPENDED: "端口已暂停",
    BuiltInRule.PORT_TERMINATED: "端口已终止",
    BuiltInRule.PORT_UNKNOWN: "端口已注销",
    BuiltInRule.CHANNEL_UNKNOWN: "端口的通道不存在",
}


@dataclass(frozen=True, slots=True)
class Settled:
    """One submission's outcome: `round` is the one that was settled, `rule` says why.

    `exceptions` are the recipients that do not share it, and the rule that refuses each.
    """

    submission: Submission
    round: int
    verdict: Verdict
    decided_by: str
    rule: BuiltInRule
    exceptions: Mapping[str, BuiltInRule] = field(default_factory=dict)


def settle(connection: Connection, now: int, outcomes: Sequence[Settled]) -> None:
    """Write the outcomes; a refusal is told to the port's owner. Not idempotent: once per outcome."""
    if not outcomes:
        return
    rows = [_row(outcome, now) for outcome in outcomes]
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
    for outcome in outcomes:
        if outcome.exceptions:
            _except(connection, outcome)
    refused = [row for row in rows if row["verdict"] != Verdict.RELEASE]
    enqueue_all(connection, [(row["port"], rejection(row)) for row in refused], now)


def _except(connection: Connection, outcome: Settled) -> None:
    """Add the outcome's exceptions to those of the decision."""
    table = schema.submissions
    row = (table.c.port == outcome.submission.port, table.c.id == outcome.submission.id)
    known = connection.scalar(select(table.c.exceptions).where(*row)) or []
    added = [
        {"recipient": recipient, "verdict": Verdict.REJECT.value, "rule": rule}
        for recipient, rule in outcome.exceptions.items()
    ]
    others = [exception for exception in known if exception["recipient"] not in outcome.exceptions]
    connection.execute(update(table).where(*row).values(exceptions=[*others, *added]))


def _row(outcome: Settled, now: int) -> dict[str, Any]:
    """All but the last five stand only if the submission itself has not been met yet."""
    submission = outcome.submission
    return {
        "port": submission.port,
        "id": submission.id,
        "recipients": submission.recipients,
        "priority": submission.priority.value,
        "accepted_at": submission.accepted_at,
        "round": outcome.round,
        "verdict": outcome.verdict.value,
        "decided_by": outcome.decided_by,
        "reasons": _reasons(outcome),
        "decided_at": now,
    }


def _reasons(outcome: Settled) -> list[dict[str, str]]:
    return [{"rule": outcome.rule, "message": _MESSAGES[outcome.rule]}]
