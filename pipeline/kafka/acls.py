"""The rights of each role on the brokers, in one table.

`antispam broker acls` prints or applies the table, and docs/operations.md shows it (a test compares them). Another test
runs the whole journey on a broker that allows nothing else. Write rights protect the topics: consumers believe a forged
record on most of them. Only records of `outbound.*` also need a proof (actions/proof.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline import topics
from pipeline.events import Priority
from pipeline.topics import Topic

PREFIX = "antispam-"  # of user names, as in antispam-worker
ALL_OUTBOUND = "outbound."  # a prefix: covers every channel


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one role. A name that ends in `.` or `-` is a prefix; any other is a whole name.

    `groups` are its consumer groups, `transactions` its transactional ids, `inspects` the topics it only describes.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    transactions: tuple[str, ...] = ()
    inspects: tuple[str, ...] = ()
    sees_groups: tuple[str, ...] = ()  # groups whose offsets it reads


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One ALLOW of Kafka, in the terms of its command line; `kind` is topic, group or transactional-id."""

    user: str
    kind: str
    name: str
    prefixed: bool
    operation: str

    def line(self) -> str:
        """The rule as arguments of kafka-acls.sh."""
        pattern = "prefixed" if self.prefixed else "literal"
        return (
            f"kafka-acls.sh --add --allow-principal User:{self.user} --operation {self.operation} "
            f"--{self.kind} {self.name} --resource-pattern-type {pattern}"
        )


def _names(*found: Topic) -> tuple[str, ...]:
    return tuple(topic.name for topic in found)


_SUBMISSIONS = (topics.SUBMISSIONS_EXPRESS, topics.SUBMISSIONS_BULK)
_STATE = (topics.STATE_SUBMISSIONS, topics.STATE_RECORDS)
_CAUSED = (
    topics.DECISIONS,
    topics.HOLDS,
    topics.CASES,
    topics.PORT_ACTIONS,
    topics.LIST_ACTIONS,
    topics.ALERTS,
    topics.DEAD_LETTERS,
)
_EVERYTHING = (*(topic.name for topic in topics.FIXED), ALL_OUTBOUND)

