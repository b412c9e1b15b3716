"""The signal catalogue: every name that a rule may use, with type, meaning, cost and reader.

A signal is declared only here. The policy is checked against the catalogue, `antispam policy signals` prints it, and
screening calls the readers of the signals that the policy uses. A counter declared in a policy is a signal too,
under its own name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.events import Campaign, Kind, RecordKind, Submission, Tier
from pipeline.rules.clock.timetable import is_open
from pipeline.rules.context import Context
from pipeline.rules.counting.counters import Counter
from pipeline.rules.counting.sequences import LEAST, commonest_segment, in_sequence, share_without_mobile
from pipeline.rules.speaker.speakers import impersonated, may_speak, owner_known

# Words in the names of financial companies (general knowledge): their kinds, and short names without such a word.
_FINANCE = re.compile(
    "银行|农商|农信|信用社|信用卡|保险|人寿|寿险|财险|证券|基金|信托|期货|金融|财富|理财|资产|资本|投资|贷|分期|支付|钱包|融资|担保|典当"
    "|[工建农中交招]行$|邮储|花呗|借呗|白条|平安|人保|太保|国寿"
    "|bank|insur|securit|financ|loan|lend|credit|fund|capital|invest|wealth|broker|pay"
).search
HARD_VOLUME = 5  # so many times its limit in 5 minutes suspends a port; our own choice
CHALLENGER_SCORE = "challenger_score"

SignalType = Literal["int", "double", "string", "bool", "list(string)"]
EXAMPLES: dict[SignalType, Sequence[Any]] = {
    "int": (0, 1 << 40),
    "double": (-1.0, 1.0),
    "string": ("", "x"),
    "bool": (False, True),
    "list(string)": ([], ["x"]),
}


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. `read` returns its value, of type `type`, for an event.

    `group`: senders on the allow list skip rules on `volume` and `score` signals.
    `early` signals are known before counting, so conditions of counters may use them.
    `of_pair` signals depend on nothing of an event but its sender, its text and the words in force: equal events of a
    batch are asked once. `spans` names the parts of the text that a reason marks when its rule reads the signal.
    `recipients` returns the recipients that the signal counts; a rule may refuse the message for these only.
    `cost` is µs a submission, measured by `bench engine`, rounded up; 0 means less than 1 µs.
    """

    name: str
    type: SignalType
    meaning: str
    read: Callable[[Context], Any]
    on: tuple[Literal["submission", "record"], ...] = ("submission", "record")
    group: Literal["volume", "score", "other"] = "other"
    cost: int = 0
    early: bool = False
    of_pair: bool = False
    spans: Literal["words", "links", "contacts", "signatures", "speakers"] | None = None
    recipients: Callable[[Context], Collection[str]] | None = None
    of_counter: bool = False  # it is the value of a counter declared in a policy

    @property
    def examples(self) -> Sequence[Any]:
        """Example values of the signal's type, with which a rule is evaluated when the policy is loaded."""
        return EXAMPLES[self.type]


def read(signals: Iterable[Signal], context: Context) -> dict[str, Any]:
    """The values of the signals for one event, by name."""
    return {signal.name: signal.read(context) for signal in signals}


def of_counter(counter: Counter) -> Signal:
    """The signal of a declared counter. Its value is 0 for an event that the counter's condition excludes."""
    name = counter.name
    return Signal(
        name,
        "int",
        counter.description,
        lambda c: c.counted.get(name, 0),
        (counter.on,),
        "volume",
        recipients=(lambda c: c.event.recipients) if counter.of_recipients else None,
        of_counter=True,
    )


def _port_limit(context: Context) -> int:
    port = context.port
    if port is None:
        return context.limits_5m[Tier.HIGH]
    own = port.entry.volume_5m
    if _probation(context):
        strict = context.limits_5m[Tier.HIGH]
        return strict if own is None else min(own, strict)
    return context.limits_5m[port.tier] if own is None else own


def _messages(context: Context) -> int:
    return len(context.event.recipients) if isinstance(context.event, Submission) else 1


