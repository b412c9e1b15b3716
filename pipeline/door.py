"""The door: it checks and bounds the input of clients and SMSC files, and turns it into events.

Every input path (files, HTTP, carrier protocols) goes through these functions. So the rest of the pipeline may rely
on their guarantees: a number has one form, recipients are distinct, the text is bounded, times are epoch
milliseconds, and `accepted_at` comes from our own clock.
"""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import Complaint, Priority, Record, RecordKind, Submission
from pipeline.rules.consents import MAX_SOURCE, Consent, ConsentKind, enterprise_scope, port_scope
from pipeline.settings import Settings
from pipeline.text import numbers

SCHEDULED_MS = 7 * DAY_MS  # how far ahead a submission may be scheduled
MAX_BATCH = 100_000_000
MAX_ENTERPRISE = 64  # characters of an enterprise's code
_IDENT = re.compile(r"[\x21-\x7e]{1,128}")
_QUOTED = re.compile(r"(?<=enum value )'.*'|(?<=unknown field )`(?![A-Za-z_]{1,32}`$).*`", re.DOTALL)

Time = str | int
Name = Annotated[str, msgspec.Meta(max_length=128)]


class SubmissionIn(msgspec.Struct, forbid_unknown_fields=True):
    """A submission as clients write it."""

    port: str
    recipients: list[str]
    content: str
    id: str | None = None
    batch: Name | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=MAX_BATCH)] | None = None
    template: Name | None = None
    priority: Priority | None = None
    valid_until: Time | None = None
    scheduled_at: Time | None = None
    submitted_at: Time | None = None


class RecordIn(msgspec.Struct):
    """A record with the fields of an SMSC file, after its columns are mapped; unknown columns are ignored."""

    kind: RecordKind
    sender: str
    recipient: str
    content: str
    submitted_at: Time
    id: str | None = None
    done_at: Time | None = None
    status: Name | None = None
    smsc: Name | None = None


class ComplaintIn(msgspec.Struct):
    """A complaint as the collecting channel writes it."""

    port: str
    recipient: str
    complained_at: Time
    id: str | None = None
    content: str = ""
    source: Name = ""
    reference: Name = ""


class ConsentIn(msgspec.Struct, forbid_unknown_fields=True):
    """A consent as clients and csv files write it; it belongs to a port or to an enterprise."""

    recipient: str
    kind: ConsentKind
    given_at: Time
    port: str = ""
    enterprise: str = ""
    source: str = ""
    until: Time | None = None


def submission(line: SubmissionIn, settings: Settings, now: int, fallback_id: str) -> Submission:
    """A checked submission accepted at `now` (epoch ms).

    A submission of more than 50 recipients takes the bulk lane, whatever its `priority`: one-time codes must not wait
    behind it. Without a `priority`, so does a submission whose `batch_size` is more than 50.
    Raises AntispamError that names the wrong field; the text never quotes content or numbers.
    """
    recipients = tuple(dict.fromkeys(number(r, "recipients") for r in line.recipients))
    if not recipients:
        raise AntispamError("recipients: none")
    if len(recipients) > settings.max_recipients:
        raise AntispamError(f"recipients: {len(recipients)}, at most {settings.max_recipients} in one submission")
    valid_until = _optional(line.valid_until, "valid_until")
    scheduled_at = _optional(line.scheduled_at, "scheduled_at")
    if scheduled_at is not None and scheduled_at > now + SCHEDULED_MS:
        raise AntispamError("scheduled_at: more than 7 days ahead of our clock")
    if scheduled_at is not None and valid_until is not None and scheduled_at >= valid_until:
        raise AntispamError("scheduled_at: not before valid_until")
    return Submission(
        id=ident(line.id, fallback_id),
        port=code(line.port, "port"),
        recipients=recipients,
        content=content(line.content, settings),
        accepted_at=now,
        batch=_storable(line.batch, "batch"),
        batch_size=line.batch_size,
        template=_storable(line.template, "template"),
        priority=Priority.of(len(recipients), line.batch_size, line.priority),
        valid_until=valid_until,
        scheduled_at=scheduled_at,
        submitted_at=_optional(line.submitted_at, "submitted_at"),
    )


def record(line: RecordIn, settings: Settings, now: int, fallback_id: str) -> Record:
    """A checked record. Its event time may be at most one day ahead of `now` (epoch ms).

    If a clock were further ahead, every later record of the sender would look old.
    """
    at = time(line.submitted_at, "submitted_at", settings)
    if at > now + DAY_MS:
        raise AntispamError("submitted_at: more than a day ahead of our clock")
    done = line.done_at
    # MO: a subscriber writes, perhaps to a port. Otherwise a port may be the writer.
    mobile_originated = line.kind is RecordKind.MO
    return Record(
        id=ident(line.id, fallback_id),
        kind=line.kind,
        sender=(number if mobile_originated else code)(line.sender, "sender"),
        recipient=(code if mobile_originated else number)(line.recipient, "recipient"),
        content=content(line.content, settings),
        submitted_at=at,
        done_at=None if done in (None, "") else time(done, "done_at", settings),
        status=_storable(line.status, "status"),
        smsc=_storable(line.smsc, "smsc"),
        ingested_at=now,
    )