ROLES: dict[str, Rights] = {
    "worker": Rights(
        reads=_names(
            *_SUBMISSIONS,
            topics.RECORDS,
            *_STATE,
            topics.CONFIG,
            topics.CAMPAIGNS,
            topics.COUNTER_VALUES,
            topics.ALERTS,
        ),
        writes=(*_names(*_STATE, topics.COUNTER_INCREMENTS, *_CAUSED), ALL_OUTBOUND),
        groups=(
            "submissions",
            "submissions-",
            "records",
            "records-",
            "config-submissions-",
            "config-records-",
            "campaigns-submissions-",
            "campaigns-records-",
            "counters-submissions-",
            "counters-records-",
            "antispam-alerts",
        ),
        transactions=("antispam-submissions-", "antispam-records-"),
    ),
    "relay": Rights(
        reads=_names(topics.CONFIG),
        writes=_names(
            topics.CONFIG,
            topics.AUDIT_HEADS,
            topics.REVIEWS,
            topics.ALERTS,
            topics.DELIVERIES,
            topics.RECORDS,
            topics.COMPLAINTS,
        ),
        groups=("relay",),
        transactions=("antispam-relay",),
        inspects=_EVERYTHING,
    ),
    "projector": Rights(
        reads=_names(
            *_SUBMISSIONS,
            topics.DECISIONS,
            topics.HOLDS,
            topics.CASES,
            topics.COMPLAINTS,
            topics.PORT_ACTIONS,
            topics.LIST_ACTIONS,
            topics.ALERTS,
            topics.CAMPAIGNS,
        ),
        groups=("projector-", "campaigns-projector"),
    ),
    "timers": Rights(reads=_names(topics.CONFIG), writes=_names(*_SUBMISSIONS), groups=("config-timers",)),
    "releaser": Rights(
        reads=_names(topics.CONFIG), writes=(topics.HOLDS.name, ALL_OUTBOUND), groups=("config-releaser",)
    ),
    "campaigns": Rights(
        reads=_names(*_SUBMISSIONS, topics.RECORDS, topics.CAMPAIGNS, topics.CONFIG),
        writes=_names(topics.CAMPAIGNS),
        groups=("campaigns", "config-campaigns"),
    ),
    "counters": Rights(
        reads=_names(topics.COUNTER_INCREMENTS, topics.STATE_COUNTERS, topics.CONFIG),
        writes=_names(topics.STATE_COUNTERS, topics.COUNTER_VALUES),
        groups=("counters", "counters-restore", "config-counters-"),
        transactions=("antispam-counters-",),
    ),
    "api": Rights(
        reads=_names(*_SUBMISSIONS, topics.CONFIG),
        writes=_names(*_SUBMISSIONS),
        groups=("config-api", "api-memory"),
        sees_groups=("submissions",),
    ),
    "links": Rights(
        reads=_names(topics.CONFIG),
        writes=_names(topics.PARTS, *_SUBMISSIONS),
        groups=("config-links",),
        sees_groups=("submissions", "parts"),
    ),
    "parts": Rights(
        reads=_names(topics.PARTS, topics.STATE_PARTS),
        writes=_names(topics.STATE_PARTS, *_SUBMISSIONS, topics.DEAD_LETTERS),
        groups=("parts", "parts-restore"),
        transactions=("antispam-parts-",),
    ),
    "files": Rights(
        reads=_names(topics.CONFIG, topics.INGEST),
        writes=_names(*_SUBMISSIONS, topics.RECORDS, topics.INGEST),
        groups=("config-ingest", "ingest-progress"),
        transactions=("antispam-ingest-",),
    ),
    "sink": Rights(
        reads=(
            *_names(
                *_SUBMISSIONS,
                topics.RECORDS,
                *_CAUSED,
                topics.REVIEWS,
                topics.COMPLAINTS,
                topics.DELIVERIES,
                topics.CAMPAIGNS,
                topics.CONFIG,
            ),
            ALL_OUTBOUND,
        ),
        groups=("lake",),
    ),
    # A person at the shell: antispam ingest, dead-letters, doctor, audit verify.
    "operator": Rights(
        reads=_names(topics.CONFIG, topics.INGEST, topics.DEAD_LETTERS, topics.AUDIT_HEADS),
        writes=(
            *_names(topics.PARTS, *_SUBMISSIONS, topics.RECORDS, topics.COMPLAINTS, topics.INGEST, topics.DEAD_LETTERS),
            ALL_OUTBOUND,
        ),
        groups=("config-ingest", "ingest-progress", "dead-letters-list", "audit-verify", "doctor"),
        transactions=("antispam-ingest-", "antispam-dead-letters"),
        inspects=_EVERYTHING,
    ),
}


def rights(role: str, channels: Sequence[str]) -> dict[str, Rights]:
    """The rights of a role by user; a sender has one user for each channel. Raises KeyError for an unknown role."""
    if role != "sender":
        return {f"{PREFIX}{role}": ROLES[role]}
    return {f"{PREFIX}sender-{channel}": _sender(channel) for channel in channels}


def _sender(channel: str) -> Rights:
    return Rights(
        reads=tuple(topics.outbound(channel, lane).name for lane in Priority),
        writes=_names(topics.DEAD_LETTERS, topics.ALERTS),
        groups=tuple(f"sender-{channel}-{lane.value}" for lane in Priority),
    )


def roles() -> tuple[str, ...]:
    """Every role with rights. The console, callbacks and retention need no broker."""
    return (*ROLES, "sender")


def acls(user: str, granted: Rights) -> Iterator[Acl]:
    """The ALLOWs that give a user these rights. Reading and writing include describing."""
    for kind, names, operations in (
        ("topic", granted.reads, ("READ",)),
        ("topic", granted.writes, ("WRITE",)),
        ("topic", granted.inspects, ("DESCRIBE", "DESCRIBE_CONFIGS")),
        ("group", granted.groups, ("READ",)),
        ("group", granted.sees_groups, ("DESCRIBE",)),
        ("transactional-id", granted.transactions, ("WRITE",)),
    ):
        for name in names:
            for operation in operations:
                yield Acl(user, kind, name, name.endswith((".", "-")), operation)
