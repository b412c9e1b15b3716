"""A released submission, split into messages and parts one at a time as the links have room."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.dialect_of_channel import dialect_of
from pipeline.actions.senders.dialects.dialect import CHINA
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
        self.source = channel.source_prefix + submission.port
        if len(self.source) > channel.longest_source:
            raise AntispamError(
                f"sender of {len(self.source)} digits with its prefix, at most {channel.longest_source}"
            )
        self._dialect = dialect_of(channel)
        numbered = {recipient: n for n, recipient in enumerate(submission.recipients, 1)}
        try:
            self._todo = deque((numbered[recipient], recipient) for recipient in outbound.recipients)
        except KeyError:
            raise AntispamError("a recipient that is not one of the submission's") from None
        self._cut(0)
        self.open = len(self._todo)  # messages that have not ended
        self.at_risk = 0  # parts that a crash would leave in doubt
        self.dropped = False  # another sender has its partition

    def next(self) -> Message | None:
        """The next message, or None after the last."""
        if not self._todo:
            return None
        n, recipient = self._todo.popleft()
        submission = self.outbound.submission
        # Derived, not random: after a crash, a repeated part fits the parts that the handset has.
        reference = zlib.crc32(f"{submission.port}/{submission.id}/{n}".encode()) & 0xFF
        texts = self._cut(reference)
        return Message(self, deque(self._part(n, recipient, text) for text in texts), len(texts))

    def _part(self, n: int, recipient: str, text: TextPart) -> Part:
        submission = self.outbound.submission
        until = submission.valid_until
        frame = self._dialect.submit(
            text,
            self.source,
            self.channel.carriers_form(recipient),
            None if until is None else datetime.fromtimestamp(until / 1000, CHINA),
        )
        return Part(
            port=submission.port,
            code=self.code,
            submission=submission.id,
            n=n,
            number=text.number,
            recipient=recipient,
            frame=frame,
            valid_until=until,
            total=text.total,
        )

    def _cut(self, reference: int) -> tuple[TextPart, ...]:
        submission = self.outbound.submission
        if submission.push is not None:
            return push_parts(submission.push, reference)
        return parts(submission.content, reference, self._dialect.seven_bit)


@dataclass(slots=True, eq=False)
class Message:
    """One recipient's SMS parts: `todo` in order, `open` parts not final. All go over `link` while it is up.

    `ended` is the state of a part that was not delivered: the other parts are unreadable without it and are not sent.
    `cut` is true if the job was dropped before every part was sent; the message then does not count as ended.
    """

    job: Job
    todo: deque[Part]
    open: int
    link: object | None = None
    ended: DeliveryState | None = None
    cut: bool = False
    key: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        for part in self.todo:
            part.message = self
        self.key = self.todo[0].port, self.todo[0].recipient

    def back(self, part: Part) -> None:
        """Put a part back into `todo` in its order, to be sent again."""
        self.todo.append(part)
        self.todo = deque(sorted(self.todo, key=lambda p: p.number))
