"""Sessions of ports over CMPP, SMPP and SMGP, with a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.links.account import Refusal, Usage
from pipeline.ingest.links.attempts import Attempts
from pipeline.ingest.links.cmpp_dialect import CmppDialect
from pipeline.ingest.links.dialect import Outcome
from pipeline.ingest.links.session import (
    Action,
    Close,
    Delivered,
    LoggedIn,
    LoginRefused,
    Send,
    Session,
    Skipped,
    State,
    Submitted,
    Undelivered,
)
from pipeline.ingest.links.smgp_dialect import SmgpDialect
from pipeline.ingest.links.smpp_dialect import SmppDialect
from pipeline.protocols import cmpp, smgp, smpp
from pipeline.protocols.cmpp import CMPP2, CMPP3
from pipeline.protocols.codec import Codec
from pipeline.protocols.smgp import SMGP
from pipeline.protocols.smpp import SMPP
from tests.ingest.links.test_account import account

HERE = "10.1.0.1"
CODECS: dict[str, Codec[Any]] = {"cmpp3": CMPP3, "cmpp2": CMPP2, "smpp": SMPP, "smgp": SMGP}
DIALECTS: dict[str, Any] = {"cmpp3": CmppDialect, "cmpp2": CmppDialect, "smpp": SmppDialect, "smgp": SmgpDialect}
MODULES: dict[str, Any] = {"cmpp3": cmpp, "cmpp2": cmpp, "smpp": smpp, "smgp": smgp}
TEST = {cmpp: cmpp.ActiveTest, smpp: smpp.EnquireLink, smgp: smgp.ActiveTest}
TEST_ANSWER = {cmpp: cmpp.ActiveTestResp, smpp: smpp.EnquireLinkResp, smgp: smgp.ActiveTestResp}
END = {cmpp: cmpp.Terminate, smpp: smpp.Unbind, smgp: smgp.Exit}
END_ANSWER = {cmpp: cmpp.TerminateResp, smpp: smpp.UnbindResp, smgp: smgp.ExitResp}
every_protocol = pytest.mark.parametrize("protocol", CODECS)


class Port:
    """A session and the client's side of it."""

    def __init__(self, protocol: str, address: str = HERE, usage: Usage | None = None, **fields: object) -> None:
        self.protocol, self.codec = protocol, CODECS[protocol]
        self.usage = usage or Usage(account(**fields), 0.0)
        self.now, self.submits = 0.0, 0
        self.session = Session(
            DIALECTS[protocol](), {self.usage.account.name: self.usage}.get, Attempts(), address, 0.0
        )

    def login(self, secret: bytes = b"secret", name: str = "900001", version: int | None = None) -> list[Action]:
        if self.protocol == "smpp":
            return self.send(smpp.BindTransceiver(sequence=1, system_id=name, password=secret.decode()))
        if self.protocol == "smgp":
            proof = smgp.authenticator_client(name, secret, 1121143005)
            return self.send(smgp.Login(sequence=1, client_id=name, authenticator=proof, timestamp=1121143005))
        version = version or (0x20 if self.protocol == "cmpp2" else 0x30)
        proof = cmpp.authenticator_source(name, secret, 1121143005)
        connect = cmpp.Connect(sequence=1, source_addr=name, authenticator=proof, version=version, timestamp=1121143005)
        return self.send(connect)

    def send(self, pdu: Any) -> list[Action]:
        return self.session.receive(self.codec.encode(pdu), self.now)

    def submit(self, sequence: int | None = None, recipients: int = 1) -> list[Action]:
        if sequence is None:
            self.submits += 1
            sequence = 6 + self.submits
        if self.protocol == "smpp":
            found = tuple(smpp.Address(destination_addr=str(n)) for n in range(recipients))
            return self.send(smpp.SubmitMulti(sequence=sequence, source_addr="1069", destinations=found))
        found_numbers = tuple(f"138{n:08d}" for n in range(recipients))
        if self.protocol == "smgp":
            return self.send(
                smgp.Submit(sequence=sequence, msg_format=8, src_term_id="1069", recipients=found_numbers, content=b"")
            )
        submit = cmpp.Submit(
            sequence=sequence, msg_fmt=8, msg_src="900001", src_id="1069", recipients=found_numbers, content=b""
        )
        return self.send(submit)

    def told(self, actions: Sequence[Action]) -> list[Any]:
        """The messages that the client gets."""
        return [self.codec.decode(action.frame) for action in actions if isinstance(action, Send)]

    def result(self, actions: Sequence[Action]) -> int:
        """The result in the only message that the client gets."""
        (pdu,) = self.told(actions)
        return int(pdu.result if hasattr(pdu, "result") else pdu.status)

    def wait(self, seconds: float) -> list[Action]:
        self.now += seconds
        return self.session.tick(self.now)

    def deliver(self, token: object) -> list[Action]:
        if self.protocol == "smpp":
            pdu: Any = smpp.DeliverSm(sequence=0, source_addr="138", destination_addr="1069")
        elif self.protocol == "smgp":
            pdu = smgp.Deliver(
                sequence=0,
                msg_id=bytes(10),
                is_report=0,
                msg_format=0,
                src_term_id="138",
                dest_term_id="1069",
                content=b"",
            )
        else:
            pdu = cmpp.Deliver(
                sequence=0, msg_id=1, dest_id="1", msg_fmt=0, src_terminal_id="138", registered_delivery=0, content=b""
            )
        return self.session.deliver(token, pdu, self.now)

    def acknowledge(self, delivered: Sequence[Action], result: int = 0) -> list[Action]:
        (pdu,) = self.told(delivered)
        if self.protocol == "smpp":
            return self.send(smpp.DeliverSmResp(sequence=pdu.sequence, status=result))
        if self.protocol == "smgp":
            return self.send(smgp.DeliverResp(sequence=pdu.sequence, msg_id=pdu.msg_id, status=result))
        return self.send(cmpp.DeliverResp(sequence=pdu.sequence, msg_id=pdu.msg_id, result=result))


