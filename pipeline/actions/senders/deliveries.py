"""All SQL statements of the sender, on `deliveries`, `parked_reports` and `report_outbox`.

Each public function is one transaction. A report that settles a part enters the outbox in the same transaction, so each
settled state is also published, however long the broker is unavailable (`store/report_outbox.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

from sqlalchemy import (
    BindParameter,
    Connection,
    Insert,
    Select,
    and_,
    bindparam,
    delete,
    func,
    select,
    text,
    tuple_,
    update,
)

from pipeline import metrics
from pipeline.actions.senders import missed_reports
from pipeline.actions.senders.channels import DEFAULT
from pipeline.actions.senders.job import Message
from pipeline.actions.senders.part import DOUBTFUL, FINAL, DeliveryState, Key, Part, outcome
from pipeline.actions.senders.settling import REPORTS_COME_MS, Report, Row, Settled, settle
from pipeline.actions.status import link_outcomes
from pipeline.actions.status.submission_status import PARTS
from pipeline.durations import MINUTE_MS
from pipeline.events import DeliveryReport
from pipeline.store import report_outbox, schema
from pipeline.store.database import Database, upsert
from pipeline.store.prepared import Prepared

_rows, _parked = schema.deliveries, schema.parked_reports
_message = (_rows.c.port, _rows.c.submission, _rows.c.n)
_key = (*_message, _rows.c.part)
_this = and_(
    _rows.c.port == bindparam("k_port"),
    _rows.c.submission == bindparam("k_submission"),
    _rows.c.n == bindparam("k_n"),
    _rows.c.part == bindparam("k_part"),
)
_OPEN = and_(*(_rows.c.state != state.value for state in sorted(FINAL)))  # a final state never changes
AGAIN_MS = 10 * MINUTE_MS  # a sweep examines parked reports younger than this
SWEPT = 500  # recipients per sweep
ASKED = 5_000  # values in one IN: PostgreSQL takes 65,535 parameters a statement, and a key has four parameters
_NOT_SENT = frozenset((DeliveryState.REFUSED, DeliveryState.EXPIRED, DeliveryState.STOPPED))
_UNCLAIMED = text(schema.UNCLAIMED)
_WORDS = {  # for the port; a carrier's report has its own
    DeliveryState.DELIVERED: link_outcomes.DELIVERED,
    DeliveryState.REFUSED: link_outcomes.NOT_TAKEN,
    DeliveryState.EXPIRED: link_outcomes.EXPIRED,
    DeliveryState.STOPPED: link_outcomes.PORT_STOPPED,
}
_OUTCOME = ("state", "carrier_id", "status", "tries", "silences", "submitted_at", "changed_at")
_NAMES = ("k_port", "k_submission", "k_n", "k_part")
_COLUMNS = tuple(column.name for column in _rows.c)


def _ended_upsert(connection: Connection) -> Insert:
    insert = upsert(connection, _rows)
    outcome_of = {name: insert.excluded[name] for name in _OUTCOME}
    # A report may have arrived first.
    return cast(Insert, insert.on_conflict_do_update(index_elements=_key, set_=outcome_of, where=_OPEN))


_END = Prepared(_ended_upsert, *_COLUMNS)
_INTEND = Prepared(lambda connection: upsert(connection, _rows).on_conflict_do_nothing(), *_COLUMNS)
_INTEND_AGAIN = Prepared(
    lambda _: (
        update(_rows)
        .where(_this, _rows.c.state == DeliveryState.MAYBE_SENT.value)
        .values(state=DeliveryState.SUBMITTING.value, tries=bindparam("v_tries"), changed_at=bindparam("v_changed_at"))
    ),
    *_NAMES,
    "v_tries",
    "v_changed_at",
)
_SETTLE = Prepared(
    lambda _: (
        update(_rows)
        .where(_this, _OPEN)
        .values(
            state=bindparam("v_state"),
            status=bindparam("v_status"),
            carrier_id=bindparam("v_carrier_id"),
            changed_at=bindparam("v_changed_at"),
        )
    ),
    *_NAMES,
    "v_state",
    "v_status",
    "v_carrier_id",
    "v_changed_at",
)
_SEEN = (*_key, _rows.c.recipient, _rows.c.state, _rows.c.carrier_id, _rows.c.tries, _rows.c.submitted_at)
_OF_CHANNEL = select(*_SEEN).where(_rows.c.channel == bindparam("channel"))
_SOME: BindParameter[Any] = bindparam("values", expanding=True)
_NAMED = _OF_CHANNEL.where(_rows.c.carrier_id.in_(_SOME))
_UNCLAIMED_OF = _OF_CHANNEL.where(_UNCLAIMED, _rows.c.recipient.in_(_SOME))
_PARKED_FOR = (
    select(_parked)
    .where(_parked.c.channel == bindparam("channel"), _parked.c.recipient.in_(_SOME))
    .order_by(_parked.c.reported_at)
)
_ONE_PARKED = select(_parked.c.channel).where(_parked.c.channel == bindparam("channel")).limit(1)
_WAY = (_rows.c.channel, _rows.c.state, _rows.c.carrier_id, _rows.c.tries, _rows.c.silences, _rows.c.submitted_at)


@dataclass(frozen=True, slots=True)
class Known:
    """The stored row of a part; `tries` and `silences` are as in `Part`."""

    channel: str
    state: DeliveryState
    carrier_id: str | None
    tries: int
    silences: int
    submitted_at: int | None


def mark_interrupted(db: Database, channel: str, now: int) -> int:
    """Mark parts that the previous sender left in submission as maybe sent; returns their number."""
    with db.write() as connection:
        recipients = connection.scalars(
            update(_rows)
            .where(_rows.c.channel == channel, _UNCLAIMED, _rows.c.state == DeliveryState.SUBMITTING)
            .values(_interrupted(now))
            .returning(_rows.c.recipient)
        ).all()
        settled = _settle(connection, channel, (), set(recipients), now)
        _tell_ports(connection, [key for _, key in settled.parts], now)
    _count(channel, settled)
    return len(recipients)


def _interrupted(now: int) -> dict[str, Any]:
    # Without a stored SUBMIT time, the time of the intent is the earliest possible.
    first = func.coalesce(_rows.c.submitted_at, _rows.c.changed_at)
    return {"state": DeliveryState.MAYBE_SENT, "submitted_at": first, "changed_at": now}


def advance(
    db: Database, channel: str, finished: Sequence[Part], intents: Sequence[Part], now: int, report_wait: float = 0
) -> dict[Key, Known]:
    """Store the results of finished parts and the intents of the next parts, and settle parts by parked reports.

    Returns the rows that differ from the agent's state: new parts that have a row of an earlier sender, and parts that
    a report has made final. With a `report_wait` (seconds), messages that begin are noted for `resends.py`.
    """
    for may_exist in (False, True):
        with suppress(_RowExistsError):
            settled, known = _advance(db, channel, finished, intents, now, report_wait, may_exist=may_exist)
            _count(channel, settled)
            return known
    raise AssertionError("with may_exist, _RowExistsError is never raised")


class _RowExistsError(Exception):
    """A new part has a row of an earlier sender."""


def _advance(
    db: Database,
    channel: str,
    finished: Sequence[Part],
    intents: Sequence[Part],
    now: int,
    report_wait: float,
    *,
    may_exist: bool,
) -> tuple[Settled, dict[Key, Known]]:
    """The transaction of `advance`. Unless rows of new parts `may_exist`, raises _RowExistsError for one that does."""
    settled = Settled()
    unwritten = [p for p in finished if p.again and p.state is DeliveryState.SUBMITTING]
    ended = [p for p in finished if not (p.again and p.state is DeliveryState.SUBMITTING)]
    with db.write() as connection:
        if unwritten:  # no SUBMIT was written, so after a crash they are not in doubt
            connection.execute(
                delete(_rows).where(_this, _rows.c.state == DeliveryState.SUBMITTING), [_named(p) for p in unwritten]
            )
        if ended:
            _END.run(connection, [_row(part, channel, now) for part in ended])
        final = [part.key for part in ended if part.state in FINAL]
        if finished:
            settled = _settle(connection, channel, (), {part.recipient for part in finished}, now)
            final += [key for _, key in settled.parts]
        known = _known(connection, channel, [p for p in ended if p.again], intents, now, may_exist=may_exist)
        if report_wait:
            missed_reports.unnote(connection, unwritten)
            begun = [part for part in intents if not part.stored and part.key not in known]
            missed_reports.note(connection, channel, begun, now + int(report_wait * 1000))
        _tell_ports(connection, final, now)
    return settled, known


def _known(
    connection: Connection,
    channel: str,
    doubtful: Sequence[Part],
    intents: Sequence[Part],
    now: int,
    *,
    may_exist: bool,
) -> dict[Key, Known]:
    """Store intents; returns the rows of intended parts and of parts in doubt as described in `advance`."""
    there = _intend(connection, channel, intents, now, may_exist=may_exist)
    looked_at = [part.key for part in (*doubtful, *there, *(p for p in intents if p.stored))]
    if not looked_at:
        return {}
    query = select(*_key, *_WAY)
    known = {
        (r.port, r.submission, r.n, r.part): Known(
            r.channel, DeliveryState(r.state), r.carrier_id, r.tries, r.silences, r.submitted_at
        )
        for keys in _pieces(looked_at)
        for r in connection.execute(query.where(tuple_(*_key).in_(keys)))
    }
    found = {part.key for part in there}
    return {key: row for key, row in known.items() if key in found or row.state in FINAL}


def _intend(connection: Connection, channel: str, intents: Sequence[Part], now: int, *, may_exist: bool) -> list[Part]:
    """Store a row for each part about to be submitted; returns new parts that already had a row. See `_advance`."""
    fresh, again = [p for p in intents if not p.stored], [p for p in intents if p.stored]
    there: list[Part] = []
    rows = [_row(part, channel, now, tries=1) for part in fresh]
    if may_exist and rows:
        made = connection.execute(upsert(connection, _rows).on_conflict_do_nothing().returning(*_key), rows)
        new = {(r.port, r.submission, r.n, r.part) for r in made}
        there = [p for p in fresh if p.key not in new]
    elif rows and _INTEND.run(connection, rows) < len(rows):
        raise _RowExistsError  # which ones, the statement does not say; one that does costs twice as much
    if there:  # parts that an earlier sender left in submission may have been sent
        connection.execute(
            update(_rows).where(_this, _rows.c.state == DeliveryState.SUBMITTING).values(_interrupted(now)),
            [_named(p) for p in there],
        )
    if again:
        _INTEND_AGAIN.run(connection, [_named(p) | {"v_tries": p.tries + 1, "v_changed_at": now} for p in again])
    return there


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of a message that may move; `parts` is the number of its message's parts."""

    channel: str
    state: DeliveryState
    parts: int

    def is_complete(self, rows: Sequence[Stored], *, resend: bool) -> bool:
        """Whether these rows of one message leave nothing to send; parts in doubt are sent again if `resend`."""
        return len(rows) >= self.parts and not (resend and any(row.state in DOUBTFUL for row in rows))


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says of messages that may move: their rows, and the ports that name their channel."""

    rows: dict[tuple[str, str, int], list[Stored]]
    bound: set[str]


def standing(db: Database, messages: Sequence[Message]) -> Standing:
    """The rows of these messages by `row_key`, and those of their ports that name a channel of their own."""
    rows: dict[tuple[str, str, int], list[Stored]] = {}
    ports = schema.ports
    with db.read() as connection:
        query = select(*_message, _rows.c.channel, _rows.c.state, _rows.c.parts)
        for keys in _pieces([message.row_key for message in messages]):
            for r in connection.execute(query.where(tuple_(*_message).in_(keys))):
                stored = Stored(r.channel, DeliveryState(r.state), r.parts)
                rows.setdefault((r.port, r.submission, r.n), []).append(stored)
        named = select(ports.c.code).where(ports.c.channel != DEFAULT)
        codes = {message.job.code for message in messages}
        bound = {code for some in _pieces(codes) for code in connection.scalars(named.where(ports.c.code.in_(some)))}
    return Standing(rows, bound)


def forget(db: Database, messages: Sequence[tuple[str, str, int]]) -> int:
    """Delete the rows of messages that another channel sends; returns how many parts may be sent twice by that."""
    with db.write() as connection:
        gone = [
            DeliveryState(state)
            for keys in _pieces(messages)
            for state in connection.scalars(delete(_rows).where(tuple_(*_message).in_(keys)).returning(_rows.c.state))
        ]
    return sum(state not in _NOT_SENT for state in gone)


def take_reports(db: Database, channel: str, reports: Sequence[Report], now: int) -> Settled:
    """Store reports: in the rows of the parts they settle, or parked until their parts are known."""
    with db.write() as connection:
        settled = _settle(connection, channel, reports, set(), now)
        _tell_ports(connection, [key for _, key in settled.parts], now)
    _count(channel, settled)
    return settled


def sweep(db: Database, channel: str, now: int) -> int:
    """Examine young parked reports again and delete those older than 48 h; returns the number of deleted reports.

    Each change of a part already examines the reports for its recipient. But on PostgreSQL, two senders of one channel
    may each miss the uncommitted row of the other.
    """
    with db.write() as connection:
        young = select(_parked.c.recipient).where(_parked.c.channel == channel, _parked.c.parked_at > now - AGAIN_MS)
        settled = _settle(connection, channel, (), set(connection.scalars(young.distinct().limit(SWEPT))), now)
        deleted = connection.execute(
            delete(_parked).where(_parked.c.channel == channel, _parked.c.parked_at < now - REPORTS_COME_MS)
        ).rowcount
        _tell_ports(connection, [key for _, key in settled.parts], now)
    _count(channel, settled)
    return deleted


def _settle(connection: Connection, channel: str, new: Sequence[Report], changed: set[str], now: int) -> Settled:
    """Examine new reports and the parked reports of `changed` recipients; store the parts they settle."""
    rows = _named_by(connection, channel, new)
    # A report on a part that was not in doubt gives no information on other parts to its recipient.
    sure = {(row.carrier_id, row.recipient) for row in rows if row.state not in DOUBTFUL}
    about = changed | {report.recipient for report in new if (report.carrier_id, report.recipient) not in sure}
    parked = _parked_for(connection, channel, about) if about and _any_parked(connection, channel) else []
    if not new and not parked:
        return Settled()
    rows += _named_by(connection, channel, parked)
    if about:
        rows += _unclaimed_by(connection, channel, about)
    settled = settle([*parked, *new], {row.key: row for row in rows}.values())
    if settled.parts:
        _SETTLE.run(
            connection,
            [
                dict(zip(_NAMES, key, strict=True))
                | {
                    "v_state": r.state.value,
                    "v_status": r.status,
                    "v_carrier_id": r.carrier_id,
                    "v_changed_at": now,
                }
                for r, key in settled.parts
            ],
        )
        report_outbox.put(connection, [_event(report, key, channel) for report, key in settled.parts], now)
    waiting = {(r.recipient, r.carrier_id) for r in settled.waiting}
    over = [r for r in parked if (r.recipient, r.carrier_id) not in waiting]
    if over:
        connection.execute(
            delete(_parked).where(
                _parked.c.channel == channel,
                _parked.c.recipient == bindparam("k_recipient"),
                _parked.c.carrier_id == bindparam("k_carrier_id"),
            ),
            [{"k_recipient": r.recipient, "k_carrier_id": r.carrier_id} for r in over],
        )
    if settled.waiting:
        connection.execute(
            upsert(connection, _parked).on_conflict_do_nothing(),  # the first final report counts
            [
                {
                    "channel": channel,
                    "recipient": r.recipient,
                    "carrier_id": r.carrier_id,
                    "sender": r.sender,
                    "status": r.status,
                    "reported_at": r.at,
                    "parked_at": now,
                }
                for r in settled.waiting
            ],
        )
    return settled


def _count(channel: str, settled: Settled) -> None:
    for state, reports in Counter(report.state for report, _ in settled.parts).items():
        metrics.REPORTS.labels(channel, state.value).inc(reports)


def _tell_ports(connection: Connection, ended: Sequence[Key], now: int) -> None:
    """Store the outcomes of messages from links whose last part has ended with these; the last act of a transaction.

    Two senders that end the last two parts of a message at once would each miss the other's row. So each locks the
    message first, and the second one reads when the first has committed. Who holds such a lock waits for no row.
    """
    touched = {key[:3] for key in ended if link_outcomes.came_over_a_link(key[1])}
    if not touched:
        return
    lock_messages(connection, touched)
    found: dict[tuple[str, str, int], list[Any]] = {}
    query = select(*_message, _rows.c.recipient, _rows.c.state, _rows.c.status, _rows.c.parts)
    for some in _pieces(touched):
        for row in connection.execute(query.where(tuple_(*_message).in_(some))):
            found.setdefault((row.port, row.submission, row.n), []).append(row)
    outcomes = []
    for (port, submission, _), rows in found.items():
        if len(rows) >= rows[0].parts and all(row.state in FINAL for row in rows):
            worst = min(rows, key=lambda row: PARTS.index(row.state))
            word = _WORDS.get(worst.state) or worst.status[:7] or "UNDELIV"
            outcomes.append(link_outcomes.Outcome(port, submission, worst.recipient, word))
    link_outcomes.put(connection, outcomes, now)


def lock_messages(connection: Connection, messages: Collection[tuple[str, str, int]]) -> None:
    """Lock messages to the end of the transaction, always in the same order. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        numbers = {
            int.from_bytes(blake2b("/".join(map(str, message)).encode(), digest_size=8).digest(), "big", signed=True)
            for message in messages
        }
        for number in sorted(numbers):
            connection.execute(select(func.pg_advisory_xact_lock(number)))


