"""Suspending and terminating a port, as one change inside a transaction that does more."""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy import Connection, exists, insert, select, update

from pipeline.events import Kind, PortState, Tier
from pipeline.rules.ports import PortEntry, TemplateEntry
from pipeline.store import audit, schema
from pipeline.store.outbox import publish_config

_WORDS = {PortState.SUSPENDED: "suspend", PortState.TERMINATED: "terminate"}
_FROM = {PortState.SUSPENDED: (PortState.OPEN,), PortState.TERMINATED: (PortState.OPEN, PortState.SUSPENDED)}
_log = structlog.get_logger()


def close_port(
    connection: Connection, now: int, code: str, state: PortState, actor: str, rule: str, evidence: str
) -> bool:
    """Suspend or terminate a port, with action, audit row and publication; False if that changed nothing.

    The same evidence acts once: a port resumed since is not suspended by it again. `evidence` is the id of
    a decision, a case or a complaint, prefixed by what it is.
    """
    ports, actions = schema.ports, schema.actions
    word, evidence = _WORDS[state], evidence[:256]
    known = exists().where(actions.c.kind == word, actions.c.subject == code, actions.c.evidence == evidence)
    if connection.execute(select(known)).scalar_one():
        return False
    before = connection.execute(
        select(ports.c.state).where(ports.c.code == code, ports.c.state.in_(_FROM[state])).with_for_update()
    ).scalar()
    if before is None:
        _log.info("port_not_closed", port=code, wanted=state.value, rule=rule)
        return False
    connection.execute(update(ports).where(ports.c.code == code).values(state=state.value, changed_at=now))
    connection.execute(
        insert(actions).values(kind=word, subject=code, rule=rule, evidence=evidence, actor=actor, at=now)
    )
    audit.record(
        connection, now, actor, f"port.{word}", f"port/{code}", {"state": before}, {"state": state.value}, rule
    )
    entry = msgspec.json.encode(port_entry(connection, code)).decode()
    publish_config(connection, now, [("port", code, entry, None)])
    return True


def port_entry(connection: Connection, code: str) -> PortEntry:
    """The port as the rules read it. Raises NoResultFound for a port that is not registered."""
    row = connection.execute(select(schema.ports).where(schema.ports.c.code == code)).one()
    signatures, templates = schema.signatures, schema.templates
    return PortEntry(
        code=row.code,
        name=row.name,
        enterprise=row.enterprise or "",
        tier=Tier(row.tier),
        state=PortState(row.state),
        kind=Kind(row.kind),
        signatures=tuple(
            connection.scalars(
                select(signatures.c.signature).where(signatures.c.port == code).order_by(signatures.c.signature)
            )
        ),
        channel=row.channel,
        volume_5m=row.volume_5m,
        templates=tuple(
            TemplateEntry(id=t.id, text=t.text, kind=Kind(t.kind))
            for t in connection.execute(select(templates).where(templates.c.port == code).order_by(templates.c.id))
        ),
    )
