"""The campaign stage: the submissions of all ports, and the messages of all numbers, in one index of campaigns.

Co-partitioned counters see one port, but variants of a text come through many. So one process reads all partitions,
keeps the index (`campaigns/index.py`) and publishes campaigns over the policy's size on the topic `campaigns`. Workers
follow that topic (`CampaignFollower`) and recognise the texts themselves. From the message that makes a campaign known
to the first decision that sees it takes less than 2 s.

It commits no offsets, because it stores nothing of its own. After a restart it reads the published campaigns from
their topic, with the offsets that they have counted. It then reads the sources again, from REBUILD_MS before its last
publication: no message is counted twice, and the unpublished time, at most QUIET_MS, is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import time

import msgspec
import structlog
from confluent_kafka import Consumer, Message, TopicPartition

from pipeline import metrics, topics
from pipeline.campaigns.hot import HotCampaigns
from pipeline.campaigns.index import TTL_MS, Sending
from pipeline.campaigns.known import KnownCampaigns
from pipeline.decision.campaign_sending import sending_of
from pipeline.decision.configuration import Config
from pipeline.durations import MINUTE_MS
from pipeline.events import Campaign, Record, Submission, decoder, encode
from pipeline.kafka.address import CLUSTER_PREFIX
from pipeline.kafka.clients import TIMEOUT, UNHURRIED, reader, send, writer
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.dead_letter_limit import DeadLetterLimit
from pipeline.kafka.polled import is_record
from pipeline.kafka.replay import replay
from pipeline.kafka.steady import steadily
from pipeline.rules.policies.policy import CampaignFrom
from pipeline.settings import Settings

BATCH = 2000  # submissions processed together: about 0.1 s
POLL = 0.1  # seconds a poll waits for a batch
TELL_EVERY = 0.5  # seconds between two publications
REBUILD_MS = 15 * MINUTE_MS  # unpublished campaigns usually began less than this long ago
SOURCES = (topics.SUBMISSIONS_EXPRESS, topics.SUBMISSIONS_BULK, topics.RECORDS)

_decode_submission = decoder(Submission)
_decode_record = decoder(Record)
_decode_campaign = decoder(Campaign)
_log = structlog.get_logger()


def run_campaigns(settings: Settings, stop: threading.Event) -> None:
    """Run the role until `stop` is set. Raises when the broker does not answer."""
    stage = CampaignStage(settings)
    try:
        stage.start()
        steadily("campaigns", stage.step, stop, 0)
        stage.tell()
    finally:
        stage.close()


class CampaignStage:
    """Reads the sources and publishes the campaigns; the module explains how."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time) -> None:
        self._settings = settings
        self._clock = clock
        self._consumer = reader(settings, "campaigns", **UNHURRIED)
        self._producer = writer(settings)
        self._follower = ConfigFollower(settings, "campaigns")
        self._hot = HotCampaigns(settings.campaign_texts)
        self._positions: dict[str, int] = {}  # the next offset by topic/partition
        self._waiting: list[Campaign] = []  # to be published, or not yet acknowledged
        self._told_at = 0.0
        self._limit = DeadLetterLimit(settings.dead_letter_count, settings.dead_letter_ratio)
        self._decoders: dict[str, Callable[[bytes], Submission | Record]] = {
            topics.SUBMISSIONS_EXPRESS.name: _decode_submission,
            topics.SUBMISSIONS_BULK.name: _decode_submission,
            topics.RECORDS.name: _decode_record,
        }

    def start(self) -> None:
        """Restore the published campaigns and assign the positions to read the sources from."""
        self._follower.catch_up()
        told = _read_told(self._consumer)
        now = int(self._clock() * 1000)
        restored = sum(self._restored(campaign, now) for campaign in told)
        self._consumer.assign(self._begin(now, told))
        _log.info("campaigns_restored", campaigns=restored)

    def _restored(self, campaign: Campaign, now: int) -> int:
        """1 if the campaign is restored, else 0. One from another version's sketches must not stop the stage."""
        try:
            return self._hot.restore([campaign], now)
        except ValueError as error:
            metrics.UNDECODABLE.labels(topics.CAMPAIGNS.name).inc()
            _log.error("campaign_refused", campaign=campaign.id, cause=str(error))
            return 0

    def step(self) -> bool:
        """Process one batch and publish what is due. Returns True. Raises AntispamError when publishing fails."""
        messages = [m for m in self._consumer.consume(BATCH, POLL) if is_record(m)]
        config = self._follower.poll()
        if messages:
            self._take(messages, config)
        if self._waiting or abs(self._clock() - self._told_at) >= TELL_EVERY:  # the clock may be set back
            self.tell()
        return True

    def tell(self) -> None:
        """Publish the changes of campaigns. Raises AntispamError without acknowledgement; the changes are kept."""
        self._told_at = self._clock()
        size = _size(self._follower.config)
        self._waiting += self._hot.news(int(self._told_at * 1000), size, self._positions)
        if self._waiting:
            send(self._producer, [(topics.CAMPAIGNS.name, c.id, encode(c)) for c in self._waiting])
            metrics.CAMPAIGNS_TOLD.inc(len(self._waiting))
            self._waiting.clear()

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()
        self._follower.close()

    def _take(self, messages: Sequence[Message], config: Config) -> None:
        texts: list[str] = []
        sendings: list[Sending] = []
        names: list[str] = []
        failed: list[str] = []
        for message in messages:
            topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
            source = f"{topic}/{partition}"
            self._positions[source] = offset + 1
            try:
                event = self._decoders[topic](message.value() or b"")
            except msgspec.DecodeError as error:
                metrics.UNDECODABLE.labels(topic).inc()  # the worker that screens it makes it a dead letter
                failed.append(type(error).__name__)
                continue
            found = sending_of(event, config, source, offset)
            if found is not None:
                texts.append(event.content)
                sendings.append(found[0])
                names.append(found[1])
        self._limit.check("the sources of campaigns", len(failed), len(messages), failed[0] if failed else "")
        self._limit.note(len(failed), len(messages))
        if texts:
            self._hot.take(texts, sendings, names, _size(config))

    def _begin(self, now: int, told: Sequence[Campaign]) -> list[TopicPartition]:
        """The offset from which to read each partition."""
        consumer = self._consumer
        partitions = [
            TopicPartition(t.name, p) for t in SOURCES for p in range(t.partitions or self._settings.partitions)
        ]
        cluster = consumer.list_topics(timeout=TIMEOUT).cluster_id or ""
        if cluster.startswith(CLUSTER_PREFIX):  # it holds only records since its start, and cannot find offsets by time
            return [TopicPartition(tp.topic, tp.partition, 0) for tp in partitions]
        since = min(now, max((c.at for c in told), default=now)) - REBUILD_MS
        ends = [consumer.get_watermark_offsets(tp, timeout=TIMEOUT)[1] for tp in partitions]
        wanted = [TopicPartition(tp.topic, tp.partition, max(since, now - TTL_MS)) for tp in partitions]
        found = consumer.offsets_for_times(wanted, timeout=TIMEOUT)
        return [
            TopicPartition(tp.topic, tp.partition, end if tp.offset < 0 else tp.offset)
            for tp, end in zip(found, ends, strict=True)
        ]


