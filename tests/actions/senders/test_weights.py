"""Weights give each channel its share, the same way to one number, and nothing is lost or sent twice."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from pipeline.actions.senders.live.controls import Control
from pipeline.actions.senders.weights import chosen
from pipeline.store.database import Database
from tests.harness.case_events import add_port
from tests.harness.sender_harness import PORT, SECRET, carrier, channel_to, fleet, numbers, outbound, states

SHARED = Control(weights={"one": 1, "two": 3})


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONE", "TWO"):
        monkeypatch.setenv(f"ANTISPAM_CHANNEL_{name}_SECRET", SECRET.decode())


def test_each_channel_gets_its_share_and_a_number_always_the_same() -> None:
    weights = {"one": 1, "two": 3}
    found = {number: chosen(weights, (PORT, number)) for number in numbers(4000)}
    share = Counter(found.values())
    assert 900 < share["one"] < 1100
    assert all(chosen(weights, (PORT, number)) == channel for number, channel in found.items())
    assert {chosen({"two": 7}, (PORT, number)) for number in numbers(100)} == {"two"}


def test_messages_are_shared_each_sent_once_and_those_of_a_number_in_order(operational_db: Database) -> None:
    weights = SHARED.weights
    assert weights is not None

    async def run() -> None:
        async with carrier() as first, carrier() as second:
            one, two = channel_to(first, name="one"), channel_to(second, name="two")
            async with fleet(operational_db, one, two) as running:
                running["one"].agent.obey(SHARED)
                await running["one"].until(lambda: all(each.agent.links[0].connected for each in running.values()))
                for text in ("a", "b"):
                    running["one"].add(outbound(text, numbers(80), text))
                await running["one"].until(lambda: len(running["one"].done) == 2)
            there = {"one": first, "two": second}
            for name, simulator in there.items():
                mine = [number for number in numbers(80) if chosen(weights, (PORT, number)) == name]
                assert Counter(seen.recipient for seen in simulator.seen) == dict.fromkeys(mine, 2)
                for number in mine:
                    assert [seen.text for seen in simulator.seen if seen.recipient == number] == ["a", "b"]

    asyncio.run(run())
    assert states(operational_db).total() == 160


def test_without_the_other_channel_all_is_sent_here(operational_db: Database) -> None:
    async def run() -> None:
        async with carrier() as first, carrier() as second:
            one, two = channel_to(first, name="one"), channel_to(second, name="two")
            async with fleet(operational_db, one, two) as running:
                running["one"].agent.obey(SHARED)
                running["two"].agent.obey(Control(off=True))
                running["one"].add(outbound("s", numbers(40)))
                await running["one"].until(lambda: len(running["one"].done) == 1)
            assert (len(first.seen), len(second.seen)) == (40, 0)

    asyncio.run(run())


def test_a_port_that_names_the_channel_keeps_it(operational_db: Database) -> None:
    with operational_db.write() as connection:
        add_port(connection, PORT, channel="one")

    async def run() -> None:
        async with carrier() as first, carrier() as second:
            one, two = channel_to(first, name="one"), channel_to(second, name="two")
            async with fleet(operational_db, one, two) as running:
                running["one"].agent.obey(SHARED)
                await running["one"].until(lambda: all(each.agent.links[0].connected for each in running.values()))
                running["one"].add(outbound("s", numbers(40)))
                await running["one"].until(lambda: len(running["one"].done) == 1)
            assert (len(first.seen), len(second.seen)) == (40, 0)

    asyncio.run(run())


def test_what_an_earlier_sender_has_begun_goes_on_where_it_is(operational_db: Database) -> None:
    """Its first sender had no weights and was ended half-way; the second one has them."""
    record = outbound("s", numbers(40))

    async def run(control: Control, first_delay: float, wanted: int) -> list[str]:
        async with carrier(delay=first_delay, reports=False) as first, carrier(reports=False) as second:
            one, two = channel_to(first, name="one", window=4), channel_to(second, name="two")
            async with fleet(operational_db, one, two) as running:
                running["one"].agent.obey(control)
                await running["one"].until(lambda: all(each.agent.links[0].connected for each in running.values()))
                running["one"].add(record)
                await running["one"].until(lambda: states(operational_db)["submitted"] >= wanted)
                running["one"].agent.stop()
                await running["one"].until(lambda: running["one"].agent.at_risk == 0)
            return [seen.recipient for simulator in (first, second) for seen in simulator.seen]

    begun = asyncio.run(run(Control(), 0.02, 8))
    rest = asyncio.run(run(SHARED, 0.0, 40))
    assert 8 <= len(begun) < 40
    assert Counter(begun + rest) == Counter(numbers(40))
