"""Verdicts of people become training data; what nobody decided, or may still be undone, does not."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select, update

from pipeline.actions.review import claims
from pipeline.actions.review.labels import labels
from pipeline.actions.review.places import UNDO_MS
from pipeline.events import Verdict
from pipeline.models.evaluate import Sample
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.console_data import open_cases, register_ports

NOW = 1_790_000_000_000
LATER = NOW + UNDO_MS + 1
CHIEF = User("chief", Role.ADMINISTRATOR)
LIN = User("lin", Role.REVIEWER)


def test_verdicts_become_labels(any_db: Database) -> None:
    register_ports(any_db, NOW)
    refused, released, listed, _open = open_cases(any_db, NOW, 4)
    seen = {view.id: view.last_member for view in claims.claim(any_db, LIN, NOW)}
    for case, verdict in ((refused, Verdict.REJECT), (released, Verdict.RELEASE), (listed, Verdict.BLACKLIST)):
        claims.decide(any_db, LIN, case, verdict, "", NOW, seen[case])
    assert labels(any_db, CHIEF, 0, NOW) == [], "they can still be undone"
    t = schema.ports
    with any_db.write() as connection:
        connection.execute(update(t).values(kind="notice"))
    found = {sample.cluster_id: sample for sample in labels(any_db, CHIEF, 0, LATER)}
    assert [found[f"f{n:04}"].label for n in range(3)] == ["spam", "ham", "spam"]
    assert found["f0001"].kind == "notice"
    assert found["f0001"].category is None
    assert found["f0000"].category == "loan"
    assert {sample.source for sample in found.values()} == {"reviews"}
    again = [msgspec.json.decode(msgspec.json.encode(sample), type=Sample) for sample in found.values()]
    assert again == list(found.values())
    with any_db.write() as connection:
        connection.execute(update(t).values(kind="commercial"))
    assert {s.label for s in labels(any_db, CHIEF, 0, LATER)} == {"spam", "commercial"}
    assert labels(any_db, CHIEF, NOW + 1, LATER) == []
    with any_db.read() as connection:
        rows = connection.execute(select(schema.audit.c.after).where(schema.audit.c.action == "labels")).all()
    assert len(rows) == 4
    assert "texts" in str(rows[0])


def test_what_nobody_decided_teaches_nothing_and_not_everyone_may_ask(any_db: Database) -> None:
    [case] = open_cases(any_db, NOW, 1)
    t = schema.cases
    with any_db.write() as connection:
        connection.execute(
            update(t)
            .where(t.c.id == case)
            .values(state="effective", verdict="reject", decided_by=audit.PIPELINE, decided_at=NOW, effective_at=NOW)
        )
    assert labels(any_db, CHIEF, 0, LATER) == []
    with pytest.raises(Forbidden):
        labels(any_db, LIN, 0, LATER)
