"""The conduct of complete months proposes a tier, with its evidence; a person decides, and the owner is told."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from pipeline.actions.conduct.tiers import decide_tier, judge_tiers, proposals
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.case_events import NOW, PORT, add_port, rows

OPS = User("ops", Role.OPERATOR)
ZONE = "Asia/Shanghai"  # NOW is 2025-11-25; the last complete month is October
OCTOBER = NOW - 30 * DAY_MS


@pytest.fixture
def db(any_db: Database) -> Database:
    """PORT has 4 complaints per million in October; the second port was clean; the third was suspended."""
    with any_db.write() as c:
        add_port(c, PORT, tier="ordinary")
        add_port(c, "10690002", tier="high")
        add_port(c, "10690003", tier="high")
        c.execute(insert(schema.api_keys).values(key="k", port=PORT, callback_url="http://x.example/", created_at=0))
        c.execute(insert(schema.port_months).values(port=PORT, month="2025-10", messages=1_000_000, counted_at=NOW))
        for n in range(4):
            c.execute(insert(schema.complaints).values(id=f"c{n}", port=PORT, recipient="1", complained_at=OCTOBER + n))
        c.execute(
            insert(schema.actions).values(kind="suspend", subject="10690003", evidence="x", actor="a", at=OCTOBER)
        )
    return any_db


def told(db: Database) -> list[dict[str, Any]]:
    return [msgspec.json.decode(row.body) for row in rows(db, schema.callbacks)]


def tiers(db: Database) -> list[tuple[str, str]]:
    return sorted((row.code, row.tier) for row in rows(db, schema.ports))


def test_a_proposal_shows_its_evidence_and_changes_nothing(db: Database) -> None:
    assert judge_tiers(db, ZONE, "propose", NOW) == 2
    assert judge_tiers(db, ZONE, "propose", NOW + DAY_MS) == 0
    found = {row.port: row for row in proposals(db, OPS)}
    assert (found[PORT].before, found[PORT].after, found[PORT].month) == ("ordinary", "high", "2025-10")
    assert found[PORT].evidence[0] == {"month": "2025-10", "complaints": 4, "messages": 1_000_000, "violations": 0}
    assert (found["10690002"].before, found["10690002"].after) == ("high", "ordinary")
    assert tiers(db) == [(PORT, "ordinary"), ("10690002", "high"), ("10690003", "high")]
    assert told(db) == []


def test_a_person_accepts_or_rejects_once(db: Database) -> None:
    judge_tiers(db, ZONE, "propose", NOW)
    assert decide_tier(db, OPS, PORT, "2025-10", True, "as agreed", NOW + 1)
    assert decide_tier(db, OPS, "10690002", "2025-10", False, "too early", NOW + 1)
    assert tiers(db)[:2] == [(PORT, "high"), ("10690002", "high")]
    assert told(db) == [{"event": "port", "port": PORT, "step": "tier", "tier": "high", "at": NOW + 1}]
    with pytest.raises(AntispamError, match="decided already"):
        decide_tier(db, OPS, PORT, "2025-10", False, "", NOW + 2)
    assert proposals(db, OPS) == []
    assert {row.state for row in proposals(db, OPS, "")} == {"accepted", "rejected"}
    deeds = [(row.actor, row.action) for row in rows(db, schema.audit)]
    assert deeds == [("ops", "tier"), ("ops", "decide_tier"), ("ops", "decide_tier")]


def test_a_tier_that_a_person_changed_meanwhile_stays(db: Database) -> None:
    judge_tiers(db, ZONE, "propose", NOW)
    with db.write() as c:
        c.execute(schema.ports.update().where(schema.ports.c.code == PORT).values(tier="trusted"))
    assert not decide_tier(db, OPS, PORT, "2025-10", True, "", NOW)
    assert tiers(db)[0] == (PORT, "trusted")
    assert [row.state for row in proposals(db, OPS, "overtaken")] == ["overtaken"]


def test_an_operator_without_a_committee_lets_it_happen_at_once(db: Database) -> None:
    assert judge_tiers(db, ZONE, "apply", NOW) == 2
    assert tiers(db) == [(PORT, "high"), ("10690002", "ordinary"), ("10690003", "high")]
    assert {row.decided_by for row in proposals(db, OPS, "accepted")} == {audit.PIPELINE}


def test_a_month_is_judged_a_day_after_its_end(db: Database) -> None:
    december = 1_764_518_400_000  # 2025-12-01 00:00 in Shanghai
    judge_tiers(db, ZONE, "propose", december + DAY_MS - 1)
    assert {row.month for row in proposals(db, OPS, "")} == {"2025-10"}
    judge_tiers(db, ZONE, "propose", december + DAY_MS)
    assert {row.month for row in proposals(db, OPS, "")} == {"2025-10", "2025-11"}


def test_a_viewer_decides_nothing(db: Database) -> None:
    judge_tiers(db, ZONE, "propose", NOW)
    with pytest.raises(Forbidden):
        decide_tier(db, User("v", Role.VIEWER), PORT, "2025-10", True, "", NOW)