class CampaignFollower:
    """The published campaigns, followed on their topic, for a worker or the projector."""

    def __init__(self, settings: Settings, name: str, learned: Callable[[Campaign], object] = lambda _: None) -> None:
        """`learned` is told each campaign that was not known before."""
        self.known = KnownCampaigns()
        self._learned = learned
        self._consumer = reader(settings, f"campaigns-{name}", **UNHURRIED)

    def catch_up(self) -> None:
        """Read to the end of the topic."""
        for campaign in _read_told(self._consumer):
            self._learn(campaign)

    def poll(self) -> KnownCampaigns:
        """Process new records of the topic; returns at once."""
        for message in self._consumer.consume(1000, 0):
            if is_record(message):
                campaign = _decoded(message)
                if campaign is not None:
                    self._learn(campaign)
        return self.known

    def close(self) -> None:
        """Close the consumer."""
        self._consumer.close()

    def _learn(self, campaign: Campaign) -> None:
        try:
            if self.known.learn(campaign):
                self._learned(campaign)
        except ValueError as error:
            metrics.UNDECODABLE.labels(topics.CAMPAIGNS.name).inc()
            _log.error("campaign_refused", campaign=campaign.id, cause=str(error))


def _size(config: Config) -> CampaignFrom:
    return config.policy.campaign_from if config.policy else CampaignFrom()


def _read_told(consumer: Consumer) -> list[Campaign]:
    """The last record of each campaign, in publication order. Afterwards the consumer is at the end of the topic."""
    told: dict[str, Campaign] = {}

    def take(message: Message) -> None:
        campaign = _decoded(message)
        if campaign is not None:
            told.pop(campaign.id, None)
            told[campaign.id] = campaign

    replay(consumer, [(topics.CAMPAIGNS.name, 0)], take)
    return list(told.values())


def _decoded(message: Message) -> Campaign | None:
    try:
        return _decode_campaign(message.value() or b"")
    except msgspec.DecodeError as error:
        metrics.UNDECODABLE.labels(topics.CAMPAIGNS.name).inc()
        _log.error("campaign_undecodable", offset=message.offset(), cause=str(error))
        return None
