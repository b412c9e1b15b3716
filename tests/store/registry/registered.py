"""Configuration that tests register, and what became of it."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from sqlalchemy import select

from pipeline import topics
from pipeline.decision.configuration import default_policy
from pipeline.events import ConfigChange, Kind, Tier
from pipeline.rules.filings import Filing, FilingState
from pipeline.rules.ports import PortEntry, TemplateEntry
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import configurations

ADMIN = User("admin", Role.ADMINISTRATOR)
VIEWER = User("viewer", Role.VIEWER)
PORT = PortEntry(
    code="10690001",
    name="青屿银行",
    enterprise="ent-1",
    tier=Tier.TRUSTED,
    signatures=("青屿银行", "Aoyu"),
    volume_5m=100,
    unsubscribe=("T", "TD"),
    zone="Asia/Urumqi",
    extensions=("01", "7"),
    probation_until="2026-12-31",
    carrier_signs=True,
    filings=(
        Filing(signature="青屿银行", carrier="China Unicom", state=FilingState.APPLIED, applied=date(2026, 3, 1)),
        Filing(signature="Aoyu", carrier="China Mobile", state=FilingState.FILED, until=date(2027, 2, 28)),
    ),
    templates=(TemplateEntry("t2", "验证码{code}", Kind.ONE_TIME_CODE), TemplateEntry("t1", "您好{name}")),
)
POLICY = default_policy()
OTHER = POLICY.replace("title:", "title: 改 ", 1) if "title:" in POLICY else POLICY + "\n# 改\n"


def published(db: Database) -> list[ConfigChange]:
    """Every change in the outbox, in order."""
    with db.read() as connection:
        rows = outbox.unpublished(connection, 100_000)
    return [
        msgspec.json.decode(message.value or b"", type=ConfigChange)
        for _, publication in rows
        for message in publication.messages
        if message.topic == topics.CONFIG.name
    ]


def audited(db: Database) -> list[Any]:
    with db.read() as connection:
        assert audit.first_broken(connection) is None
        return list(connection.execute(select(schema.audit).order_by(schema.audit.c.id)))


def in_force(db: Database) -> dict[tuple[str, str], str]:
    with db.read() as connection:
        return {(kind, name): value for kind, name, value in configurations.everything(connection)}


def followed(db: Database) -> dict[tuple[str, str], str]:
    """What a follower of the outbox ends with."""
    found: dict[tuple[str, str], str] = {}
    for change in published(db):
        found.pop((change.kind, change.name), None)
        if change.value is not None:
            found[change.kind, change.name] = change.value
    return found
