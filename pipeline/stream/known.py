"""What a worker knows from the stages that see all partitions: campaigns, and values of shared counters."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.campaigns.known import KnownCampaigns
from pipeline.decision.configuration import Config
from pipeline.kafka.streams import RECORDS, Stream
from pipeline.settings import Settings
from pipeline.stream.campaign_stage import CampaignFollower
from pipeline.stream.counter_values import CounterFollower
from pipeline.stream.state import PartitionState


@dataclass(frozen=True, slots=True)
class Known:
    """The known campaigns, and the windows of shared counters as last published."""

    campaigns: KnownCampaigns | None = None
    values: PartitionState = field(default_factory=PartitionState)


class KnownFollower:
    """Follows the topics of the stages, for the worker of one stream."""

    def __init__(self, stream: Stream, settings: Settings) -> None:
        name = f"{stream.name}-{settings.worker_id}"
        self._campaigns = CampaignFollower(settings, name)
        self._counters = CounterFollower(settings, name, "record" if stream is RECORDS else "submission")

    def catch_up(self, config: Config) -> None:
        """Read to the end of the topics."""
        self._campaigns.catch_up()
        self._counters.catch_up(config)

    def poll(self, config: Config) -> Known:
        """Process new records of the topics; returns at once."""
        return Known(self._campaigns.poll(), self._counters.poll(config))

    def close(self) -> None:
        """Close the consumers."""
        self._campaigns.close()
        self._counters.close()
