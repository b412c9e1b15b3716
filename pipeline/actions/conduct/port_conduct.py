"""The conduct of a port: automatic suspension and termination, and what a complaint does (DESIGN §9)."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from sqlalchemy import Connection, func, literal, select

from pipeline import topics
from pipeline.actions.conduct.complaint_limits import action_for
from pipeline.durations import DAY_MS
from pipeline.events import BULK_MESSAGES, Complaint, PortAction, Verdict
from pipeline.kafka.decoding import decoded
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.lists import ListEntry
from pipeline.store import audit, schema
from pipeline.store.database import upsert
from pipeline.store.registry import list_entries, ports
from pipeline.store.sender_port import port_of

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
    return ports.change_state(connection, now, actor, action, port, rule, rule, evidence[:256])


def project_port_actions(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Carry out the port actions of decisions; the same evidence acts once. Returns the number not decoded."""
    actions = decoded(topics.PORT_ACTIONS, PortAction, records)
    for action in actions:
        if action.action == "suspend":
            evidence = f"decision/{action.evidence}"
            close(connection, now, "suspend", action.port, audit.PIPELINE, action.rule, evidence)
    return len(records) - len(actions)


def project_complaints(connection: Connection, now: int, records: Sequence[bytes]) -> int:
    """Store complaints under their registered port, and act on the new ones; idempotent.

    Their ports are judged. A complainer gets no further commercial messages of the port, as after an unsubscription.
    """
    latest: dict[str, str] = {}
    new: list[tuple[str, Complaint]] = []
    complaints = decoded(topics.COMPLAINTS, Complaint, records)
    for complaint in complaints:
        port = _registered(connection, complaint.port)
        added = connection.execute(
            upsert(connection, schema.complaints)
            .values(
                id=complaint.id,
                port=port,
                recipient=complaint.recipient,
                source=complaint.source,
                complained_at=complaint.complained_at,
            )
            .on_conflict_do_nothing()
            .returning(schema.complaints.c.id)
        ).first()
        if added is not None:
            latest[port] = complaint.id
            new.append((port, complaint))
    for port, ident in latest.items():
        _judge_complaints(connection, now, port, f"complaint/{ident}")
    # After the ports: every change of a port locks its row before the outbox, and an entry locks the outbox.
    known = {port for port in latest if ports.find(connection, port) is not None}
    for port, complaint in new:
        if port in known:
            _block(connection, now, port, complaint)
    return len(records) - len(complaints)


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
    if refused < REFUSED_BULK:
        return False
    return close(connection, now, "suspend", port, audit.PIPELINE, BuiltInRule.REFUSED_BULK, evidence)


def _judge_complaints(connection: Connection, now: int, port: str, evidence: str) -> None:
    """Suspend or terminate the port for its complaints."""
    opened = connection.execute(select(schema.ports.c.opened_at).where(schema.ports.c.code == port)).scalar()
    if opened is None:
        return
    since = max(now - MONTH_MS, opened + GRACE_MS)
    since_resumed = max(since, _reinstated(connection, port))
    action = action_for(_complaints(connection, port, since), _complaints(connection, port, since_resumed))
    if action is not None:
        close(connection, now, action, port, audit.PIPELINE, BuiltInRule.COMPLAINTS, evidence)


def _block(connection: Connection, now: int, port: str, complaint: Complaint) -> None:
    """Put a complainer on the list `unsubscribed` of the port (DESIGN §9), unless an entry stands.

    A complaint acts once: an entry that an operator removed does not return.
    """
    value = f"{port}:{complaint.recipient}"
    if not list_entries.stands(connection, "unsubscribed", value, now):
        item = ListEntry("unsubscribed", value, BuiltInRule.COMPLAINTS)
        list_entries.put(
            connection, now, audit.PIPELINE, item, BuiltInRule.COMPLAINTS, f"complaint/{complaint.id}"[:256]
        )


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


def _registered(connection: Connection, sender: str) -> str:
    """The registered port of the sender, or the sender if unregistered."""
    return connection.scalar(select(port_of(literal(sender)))) or sender