def ends(actions: Sequence[Action]) -> str | None:
    return next((action.cause for action in actions if isinstance(action, Close)), None)


THROTTLED = {"cmpp2": 8, "cmpp3": 8, "smpp": 0x58, "smgp": 1}


@every_protocol
def test_a_login_is_answered_in_the_clients_version(protocol: str) -> None:
    port = Port(protocol)
    actions = port.login()
    assert LoggedIn("900001") in actions
    assert port.result(actions) == 0
    assert port.session.state is State.OPEN
    assert port.usage.links == 1
    if protocol in ("cmpp2", "cmpp3"):
        (answer,) = port.told(actions)
        proof = cmpp.authenticator_source("900001", b"secret", 1121143005)
        assert answer.authenticator == cmpp.authenticator_ismg(0, proof, b"secret", port.codec)


@every_protocol
def test_a_wrong_secret_gets_the_status_and_a_line_that_names_the_account(protocol: str) -> None:
    for port, name in ((Port(protocol), "900001"), (Port(protocol), "900002")):
        actions = port.login(secret=b"wrong", name=name)
        assert LoginRefused(name, Refusal.PROOF) in actions
        assert port.result(actions) == {"smpp": 0x0E, "smgp": 21}.get(protocol, 3)
        assert ends(actions) == "login refused"
        assert port.usage.links == 0


@every_protocol
def test_one_link_too_many_and_strange_addresses_are_refused(protocol: str) -> None:
    first = Port(protocol, links=1)
    first.login()
    second = Port(protocol, usage=first.usage)
    assert LoginRefused("900001", Refusal.LINKS) in second.login()
    first.session.lost()
    assert LoggedIn("900001") in Port(protocol, usage=first.usage).login()
    assert LoginRefused("900001", Refusal.ADDRESS) in Port(protocol, address="192.0.2.1").login()


def test_a_version_that_is_not_known_is_refused() -> None:
    port = Port("cmpp3")
    proof = cmpp.authenticator_source("900001", b"secret", 1121143005)
    connect = cmpp.Connect(sequence=1, source_addr="900001", authenticator=proof, version=0x30, timestamp=1121143005)
    frame = bytearray(CMPP3.encode(connect))
    frame[34] = 0x40
    assert LoginRefused("900001", Refusal.VERSION) in port.session.receive(bytes(frame), 0.0)


