"""Which tables the lake has, which topics fill them, and what each keeps of an event.

Every row says where it came from: `log_id` (cluster and topic identity), `topic`, `partition`,
`offset`; `dt` is the UTC date of its time and the partition column of the table.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa
from msgspec.structs import replace

from pipeline import events, topics
from pipeline.durations import DAY_MS
from pipeline.lake import columns as col
from pipeline.lake.columns import LAST_MS, TEXT, Column, Getter
from pipeline.lake.marks import marks
from pipeline.lake.message_facts import carriers, regions, sms_parts
from pipeline.lake.privacy import Privacy


class Origin(NamedTuple):
    """Where a record was read; `stamped_at` is the broker's time of it, epoch milliseconds."""

    log_id: str
    topic: str
    partition: int
    offset: int
    stamped_at: int


@dataclass(frozen=True, slots=True)
class Table:
    """One Delta table. `at` is an event's time (epoch ms); `full` tables lie behind mode 0700."""

    name: str
    at: Callable[[Any], int]
    columns: tuple[Column, ...]
    full: bool = False

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, origin columns first."""
        return pa.schema([*_ORIGIN_FIELDS, *(pa.field(c.name, c.type) for c in self.columns)])

    def build(self, batch: Sequence[Any], origins: Sequence[Origin], privacy: Privacy) -> pa.Table:
        """Rows of these events, in their order."""
        at = self.at
        dates = [_date(at(event), origin.stamped_at) for event, origin in zip(batch, origins, strict=True)]
        columns = [
            pa.array([o.log_id for o in origins], TEXT),
            pa.array([o.topic for o in origins], TEXT),
            pa.array([o.partition for o in origins], pa.int32()),
            pa.array([o.offset for o in origins], pa.int64()),
            pa.array(dates, pa.date32()),
            *(column.values(batch, privacy) for column in self.columns),
        ]
        return pa.Table.from_arrays(columns, schema=self.schema)


_ORIGIN_FIELDS: list[Any] = [
    pa.field("log_id", TEXT),
    pa.field("topic", TEXT),
    pa.field("partition", pa.int32()),
    pa.field("offset", pa.int64()),
    pa.field("dt", pa.date32()),
]

_EPOCH = datetime.date(1970, 1, 1).toordinal()
OLDEST_DAYS = 400  # an event time further back, or a day ahead, of the broker's is not believed


def _date(at: int, stamped_at: int) -> datetime.date:
    """The UTC date a row is kept and deleted under.

    A wild time from outside must neither open a folder of its own nor outlive retention.
    """
    believed = at if stamped_at - OLDEST_DAYS * DAY_MS <= at <= stamped_at + DAY_MS else stamped_at
    return datetime.date.fromordinal(_EPOCH + min(max(believed, 0), LAST_MS) // DAY_MS)


_SPAN = (
    col.count("start", lambda s: s.start),
    col.count("end", lambda s: s.end),
    col.masked("word", lambda s: s.word),
    col.ident("category", lambda s: s.category),
    col.word("via", lambda s: s.via),
)

_REASON = (
    col.own_words("rule", lambda r: r.rule),
    col.word("verdict", lambda r: r.verdict),
    col.count("severity", lambda r: r.severity),
    col.own_words("message", lambda r: r.message),
    col.json_values("values", lambda r: r.values),
    col.nested("spans", lambda r: r.spans, *_SPAN),
)

_EXCEPTION = (
    col.number("recipient", lambda x: x.recipient),
    col.word("verdict", lambda x: x.verdict),
    col.own_words("rule", lambda x: x.rule),
    col.word("carrier", lambda x: carriers([x.recipient])[0]),
    col.word("region", lambda x: regions([x.recipient])[0]),
)


def _submission(get: Getter) -> tuple[Column, ...]:
    """What holds, cases and outbound keep of the submission they carry."""
    return (
        col.ident("id", lambda e: get(e).id),
        col.count("round", lambda e: get(e).round),
        col.party("sender", lambda e: get(e).port),
        col.time("accepted_at", lambda e: get(e).accepted_at),
        col.label("batch", lambda e: get(e).batch),
        col.word("priority", lambda e: get(e).priority),
    )


SUBMISSIONS = Table(
    "submissions",
    lambda e: e.accepted_at,
    (
        col.ident("id", lambda e: e.id),
        col.count("round", lambda e: e.round),
        col.party("port", lambda e: e.port),
        col.numbers("recipients", lambda e: e.recipients),
        col.count("messages", lambda e: len(e.recipients)),
        col.masked("content", lambda e: e.content),
        col.count("length", lambda e: len(e.content)),
        col.label("batch", lambda e: e.batch),
        col.count("batch_size", lambda e: e.batch_size),
        col.ident("template", lambda e: e.template),
        col.word("priority", lambda e: e.priority),
        col.time("accepted_at", lambda e: e.accepted_at),
        col.time("submitted_at", lambda e: e.submitted_at),
        col.time("scheduled_at", lambda e: e.scheduled_at),
        col.time("valid_until", lambda e: e.valid_until),
        col.plain("carriers", lambda e: carriers(e.recipients), pa.list_(TEXT)),  # in the order of the recipients
        col.count("parts", sms_parts),
        col.plain("regions", lambda e: regions(e.recipients), pa.list_(TEXT)),  # likewise
        marks("recipient_marks", lambda e: e.recipients),
    ),
)

RECORDS = Table(
    "records",
    lambda e: e.submitted_at,
    (
        col.ident("id", lambda e: e.id),
        col.word("kind", lambda e: e.kind),
        col.party("sender", lambda e: e.sender),
        col.party("recipient", lambda e: e.recipient),
        col.masked("content", lambda e: e.content),
        col.count("length", lambda e: len(e.content)),
        col.ident("status", lambda e: e.status),
        col.ident("smsc", lambda e: e.smsc),
        col.time("submitted_at", lambda e: e.submitted_at),
        col.time("done_at", lambda e: e.done_at),
        col.time("ingested_at", lambda e: e.ingested_at),
    ),
)

DECISIONS = Table(
    "decisions",
    lambda e: e.decided_at,
    (
        col.ident("id", lambda e: e.id),
        col.count("round", lambda e: e.round),
        col.word("verdict", lambda e: e.verdict),
        col.ident("source", lambda e: e.source),
        col.party("port", lambda e: e.port),
        col.word("kind", lambda e: e.kind),
        col.count("messages", lambda e: e.messages),
        col.plain("score", lambda e: e.score, pa.float64()),
        col.word("label", lambda e: e.label),
        col.word("category", lambda e: e.category),
        col.nested("exceptions", lambda e: e.exceptions, *_EXCEPTION),
        col.nested("reasons", lambda e: e.reasons, *_REASON),
        col.nested(
            "shadow",
            lambda e: [s for s in e.shadow if s.policy is None],
            col.own_words("rule", lambda s: s.rule),
            col.word("verdict", lambda s: s.verdict),
        ),
        col.mapping("counters", lambda e: e.counters, pa.int64()),
        col.mapping("timings", lambda e: e.timings, pa.float64()),
        col.word("fingerprint", lambda e: e.fingerprint),
        col.count("epoch", lambda e: e.epoch),
        col.word("policy", lambda e: e.policy),
        col.word("dictionary", lambda e: e.dictionary),
        col.word("model", lambda e: e.model),
        col.plain("degraded", lambda e: e.degraded, pa.bool_()),
        col.time("accepted_at", lambda e: e.accepted_at),
        col.time("decided_at", lambda e: e.decided_at),
        col.time("hold_until", lambda e: e.hold_until),
        col.word("campaign", lambda e: e.campaign or None),
        col.party("sender", lambda e: e.sender),
        col.nested(
            "beside",  # verdicts of the policies that did not decide
            lambda e: [s for s in e.shadow if s.policy is not None],
            col.word("policy", lambda s: s.policy),
            col.own_words("rule", lambda s: s.rule),
            col.word("verdict", lambda s: s.verdict),
        ),
        col.nested(
            "suppressed",
            lambda e: e.suppressed,
            col.own_words("rule", lambda s: s.rule),
            col.word("verdict", lambda s: s.verdict),
            col.word("cause", lambda s: s.cause),
            col.word("scope", lambda s: s.scope.partition("/")[0]),  # the value may be a link with its path
            col.time("until", lambda s: s.until),
        ),
        col.word("tier", lambda e: e.tier),
        col.plain("reject_score", lambda e: e.reject_score, pa.float64()),
    ),
)

OUTBOUND = Table(
    "outbound",
    lambda e: e.decided_at,
    (
        *_submission(lambda e: e.submission),
        col.numbers("recipients", lambda e: e.recipients),
        col.count("messages", lambda e: len(e.recipients)),
        col.count("decided_round", lambda e: e.round),
        col.time("decided_at", lambda e: e.decided_at),
        col.plain("regions", lambda e: regions(e.recipients), pa.list_(TEXT)),  # in the order of the recipients
    ),
)

HOLDS = Table(
    "holds",
    lambda e: e.submission.accepted_at,
    (
        *_submission(lambda e: e.submission),
        col.count("messages", lambda e: len(e.submission.recipients)),
        col.own_words("rule", lambda e: e.rule),
        col.time("due_at", lambda e: e.due_at),
    ),
)

CASES = Table(
    "cases",
    lambda e: e.decided_at,
    (
        *_submission(lambda e: e.submission),
        col.count("messages", lambda e: len(e.submission.recipients)),
        col.masked("content", lambda e: e.submission.content),
        col.party("port", lambda e: e.port),
        col.word("fingerprint", lambda e: e.fingerprint),
        col.word("campaign", lambda e: e.campaign or None),
        col.own_words("rule", lambda e: e.rule),
        col.time("decided_at", lambda e: e.decided_at),
    ),
)

REVIEWS = Table(
    "reviews",
    lambda e: e.decided_at,
    (
        col.word("case", lambda e: e.case),
        col.word("verdict", lambda e: e.verdict),
        col.ident("reviewer", lambda e: e.reviewer),
        col.time("decided_at", lambda e: e.decided_at),
        col.masked("note", lambda e: e.note),
        col.word("refusal", lambda e: e.refusal),
        col.party("port", lambda e: e.port or None),
        col.word("fingerprint", lambda e: e.fingerprint or None),
        col.word("campaign", lambda e: e.campaign or None),
        col.own_words("rule", lambda e: e.rule or None),
        col.time("opened_at", lambda e: e.opened_at),
        col.count("messages", lambda e: e.messages),
    ),
)

PORT_ACTIONS = Table(
    "port_actions",
    lambda e: e.at,
    (
        col.party("port", lambda e: e.port),
        col.own_words("action", lambda e: e.action),
        col.own_words("rule", lambda e: e.rule),
        col.ident("evidence", lambda e: e.evidence),
        col.time("at", lambda e: e.at),
    ),
)

LIST_ACTIONS = Table(
    "list_actions",
    lambda e: e.at,
    (
        col.ident("list", lambda e: e.list),
        col.own_words("entity", lambda e: e.entity),
        col.value("value", lambda e: e.value),
        col.own_words("rule", lambda e: e.rule),
        col.ident("evidence", lambda e: e.evidence),
        col.time("at", lambda e: e.at),
    ),
)

ALERTS = Table(
    "alerts",
    lambda e: e.at,
    (
        col.ident("id", lambda e: e.id),
        col.word("level", lambda e: e.level),
        col.own_words("rule", lambda e: e.rule),
        col.party("subject", lambda e: e.subject),
        col.own_words("message", lambda e: e.message),
        col.json_values("values", lambda e: e.values),
        col.time("at", lambda e: e.at),
    ),
)

# What was told of a campaign, each time; the view `campaigns` has the last.
TOLD = Table(
    "told_campaigns",
    lambda e: e.at,
    (
        col.word("campaign", lambda e: e.id),
        col.count("messages", lambda e: e.messages),
        col.count("ports", lambda e: e.ports),
        col.count("senders", lambda e: e.senders),
        col.count("growth", lambda e: e.growth),
        col.time("first_seen", lambda e: e.first_seen),
        col.time("last_seen", lambda e: e.last_seen),
        col.time("at", lambda e: e.at),
        col.nested(
            "first",
            lambda e: e.first,
            col.party("port", lambda name: name.partition("/")[0]),
            col.ident("id", lambda name: name.partition("/")[2]),
        ),
    ),
)

COMPLAINTS = Table(
    "complaints",
    lambda e: e.complained_at,
    (
        col.ident("id", lambda e: e.id),
        col.party("port", lambda e: e.port),
        col.number("recipient", lambda e: e.recipient),
        col.time("complained_at", lambda e: e.complained_at),
        col.masked("content", lambda e: e.content),
        col.ident("source", lambda e: e.source),
    ),
)

DELIVERIES = Table(
    "deliveries",
    lambda e: e.reported_at,
    (
        col.ident("id", lambda e: e.id),
        col.ident("channel", lambda e: e.channel),
        col.ident("carrier_id", lambda e: e.carrier_id),
        col.ident("status", lambda e: e.status),
        col.count("part", lambda e: e.part),
        col.time("reported_at", lambda e: e.reported_at),
        col.party("port", lambda e: e.port),
    ),
)

DEAD_LETTERS = Table(
    "dead_letters",
    lambda e: e.at,
    (
        col.ident("origin_topic", lambda e: e.topic),
        col.count("origin_partition", lambda e: e.partition),
        col.count("origin_offset", lambda e: e.offset),
        col.own_words("cause", lambda e: e.cause),
        col.count("bytes", lambda e: len(e.value or b"")),
        col.count("attempts", lambda e: e.attempts),
        col.time("at", lambda e: e.at),
    ),
)


# The form of `texts.rest`. A replay refuses rows of another form. Rows of older versions have none.
REPLAY_FORM = 1


def _rest(event: Any) -> str | None:
    """The fields of an event that no other column of `texts` holds, as JSON; None for an event that is not decided."""
    if isinstance(event, events.Submission):
        return events.encode(replace(event, id="", port="", recipients=(), content="")).decode()
    if isinstance(event, events.Record):
        return events.encode(replace(event, id="", sender="", recipient="", content="")).decode()
    return None


def _full_texts(table: Table, sender: Getter, recipients: Getter) -> Table:
    return Table(
        "texts",
        table.at,
        (
            col.word("id", lambda e: e.id),
            col.word("sender", sender),
            col.plain("recipients", recipients, pa.list_(TEXT)),
            col.word("content", lambda e: e.content),
            col.time("at", table.at),
            col.count("form", lambda _: REPLAY_FORM),
            col.plain("rest", _rest, TEXT),
        ),
        full=True,
    )


# One table, filled from three kinds of event: full text and numbers, keyed by id and sender.
TEXTS_OF = {
    SUBMISSIONS.name: _full_texts(SUBMISSIONS, lambda e: e.port, lambda e: e.recipients),
    RECORDS.name: _full_texts(RECORDS, lambda e: e.sender, lambda e: (e.recipient,)),
    COMPLAINTS.name: _full_texts(COMPLAINTS, lambda e: e.port, lambda e: (e.recipient,)),
}
TEXTS = TEXTS_OF[SUBMISSIONS.name]

DEAD_BYTES = Table(
    "dead_bytes",
    lambda e: e.at,
    (
        col.word("origin_topic", lambda e: e.topic),
        col.count("origin_partition", lambda e: e.partition),
        col.count("origin_offset", lambda e: e.offset),
        col.word("cause", lambda e: e.cause),
        col.plain("key", lambda e: e.key, pa.binary()),
        col.plain("value", lambda e: e.value, pa.binary()),
        col.time("at", lambda e: e.at),
    ),
    full=True,
)

# Every published change: with it a replay finds the configuration of an epoch. Lists and consents name numbers.
CONFIGURATION = Table(
    "configuration",
    lambda e: e.changed_at,
    (
        col.count("epoch", lambda e: e.epoch),
        col.word("kind", lambda e: e.kind),
        col.word("name", lambda e: e.name),
        col.word("value", lambda e: e.value),
        col.word("file", lambda e: e.file),
        col.time("changed_at", lambda e: e.changed_at),
    ),
    full=True,
)

SHARED: tuple[Table, ...] = (
    SUBMISSIONS,
    RECORDS,
    DECISIONS,
    OUTBOUND,
    HOLDS,
    CASES,
    REVIEWS,
    PORT_ACTIONS,
    LIST_ACTIONS,
    ALERTS,
    COMPLAINTS,
    DELIVERIES,
    DEAD_LETTERS,
    TOLD,
)
FULL: tuple[Table, ...] = (TEXTS, DEAD_BYTES, CONFIGURATION)

OUTBOUND_TOPICS = r"^outbound\..*"  # channels come and go: subscribed by pattern

_BY_TOPIC: dict[str, tuple[type[events.Event], Table]] = {
    topics.SUBMISSIONS_EXPRESS.name: (events.Submission, SUBMISSIONS),
    topics.SUBMISSIONS_BULK.name: (events.Submission, SUBMISSIONS),
    topics.RECORDS.name: (events.Record, RECORDS),
    topics.DECISIONS.name: (events.Decision, DECISIONS),
    topics.HOLDS.name: (events.Hold, HOLDS),
    topics.CASES.name: (events.CaseMember, CASES),
    topics.REVIEWS.name: (events.ReviewVerdict, REVIEWS),
    topics.PORT_ACTIONS.name: (events.PortAction, PORT_ACTIONS),
    topics.LIST_ACTIONS.name: (events.ListAction, LIST_ACTIONS),
    topics.ALERTS.name: (events.Alert, ALERTS),
    topics.COMPLAINTS.name: (events.Complaint, COMPLAINTS),
    topics.DELIVERIES.name: (events.DeliveryReport, DELIVERIES),
    topics.DEAD_LETTERS.name: (events.DeadLetter, DEAD_LETTERS),
    topics.CAMPAIGNS.name: (events.Campaign, TOLD),
    topics.CONFIG.name: (events.ConfigChange, CONFIGURATION),
}

SUBSCRIPTION = [*_BY_TOPIC, OUTBOUND_TOPICS]


def table_of(topic: str) -> Table:
    """The table that keeps a topic's events."""
    return _BY_TOPIC[topic][1] if topic in _BY_TOPIC else OUTBOUND


_DECODERS = {topic: events.decoder(event) for topic, (event, _) in _BY_TOPIC.items()}
_decode_outbound = events.decoder(events.Outbound)


def decoder_of(topic: str) -> Callable[[bytes], Any]:
    """Bytes to the topic's event; raises msgspec.DecodeError (a ValidationError when types are wrong)."""
    return _DECODERS.get(topic, _decode_outbound)
