"""What passes the door goes to the broker under an id of its own; the rest is refused, or comes again later."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.events import Origin, Priority
from pipeline.ingest.links.cmpp_dialect import CmppDialect
from pipeline.ingest.links.intake import Intake, Sent
from pipeline.ingest.links.message_ids import MessageIds, nth, submission_id
from pipeline.protocols import cmpp
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.settings import Settings
from tests.harness.links.memory_broker import MemoryBroker
from tests.ingest.links.test_account import account

NOW = 1_796_000_000.5
PORTS = Ports([Port(PortEntry(code="10690001")), Port(PortEntry(code="10690002"))])
SUBMIT = cmpp.Submit(
    sequence=1,
    msg_fmt=8,
    msg_src="900001",
    src_id="1069000188",
    recipients=("8613800000001", "13800000001", "13800000002"),
    content="您好".encode("utf-16-be"),
)


def take(broker: MemoryBroker, ports: Ports | None = PORTS, **fields: Any) -> Sent | None:
    async def main() -> Sent | None:
        intake = Intake(broker, lambda: ports, Settings(_env_file=None), clock=lambda: NOW)
        return intake.take(msgspec.structs.replace(SUBMIT, **fields), account(), CmppDialect())

    return asyncio.run(main())


def test_a_submission_is_that_of_the_door() -> None:
    broker = MemoryBroker()
    sent = take(broker)
    (submission,) = broker.sent
    assert sent is not None
    assert (submission.id, sent.priority) == (submission_id(sent.msg_id), Priority.EXPRESS)
    assert (submission.port, submission.content) == ("1069000188", "您好")
    assert submission.recipients == ("13800000001", "13800000002")
    assert submission.accepted_at == int(NOW * 1000)


def test_a_submission_without_a_sender_comes_from_the_account_s_port() -> None:
    broker = MemoryBroker()
    take(broker, src_id="")
    assert broker.sent[0].port == "10690001"


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"src_id": "10690002"}, "not the account's port"),
        ({"recipients": ("abc",)}, "recipients: "),
        ({"msg_fmt": 4}, "text"),
    ],
)
def test_what_may_not_be_sent_reaches_no_broker(fields: dict[str, Any], cause: str) -> None:
    broker = MemoryBroker()
    with pytest.raises(AntispamError, match=cause):
        take(broker, **fields)
    assert broker.sent == []


def test_without_ports_and_while_the_pipeline_lags_it_is_to_come_again() -> None:
    broker = MemoryBroker()
    assert take(broker, ports=None) is None
    broker.behind = 1_000_000
    assert take(broker) is None
    assert broker.sent == []


def test_a_part_of_a_long_message_goes_to_its_own_topic_with_an_id_of_its_own() -> None:
    broker = MemoryBroker()
    sent = take(broker, udhi=1, registered_delivery=1, content=b"\x05\x00\x03\x2a\x02\x01" + SUBMIT.content)
    (part,) = broker.parts
    assert sent is not None
    assert broker.sent == []
    assert (part.code, part.reference, part.width, part.total, part.number) == ("10690001", 42, 1, 2, 1)
    assert (part.alphabet, part.octets, part.submission.content) == ("UTF_16", SUBMIT.content, "您好")
    assert part.submission.id == submission_id(sent.msg_id)
    assert part.submission.origin == Origin(account="900001", protocol="cmpp", ids=(f"{sent.msg_id:016x}",))


def test_a_long_message_that_would_be_too_long_is_refused_at_its_first_part() -> None:
    broker = MemoryBroker()
    with pytest.raises(AntispamError, match="255 parts, more than 2000 code points"):
        take(broker, udhi=1, content=b"\x05\x00\x03\x2a\xff\x01" + SUBMIT.content)
    assert broker.parts == []


def test_who_wants_no_report_has_no_id_for_it() -> None:
    broker = MemoryBroker()
    take(broker, registered_delivery=0)
    take(broker, registered_delivery=1)
    without, wanted = (submission.origin for submission in broker.sent)
    assert without is not None
    assert without.ids == ()
    assert wanted is not None
    assert len(wanted.ids) == 1


def test_parts_are_to_come_again_while_too_many_wait_to_be_joined() -> None:
    broker = MemoryBroker()
    broker.parts_behind = 1_000_000
    assert take(broker, udhi=1, content=b"\x05\x00\x03\x2a\x02\x01" + SUBMIT.content) is None
    assert take(broker) is not None
    assert (len(broker.parts), len(broker.sent)) == (0, 1)


def test_a_submission_to_many_takes_an_id_for_each() -> None:
    ids = MessageIds(server=5)
    first = ids.next(0, 3)
    assert ids.next(0) == first + 3
    assert [nth(first, n) for n in range(3)] == [first, first + 1, first + 2]
    assert nth(first | 0xFFFF, 1) == first & ~0xFFFF, "the count goes round"
