"""Which report may settle which part: the one place that decides it, without a database.

A carrier names a part by an id of its own, in its answer to the SUBMIT; its report repeats that id. A report
may come before its answer, and an answer may be lost: then nobody knows yet, or ever, whose the id is. The
table below is in order; the first line that fits counts. *In doubt* is a part that is being submitted, or
whose SUBMIT had no answer. *Unclaimed* is a SUBMIT whose id we may not know: of a part in doubt, or of one that
was sent more than once. After 48 h it is forgotten.

| parts to this recipient | the report |
|---|---|
| the newest with this id is a message with a part not at its end | settles that part |
| all with this id are at their end | changes nothing: final stays final |
| one is being submitted | waits: the answer due may name it |
| unclaimed SUBMITs are of no message, or of several | waits |
| they are of one message, from another sender than the report says | waits |
| one of their parts has an id by now (a second copy got it, or an answer of which only the id was readable) | waits |
| several parts, one of them sent more than once | waits: two reports may be of one part |
| several parts, and fewer reports with unknown ids than parts | waits: the carrier may not have taken one |
| a part was not first sent before the report, or over 10 minutes before it | waits |
| otherwise | settles the first of them: a guess |

The id alone is never enough: carriers gave one id to two recipients. A report that waits is looked at again
whenever something about the parts of its recipient changes.

Sources: 48 h is how long CMPP has a client wait for reports. A channel's `tries` and `answer_wait` of 3 times
60 s make a message doubtful for 3 minutes; 10 leave room for a slow carrier.
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
    """A carrier's final word on the part it calls `carrier_id`; `state` is what the word means.

    `sender` and `recipient` are as in our own rows, `at` is when it came (epoch ms).
    """

    carrier_id: str
    state: DeliveryState
    status: str
    sender: str
    recipient: str
    at: int


@dataclass(frozen=True, slots=True)
class Row:
    """What is stored of a part; `tries` and `submitted_at` as in `Part`."""

    key: Key
    recipient: str
    state: DeliveryState
    carrier_id: str | None
    tries: int
    submitted_at: int | None

    @property
    def message(self) -> tuple[str, str, int]:
        """Sender, submission and place of the recipient."""
        return self.key[:3]

    def is_unclaimed(self, at: int) -> bool:
        """See the module. A part that is being submitted may have no `submitted_at` yet."""
        young = self.submitted_at is None or at - self.submitted_at <= REPORTS_COME_MS
        return young and (self.state in DOUBTFUL or self.tries > 1)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of reports: those that settle a part, those that wait, those that change nothing."""

    parts: list[tuple[Report, Key]] = field(default_factory=list)
    waiting: list[Report] = field(default_factory=list)
    repeated: list[Report] = field(default_factory=list)


def settle(reports: Sequence[Report], rows: Iterable[Row]) -> Settled:
    """Look at reports, in order, until none of them settles anything more.

    `rows` has every part with the id of one of the reports, and every unclaimed one to their recipients.
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

    `rows` are parts to its recipient, `said` are all reports on him that are at hand, this one too.
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
    """Whether its sender and its time are right for a guess."""
    return report.sender == unclaimed[0].key[0] and all(
        row.submitted_at is not None and 0 < report.at - row.submitted_at <= GUESS_MS for row in unclaimed
    )


def _place(row: Row) -> int:
    return row.key[3]
