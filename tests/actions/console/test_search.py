"""Search finds by every field, shows nothing whole, and reveals only with a reason and a trace."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from pipeline.actions.console.reveal import reveal
from pipeline.actions.console.search import (
    GROUPS,
    Found,
    Query,
    Reviewed,
    grouped,
    message_states,
    over_time,
    reviewed,
    search,
    totals,
)
from pipeline.actions.console.sentences import Sentences
from pipeline.actions.console.why import CampaignSize, Span, campaign_sizes, why
from pipeline.actions.review import claims
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import AntispamError
from pipeline.events import Verdict
from pipeline.lake.privacy import Privacy
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.console_data import CAMPAIGN, PHONE, fill_lake, fill_rest, open_cases, register_ports

pytestmark = pytest.mark.long

NOW = 1_790_000_000_000
ANALYST = User("rui", Role.ANALYST)
SENIOR = User("anna", Role.SENIOR_REVIEWER)
Find = Callable[..., list[Found]]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of 60 messages, with the secret that masks them."""
    folder = tmp_path_factory.mktemp("filled")
    fill_lake(Settings(data_dir=folder), NOW, 60)
    return folder


@pytest.fixture
def settings(filled: Path, tmp_path: Path) -> Settings:
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return Settings(data_dir=tmp_path)


@pytest.fixture
def find(operational_db: Database, settings: Settings) -> Find:
    register_ports(operational_db, NOW)
    lake, privacy = LakeReader(settings), Privacy(settings.privacy_secret)

    def run(user: User = ANALYST, **wanted: object) -> list[Found]:
        query = Query(**({"since": NOW - 2 * HOUR_MS, "until": NOW + HOUR_MS} | wanted))  # type: ignore[arg-type]
        return search(operational_db, lake.cursor(), privacy, user, query)

    return run


def test_everything_is_found_newest_first(find: Find) -> None:
    found = find()
    assert len(found) == 60
    assert [f.at for f in found] == sorted((f.at for f in found), reverse=True)
    assert len(find(limit=7)) == 7
    assert find(limit=7, offset=7) == found[7:14]


def test_totals_count_what_a_page_leaves_out(operational_db: Database, settings: Settings, find: Find) -> None:
    lake, privacy = LakeReader(settings), Privacy(settings.privacy_secret)
    for wanted in ({}, {"verdict": "reject"}, {"port": "10690003"}, {"text": "no such text"}):
        query = Query(since=NOW - 2 * HOUR_MS, until=NOW + HOUR_MS, limit=1, **wanted)  # type: ignore[arg-type]
        found = find(**wanted)
        expected = len(found), sum(len(f.recipients) for f in found)
        assert totals(operational_db, lake.cursor(), privacy, ANALYST, query) == expected
    query = Query(since=NOW - 2 * HOUR_MS, until=NOW + HOUR_MS)
    with pytest.raises(Forbidden):
        totals(operational_db, lake.cursor(), privacy, User("vic", Role.VIEWER), query)


def test_matches_that_did_not_count_say_why(find: Find) -> None:
    snoozed, capped = find(limit=1)[0].suppressed
    assert (snoozed["rule"], snoozed["verdict"], snoozed["cause"], snoozed["scope"]) == (
        "score-review", "review", "snooze", "port",
    )  # fmt: skip
    assert int(snoozed["until"].timestamp() * 1000) == NOW + DAY_MS
    assert (capped["rule"], capped["cause"], capped["until"]) == ("capped", "daily_cap", None)


def test_each_field_finds_what_it_names(find: Find) -> None:
    assert {f.port for f in find(port="10690003")} == {"10690003"}
    assert {f.verdict for f in find(verdict="blacklist")} == {"blacklist"}
    assert len(find(rule="prohibited-word")) == 60
    assert find(rule="prohibited") == []
    assert find(rule="prohibited-word", alone=True) == [], "each has another reason, too"
    assert {f.port for f in find(codes=("10690002", "10690003"))} == {"10690002", "10690003"}
    assert find(codes=("1069000",)) == find(codes=()) == []
    assert {f.port for f in find(text="奥数")} == {"10690002"}
    assert len(find(number=PHONE)) == 60
    for spelled in (f"+86 {PHONE[:3]} {PHONE[3:7]} {PHONE[7:]}", f"0{PHONE}", f"0086-{PHONE}", f"（86）{PHONE}"):
        assert len(find(number=spelled)) == 60
    assert {f.port for f in find(port="+86 10690003")} == {"10690003"}
    assert find(number="13900000000") == []
    assert find(since=NOW - 90 * DAY_MS, until=NOW - 89 * DAY_MS) == []
    assert find(verdict="undecided") == []


