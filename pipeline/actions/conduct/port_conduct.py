"""The conduct of a port: automatic suspension and termination (DESIGN §9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, and_, func, or_, select

from pipeline import topics
from pipeline.actions.conduct.complaint_limits import SUSPEND, TERMINATE, action_for
from pipeline.durations import DAY_MS
from pipeline.events import BULK_MESSAGES, PortAction, Verdict
from pipeline.kafka.decoding import decoded
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.messages import built_in
from pipeline.store import audit, outbox, schema
from pipeline.store.callback_queue import enqueue
from pipeline.store.registry import ports
from pipeline.store.registry.configurations import local_day
from pipeline.store.registry.counted_complaints import COUNTED
from pipeline.store.registry.ports import NONE

MONTH_MS = 30 * DAY_MS
GRACE_MS = 3 * DAY_MS  # complaints soon after a port opens concern the number's previous owner
REFUSED_BULK = 5  # refused bulk cases (reject or blacklist) since the port was opened or last resumed
_log = structlog.get_logger()


def close(
    connection: Connection, now: int, action: str, port: str, actor: str, rule: str, evidence: str,
    reason: str = "", values: Mapping[str, Any] = NONE,
) -> bool:  # fmt: skip
    """Suspend or terminate a port for its conduct; returns whether its state changed.

    `reason` is the sentence of the rule with `values`, in the default language. The same evidence acts once. Does
    nothing for an unregistered port.
    """
    if ports.find(connection, port) is None:
        _log.info("port_not_closed", action=action, rule=rule, reason="not registered")
        return False
    today = local_day(connection, port, now)
    return ports.change_state(
        connection, now, actor, action, port, reason or rule, today, rule, evidence[:256], values=values
    )


def project_port_actions(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Carry out the port actions of decisions; the same evidence acts once. Returns the number not decoded.

    The owner of a port hears of a rule at most once a day.
    """
    actions = decoded(topics.PORT_ACTIONS, PortAction, records)
    warned: set[tuple[str, str]] = set()
    for action in actions:
        evidence = f"decision/{action.evidence}"[:256]
        if action.action == "suspend":
            close(
                connection, now, "suspend", action.port, audit.PIPELINE, action.rule, evidence, action.reason,
                action.values,
            )  # fmt: skip
        elif action.action == "warn" and (action.port, action.rule) not in warned:
            warned.add((action.port, action.rule))  # a flood of one port asks for many in one poll
            if not _warned(connection, action.port, action.rule, now - DAY_MS):
                _warn(connection, now, action.port, action.rule, evidence, action.reason, action.values)
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
    rule, limit = BuiltInRule.REFUSED_BULK, REFUSED_BULK - 1
    values = {"count": refused, "limit": limit}
    if refused == limit:
        _warn(connection, now, port, rule, evidence, built_in(rule, values), values)
    if refused <= limit:
        return False
    if _acted(connection, "suspend", port, rule):
        return False
    return close(connection, now, "suspend", port, audit.PIPELINE, rule, evidence, built_in(rule, values), values)


def judge_complaints(connection: Connection, now: int, port: str, evidence: str) -> None:
    """Suspend or terminate the port for its complaints (DESIGN §9)."""
    opened = connection.execute(select(schema.ports.c.opened_at).where(schema.ports.c.code == port)).scalar()
    if opened is None:
        return
    since = max(now - MONTH_MS, opened + GRACE_MS)
    since_resumed = max(since, _reinstated(connection, port))
    rule = BuiltInRule.COMPLAINTS
    all_, complained = _complaints(connection, port, since), _complaints(connection, port, since_resumed)
    action = action_for(all_, complained)
    values = {"count": all_, "limit": TERMINATE} if action == "terminate" else {"count": complained, "limit": SUSPEND}
    reason = built_in(rule, values)
    if action == "warn":
        month = datetime.fromtimestamp(now / 1000, UTC)
        _warn(connection, now, port, rule, f"month/{month:%Y-%m}", reason, values)
    elif action is not None and not _acted(connection, action, port, rule):
        close(connection, now, action, port, audit.PIPELINE, rule, evidence, reason, values)


def _acted(connection: Connection, action: str, port: str, rule: BuiltInRule) -> bool:
    """Whether the rule closed the port since it was last resumed: its count only grows, but that is no second deed."""
    deeds = schema.actions
    done = and_(deeds.c.kind == action, deeds.c.rule == rule)
    told = select(deeds.c.kind).where(deeds.c.subject == port, or_(done, deeds.c.kind == "resume"))
    return connection.scalar(told.order_by(deeds.c.id.desc()).limit(1)) == action


def _warn(
    connection: Connection, now: int, port: str, rule: str, evidence: str, reason: str, values: Mapping[str, Any]
) -> None:
    """Tell the owner of a port, once for each evidence, that it is suspended if this goes on."""
    outbox.lock(connection)
    if ports.note(connection, now, audit.PIPELINE, "warn", port, rule, evidence, reason, values):
        limits = {name: values[name] for name in ("count", "limit") if name in values}
        told = {"event": "port_warning", "port": port, "rule": rule, "message": reason, "at": now}
        enqueue(connection, port, told | limits, now)


def _warned(connection: Connection, port: str, rule: str, since: int) -> bool:
    actions = schema.actions
    same = (actions.c.kind == "warn", actions.c.subject == port, actions.c.rule == rule, actions.c.at > since)
    return connection.execute(select(actions.c.id).where(*same).limit(1)).first() is not None


def _complaints(connection: Connection, port: str, since: int) -> int:
    complaints = schema.complaints
    return connection.execute(
        select(func.count()).where(complaints.c.port == port, complaints.c.complained_at >= since, COUNTED)
    ).scalar_one()


def _reinstated(connection: Connection, port: str) -> int:
    """The time of the port's last resumption (ms); 0 for a port that was never resumed."""
    actions = schema.actions
    last = connection.execute(
        select(func.max(actions.c.at)).where(actions.c.kind == "resume", actions.c.subject == port)
    ).scalar()
    return last or 0
