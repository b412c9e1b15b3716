"""A released submission cut into messages and parts, one at a time, as the links can take them."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.part import DeliveryState, Part
from pipeline.errors import AntispamError
from pipeline.events import Outbound
from pipeline.protocols import cmpp3
from pipeline.protocols.sms_text import TextPart, parts


class Job:
    """One outbound record: yields its messages in order; done when each has come to its end.

    `code` is the registered port. Raises AntispamError for what no SUBMIT can carry.
    """

    def __init__(self, outbound: Outbound, code: str, channel: Channel) -> None:
        self.outbound, self.code, self.channel = outbound, code, channel
        submission = outbound.submission
        self.source = channel.source_prefix + submission.port
        if len(self.source) > 21:
            raise AntispamError(f"sender of {len(self.source)} digits with its prefix, at most 21")
        numbered = {recipient: n for n, recipient in enumerate(submission.recipients, 1)}
        try:
            self._todo = deque((numbered[recipient], recipient) for recipient in outbound.recipients)
        except KeyError:
            raise AntispamError("a recipient that is not one of the submission's") from None
        parts(submission.content, 0)
        self.open = len(self._todo)  # messages not at their end
        self.at_risk = 0  # parts a crash would leave in doubt
        self.dropped = False  # its partition is another sender's now

    def next(self) -> Message | None:
        """The next message; None when all have been given out."""
        if not self._todo:
            return None
        n, recipient = self._todo.popleft()
        submission = self.outbound.submission
        # The same after a crash: a part that is sent again fits the ones the handset has.
        reference = zlib.crc32(f"{submission.port}/{submission.id}/{n}".encode()) & 0xFF
        texts = parts(submission.content, reference)
        return Message(self, deque(self._part(n, recipient, text) for text in texts), len(texts))

    def _part(self, n: int, recipient: str, text: TextPart) -> Part:
        submission, channel = self.outbound.submission, self.channel
        submit = cmpp3.Submit(
            sequence=0,
            pk_total=text.total,
            pk_number=text.number,
            udhi=int(text.headed),
            msg_fmt=text.coding,
            service_id=channel.service,
            msg_src=channel.account,
            src_id=self.source,
            recipients=(recipient,),
            content=text.content,
        )
        return Part(
            port=submission.port,
            code=self.code,
            submission=submission.id,
            n=n,
            number=text.number,
            recipient=recipient,
            frame=cmpp3.encode(submit),
            valid_until=submission.valid_until,
        )


@dataclass(slots=True, eq=False)
class Message:
    """One recipient's SMS parts: `todo` in order, `open` not at their end; all go over `link` while it is up.

    `ended` is why the rest need not be sent: one part did not get through, and nobody can read the others.
    `cut` says that its job was dropped before every part was sent: it does not count as ended.
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
        """A part that is to be sent again, in its order."""
        self.todo.append(part)
        self.todo = deque(sorted(self.todo, key=lambda p: p.number))
