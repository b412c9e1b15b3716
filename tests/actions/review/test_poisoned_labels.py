"""Labels from the field: no port and no reviewer counts for more than its share, and complaints need several people."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update

from pipeline.actions.review.labels import PORT_MOST, REVIEWER_MOST, labels, shared_out
from pipeline.models import train
from pipeline.models.evaluate import Sample
from pipeline.store import schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.console_data import open_cases, register_ports
from tests.harness.small_trainings import small_trainings  # noqa: F401 - a fixture of every training here

NOW = 1_790_000_000_000
CHIEF = User("chief", Role.ADMINISTRATOR)
PORT = "10690001"
TEXT = "一条短信"


def complaint(n: int, recipient: str) -> dict[str, object]:
    """A complaint about TEXT whose message was found."""
    row = {"id": f"c{n}", "port": PORT, "recipient": recipient, "content": TEXT, "found": "matched"}
    return row | {"complained_at": NOW}


def sample(text: str, label: str = "ham", source: str = "reviews") -> Sample:
    return Sample(text=text, label=label, source=source)  # type: ignore[arg-type]


def test_a_thousand_texts_of_one_port_count_for_few_and_those_of_others_for_all() -> None:
    samples = [sample(f"text {n}") for n in range(1001)]
    told = shared_out(samples, [(PORT, f"reviewer {n % 50}") for n in range(1000)] + [("10690002", "lin")])
    assert sum(each.weight for each in told[:1000]) == pytest.approx(PORT_MOST)
    assert told[1000].weight == 1


def test_a_reviewer_of_many_ports_counts_for_no_more_than_a_share() -> None:
    samples = [sample(f"text {n}") for n in range(2000)]
    told = shared_out(samples, [(f"1069{n:04}", "bought") for n in range(2000)])
    assert sum(each.weight for each in told) == pytest.approx(REVIEWER_MOST)


@pytest.mark.parametrize(("people", "found"), [(2, 0), (3, 1)])
def test_a_text_is_spam_when_several_recipients_complain(operational_db: Database, people: int, found: int) -> None:
    register_ports(operational_db, NOW)
    with operational_db.write() as connection:
        connection.execute(update(schema.ports).values(kind="notice"))
        for n in range(4):  # the same recipient again is no other one
            connection.execute(insert(schema.complaints).values(complaint(n, f"1380000000{min(n, people - 1)}")))
    told = labels(operational_db, CHIEF, 0, NOW)
    assert [(each.label, each.source, each.weight) for each in told] == [("spam", "complaints", 0.5)] * found


def test_complaints_teach_only_about_messages_that_were_found_and_nobody_judged(any_db: Database) -> None:
    register_ports(any_db, NOW)
    [case] = open_cases(any_db, NOW, 1)
    old = {"state": "effective", "verdict": "release", "decided_by": "lin", "decided_at": 5, "effective_at": 6}
    cases, complaints = schema.cases, schema.complaints
    with any_db.write() as connection:
        connection.execute(update(schema.ports).values(kind="notice"))
        connection.execute(insert(complaints), [complaint(n, f"1380000000{n}") for n in range(3)])
    assert len(labels(any_db, CHIEF, 10, NOW)) == 1
    with any_db.write() as connection:
        connection.execute(update(complaints).where(complaints.c.id == "c0").values(found="unmatched"))
    assert labels(any_db, CHIEF, 10, NOW) == [], "one of the three is about no message"
    with any_db.write() as connection:
        connection.execute(update(complaints).values(found="matched"))
        connection.execute(update(cases).where(cases.c.id == case).values(content=TEXT, **old))
    assert labels(any_db, CHIEF, 10, NOW) == [], "a person released the text before the time asked for"
    with any_db.write() as connection:
        connection.execute(update(cases).where(cases.c.id == case).values(overturned=True))
    assert len(labels(any_db, CHIEF, 10, NOW)) == 1, "that verdict is no longer in effect"


@pytest.mark.slow
@pytest.mark.parametrize(("each", "ports"), [(100, 1), (200, 2000)], ids=["one port", "a port for each release"])
def test_a_bought_reviewer_hardly_moves_a_threshold_and_the_bait_stays_spam(each: int, ports: int) -> None:
    words = "甲乙丙丁戊己庚辛壬癸"
    public = [
        Sample(text=text.format(words[n % 10] * (1 + n // 10)), label=label, lang="zh", source="own", cluster_id=n)  # type: ignore[arg-type]
        for label, texts in (
            ("spam", ("百家乐首存送彩金{}", "无抵押贷款当天放款{}", "代开发票增值税{}")),
            ("ham", ("明天几点开会{}", "我到家了晚安{}", "会议室在三楼{}")),
        )
        for text in texts
        for n in range(each)
    ]
    bait = "百家乐首存送彩金甲甲"
    released = [sample(one.text) for one in public[:100] * 20]  # the baits themselves
    attack = shared_out(released, [(f"1069{n % ports:04}", "bought") for n in range(2000)])
    honest, _ = train.learn(public)
    attacked, _ = train.learn([*public, *attack])
    moved = abs(honest.card.thresholds["zh"].reject - attacked.card.thresholds["zh"].reject)
    assert moved <= 0.05
    [found] = attacked.classify([bait])
    assert found.score >= found.thresholds.reject
