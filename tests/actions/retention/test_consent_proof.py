"""The proof of a consent stays after its end, for its time; the last refusal stays for ever."""

from __future__ import annotations

from pipeline.actions.retention.database_expiry import expire
from pipeline.durations import DAY_MS
from pipeline.rules.consents import Consent, ConsentKind
from pipeline.rules.ports import PortEntry
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import consents, registry

ADMIN = User("admin", Role.ADMINISTRATOR)
NOW = 20_000 * DAY_MS
LONG, SHORT = NOW - 1200 * DAY_MS, NOW - 1000 * DAY_MS


def entry(kind: ConsentKind, at: int, until: int | None = None) -> Consent:
    return Consent("port/10690001", "13800000001", kind, "form", at, until)


def test_what_ended_or_was_replaced_long_ago_goes(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PortEntry(code="10690001"), 1)
    kinds = ConsentKind
    given = [
        entry(kinds.CONSENT, LONG - 9, until=LONG),  # ended
        entry(kinds.CONSENT, LONG - 8, until=SHORT),  # replaced
        entry(kinds.REFUSED, LONG - 7),
        entry(kinds.CONSENT, SHORT, until=SHORT + 1),
        entry(kinds.REFUSED, SHORT + 2),
    ]
    assert consents.record(any_db, ADMIN, given, NOW) == [None] * 5
    expire(any_db, Settings(consent_proof_days=1095, _env_file=None), NOW)
    left = [(row.kind, row.given_at) for row in consents.history(any_db, ADMIN, "13800000001")]
    assert left == [("refused", LONG - 7), ("consent", SHORT), ("refused", SHORT + 2)]
    expire(any_db, Settings(consent_proof_days=1095, _env_file=None), NOW + 1095 * DAY_MS)
    assert [row.kind for row in consents.history(any_db, ADMIN, "13800000001")] == ["refused"]
