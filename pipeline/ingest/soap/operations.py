"""The operations of the SOAP service: what is asked for, and the XML of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

from pipeline.actions.status.submission_status import SubmissionStatus
from pipeline.door import SubmissionIn
from pipeline.events import Priority
from pipeline.ingest.soap.envelope import Element, EnvelopeError

NAMESPACE = "urn:antispam:submissions:1"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_COMMON = ("express", "validUntil", "scheduledAt")
_ITEM = ("id", "port", "content", "recipient")


class Submit(NamedTuple):
    """One submission."""

    line: SubmissionIn


class SubmitBulk(NamedTuple):
    """The items of a bulk task, each of its own content."""

    lines: list[SubmissionIn]


class Query(NamedTuple):
    """The state of a submission."""

    id: str


class Result(NamedTuple):
    """What became of an item; `status` as of the HTTP API."""

    status: int
    id: str = ""
    messages: int = 0
    duplicate: bool = False
    code: str = ""
    message: str = ""
    field: str = ""


Operation = Submit | SubmitBulk | Query


def operation(element: Element, port: str) -> Operation:
    """What an element asks for; `port` sends where no port is named. Raises EnvelopeError."""
    if element.namespace != NAMESPACE:
        raise EnvelopeError(f"an element of {NAMESPACE} expected")
    if element.name == "Query":
        fields = _fields(element, ("id",))
        return Query(fields.get("id", ""))
    if element.name == "Submit":
        return Submit(_line(_fields(element, (*_ITEM, "template", *_COMMON)), element, port))
    if element.name == "SubmitBulk":
        common = _fields(element, ("task", *_COMMON), several="item")
        items = [child for child in element.children if child.name == "item"]
        lines = [_line({**common, **_fields(item, _ITEM)}, item, port) for item in items]
        if not lines:
            raise EnvelopeError("item: none")
        messages = sum(len(line.recipients) for line in lines)
        for line in lines:
            line.batch, line.batch_size = common.get("task") or None, max(1, messages)
        return SubmitBulk(lines)
    raise EnvelopeError("Submit, SubmitBulk or Query expected")


def submitted(result: Result) -> str:
    """The answer to Submit."""
    return _answer("SubmitResponse", _plain(("id", "messages", "duplicate"), result))


def submitted_bulk(results: Iterable[Result]) -> str:
    """The answer to SubmitBulk."""
    names = ("status", "id", "messages", "duplicate", "code", "message", "field")
    found = list(results)
    accepted = sum(result.status == 202 for result in found)
    duplicates = sum(result.duplicate for result in found)
    inner = "".join(f"<result>{_plain(names, result)}</result>" for result in found)
    return _answer("SubmitBulkResponse", f"{_element('accepted', accepted)}{_element('duplicates', duplicates)}{inner}")


def queried(status: SubmissionStatus) -> str:
    """The answer to Query."""
    reasons = "".join(
        f"<reason>{_element('rule', one.rule)}{_element('message', one.message)}</reason>" for one in status.reasons
    )
    recipients = "".join(
        f"<recipient>{_element('number', one.recipient)}{_element('state', one.state)}"
        f"{_element('status', one.status)}{_element('rule', one.rule)}</recipient>"
        for one in status.recipients
    )
    head = "".join(_element(name, getattr(status, name)) for name in ("id", "port", "state"))
    return _answer("QueryResponse", head + reasons + recipients)


def problem(status: int, code: str, field: str, retry_after: int) -> str:
    """The detail of a fault."""
    values: dict[str, str | int] = {"status": status, "code": code, "field": field, "retryAfter": retry_after}
    inner = "".join(_element(name, value) for name, value in values.items() if value not in ("", 0))
    return f'<problem xmlns="{NAMESPACE}">{inner}</problem>'


def _fields(element: Element, known: tuple[str, ...], several: str = "recipient") -> dict[str, str]:
    """The texts of the children by name; those that may come several times are left to the caller."""
    found: dict[str, str] = {}
    for child in element.children:
        if child.namespace != NAMESPACE or child.name not in (*known, several):
            raise EnvelopeError(f"{element.name}: {', '.join((*known, several))} of {NAMESPACE} expected")
        if child.name == several:
            continue
        if child.name in found:
            raise EnvelopeError(f"{child.name}: more than one")
        found[child.name] = child.text if child.name == "content" else child.text.strip()
    return found


def _line(fields: Mapping[str, str], element: Element, port: str) -> SubmissionIn:
    flag = fields.get("express", "")
    if flag and flag not in _FLAGS:
        raise EnvelopeError("express: true or false expected")
    return SubmissionIn(
        port=fields.get("port") or port,
        recipients=[child.text for child in element.children if child.name == "recipient"],
        content=fields.get("content", ""),
        id=fields.get("id") or None,
        template=fields.get("template") or None,
        priority=None if not flag else Priority.EXPRESS if _FLAGS[flag] else Priority.BULK,
        valid_until=fields.get("validUntil") or None,
        scheduled_at=fields.get("scheduledAt") or None,
    )


def _answer(name: str, inner: str) -> str:
    return f'<{name} xmlns="{NAMESPACE}">{inner}</{name}>'


def _plain(names: tuple[str, ...], result: Result) -> str:
    return "".join(_element(name, getattr(result, name)) for name in names)


def _element(name: str, value: str | int | bool) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"
