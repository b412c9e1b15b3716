"""One connection, without a socket: it does not read who does not read, and no octets harm it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pipeline.actions.tracing.recorder import Recorder
from pipeline.ingest.links.account import Usage
from pipeline.ingest.links.attempts import Attempts
from pipeline.ingest.links.intake import Intake
from pipeline.ingest.links.link import CLOSING, Link
from pipeline.ingest.links.server import DIALECTS
from pipeline.protocols import cmpp, sgip, smgp, smpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.sgip import SGIP
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.smpp import SMPP
from pipeline.settings import Settings
from tests.harness.links.memory_broker import MemoryBroker
from tests.ingest.links.test_account import account
from tests.ingest.links.test_intake import PORTS, SUBMIT

every_protocol = pytest.mark.parametrize("protocol", DIALECTS)
FRAMES = {
    "cmpp": CMPP3.encode(SUBMIT) + CMPP3.encode(cmpp.ActiveTest(sequence=2)),
    "sgip": SGIP.encode(
        sgip.Submit(
            sequence=bytes(12), sp_number="1069", users=("8613800000001",), corp_id="1", coding=8, content=b"\0a"
        )
    )
    + SGIP.encode(sgip.Unbind(sequence=bytes(12))),
    "smgp": SMGP.encode(
        smgp.Submit(sequence=1, msg_format=8, src_term_id="1069", recipients=("13800000001",), content=b"\0a")
    )
    + SMGP.encode(smgp.ActiveTest(sequence=2)),
    "smpp": SMPP.encode(smpp.SubmitSm(sequence=1, source_addr="1069", destination_addr="13800000001"))
    + SMPP.encode(smpp.EnquireLink(sequence=2)),
}


class Transport(asyncio.Transport):
    """Notes what is done with it."""

    def __init__(self, address: str = "10.1.0.1") -> None:
        super().__init__({"peername": (address, 40_000)})
        self.written = bytearray()
        self.reading, self.closing, self.aborted = True, False, False

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True


class Stage:
    """A link with a broker and a clock."""

    def __init__(self, protocol: str, admitted: bool = True) -> None:
        self.now, self.broker, self.transport = 0.0, MemoryBroker(), Transport()
        intake = Intake(self.broker, lambda: PORTS, Settings(_env_file=None))
        usages = {"900001": Usage(account(), 0.0)}
        self.ended: list[Link] = []
        self.answers: list[tuple[int, bool | None]] = []
        self.link = Link(
            protocol,
            DIALECTS[protocol](),
            usages,
            Attempts(),
            intake,
            lambda: self.now,
            lambda _: admitted,
            self.ended.append,
            lambda token, accepted: self.answers.append((token, accepted)),
            1,
            Recorder(lambda: 0),
        )
        self.link.connection_made(self.transport)


@every_protocol
def test_a_port_that_does_not_read_is_not_read(protocol: str) -> None:
    stage = Stage(protocol)
    stage.link.pause_writing()
    assert not stage.transport.reading
    stage.link.resume_writing()
    assert stage.transport.reading


@every_protocol
def test_a_closing_link_whose_port_does_not_read_is_ended(protocol: str) -> None:
    stage = Stage(protocol)
    stage.now = 11.0  # no login in time
    stage.link.tick()
    assert (stage.transport.closing, stage.transport.aborted) == (True, False)
    stage.now += CLOSING
    stage.link.tick()
    assert stage.transport.aborted


@every_protocol
def test_a_link_that_is_not_admitted_reads_nothing(protocol: str) -> None:
    stage = Stage(protocol, admitted=False)
    assert stage.transport.aborted
    stage.link.data_received(FRAMES[protocol])
    stage.link.connection_lost(None)
    assert not stage.transport.written
    assert not stage.ended


@every_protocol
def test_nothing_is_written_to_a_port_that_is_gone(protocol: str) -> None:
    stage = Stage(protocol)
    stage.link.data_received(FRAMES[protocol])
    assert stage.transport.written
    gone = Stage(protocol)
    gone.transport.closing = True
    gone.link.data_received(FRAMES[protocol])
    assert not gone.transport.written


@every_protocol
def test_the_end_is_told_once(protocol: str) -> None:
    stage = Stage(protocol)
    stage.link.connection_lost(None)
    assert stage.ended == [stage.link]


def test_a_stranger_cannot_write_control_characters_to_the_log() -> None:
    stage = Stage("smpp")
    with capture_logs() as logs:
        stage.link.data_received(
            SMPP.encode(smpp.BindTransceiver(sequence=1, system_id="a\x1b[2J\n", password="secret"))
        )
    (line,) = logs
    assert (line["event"], line["account"]) == ("login_refused", r"a\x1b[2J\n")


@every_protocol
@given(data=st.data())
def test_no_octets_before_a_login_harm_the_link_or_reach_the_broker(protocol: str, data: st.DataObject) -> None:
    stage = Stage(protocol)
    octets = bytearray(FRAMES[protocol])
    for at, octet in data.draw(st.lists(st.tuples(st.integers(0, len(octets) - 1), st.integers(0, 255)), max_size=6)):
        octets[at] = octet
    sent = bytes(octets) if data.draw(st.booleans()) else data.draw(st.binary(max_size=200))
    cut = data.draw(st.integers(0, len(sent)))
    stage.link.data_received(sent[:cut])
    stage.link.data_received(sent[cut:])
    stage.link.tick()
    stage.link.connection_lost(None)
    assert stage.broker.sent == []
