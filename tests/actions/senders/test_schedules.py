"""Whatever happens to links, at every point of the window: the sender goes on, nothing is lost or out of order."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from pipeline.actions.senders.job import Job
from pipeline.actions.senders.links import link as link_module
from pipeline.actions.senders.part import MOST_SUBMITS
from pipeline.process.backoff import Backoff
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.examples import examples
from tests.harness.sender_harness import PORT, SECRET, Sending, numbers, outbound, sending
from tests.harness.servers.scripted_gateway import ScriptedGateway, Submitted

pytestmark = pytest.mark.long

_name = count()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())
    monkeypatch.setattr(link_module, "RECONNECTION", Backoff(0.01, 0.02))
    monkeypatch.setattr(link_module, "THROTTLING", Backoff(0.002, 0.01))
    monkeypatch.setattr(link_module, "DRAIN", 0.5)


@dataclass(frozen=True)
class Case:
    """`messages`: (recipient, parts) in order; `faults`: what becomes of the first SUBMITs, the others are answered."""

    messages: tuple[tuple[int, int], ...]
    faults: tuple[str, ...]
    links: int
    window: int


# "late" answers come in another order; "end": the link ends and this SUBMIT is not answered; "answer, end": it is.
FAULTS = ("answer", "late", "later", "end", "answer, end", "throttle", "refuse", "terminate", "rebalance")
cases = st.builds(
    Case,
    messages=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=8).map(tuple),
    faults=st.lists(st.sampled_from(FAULTS), max_size=30).map(tuple),
    links=st.integers(1, 3),
    window=st.integers(1, 5),
)


def act(gateway: ScriptedGateway, s: Submitted, fault: str) -> None:
    match fault:
        case "answer":
            s.answer()
        case "late":
            gateway.later(0.006, s.answer)
        case "later":
            gateway.later(0.015, s.answer)
        case "end":
            s.link.end()
        case "answer, end":
            s.answer()
            s.link.end()
        case "throttle":
            s.answer(8)
        case "refuse":
            s.answer(9)
        case "terminate":
            s.link.terminate()
            gateway.later(0.004, s.answer)


async def play(db: Database, case: Case) -> list[Submitted]:
    """Send the case's messages; returns every SUBMIT once all messages are at their end."""
    with db.write() as connection:
        connection.execute(delete(schema.deliveries))
    # The text tells the message: its n-th sign, as often as it takes for its parts.
    records = [
        outbound(f"m{i}-{next(_name)}", numbers(1, to), chr(0x4E00 + i) * (67 * parts if parts > 1 else 1))
        for i, (to, parts) in enumerate(case.messages)
    ]
    live: list[Job] = []

    def script(s: Submitted) -> None:
        fault = case.faults[s.index] if s.index < len(case.faults) else "answer"
        if fault == "rebalance":  # the partition of a record goes and comes back: it is read again
            job = live.pop(0)
            running.agent.drop({job})
            live.append(Job(job.outbound, PORT, running.channel))
            running.agent.add(live[-1], 0)
            fault = "late"
        act(gateway, s, fault)

    running: Sending
    gateway = ScriptedGateway(script)
    async with gateway, sending(db, gateway, links=case.links, window=case.window, tries=3) as sender:
        running = sender
        live += [Job(record, PORT, running.channel) for record in records]
        for job in live:
            running.agent.add(job, 0)
        await running.until(lambda: all(job.open == 0 for job in live) and running.agent.at_risk == 0)
        for link in running.agent.links:
            assert (link._reserved, len(link._queue), len(link._waiting)) == (0, 0, 0)
    return gateway.submits


def message_of(s: Submitted) -> int:
    return ord(s.pdu.content[-2:].decode("utf-16-be")) - 0x4E00


