"""Facts of messages that analysts cannot find themselves, because they see neither numbers nor whole texts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from pipeline.events import Submission
from pipeline.protocols.frames import ProtocolError
from pipeline.protocols.sms.text import parts, push_parts
from pipeline.rules.numbering.regions import region_of
from pipeline.rules.numbering.segments import Segments, shipped_segments

UNKNOWN = ""


def carriers(recipients: Iterable[str]) -> list[str]:
    """The carrier of each number's segment, UNKNOWN for a number of no segment. Ported numbers are not looked up."""
    carrier_of = _segments().carrier_of
    return [carrier_of(recipient) or UNKNOWN for recipient in recipients]


def regions(recipients: Iterable[str]) -> list[str]:
    """The province in which each number was given out, UNKNOWN for a number of no known code."""
    return [region_of(recipient) or UNKNOWN for recipient in recipients]


def sms_parts(submission: Submission) -> int | None:
    """How many SMS parts carry each message of the submission; None for a text that no carrier takes."""
    try:
        if submission.push is not None:
            return len(push_parts(submission.push, 0))
        return len(parts(submission.content, 0))
    except ProtocolError:
        return None


@cache
def _segments() -> Segments:
    return Segments(shipped_segments())
