"""What passes the door goes to the broker under an id of its own; the rest is refused, or comes again later."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.events import Priority
from pipeline.ingest.links.intake import Intake, Sent
from pipeline.ingest.links.message_ids import submission_id
from pipeline.protocols import cmpp
from pipeline.rules.ports import Port, PortEntry, Ports
from pipeline.settings import Settings
from tests.ingest.links.memory_broker import MemoryBroker
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
        return intake.take(msgspec.structs.replace(SUBMIT, **fields), account())

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
