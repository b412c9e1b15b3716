"""A released submission, split into messages and parts one at a time as the links have room."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.dialect_of_channel import dialect_of
from pipeline.actions.senders.dialects.dialect import CHINA, Dialect
from pipeline.actions.senders.part import DeliveryState, Part
from pipeline.errors import AntispamError
from pipeline.events import Outbound
from pipeline.protocols.sms.text import TextPart, parts, push_parts


class Job:
    """One outbound record. It yields its messages in order and is done when all of them have ended.

    `code` is the registered port. Raises AntispamError for a record that no SUBMIT can carry.
    """

    def __init__(self, outbound: Outbound, code: str, channel: Channel) -> None:
        self.outbound, self.code, self.channel = outbound, code, channel
        submission = outbound.submission
        numbered = {recipient: n for n, recipient in enumerate(submission.recipients, 1)}
        try:
            self._todo = deque((numbered[recipient], recipient) for recipient in outbound.recipients)
        except KeyError:
            raise AntispamError("a recipient that is not one of the submission's") from None
        self._dialect = dialect_of(channel)
        self._whole = self._cut(channel, self._dialect, 0)  # in this channel; needs no reference if it is one part
        self.open = len(self._todo)  # messages that have not ended
        self.at_risk = 0  # parts that a crash would leave in doubt
        self.dropped = False  # another sender has its partition
        self.lane = 0
        self.finished: Callable[[Job], None] = lambda _: None

    def next(self) -> Message | None:
        """The next message, or None after the last."""
        if not self._todo:
            return None
        n, recipient = self._todo.popleft()
        return Message(self, n, recipient, deque(self.parts(n, recipient, self.channel)))

    def parts(self, n: int, recipient: str, channel: Channel) -> list[Part]:
        """The parts of a message as this channel sends them. Raises AntispamError if it cannot."""
        submission = self.outbound.submission
        # Derived, not random: after a crash, a repeated part fits the parts that the handset has.
        reference = zlib.crc32(f"{submission.port}/{submission.id}/{n}".encode()) & 0xFF
        home, until = channel is self.channel, submission.valid_until
        dialect = self._dialect if home else dialect_of(channel)
        texts = self._whole if home and len(self._whole) == 1 else self._cut(channel, dialect, reference)
        source, number = channel.source_prefix + submission.port, channel.carriers_form(recipient)
        valid_until = None if until is None else datetime.fromtimestamp(until / 1000, CHINA)
        return [
            Part(
                port=submission.port,
                code=self.code,
                submission=submission.id,
                n=n,
                number=text.number,
                recipient=recipient,
                frame=dialect.submit(text, source, number, valid_until),
                valid_until=until,
                total=text.total,
            )
            for text in texts
        ]

    def _cut(self, channel: Channel, dialect: Dialect, reference: int) -> tuple[TextPart, ...]:
        submission = self.outbound.submission
        digits = len(channel.source_prefix) + len(submission.port)
        if digits > channel.longest_source:
            raise AntispamError(f"sender of {digits} digits with its prefix, at most {channel.longest_source}")
        if submission.push is not None:
            return push_parts(submission.push, reference)
        return parts(submission.content, reference, dialect.seven_bit)


@dataclass(slots=True, eq=False)
class Message:
    """One recipient's SMS parts: `todo` in order, `open` parts not final. All go over `link` while it is up.

    `ended` is the state of a part that was not delivered: the other parts are unreadable without it and are not sent.
    `cut` is true if the job was dropped before every part was sent; the message then does not count as ended.
    `target` is the agent of the channel that it moves to, `not_over` the channels that have refused it. `kept`: the
    target has sent some of it before, so its rows stay. `weighed`: weights have had their say.
    """

    job: Job
    n: int
    recipient: str
    todo: deque[Part]
    open: int = 0
    link: object | None = None
    ended: DeliveryState | None = None
    cut: bool = False
    target: Any = None
    kept: bool = False
    weighed: bool = False
    not_over: set[str] = field(default_factory=set)
    key: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.key = self.job.outbound.submission.port, self.recipient
        self.begin(self.todo)

    @property
    def row_key(self) -> tuple[str, str, int]:
        """The key of its rows: sender, submission and place of the recipient."""
        submission = self.job.outbound.submission
        return submission.port, submission.id, self.n

    @property
    def idle(self) -> bool:
        """Whether none of its parts is at risk."""
        return self.open == len(self.todo)

    def begin(self, parts: Iterable[Part]) -> None:
        """Begin with these parts, over whichever link."""
        self.todo = deque(parts)
        self.open, self.link, self.target, self.kept = len(self.todo), None, None, False
        for part in self.todo:
            part.message = self

    def back(self, part: Part) -> None:
        """Put a part back into `todo` in its order, to be sent again."""
        self.todo.append(part)
        self.todo = deque(sorted(self.todo, key=lambda p: p.number))
