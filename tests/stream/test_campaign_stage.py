"""A campaign across ports is known to the rules at the stage's next looks, and a killed stage counts it on exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import monotonic, time

import msgspec
import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from pipeline import topics
from pipeline.decision.configuration import Config
from pipeline.events import Campaign, Decision, Submission
from pipeline.kafka.clients import reader
from pipeline.run.child import Child
from pipeline.sample.stress import stress_ports
from pipeline.settings import Settings
from pipeline.stream.campaign_stage import TELL_EVERY
from tests.harness.processes.workers import prepare, produce, settings_for, start, worker

PORTS = 6
LOOKS = 4  # of the stage for news, from the message that makes a campaign known to a decision that sees it
TRIPS = 10  # of a message through the worker, while the stage counts and tells
_decode_decision = msgspec.json.Decoder(Decision).decode
_decode_campaign = msgspec.json.Decoder(Campaign).decode


class Watch:
    """What has been decided and told so far."""

    def __init__(self, settings: Settings) -> None:
        self.decisions: dict[str, Decision] = {}
        self.told: list[Campaign] = []
        self._consumer = reader(settings, "watch")
        places = [(topics.DECISIONS.name, p) for p in range(settings.partitions)] + [(topics.CAMPAIGNS.name, 0)]
        self._consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for topic, p in places])

    def poll(self) -> None:
        for message in self._consumer.consume(1000, 0.02):
            if message.error() is not None:
                continue
            if message.topic() == topics.CAMPAIGNS.name:
                self.told.append(_decode_campaign(message.value() or b""))
            else:
                decision = _decode_decision(message.value() or b"")
                self.decisions.setdefault(decision.id, decision)

    def close(self) -> None:
        self._consumer.close()


@pytest.fixture
def watch(deployed: tuple[Settings, Config]) -> Iterator[Watch]:
    watching = Watch(deployed[0])
    yield watching
    watching.close()


@pytest.fixture(
    params=[
        pytest.param("fresh_embedded", id="embedded"),
        pytest.param("fresh_kafka", id="kafka", marks=pytest.mark.slow),
    ]
)
def deployed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Settings, Config]:
    """Topics, ports and the shipped policy."""
    broker = request.getfixturevalue(request.param)
    settings = settings_for(broker.bootstrap, tmp_path, campaign_texts=10_000)
    return settings, prepare(settings, tmp_path, PORTS)


CODES = [port.code for port in stress_ports(PORTS)]
SALE = "【甲家】第{n}期会员日全场家具低至{n}折，详情登录jj{n}.com，回T退订"
ALONE = "李老师，明天下午三点的家长会改在阶梯教室，请转告各位同学"
WATER = "尊敬的{n}号业主，小区本周六上午停水检修，请提前储水，敬请谅解"


def variants(text: str, count: int, prefix: str) -> list[Submission]:
    """Renderings of one text, through every port in turn."""
    return [
        Submission(
            id=f"{prefix}-{n}",
            port=CODES[n % PORTS],
            recipients=(f"138{n:08d}",),
            accepted_at=int(time() * 1000),
            content=text.format(n=7 * n + 1),
        )
        for n in range(count)
    ]


def until(condition: Callable[[], bool], watch: Watch, children: Sequence[Child]) -> None:
    begun = monotonic()
    while not condition():
        watch.poll()
        assert monotonic() - begun < 60, "".join(child.tail() for child in children)


def test_known_at_the_next_looks_and_counted_on_exactly_by_a_stage_that_was_killed(
    deployed: tuple[Settings, Config], watch: Watch
) -> None:
    settings, config = deployed
    with worker(settings) as running:
        running.append(start(settings, "campaigns", "serve", "campaigns"))

        def told(messages: int) -> bool:
            return bool(watch.told) and watch.told[-1].messages == messages

        def known(campaign: str) -> int:
            """Send until a decision knows the campaign; how many were sent."""
            for n in range(10_000):
                [event] = variants(SALE, 1, f"{campaign}{n}")
                produce(settings, [event], config)
                until(lambda event=event: event.id in watch.decisions, watch, running)  # type: ignore[misc]
                if watch.decisions[event.id].campaign:
                    return n + 1
            raise AssertionError("never known")

        def trip(name: str) -> float:
            """Seconds from an unknown text to its decision."""
            begun = monotonic()
            [event] = variants(ALONE, 1, name)
            produce(settings, [event], config)
            until(lambda: event.id in watch.decisions, watch, running)
            return monotonic() - begun

        produce(settings, variants(WATER, 30, "water"), config)  # all is up when this is known
        until(lambda: told(30) and len(watch.decisions) == 30, watch, running)
        usual = median(trip(f"alone-{n}") for n in range(5))
        watch.told.clear()
        produce(settings, variants(SALE, 200, "sale"), config)
        begun = monotonic()
        sent = 200 + known("probe")
        took = monotonic() - begun
        assert took < LOOKS * TELL_EVERY + TRIPS * usual, f"known after {took:.1f} s, a decision after {usual:.3f} s"
        until(lambda: told(sent), watch, running)

        running[1].kill()
        produce(settings, variants(SALE, 50, "meanwhile"), config)
        running[1] = start(settings, "campaigns-again", "serve", "campaigns")
        until(lambda: told(sent + 50), watch, running)
    assert len({campaign.id for campaign in watch.told}) == 1
    assert watch.told[-1].ports == PORTS
    assert {name.split("/")[1].split("-")[0] for name in watch.told[-1].first} == {"sale"}
    seen = next(d for d in watch.decisions.values() if d.campaign == watch.told[0].id)
    assert seen.counters["campaign_messages"] >= 20
    print(f"known after {took:.2f} s")