def complaint(line: ComplaintIn, settings: Settings, now: int, _fallback_id: str = "") -> Complaint:
    """A checked complaint. Its time may be at most one day ahead of `now` (epoch ms).

    Without an id, equal complaints have equal ids: by their source and its reference, or else by all that they say.
    So a complaint that is given twice, in one file or in two, counts once.
    """
    at = time(line.complained_at, "complained_at")
    if at > now + DAY_MS:
        raise AntispamError("complained_at: more than a day ahead of our clock")
    source, reference, content = (
        (_storable(text, field) or "").replace("\0", "")
        for text, field in (
            (line.source, "source"),
            (line.reference, "reference"),
            (line.content[: settings.max_content], "content"),
        )
    )
    port = code(line.port, "port")
    recipient = numbers.masked_mobile(line.recipient) or number(line.recipient, "recipient")
    said = [source, reference] if reference else [source, port, recipient, at, content]
    return Complaint(
        id=ident(line.id, sha256(msgspec.json.encode(said)).hexdigest()[:32]),
        port=port,
        recipient=recipient,
        complained_at=at,
        content=content,
        source=source,
        reference=reference,
    )


def consent(line: ConsentIn, now: int) -> Consent:
    """A checked consent. It may be given at most one day ahead of `now` (epoch ms); an agreement needs its source."""
    if bool(line.port) == bool(line.enterprise):
        raise AntispamError("port, enterprise: one of the two expected")
    given_at, until = time(line.given_at, "given_at"), _optional(line.until, "until")
    if given_at > now + DAY_MS:
        raise AntispamError("given_at: more than a day ahead of our clock")
    agreed = line.kind in (ConsentKind.CONSENT, ConsentKind.REQUEST)
    if until is not None and (not agreed or until <= given_at):
        raise AntispamError("until: only a consent or a request ends, and after given_at")
    source = (_storable(line.source, "source") or "").strip()
    if agreed and not source:
        raise AntispamError("source: where the proof of a consent or a request is")
    for field, text, most in (("source", source, MAX_SOURCE), ("enterprise", line.enterprise, MAX_ENTERPRISE)):
        if len(text) > most or "\0" in text:
            raise AntispamError(f"{field}: at most {most} characters, none of them NUL, expected")
    scope = port_scope(code(line.port, "port")) if line.port else enterprise_scope(line.enterprise)
    return Consent(scope, number(line.recipient, "recipient"), line.kind, source, given_at, until)


def number(text: str, field: str) -> str:
    """The number in its one form (`text/numbers.py`)."""
    form = numbers.number(text)
    if form is None:
        raise AntispamError(f"{field}: one phone number or service code expected")
    return form


def code(text: str, field: str) -> str:
    """A number that may be a port, in its one form."""
    form = numbers.service_code(text)
    if form is None:
        raise AntispamError(f"{field}: 3 to 21 digits expected")
    return form


def content(text: str, settings: Settings) -> str:
    """The text, unchanged. Raises AntispamError for an empty, a too long or an unencodable text."""
    if not text:
        raise AntispamError("content: empty")
    if len(text) > settings.max_content:
        raise AntispamError(f"content: {len(text)} code points, at most {settings.max_content}")
    _storable(text, "content")
    return text


def ident(given: str | None, fallback: str) -> str:
    """The client's id (1 to 128 printable ASCII characters), or our own id if the client gave none."""
    if given is None or given == "":
        return fallback
    if not _IDENT.fullmatch(given):
        raise AntispamError("id: 1 to 128 printable ASCII characters without spaces expected")
    return given


def time(value: Time, field: str, settings: Settings | None = None) -> int:
    """Epoch ms, read from ISO 8601 with a zone or from epoch ms.

    With `settings`, the time format and zone of record files are tried first (`record_time_format`).
    """
    if isinstance(value, int):
        return _bounded(value, field, "not epoch milliseconds")
    text = value.strip()
    if settings is not None and settings.record_time_format:
        try:
            at = datetime.strptime(text, settings.record_time_format)  # noqa: DTZ007 - the zone follows
        except ValueError:
            raise AntispamError(f"{field}: not in the format {settings.record_time_format}") from None
        at = at.replace(tzinfo=at.tzinfo or ZoneInfo(settings.record_zone))
        return _bounded(int(at.timestamp() * 1000), field, "not between 2000 and 2100")
    if text.isascii() and text.isdigit():
        return _bounded(int(text[:20]), field, "not epoch milliseconds")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise AntispamError(f"{field}: neither ISO 8601 nor epoch milliseconds") from None
    if at.tzinfo is None:
        raise AntispamError(f"{field}: needs a time zone")
    return _bounded(int(at.timestamp() * 1000), field, "not between 2000 and 2100")


def _bounded(value: int, field: str, fault: str) -> int:
    if not 946_684_800_000 <= value < 4_102_444_800_000:  # 2000 to 2100; it catches seconds, a common mistake
        raise AntispamError(f"{field}: {fault}")
    return value


def _optional(value: Time | None, field: str) -> int | None:
    return None if value in (None, "") else time(value, field)


def _storable(text: str | None, field: str) -> str | None:
    """A text that UTF-8 can encode. Half a surrogate pair would otherwise fail only at the broker."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise AntispamError(f"{field}: not valid Unicode") from None
    return text


def fault(error: AntispamError | msgspec.ValidationError) -> str:
    """The fault of a line, without the values that msgspec quotes: they may be numbers or content."""
    return _QUOTED.sub("…", str(error))
