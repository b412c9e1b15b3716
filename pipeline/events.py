"""Every record on the wire: one frozen struct for each kind, encoded as UTF-8 JSON.

The terms are those of docs/architecture.md. Times are epoch milliseconds (int) inside the pipeline; only the doors
accept ISO 8601 (`ingest`). A field that a client controls is data: it is never used as a partition key or a clock
before it has been checked.
Adding a field with a default is compatible in both directions; renaming or retyping one is not,
because the topics and the lake keep old records for months.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from pipeline.quick_enum import quick

T = TypeVar("T")


@quick
class Verdict(StrEnum):
    """The verdict on a submission; of the enforced reasons, the most severe wins.

    `severity`, 0 (release) to 4 (blacklist), is the order in which reasons override each other.
    """

    severity: int

    RELEASE = "release"
    HOLD = "hold"
    REVIEW = "review"
    REJECT = "reject"
    BLACKLIST = "blacklist"


for _rank, _verdict in enumerate(Verdict):
    _verdict.severity = _rank


@quick
class Kind(StrEnum):
    """The purpose of a message. It comes from the port, its template and rules, never from the classifier."""

    ONE_TIME_CODE = "one_time_code"
    NOTICE = "notice"
    COMMERCIAL = "commercial"
    PERSONAL = "personal"


@quick
class Label(StrEnum):
    """The classifier's opinion of a text."""

    SPAM = "spam"
    HAM = "ham"


@quick
class Category(StrEnum):
    """The subject of a spam text or a dictionary word. The list is closed: pages, topics and models share it."""

    FRAUD = "fraud"
    PHISHING = "phishing"
    GAMBLING = "gambling"
    PORNOGRAPHY = "pornography"
    DRUGS = "drugs"
    WEAPONS = "weapons"
    COUNTERFEIT = "counterfeit"
    FAKE_DOCUMENT = "fake_document"
    LOAN = "loan"
    RECRUITMENT = "recruitment"
    PROPERTY = "property"
    EDUCATION = "education"
    FINANCE = "finance"
    RETAIL = "retail"
    SERVICES = "services"
    COMPETITOR = "competitor"
    OTHER = "other"


BULK_MESSAGES = 50  # a send of more messages with one content is bulk (source: DESIGN, defaults)


@quick
class Priority(StrEnum):
    """The lane of a submission. Express must never wait behind bulk."""

    EXPRESS = "express"
    BULK = "bulk"

    @classmethod
    def of(cls, messages: int, batch_size: int | None, asked: Priority | None) -> Priority:
        """The lane of a submission of this many messages, whose client asked for a lane or for none."""
        if messages > BULK_MESSAGES:
            return cls.BULK
        return asked or (cls.BULK if (batch_size or 0) > BULK_MESSAGES else cls.EXPRESS)


@quick
class RecordKind(StrEnum):
    """Mobile originated, application originated, mobile terminated."""

    MO = "MO"
    AO = "AO"
    MT = "MT"


@quick
class Tier(StrEnum):
    """How much a port is trusted; high risk means review before send."""

    HIGH = "high"
    ORDINARY = "ordinary"
    TRUSTED = "trusted"


@quick
class PortState(StrEnum):
    """The state of a port. Only an open port may send."""

    OPEN = "open"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


