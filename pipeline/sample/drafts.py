"""Drafts: samples without time and id, as made by the stories."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from pipeline.events import Priority, RecordKind
from pipeline.sample.enterprises import Port
from pipeline.sample.truth import Sample, Truth, What
from pipeline.sample.wording import pick


@dataclass(slots=True)
class Stage:
    """Shared state of a stretch of traffic: random generator, number of the stretch, pairs of correspondents."""

    rng: Random
    number: int
    pairs: list[tuple[str, str]] = field(default_factory=list)


class Draft(NamedTuple):
    """A sample before it has a time and an id."""

    what: What
    body: dict[str, Any]
    truth: Truth


_STATUSES = ("DELIVRD",) * 37 + ("UNDELIV", "EXPIRED", "REJECTD")
_SMSCS = ("smsc-1", "smsc-2", "smsc-3", "smsc-4")


def submission(
    sender: str,
    recipients: list[str],
    content: str,
    truth: Truth,
    priority: Priority = Priority.EXPRESS,
    **optional: str | int,
) -> Draft:
    """A draft of a submission; `optional` are further fields of its format (batch, batch_size, template)."""
    body = {
        "port": sender,
        "recipients": recipients,
        "content": content,
        "priority": priority.value,
        **optional,
    }
    return Draft("submission", body, truth)


def record(rng: Random, kind: RecordKind, sender: str, recipient: str, content: str, truth: Truth) -> Draft:
    """A draft of an SMSC record. `done_at` is the time of carriage in ms, until `timed` makes it a time."""
    body = {
        "kind": kind.value,
        "sender": sender,
        "recipient": recipient,
        "content": content,
        "done_at": 300 + int(rng.random() * 4000),
        "status": pick(rng, _STATUSES),
        "smsc": pick(rng, _SMSCS),
    }
    return Draft("record", body, truth)


def complaint(rng: Random, accused: str, recipient: str, content: str, truth: Truth) -> Draft:
    """A draft of a recipient's complaint about a port or a number."""
    body = {
        "port": accused,
        "recipient": recipient,
        "content": content,
        "source": pick(rng, ("12321", "hotline", "app")),
    }
    return Draft("complaint", body, truth)


def timed(draft: Draft, at: int, name: str) -> Sample:
    """The draft as a sample with time `at` (epoch ms) and id `name`."""
    body: dict[str, Any] = {"id": name, **draft.body}
    if draft.what == "complaint":
        body["complained_at"] = at
    else:
        body["submitted_at"] = at
        if draft.what == "record":
            body["done_at"] += at
    return Sample(at, draft.what, body, draft.truth)


def sender_of(rng: Random, port: Port) -> str:
    """The sender field of the port: its code, plus three digits if the port uses extensions."""
    return f"{port.code}{int(rng.random() * 1000):03d}" if port.extensions else port.code
