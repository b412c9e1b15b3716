"""Explore: the same sums from roll-up and rows, the period before, scopes, and no number or full text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.actions.explore import found as found_module
from pipeline.actions.explore.filters import COLUMNS, KEYS, PLACES, Filters
from pipeline.actions.explore.messages import newest_messages
from pipeline.actions.explore.subjects import complaints_of, enterprise_names, told_campaign
from pipeline.actions.explore.sums import Sums, explore
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import AntispamError
from pipeline.lake import tables
from pipeline.lake.privacy import Privacy
from pipeline.lake.reader import LakeReader
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from tests.harness.console_data import CAMPAIGN, PHONE, fill_lake, register_ports
from tests.harness.migrated import migrated_database

NOW = 1_795_305_600_000 + 90 * 60_000  # half past an hour
WEEK = Filters(NOW - 7 * DAY_MS, NOW)
ANALYST = User("a", Role.ANALYST)
SOUTH = User("s", Role.ANALYST, {"enterprise": "e-south"})
SECRETS = (PHONE, "13900139000", "王女士", "4008001234", "a8K2")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(data_dir=tmp_path_factory.mktemp("explore"))
    fill_lake(settings, NOW)
    return settings


@pytest.fixture(scope="module")
def db(settings: Settings) -> Iterator[Database]:
    db = migrated_database(settings)
    register_ports(db, NOW)
    yield db
    db.close()


@pytest.fixture(scope="module")
def lake(settings: Settings) -> LakeReader:
    return LakeReader(settings)


def number(settings: Settings) -> str:
    return Privacy(settings.privacy_secret).number(PHONE)


@pytest.mark.parametrize("by", KEYS)
@pytest.mark.parametrize("user", [ANALYST, SOUTH], ids=lambda user: user.name)
@pytest.mark.long
def test_rows_give_the_sums_of_the_roll_up(
    db: Database, lake: LakeReader, monkeypatch: pytest.MonkeyPatch, user: User, by: str
) -> None:
    filters = replace(WEEK, rule="bulk-unreviewed", kind="commercial")
    rolled = explore(db, lake.cursor(), user, filters, by)
    assert rolled.now.messages == (180 if user is ANALYST else 90)
    monkeypatch.setattr("pipeline.actions.explore.filters.Filters.by_rows", True)
    assert explore(db, lake.cursor(), user, filters, by) == rolled


def test_sums_course_and_top_are_of_the_same_messages(db: Database, lake: LakeReader) -> None:
    for by in COLUMNS:
        found = explore(db, lake.cursor(), ANALYST, WEEK, by, first=100)
        assert found.now.messages == 60 * 3, by
        assert sum(sums.messages for _, sums in found.course) == 60 * 3
        assert sum(top.now.messages for top in found.top) == 60 * 3
        assert found.values == len(found.top)
        decided = found.now.released + found.now.reviewed + found.now.rejected + found.now.blacklisted
        assert decided + found.now.held == 60 * 3


def test_the_period_before_has_the_same_length(db: Database, lake: LakeReader) -> None:
    hour = Filters(NOW - 30 * 60_000, NOW)
    found = explore(db, lake.cursor(), ANALYST, hour, "port")
    before = explore(db, lake.cursor(), ANALYST, Filters(found.since - HOUR_MS, found.since), "port")
    assert (found.since, found.until) == (NOW - 30 * 60_000, NOW + 30 * 60_000)
    assert found.before == before.now
    assert found.now.messages + found.before.messages == 180
    risen = explore(db, lake.cursor(), ANALYST, hour, "port", order="rise").top
    rises = [top.now.messages - top.before.messages for top in risen]
    assert rises == sorted(rises, reverse=True)


def test_a_campaign_a_link_a_number_and_an_enterprise(db: Database, lake: LakeReader, settings: Settings) -> None:
    campaign = explore(db, lake.cursor(), ANALYST, replace(WEEK, campaign=CAMPAIGN), "content")
    assert campaign.now.messages == 30
    assert {top.example for top in campaign.top} == {
        "【惠民易贷】您的**万额度已审批，点击 http://example.com/… 提款，回T退订"
    }
    told = told_campaign(lake.cursor(), ANALYST, CAMPAIGN)
    assert told is not None
    assert (told.messages, told.most_in_5m) == (1234, 20)
    assert told_campaign(lake.cursor(), ANALYST, "c0") is None
    link = explore(db, lake.cursor(), ANALYST, replace(WEEK, link="example.net"), "port")
    assert [(top.value, top.now.messages) for top in link.top] == [("10690003", 30)]
    hosts = explore(db, lake.cursor(), ANALYST, WEEK, "link").top
    assert {top.value: top.now.messages for top in hosts} == {"": 120, "example.com": 30, "example.net": 30}
    of_number = explore(db, lake.cursor(), ANALYST, replace(WEEK, number=number(settings)), "port").now
    assert of_number.messages == 60  # one of three recipients, refused wherever the submission was not held
    assert of_number.rejected + of_number.held == 60
    assert complaints_of(lake.cursor(), ANALYST, number(settings), WEEK.since, WEEK.until) == 0
    owners = explore(db, lake.cursor(), ANALYST, WEEK, "enterprise").top
    assert {top.value: top.now.messages for top in owners} == {"e-south": 90, "e-north": 90}
    assert explore(db, lake.cursor(), ANALYST, replace(WEEK, enterprise="e-south"), "port").values == 3


def test_messages_behind_the_sums_are_masked(db: Database, lake: LakeReader, settings: Settings) -> None:
    found = newest_messages(db, lake.cursor(), ANALYST, WEEK)
    assert len(found) == 60
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    assert all(one.content and one.sender for one in found)
    for filters in (replace(WEEK, number=number(settings)), replace(WEEK, link="example.com"), WEEK):
        told = repr(newest_messages(db, lake.cursor(), ANALYST, filters))
        assert [secret for secret in SECRETS if secret in told] == []
    assert len(newest_messages(db, lake.cursor(), ANALYST, replace(WEEK, rule="bulk-unreviewed"), most=5)) == 5
    assert newest_messages(db, lake.cursor(), ANALYST, replace(WEEK, rule="no-such")) == []


def test_a_scope_holds_for_sums_messages_and_names(db: Database, lake: LakeReader) -> None:
    ports = explore(db, lake.cursor(), SOUTH, WEEK, "port")
    assert {top.value for top in ports.top} == {"10690000", "10690002", "10690004"}
    assert explore(db, lake.cursor(), SOUTH, replace(WEEK, port="10690001"), "port").now == Sums()
    assert {one.port for one in newest_messages(db, lake.cursor(), SOUTH, WEEK)} == {top.value for top in ports.top}
    assert set(enterprise_names(db, SOUTH)) == {"e-south"}
    with pytest.raises(Forbidden, match="of all ports"):
        told_campaign(lake.cursor(), SOUTH, CAMPAIGN)
    with pytest.raises(Forbidden, match="of all ports"):
        complaints_of(lake.cursor(), SOUTH, "x", NOW - 1, NOW)
    with pytest.raises(Forbidden, match="records belong to no port"):
        explore(db, lake.cursor(), SOUTH, replace(WEEK, source="record"))
    with pytest.raises(Forbidden):
        explore(db, lake.cursor(), User("v", Role.VIEWER), WEEK)


@pytest.mark.parametrize(
    ("filters", "by", "why"),
    [
        (replace(WEEK, since=NOW, until=NOW - DAY_MS), "port", "the period is empty"),
        (replace(WEEK, since=NOW - 400 * DAY_MS), "port", "at most 366 days"),
        (replace(WEEK, since=NOW - 40 * DAY_MS), "content", "at most 31 days"),
        (replace(WEEK, since=NOW - 40 * DAY_MS, link="x.com"), "port", "at most 31 days"),
        (WEEK, "port; DROP TABLE facts", "unknown column"),
        (replace(WEEK, source="x"), "port", "unknown source"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    db: Database, lake: LakeReader, filters: Filters, by: str, why: str
) -> None:
    with pytest.raises(AntispamError, match=why):
        explore(db, lake.cursor(), ANALYST, filters, by)


def test_hostile_values_are_values(db: Database, lake: LakeReader) -> None:
    for name in ("port", "category", "link", "number", "campaign", "content", "enterprise"):
        hostile: dict[str, Any] = {name: "' OR '1'='1"}
        found = explore(db, lake.cursor(), ANALYST, replace(WEEK, **hostile), "port")
        assert found.now == Sums()
        assert found.top == []


@pytest.mark.long
def test_regions_and_carriers_have_the_sums_of_their_recipients(db: Database, lake: LakeReader) -> None:
    """Those of all regions are the sums of the roll-up; a region's messages are found under every other column."""
    rolled = explore(db, lake.cursor(), ANALYST, WEEK, "port").now
    for by in PLACES:
        found = explore(db, lake.cursor(), ANALYST, WEEK, by, first=100)
        assert found.now == rolled
        for top in found.top:
            of_place = replace(WEEK, carrier=top.value) if by == "carrier" else replace(WEEK, region=top.value)
            for other in ("port", "kind", "link", *PLACES):
                assert explore(db, lake.cursor(), ANALYST, of_place, other).now == top.now, (by, other)
            assert newest_messages(db, lake.cursor(), ANALYST, of_place)
    regions = {top.value: top.now.messages for top in explore(db, lake.cursor(), ANALYST, WEEK, "region").top}
    assert regions == {"北京": 60, "上海": 60, "辽宁": 60}