def _port_hard_limit(context: Context) -> int:
    limit, messages = _port_limit(context), _messages(context)
    return HARD_VOLUME * limit if messages < (HARD_VOLUME - 1) * limit else limit + messages


def _port_tier(context: Context) -> str:
    port = context.port
    if port is None:
        return ""
    return Tier.HIGH.value if _probation(context) else port.tier.value


def _probation(context: Context) -> bool:
    port = context.port
    if port is None or port.probation_until is None:
        return context.watched
    return context.watched or port.on_probation(context.screened.day)


def _signature_registered(context: Context) -> bool:
    signatures, port = context.facts.signatures, context.port
    if not signatures or port is None:
        return True
    registered = port.signature_names
    for signature in signatures if registered else ():  # noqa: SIM110 - `all` takes twice the time
        if signature.name not in registered:
            return False
    return True


def _finance_signature(context: Context) -> bool:
    return any(_FINANCE(signature.name) is not None for signature in context.facts.signatures)


def _advertising_in_order(context: Context) -> bool:
    """Consent, own signature and a way to unsubscribe; whoever gave no consent is an exception of the submission."""
    port, facts = context.port, context.facts
    return (
        context.kind is Kind.COMMERCIAL
        and port is not None
        and bool(facts.signatures and port.signature_names and port.way_out(facts.unsubscribe))
        and _signature_registered(context)
        and bool(context.consent_scopes)
    )


def _signature_owner(context: Context) -> str:
    port, signatures = context.port, context.facts.signatures
    if context.ports is None or not signatures:
        return ""
    registered = port.signature_names if port else frozenset()
    own = (port.entry.enterprise or port.code) if port else ""
    for signature in signatures:
        owners = () if signature.name in registered else context.ports.owners(signature.name)
        if owners and own not in owners:
            return min(owners)
    return ""


def _signature_filed(context: Context) -> str:
    if context.port is None or not context.port.entry.filings:
        return ""
    return context.port.filings.worst(context.facts.signatures, context.event.recipients, context.moment.day)


def _impersonates(context: Context) -> str:
    facts = context.facts
    if not facts.speakers:
        return ""
    found = impersonated(facts.speakers, facts.signatures, context.port, context.brands)
    return found.brand.name if found else ""


def _second_sender(context: Context) -> bool:
    facts = context.facts
    if not facts.speakers:
        return False
    registered = context.port.signature_names if context.port else frozenset()
    if not any(signature.name in registered for signature in facts.signatures):
        return False
    found = impersonated(facts.speakers, facts.signatures, context.port, context.brands)
    return found is not None and found.beside


def _brand_mentioned(context: Context) -> bool:
    return any(not may_speak(speaker.brand, context.port, context.brands) for speaker in context.facts.speakers)


_SUBMISSION: tuple[Literal["submission", "record"], ...] = ("submission",)
_RECORD: tuple[Literal["submission", "record"], ...] = ("record",)


def _of_campaign(name: str, meaning: str, read: Callable[[Campaign], int]) -> Signal:
    """A signal of the text's known campaign; 0 without one."""
    return Signal(
        name,
        "int",
        meaning,
        lambda c: read(c.facts.campaign) if c.facts.campaign else 0,
        group="volume",
        cost=24,
        of_pair=True,
    )


# A decision stores these values of a known campaign beside its counters.
OF_CAMPAIGN = (
    _of_campaign("campaign_messages", "messages of the text's campaign, 0 if none", lambda found: found.messages),
    _of_campaign("campaign_ports", "ports that campaign came from, 0 if none", lambda found: found.ports),
    _of_campaign("campaign_senders", "senders of it: ports with extension, numbers", lambda found: found.senders),
    _of_campaign("campaign_growth_5m", "messages of that campaign in the last 5 minutes", lambda found: found.growth),
)

