"""Reassembly: the parts of long messages, joined so that the whole is screened.

A handset shows a long message whole, so a word that lies across two parts must be found. Parts may come over several
links, in any order, twice, late, or never. A message that is not whole at its deadline is closed as it is and says what
is missing.

Two messages may have one reference: a sender repeats references after 256 messages, or uses one for all. Then a part
arrives whose number is taken by other content. It opens a second message, and later parts fill the oldest that lacks
them. Whose part a part is cannot be known then: both messages are `suspect`.

A part that is equal to one already taken is a repetition: its sender has missed our answer. Repetitions are also known
for a time after the message is closed.

Pure: time enters with each part and with `expire`, and never runs back. The same calls give the same results. `changes`
tells what is to be kept after them, and `restored` continues from what was kept. Each port may keep only so many parts
open, and all ports together only so many; beyond that the oldest message of the port with the most is closed as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from pipeline.protocols.sms.header import Concatenation
from pipeline.protocols.sms.short_message import ShortMessage
from pipeline.protocols.sms.wap_push import Push


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part: `id` names it for its answer and report, `at` is its arrival in epoch ms.

    `record` is the form in which its caller keeps it.
    """

    id: str
    port: str
    recipient: str
    place: Concatenation
    message: ShortMessage
    at: int
    record: bytes = b""


class End(Enum):
    """Why a message was closed."""

    WHOLE = "whole"
    DEADLINE = "deadline"
    ROOM = "room"


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """A closed message: its parts in order and the numbers that are missing.

    `suspect`: another message had the same reference at the time. `late`: an earlier message of the same reference was
    closed without these parts.
    """

    parts: tuple[Part, ...]
    missing: tuple[int, ...]
    end: End
    suspect: bool
    late: bool

    @property
    def text(self) -> str | None:
        """The text; None if no part is text. A character that is cut between two parts comes out whole.

        Across a missing part nothing is joined: U+FFFD stands for it.
        """
        found: list[str] = []
        expected = 0
        for run in self._runs():
            piece = self._whole(run).text
            if piece is not None:
                found.append("\ufffd" + piece if found and run[0].place.number != expected else piece)
                expected = run[-1].place.number + 1
        return "".join(found) if found else None

    @property
    def push(self) -> Push | None:
        """The WAP push; None if the message is none, or parts are missing."""
        return self._whole(self.parts).push if not self.missing else None

    def _runs(self) -> list[list[Part]]:
        """Neighbouring parts in one alphabet; their octets may be joined before they are decoded."""
        runs: list[list[Part]] = []
        for part in self.parts:
            if runs and runs[-1][-1].place.number == part.place.number - 1 and _alike(part, runs[-1][-1]):
                runs[-1].append(part)
            else:
                runs.append([part])
        return runs

    @staticmethod
    def _whole(parts: Sequence[Part]) -> ShortMessage:
        content = b"".join(part.message.content for part in parts)
        return msgspec.structs.replace(parts[0].message, content=content, place=None)


