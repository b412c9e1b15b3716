"""Deletes rows with texts and numbers from the operational database after their retention time.

The operational database is not an archive: the lake keeps history for the time that the law requires. Statuses for the
owners of ports stay `status_days`. Decisions of people and waiting submissions stay `retention_days`: nobody needs a
message that has waited longer. A case that is still open a day earlier is rejected, so that the ports' owners are
notified. Consents stay `consent_proof_days` after they ended or were replaced; a last refusal stays for ever, because
it forbids to ask again. Only configuration (permanent list entries) and the audit trail stay longer; the trail contains
no text and no complete number.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, select, update

from pipeline.actions.orders.order import OUTSTANDING, OrderKind
from pipeline.actions.review.cases import refuse
from pipeline.durations import DAY_MS
from pipeline.events import Submission
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.consents import ConsentKind
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.database import Database

LINK_DAYS = 3  # a report waits so long for a link of its port; ports wait 48 h for one (CMPP)
CHUNK = 2_000  # rows in one transaction, because other writers wait for it on SQLite
_decode = msgspec.json.Decoder(Submission).decode


def expire(db: Database, settings: Settings, now: int) -> dict[str, int]:
    """Delete whole expired days (UTC) at `now` (epoch ms); returns the number of deleted rows by table.

    On SQLite the deleted data also disappears from the file, and from its WAL as soon as no reader needs it. Raises
    AntispamError if the database cannot be written; deletions before the error stay.
    """
    today = now - now % DAY_MS
    statuses = today - settings.status_days * DAY_MS
    kept = today - settings.retention_days * DAY_MS
    proof = today - settings.consent_proof_days * DAY_MS
    cases, members, callbacks = schema.cases, schema.case_members, schema.callbacks
    consents, later = schema.consents, schema.consents.alias()
    same = and_(later.c.scope == consents.c.scope, later.c.number == consents.c.number)
    answered = later.c.kind != ConsentKind.ASKED.value
    replaced = exists().where(same, answered, later.c.given_at > consents.c.given_at, later.c.given_at < proof)
    young = exists().where(members.c.case == cases.c.id, members.c.added_at >= kept)
    over: list[tuple[Table, ColumnElement[bool]]] = [
        (schema.deliveries, schema.deliveries.c.changed_at < statuses),
        (schema.submissions, schema.submissions.c.accepted_at < statuses),
        (schema.parked_reports, schema.parked_reports.c.parked_at < statuses),
        (schema.trace_frames, schema.trace_frames.c.at < statuses),
        (schema.traces, schema.traces.c.until < statuses),
        (schema.channel_states, schema.channel_states.c.seen_at < statuses),
        (schema.resends, schema.resends.c.due_at < statuses),
        (schema.replies, schema.replies.c.received_at < kept),
        (schema.whole_replies, schema.whole_replies.c.received_at < kept),
        (schema.link_outcomes, schema.link_outcomes.c.at < statuses),
        (schema.link_deliveries, schema.link_deliveries.c.created_at < today - LINK_DAYS * DAY_MS),
        (schema.report_outbox, schema.report_outbox.c.created_at < kept),
        (
            callbacks,
            or_(and_(callbacks.c.due_at.is_(None), callbacks.c.created_at < statuses), callbacks.c.created_at < kept),
        ),
        (schema.holds, schema.holds.c.held_at < kept),
        # Members and skips are deleted with their case in one transaction: the releaser sees all of them or none.
        (cases, and_(cases.c.opened_at < kept, ~young)),
        (members, members.c.added_at < kept),  # of a case with later members
        (schema.opinions, schema.opinions.c.at < kept),
        (schema.golden_cases, schema.golden_cases.c.made_at < kept),
        (schema.appeals, schema.appeals.c.filed_at < kept),
        (schema.complaints, schema.complaints.c.complained_at < kept),
        (schema.complaint_candidates, schema.complaint_candidates.c.at < kept),
        (schema.alerts, schema.alerts.c.last_at < kept),
        (schema.alert_silences, and_(~schema.alert_silences.c.daily, schema.alert_silences.c.ends_at < kept)),
        (schema.actions, and_(schema.actions.c.kind == "list", schema.actions.c.at < kept)),
        (schema.list_entries, schema.list_entries.c.expires_at < kept),
        (schema.number_orders, and_(schema.number_orders.c.changed_at < kept, *_settled())),
        (schema.order_files, schema.order_files.c.created_at < kept),
        (schema.answer_files, schema.answer_files.c.read_at < kept),
        (schema.reconciliations, schema.reconciliations.c.at < kept),
        (schema.rule_alarms, schema.rule_alarms.c.ended_at < kept),
        (schema.snoozes, schema.snoozes.c.until < kept),
        (consents, or_(consents.c.until < proof, replaced)),
    ]
    _refuse_forgotten(db, now, kept + DAY_MS)
    deleted = {table.name: _delete(db, table, condition) for table, condition in over}
    with db.write() as connection:
        _show_younger(connection, kept)
    if any(deleted.values()):
        db.forget()
    return deleted


def _settled() -> tuple[ColumnElement[bool], ...]:
    """Orders that are neither outstanding nor the last of a number: by the last one we know whether it is stopped."""
    orders, later = schema.number_orders, schema.number_orders.alias()
    return (
        orders.c.state.not_in(OUTSTANDING),
        or_(
            orders.c.kind.in_((OrderKind.CLEAR, OrderKind.ON, OrderKind.ALERT)),
            exists().where(
                later.c.number == orders.c.number, later.c.party == orders.c.party, later.c.id > orders.c.id
            ),
        ),
    )


def _refuse_forgotten(db: Database, now: int, before: int) -> None:
    """Reject overdue undecided cases; the releaser carries the rejection out."""
    cases = schema.cases
    with db.read() as connection:
        found = connection.scalars(select(cases.c.id).where(cases.c.state == "open", cases.c.opened_at < before)).all()
    for case in found:
        with db.write() as connection:
            refuse(connection, now, case, BuiltInRule.UNREVIEWED)


def _show_younger(connection: Connection, kept: int) -> None:
    """Replace the text of cases whose first member was deleted with the text of their first remaining member."""
    cases, members = schema.cases, schema.case_members
    for case, content in connection.execute(select(cases.c.id, cases.c.content).where(cases.c.opened_at < kept)).all():
        body = connection.execute(
            select(members.c.body).where(members.c.case == case).order_by(members.c.number).limit(1)
        ).scalar_one()
        first = _decode(body).content
        if first != content:
            connection.execute(update(cases).where(cases.c.id == case).values(content=first))


def _delete(db: Database, table: Table, condition: ColumnElement[bool]) -> int:
    keys = list(table.primary_key.columns)
    rows = 0
    while True:
        with db.write() as connection:
            found = connection.execute(select(*keys).where(condition).limit(CHUNK)).all()
            if not found:
                return rows
            for key in found:
                connection.execute(delete(table).where(*(k == v for k, v in zip(keys, key, strict=True))))
            rows += len(found)
