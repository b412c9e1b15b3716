"""Reports go from the database to links and their answers back, also when either is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import func, insert, select
from structlog.testing import capture_logs

from pipeline.actions.status.link_deliveries import Answers, Reply, Report, Waiting, Wish, row_of
from pipeline.errors import UnavailableError
from pipeline.ingest.links.account import Account
from pipeline.ingest.links.deliveries import LEASED, Deliveries, DeliveryStore
from pipeline.ingest.links.link import Link
from pipeline.settings import Settings
from pipeline.store import schema
from tests.harness.migrated import migrated_database
from tests.ingest.links.test_account import account
from tests.ingest.links.test_server import REPORT

WISH = Wish("900001", "10690001", "cmpp", 10)


class FakeLink:
    """A link of `room` deliveries at once."""

    protocol, receives = "cmpp", True

    def __init__(self, deliveries: Deliveries, room: int) -> None:
        self._deliveries, self.room = deliveries, room
        self.open: list[int] = []

    @property
    def free(self) -> int:
        return self.room - len(self.open)

    def deliver(self, token: int, content: Report | Reply) -> None:
        self.open.append(token)

    def answer(self, accepted: bool | None = True) -> None:
        """The answer to the first of what is open."""
        self._deliveries.answered(self.open.pop(0), accepted)


class Stage:
    """Deliveries with links and a store in memory, which may be away."""

    def __init__(self) -> None:
        self.away, self.waiting = False, list[Waiting]()
        self.settled: list[Answers] = []
        self.deliveries = Deliveries(self.turn)
        self.links: list[FakeLink] = []

    def turn(self, answers: Answers, wishes: Sequence[Wish], now: int) -> Mapping[Wish, Sequence[Waiting]]:
        if self.away:
            raise UnavailableError("the database is away")
        self.settled.append(answers)
        found = {}
        for wish in wishes:
            found[wish], self.waiting = self.waiting[: wish.room], self.waiting[wish.room :]
        return found

    def logged_in(self) -> list[tuple[Link, Account]]:
        return [(cast(Link, link), account()) for link in self.links]

    def connect(self, room: int) -> FakeLink:
        self.links.append(FakeLink(self.deliveries, room))
        return self.links[-1]

    async def step(self) -> None:
        await self.deliveries.step(self)

    @property
    def accepted(self) -> list[int]:
        return [ident for answers in self.settled for ident in answers.accepted]

    @property
    def unanswered(self) -> list[int]:
        return [ident for answers in self.settled for ident in answers.unanswered]


def play(story: Callable[[Stage], Any]) -> Stage:
    async def main() -> Stage:
        stage = Stage()
        await story(stage)
        return stage

    return asyncio.run(main())


def test_the_store_makes_leases_and_deletes(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    store, db = DeliveryStore(settings), migrated_database(settings)
    assert store.turn(Answers(), [WISH], 1) == {}
    with db.write() as connection:
        connection.execute(insert(schema.link_deliveries), [row_of(REPORT, 1, account="900001", protocol="cmpp")])
    ((waiting,),) = store.turn(Answers(), [WISH], 1).values()
    assert waiting.content == REPORT
    assert store.turn(Answers(), [WISH], 1) == {WISH: []}
    store.turn(Answers(accepted=[waiting.id]), [WISH], 1)
    store.close()
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.link_deliveries)) == 0
    db.close()


def test_answers_wait_while_the_database_is_away_and_it_is_said_once() -> None:
    async def story(stage: Stage) -> None:
        link = stage.connect(5)
        stage.waiting = [Waiting(n, REPORT) for n in range(3)]
        await stage.step()
        assert link.open == [0, 1, 2]
        stage.away = True
        link.answer()
        link.answer(False)
        await stage.step()
        await stage.step()
        stage.away = False
        link.answer(None)
        await stage.step()

    with capture_logs() as logs:
        stage = play(story)
    assert (stage.accepted, stage.unanswered) == ([0], [2])
    assert [ident for answers in stage.settled for ident in answers.refused] == [1]
    assert [line["event"] for line in logs] == ["link_deliveries_not_read"]


def test_each_answer_makes_room_for_the_next_delivery() -> None:
    async def story(stage: Stage) -> None:
        link = stage.connect(2)
        stage.waiting = [Waiting(n, REPORT) for n in range(5)]
        await stage.step()
        for n in range(5):
            assert link.open[0] == n
            link.answer()
        await stage.step()

    assert play(story).accepted == [0, 1, 2, 3, 4]


def test_links_share_what_waits() -> None:
    async def story(stage: Stage) -> None:
        links = [stage.connect(2), stage.connect(3)]
        stage.waiting = [Waiting(n, REPORT) for n in range(9)]
        await stage.step()
        assert [len(link.open) for link in links] == [2, 3]

    play(story)


def test_what_an_account_without_a_link_has_in_memory_is_given_back() -> None:
    async def story(stage: Stage) -> None:
        link = stage.connect(1)
        stage.waiting = [Waiting(n, REPORT) for n in range(3)]
        await stage.step()
        stage.links.clear()
        link.answer(None)
        await stage.step()
        await stage.step()

    assert sorted(play(story).unanswered) == [0, 1, 2]


def test_memory_is_bounded() -> None:
    async def story(stage: Stage) -> None:
        stage.connect(1)
        stage.waiting = [Waiting(n, REPORT) for n in range(3 * LEASED)]
        for _ in range(3):
            await stage.step()
        assert len(stage.waiting) >= 2 * LEASED - 1

    play(story)


@pytest.mark.parametrize("open_", [0, 1])
def test_at_the_end_everything_unanswered_is_given_back(open_: int) -> None:
    async def story(stage: Stage) -> None:
        link = stage.connect(open_)
        stage.waiting = [Waiting(n, REPORT) for n in range(2)]
        await stage.step()
        for _ in range(open_):
            link.answer(None)
        await stage.deliveries.finish()

    assert sorted(play(story).unanswered) == [0, 1]
