"""Campaigns: one text in many variants, from however many senders and through however many templates.

A text joins the campaign of the known text that it is a variant of (`text_index`). A text without such a text begins
a campaign of its own. A campaign's id comes from its first text and never changes; the same first text gives the same
id in any process and at any time. Texts are taken in one by one, so other batches of the same stream give the same
campaigns. Pure: time is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline.campaigns.sketches import Sketches, sketch, unpacked
from pipeline.campaigns.text_index import MAX_MEMBERS, TextIndex
from pipeline.durations import DAY_MS
from pipeline.events import Campaign
from pipeline.text.normal import normalise_batch

CAPACITY = 1_000_000  # texts
TTL_MS = DAY_MS  # a campaign without a message for longer is forgotten
GROWTH_MS = 300_000  # the time that a campaign's growth covers
_HASHES = 16  # smallest hashes kept of each campaign's ports and senders
_RANGE = 0x10000
_id = re.compile("c[0-9a-f]{16}").fullmatch
_NONE = 0xFFFF
_NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sending:
    """One sending of a text: time (`at`, ms), number of `messages`, `port` and `sender`.

    `source` and `offset` are the log and offset it was read from. A restored campaign does not count sendings again
    that its last publication had counted.
    """

    at: int
    port: str = ""
    sender: str = ""
    messages: int = 1
    source: str = ""
    offset: int = -1


@dataclass(frozen=True, slots=True)
class Figures:
    """A campaign's figures.

    `ports` and `senders` are exact up to 15 and estimates above (standard error 25 %). `growth` is the number of
    messages in the last five minutes, estimated from two buckets of five minutes. Times are ms.
    """

    id: str
    messages: int
    ports: int
    senders: int
    growth: int
    first_seen: int
    last_seen: int


class CampaignEntry(NamedTuple):
    """A text's campaign: its id, the row of its figures, and whether the text is kept so that others match it."""

    id: str
    row: int
    kept: bool


def sketched(texts: Sequence[str]) -> tuple[Sketches, list[int]]:
    """The sketches of the distinct texts, and for each text the index of its sketch."""
    distinct: dict[str, int] = {}
    numbers = [distinct.setdefault(text, len(distinct)) for text in texts]
    return sketch(normalise_batch(list(distinct))), numbers


def name_of(number: int) -> str:
    """A campaign's id as written: `c` and 16 hex digits."""
    return f"c{number:016x}"


def number_of(name: str) -> int:
    """The number in a campaign's id. Raises ValueError for an invalid id."""
    if not _id(name):
        raise ValueError(f"{name!r} is no campaign")
    return int(name[1:], 16)


