"""Every topic: what it carries, its key, partitions, cleanup and retention, in one table.

Co-partitioned topics have the same number of partitions. Decisions, state and all records derived from submission
partition p are written to partition p. So one worker owns all of it, and a replay writes to the same places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from pipeline import events
from pipeline.durations import DAY_MS, MINUTE_MS

Cleanup = Literal["delete", "compact", "compact,delete"]

MAX_MESSAGE = 4 * 1024 * 1024  # bytes; enough for the largest submission
CO_PARTITIONED = 0  # stands for settings.partitions


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `partitions` CO_PARTITIONED means the number set for the whole pipeline."""

    name: str
    value: type[events.Event] | None
    key: str
    cleanup: Cleanup = "delete"
    retention_ms: int = 7 * DAY_MS
    partitions: int = CO_PARTITIONED
    description: str = ""
    segment_ms: int = 0  # 0: the broker's; what is compacted or deleted lies in a closed segment

    def config(self) -> dict[str, str]:
        """The topic's settings on the broker."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(-1 if self.cleanup == "compact" else self.retention_ms),
            "max.message.bytes": str(MAX_MESSAGE),
            **({"segment.ms": str(self.segment_ms)} if self.segment_ms else {}),
        }


PARTS = Topic(
    "parts",
    events.Part,
    "port, recipients and reference",
    description="parts of long messages, as ports submitted them over links",
)
# A long message is open for a minute, and its parts are known for three more; a stage that was away for longer reads
# what it last wrote.
STATE_PARTS = Topic(
    "state.parts",
    None,
    "port, recipients and reference",
    "compact,delete",
    DAY_MS,
    description="changelog of long messages that lack parts, and of parts already joined",
    segment_ms=10 * MINUTE_MS,
)
SUBMISSIONS_EXPRESS = Topic("submissions.express", events.Submission, "port", description="before sending, urgent lane")
SUBMISSIONS_BULK = Topic("submissions.bulk", events.Submission, "port", description="before sending, bulk lane")
RECORDS = Topic("records", events.Record, "sender", description="what the SMSC carried")
DECISIONS = Topic("decisions", events.Decision, "submission or record id", description="verdicts, once per round")
# Counter entries are useless once their longest window (a day) has passed; the broker drops them two days later.
# Decided rounds must outlive the 7-day `holds` topic, which a restored database reads again.
ROUNDS_KEPT_MS = 8 * DAY_MS
STATE_SUBMISSIONS = Topic(
    "state.submissions",
    None,
    "counter and key",
    "compact,delete",
    ROUNDS_KEPT_MS + DAY_MS,
    description="changelog of counters by port",
)
STATE_RECORDS = Topic(
    "state.records",
    None,
    "counter and key",
    "compact,delete",
    3 * DAY_MS,
    description="changelog of counters by sender",
)
COUNTER_INCREMENTS = Topic(
    "counter-increments",
    events.Increments,
    "none: by the hash of the counters' keys",
    retention_ms=3 * DAY_MS,
    description="what decided events add to counters whose keys come from all ports",
)
STATE_COUNTERS = Topic(
    "state.counters",
    None,
    "counter and key",
    "compact,delete",
    3 * DAY_MS,
    description="changelog of counters whose keys come from all ports",
)
COUNTER_VALUES = Topic(
    "counter-values",
    events.CounterValue,
    "counter and key",
    "compact,delete",
    2 * DAY_MS,
    partitions=1,
    description="values of these counters, for the workers",
)
HOLDS = Topic("holds", events.Hold, "submission id", description="waiting for a time")
CASES = Topic("cases", events.CaseMember, "submission id", description="waiting for a person")
REVIEWS = Topic("reviews", events.ReviewVerdict, "case", description="what reviewers decided")
PORT_ACTIONS = Topic("port-actions", events.PortAction, "port", description="suspensions to be made")
LIST_ACTIONS = Topic("list-actions", events.ListAction, "value", description="list entries to be made")
ALERTS = Topic("alerts", events.Alert, "subject", partitions=1, description="operators' feed")
COMPLAINTS = Topic("complaints", events.Complaint, "port", description="recipients' complaints")
DELIVERIES = Topic("deliveries", events.DeliveryReport, "message id", description="carriers' reports")
# The campaign stage forgets a silent campaign after a day (campaigns.index.TTL_MS), long before the topic drops it.
CAMPAIGNS = Topic(
    "campaigns",
    events.Campaign,
    "campaign",
    "compact,delete",
    3 * DAY_MS,
    partitions=1,
    description="campaigns over the policy's size, with what their texts are recognised by",
)
CONFIG = Topic(
    "config",
    events.ConfigChange,
    "kind/name",
    "compact",
    partitions=1,
    description="policy, ports, lists, dictionary, model: ordered by epoch",
)
INGEST = Topic(
    "ingest-progress",
    events.IngestProgress,
    "file hash",
    "compact",
    partitions=1,
    description="how far each file has been read",
)
# The key holds the row and its signature, so no head replaces another: two heads of one row are evidence.
AUDIT_HEADS = Topic(
    "audit-heads",
    events.AuditHead,
    "row/signature",
    "compact",
    partitions=1,
    description="the last row of the audit trail, again and again: what it is compared with",
)
DEAD_LETTERS = Topic(
    "dead-letters",
    events.DeadLetter,
    "origin",
    retention_ms=30 * DAY_MS,
    description="what could not be decoded or screened",
)

FIXED: tuple[Topic, ...] = (
    PARTS,
    STATE_PARTS,
    SUBMISSIONS_EXPRESS,
    SUBMISSIONS_BULK,
    RECORDS,
    DECISIONS,
    STATE_SUBMISSIONS,
    STATE_RECORDS,
    COUNTER_INCREMENTS,
    STATE_COUNTERS,
    COUNTER_VALUES,
    HOLDS,
    CASES,
    REVIEWS,
    PORT_ACTIONS,
    LIST_ACTIONS,
    ALERTS,
    COMPLAINTS,
    DELIVERIES,
    CAMPAIGNS,
    CONFIG,
    INGEST,
    AUDIT_HEADS,
    DEAD_LETTERS,
)


@cache  # a deployment has few channels, and each release asks
def outbound(channel: str, priority: events.Priority) -> Topic:
    """The topic of one carrier channel and lane: `outbound.<channel>.<express|bulk>`."""
    return Topic(
        f"outbound.{channel}.{priority.value}",
        events.Outbound,
        "port",
        description=f"released, to be sent over {channel}",
    )


def all_topics(channels: tuple[str, ...]) -> tuple[Topic, ...]:
    """All topics of a deployment with these carrier channels."""
    return FIXED + tuple(outbound(c, p) for c in channels for p in events.Priority)
