"""Appeals: the owner of a port asks that a refusal or a suspension is looked at again.

Another person than the first decides, and the owner is answered. A granted appeal against a suspension resumes the
port. One against a refusal overturns the verdict: later submissions of this text no longer follow it, and it teaches
the classifier nothing. The owner sends the message again; nothing that was refused leaves by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, literal, select, update

from pipeline.errors import AntispamError
from pipeline.events import PortState, Verdict
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Forbidden, Right, User, allowed, ports_in_scope, require, require_port
from pipeline.store.callback_queue import enqueue
from pipeline.store.database import Database, upsert
from pipeline.store.registry import ports as port_rows
from pipeline.store.registry.configurations import local_day
from pipeline.store.sender_port import port_of

LONGEST = 1000  # characters of the owner's words, and of the answer
SUBMISSION, SUSPENSION = "submission/", "suspension/"  # begin what an appeal is about
_table = schema.appeals


class Appeal(msgspec.Struct, frozen=True, omit_defaults=True):
    """An appeal as its owner sees it: `submission` is None against a suspension; times are epoch ms."""

    id: int
    state: str
    filed_at: int
    submission: str | None = None
    answer: str | None = None
    decided_at: int | None = None


def file_appeal(connection: Connection, port: str, submission: str | None, text: str, now: int) -> Appeal:
    """File an appeal of a registered port, once for each refusal and suspension; a second one returns the first.

    Raises AntispamError if there is nothing to appeal against: the submission was not refused, or without one, the port
    is not suspended.
    """
    text = text.strip()
    if not 1 <= len(text) <= LONGEST or "\0" in text:
        raise AntispamError("text: 1 to {longest} characters expected, none of them NUL", longest=LONGEST)
    outbox.lock(connection)
    about, against = _refusal(connection, port, submission) if submission else _suspension(connection, port)
    values = {"port": port, "about": about, "text": text, "against": against, "filed_at": now, "state": "open"}
    added = connection.execute(
        upsert(connection, _table).values(values).on_conflict_do_nothing().returning(_table.c.id)
    )
    if added.first() is not None:
        audit.record(connection, now, f"port/{port}", "appeal", f"port/{port}", None, {"about": about})
    row = connection.execute(select(_table).where(_table.c.port == port, _table.c.about == about)).one()
    return _told(row)


def find_appeal(connection: Connection, port: str, ident: int) -> Appeal | None:
    """An appeal of this port, or None."""
    row = connection.execute(select(_table).where(_table.c.id == ident, _table.c.port == port)).first()
    return None if row is None else _told(row)


def appeals(db: Database, user: User, state: str = "open", limit: int = 200) -> Sequence[Row[Any]]:
    """Rows of `schema.appeals` in the user's scope, the oldest first; `state` "" means all."""
    require(user, Right.SEARCH)
    statement = select(_table).order_by(_table.c.filed_at, _table.c.id).limit(limit)
    if state:
        statement = statement.where(_table.c.state == state)
    within = ports_in_scope(user)
    if within is not None:
        statement = statement.where(_table.c.port.in_(within))
    with db.read() as connection:
        return connection.execute(statement).all()


def right_to_decide(about: str) -> Right:
    """The right that deciding an appeal about this needs."""
    return Right.SUSPEND_PORTS if about.startswith(SUSPENSION) else Right.REVIEW_SECOND


def may_decide(user: User, about: str, against: str) -> bool:
    """Whether the user has the right, and is another person than the first."""
    return allowed(user, right_to_decide(about)) and user.name != against