def test_no_field_is_a_way_around_the_mask(find: Find) -> None:
    for text in ("13800138000", "4008001234", "王女士"):
        for f in find(text=text):
            assert text not in f.content
    assert find(text="%") == []
    assert find(text="' OR 1=1 --") == []
    assert find(port="%") == []


def test_an_analyst_sees_no_full_number(find: Find) -> None:
    shown = repr([asdict(f) for f in find()])
    for secret in (PHONE, "13900139000", "4008001234", "王女士", "a8K2"):
        assert secret not in shown


def test_a_bad_range_and_a_missing_right_are_refused(find: Find) -> None:
    with pytest.raises(AntispamError, match="time range"):
        find(since=NOW, until=NOW)
    with pytest.raises(AntispamError, match="time range"):
        find(since=NOW - 40 * DAY_MS)
    with pytest.raises(Forbidden):
        find(User("vic", Role.VIEWER))


def test_a_scope_limits_search(find: Find) -> None:
    south = User("sue", Role.ANALYST, {"province": "广东"})
    assert {f.port for f in find(south)} == {"10690000", "10690002", "10690004"}
    with pytest.raises(Forbidden, match="records"):
        find(south, kind="records")
    assert find(kind="records") == []


def test_the_members_of_a_campaign_and_its_size(settings: Settings, find: Find) -> None:
    members = find(campaign=CAMPAIGN)
    assert {f.port for f in members} == {"10690000"}
    assert {f.campaign for f in members} == {CAMPAIGN}
    assert len(members) == len([f for f in find(limit=500) if f.port == "10690000"])
    assert find(campaign="c0000000000000bad") == []
    sizes = campaign_sizes(LakeReader(settings).cursor(), [CAMPAIGN, "c0000000000000bad"])
    assert sizes == {CAMPAIGN: CampaignSize(CAMPAIGN, 1234, 4, 9)}


def test_delivery_states_by_message(operational_db: Database, find: Find) -> None:
    fill_rest(operational_db, NOW)
    states = message_states(operational_db, ANALYST, "10690000", "10690000", "s0-0")
    assert [(s.n, s.state) for s in states] == [(1, "delivered")]
    with operational_db.write() as connection:  # a long message is as far as its worst part, as the API says
        connection.execute(
            insert(schema.deliveries),
            [
                {
                    "port": "10690000",
                    "submission": "s0-0",
                    "n": 1,
                    "part": part,
                    "recipient": "138",
                    "channel": "default",
                    "state": state,
                    "changed_at": NOW,
                }
                for part, state in ((2, "submitted"), (3, "failed"))
            ],
        )
    states = message_states(operational_db, ANALYST, "10690000", "10690000", "s0-0")
    assert [(s.n, s.state) for s in states] == [(1, "failed")]
    with pytest.raises(Forbidden):
        message_states(operational_db, User("sue", Role.ANALYST, {"province": "广东"}), "10690001", "10690001", "s1-0")


def test_what_a_person_said_of_a_submission(operational_db: Database) -> None:
    case = open_cases(operational_db, NOW)[0]
    t = schema.case_members
    with operational_db.read() as connection:
        port, submission = connection.execute(select(t.c.port, t.c.submission).where(t.c.case == case)).first() or (
            "",
            "",
        )

    def ask() -> Reviewed | None:
        return reviewed(operational_db, ANALYST, port, port, submission)

    assert ask() == Reviewed(case, None, None, None, "")
    assert claims.claim(operational_db, SENIOR, NOW)
    claims.decide(operational_db, SENIOR, case, Verdict.RELEASE, "an old customer", NOW, seen=99)
    assert ask() == Reviewed(case, "release", SENIOR.name, NOW, "an old customer")
    assert reviewed(operational_db, ANALYST, port, port, "never reviewed") is None
    with pytest.raises(Forbidden):
        reviewed(operational_db, User("sue", Role.ANALYST, {"province": "nowhere"}), port, port, submission)


