"""Status reports written as text: the content of a report in SMGP and CNGP, and the receipt of SMPP.

`id:… sub:001 dlvrd:001 submit date:2611211430 done date:2611211431 stat:DELIVRD err:000 text:…`. In SMGP and CNGP the
id is ten octets of any value, in SMPP a text. Gateways vary the rest: `submit_date`, `Text`, `txt`, absent labels,
times of 10 to 14 digits. So the labels are searched for behind the id, whatever their case.
"""

from __future__ import annotations

import re
from itertools import zip_longest

import msgspec

from pipeline.protocols.frames import FrameError

_BINARY_ID = 10  # octets
_LABEL = re.compile(
    rb"(?:^|(?<=\s))(id|sub|dlvrd|submit[ _]date|done[ _]date|stat|err|te?xt):", re.IGNORECASE
)  # the labels stand behind a space
_MOST = 64  # octets of one value that is not the text


class ReportText(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a message. Times are digits as the peer wrote them; values that are not there are empty."""

    msg_id: bytes
    stat: str
    submit_time: str = ""
    done_time: str = ""
    error: str = ""
    text: bytes = b""


def of_word(word: str) -> tuple[str, str]:
    """State and error of these reports for a word of CMPP, which has no error: `XX:nnnn` is a failure with a number."""
    prefix, colon, number = word.partition(":")
    if not colon:
        return word, "000"
    return ("REJECTD" if prefix == "AS" else "UNDELIV"), number[-3:].rjust(3, "0")


def read_report(content: bytes) -> ReportText:
    """The report of SMGP or CNGP, whose id is ten octets. Raises FrameError if it has no id or no state."""
    begin = 3 if content[:3].lower() == b"id:" else 0  # some gateways leave the label out
    end = begin + _BINARY_ID
    if len(content) < end:
        raise FrameError(f"status report of {len(content)} octets, without a whole id", len(content))
    return _report(content[begin:end], content, end)


def read_receipt(content: bytes) -> ReportText:
    """The receipt of SMPP, whose id is text and may be missing. Raises FrameError if it has no state."""
    return _report(b"", content, 0)


def write_report(report: ReportText) -> bytes:
    """The report with the labels of the SMGP specification: 122 octets with an id of ten.

    The first three digits of the text are its length, 17 octets at most follow.
    """
    text = f"{len(report.text[:17]):03d}".encode() + report.text[:17].ljust(17, b"\0")
    return b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:%b" % (
        report.msg_id,
        b"001" if report.stat == "DELIVRD" else b"000",
        report.submit_time.encode("latin-1"),
        report.done_time.encode("latin-1"),
        report.stat.encode("latin-1"),
        report.error.encode("latin-1"),
        text,
    )


def _report(msg_id: bytes, content: bytes, at: int) -> ReportText:
    found: dict[bytes, bytes] = {}
    labels = list(_LABEL.finditer(content, at))
    for label, following in zip_longest(labels, labels[1:]):
        name = label[1].lower().replace(b"_", b" ").replace(b"txt", b"text")
        end = len(content) if name == b"text" or following is None else following.start()
        value = content[label.end() : end]
        found.setdefault(name, value if name == b"text" else value.strip(b" \0")[:_MOST])
        if name == b"text":
            break
    if not found.get(b"stat"):
        raise FrameError("status report without a state", len(content))
    values = {name: value.decode("latin-1") for name, value in found.items() if name not in (b"text", b"id")}
    return ReportText(
        msg_id=msg_id or found.get(b"id", b""),
        stat=values[b"stat"],
        submit_time=values.get(b"submit date", ""),
        done_time=values.get(b"done date", ""),
        error=values.get(b"err", ""),
        text=found.get(b"text", b""),
    )
