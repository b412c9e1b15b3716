"""SMSGate as the carrier, well-behaved and not: every message ends in the state that the carrier knows it to have.

Each behaviour is tried with a few hundred messages, and with 10,000 among the slow proofs. The test prints what
it counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import Row, select

from pipeline.actions.senders.links import link as link_module
from pipeline.actions.senders.part import FINAL
from pipeline.process.backoff import Backoff
from pipeline.store import schema
from pipeline.store.database import Database
from tests.harness.sender_harness import ACCOUNT, SECRET, numbers, outbound, sending, states
from tests.harness.servers.smsgate_gateway import SmsGate, Truth, smsgate_jars

pytestmark = pytest.mark.long

# behaviour -> parts a message, links, seconds for an answer
BEHAVIOURS = {
    "PLAIN": (1, 2, 20.0),
    "DELAYS": (1, 4, 20.0),
    "THROTTLE": (1, 2, 20.0),
    "REFUSALS": (1, 2, 20.0),
    "SILENCE": (1, 4, 6.0),
    "REPORTS_FIRST": (1, 2, 20.0),
    "OTHER_LINK": (1, 3, 20.0),
    "TWICE": (1, 2, 20.0),
    "CLOSES": (10, 4, 20.0),
    "POISON": (1, 2, 20.0),
    "TERMINATE": (1, 2, 20.0),
}
FEW = 300
WINDOW = 16
# Why a part was sent again.
UNANSWERED = "the carrier had not answered"
LOST = "its answer was lost with the link"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmsGate]:
    """One Java process for all behaviours, one after another."""
    with SmsGate(smsgate_jars(), tmp_path_factory.mktemp("smsgate"), ACCOUNT, SECRET) as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of lost links and pauses are to take minutes, not hours; what happens at each is the same."""
    monkeypatch.setenv("ANTISPAM_CHANNEL_DEFAULT_SECRET", SECRET.decode())
    monkeypatch.setattr(link_module, "RECONNECTION", Backoff(0.02, 0.1))
    monkeypatch.setattr(link_module, "THROTTLING", Backoff(0.005, 0.02))


async def play(db: Database, gateway: SmsGate, behaviour: str, messages: int, deadline: float) -> tuple[Truth, int]:
    """Send the messages until each part is at its end; what the carrier says, and how many reports we published."""
    parts, links, answer_wait = BEHAVIOURS[behaviour]
    text = "【测试】您好" if parts == 1 else "长" * (67 * parts)
    gateway.begin(behaviour)
    async with sending(db, gateway, links=links, window=WINDOW, answer_wait=answer_wait) as s:
        await s.until(lambda: any(link.connected for link in s.agent.links))
        for start in range(0, messages, 100):
            s.add(outbound(f"s-{start}", numbers(min(100, messages - start), start), text))
        await s.until(lambda: len(s.done) == -(-messages // 100), deadline)
        await s.until(lambda: _all_final(db), deadline, every=0.2)
        return await asyncio.to_thread(gateway.end, WINDOW), len(s.published)


def _all_final(db: Database) -> bool:
    with db.read() as connection:
        rows = select(schema.deliveries.c.n).where(schema.deliveries.c.state.not_in(FINAL))
        return connection.execute(rows.limit(1)).first() is None


def check(truth: Truth, rows: list[Row[tuple[object, ...]]], messages: int, parts: int) -> Counter[str]:
    """Every part is there, in the state the carrier knows; how many copies were sent, and why each."""
    assert len(rows) == messages * parts
    told = truth.answered - truth.unread
    for row in rows:
        where = (row.recipient, row.part)
        if row.state == "refused":
            assert truth.refused[where] == 1
            assert not truth.copies[where]
            continue
        assert truth.copies[where], "the carrier took this part, not only another of the message"
        known = truth.taken[row.carrier_id]
        assert row.state == {"DELIVRD": "delivered", "UNDELIV": "failed"}[known.end], where
        assert known.recipient == row.recipient
        if row.carrier_id in told:
            assert known.part == row.part, "an answered id names its own part"
    repeats: Counter[str] = Counter()
    for ids in truth.copies.values():
        for earlier in ids[:-1]:
            if earlier not in truth.answered:
                repeats[UNANSWERED] += 1
            else:
                repeats[LOST if earlier in truth.unread else "for no reason"] += 1
    assert truth.unacknowledged == 0
    return repeats


def run(db: Database, gateway: SmsGate, behaviour: str, messages: int, deadline: float) -> None:
    parts = BEHAVIOURS[behaviour][0]
    truth, published = asyncio.run(play(db, gateway, behaviour, messages, deadline))
    with db.read() as connection:
        rows = list(connection.execute(select(schema.deliveries)))
    repeats = check(truth, rows, messages, parts)
    print(
        f"{behaviour}: {messages} messages, {len(rows)} parts {dict(states(db))}, repeats {dict(repeats)}, "
        f"{published} reports published, carrier {dict(truth.events)}"
    )
    assert published == sum(row.state != "refused" for row in rows), "each report that settles a part is published once"
    assert repeats.keys() <= {"SILENCE": {UNANSWERED}, "CLOSES": {UNANSWERED, LOST}}.get(behaviour, set())
    if behaviour == "REFUSALS":
        assert states(db)["refused"] == sum(number[-1] in "12" for number in numbers(messages))
    if behaviour == "POISON":
        assert truth.events["login"] == BEHAVIOURS[behaviour][1], "no link was lost"
        assert truth.bad_delivers == 2 * -(-messages // 10), "each poisoned DELIVER was answered once"


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_every_message_ends_as_the_carrier_knows(operational_db: Database, gateway: SmsGate, behaviour: str) -> None:
    run(operational_db, gateway, behaviour, FEW if BEHAVIOURS[behaviour][0] == 1 else FEW // 10, 60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_ten_thousand_messages_end_as_the_carrier_knows(
    operational_db: Database, gateway: SmsGate, behaviour: str
) -> None:
    run(operational_db, gateway, behaviour, 10_000, 1500)
