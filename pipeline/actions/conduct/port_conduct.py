"""The conduct of a port: automatic suspension and termination (DESIGN §9)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection, func, select

from pipeline import topics
from pipeline.actions.conduct.complaint_limits import SUSPEND, action_for
from pipeline.durations import DAY_MS
from pipeline.events import BULK_MESSAGES, PortAction, Verdict
from pipeline.kafka.decoding import decoded
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import audit, outbox, schema
from pipeline.store.callback_queue import enqueue
from pipeline.store.registry import ports
from pipeline.store.registry.configurations import local_day

MONTH_MS = 30 * DAY_MS
GRACE_MS = 3 * DAY_MS  # complaints soon after a port opens concern the number's previous owner
REFUSED_BULK = 5  # refused bulk cases (reject or blacklist) since the port was opened or last resumed
_log = structlog.get_logger()


def close(connection: Connection, now: int, action: str, port: str, actor: str, rule: str, evidence: str) -> bool:
    """Suspend or terminate a port for its conduct; returns whether its state changed.

    The same evidence acts once. Does nothing for an unregistered port.
    """
    if ports.find(connection, port) is None:
        _log.info("port_not_closed", action=action, rule=rule, reason="not registered")
        return False
    today = local_day(connection, port, now)
    return ports.change_state(connection, now, actor, action, port, rule, today, rule, evidence[:256])


def project_port_actions(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Carry out the port actions of decisions; the same evidence acts once. Returns the number not decoded."""
    actions = decoded(topics.PORT_ACTIONS, PortAction, records)
    for action in actions:
        if action.action == "suspend":
            evidence = f"decision/{action.evidence}"
            close(connection, now, "suspend", action.port, audit.PIPELINE, action.rule, evidence)
    return len(records) - len(actions)


def judge_refused_bulk(connection: Connection, now: int, port: str, evidence: str) -> bool:
    """Suspend a port at its REFUSED_BULK-th refused bulk case; called when a refusal takes effect."""
    opened = connection.execute(select(schema.ports.c.opened_at).where(schema.ports.c.code == port)).scalar()
    if opened is None:
        return False
    cases = schema.cases
    refused = connection.execute(
        select(func.count()).where(
            cases.c.port == port,
            cases.c.state == "effective",
            cases.c.verdict.in_((Verdict.REJECT, Verdict.BLACKLIST)),
            cases.c.messages > BULK_MESSAGES,
            cases.c.decided_by != audit.PIPELINE,  # rejected by its deadline, not by a reviewer
            cases.c.decided_at > max(opened, _reinstated(connection, port)),
        )
    ).scalar_one()
    if refused == REFUSED_BULK - 1:
        _warn(connection, now, port, BuiltInRule.REFUSED_BULK, evidence, refused, REFUSED_BULK - 1)
    if refused < REFUSED_BULK:
        return False
    return close(connection, now, "suspend", port, audit.PIPELINE, BuiltInRule.REFUSED_BULK, evidence)


def judge_complaints(connection: Connection, now: int, port: str, evidence: str) -> None:
    """Suspend or terminate the port for its complaints (DESIGN §9)."""
    opened = connection.execute(select(schema.ports.c.opened_at).where(schema.ports.c.code == port)).scalar()
    if opened is None:
        return
    since = max(now - MONTH_MS, opened + GRACE_MS)
    since_resumed = max(since, _reinstated(connection, port))
    complained = _complaints(connection, port, since_resumed)
    action = action_for(_complaints(connection, port, since), complained)
    if action == "warn":
        month = datetime.fromtimestamp(now / 1000, UTC)
        _warn(connection, now, port, BuiltInRule.COMPLAINTS, f"month/{month:%Y-%m}", complained, SUSPEND)
    elif action is not None:
        close(connection, now, action, port, audit.PIPELINE, BuiltInRule.COMPLAINTS, evidence)


def _warn(
    connection: Connection, now: int, port: str, rule: BuiltInRule, evidence: str, count: int, limit: int
) -> None:
    """Tell the owner of a port, once for each evidence, that it is suspended above `limit`."""
    outbox.lock(connection)
    if ports.note(connection, now, audit.PIPELINE, "warn", port, rule, evidence[:256]):
        told = {"event": "port_warning", "port": port, "rule": rule.value, "count": count, "limit": limit, "at": now}
        enqueue(connection, port, told, now)


def _complaints(connection: Connection, port: str, since: int) -> int:
    complaints = schema.complaints
    return connection.execute(
        select(func.count()).where(complaints.c.port == port, complaints.c.complained_at >= since)
    ).scalar_one()


def _reinstated(connection: Connection, port: str) -> int:
    """The time of the port's last resumption (ms); 0 for a port that was never resumed."""
    actions = schema.actions
    last = connection.execute(
        select(func.max(actions.c.at)).where(actions.c.kind == "resume", actions.c.subject == port)
    ).scalar()
    return last or 0
