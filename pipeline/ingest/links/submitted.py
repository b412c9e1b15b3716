"""What a SUBMIT asks for, in the words of the door."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from pipeline.door import SubmissionIn
from pipeline.errors import AntispamError
from pipeline.ingest.links.account import Account
from pipeline.protocols import cmpp, sgip, smgp, smpp
from pipeline.protocols.carried import carried
from pipeline.protocols.due_time import due_time
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.short_message import ShortMessage, pushes
from pipeline.protocols.sms.wap_push import shown

_REPORT, _FAILURE = 1, 2  # SMPP's two bits: a report in any case, or if the message failed
_SMPP = smpp.SubmitSm | smpp.SubmitMulti | smpp.DataSm
_PART_OF_PUSH = "WAP push"
_WISHES = {0: _FAILURE, 1: _REPORT}  # of SGIP
_TIME_TO_LIVE = 0x0017  # parameter of data_sm, in seconds


class Asked(NamedTuple):
    """A SUBMIT: the submission, or a part of it if `message` has a place; and whether reports are wanted.

    The content of a part of a WAP push stands for what is not known before the push is whole.
    """

    line: SubmissionIn
    message: ShortMessage
    report: bool
    failures_only: bool
    push: bytes | None  # of a whole WAP push


def submitted(pdu: Any, account: Account, now: int) -> Asked:
    """What a SUBMIT asks for; without a sender, it comes from the account's port. `now` is epoch ms.

    Raises AntispamError for one that is neither text nor a WAP push, and for a distribution list.
    """
    message = carried(pdu)
    if account.smpp_ascii and message is not None and isinstance(pdu, _SMPP) and pdu.data_coding == 0:
        message = msgspec.structs.replace(message, alphabet=Alphabet.ASCII)
    push = message.push if message is not None else None
    text = shown(push) if push is not None else message.text if message is not None else None
    if message is not None and text is None and pushes(message) and message.place is not None:
        text = _PART_OF_PUSH if message.place.total > 1 else None
    if message is None or text is None:
        raise AntispamError("content: neither a text nor a WAP push")
    sender, recipients, scheduled_at, valid_until, wish = _envelope(pdu, now)
    line = SubmissionIn(
        port=sender or account.port,
        recipients=recipients,
        content=text,
        scheduled_at=scheduled_at,
        valid_until=valid_until,
    )
    return Asked(
        line,
        message,
        report=wish in (_REPORT, _FAILURE),
        failures_only=wish == _FAILURE,
        push=message.content if push is not None else None,
    )


def _envelope(pdu: Any, now: int) -> tuple[str, list[str], int | None, int | None, int]:
    """Sender, recipients, earliest and latest time, and the wish for a report."""
    if isinstance(pdu, cmpp.Submit):
        wish = int(pdu.registered_delivery == _REPORT)
        return pdu.src_id, list(pdu.recipients), due_time(pdu.at_time, now), due_time(pdu.valid_time, now), wish
    if isinstance(pdu, smgp.Submit):
        times = due_time(pdu.at_time, now), due_time(pdu.valid_time, now)
        return pdu.src_term_id, list(pdu.recipients), *times, pdu.need_report
    if isinstance(pdu, sgip.Submit):
        times = due_time(pdu.schedule_time, now), due_time(pdu.expire_time, now)
        return pdu.sp_number, list(pdu.users), *times, _WISHES.get(pdu.report_flag, 0)
    if isinstance(pdu, smpp.DataSm):
        seconds = next((int.from_bytes(tlv.value, "big") for tlv in pdu.tlvs if tlv.tag == _TIME_TO_LIVE), None)
        until = None if seconds is None else now + seconds * 1000
        return pdu.source_addr, [pdu.destination_addr], None, until, pdu.registered_delivery & 3
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
        pdu.registered_delivery & 3,
    )
