"""The projector of cases merges open cases when the topic tells it a campaign, and knows it again after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from pipeline import topics
from pipeline.actions.review.case_members import project_members
from pipeline.campaigns.hot import HotCampaigns
from pipeline.campaigns.index import Sending
from pipeline.events import Campaign, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import send, writer
from pipeline.rules.policies.policy import CampaignFrom
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from pipeline.stream.campaign_cases import CampaignCases
from tests.harness.case_events import NOW, PORT, member, rows
from tests.harness.migrated import migrated_database

TEXTS = [
    f"【招行】尊敬的客户，您的{n}积分今日到期，请登录 http://m{host}.top/j 兑换现金礼品"
    for n, host in enumerate("abcdef")
]


@pytest.fixture
def deployed(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> Iterator[tuple[Settings, Database]]:
    settings = Settings(kafka=fresh_embedded.bootstrap, data_dir=tmp_path / "data", partitions=2)
    ensure_topics(fresh_embedded.bootstrap, settings)
    db = migrated_database(settings)
    yield settings, db
    db.close()


def campaign() -> Campaign:
    hot, size = HotCampaigns(100), CampaignFrom(2, 1)
    hot.take(TEXTS[:3], [Sending(NOW, PORT, PORT)] * 3, ["x"] * 3, size)
    (told,) = hot.news(NOW, size, {})
    return told


def arrive(db: Database, cases: CampaignCases, first: int, end: int) -> None:
    with db.write() as connection:
        given = [member(f"s{n}", f"f{n}", NOW + n, content=TEXTS[n]) for n in range(first, end)]
        project_members(connection, NOW, given, cases.known)


def figures(db: Database) -> list[tuple[str, int]]:
    return sorted((row.campaign, row.submissions) for row in rows(db, schema.cases) if row.state == "open")


def test_what_is_open_merges_and_what_comes_later_joins(deployed: tuple[Settings, Database]) -> None:
    settings, db = deployed
    cases = CampaignCases(settings, lambda: NOW / 1000)
    arrive(db, cases, 0, 3)
    cases.step()
    assert figures(db) == [("", 1)] * 3
    told = campaign()
    send(writer(settings), [(topics.CAMPAIGNS.name, told.id, encode(told))])
    deadline = monotonic() + 60
    while len(figures(db)) > 1:
        cases.step()
        assert monotonic() < deadline
    assert figures(db) == [(told.id, 3)]
    arrive(db, cases, 3, 4)
    assert figures(db) == [(told.id, 4)]
    cases.close()


def test_a_process_that_was_killed_before_the_merge_does_it_at_its_start(deployed: tuple[Settings, Database]) -> None:
    settings, db = deployed
    with db.write() as connection:
        project_members(connection, NOW, [member(f"s{n}", f"f{n}", NOW, content=TEXTS[n]) for n in range(3)])
    told = campaign()
    send(writer(settings), [(topics.CAMPAIGNS.name, told.id, encode(told))])
    cases = CampaignCases(settings, lambda: NOW / 1000)
    cases.step()
    assert figures(db) == [(told.id, 3)]
    cases.close()
