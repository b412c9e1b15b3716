"""The rows of `deliveries` and `parked_reports`: every statement of the sender, one transaction a function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, delete, select, tuple_, update

from pipeline.actions.senders.part import DeliveryState, Key, Part
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
PARKED_MS = 48 * 3_600_000  # a report nobody knows is kept as long as CMPP waits for one
RETRIED_MS = 10 * 60_000  # and looked up again that long: the answer it overtook comes within the wait for it
_OUTCOME = ("state", "carrier_id", "status", "tries", "submitted_at", "changed_at")


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
            .values(state=DeliveryState.MAYBE_SENT, changed_at=now)
        ).rowcount


def advance(
    db: Database, channel: str, finished: Sequence[Part], intents: Sequence[Part], now: int
) -> dict[Key, tuple[DeliveryState, int]]:
    """Store what became of parts and which are sent next, in one transaction.

    Returns the (state, tries) of intents that had a row before: they must not be sent as if for the first time.
    """
    known: dict[Key, tuple[DeliveryState, int]] = {}
    with db.write() as connection:
        if finished:
            insert = upsert(connection, _rows)
            # A report that settled a part in doubt may have been quicker than the answer: it stays.
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=_key,
                    set_={name: insert.excluded[name] for name in _OUTCOME},
                    where=and_(_rows.c.state != DeliveryState.DELIVERED, _rows.c.state != DeliveryState.FAILED),
                ),
                [_row(part, channel, now) for part in finished],
            )
        if intents:
            fresh = connection.execute(
                upsert(connection, _rows).on_conflict_do_nothing().returning(*_key),
                [_row(part, channel, now) for part in intents],
            )
            new = {tuple(row) for row in fresh}
            old = [p.key for p in intents if p.key not in new]
            if old:
                rows = connection.execute(select(*_key, _rows.c.state, _rows.c.tries).where(tuple_(*_key).in_(old)))
                known = {(r.port, r.submission, r.n, r.part): (DeliveryState(r.state), r.tries) for r in rows}
    return known


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


def _row(part: Part, channel: str, now: int) -> dict[str, object]:
    return {
        "port": part.port, "submission": part.submission, "n": part.n, "part": part.number, "channel": channel,
        "recipient": part.recipient, "state": part.state.value, "carrier_id": part.carrier_id,
        "status": part.status[:32], "tries": part.tries, "submitted_at": part.submitted_at, "changed_at": now,
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
