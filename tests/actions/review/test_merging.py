"""A campaign that becomes known makes one case of the open ones: nothing is lost, and nothing is decided twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.actions.review import claims, merging
from pipeline.actions.review.case_members import project_members
from pipeline.actions.review.cases import CLOSING, OVERDUE, escalate
from pipeline.actions.review.claims import CaseView
from pipeline.actions.review.merging import merge_campaigns
from pipeline.actions.review.places import UNDO_MS
from pipeline.campaigns.hot import HotCampaigns
from pipeline.campaigns.index import Sending
from pipeline.campaigns.known import KnownCampaigns
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.rules.policies.policy import CampaignFrom
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.text.fingerprint import fingerprint
from tests.harness.carried_out import carried_out
from tests.harness.case_events import CHEN, LIN, NOW, PORT, add_port, member, rows
from tests.harness.examples import examples
from tests.harness.variants import rotating_hosts, rotating_names

pytestmark = pytest.mark.long

SENIOR = User("shu", Role.SENIOR_REVIEWER)


def sent(n: int, text: str, port: str = PORT) -> bytes:
    return member(f"s{n}", fingerprint(text), NOW + n, port=port, content=text, recipients=(f"138{n:08d}",))


def known(texts: Sequence[str]) -> KnownCampaigns:
    """The campaigns of these texts, as the stage publishes them."""
    hot, found, size = HotCampaigns(1000), KnownCampaigns(), CampaignFrom(20, 1)
    hot.take(texts, [Sending(NOW + n, PORT, PORT) for n in range(len(texts))], ["x"] * len(texts), size)
    for campaign in hot.news(NOW, size, {}):
        found.learn(campaign)
    assert len(found) == 1
    return found


def opened(db: Database, texts: Sequence[str], ports: Sequence[str] = (PORT,)) -> None:
    """Project the texts, sent by the ports by turns, before any campaign is known."""
    with db.write() as connection:
        for port in ports:
            add_port(connection, port)
        project_members(connection, NOW, [sent(n, text, ports[n % len(ports)]) for n, text in enumerate(texts)])


def undecided(db: Database) -> list[Any]:
    return [row for row in rows(db, schema.cases) if row.state == "open"]


@pytest.mark.parametrize("text", [rotating_hosts, rotating_names])
@pytest.mark.parametrize("count", [1, 40])
def test_two_thousand_variants_are_a_case_a_port_and_one_key_decides_it(
    operational_db: Database, text: Callable[[int], str], count: int
) -> None:
    ports = [f"1069{n:04d}" for n in range(count)]
    texts = [text(n) for n in range(examples(2000))]
    campaigns = known(texts[: len(texts) // 10])
    fifth = len(texts) // 5
    opened(operational_db, texts[:fifth], ports)  # before the campaign is known
    merge_campaigns(operational_db, NOW, campaigns, NOW)
    with operational_db.write() as connection:
        for first in range(fifth, len(texts), fifth):
            given = [sent(n, texts[n], ports[n % count]) for n in range(first, first + fifth)]
            project_members(connection, NOW, given, campaigns)
    cases = undecided(operational_db)
    assert sorted((case.port, case.messages) for case in cases) == [(port, len(texts) // count) for port in ports]
    verdicts = {case.id: "release" if n % 2 == 0 else "reject" for n, case in enumerate(cases)}
    for view in claims.claim(operational_db, LIN, NOW, count):
        claims.decide(operational_db, LIN, view.id, verdicts[view.id], "", NOW, view.last_member)
    left = carried_out(operational_db, NOW + UNDO_MS)
    members = rows(operational_db, schema.case_members)
    assert sorted(left) == sorted(row.submission for row in members if verdicts[row.case] == "release")
    statuses = {row.id: row.verdict for row in rows(operational_db, schema.submissions)}
    assert statuses == {row.submission: verdicts[row.case] for row in members}
    assert len(members) == len(texts)


def test_of_500_open_cases_one_remains_with_every_member_once(any_db: Database) -> None:
    texts = [rotating_hosts(n) for n in range(500)]
    opened(any_db, texts)
    campaigns = known(texts[:50])
    before = undecided(any_db)
    assert len(before) == 500
    assert merge_campaigns(any_db, NOW, campaigns, NOW) == 499
    assert merge_campaigns(any_db, NOW, campaigns, NOW) == 0
    (case,) = undecided(any_db)
    assert (case.id, case.submissions, case.messages, case.last_member) == (before[0].id, 500, 500, 500)
    members = rows(any_db, schema.case_members)
    assert {row.submission for row in members} == {f"s{n}" for n in range(500)}
    assert {row.case for row in members} == {case.id}
    assert sorted(row.number for row in members) == list(range(1, 501))
    assert {row.subject for row in rows(any_db, schema.timers)} == {case.id}
    (view,) = claims.claim(any_db, LIN, NOW)
    claims.decide(any_db, LIN, view.id, "release", "", NOW, view.last_member)
    assert sorted(carried_out(any_db, NOW + UNDO_MS)) == sorted(f"s{n}" for n in range(500))
    with any_db.read() as connection:
        assert audit.first_broken(connection) is None
    merges = [row for row in rows(any_db, schema.audit) if row.action == "case.merge"]
    assert {one for row in merges for one in row.after["cases"]} == {row.id for row in before} - {case.id}


def test_a_merge_that_was_killed_half_way_goes_on(any_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [rotating_hosts(n) for n in range(30)]
    opened(any_db, texts, ("10690001", "10690002", "10690003"))
    campaigns = known(texts)
    real, calls = merging.merge, []

    def killed(*given: Any) -> int:
        calls.append(real(*given))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(merging, "merge", killed)
    with pytest.raises(KeyboardInterrupt):
        merge_campaigns(any_db, NOW, campaigns, NOW)
    assert len(undecided(any_db)) == 21  # the second port's transaction was rolled back
    monkeypatch.setattr(merging, "merge", real)
    merge_campaigns(any_db, NOW, campaigns, NOW)
    assert sorted((case.port, case.submissions) for case in undecided(any_db)) == [
        ("10690001", 10),
        ("10690002", 10),
        ("10690003", 10),
    ]


def two_of(db: Database) -> tuple[CaseView, CaseView, KnownCampaigns]:
    """Two open cases of one campaign, one in Lin's hand and one in Chen's."""
    texts = [rotating_hosts(n) for n in range(20)]
    opened(db, texts[:2])
    (first,), (second,) = claims.claim(db, LIN, NOW, 1), claims.claim(db, CHEN, NOW, 1)
    return first, second, known(texts)


def test_the_holder_keeps_the_case_and_releases_nothing_unseen(any_db: Database) -> None:
    first, second, campaigns = two_of(any_db)
    merge_campaigns(any_db, NOW, campaigns, NOW)
    with pytest.raises(AntispamError, match=f"messages are in case {first.id} now"):
        claims.decide(any_db, CHEN, second.id, "release", "", NOW, second.last_member)
    with pytest.raises(AntispamError, match="grown by 1 messages"):
        claims.decide(any_db, LIN, first.id, "release", "", NOW, first.last_member)
    (now_seen,) = claims.claim(any_db, LIN, NOW)
    assert (now_seen.id, now_seen.messages, now_seen.samples) == (first.id, 2, (second.content,))
    claims.decide(any_db, LIN, first.id, "release", "", NOW, now_seen.last_member)


def test_the_lease_of_a_younger_case_goes_with_it(any_db: Database) -> None:
    first, _, campaigns = two_of(any_db)
    claims.give_back(any_db, LIN, [first.id], NOW)
    merge_campaigns(any_db, NOW, campaigns, NOW)
    assert [view.id for view in claims.claim(any_db, CHEN, NOW)] == [first.id]
    assert claims.claim(any_db, LIN, NOW) == []


def test_an_escalation_and_the_earliest_times_are_kept(any_db: Database) -> None:
    first, second, campaigns = two_of(any_db)
    with any_db.write() as connection:
        late = schema.timers.update().where(schema.timers.c.subject == first.id)
        connection.execute(late.values(due_at=first.due_at + DAY_MS))
        connection.execute(schema.cases.update().where(schema.cases.c.id == second.id).values(due_at=NOW, priority=1))
    assert escalate(any_db, second.due_at, 10) == 1
    merge_campaigns(any_db, NOW, campaigns, NOW)
    (case,) = undecided(any_db)
    assert (case.id, case.due_at, case.priority, case.escalated_at) == (first.id, NOW, 1, second.due_at)
    assert case.claimed_by is None  # Lin has no right to escalated cases
    timers = {row.kind: row.due_at for row in rows(any_db, schema.timers)}
    assert timers.keys() == {CLOSING.value}
    assert timers[CLOSING] < first.due_at + DAY_MS
    assert claims.claim(any_db, LIN, NOW) == []
    assert [view.id for view in claims.claim(any_db, SENIOR, NOW)] == [first.id]
    assert OVERDUE not in timers


def test_reviewers_decide_while_the_cases_merge(any_db: Database) -> None:
    texts = [rotating_hosts(n) for n in range(60)]
    opened(any_db, texts)
    campaigns = known(texts)
    hands = {user.name: claims.claim(any_db, user, NOW, 20) for user in (LIN, CHEN)}

    refused: list[str] = []

    def decide(user: User) -> list[str]:
        done = []
        for view in hands[user.name]:
            try:
                claims.decide(any_db, user, view.id, "reject", "", NOW, view.last_member)
                done.append(view.id)
            except AntispamError as error:
                refused.append(str(error))
        return done

    with ThreadPoolExecutor(4) as threads:
        decided = [threads.submit(decide, user) for user in (LIN, CHEN)]
        merges = [threads.submit(merge_campaigns, any_db, NOW, campaigns, NOW) for _ in range(2)]
        done = [case for one in decided for case in one.result(60)]
        for one in merges:
            one.result(60)
    assert all("are in case" in cause or "has it now" in cause for cause in refused)
    merge_campaigns(any_db, NOW, campaigns, NOW)
    cases = {row.id: row for row in rows(any_db, schema.cases)}
    members = rows(any_db, schema.case_members)
    assert sorted(row.submission for row in members) == sorted(f"s{n}" for n in range(60))
    assert {row.id for row in cases.values() if row.state == "decided"} == set(done)
    assert sum(row.state == "open" for row in cases.values()) <= 1
    for case in cases.values():
        if case.state != "merged":
            assert case.submissions == sum(row.case == case.id for row in members)
    with any_db.read() as connection:
        said = connection.scalars(select(schema.audit.c.subject).where(schema.audit.c.action == "case.decide")).all()
    assert sorted(said) == sorted(f"case/{case}" for case in done)
