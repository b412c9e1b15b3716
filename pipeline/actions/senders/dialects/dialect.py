"""What a link needs to know of a carrier's protocol: which frame is what, and how requests and answers look.

A dialect knows no sockets, no clock and no queue. Its sequence numbers are 1 to 0x7FFFFFFF, which every protocol takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from pipeline.actions.senders.answers import Meaning
from pipeline.protocols.codec import Codec
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.short_message import ShortMessage
from pipeline.protocols.sms.text import TextPart

CHINA = ZoneInfo("Asia/Shanghai")
MOST_SEQUENCE = 0x7FFF_FFFF  # SMPP's; others allow 32 bits


class StatusReport(NamedTuple):
    """A carrier's report on the part with its id `carrier_id`. `sender` is empty in protocols that do not repeat it."""

    carrier_id: str
    status: str
    sender: str
    recipient: str


class SubscriberMessage(NamedTuple):
    """A subscriber's message; `carrier_id` is the carrier's id for it, or one of ours if it has none."""

    carrier_id: str
    subscriber: str
    to: str
    message: ShortMessage


class Answered(NamedTuple):
    """The answer to the SUBMIT with this number. `result` 0: accepted, None: it cannot be read."""

    sequence: int
    carrier_id: str | None
    result: int | None


Content = StatusReport | SubscriberMessage | None


class Delivered(NamedTuple):
    """A report or message, and the answers to it. `content` None: it cannot be read, for the cause `fault`."""

    content: Content
    taken: Any
    refused: Any
    fault: str = ""


def delivered(read: Callable[[], Content], taken: Any, refused: Any) -> Delivered:
    """What `read` finds in a frame, or the cause why it cannot be read."""
    try:
        return Delivered(read(), taken, refused)
    except ProtocolError as error:
        return Delivered(None, taken, refused, str(error))


class Asks(NamedTuple):
    """The carrier wants this answer: to a link test, or to news that change nothing for us."""

    answer: Any


class Closes(NamedTuple):
    """The carrier wants to close, and this answer when we have no more to read."""

    answer: Any


class Expected(NamedTuple):
    """The answer to a link test or to our wish to close."""


class Unexpected(NamedTuple):
    """A carrier has no reason to send it."""


Event = Answered | Delivered | Asks | Closes | Expected | Unexpected


@dataclass(frozen=True, slots=True)
class Account:
    """What a carrier gave us to log in. `service` is its name for our service, `system_type` is SMPP's."""

    name: str
    secret: bytes
    service: str = ""
    system_type: str = ""


class Dialect(Protocol):
    """One protocol as a client of a carrier speaks it."""

    @property
    def codec(self) -> Codec[Any]:
        """The codec of its frames."""

    @property
    def seven_bit(self) -> Alphabet:
        """What the carrier takes for coding 0."""

    @property
    def meanings(self) -> Mapping[int, Meaning]:
        """The meanings of results; those that are not there are final."""

    def login(self, at: datetime, sequence: int) -> Any:
        """The request to log in; `at` is China's time."""

    def login_result(self, pdu: Any) -> int | None:
        """0 if the login was accepted, else the carrier's status; None if this is not the answer to a login."""

    def answers_login(self, command: int) -> bool:
        """Whether a frame with this command is the answer to a login."""

    def submit(self, text: TextPart, source: str, recipient: str, valid_until: datetime | None) -> bytes:
        """The frame of a SUBMIT without its sequence number. Raises ProtocolError if a value does not fit."""

    def numbered(self, frame: bytes, sequence: int, at: datetime) -> bytes:
        """The frame with its sequence number; `at` is the time of the first SUBMIT of the part."""

    def event(self, pdu: Any) -> Event:
        """What the message means."""

    def unreadable(self, frame: bytes, unknown: bool) -> tuple[Answered | None, Any | None]:
        """What an unreadable frame answers, and our answer to it, if the protocol has one. `unknown`: its command."""

    def test(self, sequence: int) -> Any | None:
        """A question whether the link is alive; None if the protocol has none."""

    def end(self, sequence: int) -> Any:
        """Our wish to close."""
