"""What a SUBMIT of CMPP or SMPP asks for, in the words of the door."""

from __future__ import annotations

from typing import Any

from pipeline.door import SubmissionIn
from pipeline.errors import AntispamError
from pipeline.protocols import cmpp, smpp
from pipeline.protocols.carried import carried
from pipeline.protocols.due_time import due_time

_TIME_TO_LIVE = 0x0017  # parameter of data_sm, in seconds


def submitted(pdu: Any, port: str, now: int) -> SubmissionIn:
    """The submission in a SUBMIT; one without a sender comes from `port`. `now` is epoch ms.

    Raises AntispamError for one without text, for a part of a long message, and for a distribution list.
    """
    message = carried(pdu)
    text = message.text if message is not None else None
    if message is None or text is None:
        raise AntispamError("content: not a text")
    if message.place is not None and message.place.total > 1:
        raise AntispamError("content: a part of a long message; parts are not joined yet")
    sender, recipients, scheduled_at, valid_until = _envelope(pdu, now)
    return SubmissionIn(
        port=sender or port,
        recipients=recipients,
        content=text,
        scheduled_at=scheduled_at,
        valid_until=valid_until,
    )


def _envelope(pdu: Any, now: int) -> tuple[str, list[str], int | None, int | None]:
    """Sender, recipients, earliest and latest time."""
    if isinstance(pdu, cmpp.Submit):
        return pdu.src_id, list(pdu.recipients), due_time(pdu.at_time, now), due_time(pdu.valid_time, now)
    if isinstance(pdu, smpp.DataSm):
        seconds = next((int.from_bytes(tlv.value, "big") for tlv in pdu.tlvs if tlv.tag == _TIME_TO_LIVE), None)
        return pdu.source_addr, [pdu.destination_addr], None, None if seconds is None else now + seconds * 1000
    if isinstance(pdu, smpp.SubmitMulti):
        recipients = [to.destination_addr for to in pdu.destinations if isinstance(to, smpp.Address)]
        if len(recipients) < len(pdu.destinations):
            raise AntispamError("recipients: distribution lists are not known here")
    else:
        recipients = [pdu.destination_addr]
    return (
        pdu.source_addr,
        recipients,
        due_time(pdu.schedule_delivery_time, now),
        due_time(pdu.validity_period, now),
    )
