"""Decides which report settles which part, without a database.

A carrier assigns an id to a part in its answer to the SUBMIT, and its report repeats this id. A report may arrive
before the answer, and an answer may be lost. Then the part of the id is unknown, for a while or for ever. The table
below is in order; the first matching line counts. A part is *in doubt* while it is being submitted, and if its SUBMIT
had no answer. A SUBMIT is *unclaimed* if we may not know its id: its part is in doubt or was sent more than once. After
48 h an unclaimed SUBMIT is ignored.

| parts to this recipient | the report |
|---|---|
| the newest message with this id has a part that is not final | settles that part |
| all parts with this id are final | changes nothing: a final state never changes |
| a part is being submitted | waits: the answer due may contain the id |
| unclaimed SUBMITs belong to no message, or to several | waits |
| they belong to one message, whose sender differs from the report's | waits |
| one of their parts has an id (from a second SUBMIT, or from an answer with only a readable id) | waits |
| several parts, one of them sent more than once | waits: two reports may concern one part |
| several parts, and fewer reports with unknown ids than parts | waits: the carrier may not have accepted a part |
| a part was first sent after the report, or over 10 minutes before it | waits |
| otherwise | settles the first of these parts: a guess |

The id alone is never enough: carriers have given one id to two recipients. A waiting report is examined again at each
change of its recipient's parts.

Sources: CMPP lets a client wait 48 h for reports. With a channel's 3 `tries` and an `answer_wait` of 60 s, a message is
in doubt for 3 minutes; 10 minutes leave room for a slow carrier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pipeline.actions.senders.part import DOUBTFUL, FINAL, DeliveryState, Key
from pipeline.durations import DAY_MS, MINUTE_MS

REPORTS_COME_MS = 2 * DAY_MS
GUESS_MS = 10 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Report:
    """A carrier's final report on the part with its id `carrier_id`; `state` is the meaning of its status code.

    `sender` and `recipient` have the form of our rows; `sender` is empty if the protocol does not repeat it. `at` is
    the time of arrival (epoch ms).
    """

    carrier_id: str
    state: DeliveryState
    status: str
    sender: str
    recipient: str
    at: int


@dataclass(frozen=True, slots=True)
class Row:
    """The stored row of a part; `tries` and `submitted_at` are as in `Part`."""

    key: Key
    recipient: str
    state: DeliveryState
    carrier_id: str | None
    tries: int
    submitted_at: int | None

    @property
    def message(self) -> tuple[str, str, int]:
        """The key of the part's message: sender, submission and place of the recipient."""
        return self.key[:3]

    def is_unclaimed(self, at: int) -> bool:
        """Whether the part has an unclaimed SUBMIT at `at`. During submission, `submitted_at` may still be None."""
        young = self.submitted_at is None or at - self.submitted_at <= REPORTS_COME_MS
        return young and (self.state in DOUBTFUL or self.tries > 1)


@dataclass(frozen=True, slots=True)
class Settled:
    """The reports that settle a part, the reports that wait, and the reports that change nothing."""

    parts: list[tuple[Report, Key]] = field(default_factory=list)
    waiting: list[Report] = field(default_factory=list)
    repeated: list[Report] = field(default_factory=list)


def settle(reports: Sequence[Report], rows: Iterable[Row]) -> Settled:
    """Examine the reports in order, repeatedly, until a pass settles no further part.

    `rows` has every part with the id of one of the reports, and every unclaimed part to their recipients.
    """
    parts: dict[str, dict[Key, Row]] = {}
    for row in rows:
        parts.setdefault(row.recipient, {})[row.key] = row
    said: dict[str, list[Report]] = {}
    for report in reports:
        said.setdefault(report.recipient, []).append(report)
    done = Settled(waiting=list(reports))
    while True:
        waiting = list(done.waiting)
        done.waiting.clear()
        for report in waiting:
            there = parts.get(report.recipient, {})
            found = whose(report, there.values(), said[report.recipient])
            if isinstance(found, Row):
                there[found.key] = replace(found, state=report.state, carrier_id=report.carrier_id)
                done.parts.append((report, found.key))
            elif found:
                done.repeated.append(report)
            else:
                done.waiting.append(report)
        if len(done.waiting) in (0, len(waiting)):
            return done


def whose(report: Report, rows: Iterable[Row], said: Iterable[Report] = ()) -> Row | bool:
    """The part that a report settles; True if the report changes nothing, False if it waits. See the table.

    `rows` are parts to its recipient; `said` are all available reports on this recipient, including this report.
    """
    rows = list(rows)
    named = [row for row in rows if row.carrier_id == report.carrier_id]
    if named:
        newest = max(named, key=lambda row: row.submitted_at or 0).message
        return min((r for r in named if r.message == newest and r.state not in FINAL), key=_place, default=True)
    unclaimed = [row for row in rows if row.is_unclaimed(report.at)]
    if len({row.message for row in unclaimed}) != 1:
        return False
    if any(row.state is not DeliveryState.MAYBE_SENT or row.carrier_id is not None for row in unclaimed):
        return False
    if len(unclaimed) > 1 and any(row.tries > 1 for row in unclaimed):
        return False
    if not _fits(report, unclaimed):
        return False
    if len(unclaimed) > 1:
        unknown = {r.carrier_id for r in said if _fits(r, unclaimed)} - {row.carrier_id for row in rows}
        if len(unknown) < len(unclaimed):
            return False
    return min(unclaimed, key=_place)


def _fits(report: Report, unclaimed: Sequence[Row]) -> bool:
    """Whether the sender and the time of the report allow a guess."""
    return report.sender in ("", unclaimed[0].key[0]) and all(
        row.submitted_at is not None and 0 < report.at - row.submitted_at <= GUESS_MS for row in unclaimed
    )


def _place(row: Row) -> int:
    return row.key[3]
