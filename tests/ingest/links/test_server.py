"""Ports on sockets: they log in, submit, are answered once the broker has it, and are closed when they must be."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from pipeline.actions.status.link_deliveries import Answers, Reply, Report, Waiting, Wish
from pipeline.actions.tracing.recorder import Recorder
from pipeline.actions.tracing.subject import Subject, Trace
from pipeline.errors import AntispamError
from pipeline.events import Origin
from pipeline.ingest.links import server as link_server
from pipeline.ingest.links.deliveries import Deliveries
from pipeline.ingest.links.intake import Intake
from pipeline.ingest.links.message_ids import submission_id
from pipeline.ingest.links.server import LinkServer
from pipeline.protocols import cmpp, sgip, smgp, smpp
from pipeline.protocols.cmpp import CMPP2, CMPP3
from pipeline.protocols.codec import Codec
from pipeline.protocols.sgip import SGIP
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.smpp import SMPP
from pipeline.settings import Settings
from tests.harness.links.memory_broker import MemoryBroker
from tests.ingest.links.test_account import account
from tests.ingest.links.test_intake import PORTS

pytestmark = pytest.mark.long

WAIT = 20.0
CODECS: dict[str, Codec[Any]] = {"cmpp2": CMPP2, "cmpp3": CMPP3, "smpp": SMPP, "smgp": SMGP, "sgip": SGIP}
every_protocol = pytest.mark.parametrize("protocol", ["cmpp2", "cmpp3", "smpp"])


class Client:
    """A port on a connection."""

    def __init__(self, protocol: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.protocol, self.codec = protocol, CODECS[protocol]
        self.reader, self.writer = reader, writer

    def send(self, pdu: Any) -> None:
        self.writer.write(self.codec.encode(pdu))

    async def read(self) -> Any:
        """The next message; None at the end of the connection."""
        try:
            async with asyncio.timeout(WAIT):
                length = await self.reader.readexactly(4)
                return self.codec.decode(length + await self.reader.readexactly(int.from_bytes(length, "big") - 4))
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return None

    async def login(self, secret: bytes = b"secret") -> int:
        """The status of the answer."""
        if self.protocol == "smpp":
            self.send(smpp.BindTransceiver(sequence=1, system_id="900001", password=secret.decode()))
        elif self.protocol == "smgp":
            proof = smgp.authenticator_client("900001", secret, 1121143005)
            self.send(smgp.Login(sequence=1, client_id="900001", authenticator=proof, timestamp=1121143005))
        elif self.protocol == "sgip":
            self.send(sgip.Bind(sequence=bytes(12), login_type=1, login_name="900001", login_password=secret.decode()))
            return int((await self.read()).result)
        else:
            proof = cmpp.authenticator_source("900001", secret, 1121143005)
            version = 0x20 if self.protocol == "cmpp2" else 0x30
            self.send(
                cmpp.Connect(
                    sequence=1, source_addr="900001", authenticator=proof, version=version, timestamp=1121143005
                )
            )
        return int((await self.read()).status)

    def submit(self, sequence: int, text: str = "您好😀") -> None:
        content = text.encode("utf-16-be")
        if self.protocol == "smpp":
            self.send(
                smpp.SubmitSm(
                    sequence=sequence,
                    source_addr="10690001",
                    destination_addr="13800000001",
                    data_coding=8,
                    short_message=content,
                )
            )
        elif self.protocol == "smgp":
            self.send(
                smgp.Submit(
                    sequence=sequence,
                    msg_format=8,
                    src_term_id="10690001",
                    recipients=("13800000001",),
                    content=content,
                )
            )
        else:
            self.send(
                cmpp.Submit(
                    sequence=sequence,
                    msg_fmt=8,
                    msg_src="900001",
                    src_id="10690001",
                    recipients=("13800000001",),
                    content=content,
                )
            )


class Mail:
    """What waits for the account, in place of the database; answers as they came."""

    def __init__(self) -> None:
        self.waiting: list[Waiting] = []
        self.accepted: list[int] = []
        self.unanswered: list[int] = []

    def turn(self, answers: Answers, wishes: Sequence[Wish], now: int) -> dict[Wish, list[Waiting]]:
        self.accepted += answers.accepted
        self.unanswered += answers.unanswered
        found = {}
        for wish in wishes:
            found[wish], self.waiting = self.waiting[: wish.room], self.waiting[wish.room :]
        return found


class Stage:
    """A running server, its clock, its broker and what waits for ports."""

    def __init__(self, most: int = link_server.MOST, **fields: Any) -> None:
        self.now, self.broker = 0.0, MemoryBroker()
        self.owner = owner = account(**{"addresses": (ip_network("127.0.0.0/8"),)} | fields)
        intake = Intake(self.broker, lambda: PORTS, Settings(_env_file=None))
        self.mail = Mail()
        deliveries = Deliveries(self.mail.turn, lambda: self.now)
        self.recorder = Recorder(lambda: 0)
        self.server = LinkServer([owner], intake, deliveries, lambda: self.now, most, self.recorder)
        self.closing = asyncio.Event()
        self.ports: dict[str, int] = {}

    def deliver_to(self, address: str) -> None:
        """The account now takes its reports over SGIP at this address."""
        self.owner = msgspec.structs.replace(self.owner, sgip_deliver=address)
        self.server.reload({self.owner.name: self.owner})

    async def connect(self, protocol: str) -> Client:
        kind = protocol.rstrip("23")
        if kind not in self.ports:
            self.ports[kind] = await self.server.listen(kind, "127.0.0.1", 0)
        return Client(protocol, *await asyncio.open_connection("127.0.0.1", self.ports[kind]))


def play(story: Callable[[Stage], Awaitable[None]], most: int = link_server.MOST, **fields: Any) -> Stage:
    """Play a story with a running server, which is stopped at its end."""

    async def main() -> Stage:
        stage = Stage(most, **fields)
        running = asyncio.create_task(stage.server.run(stage.closing))
        try:
            await story(stage)
        finally:
            stage.closing.set()
            while not running.done():  # the links that are left are closed when their time is over
                stage.now += 1.0
                await asyncio.sleep(0)
            await running
        return stage

    return asyncio.run(main())


@every_protocol
def test_a_submission_is_answered_once_the_broker_has_it(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        assert await client.login() == 0
        stage.broker.at_once = False
        client.submit(5)
        client.send((smpp.EnquireLink if protocol == "smpp" else cmpp.ActiveTest)(sequence=6))
        assert (await client.read()).sequence == 6, "the test is answered first: the broker has not answered yet"
        stage.broker.waiting[0].set_result(True)
        answer = await client.read()
        assert answer.sequence == 5
        ident = int(answer.message_id, 16) if protocol == "smpp" else answer.msg_id
        assert [(s.id, s.content) for s in stage.broker.sent] == [(submission_id(ident), "您好😀")]

    play(story)


@every_protocol
def test_what_the_broker_has_not_stored_is_to_be_sent_again(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        await client.login()
        stage.broker.at_once = False
        client.submit(5)
        while not stage.broker.waiting:
            await asyncio.sleep(0)
        stage.broker.waiting[0].set_result(False)
        answer = await client.read()
        assert (answer.status if protocol == "smpp" else answer.result) == CODES[protocol][0]

    play(story)


CODES = {"cmpp2": (8, 9), "cmpp3": (8, 9), "smpp": (0x58, 0x45)}  # send again later; refused


@every_protocol
def test_a_lagging_pipeline_throttles(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        await client.login()
        stage.broker.behind = 1_000_000
        client.submit(5)
        client.submit(6)
        answers = [await client.read(), await client.read()]
        assert {a.status if protocol == "smpp" else a.result for a in answers} == {CODES[protocol][0]}
        stage.broker.behind = 0
        client.submit(7)
        answer = await client.read()
        assert (answer.status if protocol == "smpp" else answer.result) == 0

    assert len(play(story).broker.sent) == 1


@every_protocol
def test_a_refused_submission_costs_itself_only_and_its_cause_is_logged_once(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        await client.login()
        for sequence in (5, 6):
            if protocol == "smpp":
                client.send(smpp.SubmitSm(sequence=sequence, source_addr="1069", destination_addr="13800000001"))
            else:
                client.send(
                    cmpp.Submit(
                        sequence=sequence,
                        msg_fmt=8,
                        msg_src="900001",
                        src_id="1069",
                        recipients=("13800000001",),
                        content=b"\0x",
                    )
                )
            answer = await client.read()
            assert (answer.status if protocol == "smpp" else answer.result) == CODES[protocol][1]
        client.submit(7)
        assert (await client.read()).sequence == 7

    with capture_logs() as logs:
        stage = play(story)
    assert len(stage.broker.sent) == 1
    (refused,) = [line for line in logs if line["event"] == "submission_refused"]
    assert refused["account"] == "900001"
    assert "13800000001" not in str(logs)


@every_protocol
def test_a_wrong_secret_gets_its_status_and_a_log_line_with_account_and_address(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        assert await client.login(b"wrong") == (0x0E if protocol == "smpp" else 3)
        assert await client.read() is None

    with capture_logs() as logs:
        play(story)
    (line,) = [line for line in logs if line["event"] == "login_refused"]
    assert (line["account"], line["address"], line["cause"]) == ("900001", "127.0.0.1", "proof")


@every_protocol
def test_a_link_more_than_allowed_and_a_strange_address_are_refused(protocol: str) -> None:
    async def strange(stage: Stage) -> None:
        assert await (await stage.connect(protocol)).login() == (0x0D if protocol == "smpp" else 2)

    async def twice(stage: Stage) -> None:
        first, second = await stage.connect(protocol), await stage.connect(protocol)
        assert await first.login() == 0
        assert await second.login() == (0x0D if protocol == "smpp" else 5)

    play(strange, addresses=(ip_network("10.0.0.0/8"),))
    play(twice, links=1)


def test_connections_beyond_the_most_are_closed_at_once() -> None:
    async def story(stage: Stage) -> None:
        clients = [await stage.connect("smpp") for _ in range(3)]
        assert await clients[2].read() is None
        assert await clients[0].login() == 0

    play(story, most=2)


@every_protocol
def test_who_does_not_log_in_is_closed_in_time(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        client.writer.write(bytes(3))
        await asyncio.sleep(0)
        stage.now = 11.0
        assert await client.read() is None

    play(story)


@every_protocol
def test_an_impossible_length_ends_the_connection_before_anything_is_kept(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        await client.login()
        client.writer.write(b"\x7f\xff\xff\xff")
        assert await client.read() is None
        assert await (await stage.connect(protocol)).login() == 0

    play(story)


async def until_refused(stage: Stage, protocol: str) -> None:
    """The server takes no more connections, so its links are being drained."""
    while True:
        try:
            (await stage.connect(protocol)).writer.close()
        except ConnectionError:
            return


@every_protocol
def test_a_stop_answers_what_was_taken_and_says_goodbye(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect(protocol)
        await client.login()
        stage.broker.at_once = False
        client.submit(5)
        while not stage.broker.waiting:
            await asyncio.sleep(0)
        stage.closing.set()
        await until_refused(stage, protocol)
        client.submit(6)
        throttled = await client.read()
        assert (throttled.sequence, len(stage.broker.sent)) == (6, 1)
        stage.broker.waiting[0].set_result(True)
        assert (await client.read()).sequence == 5
        goodbye = await client.read()
        assert type(goodbye) is (smpp.Unbind if protocol == "smpp" else cmpp.Terminate)
        client.send((smpp.UnbindResp if protocol == "smpp" else cmpp.TerminateResp)(sequence=goodbye.sequence))
        assert await client.read() is None

    play(story)


def test_an_address_in_use_is_named() -> None:
    async def story(stage: Stage) -> None:
        await stage.connect("smpp")
        with pytest.raises(AntispamError, match=r"cannot listen on 127\.0\.0\.1:"):
            await stage.server.listen("cmpp", "127.0.0.1", stage.ports["smpp"])

    play(story)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


REPORT = Report(
    id="0123456789abcdef",
    n=0,
    sender="10690001",
    recipient="13800000001",
    status="DELIVRD",
    submitted="2611211430",
    done="2611211431",
)


async def taken(client: Client, result: int = 0) -> Any:
    """The next delivery, which the port answers."""
    delivery = await client.read()
    if client.protocol == "smpp":
        client.send(smpp.DeliverSmResp(sequence=delivery.sequence, status=result))
    else:
        client.send(cmpp.DeliverResp(sequence=delivery.sequence, msg_id=delivery.msg_id, result=result))
    return delivery


@every_protocol
def test_a_report_waits_for_a_link_and_is_forgotten_once_the_port_has_it(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        stage.mail.waiting = [Waiting(7, REPORT)]
        client = await stage.connect(protocol)
        await client.login()
        delivery = await taken(client)
        if protocol == "smpp":
            receipt = smpp.receipt_of(delivery)
            assert receipt is not None
            assert (receipt.msg_id, receipt.stat, receipt.done_time) == (b"0123456789abcdef", "DELIVRD", "2611211431")
            assert (delivery.source_addr, delivery.destination_addr) == ("13800000001", "10690001")
        else:
            report = cmpp.report_of(delivery)
            assert report is not None
            assert (report.msg_id, report.stat, report.recipient) == (0x0123456789ABCDEF, "DELIVRD", "13800000001")
            assert delivery.dest_id == "10690001"
        await until(lambda: stage.mail.accepted == [7])

    play(story)


@every_protocol
def test_a_report_whose_link_ended_before_the_answer_is_kept_for_another_link(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        stage.mail.waiting = [Waiting(7, REPORT)]
        first = await stage.connect(protocol)
        await first.login()
        await first.read()
        first.writer.close()
        await until(lambda: stage.mail.unanswered == [7])
        stage.mail.waiting = [Waiting(7, REPORT)]
        second = await stage.connect(protocol)
        await second.login()
        await taken(second)
        await until(lambda: stage.mail.accepted == [7])

    play(story, links=2)


@every_protocol
def test_more_reports_than_a_window_all_come(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        stage.mail.waiting = [Waiting(n, REPORT) for n in range(300)]
        client = await stage.connect(protocol)
        await client.login()
        for _ in range(300):
            await taken(client)
        await until(lambda: len(stage.mail.accepted) == 300)
        assert sorted(stage.mail.accepted) == list(range(300))

    play(story)


@every_protocol
def test_what_is_refused_by_the_port_is_not_forgotten(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        stage.mail.waiting = [Waiting(7, REPORT), Waiting(8, REPORT)]
        client = await stage.connect(protocol)
        await client.login()
        await taken(client, result=8)
        await taken(client)
        await until(lambda: stage.mail.accepted == [8])

    play(story)


def test_a_port_over_smgp_logs_in_submits_and_gets_its_report() -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect("smgp")
        assert await client.login() == 0
        client.submit(5)
        answer = await client.read()
        assert (answer.sequence, answer.status) == (5, 0)
        (sent,) = stage.broker.sent
        assert sent.content == "您好😀"
        assert sent.origin == Origin(account="900001", protocol="smgp", ids=(f"{int(answer.msg_id.hex()):016x}",))
        assert sent.id == submission_id(int(answer.msg_id.hex()))
        stage.mail.waiting = [
            Waiting(7, msgspec.structs.replace(REPORT, id=sent.origin.ids[0], status="AS:0002")),
            Waiting(8, Reply(id="0000000000000001", to="10690001", subscriber="138", coding=8, content=b"\0T")),
        ]
        delivery = await client.read()
        report = smgp.report_of(delivery)
        assert report is not None
        assert (report.msg_id, report.stat, report.error) == (answer.msg_id, "REJECTD", "002")
        client.send(smgp.DeliverResp(sequence=delivery.sequence, msg_id=delivery.msg_id, status=0))
        reply = await client.read()
        assert (reply.is_report, reply.content, reply.src_term_id) == (0, b"\0T", "138")
        client.send(smgp.DeliverResp(sequence=reply.sequence, msg_id=reply.msg_id, status=0))
        await until(lambda: stage.mail.accepted == [7, 8])

    play(story)


def test_a_wrong_secret_of_smgp_gets_its_status() -> None:
    async def story(stage: Stage) -> None:
        client = await stage.connect("smgp")
        assert await client.login(b"wrong") == 21
        assert await client.read() is None

    play(story)


@every_protocol
def test_after_three_wrong_logins_the_right_secret_must_wait(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        for _ in range(3):
            assert await (await stage.connect(protocol)).login(b"wrong") != 0
        assert await (await stage.connect(protocol)).login() == (0x0D if protocol == "smpp" else 5)
        stage.now += 5.0
        assert await (await stage.connect(protocol)).login() == 0

    with capture_logs() as logs:
        play(story)
    refused = [line for line in logs if line["event"] == "login_refused"]
    assert [line.get("locked_s") for line in refused] == [None, None, 5]


def test_reloaded_accounts_hold_from_now_on_and_drain_the_links_of_accounts_that_are_gone() -> None:
    async def story(stage: Stage) -> None:
        mine = account(addresses=(ip_network("127.0.0.0/8"),))
        first = await stage.connect("smpp")
        assert await first.login() == 0
        stage.server.reload({"900001": msgspec.structs.replace(mine, secret=b"another", links=2)})
        assert await (await stage.connect("smpp")).login(b"another") == 0
        first.submit(5)
        assert (await first.read()).status == 0, "an open link goes on"
        stage.server.reload({})
        goodbye = await first.read()
        assert isinstance(goodbye, smpp.Unbind)
        assert await (await stage.connect("smpp")).login(b"another") == 0x0E

    play(story, links=1)


@every_protocol
def test_a_trace_has_the_frames_of_a_ports_link_both_ways_after_its_login(protocol: str) -> None:
    async def story(stage: Stage) -> None:
        stage.recorder.traces = [Trace(1, Subject.PORT, "10690001", 1), Trace(2, Subject.CHANNEL, "default", 1)]
        client = await stage.connect(protocol)
        assert await client.login() == 0
        client.submit(5)
        await client.read()
        stage.mail.waiting = [Waiting(7, REPORT)]
        await taken(client)
        await until(lambda: stage.mail.accepted == [7])
        noted = stage.recorder.take()
        assert {(each.trace, each.channel, each.link) for each in noted} == {(1, "account/900001", 1)}
        names = ("SubmitSm", "DeliverSm") if protocol == "smpp" else ("Submit", "Deliver")
        assert [(each.command, each.outgoing) for each in noted] == [
            (names[0], False),
            (f"{names[0]}Resp", True),
            (names[1], True),
            (f"{names[1]}Resp", False),
        ]
        assert "secret" not in str(noted)

    play(story)
