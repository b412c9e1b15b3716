"""The rows of `deliveries` and `parked_reports`: every statement of the sender, one transaction a function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, func, select, tuple_, update

from pipeline.actions.senders.part import FINAL, DeliveryState, Key, Part
from pipeline.store import schema
from pipeline.store.database import Database, upsert

_rows, _parked = schema.deliveries, schema.parked_reports
_key = (_rows.c.port, _rows.c.submission, _rows.c.n, _rows.c.part)
_this = and_(
    _rows.c.port == bindparam("k_port"),
    _rows.c.submission == bindparam("k_submission"),
    _rows.c.n == bindparam("k_n"),
    _rows.c.part == bindparam("k_part"),
)
_OPEN = and_(*(_rows.c.state != state for state in sorted(FINAL)))  # final stays final
PARKED_MS = 48 * 3_600_000  # a report nobody knows is kept as long as CMPP waits for one
RETRIED_MS = 10 * 60_000  # and looked up again that long: the answer it overtook comes within the wait for it
_OUTCOME = ("state", "carrier_id", "status", "tries", "silences", "submitted_at", "changed_at")
_WAY = (_rows.c.state, _rows.c.tries, _rows.c.silences, _rows.c.submitted_at)


@dataclass(frozen=True, slots=True)
class Known:
    """What the row of a part says; `tries` and `silences` as in `Part`."""

    state: DeliveryState
    tries: int
    silences: int
    submitted_at: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """A carrier's word on the part it calls `carrier_id`. `sender` and `recipient` as the carrier names them."""

    carrier_id: str
    status: str
    sender: str
    recipient: str
    at: int


@dataclass(frozen=True, slots=True)
class Matched:
    """A report and the part it is about."""

    key: Key
    report: Report
    was_parked: bool


def mark_interrupted(db: Database, channel: str, now: int) -> int:
    """What was being submitted when the last sender ended may have been sent; returns how many parts."""
    with db.write() as connection:
        return connection.execute(
            update(_rows)
            .where(_rows.c.channel == channel, _rows.c.state == DeliveryState.SUBMITTING)
            .values(_interrupted(now))
        ).rowcount


def _interrupted(now: int) -> dict[str, Any]:
    first = func.coalesce(_rows.c.submitted_at, _rows.c.changed_at)  # the SUBMIT came after its intent
    return {"state": DeliveryState.MAYBE_SENT, "submitted_at": first, "changed_at": now}


def advance(
    db: Database, channel: str, finished: Sequence[Part], intents: Sequence[Part], now: int
) -> dict[Key, Known]:
    """Store what became of parts and which are sent next, in one transaction.

    Returns what is known of the intents that must not be sent as if for the first time: those without `stored`
    that have a row (an earlier sender's), and those with it that have come to their end meanwhile.
    """
    unwritten = [p for p in finished if p.again and p.state is DeliveryState.SUBMITTING]
    ended = [p for p in finished if not (p.again and p.state is DeliveryState.SUBMITTING)]
    with db.write() as connection:
        if unwritten:  # as if they had never been chosen: a crash leaves no doubt about them
            connection.execute(
                delete(_rows).where(_this, _rows.c.state == DeliveryState.SUBMITTING), [_named(p) for p in unwritten]
            )
        if ended:
            insert = upsert(connection, _rows)
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=_key, set_={name: insert.excluded[name] for name in _OUTCOME},
                    where=_OPEN,  # a report was quicker
                ),
                [_row(part, channel, now) for part in ended],
            )  # fmt: skip
        return _intend(connection, channel, intents, now) if intents else {}


def _intend(connection: Connection, channel: str, intents: Sequence[Part], now: int) -> dict[Key, Known]:
    """Rows that say which parts may be at the carrier from now on. See `advance` for what is returned."""
    fresh, again = [p for p in intents if not p.stored], [p for p in intents if p.stored]
    new: set[Key] = set()
    if fresh:
        made = connection.execute(
            upsert(connection, _rows).on_conflict_do_nothing().returning(*_key),
            [_row(part, channel, now, tries=1) for part in fresh],
        )
        new = {(r.port, r.submission, r.n, r.part) for r in made}
    met = [p for p in fresh if p.key not in new]
    if met:  # what an earlier sender was submitting when it ended may have been sent
        connection.execute(
            update(_rows).where(_this, _rows.c.state == DeliveryState.SUBMITTING).values(_interrupted(now)),
            [_named(p) for p in met],
        )
    if again:
        connection.execute(
            update(_rows)
            .where(_this, _rows.c.state == DeliveryState.MAYBE_SENT)
            .values(state=DeliveryState.SUBMITTING, tries=bindparam("v_tries"), changed_at=now),
            [_named(p) | {"v_tries": p.tries + 1} for p in again],
        )
    looked_at = [p.key for p in (*met, *again)]
    if not looked_at:
        return {}
    rows = connection.execute(select(*_key, *_WAY).where(tuple_(*_key).in_(looked_at)))
    known = {
        (r.port, r.submission, r.n, r.part): Known(DeliveryState(r.state), r.tries, r.silences, r.submitted_at)
        for r in rows
    }
    return {key: row for key, row in known.items() if row.state is not DeliveryState.SUBMITTING}