def decide_appeal(db: Database, user: User, ident: int, grant: bool, answer: str, now: int) -> None:
    """Grant or deny an appeal, with an answer to its owner; audited.

    Raises Forbidden for who decided first, AntispamError for an appeal that is decided or unknown.
    """
    if not (allowed(user, Right.SUSPEND_PORTS) or allowed(user, Right.REVIEW_SECOND)):
        require(user, Right.REVIEW_SECOND)
    answer = answer.strip()
    if not 1 <= len(answer) <= LONGEST or "\0" in answer:
        raise AntispamError("answer: 1 to {longest} characters expected, none of them NUL", longest=LONGEST)
    with db.write() as connection:
        outbox.lock(connection)
        row = connection.execute(select(_table).where(_table.c.id == ident)).first()
        if row is None:
            raise AntispamError("unknown appeal")
        require(user, right_to_decide(row.about))
        require_port(connection, user, row.port)
        if user.name == row.against:
            raise Forbidden("{person}: another person than the one who decided first is wanted", person=user.name)
        if row.state != "open":
            raise AntispamError("this appeal was decided already")
        state = "granted" if grant else "denied"
        values = {"state": state, "decided_by": user.name, "decided_at": now, "answer": answer}
        connection.execute(update(_table).where(_table.c.id == ident).values(values))
        audit.record(
            connection, now, user.name, "decide_appeal", f"port/{row.port}", None, {"about": row.about, "state": state},
            answer,
        )  # fmt: skip
        if grant and row.about.startswith(SUSPENSION):
            today = local_day(connection, row.port, now)
            port_rows.change_state(
                connection, now, user.name, "resume", row.port, answer, today, evidence=f"appeal/{ident}"
            )
        elif grant:
            _overturn(connection, row.port, row.about.removeprefix(SUBMISSION))
        told = {"event": "appeal", "port": row.port, **msgspec.to_builtins(_told(row)), "state": state}
        enqueue(connection, row.port, told | {"answer": answer, "decided_at": now}, now)


def _refusal(connection: Connection, port: str, submission: str) -> tuple[str, str]:
    """What an appeal against this refusal is about, and who refused."""
    table = schema.submissions
    row = connection.execute(
        select(table.c.id, table.c.verdict, table.c.decided_by).where(
            table.c.id == submission, table.c.port.startswith(port, autoescape=True), port_of(table.c.port) == port
        )
    ).first()
    if row is None:
        raise AntispamError("submission: no submission of this port has this id")
    if row.verdict not in (Verdict.REJECT, Verdict.BLACKLIST):
        raise AntispamError("submission: it was not refused")
    return SUBMISSION + row.id, row.decided_by or ""


def _suspension(connection: Connection, port: str) -> tuple[str, str]:
    """What an appeal against the suspension of this port is about, and who suspended it."""
    state = connection.scalar(select(schema.ports.c.state).where(schema.ports.c.code == port))
    deeds = schema.actions
    resumed = select(func.max(deeds.c.id)).where(deeds.c.subject == port, deeds.c.kind == "resume").scalar_subquery()
    first = connection.execute(
        select(deeds.c.id, deeds.c.actor)
        .where(deeds.c.subject == port, deeds.c.kind == "suspend", deeds.c.id > func.coalesce(resumed, 0))
        .order_by(deeds.c.id)  # the port was suspended already when later evidence came
        .limit(1)
    ).first()
    if state != PortState.SUSPENDED or first is None:
        raise AntispamError("submission: missing, and the port is not suspended")
    return f"{SUSPENSION}{first.id}", first.actor


def _overturn(connection: Connection, port: str, submission: str) -> None:
    """Take the refusal that a person gave this submission's case out of force for later ones."""
    members, cases = schema.case_members, schema.cases
    of = select(members.c.case).where(members.c.submission == submission, port_of(members.c.port) == literal(port))
    refused = cases.c.verdict.in_((Verdict.REJECT, Verdict.BLACKLIST))
    connection.execute(update(cases).where(cases.c.id.in_(of), refused).values(overturned=True))


def _told(row: Row[Any]) -> Appeal:
    submission = row.about.removeprefix(SUBMISSION) if row.about.startswith(SUBMISSION) else None
    return Appeal(row.id, row.state, row.filed_at, submission, row.answer or None, row.decided_at)
