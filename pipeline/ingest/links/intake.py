"""Takes what ports submit over links: through the door, to the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import time
from typing import Any, NamedTuple

import msgspec

from pipeline import door
from pipeline.errors import AntispamError
from pipeline.events import Origin, Part, Priority, Submission
from pipeline.ingest.broker import PartsBroker
from pipeline.ingest.links.account import Account
from pipeline.ingest.links.dialect import Dialect
from pipeline.ingest.links.message_ids import MessageIds, submission_id
from pipeline.ingest.links.submitted import submitted
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.header import Concatenation
from pipeline.protocols.sms.short_message import ShortMessage, pushes
from pipeline.rules.ports import Ports
from pipeline.settings import Settings

# Code points of a full part in two octets a character, and in 7 bits, less one: parts with 16 bits of reference.
_SHORT, _LONG = 66, 152


class Sent(NamedTuple):
    """A submission on its way to the broker; `stored` becomes True when the broker has it, False if that failed."""

    msg_id: int
    priority: Priority
    stored: asyncio.Future[bool]


class Intake:
    """See the module. `ports` returns the ports of the configuration in force; `clock` returns epoch seconds."""

    def __init__(
        self,
        broker: PartsBroker,
        ports: Callable[[], Ports | None],
        settings: Settings,
        clock: Callable[[], float] = time,
    ) -> None:
        self._broker, self._ports, self._settings, self._clock = broker, ports, settings, clock
        self._ids = MessageIds()

    def take(self, pdu: Any, account: Account, dialect: Dialect) -> Sent | None:
        """Send a submission to the broker. None: later, because no ports are known or the lane is too far behind.

        Raises AntispamError if the submission is refused.
        """
        ports = self._ports()
        if ports is None:
            return None
        now = int(self._clock() * 1000)
        msg_id = self._ids.next(now, dialect.parts(pdu))
        asked = submitted(pdu, account, now)
        submission = door.submission(asked.line, self._settings, now, submission_id(msg_id))
        if ports.key(submission.port) != account.port:
            raise AntispamError("port: not the account's port, nor an extension of it")
        if self._broker.lag(submission.priority).behind > self._settings.api_lag_limit:
            return None
        origin = Origin(
            account=account.name,
            protocol=dialect.name,
            ids=(dialect.report_id(pdu, msg_id),) if asked.report else (),
            failures_only=asked.failures_only,
        )
        submission = msgspec.structs.replace(submission, origin=origin, push=asked.push)
        place = asked.message.place
        if place is None or place.total == 1:
            return Sent(msg_id, submission.priority, self._broker.send(ports.signed(submission), ports))
        if self._broker.parts_lag().behind > self._settings.api_lag_limit:
            return None
        port = ports.find(submission.port)
        signatures = port.inserted if port is not None else ()
        part = self._part(submission, asked.message, place, account.port, signatures)
        return Sent(msg_id, submission.priority, self._broker.send_part(part))

    def _part(
        self,
        submission: Submission,
        message: ShortMessage,
        place: Concatenation,
        code: str,
        signatures: tuple[str, ...],
    ) -> Part:
        """Raises AntispamError for a part of a message that would be too long when it is whole."""
        full = _SHORT if message.alphabet in (Alphabet.UTF_16, Alphabet.GB) else _LONG
        if place.number < place.total:
            full = max(full, len(submission.content))
        if (place.total - 1) * full > self._settings.max_content:
            raise AntispamError(
                f"content: {place.total} parts, more than {self._settings.max_content} code points when joined"
            )
        header = message.header
        return Part(
            submission=submission,
            code=code,
            reference=place.reference,
            width=place.width,
            total=place.total,
            number=place.number,
            alphabet=message.alphabet.name,
            octets=message.content,
            locking_shift=header.locking_shift if header is not None else 0,
            single_shift=header.single_shift if header is not None else 0,
            push=pushes(message),
            signatures=signatures,
        )