@quick
class AlertLevel(StrEnum):
    """The three alert levels that operators know."""

    WARNING = "warning"
    SEVERE = "severe"
    CRITICAL = "critical"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all records: immutable; defaults are left out on the wire. No GC: a record never holds a cycle."""


class Origin(Event, frozen=True, kw_only=True):
    """The link that a submission came over: the account and its protocol (cmpp, smpp, sgip, smgp).

    `ids` are the ids of its parts that shall have a report, in the protocol's form (hex), in order of the parts.
    `failures_only`: a report only if the message was not delivered.
    """

    account: str
    protocol: str
    ids: tuple[str, ...] = ()
    failures_only: bool = False


class Submission(Event, frozen=True, kw_only=True):
    """One content from one port to N recipients, as accepted at the door.

    `port` is the sender field as given: a registered service code, perhaps with an extension. `id` is unique per port.
    `accepted_at` is our clock, `submitted_at` the client's. `batch_size` is the number of messages that the client
    declares for `batch`. `round` counts the holds from which this submission has returned: in later rounds counters are
    read and not moved. `reviewed` is true if a person has released the submission already, before its `scheduled_at`;
    no rule sends it to a person again. `origin` is the link it came over. `missing_parts` are the numbers of the parts
    that did not come in time; U+FFFD stands for them. `mixed_parts`: parts of two messages may be mixed in it. `push`
    are the octets of a WAP push, which is sent as such; `content` is then its text and its link. `confirms`: we tell a
    subscriber that an answer was obeyed; it is a notice, whatever its port sends.
    """

    id: str
    port: str
    recipients: tuple[str, ...]
    content: str
    accepted_at: int
    batch: str | None = None
    batch_size: int | None = None
    template: str | None = None
    priority: Priority = Priority.EXPRESS
    valid_until: int | None = None
    scheduled_at: int | None = None
    submitted_at: int | None = None
    round: int = 0
    reviewed: bool = False
    origin: Origin | None = None
    missing_parts: tuple[int, ...] = ()
    mixed_parts: bool = False
    push: bytes | None = None
    confirms: bool = False


class Part(Event, frozen=True, kw_only=True):
    """Part `number` of `total` of a long message, as a port submitted it over a link.

    `submission` is what it would be alone; its content is the part's text. `code` is the registered port. `reference`
    has `width` octets. `octets` are the content in `alphabet` (a name of protocols.sms.alphabet), with the language
    tables `locking_shift` and `single_shift` (GSM 03.38). `push`: its header names the port of WAP pushes; then its
    text is known only when the message is whole. `signatures` are those of which the whole must bear one; the first is
    inserted.
    """

    submission: Submission
    code: str
    reference: int
    width: int
    total: int
    number: int
    alphabet: str
    octets: bytes
    locking_shift: int = 0
    single_shift: int = 0
    push: bool = False
    signatures: tuple[str, ...] = ()


class Record(Event, frozen=True, kw_only=True):
    """A message that the SMSC carried. `submitted_at` is its event time; `status` is the SMSC's own text."""

    id: str
    kind: RecordKind
    sender: str
    recipient: str
    content: str
    submitted_at: int
    done_at: int | None = None
    status: str | None = None
    smsc: str | None = None
    ingested_at: int = 0


class Span(Event, frozen=True, kw_only=True):
    """The place in the raw text that a reason refers to: code points, end exclusive.

    `via` is the view in which a dictionary word was found (raw, normal, pinyin, …), or link, or contact.
    """

    start: int
    end: int
    word: str = ""
    category: str = ""
    via: str = ""


class Reason(Event, frozen=True, kw_only=True, omit_defaults=False):
    """A reason: the rule, the verdict that it asked for, and the values that it saw."""

    rule: str
    verdict: Verdict
    severity: int
    message: str
    values: dict[str, Any]
    spans: tuple[Span, ...] = ()


class RecipientException(Event, frozen=True, kw_only=True, omit_defaults=False):
    """One recipient whose verdict differs from that of its submission."""

    recipient: str
    verdict: Verdict
    rule: str


class ShadowOutcome(Event, frozen=True, kw_only=True, omit_defaults=False):
    """The verdict that would have been given without effect: by a rule in shadow mode, or by a whole policy.

    `policy` is the version of a policy that was evaluated beside the deciding one; `rule` is then the rule that would
    have decided, or "" for a release without a reason. It is None for a rule of the deciding policy.
    """

    rule: str
    verdict: Verdict
    policy: str | None = None


class SuppressedBy(StrEnum):
    """Why a rule's match did not count."""

    SNOOZE = "snooze"
    DAILY_CAP = "daily_cap"


class Suppressed(Event, frozen=True, kw_only=True, omit_defaults=False):
    """The verdict that an enforced rule would have given, and what kept it from counting.

    `scope` is what it is suppressed for: `port/10690001`, without the number of a sender of records: `sender`. `until`
    is the end of a snooze (epoch ms); a daily cap ends at midnight.
    """

    rule: str
    verdict: Verdict
    cause: SuppressedBy
    scope: str
    until: int | None = None


class Decision(Event, frozen=True, omit_defaults=False):
    """The verdict on one round of one submission, or on one record (`source`).

    `policy`, `dictionary` and `model` are content hashes, so any decision can be screened again under the same
    versions; `epoch` is the order of configuration changes. `counters` holds every counter value that the function
    saw. `degraded` is true when a part (the model) was missing. `hold_until` is set by holds with an end time.
    `messages` is the number of recipients decided on. `port` is the registered port; `sender` is the port field of
    the submission as given, empty for records. `campaign` is the known campaign that the text belongs to, or empty.
    `suppressed` are the matches of enforced rules that did not count. `tier` is that of the port at this time; None
    without a registered port. `reject_score` is the model's strict threshold for the text's script or language.
    """

    id: str
    round: int
    verdict: Verdict
    exceptions: tuple[RecipientException, ...]
    score: float | None
    label: Label | None
    category: Category | None
    reasons: tuple[Reason, ...]
    epoch: int
    policy: str | None
    dictionary: str | None
    model: str | None
    counters: dict[str, int]
    degraded: bool
    shadow: tuple[ShadowOutcome, ...]
    decided_at: int
    source: str
    port: str
    kind: Kind
    messages: int
    fingerprint: str
    accepted_at: int
    hold_until: int | None = None
    timings: dict[str, float] = {}
    sender: str = ""
    campaign: str = ""
    suppressed: tuple[Suppressed, ...] = ()
    tier: Tier | None = None
    reject_score: float | None = None


