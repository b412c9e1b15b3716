"""A part as reassembly takes it, and the submission that joined parts make."""

from __future__ import annotations

from functools import reduce
from hashlib import blake2b

import msgspec

from pipeline.errors import AntispamError
from pipeline.events import Origin, Part, Submission, decoder
from pipeline.protocols.sms import reassembly
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.header import WAP_PUSH, Concatenation, Header
from pipeline.protocols.sms.reassembly import Joined
from pipeline.protocols.sms.short_message import ShortMessage
from pipeline.protocols.sms.wap_push import shown
from pipeline.text.signatures import signed

_decode = decoder(Part)


def part_of(value: bytes) -> reassembly.Part:
    """The part in a record of `parts`. Raises AntispamError for a record that is none.

    A submission to many recipients is one message: its recipients together take the place of the recipient.
    """
    try:
        part = _decode(value)
        alphabet = Alphabet[part.alphabet]
    except (msgspec.DecodeError, KeyError) as error:
        raise AntispamError(f"not a Part: {error}") from None
    submission = part.submission
    recipients = " ".join(sorted(submission.recipients))
    if len(submission.recipients) > 1:
        recipients = blake2b(recipients.encode(), digest_size=16).hexdigest()
    port = WAP_PUSH if part.push else None
    header = Header(0, port=port, single_shift=part.single_shift, locking_shift=part.locking_shift)
    return reassembly.Part(
        id=submission.id,
        port=part.code,
        recipient=f"{submission.port} {recipients}",
        place=Concatenation(part.reference, part.total, part.number, part.width),
        message=ShortMessage(alphabet=alphabet, content=part.octets, header=header),
        at=submission.accepted_at,
        record=value,
    )


def submission_of(joined: Joined) -> tuple[Submission, str]:
    """The submission of joined parts, and its registered port. It has the id and the times of its first part.

    Raises AntispamError for a WAP push that is not whole, or none after all.
    """
    parts = [_decode(part.record) for part in joined.parts]
    push = joined.push
    text = shown(push) if push is not None else joined.text
    if text is None:
        raise AntispamError("neither a text nor a whole WAP push")
    first = parts[0].submission
    whole = msgspec.structs.replace(
        first,
        content=text if push is not None else signed(text, parts[0].signatures),
        accepted_at=max(part.at for part in joined.parts),
        origin=reduce(_together, (part.submission.origin for part in parts)),
        missing_parts=joined.missing,
        mixed_parts=joined.suspect,
        push=b"".join(part.message.content for part in joined.parts) if push is not None else None,
    )
    return whole, parts[0].code


def _together(one: Origin | None, other: Origin | None) -> Origin | None:
    """Both origins in one; who asked for all reports gets all."""
    if one is None or other is None or not other.ids:
        return one
    failures_only = other.failures_only and (one.failures_only or not one.ids)
    return msgspec.structs.replace(one, ids=one.ids + other.ids, failures_only=failures_only)