class Campaigns:
    """The campaigns of up to `capacity` texts (393 MB for a million), forgotten `ttl_ms` after their last message."""

    def __init__(self, capacity: int = CAPACITY, ttl_ms: int = TTL_MS) -> None:
        """Raises ValueError for a capacity under 2."""
        self._index = TextIndex(capacity, ttl_ms)
        self._messages = np.zeros(capacity, dtype=np.int64)
        self._begun = np.zeros(capacity, dtype=np.int64)
        self._ports = np.full((capacity, _HASHES), _NONE, dtype=np.uint16)
        self._senders = np.full((capacity, _HASHES), _NONE, dtype=np.uint16)
        self._bucket = np.zeros(capacity, dtype=np.int32)  # number of the five-minute bucket that `_now` counts
        self._now = np.zeros(capacity, dtype=np.uint32)
        self._before = np.zeros(capacity, dtype=np.uint32)
        self._counted: dict[int, Mapping[str, int]] = {}  # of restored campaigns: counted offsets by source

    def add(self, texts: Sequence[str], sendings: Sequence[Sending]) -> list[CampaignEntry]:
        """Take texts in, in order, and return the campaign of each."""
        return self.add_sketched(*sketched(texts), sendings)

    def add_sketched(
        self, sketches: Sketches, numbers: Sequence[int], sendings: Sequence[Sending]
    ) -> list[CampaignEntry]:
        """Take in texts that are `sketched` already, and return the campaign of each."""
        index = self._index
        places = index.places(sketches)
        found = []
        for t, sending in zip(numbers, sendings, strict=True):
            kept = True
            near = index.near(sketches, places, t, sending.at)
            if near is None:
                row = index.keep(sketches, places, t, sending.at, None, int(sketches.whole[t]))
                self._begin(row, sending.at)
            else:
                row = near.group
                index.touch(near, sending.at)
                kept = index.worth_keeping(near, int(sketches.counts[t]))
                if kept:
                    index.keep(sketches, places, t, int(index.seen[row]), row, int(index.id[row]))
            number = int(index.id[row])
            if sending.offset >= self._counted.get(number, _NOTHING).get(sending.source, -1):
                self._count(row, sending)
            found.append(CampaignEntry(name_of(number), row, kept))
        return found

    def figures(self, entry: CampaignEntry, at: int) -> Figures | None:
        """The figures of a campaign at `at` (ms); None for a forgotten one."""
        row = entry.row
        if name_of(int(self._index.id[row])) != entry.id:
            return None
        ahead = at // GROWTH_MS - int(self._bucket[row])
        now = int(self._now[row]) if ahead <= 0 else 0
        before = int((self._before, self._now)[ahead][row]) if 0 <= ahead <= 1 else 0
        return Figures(
            id=entry.id,
            messages=int(self._messages[row]),
            ports=_distinct(self._ports[row]),
            senders=_distinct(self._senders[row]),
            growth=now + before * (GROWTH_MS - at % GROWTH_MS) // GROWTH_MS,
            first_seen=int(self._begun[row]),
            last_seen=int(self._index.seen[row]),
        )

    def messages(self, entry: CampaignEntry) -> int:
        """Messages of the campaign so far."""
        return int(self._messages[entry.row])

    def event(self, entry: CampaignEntry, at: int) -> Campaign | None:
        """The campaign at `at` (ms) as an event, for publication and `restore`; None for a forgotten one."""
        figures = self.figures(entry, at)
        if figures is None:
            return None
        row = entry.row
        return Campaign(
            **asdict(figures),
            at=at,
            sketches=(),
            port_hashes=tuple(self._ports[row].tolist()),
            sender_hashes=tuple(self._senders[row].tolist()),
            buckets=(int(self._bucket[row]), int(self._now[row]), int(self._before[row])),
        )

    def restore(self, campaign: Campaign) -> CampaignEntry:
        """Restore a published campaign; call before `add`.

        Raises ValueError for an invalid campaign.
        """
        number = number_of(campaign.id)
        sketches = unpacked(campaign.sketches)
        hashes = np.array([campaign.port_hashes, campaign.sender_hashes], dtype=np.uint16)
        if not len(sketches) or hashes.shape != (2, _HASHES):
            raise ValueError("not a published campaign")
        index = self._index
        places = index.places(sketches)
        row = index.keep(sketches, places, 0, campaign.last_seen, None, number)
        for t in range(1, min(len(sketches), MAX_MEMBERS)):
            index.keep(sketches, places, t, campaign.last_seen, row, number)
        self._messages[row] = campaign.messages
        self._begun[row] = campaign.first_seen
        self._ports[row], self._senders[row] = hashes
        self._bucket[row], self._now[row], self._before[row] = campaign.buckets
        self._counted[number] = campaign.positions
        return CampaignEntry(campaign.id, row, True)

    def _begin(self, row: int, at: int) -> None:
        self._messages[row] = 0
        self._begun[row] = at
        self._ports[row] = self._senders[row] = _NONE
        self._bucket[row] = at // GROWTH_MS
        self._now[row] = self._before[row] = 0

    def _count(self, row: int, sending: Sending) -> None:
        self._messages[row] += sending.messages
        ahead = sending.at // GROWTH_MS - int(self._bucket[row])
        if ahead > 0:
            self._before[row] = self._now[row] if ahead == 1 else 0
            self._now[row] = 0
            self._bucket[row] += ahead
        self._now[row] += sending.messages
        if sending.port:
            _remember(self._ports[row], sending.port)
        if sending.sender:
            _remember(self._senders[row], sending.sender)


def campaigns_of(texts: Sequence[str], campaigns: Campaigns, at: int = 0) -> list[str]:
    """The campaign ids of texts sent at `at` (ms), in order."""
    return [entry.id for entry in campaigns.add(texts, [Sending(at)] * len(texts))]


def _remember(smallest: NDArray[np.uint16], value: str) -> None:
    """Keep a value's hash if it is among the smallest ones; their density gives the number of distinct values."""
    number = xxhash.xxh32_intdigest(value.encode("utf-8", "surrogatepass")) % _NONE
    if number >= smallest[-1]:
        return
    at = int(np.searchsorted(smallest, number))
    if smallest[at] != number:
        smallest[at + 1 :] = smallest[at:-1].copy()
        smallest[at] = number


def _distinct(smallest: NDArray[np.uint16]) -> int:
    if smallest[-1] == _NONE:
        return int(np.count_nonzero(smallest != _NONE))
    return round((_HASHES - 1) * _RANGE / (int(smallest[-1]) + 1))