class Sketch(Event, frozen=True, kw_only=True):
    """The sketch by which variants of a text are recognised; see campaigns/sketches.py. It does not reveal the text.

    `count` is the number of the text's shingles, `whole` a hash of the whole text. `shingles` and `bands` are
    little-endian numbers of 16 and 64 bits. `signs` has one byte of hash for each sign; it is empty for a long text.
    """

    count: int
    whole: int
    shingles: bytes
    bands: bytes
    signs: bytes = b""


class Campaign(Event, frozen=True, kw_only=True):
    """A campaign known to the rules: its figures, and the sketches that recognise its texts.

    `ports`, `senders` and `growth` are those of campaigns.index.Figures. `first` names its first submissions
    (`port/id`) and records (`/id`): they were decided before the campaign was known, so their decisions do not name
    it. The counting continues from `port_hashes`, `sender_hashes` and `buckets` (number, messages, messages of the
    bucket before). `positions` (topic/partition: offset) tells which records are counted.
    """

    id: str
    messages: int
    ports: int
    senders: int
    growth: int
    first_seen: int
    last_seen: int
    at: int
    sketches: tuple[Sketch, ...]
    first: tuple[str, ...] = ()
    port_hashes: tuple[int, ...] = ()
    sender_hashes: tuple[int, ...] = ()
    buckets: tuple[int, int, int] = (0, 0, 0)
    positions: dict[str, int] = {}


class Increments(Event, frozen=True, kw_only=True):
    """What events added to shared counters: by the counter's identity and key, the time (ms) and amount of each event.

    An amount is a number, or the values of which the counter remembers the distinct ones. `at` is when the events were
    decided, `oldest` when the oldest of them was taken in. `epoch` is the configuration that declared the counters.
    """

    at: int
    oldest: int
    epoch: int
    moves: dict[str, dict[str, list[tuple[int, int | tuple[int, ...]]]]]


class CounterValue(Event, frozen=True, kw_only=True):
    """The window of one key of a shared counter, as the second stage last counted it.

    `window` is a flat list of bucket, count (or value), bucket, …. `at` is when the newest event in it was decided.
    """

    counter: str
    key: str
    window: tuple[int, ...]
    at: int


class Outbound(Event, frozen=True, kw_only=True):
    """A released submission on its way to a carrier channel, without the recipients that have another verdict.

    `proof` proves that it was decided (actions/proof.py), in hex digits.
    """

    submission: Submission
    recipients: tuple[str, ...]
    round: int
    decided_at: int
    proof: str = ""


class Hold(Event, frozen=True, kw_only=True):
    """A submission that waits and is then screened again as the next round.

    `due_at` is the time of that; None waits for a fact (its port registered, a policy published). `epoch` is the
    configuration that held it: a newer one may decide otherwise.
    """

    submission: Submission
    rule: str
    due_at: int | None
    epoch: int = 0


class CaseMember(Event, frozen=True, kw_only=True):
    """A submission that waits for a person. It becomes a member of the case of its port and campaign or content.

    `fingerprint` is that of its content, `campaign` the known campaign of its text, or empty. `recipients` are those
    without a verdict of their own; None means all recipients. `channel` is the port's channel.
    """

    submission: Submission
    port: str
    fingerprint: str
    rule: str
    decided_at: int
    score: float | None = None
    category: Category | None = None
    recipients: tuple[str, ...] | None = None
    channel: str = ""
    campaign: str = ""


class ReviewVerdict(Event, frozen=True, kw_only=True):
    """The verdict on a case, by a reviewer or by the closing time.

    `port`, `fingerprint`, `campaign`, `rule` and `opened_at` are those of the case; `messages` is how many it decides.
    """

    case: str
    verdict: Verdict
    reviewer: str
    decided_at: int
    note: str = ""
    refusal: str = ""  # rules/refusals.py; empty: none was given
    port: str = ""
    fingerprint: str = ""
    campaign: str = ""
    rule: str = ""
    opened_at: int = 0
    messages: int = 0