class Taken(NamedTuple):
    """What became of a part: `repeats` is the id of the equal part taken before; `closed` are messages now closed."""

    repeats: str | None
    closed: tuple[Joined, ...]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`wait`: ms from the first part to the deadline. `remember`: ms that repetitions are known after the end.

    `most_of_port` and `most`: parts kept open for one port, and for all; `most` also bounds the closed ones that are
    remembered. `most_alike`: open messages of one reference.
    """

    wait: int = 60_000
    remember: int = 180_000  # a client sends a part three times, 60 s apart (CMPP, SMGP)
    most_of_port: int = 20_000
    most: int = 200_000
    most_alike: int = 4


_Key = tuple[str, str, int, int, int]  # port, recipient, reference, total, width
_Print = tuple[_Key, int, bytes]  # number and digest of a part


class OpenMessage(msgspec.Struct, frozen=True, array_like=True):
    """An open message as it is kept: its parts by `Part.record`; its deadline counts from `at`."""

    at: int
    late: bool
    suspect: bool
    records: list[bytes]


class ClosedPart(msgspec.Struct, frozen=True, array_like=True):
    """A part that was joined, as it is kept until `until`: what it was, and its id."""

    number: int
    digest: bytes
    id: str
    until: int


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """All that is to be kept of one key.

    `unfinished_until`: how long it is known that a message of the key was closed without all parts; 0 if none was.
    """

    open: list[OpenMessage] = []
    closed: list[ClosedPart] = []
    unfinished_until: int = 0


class _Open:
    """A message with missing parts."""

    def __init__(self, key: _Key, number: int, at: int, late: bool) -> None:
        self.key, self.number, self.at, self.late = key, number, at, late
        self.parts: dict[int, Part] = {}
        self.suspect = False


class Reassembly:
    """See the module."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._open: dict[_Key, list[_Open]] = {}
        self._by_age: dict[int, _Open] = {}  # by number of opening, so oldest first
        self._of_port: dict[str, dict[int, _Open]] = {}
        self._parts_of_port: dict[str, int] = {}
        self._parts = 0
        # Parts of closed messages: what each was, and when it is forgotten; oldest first.
        self._closed: dict[_Print, tuple[str, int]] = {}
        self._prints: dict[_Key, dict[_Print, None]] = {}  # the entries of `_closed` by key
        self._unfinished: dict[_Key, tuple[str, int]] = {}  # the same for messages closed without all parts
        self._changed: dict[_Key, None] = {}
        self._opened = 0
        self._now = 0

    @classmethod
    def restored(
        cls, kept: Iterable[tuple[_Key, Kept, Sequence[Sequence[Part]]]], limits: Limits | None = None
    ) -> Reassembly:
        """Continue from what was kept last of each key, with the parts of its open messages."""
        made = cls(limits)
        opened: list[tuple[int, _Key, OpenMessage, Sequence[Part]]] = []
        closed: list[tuple[int, _Print, str]] = []
        unfinished: list[tuple[int, _Key]] = []
        for key, one, parts in kept:
            opened += [(message.at, key, message, of) for message, of in zip(one.open, parts, strict=True)]
            closed += [(part.until, (key, part.number, part.digest), part.id) for part in one.closed]
            unfinished += [(one.unfinished_until, key)] if one.unfinished_until else []
        for at, key, message, of in sorted(opened, key=lambda each: each[0]):
            made._now = max(made._now, at)
            again = made._new(key)
            again.late, again.suspect, again.at = message.late, message.suspect, at
            for part in of:
                made._put(again, part)
        for until, entry, ident in sorted(closed):
            made._remember(entry, ident, until)
        made._unfinished = {key: ("", until) for until, key in sorted(unfinished)}
        made._changed.clear()
        return made

    def changes(self) -> Iterator[tuple[_Key, Kept | None]]:
        """What is to be kept of each key that changed since the last call; None: nothing."""
        for key in self._changed:
            kept = Kept(
                [
                    OpenMessage(one.at, one.late, one.suspect, [part.record for part in one.parts.values()])
                    for one in self._open.get(key, ())
                ],
                [ClosedPart(entry[1], entry[2], *self._closed[entry]) for entry in self._prints.get(key, ())],
                self._unfinished.get(key, ("", 0))[1],
            )
            yield key, kept if kept.open or kept.closed or kept.unfinished_until else None
        self._changed.clear()

    @property
    def parts(self) -> int:
        """The number of parts kept open."""
        return self._parts

    def due(self) -> int | None:
        """The next deadline in epoch ms; None if no message is open."""
        oldest = next(iter(self._by_age.values()), None)
        return None if oldest is None else oldest.at + self._limits.wait

    def expire(self, now: int) -> tuple[Joined, ...]:
        """Close the messages whose deadline has come."""
        self._now = now = max(now, self._now)
        closed = []
        while (due := self.due()) is not None and due <= now:
            closed.append(self._close(next(iter(self._by_age.values())), End.DEADLINE))
        for entry in _due(self._closed, now, self._limits.most):
            del self._closed[entry]
            key = entry[0]
            del self._prints[key][entry]
            if not self._prints[key]:
                del self._prints[key]
            self._changed[key] = None
        for key in _due(self._unfinished, now, self._limits.most):
            del self._unfinished[key]
            self._changed[key] = None
        return tuple(closed)

    def take(self, part: Part) -> Taken:
        """Take a part. Messages whose deadline lies before its arrival are closed first."""
        closed = list(self.expire(part.at))
        place = part.place
        key = (part.port, part.recipient, place.reference, place.total, place.width)
        alike = self._open.get(key, [])
        for message in alike:
            known = message.parts.get(place.number)
            if known is not None and _same(known, part):
                return Taken(known.id, tuple(closed))
        remembered = self._closed.get(_print(key, part))
        if remembered is not None:
            return Taken(remembered[0], tuple(closed))
        message = next((one for one in alike if place.number not in one.parts), None) or self._new(key)
        self._put(message, part)
        if len(message.parts) == place.total:
            closed.append(self._close(message, End.WHOLE))
        elif len(self._open[key]) > self._limits.most_alike:
            closed.append(self._close(self._open[key][0], End.ROOM))
        return Taken(None, (*closed, *self._make_room(part)))

    def _put(self, message: _Open, part: Part) -> None:
        message.parts[part.place.number] = part
        self._parts += 1
        self._parts_of_port[part.port] = self._parts_of_port.get(part.port, 0) + 1
        self._changed[message.key] = None

    def _remember(self, entry: _Print, ident: str, until: int) -> None:
        self._closed.pop(entry, None)  # so that the order stays that of time
        self._closed[entry] = (ident, until)
        self._prints.setdefault(entry[0], {})[entry] = None

    def _new(self, key: _Key) -> _Open:
        self._opened += 1
        message = _Open(key, self._opened, self._now, late=key in self._unfinished)
        alike = self._open.setdefault(key, [])
        alike.append(message)
        if len(alike) > 1:
            for one in alike:
                one.suspect = True
        self._by_age[message.number] = message
        self._of_port.setdefault(key[0], {})[message.number] = message
        return message

    def _make_room(self, part: Part) -> list[Joined]:
        closed = []
        while self._parts_of_port.get(part.port, 0) > self._limits.most_of_port:
            closed.append(self._close_oldest(part.port))
        while self._parts > self._limits.most:
            closed.append(self._close_oldest(max(self._parts_of_port, key=self._parts_of_port.__getitem__)))
        return closed

    def _close_oldest(self, port: str) -> Joined:
        return self._close(next(iter(self._of_port[port].values())), End.ROOM)

    def _close(self, message: _Open, end: End) -> Joined:
        key, port = message.key, message.key[0]
        self._open[key].remove(message)
        if not self._open[key]:
            del self._open[key]
        del self._by_age[message.number], self._of_port[port][message.number]
        self._parts -= len(message.parts)
        self._parts_of_port[port] -= len(message.parts)
        if not self._of_port[port]:
            del self._of_port[port], self._parts_of_port[port]
        total = key[3]
        missing = tuple(number for number in range(1, total + 1) if number not in message.parts)
        until = self._now + self._limits.remember
        self._changed[key] = None
        for part in message.parts.values():
            self._remember(_print(key, part), part.id, until)
        if missing:
            self._unfinished.pop(key, None)
            self._unfinished[key] = ("", until)
        parts = tuple(message.parts[number] for number in sorted(message.parts))
        return Joined(parts=parts, missing=missing, end=end, suspect=message.suspect, late=message.late)


def _same(part: Part, other: Part) -> bool:
    return (part.message.alphabet, part.message.content) == (other.message.alphabet, other.message.content)


def _print(key: _Key, part: Part) -> _Print:
    """What identifies a part again, without keeping its content."""
    message = part.message
    digest = blake2b(f"{message.alphabet.name} ".encode() + message.content, digest_size=16).digest()
    return key, part.place.number, digest


def _due(memory: dict[Any, tuple[str, int]], now: int, most: int) -> list[Any]:
    """The entries that are to be forgotten: what is due, and the oldest beyond `most`."""
    found = []
    for number, (entry, (_, until)) in enumerate(memory.items()):
        if until > now and len(memory) - number <= most:
            break
        found.append(entry)
    return found


def _alike(part: Part, other: Part) -> bool:
    return (part.message.alphabet, _shifts(part)) == (other.message.alphabet, _shifts(other))


def _shifts(part: Part) -> tuple[int, int]:
    header = part.message.header
    return (header.locking_shift, header.single_shift) if header is not None else (0, 0)
