"""The role as a process, with clients that others wrote: what is answered is on the topic, text by text."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline.errors import AntispamError
from pipeline.events import Submission, decoder
from pipeline.ingest.lag import LANES
from pipeline.ingest.links.message_ids import submission_id
from pipeline.ingest.links.role import run_links
from pipeline.kafka.clients import reader
from pipeline.kafka.replay import replay
from pipeline.protocols.smpp import MESSAGE_PAYLOAD, SMPP, BindTransceiver, SubmitSm
from pipeline.protocols.tlvs import Tlv
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from tests.harness.peers.pip_peer import pip_peer
from tests.harness.processes.api import PORT, serving
from tests.harness.processes.links import ACCOUNT, SECRET, link_deployment, start_links

COUNT = 1000
EMOJI = "😀🎉👨‍👩‍👧"
WINDOW = 16


def text_of(number: int) -> str:
    return f"【银行】第{number}条 {EMOJI if number % 3 == 0 else '您好'}"


def recipient_of(number: int) -> str:
    return f"138{number:08d}"


def on_the_topics(settings: Settings) -> dict[str, Submission]:
    """The submissions by id; no id may come twice."""
    found: dict[str, Submission] = {}
    decode = decoder(Submission)

    def take(message: Any) -> None:
        submission = decode(message.value())
        assert submission.id not in found
        found[submission.id] = submission

    consumer = reader(settings, "test")
    try:
        replay(consumer, [(topic, p) for topic in LANES for p in range(settings.partitions)], take)
    finally:
        consumer.close()
    return found


def expected(numbers: range) -> Counter[tuple[str, str, str]]:
    return Counter((PORT, recipient_of(n), text_of(n)) for n in numbers)


def seen(submissions: dict[str, Submission]) -> Counter[tuple[str, str, str]]:
    return Counter((s.port, s.recipients[0], s.content) for s in submissions.values())


@pytest.mark.long
def test_smpplib_submits_and_every_text_is_on_the_topic(fresh_broker: str, tmp_path: Path) -> None:
    client_of = pip_peer("smpplib", "2.2.4", "smpplib.client")
    settings = link_deployment(fresh_broker, tmp_path)
    idents: list[str] = []
    with serving(settings, start_links) as running:
        client = client_of.Client("127.0.0.1", settings.smpp_port, timeout=30, allow_unknown_opt_params=True)
        client.set_message_sent_handler(lambda pdu: idents.append(pdu.message_id.decode()))
        client.connect()
        client.bind_transceiver(system_id=ACCOUNT, password=SECRET)
        for n in range(COUNT):
            client.send_message(
                source_addr=PORT,
                destination_addr=recipient_of(n),
                data_coding=8,
                short_message=text_of(n).encode("utf-16-be"),
            )
            if n - len(idents) >= WINDOW - 1:
                client.read_once()
        while len(idents) < COUNT:
            client.read_once()
        client.unbind()
        client.disconnect()
        log = running[0].tail()
    found = on_the_topics(settings)
    assert set(found) == {submission_id(int(ident, 16)) for ident in idents}
    assert seen(found) == expected(range(COUNT))
    assert recipient_of(1) not in log


def cmpp_exchange(requests: ModuleType, responses: ModuleType, port: int, numbers: range) -> list[int]:
    """Submit with cmppy's messages; returns the ids in its answers."""
    idents: list[int] = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rb") as stream:

        def answer() -> Any:
            head = stream.read(4)
            return responses.parse_response(head + stream.read(int.from_bytes(head, "big") - 4))

        connection.sendall(requests.ConnectReq(ACCOUNT, SECRET).message)
        answer()
        waiting = 0
        for n in numbers:
            connection.sendall(
                requests.SubmitReq(ACCOUNT, text_of(n), src_id=PORT, dest_terminal_id=[recipient_of(n)]).message
            )
            waiting += 1
            if waiting == WINDOW:
                idents.append(_accepted(answer()))
                waiting -= 1
        idents += [_accepted(answer()) for _ in range(waiting)]
        connection.sendall(requests.TerminateReq().message)
        answer()
    return idents


def _accepted(answer: Any) -> int:
    assert answer.result == 0
    return int(answer.msg_id)


@pytest.mark.long
def test_cmppy_submits_and_every_text_is_on_the_topic(fresh_broker: str, tmp_path: Path) -> None:
    requests = pip_peer("cmppy", "0.3", "cmppy.request")
    responses = pip_peer("cmppy", "0.3", "cmppy.response")
    settings = link_deployment(fresh_broker, tmp_path)
    with serving(settings, start_links):
        idents = cmpp_exchange(requests, responses, settings.cmpp_port or 0, range(COUNT))
    found = on_the_topics(settings)
    assert set(found) == {submission_id(ident) for ident in idents}
    assert seen(found) == expected(range(COUNT))


@pytest.mark.long
@pytest.mark.kafka
def test_a_kill_loses_nothing_that_was_answered(fresh_kafka: KafkaNode, tmp_path: Path) -> None:
    settings = link_deployment(fresh_kafka.bootstrap, tmp_path)
    answered: dict[int, str] = {}
    with serving(settings, start_links) as running:
        for round_ in range(3):
            answered |= _until_killed(settings, running, start=round_ * 100_000)
            running[0] = start_links(settings)
    found = on_the_topics(settings)
    assert len(answered) > 3 * 50
    for number, ident in answered.items():
        assert found[submission_id(int(ident, 16))].content == text_of(number)


def _until_killed(settings: Settings, running: list[Any], start: int) -> dict[int, str]:
    """Submit until the server, killed at some answer in between, is gone: message ids by number."""
    answered: dict[int, str] = {}
    with socket.create_connection(("127.0.0.1", settings.smpp_port or 0), timeout=30) as connection:
        frames = SMPP.frames()
        connection.sendall(SMPP.encode(BindTransceiver(sequence=1, system_id=ACCOUNT, password=SECRET)))

        room, gone = threading.Semaphore(WINDOW), threading.Event()

        def submit() -> None:
            """As fast as answers come: the server is killed with submissions in every state."""
            for number in count(start + 2):
                room.acquire()
                if gone.is_set():
                    return
                submission = SubmitSm(
                    sequence=number,
                    source_addr=PORT,
                    destination_addr=recipient_of(number),
                    data_coding=8,
                    tlvs=(Tlv(MESSAGE_PAYLOAD, text_of(number).encode("utf-16-be")),),
                )
                try:
                    connection.sendall(SMPP.encode(submission))
                except OSError:
                    return

        thread = threading.Thread(target=submit)
        thread.start()
        try:
            while data := connection.recv(65536):
                for frame in frames.feed(data):
                    answer: Any = SMPP.decode(frame)
                    if answer.sequence > 1:
                        room.release()
                    if getattr(answer, "message_id", "") and answer.sequence > 1:
                        answered[answer.sequence] = answer.message_id
                if len(answered) > 100:
                    running[0].kill()
        except ConnectionError:
            assert len(answered) > 100, "it ended before it was killed"
        finally:
            gone.set()
            room.release()
            thread.join()
    return answered


def test_without_accounts_or_a_port_the_role_says_what_it_needs(tmp_path: Path) -> None:
    some: tuple[dict[str, Any], ...] = ({}, {"cmpp_port": 1}, {"link_accounts": tmp_path / "a.yaml"})
    for given in some:
        with pytest.raises(AntispamError, match="ANTISPAM_LINK_ACCOUNTS and one of ANTISPAM_CMPP_PORT"):
            run_links(Settings(_env_file=None, **given), threading.Event())
