"""One SMS as a phone reads it: alphabet, header, and content."""

from __future__ import annotations

import msgspec

from pipeline.protocols.frames import FrameError
from pipeline.protocols.sms.alphabet import Alphabet, decoded
from pipeline.protocols.sms.header import WAP_PUSH, Concatenation, Header, read_header
from pipeline.protocols.sms.wap_push import Push, read_push


class ShortMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`content` is without its header; in the GSM alphabet, one septet an octet.

    `place`: which part of a long message it is, if it is one. `suspect`: its header does not fit, so it was read as
    text; phones differ in what they show.
    """

    alphabet: Alphabet
    content: bytes
    header: Header | None = None
    place: Concatenation | None = None
    suspect: bool = False

    @property
    def text(self) -> str | None:
        """The text; None if the content is not text."""
        return decoded(self.content, self.alphabet, self.header)

    @property
    def push(self) -> Push | None:
        """The WAP push; None if the message is none, or only a part of one."""
        if not pushes(self) or (self.place is not None and self.place.total > 1):
            return None
        try:
            return read_push(self.content)
        except FrameError:
            return None


def pushes(message: ShortMessage) -> bool:
    """Whether its header says that it is a WAP push, or a part of one."""
    return message.header is not None and message.header.port == WAP_PUSH


def short_message(content: bytes, alphabet: Alphabet, headed: bool, sar: Concatenation | None = None) -> ShortMessage:
    """The SMS in a protocol's content. `headed`: it begins with a user data header.

    `sar` is the place that the protocol's own parameters tell. It counts only without one in the header, which is what
    the phone sees.
    """
    header = read_header(content) if headed else None
    place = header.concatenation if header is not None else None
    return ShortMessage(
        alphabet=alphabet,
        content=content[header.size :] if header is not None else content,
        header=header,
        place=place or sar,
        suspect=headed and header is None,
    )
