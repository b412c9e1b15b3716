"""Hand-over to a person, comments, and verdicts by selection."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from pipeline.actions.review import bulk, campaign_review, claims, places
from pipeline.actions.review.assigning import MOST, assign, reviewers
from pipeline.actions.review.case_list import find_case, list_cases
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.cases import escalate
from pipeline.actions.review.comments import MAX_TEXT, comment, comments
from pipeline.actions.review.merging import merge_campaigns
from pipeline.actions.review.places import UNDO_MS
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.accounts.users import set_active
from pipeline.store.database import Database
from tests.actions.review.test_merging import known, opened, undecided
from tests.harness.carried_out import carried_out
from tests.harness.case_events import CHEN, LIN, NOW, add_port, member, rows
from tests.harness.console_data import CHIEF, sign_up
from tests.harness.variants import rotating_hosts

pytestmark = pytest.mark.long

SENIOR = User("shu", Role.SENIOR_REVIEWER)


@pytest.fixture
def db(any_db: Database) -> Database:
    """Six open cases, and the accounts of those who review."""
    for name, role in (
        ("lin", Role.REVIEWER),
        ("chen", Role.REVIEWER),
        ("shu", Role.SENIOR_REVIEWER),
        ("vi", Role.VIEWER),
    ):
        sign_up(any_db, name, role, NOW)
    with any_db.write() as connection:
        add_port(connection)
        project_members(connection, NOW, [member(f"s{n}", f"f{n}", NOW + n, content=f"内容 {n}") for n in range(6)])
    return any_db


def ids(db: Database) -> list[str]:
    return [case.id for case in list_cases(db, SENIOR, NOW, sort="oldest").cases]


def deeds(db: Database, action: str) -> list[tuple[str, str]]:
    with db.read() as connection:
        assert audit.first_broken(connection) is None
    return [(row.actor, row.subject) for row in rows(db, schema.audit) if row.action == action]


def test_a_case_handed_over_is_got_by_that_person_alone(db: Database) -> None:
    (view,) = claims.claim(db, LIN, NOW, 1)
    assign(db, LIN, [view.id], "chen", NOW)
    case = find_case(db, SENIOR, NOW, view.id)
    assert (case.assigned_to, case.claimed_by) == ("chen", None)
    assert view.id not in {v.id for v in claims.claim(db, LIN, NOW)}
    with pytest.raises(AntispamError, match="is assigned to chen"):
        claims.decide(db, LIN, view.id, "reject", "", NOW, view.last_member)
    assert [v.id for v in claims.claim(db, CHEN, NOW)] == [view.id]
    assert places.here(db, LIN, NOW, {"person": "chen"}) == places.Here(1, 1, 0, 5, 1)
    claims.decide(db, CHEN, view.id, "reject", "", NOW, view.last_member)
    assert deeds(db, "case.assign") == [("lin", f"case/{view.id}")]


def test_a_senior_assigns_what_waits_and_gives_it_back_to_all(db: Database) -> None:
    first, second, *_ = ids(db)
    assign(db, SENIOR, [first, second], "lin", NOW)
    assert {v.id for v in claims.claim(db, CHEN, NOW)} == set(ids(db)[2:])
    assign(db, SENIOR, [first], "shu", NOW)
    assign(db, SENIOR, [second], None, NOW)
    assert {v.id for v in claims.claim(db, LIN, NOW)} == {second}
    assert {v.id for v in claims.claim(db, SENIOR, NOW)} == {first}


@pytest.mark.parametrize(
    ("user", "to", "prepare", "why"),
    [
        (LIN, "chen", None, "claim it first"),
        (SENIOR, "vi", None, "'vi' is no active reviewer"),
        (SENIOR, "nobody", None, "'nobody' is no active reviewer"),
        (SENIOR, "chen", lambda db: set_active(db, CHIEF, "chen", False, NOW), "no active reviewer"),
        (SENIOR, "chen", lambda db: escalate(db, NOW + 10**8, 10), "chen may not review case"),
        (SENIOR, "lin", lambda db: claims.claim(db, CHEN, NOW), "chen has it now"),
        (SENIOR, "lin", lambda db: decided(db), "already decided by chen"),
    ],
)
def test_what_cannot_be_assigned(
    db: Database, user: User, to: str, prepare: Callable[[Database], object] | None, why: str
) -> None:
    if prepare is not None:
        prepare(db)
    before = rows(db, schema.cases)
    with pytest.raises(AntispamError, match=why):
        assign(db, user, [case.id for case in before], to, NOW)
    assert rows(db, schema.cases) == before
    assert deeds(db, "case.assign") == []


def decided(db: Database) -> None:
    for view in claims.claim(db, CHEN, NOW):
        claims.decide(db, CHEN, view.id, "reject", "", NOW, view.last_member)


def test_a_person_outside_the_queue_gets_no_case(db: Database) -> None:
    with db.write() as connection:
        connection.execute(update(schema.users).where(schema.users.c.name == "chen").values(queues=["fraud"]))
    with pytest.raises(AntispamError, match="chen may not review"):
        assign(db, SENIOR, ids(db)[:1], "chen", NOW)
    with pytest.raises(AntispamError, match=f"at most {MOST}"):
        assign(db, SENIOR, ["x"] * (MOST + 1), "lin", NOW)
    assert reviewers(db, LIN) == ["chen", "lin", "shu"]


def test_an_escalation_ends_an_assignment(db: Database) -> None:
    assign(db, SENIOR, ids(db), "lin", NOW)
    escalate(db, NOW + 10**8, 10)
    assert all(case.assigned_to is None for case in undecided(db))
    assert len(claims.claim(db, SENIOR, NOW)) == 6


def test_a_merge_keeps_the_person_and_the_comments(any_db: Database) -> None:
    sign_up(any_db, "lin", Role.REVIEWER, NOW)
    texts = [rotating_hosts(n) for n in range(20)]
    opened(any_db, texts[:2])
    first, second = undecided(any_db)
    assign(any_db, SENIOR, [second.id], "lin", NOW)
    comment(any_db, LIN, second.id, "<b>请核对</b> ", NOW + 1)
    comment(any_db, SENIOR, first.id, "ok", NOW)
    merge_campaigns(any_db, NOW, known(texts), NOW)
    assert find_case(any_db, LIN, NOW, first.id).assigned_to == "lin"
    assert [(c.author, c.text) for c in comments(any_db, LIN, first.id)] == [("shu", "ok"), ("lin", "<b>请核对</b>")]
    assert deeds(any_db, "case.comment") == [("lin", f"case/{second.id}"), ("shu", f"case/{first.id}")]
    assert "请核对" not in str([row.after for row in rows(any_db, schema.audit)])


@pytest.mark.parametrize("text", ["", "  ", "x" * (MAX_TEXT + 1), "a\0b"])
def test_a_wrong_comment_is_refused(db: Database, text: str) -> None:
    with pytest.raises(AntispamError, match="1 to 1000 characters"):
        comment(db, LIN, ids(db)[0], text, NOW)
    with pytest.raises(AntispamError, match="no case 'x'"):
        comment(db, LIN, "x", "text", NOW)


def selected(db: Database) -> dict[str, int]:
    return {case.id: case.last_member for case in list_cases(db, SENIOR, NOW, sort="oldest").cases}


def test_a_selection_is_counted_decided_and_carried_out_once(db: Database) -> None:
    chosen = selected(db)
    held, mine, *free = chosen
    claims.claim(db, CHEN, NOW, place={"case": held})
    claims.claim(db, LIN, NOW, place={"case": mine})
    assign(db, SENIOR, free[:1], "chen", NOW)
    assert bulk.weigh(db, LIN, list(chosen), NOW) == bulk.Selection(4, 8, 1, 2)
    left = bulk.decide_some(db, LIN, chosen, "release", "one agency", NOW)
    assert {case: str(why).split()[-1] for case, why in left.items()} == {held: "now", free[0]: "chen"}
    assert bulk.decide_some(db, LIN, chosen, "reject", "", NOW).keys() == chosen.keys(), "decided once"
    assert len(deeds(db, "case.decide")) == 4
    assert len(carried_out(db, NOW + UNDO_MS)) == 4


def test_a_selection_is_taken_back(db: Database) -> None:
    chosen = selected(db)
    assert bulk.decide_some(db, LIN, chosen, "blacklist", "", NOW) == {}
    assert bulk.undo_some(db, CHEN, list(chosen), NOW).keys() == chosen.keys()
    assert bulk.undo_some(db, LIN, list(chosen), NOW + UNDO_MS - 1) == {}
    assert [case.claimed_by for case in undecided(db)] == [None] * 6
    assert carried_out(db, NOW + UNDO_MS) == []


def test_what_grew_since_the_list_was_shown_is_not_released(db: Database) -> None:
    chosen = selected(db)
    grown = next(iter(chosen))
    with db.write() as connection:
        project_members(connection, NOW, [member("new", "f0", content="内容 0 http://t9.cn/1")])
    left = bulk.decide_some(db, LIN, chosen, "release", "", NOW)
    assert {case: str(error) for case, error in left.items()} == {
        grown: f"case {grown} has grown by 2 messages of another content since you saw it"
    }


@pytest.mark.parametrize(("verdict", "note"), [("hold", ""), ("reject", "x" * 1001)])
def test_a_wrong_verdict_decides_none(db: Database, verdict: str, note: str) -> None:
    for call in (
        lambda: bulk.decide_some(db, LIN, selected(db), verdict, note, NOW),
        lambda: bulk.decide_some(db, LIN, {f"c{n}": 1 for n in range(bulk.MOST + 1)}, "reject", "", NOW),
        lambda: bulk.weigh(db, LIN, ["x"] * (bulk.MOST + 1), NOW),
    ):
        with pytest.raises(AntispamError):
            call()
    assert len(undecided(db)) == 6


def test_an_escalated_case_of_a_selection_is_left_to_a_senior(db: Database) -> None:
    chosen = selected(db)
    escalate(db, NOW + 10**8, 2)
    assert len(bulk.decide_some(db, LIN, chosen, "reject", "", NOW)) == 2
    assert len(bulk.decide_some(db, SENIOR, chosen, "reject", "", NOW)) == 4


def test_two_selections_and_a_deck_at_once_decide_each_case_once(db: Database) -> None:
    chosen = selected(db)

    def run(user: User) -> int:
        return len(chosen) - len(bulk.decide_some(db, user, chosen, "reject", "", NOW))

    def work(user: User) -> int:
        done = 0
        for view in claims.claim(db, user, NOW):
            try:
                claims.decide(db, user, view.id, "reject", "", NOW, view.last_member)
                done += 1
            except AntispamError:
                continue
        return done

    with ThreadPoolExecutor() as pool:
        counts = [pool.submit(run, LIN), pool.submit(run, SENIOR), pool.submit(work, CHEN)]
        assert sum(count.result() for count in counts) == 6
    assert len(deeds(db, "case.decide")) == 6


def test_a_campaigns_verdict_leaves_what_is_assigned_to_another(db: Database) -> None:
    with db.write() as connection:
        for n, case in enumerate(ids(db)[:3]):
            values = {"campaign": "c0123456789abcdef", "port": f"p{n}"}
            connection.execute(update(schema.cases).where(schema.cases.c.id == case).values(values))
    assign(db, SENIOR, ids(db)[:1], "lin", NOW)
    covered = campaign_review.covered(db, SENIOR, ["c0123456789abcdef"], NOW)
    assert {case.port for case in covered["c0123456789abcdef"]} == {"p1", "p2"}
