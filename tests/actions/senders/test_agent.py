"""What a sender promises: nothing lost, little repeated, nothing sent that must not be, whatever the carrier does."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from time import time

import pytest
from sqlalchemy import insert, select, update

from pipeline.actions.senders.gate import Gate
from pipeline.actions.senders.job import Job
from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.simulators.carrier import Simulator
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import (
    PORT,
    SECRET,
    add_port,
    carrier,
    now_ms,
    numbers,
    outbound,
    sending,
    states,
)
from tests.harness.servers.wire import Wire


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())


def received(simulator: Simulator) -> Counter[str]:
    """SUBMITs the carrier took or may have taken, by recipient."""
    return Counter(seen.recipient for seen in simulator.seen if seen.result != 8)


def test_every_message_is_sent_reported_and_published(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(report_fail=0.3, seed=1) as simulator, sending(operational_db, simulator) as s:
            s.add(*(outbound(f"s-{i}", numbers(10, i * 10)) for i in range(20)))
            await s.until(
                lambda: (
                    len(s.published) == 200 and simulator.counts["reports_acknowledged"] == 200 and len(s.done) == 20
                )
            )
            assert received(simulator) == Counter(numbers(200))
            assert len(s.done) == 20
            counts = states(operational_db)
            assert counts == {"delivered": simulator.counts["DELIVRD"], "failed": simulator.counts["UNDELIV"]}
            assert counts["failed"] > 30
            names = {seen.msg_id for seen in simulator.seen}
            assert {report.carrier_id for report in s.published} == names
            assert {report.id for report in s.published} == {f"s-{i}/{n}" for i in range(20) for n in range(1, 11)}
            assert {report.port for report in s.published} == {PORT}

    asyncio.run(run())


def test_long_messages_come_together_each_on_one_link_in_order(operational_db: Database) -> None:
    text = "【测试】" + "长短信😀内容" * 40

    async def run() -> None:
        async with carrier() as simulator, sending(operational_db, simulator, links=3, window=4) as s:
            s.add(*(outbound(f"s-{i}", numbers(4, i * 4), text) for i in range(5)))
            await s.until(lambda: len(s.done) == 5)
            assert list(simulator.messages().values()) == [text] * 20
            links, order = defaultdict(set), defaultdict(list)
            for seen in simulator.seen:
                links[seen.recipient].add(seen.link)
                order[seen.recipient].append(seen.part)
            assert all(len(used) == 1 for used in links.values())
            assert all(parts == sorted(parts) for parts in order.values())
            assert len({seen.link for seen in simulator.seen}) == 3

    asyncio.run(run())


@pytest.mark.long
def test_a_throttled_link_pauses_and_loses_nothing(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(rate=60.0) as simulator, sending(operational_db, simulator) as s:
            s.add(outbound("s", numbers(90)))
            await s.until(lambda: len(s.done) == 1)
            assert received(simulator) == Counter(numbers(90))
            assert 0 < simulator.counts["throttled"] < 600  # without pauses, tens of thousands
            assert states(operational_db)["submitted"] + states(operational_db)["delivered"] == 90

    asyncio.run(run())


@pytest.mark.long
def test_silence_and_lost_connections_repeat_only_what_was_in_doubt(operational_db: Database) -> None:
    async def run() -> None:
        async with (
            carrier(drop=0.02, disconnect=0.01, seed=3) as simulator,
            sending(operational_db, simulator, links=2, answer_wait=0.3, tries=5) as s,
        ):
            s.add(outbound("s", numbers(400)))
            await s.until(lambda: len(s.done) == 1)
            sent = received(simulator)
            assert set(sent) == set(numbers(400))
            # Each unanswered SUBMIT is repeated once, a lost connection at most its window.
            unanswered = sum(seen.result is None for seen in simulator.seen)
            lost = simulator.counts["logins"] - 2
            assert sent.total() - 400 <= unanswered + 16 * lost
            assert states(operational_db)["maybe_sent"] == 0

    asyncio.run(run())


def test_without_resending_what_is_in_doubt_waits_for_its_report(operational_db: Database) -> None:
    async def run() -> None:
        async with (
            carrier(delay=30.0) as simulator,
            sending(operational_db, simulator, answer_wait=0.2, tries=1, resend=False) as s,
        ):
            s.add(outbound("s", numbers(10)))
            await s.until(lambda: len(s.done) == 1)
            assert received(simulator) == Counter(numbers(10))
            assert states(operational_db) == {"maybe_sent": 10}

    asyncio.run(run())


@pytest.mark.long
def test_a_report_that_overtakes_its_answer_is_parked_and_found(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(report_first=1.0, delay=0.3) as simulator, sending(operational_db, simulator) as s:
            s.add(outbound("s", numbers(30)))
            await s.until(lambda: len(s.published) == 30)
            assert states(operational_db) == {"delivered": 30}

            def parked() -> int:
                with operational_db.read() as connection:
                    return len(connection.execute(select(schema.parked_reports)).all())

            await s.until(lambda: parked() == 0)

    asyncio.run(run())


def test_a_report_settles_a_part_in_doubt(operational_db: Database) -> None:
    async def run() -> None:
        async with (
            carrier(reports=False, delay=30.0) as simulator,
            sending(operational_db, simulator, answer_wait=0.2, tries=1, resend=False) as s,
        ):
            s.add(outbound("s", numbers(3)))
            await s.until(lambda: states(operational_db) == {"maybe_sent": 3})
            link = next(iter(simulator._links.values()))
            for seen in list(simulator.seen):
                body = cmpp.StatusReport(
                    msg_id=int(seen.msg_id, 16), stat="DELIVRD", submit_time="", done_time="", recipient=seen.recipient
                )
                deliver = cmpp.Deliver(
                    sequence=0,
                    msg_id=1,
                    dest_id=seen.source,
                    msg_fmt=0,
                    src_terminal_id=seen.recipient,
                    registered_delivery=1,
                    content=cmpp.encode_report(body, CMPP3),
                )
                simulator._report(link, deliver)
            await s.until(lambda: states(operational_db) == {"delivered": 3})

    asyncio.run(run())


def test_refusals_are_final_and_say_why(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(refuse=1.0) as simulator, sending(operational_db, simulator) as s:
            s.add(outbound("s", numbers(3), "长" * 200))
            await s.until(lambda: len(s.done) == 1)
            assert states(operational_db) == {"refused": 9}
            with operational_db.read() as connection:
                words = {row.status for row in connection.execute(select(schema.deliveries.c.status))}
            assert "result 9" in words
            assert simulator.counts["submits"] <= 9

    asyncio.run(run())


def test_expired_messages_are_never_sent(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier() as simulator, sending(operational_db, simulator) as s:
            s.add(outbound("old", numbers(5), valid_until=now_ms() - 1), outbound("new", numbers(5, 5)))
            await s.until(lambda: len(s.done) == 2)
            assert received(simulator) == Counter(numbers(5, 5))
            await s.until(lambda: states(operational_db) == {"expired": 5, "delivered": 5})

    asyncio.run(run())


@pytest.mark.long
def test_no_submit_starts_later_than_a_second_after_a_suspension(operational_db: Database) -> None:
    add_port(operational_db)

    async def run() -> None:
        async with carrier(reports=False) as simulator, sending(operational_db, simulator, rate=1000.0) as s:
            s.add(outbound("s", numbers(5000)))
            await s.until(lambda: simulator.counts["submits"] > 1500)

            def suspend(db: Database) -> float:
                with db.write() as connection:
                    connection.execute(
                        update(schema.ports).where(schema.ports.c.code == PORT).values(state="suspended")
                    )
                return time()

            committed = await s.database.run(suspend)
            before = simulator.counts["submits"]
            await s.until(lambda: len(s.done) == 1)
            late = [seen.at - committed for seen in simulator.seen if seen.at > committed]
            print(f"after the commit: {len(late)} SUBMITs, the last {max(late, default=0):.3f} s later")
            assert max(late, default=0.0) < 1.0
            assert before < 5000
            counts = states(operational_db)
            assert counts["stopped"] == 5000 - simulator.counts["submits"]
            assert counts["submitted"] == simulator.counts["submits"]

    asyncio.run(run())


def test_nothing_is_sent_while_the_ports_states_are_unknown(
    operational_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with carrier() as simulator, sending(operational_db, simulator) as s:
            await s.until(lambda: s.agent.links[0].connected)
            s.add(outbound("s", numbers(3)))
            await s.until(lambda: s.agent.at_risk == 3)
            await asyncio.sleep(0.3)  # long enough for a SUBMIT that should not be
            assert simulator.counts["submits"] == 0
            monkeypatch.setattr(Gate, "look", look)
            await s.until(lambda: len(s.done) == 1)

    look = Gate.look
    monkeypatch.setattr(Gate, "look", lambda self: None)  # as if the database did not answer
    asyncio.run(run())


@pytest.mark.long
def test_express_goes_before_bulk_and_order_is_kept_to_a_recipient(operational_db: Database) -> None:
    recipient = numbers(1)

    async def run() -> None:
        async with carrier() as simulator, sending(operational_db, simulator, links=4, rate=200.0) as s:
            s.add(outbound("bulk", numbers(600, 100)), lane=1)
            await s.until(lambda: simulator.counts["submits"] > 20)
            s.add(*(outbound(f"e-{i}", recipient, f"第{i}条") for i in range(8)))
            await s.until(lambda: len(s.done) == 9)
            texts = [seen.text for seen in simulator.seen if seen.recipient == recipient[0]]
            assert texts == [f"第{i}条" for i in range(8)]
            last = max(i for i, seen in enumerate(simulator.seen) if seen.recipient == recipient[0])
            assert last < 550

    asyncio.run(run())


def test_a_second_copy_of_a_submission_changes_nothing(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(reports=False) as simulator, sending(operational_db, simulator) as s:
            record = outbound("s", numbers(50), "两段" * 40)
            s.add(record, record)
            await s.until(lambda: len(s.done) == 2)
            s.add(record)
            await s.until(lambda: len(s.done) == 3)
            assert received(simulator) == Counter(dict.fromkeys(numbers(50), 2))  # two parts each

    asyncio.run(run())


def test_stopped_while_the_link_is_down_nothing_counts_as_sent(operational_db: Database) -> None:
    """What is not finished is not committed: the next sender reads the record again and sends all of it."""
    record = outbound("s", numbers(6))

    async def stopped() -> None:
        async with carrier(delay=60) as simulator, sending(operational_db, simulator, window=2) as s:
            job = Job(record, PORT, s.channel)
            s.agent.add(job, 0)
            s.add(outbound("t", numbers(2)))  # behind it: same recipients
            await s.until(lambda: simulator.counts["submits"] == 2)
            s.agent.stop()
            await simulator.__aexit__()
            await s.until(lambda: s.agent.at_risk == 0)
            s.agent.drop({job})
            assert (job.open, s.done) == (6, [])

    async def again() -> None:
        async with carrier(reports=False) as simulator, sending(operational_db, simulator) as s:
            s.add(record)
            await s.until(lambda: len(s.done) == 1)
            assert received(simulator) == Counter(numbers(6))
            assert states(operational_db) == {"submitted": 6}

    asyncio.run(stopped())
    asyncio.run(again())


def test_a_dropped_job_is_finished_by_what_was_answered_only(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(delay=0.3, reports=False) as simulator, sending(operational_db, simulator, window=2) as s:
            whole, part = (Job(outbound(i, numbers(n, n)), PORT, s.channel) for i, n in (("a", 1), ("b", 3)))
            for job in (whole, part):
                s.agent.add(job, 0)
            await s.until(lambda: simulator.counts["submits"] == 2)
            s.agent.drop({whole, part})
            await s.until(lambda: s.agent.at_risk == 0)
            assert (whole.open, part.open, s.done) == (0, 2, [whole])
            assert received(simulator) == Counter([*numbers(1, 1), *numbers(1, 3)])

    asyncio.run(run())


@pytest.mark.parametrize("resend", [True, False])
def test_intents_of_a_dead_sender_are_in_doubt(operational_db: Database, resend: bool) -> None:
    with operational_db.write() as connection:
        connection.execute(
            insert(schema.deliveries),
            [
                {
                    "port": PORT,
                    "submission": "s",
                    "n": n,
                    "part": 1,
                    "recipient": r,
                    "channel": "default",
                    "state": "submitting" if n <= 4 else "submitted",
                    "carrier_id": None if n <= 4 else f"x{n}",
                    "status": "",
                    "tries": 0,
                    "changed_at": 0,
                }
                for n, r in enumerate(numbers(6), 1)
            ],
        )
        named = {"state": "maybe_sent", "carrier_id": "x6"}  # only the id of its answer could be read
        connection.execute(update(schema.deliveries).where(schema.deliveries.c.n == 6).values(named))

    async def run() -> None:
        async with carrier(reports=False) as simulator, sending(operational_db, simulator, resend=resend) as s:
            s.add(outbound("s", numbers(8)))
            await s.until(lambda: len(s.done) == 1)
            fresh, doubtful = numbers(2, 6), numbers(4)
            assert received(simulator) == Counter(fresh + (doubtful if resend else []))
            assert states(operational_db)["maybe_sent"] == (0 if resend else 4) + 1

    asyncio.run(run())


@pytest.mark.long
def test_never_more_at_risk_than_the_windows_hold(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(delay=0.02) as simulator, sending(operational_db, simulator, links=2, window=8) as s:
            s.add(outbound("s", numbers(300)))
            most = 0
            while len(s.done) < 1:
                most = max(most, s.agent.at_risk, states(operational_db)["submitting"])
                await asyncio.sleep(0.001)
            assert 8 < most <= 16
            assert simulator.counts["submits"] == 300

    asyncio.run(run())


def test_reports_of_a_carrier_that_was_away_come_after_the_next_login(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier(report_delay=0.3) as simulator, sending(operational_db, simulator) as s:
            s.add(outbound("s", numbers(20)))
            await s.until(lambda: len(s.done) == 1)
            simulator.disconnect()
            await s.until(lambda: states(operational_db) == {"delivered": 20})
            assert simulator.counts["logins"] == 2

    asyncio.run(run())


def test_a_wrong_password_gets_nowhere(operational_db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", "wrong")

    async def run() -> None:
        async with carrier() as simulator, sending(operational_db, simulator) as s:
            s.add(outbound("s", numbers(3)))
            await s.until(lambda: simulator.counts["logins_refused"] >= 2)
            assert simulator.counts["submits"] == simulator.counts["logins"] == 0
            assert states(operational_db) == {}

    asyncio.run(run())


@pytest.mark.long
def test_a_silent_link_is_tested_and_a_dead_one_dropped(operational_db: Database) -> None:
    async def run() -> None:
        async with (
            carrier() as simulator,
            sending(operational_db, simulator, link_test=0.2, answer_wait=0.2, tries=3) as s,
        ):
            await s.until(lambda: simulator.counts["link_tests"] >= 3)
            assert simulator.counts["logins"] == 1
            simulator.deaf = True
            await s.until(lambda: simulator.counts["logins"] >= 2)
            assert simulator.counts["link_tests"] >= 3 + 3

    asyncio.run(run())


@pytest.mark.long
def test_a_link_that_died_without_a_word_costs_no_message(operational_db: Database) -> None:
    """Not the carrier leaves its SUBMITs unanswered but the link, so they go again over a new one."""

    async def run() -> None:
        async with (
            carrier() as simulator,
            Wire(simulator.port) as wire,
            sending(operational_db, wire, link_test=0.2, answer_wait=0.1, tries=2) as s,
        ):
            await s.until(lambda: s.agent.links[0].connected)
            wire.silence()
            s.add(outbound("s", numbers(20)))
            await s.until(lambda: states(operational_db) == {"delivered": 20})
            assert received(simulator) == Counter(numbers(20))

    asyncio.run(run())
