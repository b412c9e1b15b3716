"""Consents in the database: the last entry counts, nobody is asked twice, and every shard is published whole."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select

from pipeline import topics
from pipeline.decision.configuration import ConfigEntries
from pipeline.events import ConfigChange
from pipeline.rules.consents import Consent, ConsentKind, Consents
from pipeline.rules.enterprises import EnterpriseEntry
from pipeline.rules.ports import PortEntry
from pipeline.store import outbox, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import configurations, consents, enterprises, registry

ADMIN = User("admin", Role.ADMINISTRATOR)
SHOP, PORT = "enterprise/shop", "port/10690001"
A, B = "13800000001", "13800010002"
ASKED, REFUSED, AGREED, REQUESTED = ConsentKind.ASKED, ConsentKind.REFUSED, ConsentKind.CONSENT, ConsentKind.REQUEST
DAY = 86_400_000
NOW = 1_760_000_000_000


@pytest.fixture
def db(any_db: Database) -> Database:
    registry.save_port(any_db, ADMIN, PortEntry(code="10690001", enterprise="shop"), 1)
    registry.save_port(any_db, ADMIN, PortEntry(code="10690002", enterprise="other"), 1)
    return any_db


def entry(number: str, kind: ConsentKind, at: int = NOW, scope: str = SHOP, until: int | None = None) -> Consent:
    return Consent(scope, number, kind, "form 7", at, until)


def in_force(db: Database) -> Consents:
    """The consents as a worker has read them from the outbox."""
    entries = ConfigEntries()
    with db.read() as connection:
        for _, publication in outbox.unpublished(connection, 1000):
            changes = [m for m in publication.messages if m.topic == topics.CONFIG.name and m.value]
            assert not entries.apply([msgspec.json.decode(m.value or b"", type=ConfigChange) for m in changes])
    return entries.config.consents


def test_the_last_entry_counts(db: Database) -> None:
    given = [entry(A, AGREED), entry(A, REFUSED, NOW + 1), entry(B, REFUSED), entry(B, REQUESTED, NOW + 1)]
    assert consents.record(db, ADMIN, given, NOW) == [None] * 4
    assert in_force(db).scopes("10690001", "shop") == ()  # recorded, not yet published
    consents.publish(db, [1, 2], NOW)
    assert in_force(db).missing([A, B], [SHOP], NOW) == (A,)
    assert in_force(db).scopes("10690001", "shop") == (SHOP,)


def test_an_old_entry_that_comes_late_changes_nothing(db: Database) -> None:
    consents.record(db, ADMIN, [entry(A, AGREED, NOW)], NOW)
    consents.record(db, ADMIN, [entry(A, REFUSED, NOW - DAY)], NOW)
    consents.publish(db, [1], NOW)
    assert in_force(db).missing([A], [SHOP], NOW) == ()


def test_of_two_entries_at_one_time_the_refusal_counts(db: Database) -> None:
    consents.record(db, ADMIN, [entry(A, REFUSED), entry(A, REQUESTED), entry(A, AGREED)], NOW)
    consents.publish(db, [1], NOW)
    assert in_force(db).missing([A], [SHOP], NOW) == (A,)


@pytest.mark.parametrize(
    ("first", "what"), [(ASKED, "was asked and did not agree"), (REFUSED, "refused")], ids=["asked", "refused"]
)
def test_nobody_is_asked_again_after_a_refusal_and_no_answer_is_one(
    db: Database, first: ConsentKind, what: str
) -> None:
    elsewhere = [entry(B, ASKED, NOW + DAY), entry(A, ASKED, NOW + DAY, "port/10690002")]
    again = [entry(A, ASKED, NOW + DAY), entry(A, ASKED, NOW + DAY, PORT), *elsewhere]
    refused = f"the recipient {what} on 2025-10-09: a second request is not allowed"
    assert consents.record(db, ADMIN, [entry(A, first), *again], NOW) == [None, refused, refused, None, None]
    assert consents.record(db, ADMIN, again, NOW) == [refused, refused, None, None]
    agreed = [entry(A, AGREED, NOW + 2 * DAY), entry(A, ASKED, NOW + 3 * DAY)]
    assert consents.record(db, ADMIN, agreed, NOW) == [None, None]


def test_what_was_recorded_before_is_no_fault_and_is_kept_once(db: Database) -> None:
    given = [entry(A, ASKED), entry(A, AGREED, NOW + 1, until=NOW + DAY)]
    for _ in range(2):
        assert consents.record(db, ADMIN, given, NOW) == [None, None]
    rows = consents.history(db, ADMIN, A)
    assert [(row.kind, row.until, row.source, row.recorded_by) for row in rows] == [
        ("asked", None, "form 7", "admin"),
        ("consent", NOW + DAY, "form 7", "admin"),
    ]


def test_an_unknown_port_or_enterprise_is_a_fault(db: Database) -> None:
    with db.write() as connection:
        enterprises.put(connection, 1, "admin", [EnterpriseEntry(code="10690009")])
    given = [entry(A, AGREED, scope="port/10690009"), entry(A, AGREED, scope="enterprise/10690009")]
    assert consents.record(db, ADMIN, given, NOW) == ["port 10690009 is not registered", None]


def test_the_whole_configuration_holds_the_consents(db: Database) -> None:
    consents.record(db, ADMIN, [entry(A, AGREED), entry(B, AGREED)], NOW)
    with db.read() as connection:
        published = [(kind, name) for kind, name, _ in configurations.everything(connection) if kind == "consent"]
    assert published == [("consent", "0001"), ("consent", "0002")]


def test_the_audit_has_counts_and_no_number(db: Database) -> None:
    consents.record(db, ADMIN, [entry(A, AGREED), entry(B, AGREED), entry(B, REFUSED, NOW + 1, PORT)], NOW)
    with db.read() as connection:
        row = connection.execute(select(schema.audit).where(schema.audit.c.subject == "consents")).one()
    assert row.after == {f"{PORT} refused": 1, f"{SHOP} consent": 2}


def test_a_scope_records_for_its_own_ports_only(db: Database) -> None:
    user = User("anna", Role.OPERATOR, {"enterprise": "shop"})
    assert consents.record(db, user, [entry(A, AGREED, scope=PORT)], NOW) == [None]
    for scope in ("port/10690002", SHOP):
        with pytest.raises(Forbidden):
            consents.record(db, user, [entry(A, AGREED, scope=scope)], NOW)
    with pytest.raises(Forbidden):
        consents.record(db, User("v", Role.VIEWER), [entry(A, AGREED)], NOW)
