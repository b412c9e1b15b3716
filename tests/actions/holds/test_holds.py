"""A hold waits for a time or a fact. It is leased once and keeps its key."""

from __future__ import annotations

from pipeline.actions.holds import holds
from pipeline.events import Hold, encode
from pipeline.rules.built_in import BuiltInRule
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.case_events import NOW, PORT, rows, submission


def hold(ident: str, due_at: int | None, rule: str = "bulk-grace", epoch: int = 1) -> bytes:
    return encode(Hold(submission=submission(ident), rule=rule, due_at=due_at, epoch=epoch))


def test_a_due_hold_is_leased_once_keeps_its_key_and_ends(operational_db: Database) -> None:
    with operational_db.write() as c:
        holds.project_holds(c, NOW, [hold("a", NOW), hold("b", NOW + 1), hold("a", NOW), b"not json"])
        (due,) = holds.claim_due(c, NOW, "one", 10, lambda port: port)
        assert (due.submission.id, due.key) == ("a", PORT)
        assert [d.submission.id for d in holds.claim_due(c, NOW + 1, "two", 10, lambda port: port)] == ["b"]
        late = NOW + holds.LEASE_MS
        # The registry has changed meanwhile: the second try must go where the first went.
        (again,) = holds.claim_due(c, late, "two", 10, lambda _: "1069")
        assert (again.submission.id, again.key) == ("a", PORT)
        assert holds.end(c, "one", [due]) == []  # no longer its own
        assert holds.end(c, "two", [again]) == [again]
    assert [row.submission for row in rows(operational_db, schema.holds)] == ["b"]


def test_facts_release_what_waits_for_them_once_an_epoch(operational_db: Database) -> None:
    with operational_db.write() as c:
        holds.project_holds(
            c, NOW, [hold("u", None, BuiltInRule.PORT_UNKNOWN, 5), hold("p", None, BuiltInRule.NO_POLICY, 5)]
        )
        assert holds.meet_facts(c, NOW + 2000, lambda _: False, 5) == 0
        assert holds.meet_facts(c, NOW + 1999, lambda _: True, 6) == 0  # a worker may lag behind
        assert holds.meet_facts(c, NOW + 2000, lambda _: False, 6) == 1
        assert [d.submission.id for d in holds.claim_due(c, NOW + 2000, "o", 10, str)] == ["p"]
        assert holds.meet_facts(c, NOW + 3000, lambda _: True, 6) == 1
        assert holds.meet_facts(c, NOW + 3000, lambda _: True, 6) == 0
