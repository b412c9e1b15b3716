"""A frame that a link cannot read costs itself: not the link, not the parts in flight, not the carrier's patience."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import select
from structlog.testing import capture_logs

from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.simulators.carrier import Conduct, Simulator, _Link
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import ACCOUNT, SECRET, Sending, numbers, outbound, sending, states

Answer = Callable[[cmpp.SubmitResp], list[bytes]]  # what comes instead of this answer


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())


def frame(command: int, sequence: int, body: bytes) -> bytes:
    return b"".join(n.to_bytes(4, "big") for n in (12 + len(body), command, sequence)) + body


def skipped(reason: str) -> float:
    labels = {"channel": "default", "reason": reason}
    return REGISTRY.get_sample_value("antispam_frames_skipped_total", labels) or 0.0


class Odd(Simulator):
    """A simulator whose `odd[n]` replaces the answer to the n-th SUBMIT (from 0); it keeps every DELIVER_RESP."""

    def __init__(self, odd: dict[int, Answer] | None = None, **conduct: Any) -> None:
        super().__init__(ACCOUNT, SECRET, Conduct(**conduct))
        self.odd = odd or {}
        self.answers = 0
        self.before_login = b""
        self.login_of_2 = False
        self.delivered: list[cmpp.DeliverResp] = []

    def _write(self, link: _Link, pdu: cmpp.Pdu) -> None:
        octets = [CMPP3.encode(pdu)]
        if isinstance(pdu, cmpp.SubmitResp):
            odd = self.odd.get(self.answers)
            octets = odd(pdu) if odd else octets
            self.answers += 1
        elif isinstance(pdu, cmpp.ConnectResp):
            if self.login_of_2:
                octets = [frame(pdu.command, pdu.sequence, bytes((pdu.status,)) + bytes(16) + b"\x20")]
            octets.insert(0, self.before_login)
        if not link.writer.is_closing():
            link.writer.write(b"".join(octets))

    def _handle(self, link: _Link, pdu: cmpp.Pdu) -> bool:
        if isinstance(pdu, cmpp.DeliverResp):
            self.delivered.append(pdu)
        return super()._handle(link, pdu)

    def send(self, octets: bytes) -> None:
        next(iter(self._links.values())).writer.write(octets)

    def submits(self) -> Counter[str]:
        return Counter(seen.recipient for seen in self.seen)


def run(simulator: Odd, db: Database, work: Callable[[Sending], Any], **channel: Any) -> None:
    async def both() -> None:
        async with simulator, sending(db, simulator, **channel) as s:
            await s.until(lambda: s.agent.links[0].connected)
            await work(s)

    asyncio.run(both())


def test_an_answer_in_the_form_of_2_is_read(operational_db: Database) -> None:
    def of_2(answer: cmpp.SubmitResp) -> list[bytes]:
        return [frame(answer.command, answer.sequence, answer.msg_id.to_bytes(8, "big") + bytes((answer.result,)))]

    async def work(s: Sending) -> None:
        s.add(outbound("s", numbers(4)))
        await s.until(lambda: states(operational_db) == {"delivered": 4})
        assert simulator.submits() == Counter(numbers(4))
        assert simulator.counts["logins"] == 1

    simulator = Odd({1: of_2})
    run(simulator, operational_db, work)


@pytest.mark.parametrize("octets", [10, 8, 4, 0])
def test_an_unreadable_answer_puts_its_own_part_in_doubt_only(operational_db: Database, octets: int) -> None:
    """With the carrier's id readable (8 octets), its report settles the part."""

    def broken(answer: cmpp.SubmitResp) -> list[bytes]:
        return [frame(answer.command, answer.sequence, (answer.msg_id.to_bytes(8, "big") + bytes(2))[:octets])]

    async def work(s: Sending) -> None:
        s.add(outbound("s", numbers(8)))
        await s.until(lambda: len(s.done) == 1)
        assert simulator.submits() == Counter(numbers(8))
        assert states(operational_db) == {"submitted": 7, "maybe_sent": 1}
        with operational_db.read() as connection:
            query = select(schema.deliveries.c.n, schema.deliveries.c.carrier_id)
            [row] = connection.execute(query.where(schema.deliveries.c.state == "maybe_sent"))
        assert row.n == 3
        assert row.carrier_id == (simulator.seen[2].msg_id if octets >= 8 else None)
        assert simulator.counts["logins"] == 1
        assert skipped("unreadable") == before + 1

    before = skipped("unreadable")
    simulator = Odd({2: broken}, reports=False)
    run(simulator, operational_db, work)


