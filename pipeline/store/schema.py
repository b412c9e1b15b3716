"""Every table of the operational database.

Times are epoch milliseconds (UTC), as everywhere in the pipeline: SQLite has no time type, and a column should mean
the same on both databases. A `body` is UTF-8 JSON; if it is a struct of `events.py`, the comment above the table names
the struct. Rows written for a Kafka record have a natural key (submission, round, recipient), so processing the record
twice changes nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite generates ids only for a column of exactly this type.
SERIAL = BigInteger().with_variant(Integer, "sqlite")

_JSON = JSON(none_as_null=True)  # None is SQL's NULL, not JSON's null


def _at(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


# Registry: the configuration, which is published on the config topic.

enterprises = Table(
    "enterprises",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("province", String(32), nullable=False, server_default=""),
    Column("city", String(32), nullable=False, server_default=""),
    Column("parent", String(64), nullable=False, server_default=""),  # its reseller; empty: none
    _at("created_at"),
    _at("suspended_at", nullable=True),  # with its customers; NULL: it is not
)

# One registered service code. Rules read it as `rules.ports.PortEntry`.
ports = Table(
    "ports",
    metadata,
    Column("code", String(21), primary_key=True),
    Column("enterprise", String(64), ForeignKey("enterprises.id"), index=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("tier", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("channel", String(32), nullable=False),
    Column("volume_5m", Integer),
    Column("unsubscribe", _JSON, nullable=False, server_default="[]"),  # words that a recipient may answer
    Column("zone", String(64), nullable=False, server_default=""),  # time zone; empty: that of the calendar
    Column("extensions", _JSON, nullable=False, server_default="[]"),  # beginnings of the digits after the code
    Column("probation_until", String(10), nullable=False, server_default=""),  # last day, ISO 8601; empty: none
    Column("carrier_signs", Boolean, nullable=False, server_default=text("false")),  # we insert its signature
    _at("undertaken_at", nullable=True),  # the undertaking given since its suspension
    _at("opened_at"),
    _at("changed_at"),
)
signatures = Table(
    "signatures",
    metadata,
    Column("port", String(21), ForeignKey("ports.code", ondelete="CASCADE"), primary_key=True),
    Column("signature", String(64), primary_key=True),
    Column("place", Integer, nullable=False),  # 0, 1, … in the order of registration
)
# Filings of signatures with carriers, `rules.filings.Filing`. Days are ISO 8601 dates.
filings = Table(
    "filings",
    metadata,
    Column("port", String(21), ForeignKey("ports.code", ondelete="CASCADE"), primary_key=True),
    Column("signature", String(64), primary_key=True),
    Column("carrier", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("applied", String(10)),
    Column("decided", String(10)),
    Column("until", String(10)),  # the last day in force
    Column("place", Integer, nullable=False),  # 0, 1, … in the order of registration
)
templates = Table(
    "templates",
    metadata,
    Column("port", String(21), ForeignKey("ports.code", ondelete="CASCADE"), primary_key=True),
    Column("id", String(128), primary_key=True),
    Column("text", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("place", Integer, nullable=False),  # 0, 1, …: the first matching template counts
)

# `list` and `entity` as in rules/lists.py. An entry without `expires_at` never expires.
list_entries = Table(
    "list_entries",
    metadata,
    Column("list", String(16), primary_key=True),
    Column("value", String(64), primary_key=True),
    Column("entity", String(16), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("added_by", String(64), nullable=False),
    _at("added_at"),
    _at("expires_at", nullable=True),
)

# Consents to commercial messages, as rules/consents.py: an append-only history for each scope and number.
consents = Table(
    "consents",
    metadata,
    Column("scope", String(96), primary_key=True),  # port/<code> or enterprise/<code>
    Column("number", String(21), primary_key=True),
    Column("given_at", BigInteger, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("source", Text, nullable=False),
    _at("until", nullable=True),
    Column("shard", Integer, nullable=False, index=True),  # the last four digits of the number
    Column("recorded_by", String(64), nullable=False),
    _at("recorded_at"),
)

# Rules that do not count for a while, as rules/snoozes.py.
snoozes = Table(
    "snoozes",
    metadata,
    Column("rule", String(128), primary_key=True),
    Column("kind", String(16), primary_key=True),  # port, enterprise, signature, link
    Column("value", String(128), primary_key=True),
    Column("reason", Text, nullable=False),
    _at("until"),
    Column("made_by", String(64), nullable=False),
    _at("made_at"),
)

# Immutable versions of policies, dictionaries, models and list files, and the version in force for each name.
configurations = Table(
    "configurations",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("version", String(64), primary_key=True),  # sha256 of the value, shortened
    Column("value", Text, nullable=False),
    Column("author", String(64), nullable=False),
    _at("created_at"),
)
in_force = Table(
    "in_force",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("version", String(64), nullable=False),
    Column("previous", String(64)),  # the version in force before; a rollback returns to it
    Column("since_epoch", BigInteger, nullable=False),
    _at("since"),
)

# The life of each version of the policy, the dictionary, the calendar, the brands, the list files and the templates of
# ports, as rules/policies/lifecycle.py. Its text is in `configurations`.
policies = Table(
    "policies",
    metadata,
    Column("kind", String(16), primary_key=True, server_default="policy"),  # as in `configurations`
    Column("version", String(64), primary_key=True),
    Column("name", String(128), nullable=False, server_default=""),  # as in `configurations`; of templates, the port
    Column("state", String(16), nullable=False),
    Column("share", Integer, nullable=False, server_default="0"),  # percent of the senders, in state share
    Column("author", String(64), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),  # the author's
    _at("drafted_at"),
    Column("approver", String(64)),  # who last let it decide traffic
    _at("approved_at", nullable=True),
    Column("changed_by", String(64), nullable=False),  # who brought it to its state
    _at("changed_at"),
    Column("epoch", BigInteger),  # of the publication that brought workers its state; NULL: none did
)

# Publications of the outbox. `id` is assigned under a lock held until commit, so ids follow the order of commits.
# The id of a configuration change is its epoch. `payload` is `outbox.Publication` in msgpack.
epochs = Table(
    "epochs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("last", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),
    _at("created_at"),
    _at("published_at", nullable=True),
    Index(
        "ix_outbox_unpublished",
        "id",
        sqlite_where=text("published_at IS NULL"),
        postgresql_where=text("published_at IS NULL"),
    ),
)

# The position of each consumer of a topic, written in the same transaction as its changes.
positions = Table(
    "positions",
    metadata,
    Column("consumer", String(64), primary_key=True),
    Column("log", String(128), primary_key=True),  # <cluster id>/<topic id>: offsets of a new cluster start again
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, nullable=False),  # of the next record
)

# The state of each submission, for its sender and for Search. The body is in the lake only.

submissions = Table(
    "submissions",
    metadata,
    Column("port", String(21), primary_key=True),  # the sender field as given
    Column("id", String(128), primary_key=True),
    Column("digest", String(32)),  # store/digest.py; NULL while only the decision has been processed
    Column("recipients", _JSON, nullable=False),
    Column("priority", String(8), nullable=False),
    _at("accepted_at"),
    Column("round", Integer, nullable=False, server_default="0"),
    Column("verdict", String(16)),  # of the last round, or the reviewer's; NULL until decided
    Column("decided_by", String(64)),  # "policy", or the reviewer
    Column("reasons", _JSON),  # [{rule, message}]
    Column("exceptions", _JSON),  # [{recipient, verdict, rule}]
    _at("decided_at", nullable=True),
    Column("origin", _JSON),  # `events.Origin`: the link it came over; NULL: none
    Index("ix_submissions_accepted_at", "accepted_at"),
    Index("ix_submissions_id", "id"),  # an id is unique within a port and all its extensions
)

# Parts with a SUBMIT whose carrier id we may not know. A query uses the index only with exactly this condition.
UNCLAIMED = "(state IN ('submitting', 'maybe_sent') OR tries > 1)"
# One row for each SMS part handed to a carrier. The key makes a second try visible.
deliveries = Table(
    "deliveries",
    metadata,
    Column("port", String(21), primary_key=True),
    Column("submission", String(128), primary_key=True),
    Column("n", Integer, primary_key=True),  # 1-based place among the submission's recipients
    Column("part", Integer, primary_key=True),  # 1-based part of a long message
    Column("recipient", String(21), nullable=False),
    Column("channel", String(32), nullable=False),
    # submitting, maybe_sent, submitted, delivered, failed, refused, expired, stopped
    Column("state", String(16), nullable=False),
    Column("carrier_id", String(64)),
    Column("status", String(32), nullable=False, server_default=""),  # the carrier's status code
    Column("tries", Integer, nullable=False, server_default="0"),  # SUBMITs that the carrier may have accepted
    Column("silences", Integer, nullable=False, server_default="0"),  # SUBMITs without an answer in time
    _at("submitted_at", nullable=True),  # time of the first SUBMIT
    _at("changed_at"),
    Column("parts", Integer, nullable=False, server_default="0"),  # of its message; 0: a row of an earlier version
    Index("ix_deliveries_carrier_id", "channel", "carrier_id"),
    Index(
        "ix_deliveries_unclaimed",
        "channel",
        "recipient",
        sqlite_where=text(UNCLAIMED),
        postgresql_where=text(UNCLAIMED),
    ),
    Index("ix_deliveries_changed_at", "changed_at"),
)
# Reports without a known part (actions/senders/settling.py). The first final report of a part counts.
parked_reports = Table(
    "parked_reports",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("recipient", String(32), primary_key=True),
    Column("carrier_id", String(64), primary_key=True),
    Column("sender", String(21), nullable=False),
    Column("status", String(32), nullable=False),
    _at("reported_at"),
    _at("parked_at"),
    Index("ix_parked_reports_parked_at", "channel", "parked_at"),  # a carrier may send ids that match no part
)
# Messages that are sent over another channel if their report does not come (actions/senders/resends.py).
resends = Table(
    "resends",
    metadata,
    Column("port", String(21), primary_key=True),
    Column("submission", String(128), primary_key=True),
    Column("n", Integer, primary_key=True),  # as in deliveries
    Column("channel", String(32), nullable=False),
    Column("code", String(21), nullable=False),  # of the registered port
    Column("record", LargeBinary, nullable=False),  # `events.Outbound` for this recipient, without its proof
    _at("due_at"),
    Index("ix_resends_due_at", "channel", "due_at"),
)
# What each sender tells of its channels every few seconds, `actions.senders.live.states.ChannelState`.
channel_states = Table(
    "channel_states",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("sender", String(128), primary_key=True),  # the process: host and number
    Column("body", _JSON, nullable=False),
    _at("seen_at"),
)
# What people have set for a channel, before its file (actions/senders/live/controls.py).
channel_controls = Table(
    "channel_controls",
    metadata,
    Column("channel", String(32), primary_key=True),
    Column("off", Boolean, nullable=False),
    Column("total_rate", Float),  # parts a second over all links; NULL: as in the file
    Column("next", _JSON),  # the channels that take over, in order; NULL: as in the file
    Column("weights", _JSON),  # by channel, of its messages; NULL: all its own
    Column("reason", Text, nullable=False),
    Column("before", _JSON),  # the settings before this change; NULL: none
    Column("changed_by", String(64), nullable=False),
    _at("changed_at"),
)
# Frames noted for a limited time, and of what (actions/tracing). `body` has the fields of a frame.
traces = Table(
    "traces",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("subject", String(16), nullable=False),  # channel, port, number
    Column("value", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_by", String(64), nullable=False),
    _at("started_at"),
    _at("until"),
    sqlite_autoincrement=True,
)
trace_frames = Table(
    "trace_frames",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("trace", BigInteger, nullable=False, index=True),
    _at("at"),
    Column("channel", String(32), nullable=False),
    Column("link", Integer, nullable=False),
    Column("outgoing", Boolean, nullable=False),  # from us
    Column("command", String(32), nullable=False),
    Column("body", _JSON, nullable=False),
)
# Unpublished reports that have settled a part: `events.DeliveryReport` and its key.
# An id is never reused: a relay that resumes late would delete another report under the same id.
report_outbox = Table(
    "report_outbox",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("key", String(160), nullable=False),
    Column("body", LargeBinary, nullable=False),
    _at("created_at"),
    sqlite_autoincrement=True,
)

# Final outcomes of messages that came over links, until reports are made of them (actions/status/link_outcomes.py).
link_outcomes = Table(
    "link_outcomes",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("port", String(21), nullable=False),  # the sender field as given
    Column("submission", String(128), nullable=False),
    Column("recipient", String(21)),  # NULL: all recipients without an outcome of their own
    Column("status", String(7), nullable=False),  # the report's word
    _at("at"),
)
# What waits for a link of its port: `actions.status.link_deliveries.Report` or `.Reply`.
link_deliveries = Table(
    "link_deliveries",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("port", String(21), nullable=False),  # the registered port; empty: the account is known
    Column("account", String(16), nullable=False),  # empty: any account of the port
    Column("protocol", String(8), nullable=False),  # empty: any
    Column("body", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    _at("created_at"),
    _at("due_at"),
    Column("lease", String(64)),
    _at("lease_until", nullable=True),
    Index("ix_link_deliveries_account", "account", "protocol", "id"),
    Index("ix_link_deliveries_created_at", "created_at"),
)

# Subscribers' messages as carriers delivered them, or parts of them (actions/replies).
replies = Table(
    "replies",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("channel", String(32), nullable=False),
    Column("carrier_id", String(64), nullable=False),
    Column("subscriber", String(32), nullable=False),
    Column("to", String(21), nullable=False),  # the service code as the subscriber wrote it
    Column("alphabet", String(16), nullable=False),
    Column("octets", LargeBinary, nullable=False),
    Column("shifts", _JSON, nullable=False),  # numbers of the language tables: locking, single
    Column("reference", Integer),  # the place of a part; NULL: a whole message
    Column("width", Integer),
    Column("total", Integer),
    Column("number", Integer),
    _at("received_at"),
    _at("routed_at", nullable=True),  # NULL: waits for the other parts
    Column("port", String(21)),  # registered for the service code; NULL: none
    Index("ix_replies_carrier_id", "channel", "carrier_id", "subscriber", unique=True),
    Index(
        "ix_replies_open",
        "received_at",
        sqlite_where=text("routed_at IS NULL"),
        postgresql_where=text("routed_at IS NULL"),
    ),
    Index("ix_replies_received_at", "received_at"),
)

# Whole messages of subscribers, joined of `replies`, and what became of each (actions/replies).
whole_replies = Table(
    "whole_replies",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # of its first part in `replies`
    Column("port", String(21)),  # registered for the service code; NULL: none
    Column("to", String(21), nullable=False),
    Column("subscriber", String(32), nullable=False),
    Column("content", Text),  # NULL: not text
    Column("wish", String(16)),  # unsubscribe, resubscribe, complain; NULL: none
    Column("state", String(16), nullable=False),  # screening, brought, stopped, complaint, no_port, not_text
    Column("verdict", String(16)),  # of the decision; NULL until then
    Column("rule", String(128)),  # of its first reason
    _at("received_at"),
    _at("settled_at", nullable=True),  # when it left the state `screening`
    _at("taken_at", nullable=True),  # when the owner of the port said that it has it
    Index(
        "ix_whole_replies_waiting",
        "port",
        "id",
        sqlite_where=text("state = 'brought' AND taken_at IS NULL"),
        postgresql_where=text("state = 'brought' AND taken_at IS NULL"),
    ),
    Index(
        "ix_whole_replies_stopped",
        "id",
        sqlite_where=text("state = 'stopped'"),
        postgresql_where=text("state = 'stopped'"),
    ),
    Index("ix_whole_replies_received_at", "received_at"),
)

# Waiting submissions: holds, cases, timers. Bodies are `events.Submission`.

holds = Table(
    "holds",
    metadata,
    Column("port", String(21), primary_key=True),  # the sender field as given
    Column("submission", String(128), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("rule", String(128), nullable=False),
    Column("body", LargeBinary, nullable=False),
    _at("held_at"),
    _at("due_at", nullable=True),  # NULL: waits for a missing fact (the port's registration, a policy)
    _at("ends_at", nullable=True),  # when waiting for a fact ends in any case
    Column("epoch", BigInteger, nullable=False, server_default="0"),  # of the configuration at the time of the hold
    Column("key", String(21)),  # partition key of the next round, kept from the first try to publish it
    Column("lease", String(64)),
    _at("lease_until", nullable=True),
    Index("ix_holds_due_at", "due_at"),
    Index("ix_holds_ends_at", "ends_at"),
    Index("ix_holds_waiting", "port", sqlite_where=text("due_at IS NULL"), postgresql_where=text("due_at IS NULL")),
)
# Other timers (escalation and closing of a case): claimed by lease, deleted when done.
timers = Table(
    "timers",
    metadata,
    Column("kind", String(32), primary_key=True),
    Column("subject", String(128), primary_key=True),
    _at("due_at"),
    Column("lease", String(64)),
    _at("lease_until", nullable=True),
    Index("ix_timers_due_at", "due_at"),
)

cases = Table(
    "cases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("port", String(21), nullable=False),
    Column("fingerprint", String(64), nullable=False),  # of its first member
    Column("campaign", String(17), nullable=False, server_default=""),  # empty: a case of its fingerprint
    # open, decided (can be undone), effective (being released), merged (without members)
    Column("state", String(16), nullable=False),
    Column("rule", String(128), nullable=False),  # of its first member
    Column("content", Text, nullable=False),  # of its first member
    Column("score", Float),
    Column("category", String(32)),
    Column("priority", Integer, nullable=False, server_default="0"),  # 1: a member is of the express lane
    Column("queue", String(32), nullable=False, server_default=""),  # of the policy; empty: of no queue
    Column("urgency", Float, nullable=False, server_default="0"),  # actions/review/urgency.py
    Column("submissions", Integer, nullable=False, server_default="0"),
    Column("messages", Integer, nullable=False, server_default="0"),
    _at("opened_at"),
    _at("due_at"),
    _at("escalated_at", nullable=True),
    Column("claimed_by", String(64)),
    _at("lease_until", nullable=True),
    Column("shared_from", String(64)),  # whose hand it was taken from; that browser may have decided it already
    Column("assigned_to", String(64)),  # the one reviewer who gets it; NULL: whoever is free
    Column("verdict", String(16)),
    Column("decided_by", String(64)),
    _at("decided_at", nullable=True),
    Column("note", Text, nullable=False, server_default=""),
    _at("effective_at", nullable=True),  # the verdict can be undone until then; the releaser starts then
    Column("released", BigInteger, nullable=False, server_default="0"),  # number of the last released member
    Column("last_member", BigInteger, nullable=False, server_default="0"),  # number of the newest member
    Column("merged_into", String(64)),  # the case that has its members now
    Column("merged_after", BigInteger),  # what was added to the numbers of its members there
    Column("first_verdict", String(16)),  # that waits for a second opinion, and whose it is
    Column("first_by", String(64)),
    _at("first_at", nullable=True),
    Column("refusal", String(32), nullable=False, server_default=""),  # rules/refusals.py; empty: none was given
    Column("overturned", Boolean, nullable=False, server_default=text("false")),  # by an appeal, or reopened
    Column("apart", Boolean, nullable=False, server_default=text("false")),  # a person undid its merge: not again
    Index("ix_cases_queue", "state", "urgency", "due_at"),
    Index(
        "uq_cases_open",
        "port",
        "fingerprint",
        unique=True,
        sqlite_where=text("state = 'open' AND campaign = ''"),
        postgresql_where=text("state = 'open' AND campaign = ''"),
    ),
    Index(
        "uq_cases_open_campaign",
        "port",
        "campaign",
        unique=True,
        sqlite_where=text("state = 'open' AND campaign <> ''"),
        postgresql_where=text("state = 'open' AND campaign <> ''"),
    ),
    Index("ix_cases_fingerprint", "port", "fingerprint", "opened_at"),
    Index("ix_cases_campaign", "port", "campaign", "opened_at"),
    Index(
        "ix_cases_port_decided",
        "port",
        "decided_at",
        sqlite_where=text("decided_at IS NOT NULL"),
        postgresql_where=text("decided_at IS NOT NULL"),
    ),
    Index(
        "ix_cases_decided",
        "effective_at",
        sqlite_where=text("state = 'decided'"),
        postgresql_where=text("state = 'decided'"),
    ),
    Index(
        "ix_cases_unfinished",
        "decided_at",
        sqlite_where=text("state = 'effective' AND released < last_member"),
        postgresql_where=text("state = 'effective' AND released < last_member"),
    ),
)
# Cases that a reviewer skipped, so that the same reviewer does not get them again at once.
case_skips = Table(
    "case_skips",
    metadata,
    Column("case", String(64), ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True),
    Column("reviewer", String(64), primary_key=True),
    _at("skipped_at"),
)
# What reviewers write to each other about a case. It may quote texts, so it goes with the case.
case_comments = Table(
    "case_comments",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case", String(64), ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("author", String(64), nullable=False),
    _at("at"),
    Column("text", Text, nullable=False),
    Index("ix_case_comments_case", "case"),
)
# What reviewers said (actions/opinions.py). The case may be gone, or a golden one.
opinions = Table(
    "opinions",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("case", String(64), nullable=False),
    Column("kind", String(16), nullable=False),  # verdict, first, second, sample, golden
    Column("reviewer", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("expected", String(16)),  # the verdict that it is compared with, and whose that is
    Column("expected_by", String(64)),
    Column("took_ms", Integer),  # the case was on screen; NULL: decided in the list, or left alone
    _at("at"),
    Index("ix_opinions_at", "at"),
    Index("ix_opinions_case", "case"),
    Index("ix_opinions_reviewer", "reviewer", "at"),
)
# Decided cases that a senior reviewer chose as checks: they are mixed into hands and decide nothing.
golden_cases = Table(
    "golden_cases",
    metadata,
    Column("case", String(64), primary_key=True),
    Column("port", String(21), nullable=False),
    Column("content", Text, nullable=False),
    Column("rule", String(128), nullable=False),
    Column("score", Float),
    Column("category", String(32)),
    Column("submissions", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("made_by", String(64), nullable=False),
    _at("made_at"),
)
case_members = Table(
    "case_members",
    metadata,
    Column("seq", SERIAL, primary_key=True),
    Column("case", String(64), ForeignKey("cases.id", ondelete="CASCADE"), nullable=False),
    Column("number", BigInteger, nullable=False, server_default="0"),  # in the case, in order of joining
    Column("port", String(21), nullable=False),  # the sender field as given
    Column("submission", String(128), nullable=False),
    Column("round", Integer, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("recipients", _JSON, nullable=False),  # without the decision's exceptions
    Column("channel", String(32), nullable=False),
    _at("added_at"),
    Column("asks", String(16), nullable=False, server_default=""),  # actions/review/variants.py
    Column("exact", String(16), nullable=False, server_default=""),
    Index("uq_case_members_number", "case", "number", unique=True),
    Index("ix_case_members_asks", "case", "asks", "number"),
    Index("ix_case_members_exact", "case", "exact", "number"),
    Index("uq_case_members_submission", "port", "submission", "round", unique=True),
)

# Actions of people and of the pipeline, and alerts.

_WAITING = text("found = 'waiting'")
_UNANSWERED = text("answered_at IS NULL")
# The messages that a doubtful complaint may be about, the likeliest first (actions/complaints/settling.py).
complaint_candidates = Table(
    "complaint_candidates",
    metadata,
    Column("complaint", String(128), primary_key=True),
    Column("port", String(21), primary_key=True),  # of the complaint
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("message", String(160), nullable=False),
    Column("recipient", String(21), nullable=False),
    Column("content", Text, nullable=False),  # masked
    Column("likeness", Float, nullable=False),  # of its text and that of the complaint, 0 to 1
    _at("at"),
    Column("sent", Boolean, nullable=False),
    Column("campaign", String(17), nullable=False, server_default=""),
)

complaints = Table(
    "complaints",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("port", String(21), primary_key=True),  # the registered one, or the sender if none is
    Column("recipient", String(21), nullable=False),  # may hide digits: 138****1234
    Column("source", String(128), nullable=False, server_default=""),
    _at("complained_at"),
    Column("sender", String(21), nullable=False, server_default=""),  # as complained about; empty: as `port`
    Column("reference", String(128), nullable=False, server_default=""),  # the source's own number of it
    Column("content", Text, nullable=False, server_default=""),  # masked if no port is registered
    Column("received_at", BigInteger, nullable=False, server_default="0"),
    _at("due_at", nullable=True),  # of the answer
    # waiting, matched, doubtful, unmatched
    Column("found", String(16), nullable=False, server_default="waiting"),
    Column("doubt", String(32), nullable=False, server_default=""),
    Column("message", String(160), nullable=False, server_default=""),  # the id of the submission
    Column("campaign", String(17), nullable=False, server_default=""),
    _at("blocked_at", nullable=True),  # when commercial messages of the port to this number ended
    Column("settled_by", String(64)),  # the person who said what it is about
    _at("settled_at", nullable=True),
    _at("answered_at", nullable=True),
    Index("ix_complaints_port", "port", "complained_at"),
    Index("ix_complaints_received_at", "received_at"),
    Index("ix_complaints_waiting", "received_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
    Index("ix_complaints_unanswered", "due_at", sqlite_where=_UNANSWERED, postgresql_where=_UNANSWERED),
)
# Messages that left for the carriers, by registered port and month (2026-07, in the console's zone), as the lake has
# them. The rates of complaints are per million of them.
port_months = Table(
    "port_months",
    metadata,
    Column("port", String(21), primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("messages", BigInteger, nullable=False),
    _at("counted_at"),
)
# Tiers that ports should get by their conduct of a month (rules/conduct/tier_conduct.py), and what was decided.
tier_proposals = Table(
    "tier_proposals",
    metadata,
    Column("port", String(21), primary_key=True),
    Column("month", String(7), primary_key=True),  # 2026-07, the last month of the evidence
    Column("before", String(16), nullable=False),
    Column("after", String(16), nullable=False),
    Column("evidence", _JSON, nullable=False),  # months, newest first: complaints, messages, violations
    Column("state", String(16), nullable=False),  # open, accepted, rejected, overtaken
    _at("proposed_at"),
    Column("decided_by", String(64)),
    _at("decided_at", nullable=True),
    Column("note", Text, nullable=False, server_default=""),
    Index("ix_tier_proposals_state", "state", "proposed_at"),
)
# Appeals of ports against a refusal or a suspension. Another person than the first decides.
appeals = Table(
    "appeals",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("port", String(21), nullable=False),
    Column("about", String(160), nullable=False),  # submission/<id>, or suspension/<number of the action>
    Column("text", Text, nullable=False),  # the port's words
    Column("against", String(64), nullable=False),  # who decided first
    _at("filed_at"),
    Column("state", String(16), nullable=False),  # open, granted, denied
    Column("decided_by", String(64)),
    _at("decided_at", nullable=True),
    Column("answer", Text, nullable=False, server_default=""),
    Index("uq_appeals_about", "port", "about", unique=True),
    Index("ix_appeals_state", "state", "filed_at"),
)
actions = Table(
    "actions",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("kind", String(16), nullable=False),  # a step of rules/conduct/port_lifecycle.py; tier, warn, list
    Column("subject", String(64), nullable=False),  # a port, or list/value
    Column("rule", String(128), nullable=False, server_default=""),
    Column("evidence", String(256), nullable=False, server_default=""),  # a decision's id, a case
    Column("actor", String(64), nullable=False),
    _at("at"),
    Column("reason", Text, nullable=False, server_default=""),  # a person's, or the sentence of the rule with `values`
    Column("values", _JSON, nullable=False, server_default="{}"),
    Index(
        "uq_actions_evidence",
        "kind",
        "subject",
        "evidence",
        unique=True,
        sqlite_where=text("evidence != ''"),
        postgresql_where=text("evidence != ''"),
    ),
)
# What operators are told of, one row for each thing that is wrong (actions/alerts/lifecycle.py).
alerts = Table(
    "alerts",
    metadata,
    Column("id", String(128), primary_key=True),  # of its first news
    Column("key", String(256), nullable=False),  # of the thing that is wrong
    Column("state", String(16), nullable=False),  # waiting, taken, closed
    Column("level", String(16), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("about", String(16), nullable=False),  # what the subject is
    Column("subject", String(64), nullable=False),
    Column("message", Text, nullable=False),  # of the last news, as are the values
    Column("values", _JSON, nullable=False, server_default="{}"),
    _at("at"),  # of the first news
    _at("last_at"),
    Column("last_id", String(128), nullable=False),
    Column("times", Integer, nullable=False, server_default="1"),  # news heard
    _at("waits_since"),  # its escalation is counted from here
    _at("over_at", nullable=True),  # without news until then it is over; NULL: whoever raised it ends it
    Column("assigned_to", String(64)),
    _at("snoozed_until", nullable=True),
    _at("escalated_at", nullable=True),
    _at("closed_at", nullable=True),
    Index("ix_alerts_at", "at"),
    Index("ix_alerts_closed_at", "closed_at"),
    Index(
        "uq_alerts_open",
        "key",
        unique=True,
        sqlite_where=text("state <> 'closed'"),
        postgresql_where=text("state <> 'closed'"),
    ),
)
# The history of each alert.
alert_changes = Table(
    "alert_changes",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("alert", String(128), ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("change", String(16), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    _at("at"),
    Index("ix_alert_changes_alert", "alert"),
)
# Changes that a feed (file, webhook) has not got yet.
alert_posts = Table(
    "alert_posts",
    metadata,
    Column("feed", String(16), primary_key=True),
    Column(
        "change",
        BigInteger,
        ForeignKey("alert_changes.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    _at("due_at"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("silenced", Boolean, nullable=False, server_default=text("false")),  # it was due in a silence
    Index("ix_alert_posts_due_at", "feed", "due_at"),
)
# Rules of alerts that the operator made or changed; the others are shipped (actions/alerts/rules.py).
alert_rules = Table(
    "alert_rules",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("measure", String(32), nullable=False),
    Column("above", Boolean, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("granularity", String(16), nullable=False),
    Column("level", String(16), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("changed_by", String(64), nullable=False),
    _at("changed_at"),
)
# Times in which the feeds are silent about alerts (actions/alerts/silences.py).
alert_silences = Table(
    "alert_silences",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("rule", String(128), nullable=False, server_default=""),  # empty: all
    Column("subject", String(64), nullable=False, server_default=""),  # empty: all
    _at("begins_at"),
    _at("ends_at"),
    Column("daily", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("made_by", String(64), nullable=False),
    _at("made_at"),
)

# Orders about numbers, to BOSS, HLR and other networks (actions/orders/order.py).
number_orders = Table(
    "number_orders",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("number", String(21), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("party", String(32), nullable=False),  # boss, hlr, or a carrier
    Column("state", String(16), nullable=False),
    Column("rule", String(128), nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),  # the rule's sentence, or what a person wrote
    Column("values", _JSON, nullable=False, server_default="{}"),  # of the sentence
    Column("sample", Text, nullable=False, server_default=""),  # masked
    Column("evidence", String(256), nullable=False, server_default=""),
    Column("asked_by", String(64), nullable=False),
    _at("asked_at"),
    Column("watch_days", Integer),  # of the probation that a clear order begins
    Column("tries", Integer, nullable=False, server_default="0"),
    _at("due_at", nullable=True),
    Column("file", BigInteger, index=True),  # of `order_files`, which carried it last; NULL: it was never sent
    Column("answer", String(16)),
    Column("answer_reason", Text, nullable=False, server_default=""),
    _at("changed_at"),
    Index(
        "uq_number_orders_outstanding",
        "number",
        "kind",
        unique=True,
        sqlite_where=text("state IN ('open', 'sent')"),
        postgresql_where=text("state IN ('open', 'sent')"),
    ),
    Index("ix_number_orders_due", "party", "state", "due_at"),
    Index("ix_number_orders_number", "number", "id"),
    Index("ix_number_orders_changed_at", "changed_at"),
)
# Files (or posts) with orders. What one holds follows from the orders that name it.
order_files = Table(
    "order_files",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("party", String(32), nullable=False),
    Column("name", String(255), nullable=False),
    Column("state", String(16), nullable=False),  # writing, put, abandoned (not put before its orders were late)
    Column("orders", Integer, nullable=False),
    _at("created_at"),
    _at("put_at", nullable=True),
    Index("ix_order_files_state", "party", "state"),
    Index("ix_order_files_created_at", "created_at"),
    sqlite_autoincrement=True,  # its number is in its name
)
# Files with answers, by the hash of their bytes: the same file twice changes nothing.
answer_files = Table(
    "answer_files",
    metadata,
    Column("party", String(32), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("lines", Integer, nullable=False, server_default="0"),  # the last line that was read
    Column("accepted", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    _at("read_at"),
    Index("ix_answer_files_read_at", "read_at"),
)
# The comparisons of our stopped numbers with the daily list of a party.
reconciliations = Table(
    "reconciliations",
    metadata,
    Column("party", String(32), primary_key=True),
    Column("digest", String(64), primary_key=True),  # of the list
    Column("ours", Integer, nullable=False),
    Column("theirs", Integer, nullable=False),
    Column("missing", Integer, nullable=False),  # stopped by us and not in the list: ordered again
    Column("extra", Integer, nullable=False),  # in the list and not stopped by us
    Column("extra_numbers", _JSON, nullable=False),  # the first of them
    _at("at"),
    Index("ix_reconciliations_at", "at"),
)

# Alarms about hit rates of rules (actions/watch/alarms.py). An alarm without an end is on.
rule_alarms = Table(
    "rule_alarms",
    metadata,
    Column("rule", String(128), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),  # the hour in which it began
    _at("ended_at", nullable=True),
)

# Record files fetched from the SMSCs. Size and time from the remote listing are part of the key.
record_files = Table(
    "record_files",
    metadata,
    Column("source", String(32), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("modified", String(32), primary_key=True),  # time as the remote listing prints it
    Column("state", String(16), nullable=False),  # fetching, ingested, unreadable, removed
    Column("digest", String(64)),  # sha256 of the bytes
    Column("accepted", Integer, nullable=False, server_default="0"),  # lines ingested from these bytes, in all attempts
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("cause", Text, nullable=False, server_default=""),  # of an unreadable file
    _at("taken_at"),
    _at("finished_at", nullable=True),
    _at("settled_at", nullable=True),  # spool cleared; remote file moved or deleted if the settings ask for it
    Index(
        "ix_record_files_unsettled",
        "source",
        sqlite_where=text("settled_at IS NULL"),
        postgresql_where=text("settled_at IS NULL"),
    ),
)

users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password", String(256)),  # argon2id; NULL: the user signs in by OIDC only
    Column("role", String(32), nullable=False),
    Column("scope", _JSON, nullable=False),  # {} = all; {"province": …} | {"city": …} | {"enterprise": …}
    Column("queues", _JSON, nullable=False, server_default="[]"),  # in which the user reviews; [] = all
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("must_change", Boolean, nullable=False, server_default=text("false")),
    _at("created_at"),
)
# Attempts by name and address (throttle.py); an empty name or address means all.
sign_ins = Table(
    "sign_ins",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    _at("next_at"),  # no attempt is allowed before
    _at("tried_at"),
    _at("signed_in_at", nullable=True),
)
sessions = Table(
    "sessions",
    metadata,
    Column("token", String(64), primary_key=True),  # sha256 of the token in the cookie
    Column("user", String(64), ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
    _at("created_at"),
    _at("expires_at"),
    _at("seen_at"),  # last activity of the user
)
api_keys = Table(
    "api_keys",
    metadata,
    Column("key", String(64), primary_key=True),  # sha256 of the key; the key is shown once and not stored
    Column("port", String(21), ForeignKey("ports.code", ondelete="CASCADE"), nullable=False, index=True),
    Column("callback_url", Text, nullable=False, server_default=""),
    _at("created_at"),
    _at("revoked_at", nullable=True),
)
# Queries of the page Explore. They hold no number: the address has hashes.
saved_queries = Table(
    "saved_queries",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("page", String(16), nullable=False, server_default="explore"),
    Column("name", String(80), nullable=False),
    Column("address", Text, nullable=False),  # query string of the page
    Column("owner", String(64), nullable=False),
    Column("shared", Boolean, nullable=False),  # with all users
    _at("made_at"),
    Index("ix_saved_queries_owner", "owner", "page", "name", unique=True),
)
callbacks = Table(
    "callbacks",
    metadata,
    Column("id", SERIAL, primary_key=True),
    Column("port", String(21), nullable=False),
    Column("url", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    _at("created_at"),
    _at("due_at", nullable=True),  # NULL after the last try
    Column("lease", String(64)),
    _at("lease_until", nullable=True),
    Index("ix_callbacks_due_at", "due_at"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3 … without a gap
    _at("at"),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(160), nullable=False),  # port/10690001, case/…, list/black/…
    Column("before", _JSON),
    Column("after", _JSON),
    Column("reason", Text, nullable=False, server_default=""),
    Column("mac", String(64), nullable=False),  # covers this row and the previous mac
    Index("ix_audit_subject", "subject", "id"),
)