CATALOGUE: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal(
            "port_tier",
            "string",
            "high, ordinary or trusted; high for a port on probation; empty for a sender that is no port",
            _port_tier,
            early=True,
            of_pair=True,
        ),
        Signal(
            "probation",
            "bool",
            "the port is on probation, or its number is on the list watched: `port_tier` is high then, and "
            "`port_limit_5m` at most that of high",
            _probation,
            early=True,
            of_pair=True,
        ),
        Signal(
            "port_limit_5m",
            "int",
            "messages this port may send in 5 minutes; for a sender that is no port, those of tier high",
            _port_limit,
            group="volume",
            of_pair=True,
        ),
        Signal(
            "port_hard_limit_5m",
            "int",
            f"{HARD_VOLUME} times `port_limit_5m`, and at least `messages` more than it: the port was above it before",
            _port_hard_limit,
            group="volume",
        ),
        Signal(
            "extension_registered",
            "bool",
            "the digits after the port's code begin as registered; true without digits, and if none are registered",
            lambda c: c.port is None or c.port.takes_extension(c.event.port),
            _SUBMISSION,
            early=True,
            of_pair=True,
        ),
        Signal(
            "kind",
            "string",
            "one_time_code, notice, commercial or personal",
            lambda c: c.kind.value,
            early=True,
            of_pair=True,
        ),
        Signal(
            "template_fits",
            "bool",
            "the text fits a template registered for the port",
            lambda c: c.template is not None,
            early=True,
            of_pair=True,
        ),
        Signal(
            "messages",
            "int",
            "recipients of the submission; 1 for a record",
            _messages,
            group="volume",
            early=True,
        ),
        Signal(
            "batch_size",
            "int",
            "messages the client declared for the batch, 0 if none",
            lambda c: c.event.batch_size or 0,
            _SUBMISSION,
            "volume",
            early=True,
        ),
        Signal(
            "recipients_in_sequence",
            "int",
            "recipients of the submission whose numbers are in sequence, 0 if none",
            lambda c: in_sequence(c.event.recipients) if len(c.event.recipients) >= LEAST else 0,
            _SUBMISSION,
            "volume",
            early=True,
        ),
        Signal(
            "recipients_one_segment",
            "double",
            "share of the recipients with the commonest first 7 digits, 0 to 1; 1 for one recipient",
            lambda c: commonest_segment(c.event.recipients),
            _SUBMISSION,
            "volume",
            early=True,
        ),
        Signal(
            "recipients_invalid",
            "double",
            "share of the recipients that are no mainland mobile numbers, 0 to 1",
            lambda c: share_without_mobile(c.event.recipients),
            _SUBMISSION,
            "volume",
            early=True,
        ),
        Signal(
            "round",
            "int",
            "holds this submission has come back from",
            lambda c: c.event.round,
            _SUBMISSION,
        ),
        Signal(
            "missing_parts",
            "int",
            "parts of a long message that did not come in time; U+FFFD stands for them in the text",
            lambda c: len(c.event.missing_parts),
            _SUBMISSION,
            early=True,
        ),
        Signal(
            "content_length",
            "int",
            "code points of the text",
            lambda c: len(c.event.content),
            early=True,
            of_pair=True,
        ),
        Signal(
            "keywords",
            "int",
            "dictionary words found, in any view",
            lambda c: len(c.hits),
            cost=8,
            spans="words",
            of_pair=True,
        ),
        Signal(
            "keyword_verdict",
            "string",
            "the most severe verdict of the words found, or empty",
            lambda c: max((h.verdict for h in c.hits), key=lambda v: v.severity).value if c.hits else "",
            cost=8,
            early=True,
            spans="words",
            of_pair=True,
        ),
        Signal(
            "keyword_severity",
            "int",
            "the highest severity of the words found, 0 to 100",
            lambda c: max((h.severity for h in c.hits), default=0),
            cost=8,
            spans="words",
            of_pair=True,
        ),
        Signal(
            "keyword_categories",
            "list(string)",
            "categories of the words found",
            lambda c: sorted({h.category.value for h in c.hits}),
            cost=8,
            spans="words",
            of_pair=True,
        ),
        Signal(
            "techniques",
            "list(string)",
            "disguises undone: invisible, full_width, separators, pinyin, …",
            lambda c: list(c.facts.techniques),
            cost=4,
            of_pair=True,
        ),
        Signal(
            "links",
            "int",
            "links found, evasive spellings included",
            lambda c: len(c.facts.links),
            cost=5,
            spans="links",
            of_pair=True,
        ),
        Signal(
            "unknown_links",
            "int",
            "links that do not lead to a domain of a known company or an authority",
            lambda c: sum([not link.own for link in c.facts.links]) if c.facts.links else 0,
            cost=5,
            spans="links",
            of_pair=True,
        ),
        Signal(
            "short_link",
            "bool",
            "a link of a shortener, which hides where it goes",
            lambda c: bool(c.facts.links) and any(link.short for link in c.facts.links),
            cost=5,
            spans="links",
            of_pair=True,
        ),
        Signal(
            "lookalike_link",
            "bool",
            "a link with mixed scripts, punycode, or another's brand",
            lambda c: bool(c.facts.links) and any(link.lookalike for link in c.facts.links),
            cost=5,
            spans="links",
            of_pair=True,
        ),
        Signal(
            "contacts",
            "list(string)",
            "kinds of contact found: phone, qq, wechat, telegram",
            lambda c: sorted({contact.kind for contact in c.facts.contacts}) if c.facts.contacts else [],
            cost=2,
            spans="contacts",
            of_pair=True,
        ),
        Signal(
            "signature",
            "string",
            "the first signature in small simplified letters without signs, empty if none",
            lambda c: c.facts.signatures[0].name if c.facts.signatures else "",
            cost=2,
            early=True,
            spans="signatures",
            of_pair=True,
        ),
        Signal(
            "signatures",
            "int",
            "signatures in brackets at the beginning and the end",
            lambda c: len(c.facts.signatures),
            cost=2,
            early=True,
            spans="signatures",
            of_pair=True,
        ),
        Signal(
            "signature_registered",
            "bool",
            "every signature is registered for the port; true if the port has none registered",
            _signature_registered,
            cost=2,
            early=True,
            spans="signatures",
            of_pair=True,
        ),
        Signal(
            "unsubscribe_way",
            "string",
            "word that the text names as answer to unsubscribe, and that the port takes; or empty",
            lambda c: c.port.way_out(c.facts.unsubscribe) if c.port else next(iter(c.facts.unsubscribe), ""),
            cost=1,
            of_pair=True,
        ),
        Signal(
            "signature_owner",
            "string",
            "enterprise that registered a signature of the text, if this port and its enterprise did not; or empty",
            _signature_owner,
            cost=1,
            spans="signatures",
            of_pair=True,
        ),
        Signal(
            "signature_filed",
            "string",
            "worst filing with the recipients' carriers: filed, applied, expired, refused, missing; empty if none kept",
            _signature_filed,
            _SUBMISSION,
            cost=1,
            spans="signatures",
        ),
        Signal(
            "impersonates",
            "string",
            "the brand that the text speaks as although its sender may not; empty if none",
            _impersonates,
            cost=2,
            early=True,
            spans="speakers",
            of_pair=True,
        ),
        Signal(
            "owner_known",
            "bool",
            "signatures, an enterprise or a name other than its kind is registered for the port: its owner is known",
            lambda c: c.port is not None and owner_known(c.port),
            early=True,
            of_pair=True,
        ),
        Signal(
            "second_sender",
            "bool",
            "the text bears a signature registered for its port, and only greets the customers of the brand of "
            "`impersonates` or ends with its name: perhaps two senders, as a bank that writes for the toll office",
            _second_sender,
            cost=2,
            early=True,
            spans="speakers",
            of_pair=True,
        ),
        Signal(
            "brand_mentioned",
            "bool",
            "the text names a brand, as speaker or in passing, that is not its sender's",
            _brand_mentioned,
            cost=2,
            early=True,
            spans="speakers",
            of_pair=True,
        ),
        Signal(
            "finance_signature",
            "bool",
            "a signature names a bank, insurer, broker, lender or payment company, by a word of that trade",
            _finance_signature,
            cost=5,
            of_pair=True,
        ),
        Signal(
            "named_salutation",
            "bool",
            "the text begins with the reader's name: 尊敬的王女士, Dear Ms Wong; not 尊敬的客户",
            lambda c: c.facts.salutation,
            of_pair=True,
        ),
        Signal(
            "consent_kept",
            "bool",
            "consents are recorded for the port or its enterprise",
            lambda c: bool(c.consent_scopes),
            _SUBMISSION,
            cost=1,
            of_pair=True,
        ),
        Signal(
            "advertising_in_order",
            "bool",
            "a commercial message with registered signature, a way to unsubscribe, and consents kept for its port",
            _advertising_in_order,
            _SUBMISSION,
            cost=1,
            of_pair=True,
        ),
        Signal(
            "without_consent",
            "int",
            "recipients of a commercial message without consent; 0 where none are recorded and for other kinds",
            lambda c: len(c.without_consent()),
            _SUBMISSION,
            cost=1,
            recipients=Context.without_consent,
        ),
        Signal(
            "score",
            "double",
            "P(spam) of the text, 0 to 1; -1 without a model",
            lambda c: -1.0 if c.facts.score is None else c.facts.score,
            group="score",
            cost=12,
            early=True,
            of_pair=True,
        ),
        Signal(
            "reject_score",
            "double",
            "the model's own threshold for a text of that script: 0.1 % of ham is over it; 2 without a model",
            lambda c: c.facts.reject_score,
            group="score",
            cost=12,
            early=True,
            of_pair=True,
        ),
        Signal(
            CHALLENGER_SCORE,
            "double",
            "P(spam) by a model on trial, 0 to 1; -1 without one; in shadow rules only",
            lambda c: -1.0 if c.facts.challenger_score is None else c.facts.challenger_score,
            group="score",
            cost=12,
            of_pair=True,
        ),
        Signal(
            "label",
            "string",
            "spam, ham, or empty without a model",
            lambda c: c.facts.label.value if c.facts.label else "",
            group="score",
            cost=12,
            of_pair=True,
        ),
        Signal(
            "category",
            "string",
            "category of a spam text, or empty",
            lambda c: c.facts.category.value if c.facts.category is not None else "",
            group="score",
            cost=12,
            of_pair=True,
        ),
        *OF_CAMPAIGN,
        Signal(
            "local_hour",
            "int",
            "hour of the calendar's zone, 0 to 23: of arrival, of the scheduled time, or of a record's own time",
            lambda c: c.moment.hour,
            early=True,
        ),
        Signal(
            "weekday",
            "int",
            "day of that time, 1 (Monday) to 7",
            lambda c: c.moment.weekday,
            early=True,
        ),
        Signal(
            "holiday",
            "bool",
            "that day is a public holiday; false in a year that the calendar does not know",
            lambda c: c.moment.holiday,
            early=True,
        ),
        Signal(
            "workday",
            "bool",
            "that day is worked, worked weekends included; false in a year that the calendar does not know",
            lambda c: c.moment.workday,
            early=True,
        ),
        Signal(
            "review_open",
            "bool",
            "review hours are open on arrival, at the new screening after a hold, or at a record's own time",
            lambda c: is_open(c.screened),
            early=True,
        ),
        Signal(
            "calendar_known",
            "bool",
            "the calendar has the holidays of that year",
            lambda c: c.moment.known,
            early=True,
        ),
        Signal(
            "record_kind",
            "string",
            "MO, AO or MT",
            lambda c: c.event.kind.value,
            _RECORD,
            early=True,
        ),
        Signal(
            "to_port",
            "bool",
            "a subscriber (MO) writes to a registered port, not to a person",
            lambda c: (
                c.event.kind is RecordKind.MO and c.ports is not None and c.ports.find(c.event.recipient) is not None
            ),
            _RECORD,
            early=True,
        ),
        Signal(
            "late",
            "bool",
            "the record came later than the allowed lateness",
            lambda c: c.event.ingested_at - c.event.submitted_at > c.late_ms,
            _RECORD,
        ),
    )
}