def test_unknown_commands_are_skipped(operational_db: Database) -> None:
    def forward(answer: cmpp.SubmitResp) -> list[bytes]:
        return [frame(0x09, 77, bytes(8)), frame(0x8000_00FF, 1, b""), CMPP3.encode(answer)]

    async def work(s: Sending) -> None:
        s.add(outbound("s", numbers(6)))
        await s.until(lambda: states(operational_db) == {"delivered": 6})
        assert simulator.submits() == Counter(numbers(6))
        assert (simulator.counts["logins"], skipped("unknown")) == (1, before + 12)

    before = skipped("unknown")
    simulator = Odd(dict.fromkeys(range(6), forward))
    run(simulator, operational_db, work)


def poisoned(sequence: int, msg_id: int) -> bytes:
    """A DELIVER whose content is said to be longer than the frame."""
    deliver = cmpp.Deliver(
        sequence=sequence,
        msg_id=msg_id,
        dest_id="1069",
        msg_fmt=0,
        src_terminal_id="13800000000",
        registered_delivery=1,
        content=bytes(71),
    )
    return CMPP3.encode(deliver)[:88] + b"\xff" + bytes(91)


def test_poisoned_delivers_are_answered_and_stop_nothing(operational_db: Database) -> None:
    async def work(s: Sending) -> None:
        with capture_logs() as logs:
            simulator.send(b"".join(poisoned(900 + i, 70 + i) for i in range(3)) + frame(0x05, 903, b"1"))
            s.add(outbound("s", numbers(50)))
            await s.until(lambda: states(operational_db) == {"delivered": 50})
        assert simulator.submits() == Counter(numbers(50))
        assert simulator.counts["logins"] == 1
        bad = {answer.sequence: (answer.msg_id, answer.result) for answer in simulator.delivered if answer.result}
        assert bad == {900: (70, 1), 901: (71, 1), 902: (72, 1), 903: (0, 1)}
        [line] = [line for line in logs if line["event"] == "frame_skipped"]  # one a second, however many come
        assert set(line) == {"event", "log_level", "channel", "link", "command", "cause", "since_last"}
        assert line["cause"] == "frame of 180 octets, but its content ends at 344 (at octet 88)"
        assert skipped("unreadable") == before + 4

    before = skipped("unreadable")
    simulator = Odd()
    run(simulator, operational_db, work)


def test_a_login_is_read_in_the_form_of_2_and_behind_what_is_none(operational_db: Database) -> None:
    async def work(s: Sending) -> None:
        s.add(outbound("s", numbers(3)))
        await s.until(lambda: states(operational_db) == {"delivered": 3})

    simulator = Odd()
    simulator.login_of_2 = True
    simulator.before_login = frame(0x77, 1, b"?") + CMPP3.encode(cmpp.ActiveTest(sequence=5))
    run(simulator, operational_db, work)


def test_bad_frames_between_all_answers_change_nothing(operational_db: Database) -> None:
    """Any frame of a true length, but for those that mean something: TERMINATE, and answers to our SUBMITs."""
    random = Random(7)
    kinds = [1, 4, 5, 6, 7, 8, 9, 0x8000_0001, 0x8000_0005, 0x8000_0006, 0x8000_0007, 0x8000_0008, 0xFFFF_FFFF]

    def noise(answer: cmpp.SubmitResp) -> list[bytes]:
        bad = [
            frame(random.choice(kinds), random.getrandbits(32), random.randbytes(random.choice((0, 3, 12, 97, 300))))
            for _ in range(random.randrange(4))
        ]
        return [*bad, CMPP3.encode(answer), *bad]

    async def work(s: Sending) -> None:
        s.add(outbound("s", numbers(300)))
        await s.until(lambda: states(operational_db) == {"delivered": 300})
        assert simulator.submits() == Counter(numbers(300))
        assert simulator.counts["logins"] == 1

    simulator = Odd(dict.fromkeys(range(300), noise))
    run(simulator, operational_db, work, links=1)


def test_a_length_that_cannot_be_ends_the_link_and_it_comes_back(operational_db: Database) -> None:
    async def work(s: Sending) -> None:
        simulator.send(b"\xff" * 12)
        await s.until(lambda: simulator.counts["logins"] == 2)
        s.add(outbound("s", numbers(3)))
        await s.until(lambda: states(operational_db) == {"delivered": 3})

    simulator = Odd()
    run(simulator, operational_db, work)