def check(db: Database, case: Case, submits: Sequence[Submitted]) -> None:
    by_part: dict[tuple[int, int], list[Submitted]] = defaultdict(list)
    for s in submits:
        by_part[message_of(s), s.pdu.pk_number].append(s)
    for tried in by_part.values():
        for s in tried[:-1]:
            assert not {0, 9} & set(s.results), "sent again although it was answered"
    with db.read() as connection:
        rows = connection.execute(select(schema.deliveries)).all()
    assert len(rows) == sum(parts for _, parts in case.messages), "a row for each part"
    in_doubt = 0
    for row in rows:
        message = int(row.submission.partition("-")[0][1:])
        tried = by_part.get((message, row.part), [])
        last = tried[-1].results if tried else []
        if row.state == "submitted":
            assert last == [0]
        elif row.state == "maybe_sent":
            in_doubt += 1
            assert len(tried) == MOST_SUBMITS or any(
                9 in s.results for (m, _), others in by_part.items() if m == message for s in others
            ), "in doubt only after the most SUBMITs, or behind a part that was refused"
        else:
            assert row.state == "refused"
    if not {"end", "answer, end", "rebalance"} & set(case.faults):
        assert in_doubt == 0
    # One message of a recipient is under way at a time, in the order given.
    for to in {recipient for recipient, _ in case.messages}:
        order = [message_of(s) for s in submits if s.recipient == numbers(1, to)[0]]
        if "rebalance" not in case.faults:
            assert order == sorted(order)
        assert Counter(order).keys() <= {i for i, (recipient, _) in enumerate(case.messages) if recipient == to}


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(case=cases)
@example(Case(((0, 4), (1, 4), (2, 4)), ("late", "late", "late", "end"), links=2, window=3))
def test_any_schedule_of_answers_and_lost_links(operational_db: Database, case: Case) -> None:
    check(operational_db, case, asyncio.run(play(operational_db, case)))


@pytest.mark.parametrize("fault", ["end", "answer, end", "terminate"])
def test_a_link_lost_at_every_point_of_the_window(operational_db: Database, fault: str) -> None:
    messages = ((0, 3), (1, 3), (0, 2), (2, 4))
    for point in range(12):
        case = Case(messages, ("late",) * point + (fault,), links=2, window=4)
        submits = asyncio.run(play(operational_db, case))
        check(operational_db, case, submits)
        if fault == "terminate":
            assert len(submits) == 12, "what was due was read: nothing was in doubt, nothing went twice"


def test_a_part_on_which_the_carrier_closes_has_an_end_and_costs_each_other_one_repeat(
    operational_db: Database,
) -> None:
    poison = numbers(20)[7]

    async def run() -> None:
        def script(s: Submitted) -> None:
            if s.recipient == poison:
                s.link.end()
            else:
                gateway.later(0.003, s.answer)

        gateway = ScriptedGateway(script)
        async with gateway, sending(operational_db, gateway, links=2, window=8, tries=1) as running:
            running.add(outbound("s", numbers(20)))
            await running.until(lambda: len(running.done) == 1)
        sent = Counter(s.recipient for s in gateway.submits)
        assert sent.pop(poison) == MOST_SUBMITS
        assert sent.keys() == set(numbers(20)) - {poison}
        assert max(sent.values()) <= 2

    asyncio.run(run())


def test_a_part_on_which_the_carrier_closes_does_not_hold_up_the_others_of_its_link(operational_db: Database) -> None:
    poison = numbers(40)[1]

    async def run() -> None:
        def script(s: Submitted) -> None:
            if s.recipient == poison:
                s.link.end()
            else:
                gateway.later(0.002, s.answer)

        gateway = ScriptedGateway(script)
        async with gateway, sending(operational_db, gateway, links=1, window=4, tries=1) as running:
            running.add(outbound("s", numbers(40)))
            await running.until(lambda: len(running.done) == 1)
        order = [s.recipient for s in gateway.submits]
        last = max(i for i, recipient in enumerate(order) if recipient != poison)
        assert order[:last].count(poison) < MOST_SUBMITS - 1

    asyncio.run(run())


def test_a_part_left_unanswered_is_alone_no_more(operational_db: Database) -> None:
    """It was in doubt when a link was lost, but does not end the link it is sent over: the others go on beside it."""
    silent = numbers(40)[1]

    async def run() -> None:
        def script(s: Submitted) -> None:
            if s.recipient != silent:
                gateway.later(0.002, s.answer)
            elif s.index < 4:
                s.link.end()

        gateway = ScriptedGateway(script)
        async with gateway, sending(operational_db, gateway, window=4, tries=3, answer_wait=0.3) as running:
            running.add(outbound("s", numbers(40)), outbound("t", numbers(40, 100)))
            await running.until(lambda: len(running.done) == 2)
        tries = [i for i, s in enumerate(gateway.submits) if s.recipient == silent]
        assert len(tries) == 4
        assert tries[3] > tries[2] + 1, "others went out while an answer to it was due"

    asyncio.run(run())