def apply_reports(db: Database, channel: str, reports: Sequence[Report], now: int, sweep: bool) -> list[Matched]:
    """Carry reports into the rows of their parts; park those nobody knows yet; `sweep` looks at the parked again.

    A report may be quicker than the answer that names its part: then it is parked, and found by a later
    call. One that fits a part in doubt (same sender and recipient, no name) settles it. The caller removes
    what was parked (`forget_parked`) once it has published it. At most 500 parked ones a sweep.
    """
    with db.write() as connection:
        ids = {r.carrier_id for r in reports}
        found = connection.execute(
            select(*_key, _rows.c.carrier_id).where(_rows.c.channel == channel, _rows.c.carrier_id.in_(ids))
            .order_by(_rows.c.submitted_at)
        )  # fmt: skip
        keys: dict[str, Key] = {r.carrier_id: (r.port, r.submission, r.n, r.part) for r in found}
        matched = [Matched(keys[r.carrier_id], r, was_parked=False) for r in reports if r.carrier_id in keys]
        unknown = [r for r in reports if r.carrier_id not in keys]
        if unknown:
            doubtful = _doubtful(connection, channel, {r.recipient for r in unknown})
            parked = []
            for report in unknown:
                key = doubtful.get((report.sender, report.recipient), [])
                if key:
                    matched.append(Matched(key.pop(0), report, was_parked=False))
                else:
                    parked.append(report)
            if parked:
                connection.execute(
                    upsert(connection, _parked).on_conflict_do_nothing(),
                    [
                        {"channel": channel, "carrier_id": r.carrier_id, "status": r.status, "reported_at": r.at,
                         "parked_at": now}
                        for r in parked
                    ],
                )  # fmt: skip
        if sweep:
            matched += _found_again(connection, channel, now)
        if matched:
            connection.execute(
                update(_rows).where(_this).values(
                    state=bindparam("v_state"), status=bindparam("v_status"), carrier_id=bindparam("v_carrier_id"),
                    changed_at=now,
                ),
                [
                    {"k_port": m.key[0], "k_submission": m.key[1], "k_n": m.key[2], "k_part": m.key[3],
                     "v_state": outcome(m.report.status).value, "v_status": m.report.status,
                     "v_carrier_id": m.report.carrier_id}
                    for m in matched
                ],
            )  # fmt: skip
    return matched


def forget_parked(db: Database, channel: str, carrier_ids: Iterable[str], now: int) -> int:
    """Remove these parked reports, and those older than 48 h; returns how many of the latter."""
    with db.write() as connection:
        connection.execute(
            delete(_parked).where(_parked.c.channel == channel, _parked.c.carrier_id.in_(list(carrier_ids)))
        )
        return connection.execute(
            delete(_parked).where(_parked.c.channel == channel, _parked.c.parked_at < now - PARKED_MS)
        ).rowcount


def outcome(status: str) -> DeliveryState:
    """What a carrier's word means."""
    return DeliveryState.DELIVERED if status == "DELIVRD" else DeliveryState.FAILED


def _named(part: Part) -> dict[str, object]:
    return {"k_port": part.port, "k_submission": part.submission, "k_n": part.n, "k_part": part.number}


def _row(part: Part, channel: str, now: int, tries: int | None = None) -> dict[str, object]:
    return {
        "port": part.port, "submission": part.submission, "n": part.n, "part": part.number, "channel": channel,
        "recipient": part.recipient, "state": part.state.value, "carrier_id": part.carrier_id,
        "status": part.status[:32], "tries": part.tries if tries is None else tries, "silences": part.silences,
        "submitted_at": part.submitted_at, "changed_at": now,
    }  # fmt: skip


def _found_again(connection: Connection, channel: str, now: int) -> list[Matched]:
    """Parked reports whose part has got its name meanwhile."""
    rows = connection.execute(
        select(*_key, _parked.c.carrier_id, _parked.c.status, _parked.c.reported_at, _rows.c.recipient)
        .join(_rows, and_(_rows.c.channel == _parked.c.channel, _rows.c.carrier_id == _parked.c.carrier_id))
        .where(_parked.c.channel == channel, _parked.c.parked_at > now - RETRIED_MS)
        .limit(500)
    )
    return [
        Matched(
            (r.port, r.submission, r.n, r.part),
            Report(r.carrier_id, r.status, r.port, r.recipient, r.reported_at),
            was_parked=True,
        )
        for r in rows
    ]


def _doubtful(connection: Connection, channel: str, recipients: set[str]) -> dict[tuple[str, str], list[Key]]:
    """Parts in doubt by (sender, recipient), oldest first."""
    rows = connection.execute(
        select(*_key, _rows.c.recipient)
        .where(_rows.c.channel == channel, _rows.c.state == DeliveryState.MAYBE_SENT, _rows.c.recipient.in_(recipients))
        .order_by(_rows.c.changed_at, _rows.c.n, _rows.c.part)
    )
    found: dict[tuple[str, str], list[Key]] = {}
    for r in rows:
        found.setdefault((r.port, r.recipient), []).append((r.port, r.submission, r.n, r.part))
    return found
