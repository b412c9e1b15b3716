"""A senior reviewer decides a campaign on all ports with one verdict, and no more than the right, the scope, the hands
of others and what was seen allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import insert

from pipeline.actions.review import claims
from pipeline.actions.review.campaign_review import covered, decide_campaign
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.claims import CaseView
from pipeline.actions.review.places import UNDO_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.carried_out import carried_out
from tests.harness.case_events import CHEN, LIN, NOW, add_port, member, rows
from tests.harness.examples import examples
from tests.harness.variants import rotating_hosts, rotating_names

pytestmark = pytest.mark.long

CAMPAIGN = "c0123456789abcdef"
SENIOR = User("shu", Role.SENIOR_REVIEWER)
PORTS = [f"1069{n:04d}" for n in range(40)]


def arrive(db: Database, texts: list[str], ports: list[str], campaign: str = CAMPAIGN) -> None:
    with db.write() as connection:
        for port in ports:
            add_port(connection, port)
        given = [
            member(f"s{n}", f"f{n}", NOW + n, port=ports[n % len(ports)], content=text, campaign=campaign)
            for n, text in enumerate(texts)
        ]
        project_members(connection, NOW, given)


def shown(db: Database, user: User = SENIOR) -> CaseView:
    return claims.claim(db, user, NOW, 1)[0]


def states(db: Database) -> dict[str, str]:
    return {row.port: row.state for row in rows(db, schema.cases)}


@pytest.mark.parametrize("text", [rotating_hosts, rotating_names])
@pytest.mark.parametrize("verdict", ["release", "reject"])
def test_one_verdict_decides_two_thousand_variants_of_forty_ports(
    operational_db: Database, text: Callable[[int], str], verdict: str
) -> None:
    texts = [text(n) for n in range(examples(2000))]
    arrive(operational_db, texts, PORTS)
    case = shown(operational_db)
    found = covered(operational_db, SENIOR, [CAMPAIGN], NOW)[CAMPAIGN]
    assert sorted((one.port, one.messages) for one in found) == [(port, 2 * len(texts) // 40) for port in PORTS]
    others = [one.id for one in found]
    done = decide_campaign(operational_db, SENIOR, case.id, verdict, "", NOW, case.last_member, others)
    assert sorted(done) == sorted(others)
    left = carried_out(operational_db, NOW + UNDO_MS)
    assert sorted(left) == (sorted(f"s{n}" for n in range(len(texts))) if verdict == "release" else [])
    assert {row.verdict for row in rows(operational_db, schema.submissions)} == {verdict}
    said = [row.subject for row in rows(operational_db, schema.audit) if row.action == "case.decide"]
    assert sorted(said) == sorted(f"case/{one}" for one in others)
    with operational_db.read() as connection:
        assert audit.first_broken(connection) is None


def test_the_scope_limits_what_is_covered_and_what_is_decided(any_db: Database) -> None:
    arrive(any_db, ["积分到期"] * 4, PORTS[:4])
    with any_db.write() as connection:
        here = {"id": "e1", "name": "甲", "province": "广东", "city": "广州", "created_at": 0}
        connection.execute(insert(schema.enterprises).values(here))
        inside = schema.ports.c.code.in_(PORTS[:2])
        connection.execute(schema.ports.update().where(inside).values(enterprise="e1"))
    everywhere = [one.id for one in covered(any_db, SENIOR, [CAMPAIGN], NOW)[CAMPAIGN]]
    limited = replace(SENIOR, scope={"province": "广东"})
    assert {one.port for one in covered(any_db, limited, [CAMPAIGN], NOW)[CAMPAIGN]} == set(PORTS[:2])
    case = shown(any_db, limited)
    decide_campaign(any_db, limited, case.id, "reject", "", NOW, case.last_member, everywhere)
    assert states(any_db) == dict(zip(PORTS, ["decided", "decided", "open", "open"], strict=False))


def test_a_case_in_another_hand_and_one_of_another_campaign_stay_open(any_db: Database) -> None:
    arrive(any_db, ["积分到期"] * 3, PORTS[:3])
    (theirs,) = claims.claim(any_db, CHEN, NOW, 1)
    case = shown(any_db)
    arrive(any_db, ["别的话"] * 4, PORTS[3:4], "cfedcba9876543210")
    found = covered(any_db, SENIOR, [CAMPAIGN], NOW)[CAMPAIGN]
    assert theirs.id not in {one.id for one in found}
    everything = [row.id for row in rows(any_db, schema.cases)]
    decide_campaign(any_db, SENIOR, case.id, "reject", "", NOW, case.last_member, everything)
    assert states(any_db) == dict(zip(PORTS, ["open", "decided", "decided", "open"], strict=False))
    claims.decide(any_db, CHEN, theirs.id, "release", "", NOW, theirs.last_member)


def test_a_release_leaves_what_points_elsewhere_and_a_refusal_does_not(any_db: Database) -> None:
    arrive(any_db, ["请看 http://a.cn/1", "请看 http://a.cn/1 ！", "请看 http://b.cn/1"], PORTS[:3])
    case = shown(any_db)
    others = [one.id for one in covered(any_db, SENIOR, [CAMPAIGN], NOW)[CAMPAIGN]]
    done = decide_campaign(any_db, SENIOR, case.id, "release", "", NOW, case.last_member, others)
    assert states(any_db) == dict(zip(PORTS, ["decided", "decided", "open"], strict=False))
    for one in done:
        claims.undo(any_db, SENIOR, one, NOW + 1)
    decide_campaign(any_db, SENIOR, case.id, "reject", "", NOW + 2, case.last_member, others)
    assert set(states(any_db).values()) == {"decided"}


def test_without_the_right_or_the_case_nothing_is_decided(any_db: Database) -> None:
    arrive(any_db, ["积分到期"] * 2, PORTS[:2])
    case = shown(any_db, LIN)
    ids = [row.id for row in rows(any_db, schema.cases)]
    with pytest.raises(Forbidden):
        covered(any_db, LIN, [CAMPAIGN], NOW)
    with pytest.raises(Forbidden):
        decide_campaign(any_db, LIN, case.id, "reject", "", NOW, case.last_member, ids)
    with pytest.raises(AntispamError, match="lin has it now"):
        decide_campaign(any_db, SENIOR, case.id, "reject", "", NOW, case.last_member, ids)
    assert set(states(any_db).values()) == {"open"}
