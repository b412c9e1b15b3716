"""Reads a file with the answers of a party: each answer once, whatever happens in between.

The progress of a file is stored under the hash of its bytes, in the transaction of the changes that its lines make. So
a file goes on where a killed process left it, and a copy of it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import structlog
from sqlalchemy import Connection, select, update

from pipeline.actions.orders import follow_up
from pipeline.actions.orders.number_lines import NumberLine, number_lines
from pipeline.actions.orders.order import ANSWERED, OUTSTANDING, Answer, OrderKind, OrderState
from pipeline.actions.orders.order_rows import OrderRow, find
from pipeline.actions.orders.parties import Parties
from pipeline.errors import AntispamError
from pipeline.files.rejected import Rejected
from pipeline.files.source_file import SourceFile
from pipeline.order_exchange import ANSWER_FIELDS, BOSS, AnswerSource
from pipeline.store import outbox, schema
from pipeline.store.database import Database, upsert

CHUNK = 200  # lines in one transaction
_o, _f = schema.number_orders.c, schema.answer_files.c
_log = structlog.get_logger()


@dataclass(slots=True)
class Read:
    """What became of a file's lines, in all runs."""

    lines: int
    accepted: int
    rejected: int


def read_answers(
    db: Database,
    parties: Parties,
    party: str,
    source: AnswerSource,
    opened: SourceFile,
    now: Callable[[], int],
    check_stop: Callable[[], None] = lambda: None,
) -> Read:
    """Carry out the answers of a file; bad lines go to `<file>.rejected.jsonl` with their reason.

    `check_stop` is called between two chunks, and may raise. Raises UnreadableFileError if no line can be read.
    """
    lines = number_lines(opened, source, ANSWER_FIELDS)
    done = _begin(db, party, opened, now())
    rejected_path = opened.path.with_name(opened.path.name + ".rejected.jsonl")
    with Rejected(rejected_path, keep_lines=done.lines) as rejected:
        fresh = (line for line in lines if line.line > done.lines)
        while chunk := list(islice(fresh, CHUNK)):
            check_stop()
            faults: list[tuple[NumberLine, str]] = []
            with db.write() as connection:
                outbox.lock(connection)  # two processes with one file take turns
                stored = _stored(connection, party, opened.digest)
                for line in chunk:
                    if line.line > stored.lines:
                        fault = line.fault or _carry_out(connection, now(), parties, party, source, line)
                        if fault:
                            faults.append((line, fault))
                            stored.rejected += 1
                        else:
                            stored.accepted += 1
                stored.lines = max(stored.lines, chunk[-1].line)
                values = {"lines": stored.lines, "accepted": stored.accepted, "rejected": stored.rejected}
                connection.execute(
                    update(schema.answer_files).where(_f.party == party, _f.digest == opened.digest).values(values)
                )
                for line, fault in faults:
                    rejected.add(line.line, fault, line.raw)
                rejected.flush()
            done = stored
    return done


def _begin(db: Database, party: str, opened: SourceFile, now: int) -> Read:
    row = {"party": party, "digest": opened.digest, "name": opened.path.name[:255], "read_at": now}
    with db.write() as connection:
        connection.execute(upsert(connection, schema.answer_files).on_conflict_do_nothing(), row)
        return _stored(connection, party, opened.digest)


def _stored(connection: Connection, party: str, digest: str) -> Read:
    row = connection.execute(
        select(_f.lines, _f.accepted, _f.rejected).where(_f.party == party, _f.digest == digest)
    ).one()
    return Read(row.lines, row.accepted, row.rejected)


def _carry_out(
    connection: Connection, now: int, parties: Parties, party: str, source: AnswerSource, line: NumberLine
) -> str:
    """Do what one line says; returns its fault, or an empty text."""
    try:
        answer = _word(source, line.fields["answer"])
        reason = line.fields.get("reason", "").replace("\0", "")
        ident = line.fields.get("order", "")
        row = _by_id(connection, party, line.number, ident) if ident else _by_number(connection, party, line, answer)
        if row is None:
            if party != BOSS or answer not in (Answer.ADD, Answer.REMOVE):
                raise AntispamError("no order about this number waits for this answer")
            follow_up.own(connection, now, parties, line.number, answer, reason)
            return ""
        deed = ANSWERED.get((OrderKind(row.kind), answer))
        if deed is None:
            raise AntispamError(f"answer: {answer} does not answer an order of the kind {row.kind}")
        follow_up.answered(connection, now, parties, row, deed, answer, reason)
    except AntispamError as error:
        return str(error)
    return ""


def _word(source: AnswerSource, written: str) -> Answer:
    try:
        return Answer(source.words.get(written, written))
    except ValueError:
        known = ", ".join(source.words or Answer)
        raise AntispamError(f"answer: unknown word {written[:24]!a}; one of {known}") from None


def _by_id(connection: Connection, party: str, number: str, ident: str) -> OrderRow:
    plain = ident.isascii() and ident.isdigit() and len(ident) <= 18
    row = find(connection, int(ident)) if plain else None
    if row is None or row.party != party:
        raise AntispamError(f"order: {ident[:24]!a} is none of the orders to {party}")
    if row.number != number:
        raise AntispamError(f"number: order {row.id} is about another number")
    if row.file is None:
        raise AntispamError(f"order: {row.id} was never sent")
    return row


def _by_number(connection: Connection, party: str, line: NumberLine, answer: Answer) -> OrderRow | None:
    """The oldest order that waits for this answer; else the last one that it has answered already."""
    kinds = [kind for kind, word in ANSWERED if word is answer]
    mine = select(schema.number_orders).where(
        _o.number == line.number, _o.party == party, _o.kind.in_(kinds), _o.file.is_not(None)
    )
    waits = _o.state.in_((*OUTSTANDING, OrderState.GIVEN_UP))
    row = connection.execute(mine.where(waits).order_by(_o.id).limit(1)).first()
    if row is not None:
        return row
    last = connection.execute(mine.order_by(_o.id.desc()).limit(1)).first()
    return last if last is not None and last.answer == answer and _is_last(connection, last) else None


def _is_last(connection: Connection, row: OrderRow) -> bool:
    later = select(_o.id).where(_o.number == row.number, _o.party == row.party, _o.id > row.id)
    return connection.execute(later.limit(1)).first() is None
