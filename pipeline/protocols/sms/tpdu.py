"""TPDUs: short messages as they pass between a phone and its SMSC, from record files and modem logs.

SUBMIT goes to the SMSC, DELIVER and STATUS-REPORT come from it. The two bits that tell them apart mean different types
in the two directions; a log does not say which, so DELIVER, SUBMIT and STATUS-REPORT are assumed, not the rare COMMAND.

Source: GSM 03.40, 9.2.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

import msgspec

from pipeline.protocols.frames import FrameError
from pipeline.protocols.sms.alphabet import Alphabet, of_data_coding_scheme
from pipeline.protocols.sms.gsm7 import text_of_septets, unpack
from pipeline.protocols.sms.short_message import ShortMessage, short_message

LONGEST = 200  # octets; an SMSC address of 12, and 164 of a TPDU
_MOST_DATA = 140  # octets of user data
_MOST_DIGITS = 20  # of an address
_SEMI_OCTETS = "0123456789*#abc"  # F is padding
_ALPHANUMERIC = 0x50  # type of number, bits 6 to 4
_INTERNATIONAL = 0x10


class UserData(msgspec.Struct, frozen=True, kw_only=True):
    """What a message carries, with its protocol identifier and data coding scheme."""

    pid: int
    scheme: int
    message: ShortMessage


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """From a phone. `validity` (minutes) is relative, or None if it is absent, or a time in `expires`."""

    reference: int
    recipient: str
    report_wanted: bool
    validity: int | None
    expires: str
    data: UserData


class Deliver(msgspec.Struct, frozen=True, kw_only=True):
    """To a phone; `time` is when the SMSC took it, ISO 8601."""

    sender: str
    time: str
    more: bool
    data: UserData


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a SUBMIT: `status` below 0x20 delivered, below 0x40 still trying, else failed."""

    reference: int
    recipient: str
    submit_time: str
    done_time: str
    status: int


Tpdu = Submit | Deliver | StatusReport


class Reading(NamedTuple):
    """A TPDU, the address of its SMSC ("" for the phone's own), and the octets behind it."""

    tpdu: Tpdu
    smsc: str
    surplus: bytes


def read_tpdu(octets: bytes) -> Reading:
    """The TPDU behind its SMSC's address, as modems write it, or alone, as some record files have it.

    Alone only if that fits to the last octet and the other does not. Raises FrameError.
    """
    if len(octets) > LONGEST:
        raise FrameError(f"{len(octets)} octets, at most {LONGEST} expected", LONGEST)
    try:
        reading = _read(octets, addressed=True)
    except FrameError:
        with suppress(FrameError):
            alone = _read(octets, addressed=False)
            if not alone.surplus:
                return alone
        raise
    if reading.surplus:
        with suppress(FrameError):
            alone = _read(octets, addressed=False)
            return reading if alone.surplus else alone
    return reading


def _read(octets: bytes, addressed: bool) -> Reading:
    reader = _Reader(octets)
    smsc = reader.smsc() if addressed else ""
    first = reader.octet("first octet")
    kind = first & 3
    if kind == 0:
        tpdu: Tpdu = _deliver(reader, first)
    elif kind == 1:
        tpdu = _submit(reader, first)
    elif kind == 2:
        tpdu = _status_report(reader)
    else:
        raise FrameError("reserved message type", reader.at - 1)
    return Reading(tpdu, smsc, octets[reader.at :])


def _submit(reader: _Reader, first: int) -> Submit:
    reference, recipient = reader.octet("reference"), reader.address("recipient")
    pid, scheme = reader.octet("protocol"), reader.octet("coding scheme")
    form = first >> 3 & 3
    validity, expires = None, ""
    if form == 2:
        validity = _minutes(reader.octet("validity"))
    elif form == 3:
        expires = reader.time("validity")
    elif form == 1:
        reader.take(7, "validity")  # the enhanced form, which no phone sends
    data = reader.user_data(pid, scheme, headed=bool(first & 0x40))
    return Submit(
        reference=reference,
        recipient=recipient,
        report_wanted=bool(first & 0x20),
        validity=validity,
        expires=expires,
        data=data,
    )


