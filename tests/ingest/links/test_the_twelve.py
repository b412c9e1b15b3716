"""What users of gateways complain about: the cases that no other file here has.

Wrong secrets, links too many, strange addresses, reports without a link: `test_server.py`. The rate and idle links:
`test_session.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from pipeline.actions.replies.incoming import Incoming, take
from pipeline.actions.replies.screening import project_verdicts
from pipeline.actions.replies.words import Words
from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.job import Job
from pipeline.actions.status.link_deliveries import Reply, Wish, lease
from pipeline.actions.tracing.recorder import Recorder
from pipeline.events import Outbound
from pipeline.ingest.links.account import Usage
from pipeline.ingest.links.attempts import Attempts
from pipeline.ingest.links.intake import Intake
from pipeline.ingest.links.link import Link
from pipeline.ingest.links.server import DIALECTS
from pipeline.protocols import cmpp, smpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.protocols.smpp import SAR_NUMBER, SAR_REFERENCE, SAR_TOTAL, SMPP
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.short_message import ShortMessage
from pipeline.protocols.sms.text import parts, text_of
from pipeline.protocols.tlvs import Tlv
from pipeline.rules.ports import Port as Port_
from pipeline.rules.ports import PortEntry, Ports
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.links.memory_pipeline import SETTINGS, MemoryPipeline
from tests.ingest.links.test_account import account
from tests.ingest.links.test_intake import PORTS
from tests.ingest.links.test_link import Transport

TEXT = "【银行】您好，" + "这是一条很长的短信😀" * 20


class Port:
    """An account with several links, without sockets: what it writes on a link, and the answers on that link."""

    def __init__(self, name: str = "900001", protocol: str = "cmpp") -> None:
        self.pipeline, self.name, self.codec = MemoryPipeline(), name, CMPP3 if protocol == "cmpp" else SMPP
        self._usages = {name: Usage(account(name=name, links=4, rate=1000.0), 0.0)}
        self._intake = Intake(self.pipeline, lambda: PORTS, SETTINGS)
        self._protocol = protocol
        self.transports: list[Transport] = []
        self.links: list[Link] = []

    def connect(self) -> Any:
        """The answer to the login."""
        self.transports.append(Transport())
        self.links.append(
            Link(
                self._protocol,
                DIALECTS[self._protocol](),
                self._usages,
                Attempts(),
                self._intake,
                lambda: 0.0,
                lambda _: True,
                lambda _: None,
                lambda token, accepted: None,
                len(self.links) + 1,
                Recorder(lambda: 0),
            )
        )
        self.links[-1].connection_made(self.transports[-1])
        if self._protocol == "smpp":
            return self.send(-1, smpp.BindTransceiver(sequence=1, system_id=self.name, password="secret"))
        proof = cmpp.authenticator_source(self.name, b"secret", 1121143005)
        login = cmpp.Connect(sequence=1, source_addr=self.name, authenticator=proof, version=0x30, timestamp=1121143005)
        return self.send(-1, login)

    def send(self, link: int, pdu: Any) -> Any:
        """The answer on the same link."""
        self.links[link].data_received(self.codec.encode(pdu))
        return None

    async def answer(self, link: int) -> Any:
        """The next answer on a link, which comes in the next turns of the loop."""
        for _ in range(1000):
            written = self.transports[link].written
            if len(written) >= 4 and len(written) >= (length := int.from_bytes(written[:4], "big")):
                frame = bytes(written[:length])
                del written[:length]
                return self.codec.decode(frame)
            await asyncio.sleep(0)
        raise AssertionError("no answer")


def submits(text: str = TEXT, first: int = 10) -> list[cmpp.Submit]:
    return [
        cmpp.Submit(
            sequence=first + part.number,
            udhi=1,
            msg_fmt=part.coding,
            msg_src="900001",
            src_id="10690001",
            registered_delivery=1,
            recipients=("13800000001",),
            content=part.content,
        )
        for part in parts(text, 42)
    ]


def play(story: Callable[[Port], Any], **fields: Any) -> Port:
    async def main() -> Port:
        port = Port(**fields)
        await story(port)
        return port

    return asyncio.run(main())


@pytest.mark.parametrize("name", ["1", "801", "90001"])
def test_an_account_of_fewer_than_six_characters_logs_in(name: str) -> None:
    async def story(port: Port) -> None:
        port.connect()
        assert (await port.answer(0)).status == 0

    play(story, name=name)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_parts_over_several_links_in_any_order_are_joined_once(order: tuple[int, ...]) -> None:
    async def story(port: Port) -> None:
        sent = submits()
        assert len(sent) == len(order)
        for link in range(4):
            port.connect()
            assert (await port.answer(link)).status == 0
        for link, place in enumerate(order):
            port.send(link, sent[place])
        for link in range(4):
            assert (await port.answer(link)).result == 0

    port = play(story)
    assert [submission.content for submission in port.pipeline.sent] == [TEXT]


def test_a_part_sent_again_is_answered_0_and_changes_nothing() -> None:
    """On another link, under another sequence number, before and after the message is whole."""

    async def story(port: Port) -> None:
        sent, again = submits(), submits(first=90)
        for link in range(2):
            port.connect()
            await port.answer(link)
        for pdu, link in ((sent[0], 0), (again[0], 1), (sent[1], 0), (sent[2], 0), (sent[3], 0), (again[2], 1)):
            port.send(link, pdu)
            answer = await port.answer(link)
            assert (answer.sequence, answer.result) == (pdu.sequence, 0)

    port = play(story)
    assert [submission.content for submission in port.pipeline.sent] == [TEXT]


def test_each_part_has_its_own_id_on_the_link_of_its_request() -> None:
    async def story(port: Port) -> None:
        for link in range(2):
            port.connect()
            await port.answer(link)
        ids = []
        for n, pdu in enumerate(submits()):
            port.send(n % 2, pdu)
            answer = await port.answer(n % 2)
            assert answer.sequence == pdu.sequence
            assert not port.transports[1 - n % 2].written
            ids.append(answer.msg_id)
        assert len(set(ids)) == len(ids)
        (submission,) = port.pipeline.sent
        assert submission.origin is not None
        assert submission.origin.ids == tuple(f"{ident:016x}" for ident in ids)

    play(story)


def test_a_header_counts_before_the_protocol_s_own_parameters() -> None:
    """Each part has both, and the parameters of all parts say that they are one message's first part."""

    async def story(port: Port) -> None:
        port.connect()
        await port.answer(0)
        pieces = list(parts(TEXT, 42))
        Random(1).shuffle(pieces)
        for number, piece in enumerate(pieces, 10):
            sar = (Tlv(SAR_REFERENCE, b"\0\1"), Tlv(SAR_TOTAL, b"\4"), Tlv(SAR_NUMBER, b"\1"))
            pdu = smpp.SubmitSm(
                sequence=number,
                source_addr="10690001",
                destination_addr="13800000001",
                esm_class=smpp.HEADED,
                data_coding=8,
                short_message=piece.content,
                tlvs=sar,
            )
            port.send(0, pdu)
            assert (await port.answer(0)).status == 0

    port = play(story, protocol="smpp")
    assert [submission.content for submission in port.pipeline.sent] == [TEXT]


