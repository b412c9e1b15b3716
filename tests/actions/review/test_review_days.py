"""A case is due on the working days of the calendar in force."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select

from pipeline.actions.review.case_members import project_members
from pipeline.rules.ports import PortEntry
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import registry
from tests.harness.case_events import NOW, PORT, member

ADMIN = User("admin", Role.ADMINISTRATOR)
DAYS_OFF = "zone: {zone}\nyears: {{2025: {{source: law, holidays: {{a: 2025-11-24 to 2025-11-26}}}}}}\n"


def due(db: Database, ident: str, zone: str = "Asia/Shanghai") -> str:
    with db.write() as connection:
        project_members(connection, NOW, [member(ident, ident)])
        at = connection.scalars(select(schema.cases.c.due_at).where(schema.cases.c.fingerprint == ident)).one()
    return datetime.fromtimestamp(at / 1000, ZoneInfo(zone)).isoformat(timespec="minutes")


def test_a_port_is_reviewed_in_its_own_zone(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PortEntry(code=PORT, zone="America/New_York"), 1)
    assert due(any_db, "far", "America/New_York") == "2025-11-25T09:30-05:00"  # it came at 22:30 of the day before


def test_a_published_calendar_moves_the_due_time(any_db: Database) -> None:
    assert due(any_db, "shipped") == "2025-11-25T12:30+08:00"
    for zone, expected in (("Asia/Shanghai", "2025-11-27T09:30+08:00"), ("Asia/Tokyo", "2025-11-27T09:30+09:00")):
        text = DAYS_OFF.format(zone=zone)
        registry.publish_configuration(any_db, ADMIN, "calendar", "calendar.yaml", text, NOW)
        assert due(any_db, zone, zone) == expected