def test_a_reveal_shows_the_text_and_leaves_a_row(operational_db: Database, settings: Settings, find: Find) -> None:
    found = next(f for f in find() if f.port == "10690002")
    full = reveal(operational_db, settings, SENIOR, found.position, "complaint 4711", NOW)
    assert "王女士" in full.content
    assert PHONE in full.content
    assert full.recipients[0] == PHONE
    assert full.id == found.id
    with operational_db.read() as connection:
        row = connection.execute(select(schema.audit).where(schema.audit.c.action == "reveal")).one()
        assert audit.first_broken(connection) is None
    assert (row.actor, row.reason) == ("anna", "complaint 4711")
    assert PHONE not in repr(row)


@pytest.mark.parametrize("role", [r for r in Role if r not in (Role.SENIOR_REVIEWER, Role.ADMINISTRATOR)])
def test_other_roles_reveal_nothing(role: Role, operational_db: Database, settings: Settings, find: Find) -> None:
    position = find()[0].position
    with pytest.raises(Forbidden):
        reveal(operational_db, settings, User("x", role), position, "curious", NOW)


def test_no_reason_and_a_foreign_port_reveal_nothing(operational_db: Database, settings: Settings, find: Find) -> None:
    position = find(port="10690001")[0].position
    with pytest.raises(AntispamError, match="reason"):
        reveal(operational_db, settings, SENIOR, position, "  a ", NOW)
    with pytest.raises(Forbidden):
        reveal(
            operational_db,
            settings,
            User("sue", Role.SENIOR_REVIEWER, {"province": "广东"}),
            position,
            "complaint",
            NOW,
        )
    with operational_db.read() as connection:
        assert connection.execute(select(schema.audit).where(schema.audit.c.action == "reveal")).first() is None


def test_why_a_case_is_open(operational_db: Database, settings: Settings) -> None:
    cases = open_cases(operational_db, NOW)
    privacy = Privacy(settings.privacy_secret)
    found = why(
        operational_db,
        LakeReader(settings).cursor(),
        privacy,
        SENIOR,
        [*cases, "no-such-case"],
        Sentences(operational_db, "en"),
    )
    assert set(found) == set(cases)
    assert found["case-000"].campaign == CampaignSize(CAMPAIGN, 1234, 4, 9)
    assert found["case-001"].campaign is None
    first, second = found["case-000"].reasons
    assert (first.rule, first.spans) == ("bulk-unreviewed", ())
    assert second.spans == (Span(11, 16, "额度已审批", "raw"),)


@pytest.mark.parametrize("by", list(GROUPS))
def test_groups_and_bars_count_what_the_search_finds(operational_db: Database, settings: Settings, by: str) -> None:
    register_ports(operational_db, NOW)
    lake, privacy = LakeReader(settings), Privacy(settings.privacy_secret)
    query = Query(NOW - 2 * HOUR_MS, NOW + HOUR_MS)
    found = totals(operational_db, lake.cursor(), privacy, ANALYST, query)
    groups = grouped(operational_db, lake.cursor(), privacy, ANALYST, query, by)
    assert (sum(g.events for g in groups), sum(g.messages for g in groups)) == found
    assert [g.messages for g in groups] == sorted((g.messages for g in groups), reverse=True)
    width, moments = over_time(operational_db, lake.cursor(), privacy, ANALYST, query)
    assert sum(m.messages for m in moments) == found[1]
    assert all(m.at % width == 0 for m in moments)
    assert 3 * HOUR_MS / width <= 120


def test_a_group_is_one_of_the_list(operational_db: Database, settings: Settings) -> None:
    lake, privacy = LakeReader(settings), Privacy(settings.privacy_secret)
    with pytest.raises(AntispamError, match="grouped by one of"):
        grouped(operational_db, lake.cursor(), privacy, ANALYST, Query(NOW, NOW + 1), "1; DROP")
