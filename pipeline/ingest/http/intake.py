"""Writes submissions to the broker, each id once. The answer waits for the broker's acknowledgement.

Recent ids are in memory, older ids in the database. An id is put into memory before the first `await`, so of two
equal concurrent requests the second waits for the first. If an acknowledgement fails, the submission may still be on
the broker. So the client may send this id again with the same content, and never with other content.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import Enum

from pipeline import metrics
from pipeline.errors import AntispamError
from pipeline.events import Submission
from pipeline.ingest.broker import Broker
from pipeline.ingest.http.backend import SubmissionLookup
from pipeline.ingest.http.problems import Problem, not_acknowledged, unavailable
from pipeline.rules.ports import Ports
from pipeline.store.digest import digest

RECENT = 100_000  # ids in memory, about 40 MB; the projector must never lag further behind


class Taken(Enum):
    """How a submission was accepted: in this request, or before."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"


class _Entry:
    """One id: the digest of its submission, and whether the broker has acknowledged it (None: not known yet)."""

    __slots__ = ("acknowledged", "answer", "digest")

    def __init__(self, digest: str, answer: asyncio.Future[bool] | None) -> None:
        self.digest = digest
        self.answer = answer
        self.acknowledged: bool | None = True if answer is None else None

    def resolve(self, acknowledged: bool) -> None:
        self.acknowledged = acknowledged
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(acknowledged)
        self.answer = None

    def heard(self, sent: asyncio.Future[bool]) -> None:
        self.resolve(not sent.cancelled() and sent.exception() is None and sent.result())


class Intake:
    """Accepts checked submissions; the module explains how."""

    def __init__(self, broker: Broker, lookup: SubmissionLookup, ack_seconds: float) -> None:
        self._broker = broker
        self._lookup = lookup
        self._ack_seconds = ack_seconds
        self._recent: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    def remember(self, port: str, submission: Submission) -> None:
        """Remember a submission that is already on the broker, if its id is new. `port` is the registered code."""
        if (port, submission.id) not in self._recent:
            self._put((port, submission.id), _Entry(digest(submission), None))

    def knows(self, port: str, ident: str) -> bool:
        """Whether this id was accepted recently."""
        entry = self._recent.get((port, ident))
        return entry is not None and entry.acknowledged is True

    async def accept(
        self, port: str, submissions: Sequence[Submission], ports: Ports, fresh: frozenset[str] = frozenset()
    ) -> list[Taken | Problem]:
        """Send the submissions of one port to the broker and wait for the acknowledgement of each.

        Ids in `fresh` were made here and are not looked up in the database. A failed submission does not raise: its
        place in the result holds a Problem, 409 for an id already used for another submission, 503 when the broker or
        the database did not answer in time.
        """
        outcomes: dict[int, Taken | Problem] = {}
        marks = [digest(submission) for submission in submissions]
        entries: list[_Entry] = []
        new: list[int] = []  # places of ids that are new, or sent again after a failure
        for place, submission in enumerate(submissions):
            entry = self._recent.get((port, submission.id))
            if entry is None or (entry.acknowledged is False and entry.digest == marks[place]):
                entry = _Entry(marks[place], asyncio.get_running_loop().create_future())
                self._put((port, submission.id), entry)
                new.append(place)
            entries.append(entry)
        try:
            known = await self._known(port, [submissions[p].id for p in new if submissions[p].id not in fresh], ports)
        except BaseException as error:
            for place in new:
                entries[place].resolve(False)
                del self._recent[port, submissions[place].id]
                outcomes[place] = unavailable("the operational database")
            if not isinstance(error, AntispamError):
                raise
            known, new = {}, []
        sent = set()
        for place in new:
            entry, before = entries[place], known.get(submissions[place].id)
            if before is None:
                answer = self._broker.send(submissions[place], ports)
                answer.add_done_callback(entry.heard)
                sent.add(place)
            else:
                entry.digest = before
                entry.resolve(True)
        await self._answers(entries)
        for place, entry in enumerate(entries):
            if place in outcomes:
                continue
            if entry.digest != marks[place]:
                outcomes[place] = _used()
            elif entry.acknowledged is not True:
                outcomes[place] = not_acknowledged()
            else:
                outcomes[place] = Taken.ACCEPTED if place in sent else Taken.DUPLICATE
        self._count(submissions, outcomes)
        return [outcomes[place] for place in range(len(submissions))]

    def _count(self, submissions: Sequence[Submission], outcomes: Mapping[int, Taken | Problem]) -> None:
        for place, outcome in outcomes.items():
            if outcome is Taken.ACCEPTED:
                metrics.ACCEPTED.labels("http", submissions[place].priority.value).inc()
            elif outcome is Taken.DUPLICATE:
                metrics.DUPLICATES.inc()

    async def _known(self, port: str, idents: list[str], ports: Ports) -> dict[str, str]:
        """Digests of the ids that the port has used, under any extension."""
        if not idents:
            return {}
        found = await self._lookup.digests(idents)
        return {ident: mark for (sender, ident), mark in found.items() if ports.key(sender) == port}

    async def _answers(self, entries: Sequence[_Entry]) -> None:
        unanswered = {entry.answer for entry in entries if entry.answer is not None}
        if unanswered:
            await asyncio.wait(unanswered, timeout=self._ack_seconds)

    def _put(self, key: tuple[str, str], entry: _Entry) -> None:
        self._recent[key] = entry
        self._recent.move_to_end(key)
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)


def _used() -> Problem:
    return Problem(409, "id_used", "id: used before with another sender, content or recipients", "id")