class PortAction(Event, frozen=True, kw_only=True):
    """An action on a port (suspend, or warn: its owner is told before), with the decision that is its evidence.

    `reason` is the sentence of the rule with `values`, in the default language.
    """

    port: str
    action: str
    rule: str
    evidence: str
    at: int
    reason: str = ""
    values: dict[str, Any] = {}


class ListAction(Event, frozen=True, kw_only=True):
    """An entry that the pipeline wants on an operator's list, with its evidence.

    `reason` is the sentence of the rule with `values`, in the default language. `sample` is the text of the event,
    masked (lake/privacy.py); empty unless the entry is about a person's number.
    """

    list: str
    entity: str
    value: str
    rule: str
    evidence: str
    at: int
    reason: str = ""
    values: dict[str, Any] = {}
    sample: str = ""


class AlertAbout(StrEnum):
    """What the subject of an alert is."""

    PORT = "port"
    SENDER = "sender"  # of records: the keyed hash of its number, as in the lake
    RULE = "rule"
    TOPIC = "topic"
    CHANNEL = "channel"
    REVIEW = "review"
    TRAFFIC = "traffic"  # of all ports
    PARTY = "party"  # who is sent orders about numbers: BOSS, the HLR or a carrier
    COMPLAINTS = "complaints"  # of a channel: its name


class Alert(Event, frozen=True, kw_only=True):
    """News for operators: something is wrong, or still is. The subject never is a number.

    `message` is the sentence of its rule with `values`, in the default language (rules/messages.py). News with one
    `key` is about one thing, and operators see one alert (actions/alerts). It is over `lasts` ms after its last news;
    0: when whoever raised it ends it. `key` is empty in records of earlier versions.
    """

    id: str
    level: AlertLevel
    rule: str
    subject: str
    message: str
    values: dict[str, Any] = {}
    at: int
    key: str = ""
    about: AlertAbout = AlertAbout.PORT
    lasts: int = 0


class Complaint(Event, frozen=True, kw_only=True):
    """A recipient's complaint about a port or number; `source` is the channel that collected it.

    `recipient` may hide digits: `138****1234`. `reference` is the channel's own number of the complaint.
    """

    id: str
    port: str
    recipient: str
    complained_at: int
    content: str = ""
    source: str = ""
    reference: str = ""


class DeliveryReport(Event, frozen=True, kw_only=True):
    """A carrier's report on one part of message `id` of `port`, which is the sender field as given."""

    id: str
    channel: str
    carrier_id: str
    status: str
    reported_at: int
    part: int = 0
    port: str = ""


class ConfigChange(Event, frozen=True, kw_only=True):
    """One change of configuration. If `value` and `file` are None, the entry is removed.

    `epoch` grows by one with each publication. All changes of an epoch take effect together; `more` means that another
    follows. `kind` is policy, candidate, port, list, consent, snooze, dictionary, calendar, brands or model; `name` is
    unique in its kind. A value over 512 kB travels as a file, and `file` is the hash that names it.
    """

    epoch: int
    kind: str
    name: str
    value: str | None = None
    file: str | None = None
    changed_at: int = 0
    more: bool = False


class IngestProgress(Event, frozen=True, kw_only=True):
    """How much of a file (named by the hash of its bytes) has been produced; written in the same transaction."""

    file: str
    topic: str
    lines: int
    accepted: int
    rejected: int
    done: bool
    at: int


class AuditHead(Event, frozen=True, kw_only=True):
    """The last row of the audit trail and its signature, at time `at`."""

    row: int
    mac: str
    at: int = 0


class DeadLetter(Event, frozen=True, kw_only=True):
    """A record that could not be decoded or screened: the cause, the origin and the original bytes.

    `offset` is -1 for a part of a message that never became whole.
    """

    topic: str
    partition: int
    offset: int
    cause: str
    at: int
    key: bytes | None
    value: bytes | None
    attempts: int = 1


encode = msgspec.json.Encoder().encode


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    """Decode bytes as `kind`. Raises msgspec.DecodeError for invalid bytes, whatever the fault.

    msgspec itself raises other types for a text that is not UTF-8 and for JSON that is nested too deeply.
    """
    decode = msgspec.json.Decoder(kind).decode

    def decoded(value: bytes) -> T:
        try:
            return decode(value)
        except (UnicodeDecodeError, RecursionError) as error:
            raise msgspec.DecodeError(str(error)) from None

    return decoded