@pytest.mark.long
def test_exceptions_of_older_versions_count_under_their_carrier(
    db: Database, lake: LakeReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their rows have neither carrier nor region."""
    for name in ("carriers", "regions"):
        known = getattr(tables, name)
        monkeypatch.setattr(tables, name, lambda numbers, known=known: known(numbers) if len(numbers) > 1 else [None])
    older = Settings(data_dir=tmp_path)
    fill_lake(older, NOW)
    cursor = LakeReader(older).cursor()
    assert cursor.execute("SELECT count(*) FROM decisions WHERE exceptions[1].carrier IS NOT NULL").fetchone() == (0,)
    for by in PLACES:
        assert explore(db, cursor, ANALYST, WEEK, by).top == explore(db, lake.cursor(), ANALYST, WEEK, by).top
    of_region = replace(WEEK, region="北京")
    assert explore(db, cursor, ANALYST, of_region) == explore(db, lake.cursor(), ANALYST, of_region)


def test_a_decision_whose_submission_is_not_in_the_lake_has_no_recipients(
    db: Database, lake: LakeReader, settings: Settings
) -> None:
    """The sink may write a decision before its submission. No sum goes below zero then."""
    whole = explore(db, lake.cursor(), ANALYST, WEEK, "region").now
    cursor = lake.cursor()
    cursor.execute("CREATE TEMP TABLE submissions AS FROM memory.submissions WHERE port <> '10690003'")
    for filters in (WEEK, replace(WEEK, region="北京"), replace(WEEK, number=number(settings), region="北京")):
        for by in PLACES:
            found = explore(db, cursor, ANALYST, filters, by)
            assert 0 < found.now.messages < whole.messages
            for sums in (found.now, *(top.now for top in found.top), *(sums for _, sums in found.course)):
                assert min(astuple(sums)) >= 0, (by, sums)
                assert sum(astuple(sums)[1:]) == sums.messages


def test_a_number_with_more_messages_than_are_named_is_found_by_day(
    db: Database, lake: LakeReader, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_number = replace(WEEK, number=number(settings))
    named = explore(db, lake.cursor(), ANALYST, of_number)
    monkeypatch.setattr(found_module, "MOST_OFFSETS", 1)
    assert explore(db, lake.cursor(), ANALYST, of_number) == named


def test_a_number_with_a_region_counts_once(db: Database, lake: LakeReader, settings: Settings) -> None:
    of_number = replace(WEEK, number=number(settings))
    alone = explore(db, lake.cursor(), ANALYST, of_number, "port")
    assert explore(db, lake.cursor(), ANALYST, replace(of_number, region="北京"), "port").now == alone.now
    assert explore(db, lake.cursor(), ANALYST, replace(of_number, region="上海"), "port").now == Sums()
    assert explore(db, lake.cursor(), ANALYST, replace(WEEK, number="no hash"), "port").now == Sums()


def test_records_have_no_region(db: Database, lake: LakeReader) -> None:
    with pytest.raises(AntispamError, match="records have neither"):
        explore(db, lake.cursor(), ANALYST, replace(WEEK, source="record"), "region")