def _event(report: Report, key: Key, channel: str) -> DeliveryReport:
    port, submission, n, part = key
    return DeliveryReport(
        id=f"{submission}/{n}",
        channel=channel,
        carrier_id=report.carrier_id,
        status=report.status,
        reported_at=report.at,
        part=part,
        port=port,
    )


def _named_by(connection: Connection, channel: str, reports: Sequence[Report]) -> list[Row]:
    """The parts with the carrier id of one of these reports."""
    return _read(connection, _NAMED, channel, {report.carrier_id for report in reports})


def _unclaimed_by(connection: Connection, channel: str, recipients: set[str]) -> list[Row]:
    """The parts to these recipients with a SUBMIT whose carrier id we may not know (`settling.py`)."""
    return _read(connection, _UNCLAIMED_OF, channel, recipients)


def _read(connection: Connection, query: Select[Any], channel: str, values: Collection[str]) -> list[Row]:
    return [
        Row((port, submission, n, part), recipient, DeliveryState(state), carrier_id, tries, submitted_at)
        for some in _pieces(values)
        for port, submission, n, part, recipient, state, carrier_id, tries, submitted_at in connection.execute(
            query, {"channel": channel, "values": some}
        )
    ]


def _any_parked(connection: Connection, channel: str) -> bool:
    """Whether any report is parked: most of the time none is, and to look for recipients costs more."""
    return connection.execute(_ONE_PARKED, {"channel": channel}).first() is not None