@every_protocol
def test_a_submission_is_answered_only_when_the_caller_says(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    (submitted,) = port.submit(sequence=77)
    assert isinstance(submitted, Submitted)
    (answer,) = port.told(port.session.answer(submitted.ticket, Outcome.ACCEPTED, 0xBAB9E14DBBA10102))
    assert answer.sequence == 77
    ident = answer.message_id if protocol == "smpp" else answer.msg_id
    as_digits = bytes.fromhex(f"{0xBAB9E14DBBA10102:020d}")
    assert ident == {"smpp": "bab9e14dbba10102", "smgp": as_digits}.get(protocol, 0xBAB9E14DBBA10102)
    assert port.session.answer(submitted.ticket, Outcome.ACCEPTED, 1) == [], "one answer"


@every_protocol
def test_a_submission_sent_again_is_taken_once_and_gets_the_same_answer(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    (submitted,) = port.submit(sequence=3)
    assert isinstance(submitted, Submitted)
    assert isinstance(port.submit(sequence=3)[0], Skipped)
    answer = port.session.answer(submitted.ticket, Outcome.ACCEPTED, 77)
    assert port.submit(sequence=3) == answer
    assert isinstance(port.submit(sequence=4)[0], Submitted)
    (later,) = port.submit(sequence=5)
    assert isinstance(later, Submitted)
    port.session.answer(later.ticket, Outcome.THROTTLED)
    assert isinstance(port.submit(sequence=5)[0], Submitted), "what was refused may come again"


@every_protocol
def test_over_the_rate_nothing_is_taken_and_the_code_comes_at_once(protocol: str) -> None:
    port = Port(protocol, rate=50.0, window=100)
    port.login()
    assert isinstance(port.submit(recipients=30)[0], Submitted)
    assert port.result(port.submit(recipients=30)) == THROTTLED[protocol]
    assert isinstance(port.submit(recipients=20)[0], Submitted), "the refused one took nothing"
    port.now = 1.0
    assert isinstance(port.submit(recipients=50)[0], Submitted)


@every_protocol
def test_beyond_the_window_submissions_are_refused(protocol: str) -> None:
    port = Port(protocol, window=2)
    port.login()
    first, _ = port.submit()[0], port.submit()[0]
    assert port.result(port.submit()) == THROTTLED[protocol]
    assert isinstance(first, Submitted)
    port.session.answer(first.ticket, Outcome.ACCEPTED, 1)
    assert isinstance(port.submit()[0], Submitted)


@every_protocol
def test_a_submission_before_the_login_is_refused_and_ends_the_link(protocol: str) -> None:
    port = Port(protocol)
    actions = port.submit()
    # A client of 2.0 that has not logged in is read as one of 3.0.
    assert port.result(actions) == {"smpp": 4, "smgp": 11, "cmpp3": 2, "cmpp2": 1}[protocol]
    assert ends(actions)


@every_protocol
def test_without_a_login_the_link_ends(protocol: str) -> None:
    port = Port(protocol)
    assert port.wait(9.9) == []
    assert ends(port.wait(0.1)) == "no login in time"


@every_protocol
def test_a_frame_that_cannot_be_read_costs_itself_only(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    frame = bytearray(port.codec.encode(port.told(port.deliver("x"))[0]))  # its command is changed to SUBMIT's
    frame[7] = 2 if protocol == "smgp" else 4
    frame[:4] = (20).to_bytes(4, "big")
    actions = port.session.receive(bytes(frame[:20]), port.now)
    assert isinstance(actions[0], Skipped)
    assert port.result(actions) == {"smpp": 2, "smgp": 10}.get(protocol, 1)
    unknown = (20).to_bytes(4, "big") + (0x99).to_bytes(4, "big") + bytes(12)
    told = port.told(port.session.receive(unknown, port.now))
    assert [type(one) for one in told] == ([smpp.GenericNack] if protocol == "smpp" else [])
    assert isinstance(port.submit()[0], Submitted)


@every_protocol
def test_a_port_that_is_idle_for_hours_stays_while_it_answers(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    asked = 0
    for _ in range(6 * 60):  # six hours
        for test in port.told(port.wait(60.0)):
            asked += 1
            assert port.send(TEST_ANSWER[MODULES[protocol]](sequence=test.sequence)) == []
    assert port.session.state is State.OPEN
    assert asked == 120
    (reply,) = port.told(port.send(TEST[MODULES[protocol]](sequence=5)))
    assert reply.sequence == 5


@every_protocol
def test_a_silent_port_is_asked_three_times_and_closed(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    assert port.wait(179.9) == []
    assert len(port.told(port.wait(0.1))) == 1
    assert port.wait(59.9) == []
    assert len(port.told(port.wait(0.1))) == 1
    assert len(port.told(port.wait(60.0))) == 1
    assert ends(port.wait(60.0)) == "the port is silent"
    assert port.usage.links == 0


@every_protocol
def test_what_is_delivered_waits_for_its_answer_and_is_sent_again(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    first = port.deliver("report 1")
    again = port.wait(60.0)
    assert port.told(again)[0] == port.told(first)[0]
    assert port.acknowledge(first) == [Delivered("report 1", accepted=True)]
    assert port.acknowledge(first) == [], "the answer to the repetition"
    refused = port.deliver("report 2")
    assert port.acknowledge(refused, result=9) == [Delivered("report 2", accepted=False)]
    port.deliver("report 3")
    port.wait(60.0)
    port.wait(60.0)
    actions = port.wait(60.0)
    assert Undelivered("report 3") in actions
    assert ends(actions) == "the port does not answer"


@every_protocol
def test_what_was_not_answered_is_given_back_when_the_link_is_lost(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    assert port.session.free == 16
    port.deliver("report 1")
    port.deliver("report 2")
    assert port.session.free == 14
    assert port.session.lost() == [Undelivered("report 1"), Undelivered("report 2")]
    assert port.session.free == 0
    assert port.session.lost() == []
    assert port.deliver("report 3") == [Undelivered("report 3")]


def test_a_transmitter_gets_no_reports() -> None:
    port = Port("smpp")
    port.send(smpp.BindTransmitter(sequence=1, system_id="900001", password="secret"))
    assert port.session.state is State.OPEN
    assert port.session.free == 0


@every_protocol
def test_a_drained_link_answers_what_it_took_and_closes(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    (submitted,) = port.submit()
    assert isinstance(submitted, Submitted)
    assert port.session.drain(port.now) == []
    assert port.result(port.submit()) == THROTTLED[protocol]
    answer, end = port.told(port.session.answer(submitted.ticket, Outcome.ACCEPTED, 5))
    assert answer.sequence == 7
    assert ends(port.send(END_ANSWER[MODULES[protocol]](sequence=end.sequence))) == "drained"
    stuck = Port(protocol)
    stuck.login()
    stuck.submit()
    stuck.session.drain(0.0)
    assert ends(stuck.wait(10.0)) == "drain ended"


@every_protocol
def test_a_port_that_ends_gets_its_answers_first(protocol: str) -> None:
    port = Port(protocol)
    port.login()
    (submitted,) = port.submit()
    assert isinstance(submitted, Submitted)
    assert port.send(END[MODULES[protocol]](sequence=9)) == []
    actions = port.session.answer(submitted.ticket, Outcome.ACCEPTED, 5)
    assert [one.sequence for one in port.told(actions)] == [7, 9]
    assert ends(actions) == "closed by the port"


@every_protocol
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["login", "submit", "answer", "deliver", "end", "drain", "noise", "wait"]),
            st.integers(0, 100),
        ),
        max_size=40,
    )
)
def test_whatever_happens_every_submission_and_delivery_is_accounted_for(
    protocol: str, steps: list[tuple[str, int]]
) -> None:
    port = Port(protocol, rate=1000.0)
    taken: list[int] = []
    delivered: list[int] = []
    settled: list[Any] = []
    for step, number in steps:
        actions: list[Action] = []
        if step == "login":
            actions = port.login()
        elif step == "submit":
            actions = port.submit(sequence=number)
        elif step == "answer" and taken:
            actions = port.session.answer(taken.pop(), Outcome.ACCEPTED, number)
        elif step == "deliver" and port.session.free:
            delivered.append(len(delivered))
            actions = port.deliver(delivered[-1])
        elif step == "end":
            actions = port.send(END[MODULES[protocol]](sequence=1))
        elif step == "drain":
            actions = port.session.drain(port.now)
        elif step == "noise":
            noise = bytes([number]) * 30
            actions = port.session.receive((34).to_bytes(4, "big") + noise, port.now)
        elif step == "wait":
            actions = port.wait(number)
        taken += [action.ticket for action in actions if isinstance(action, Submitted)]
        settled += [action.token for action in actions if isinstance(action, Undelivered | Delivered)]
        assert port.usage.links == int(port.session.state in (State.OPEN, State.DRAINING))
    settled += [action.token for action in port.session.lost() if isinstance(action, Undelivered)]
    assert sorted(settled) == delivered
    assert port.usage.links == 0