def _deliver(reader: _Reader, first: int) -> Deliver:
    sender = reader.address("sender")
    pid, scheme = reader.octet("protocol"), reader.octet("coding scheme")
    time = reader.time("time")
    data = reader.user_data(pid, scheme, headed=bool(first & 0x40))
    return Deliver(sender=sender, time=time, more=not first & 4, data=data)


def _status_report(reader: _Reader) -> StatusReport:
    return StatusReport(
        reference=reader.octet("reference"),
        recipient=reader.address("recipient"),
        submit_time=reader.time("submit time"),
        done_time=reader.time("done time"),
        status=reader.octet("status"),
    )


class _Reader:
    """Takes octets in order; each fault is a FrameError at its offset."""

    def __init__(self, octets: bytes) -> None:
        self._octets, self.at = octets, 0

    def take(self, count: int, name: str) -> bytes:
        end = self.at + count
        if len(self._octets) < end:
            raise FrameError(f"{name}: {len(self._octets)} octets, at least {end} expected", self.at)
        taken = self._octets[self.at : end]
        self.at = end
        return taken

    def octet(self, name: str) -> int:
        return self.take(1, name)[0]

    def smsc(self) -> str:
        length = self.octet("SMSC")  # octets, with the type; elsewhere addresses count digits
        return _number(self.octet("SMSC"), self.take(length - 1, "SMSC"), 2 * length - 2) if length else ""

    def address(self, name: str) -> str:
        digits = self.octet(name)
        if digits > _MOST_DIGITS:
            raise FrameError(f"{name}: {digits} digits, at most {_MOST_DIGITS} expected", self.at - 1)
        return _number(self.octet(name), self.take((digits + 1) // 2, name), digits)

    def time(self, name: str) -> str:
        octets = self.take(7, name)
        *parts, zone = [(octet & 0xF) * 10 + (octet >> 4) for octet in octets]
        sign = "-" if octets[6] & 8 else "+"
        quarters = zone - 80 if octets[6] & 8 else zone  # the sign is a bit of the tens
        year, month, day, hour, minute, second = parts
        date = f"20{year:02}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        return f"{date}{sign}{quarters // 4:02}:{quarters % 4 * 15:02}"

    def user_data(self, pid: int, scheme: int, headed: bool) -> UserData:
        length = self.octet("length")
        alphabet = of_data_coding_scheme(scheme)
        wanted = (7 * length + 7) // 8 if alphabet is Alphabet.GSM7 else length
        if wanted > _MOST_DATA:
            raise FrameError(f"{wanted} octets of user data, at most {_MOST_DATA} expected", self.at - 1)
        octets = self.take(wanted, "user data")
        message = short_message(octets, alphabet, headed)
        if alphabet is Alphabet.GSM7:
            size = message.header.size if message.header is not None else 0
            skipped = (8 * size + 6) // 7  # septets that the header takes; the text begins behind fill bits
            septets = unpack(octets[size:], length - skipped, 7 * skipped - 8 * size)
            message = msgspec.structs.replace(message, content=septets)
        return UserData(pid=pid, scheme=scheme, message=message)


def _number(kind: int, octets: bytes, digits: int) -> str:
    """An address: `digits` counts its half octets."""
    if kind & 0x70 == _ALPHANUMERIC:
        return text_of_septets(unpack(octets, 4 * digits // 7))
    halves = [half for octet in octets for half in (octet & 0xF, octet >> 4)][:digits]
    number = "".join(_SEMI_OCTETS[half] for half in halves if half < len(_SEMI_OCTETS))
    return f"+{number}" if kind & 0x70 == _INTERNATIONAL else number


def _minutes(value: int) -> int:
    """A relative validity period."""
    if value <= 143:
        return (value + 1) * 5
    if value <= 167:
        return 12 * 60 + (value - 143) * 30
    return (value - 166) * 24 * 60 if value <= 196 else (value - 192) * 7 * 24 * 60