def _parked_for(connection: Connection, channel: str, recipients: set[str]) -> list[Report]:
    """The parked reports on these recipients, in order of arrival."""
    return [
        Report(r.carrier_id, outcome(r.status) or DeliveryState.FAILED, r.status, r.sender, r.recipient, r.reported_at)
        for some in _pieces(recipients)
        for r in connection.execute(_PARKED_FOR, {"channel": channel, "values": some})
    ]


def _pieces(values: Collection[Any]) -> Iterator[list[Any]]:
    """The values in pieces of ASKED: a carrier whose report ids never match has thousands of parked reports."""
    listed = list(values)
    return (listed[i : i + ASKED] for i in range(0, len(listed), ASKED))


def _named(part: Part) -> dict[str, object]:
    return {"k_port": part.port, "k_submission": part.submission, "k_n": part.n, "k_part": part.number}


def _row(part: Part, channel: str, now: int, tries: int | None = None) -> dict[str, object]:
    return {
        "port": part.port,
        "submission": part.submission,
        "n": part.n,
        "part": part.number,
        "channel": channel,
        "recipient": part.recipient,
        "state": part.state.value,
        "carrier_id": part.carrier_id,
        "status": part.status[:32],
        "tries": part.tries if tries is None else tries,
        "silences": part.silences,
        "submitted_at": part.submitted_at,
        "changed_at": now,
        "parts": part.total,
    }