SIGNED = Ports([Port_(PortEntry(code="10690001", signatures=("银行", "Bank"), carrier_signs=True))])


@pytest.mark.parametrize("whole", ["", "【银行】", "[Bank]"], ids=["unsigned", "signed", "signed with the other"])
@pytest.mark.parametrize("length", [1, 60, 66, 67, 134, 135, 400])
def test_the_signature_of_a_port_is_inserted_and_no_part_is_over_140_octets(whole: str, length: int) -> None:
    """The port cuts its text as if nothing were added; the whole is signed, and the sender cuts it anew."""
    text, pipeline = whole + "您好😀" * length, MemoryPipeline()

    async def main() -> None:
        intake = Intake(pipeline, lambda: SIGNED, SETTINGS)
        for part in parts(text, 7):
            submit = cmpp.Submit(
                sequence=part.number,
                udhi=int(part.headed),
                msg_fmt=part.coding,
                msg_src="900001",
                src_id="10690001",
                recipients=("13800000001",),
                content=part.content,
            )
            assert intake.take(submit, account(), DIALECTS["cmpp"]()) is not None

    asyncio.run(main())
    (sent,) = pipeline.sent
    assert sent.content == (text if whole else "【银行】" + text)
    released = Outbound(submission=sent, recipients=sent.recipients, round=0, decided_at=1)
    job = Job(released, "10690001", Channel(name="default", host="127.0.0.1", port=1, account="900001"))
    message = job.next()
    assert message is not None
    frames: list[Any] = [CMPP3.decode(part.frame) for part in message.todo]
    assert all(len(frame.content) <= 140 for frame in frames)
    assert "".join(text_of(f.msg_fmt, f.content, bool(f.udhi)) or "" for f in frames) == sent.content


@given(st.text("您好a😀€", min_size=1, max_size=300), st.sampled_from(["【银行】", "[Bank]", "【很长的签名名称】"]))
def test_a_signature_that_is_added_cuts_the_text_anew_and_no_part_is_too_long(text: str, signature: str) -> None:
    before, after = parts(text, 1), parts(signature + text, 1)
    assert all(len(part.content) <= (159 if part.coding == 0 else 140) for part in (*before, *after))
    assert {part.total for part in after} == {len(after)}
    assert len(after) >= len(before)


def test_a_subscriber_s_message_goes_to_the_port_with_the_longest_code(any_db: Database) -> None:
    codes = ("1069", "10690001", "1069000105")
    with any_db.write() as connection:
        for code in codes:
            connection.execute(
                insert(schema.ports).values(
                    code=code,
                    tier="ordinary",
                    kind="notice",
                    state="open",
                    channel="default",
                    opened_at=0,
                    changed_at=0,
                )
            )
    message = ShortMessage(alphabet=Alphabet.UTF_16, content="您好".encode("utf-16-be"))
    to = {"10690001057": "1069000105", "106900017": "10690001", "10699": "1069", "10680001": None}
    incoming = [
        Incoming(channel="default", carrier_id=code, subscriber="13800000001", to=code, message=message) for code in to
    ]
    take(any_db, incoming, Words.of(Settings(_env_file=None)), 1)
    with any_db.write() as connection:
        decisions = [f'{{"id":"reply/{n}","verdict":"release","reasons":[]}}'.encode() for n in range(1, 5)]
        project_verdicts(connection, 1, decisions)
        found = {row.to: row.port for row in connection.execute(select(schema.replies))}
        (reply,) = lease(connection, [wish := Wish("a", "1069000105", "cmpp", 9)], 1)[wish]
    assert found == to
    assert isinstance(reply.content, Reply)
    assert reply.content.to == "10690001057"
