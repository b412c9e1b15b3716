"""What carriers do with answers and reports: early, late, twice, intermediate. Each message ends as it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.actions.senders.links import link as link_module
from pipeline.process.backoff import Backoff
from pipeline.protocols import cmpp
from pipeline.protocols.cmpp import CMPP3
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import PORT, SECRET, Sending, numbers, outbound, sending
from tests.harness.servers.scripted_gateway import ScriptedGateway, Submitted

LATER = 0.05  # seconds


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())
    monkeypatch.setattr(link_module, "RECONNECTION", Backoff(0.01, 0.05))


def rows(db: Database) -> dict[str, tuple[str, str]]:
    """(state, carrier's word) by recipient."""
    with db.read() as connection:
        return {r.recipient: (r.state, r.status) for r in connection.execute(select(schema.deliveries))}


def run(
    db: Database,
    script: Callable[[ScriptedGateway, Submitted], None],
    recipients: list[str],
    until: Callable[[Sending, ScriptedGateway], bool],
    **channel: Any,
) -> ScriptedGateway:
    gateway = ScriptedGateway(lambda s: script(gateway, s))

    async def send() -> None:
        async with gateway, sending(db, gateway, **channel) as sender:
            sender.add(outbound("s", recipients))
            await sender.until(lambda: len(sender.done) == 1)
            await sender.until(lambda: until(sender, gateway), 10)

    asyncio.run(send())
    return gateway


# What the gateway does, in order, and what the message must end as. A word is a report.
WAYS: dict[str, tuple[tuple[str, ...], tuple[str, str]]] = {
    "the report before the answer": (("DELIVRD", "later answer"), ("delivered", "DELIVRD")),
    "delivered, then expired": (("answer", "DELIVRD", "later EXPIRED"), ("delivered", "DELIVRD")),
    "expired, then delivered": (("answer", "EXPIRED", "later DELIVRD"), ("failed", "EXPIRED")),
    "on its way, and no more": (("answer", "ENROUTE"), ("submitted", "")),
    "on its way, then delivered": (
        ("answer", "ENROUTE", "buffred", "ACCEPTD", "later DELIVRD"),
        ("delivered", "DELIVRD"),
    ),
    "answered in the form of 2.0": (("answer of 2.0", "DELIVRD"), ("delivered", "DELIVRD")),
    "undeliverable": (("answer", "UNDELIV"), ("failed", "UNDELIV")),
    "reported twice": (("answer", "DELIVRD", "later DELIVRD"), ("delivered", "DELIVRD")),
    "an unknown command between": (("answer", "unknown command", "DELIVRD"), ("delivered", "DELIVRD")),
    "unknown is final": (("answer", "UNKNOWN", "later DELIVRD"), ("failed", "UNKNOWN")),
    "small letters": (("answer", "delivrd"), ("delivered", "DELIVRD")),
}


def do(gateway: ScriptedGateway, s: Submitted, step: str) -> None:
    if step.startswith("later "):
        gateway.later(LATER, do, gateway, s, step.removeprefix("later "))
    elif step == "answer":
        s.answer()
    elif step == "answer of 2.0":  # one octet for the result
        head = b"".join(n.to_bytes(4, "big") for n in (21, 0x8000_0004, s.pdu.sequence))
        s.link.write(head + s.msg_id.to_bytes(8, "big") + b"\0")
    elif step == "unknown command":
        s.link.write(b"\0\0\0\x14\0\0\0\x09\0\0\0\x4d" + bytes(8))
    else:
        s.report(step)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_ends_as_it_is_and_costs_nobody_else(operational_db: Database, way: str) -> None:
    steps, expected = WAYS[way]
    reports = sum("answer" not in step and "command" not in step for step in steps)
    recipients = numbers(4)

    def script(gateway: ScriptedGateway, s: Submitted) -> None:
        if s.recipient == recipients[1]:
            for step in steps:
                do(gateway, s, step)
        else:
            s.answer()
            s.report("DELIVRD")

    def over(sender: Sending, gateway: ScriptedGateway) -> bool:
        return len(gateway.acknowledged) == reports + 3 and rows(operational_db)[recipients[1]] == expected

    gateway = run(operational_db, script, recipients, over)
    assert rows(operational_db) == dict.fromkeys(recipients, ("delivered", "DELIVRD")) | {recipients[1]: expected}
    assert gateway.acknowledged == [0] * (reports + 3)
    assert Counter(s.recipient for s in gateway.submits) == Counter(recipients), "nothing went twice"
    assert len(gateway.links) == 1, "no link was lost"


def test_what_settles_a_part_is_published_once(operational_db: Database) -> None:
    found: list[int] = []

    def script(gateway: ScriptedGateway, s: Submitted) -> None:
        s.answer()
        for word in ("ENROUTE", "DELIVRD", "DELIVRD", "EXPIRED"):
            s.report(word)

    def over(sender: Sending, gateway: ScriptedGateway) -> bool:
        found[:] = [len(sender.published)]
        return len(gateway.acknowledged) == 12

    run(operational_db, script, numbers(3), over)
    assert found == [3]


@pytest.mark.parametrize("resend", [True, False])
def test_a_report_settles_a_part_whose_answer_is_lost_with_the_link(operational_db: Database, resend: bool) -> None:
    """It came while the part was in flight. The part is not sent again: its fate is known."""

    def end(gateway: ScriptedGateway, s: Submitted) -> None:
        if gateway.acknowledged:
            s.link.end()
        else:
            gateway.later(LATER, end, gateway, s)

    def script(gateway: ScriptedGateway, s: Submitted) -> None:
        gateway.later(LATER, s.report, "DELIVRD")
        end(gateway, s)

    gateway = run(
        operational_db,
        script,
        numbers(1),
        lambda *_: rows(operational_db)[numbers(1)[0]][0] == "delivered",
        resend=resend,
    )
    assert len(gateway.submits) == 1


def test_one_id_at_two_recipients_is_two_messages(operational_db: Database) -> None:
    first, second = numbers(2)

    def script(gateway: ScriptedGateway, s: Submitted) -> None:
        s.msg_id = 7
        s.answer()
        if len(gateway.submits) == 2:
            s.report("UNDELIV", recipient=first)
            s.report("DELIVRD", recipient=f"86{second}")

    run(operational_db, script, [first, second], lambda _, gateway: len(gateway.acknowledged) == 2)
    assert rows(operational_db) == {first: ("failed", "UNDELIV"), second: ("delivered", "DELIVRD")}


def test_a_subscriber_s_message_is_acknowledged_once_it_is_stored(operational_db: Database) -> None:
    """The gateway delivers a word to unsubscribe on the link over which it has taken a message."""

    def script(gateway: ScriptedGateway, submitted: Submitted) -> None:
        submitted.answer()
        submitted.link.write(
            CMPP3.encode(
                cmpp.Deliver(
                    sequence=77,
                    msg_id=5,
                    dest_id=PORT,
                    msg_fmt=8,
                    src_terminal_id="8613800000009",
                    registered_delivery=0,
                    content="退订".encode("utf-16-be"),
                )
            )
        )

    gateway = run(operational_db, script, numbers(1), lambda _, gateway: len(gateway.acknowledged) == 1)
    assert gateway.acknowledged == [0]
    with operational_db.read() as connection:
        row = connection.execute(select(schema.replies)).one()
        assert (row.subscriber, row.to, row.port) == ("13800000009", PORT, PORT)
        assert list(connection.scalars(select(schema.list_entries.c.value))) == [f"{PORT}:13800000009"]
