"""Review: reviewers claim cases, decide them, and can undo a verdict for ten seconds.

    open --claim--> open, leased --decide--> decided --10 s--> effective
      ^-- give back, skip, lease runs out --'    |
      ^-------------------- undo ----------------'

A blacklist verdict waits for a second opinion, where another account may review the case: the case is open for
everybody but the first reviewer, and the second verdict decides it. If the two differ, a senior reviewer decides.

A lease names the reviewer of a case. It expires, so a closed browser blocks no case. The releaser publishes and
executes a verdict only when it is effective, so an undo changes one row. Each step is one compare-and-set: if two
reviewers act at once, the second gets an error.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, func, or_, select, update

from pipeline.actions import opinions
from pipeline.actions.opinions import Opinion
from pipeline.actions.review.case_contents import SAMPLES, Contents, contents
from pipeline.actions.review.merging import take_in
from pipeline.actions.review.places import (
    ANYWHERE,
    UNDO_MS,
    Place,
    in_access,
    not_judged_by,
    of_level,
    others_who_review,
    skipped_by,
    unassigned_or_to,
    within,
)
from pipeline.decision.standing import may_send
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError
from pipeline.events import PortState, Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.refusals import Refusal
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, ports_in_scope, require
from pipeline.store.accounts.roles import allowed as permitted
from pipeline.store.database import Database, upsert

LEASE_MS = 10 * MINUTE_MS
KEPT = 2  # cases that a reviewer keeps, however many others ask for some
MAX_NOTE = 1000  # characters
VERDICTS = (Verdict.RELEASE, Verdict.REJECT, Verdict.BLACKLIST)

_cases = schema.cases


@dataclass(frozen=True, slots=True)
class Said:
    """What a reviewer says of a case; `took` is how long it was on screen (ms), None if it was not."""

    verdict: str
    note: str = ""
    refusal: str = ""
    took: int | None = None


@dataclass(frozen=True, slots=True)
class CaseView:
    """A case for the reviewer's page. Times are epoch ms; `messages` counts recipients of all members.

    `state` is open, decided (can still be undone), effective, or merged into another case. `content` is the first
    member's text, `contents` what other members say. `last_member` is the newest member's number. In `queue` the
    content is masked and `contents` empty: only a claimed or opened case shows full text, with an audit row.
    """

    id: str
    port: str
    state: str
    content: str
    fingerprint: str
    campaign: str
    rule: str
    score: float | None
    category: str | None
    submissions: int
    messages: int
    opened_at: int
    due_at: int
    claimed_by: str | None
    lease_until: int | None
    verdict: str | None
    decided_by: str | None
    effective_at: int | None
    last_member: int
    first_verdict: str | None  # of the reviewer who asks for a second opinion
    contents: Contents

    @property
    def samples(self) -> tuple[str, ...]:
        """Different texts of other members."""
        return self.contents.samples


def claim(
    db: Database,
    user: User,
    now: int,
    count: int = 20,
    shown: Mapping[str, CaseView] = MappingProxyType({}),
    place: Place = ANYWHERE,
) -> list[CaseView]:
    """Lease cases at the place to the user for LEASE_MS: first the user's own, then free ones, by urgency.

    If all are in the hands of others, the user gets an equal share of what lies ahead there. Returns at most `count`
    cases. Only users with REVIEW_SECOND get escalated cases. No user gets a case that the user skipped within SKIP_MS.
    Cases in `shown` keep the contents and `last_member` that the user has seen.
    """
    require(user, Right.REVIEW)
    with db.write() as connection:
        at = within(place)
        mine = _ids(connection, and_(_held_by(user), at, *of_level(user)), count)
        reach = (at, *in_access(user), *of_level(user))
        free = _ids(connection, and_(_free(user, now), *reach), count - len(mine))
        shared = [] if mine or free else _shared(connection, user, now, count, and_(*reach))
        _forget_sharing(connection, free)
        ids = [*mine, *free, *shared]
        connection.execute(
            update(_cases).where(_cases.c.id.in_(ids)).values(claimed_by=user.name, lease_until=now + LEASE_MS)
        )
        for case in (*free, *shared):
            audit.record(connection, now, user.name, "case.claim", f"case/{case}")
    with db.read() as connection:  # after the write transaction, so that reading texts delays no writer
        rows = connection.execute(_in_order(select(_cases).where(_cases.c.id.in_(ids), _held_by(user)))).mappings()
        return [
            _still(row, shown[row["id"]]) if row["id"] in shown else _seen(connection, row, now) for row in rows.all()
        ]


def _shared(connection: Connection, user: User, now: int, count: int, reach: ColumnElement[bool]) -> list[str]:
    """The user's equal share of cases that lie ahead in other reviewers' hands; the others keep the most urgent.

    Everybody keeps the case on screen and the next (KEPT), and as many as they decided in the last minute. Whose hand a
    case was taken from may still decide it, because that browser may have done so already: the first verdict counts.
    """
    held = and_(_cases.c.state == "open", _cases.c.claimed_by.is_not(None), _cases.c.lease_until > now)
    open_to = and_(_cases.c.assigned_to.is_(None), ~skipped_by(user, now), not_judged_by(user, now))
    rows = connection.execute(_in_order(select(_cases.c.id, _cases.c.claimed_by).where(held, reach, open_to))).all()
    hands: dict[str, list[str]] = {}
    for row in rows:
        hands.setdefault(row.claimed_by, []).append(row.id)
    fair = max(KEPT, -(-len(rows) // (len(hands) + 1)))
    pace = opinions.given_since(connection, now - MINUTE_MS)
    ahead = [case for name, hand in hands.items() for case in hand[max(fair, pace.get(name, 0)) :]]
    ids = _lock(connection, and_(_cases.c.id.in_(ahead[:count]), held))
    connection.execute(update(_cases).where(_cases.c.id.in_(ids)).values(shared_from=_cases.c.claimed_by))
    return ids


def _forget_sharing(connection: Connection, cases: Sequence[str]) -> None:
    connection.execute(update(_cases).where(_cases.c.id.in_(cases)).values(shared_from=None))


def heartbeat(db: Database, user: User, now: int) -> int:
    """Extend the user's leases to LEASE_MS from now; returns the number of leased cases."""
    require(user, Right.REVIEW)
    with db.write() as connection:
        ids = _lock(connection, _held_by(user))
        connection.execute(update(_cases).where(_cases.c.id.in_(ids)).values(lease_until=now + LEASE_MS))
        return len(ids)


def give_back(db: Database, user: User, case_ids: Sequence[str], now: int) -> None:
    """End the user's leases of these cases; ignores cases that the user does not hold."""
    require(user, Right.REVIEW)
    with db.write() as connection:
        for case in _set_free(connection, user, case_ids):
            audit.record(connection, now, user.name, "case.give_back", f"case/{case}")


def skip(db: Database, user: User, case: str, now: int) -> None:
    """Give a case back and keep it from this reviewer for SKIP_MS, in one step.

    Raises AntispamError if the user does not hold the case.
    """
    require(user, Right.REVIEW)
    with db.write() as connection:
        if not _set_free(connection, user, [case]):
            raise not_yours(connection, user, case)
        skipped = upsert(connection, schema.case_skips).values(case=case, reviewer=user.name, skipped_at=now)
        connection.execute(skipped.on_conflict_do_update(index_elements=["case", "reviewer"], set_={"skipped_at": now}))
        audit.record(connection, now, user.name, "case.skip", f"case/{case}")


def decide(
    db: Database,
    user: User,
    case: str,
    verdict: str,
    note: str,
    now: int,
    seen: int,
    *,
    refusal: str = "",
    took: int | None = None,
) -> None:
    """Decide a claimed case: release, reject or blacklist. It takes effect after UNDO_MS.

    `refusal` is a reason of rules/refusals.py or empty; `took` is how long the case was on screen (ms).

    `seen` is `last_member` of the case as the user saw it. A release is refused if members with a new rule, link or
    contact have joined since, because the user did not see them. It is not refused if the case already had more kinds
    than the page shows; otherwise a busy case could never be decided.

    An expired lease counts until another user takes the case. Raises AntispamError for an invalid verdict, for a note
    over MAX_NOTE characters, if the case has grown, and if the user does not hold it.
    """
    require(user, Right.REVIEW)
    valid_verdict(verdict, note, refusal)
    said = Said(verdict, note, refusal, took)
    with db.write() as connection:
        held = or_(_held_by(user), and_(_cases.c.state == "open", _cases.c.shared_from == user.name, *in_access(user)))
        settle(connection, user, case, and_(held, *of_level(user)), said, now, (case, seen))


def valid_verdict(verdict: str, note: str, refusal: str = "") -> None:
    """Raises AntispamError for no verdict of a reviewer, no reason of the list, and a note over MAX_NOTE characters."""
    if refusal and refusal not in set(Refusal):
        raise AntispamError("reason {refusal!r}: one of {known}", refusal=refusal, known=", ".join(Refusal))
    if verdict not in VERDICTS:
        raise AntispamError("verdict {verdict!r}: one of {known}", verdict=verdict, known=", ".join(VERDICTS))
    if len(note) > MAX_NOTE or "\0" in note:
        raise AntispamError("note: at most {most} characters of text", most=MAX_NOTE)


def settle(
    connection: Connection,
    user: User,
    case: str,
    allowed: ColumnElement[bool],
    said: Said,
    now: int,
    shown: tuple[str, int],
) -> None:
    """Put a verdict on a case if it is `allowed`; `shown` is the case that the user saw, and its `last_member` then.

    Raises AntispamError, for a release also if the case has messages of a kind that the user did not see.
    """
    locked = select(_cases).where(_cases.c.id == case, allowed, not_judged_by(user, now)).with_for_update()
    row = connection.execute(locked).mappings().first()
    if row is None:
        raise not_yours(connection, user, case)
    unseen = _unseen(connection, case, *shown) if said.verdict == Verdict.RELEASE else 0
    if unseen:
        raise AntispamError(
            "case {case} has grown by {unseen} messages of another content since you saw it", case=case, unseen=unseen
        )
    first = (row["first_verdict"], row["first_by"]) if row["first_by"] else None
    kind = Opinion.SECOND if first else Opinion.VERDICT
    free = {"claimed_by": None, "lease_until": None, "shared_from": None}
    what, changed = (
        "case.decide",
        {
            "state": "decided",
            "verdict": said.verdict,
            "decided_by": user.name,
            "decided_at": now,
            "note": said.note,
            "refusal": "" if said.verdict == Verdict.RELEASE else said.refusal,
            "effective_at": now + UNDO_MS,
        },
    )
    if first is None and said.verdict == Verdict.BLACKLIST and others_who_review(connection, user, case):
        kind, what = Opinion.FIRST, "case.first_opinion"
        changed = {"first_verdict": said.verdict, "first_by": user.name, "first_at": now, "assigned_to": None}
    elif first and first[0] != said.verdict and not permitted(user, Right.REVIEW_SECOND):
        what, changed = "case.disagree", {"escalated_at": now, "assigned_to": None}
    connection.execute(update(_cases).where(_cases.c.id == case).values(**changed, **free))
    opinions.record(connection, case, kind, user.name, said.verdict, now, said.took, first)
    after = {"verdict": said.verdict, "submissions": row["submissions"], "messages": row["messages"]}
    audit.record(connection, now, user.name, what, f"case/{case}", {"state": "open"}, after, said.note)


def stands(db: Database, user: User, case: str, verdict: str) -> bool:
    """Whether the user's own verdict on this case is this one: the verdict of the case, or a first opinion."""
    require(user, Right.REVIEW)
    decided = and_(_cases.c.state != "open", _cases.c.decided_by == user.name, _cases.c.verdict == verdict)
    first = and_(_cases.c.state == "open", _cases.c.first_by == user.name, _cases.c.first_verdict == verdict)
    query = select(_cases.c.id).where(_cases.c.id == case, or_(decided, first), *in_access(user))
    with db.read() as connection:
        return connection.execute(query).first() is not None


def undo(db: Database, user: User, case: str, now: int) -> None:
    """Undo the user's own verdict before it is effective; the case is open and leased to the user again.

    Raises AntispamError if the verdict is effective or belongs to another user.
    """
    require(user, Right.REVIEW)
    mine = {"claimed_by": user.name, "lease_until": now + LEASE_MS}
    with db.write() as connection:
        before = (
            connection.execute(select(_cases).where(_cases.c.id == case, _undoable(user, now)).with_for_update())
            .mappings()
            .first()
        )
        if before is None:
            raise AntispamError("case {case}: too late to undo, or not your verdict", case=case)
        if before["state"] == "open":
            changed: dict[str, Any] = {"first_verdict": None, "first_by": None, "first_at": None}
            given, said = before["first_at"], before["first_verdict"]
        else:
            _take_in(connection, before, now)
            changed = dict.fromkeys(("verdict", "decided_by", "decided_at", "effective_at"))
            changed |= {"state": "open", "note": "", "refusal": ""}
            given, said = before["decided_at"], before["verdict"]
        connection.execute(update(_cases).where(_cases.c.id == case).values(**changed, **mine))
        opinions.take_back(connection, case, user.name, given)
        audit.record(connection, now, user.name, "case.undo", f"case/{case}", {"verdict": said}, {"state": "open"})


def case_view(db: Database, user: User, case: str, now: int) -> CaseView:
    """A case with its full text. Adds an audit row unless the user holds the case.

    Raises AntispamError for a case that is unknown or outside the user's scope.
    """
    require(user, Right.REVIEW)
    with db.write() as connection:
        row = connection.execute(select(_cases).where(_cases.c.id == case, *in_access(user))).mappings().first()
        if row is None:
            raise AntispamError("no case {case!r}", case=case)
        if row["claimed_by"] != user.name:
            audit.record(connection, now, user.name, "case.view", f"case/{case}")
        return _seen(connection, row, now)


def in_hand(db: Database, user: User, now: int) -> set[str]:
    """The open cases with an unexpired lease of the user."""
    require(user, Right.REVIEW)
    with db.read() as connection:
        return set(
            connection.scalars(select(_cases.c.id).where(_held_by(user), _cases.c.lease_until > now, *of_level(user)))
        )


def stopped_ports(db: Database, user: User, ports: Collection[str]) -> dict[str, BuiltInRule]:
    """The rule that forbids sending, for each of these ports that may not send and is in the user's scope.

    A release for such a port becomes a rejection.
    """
    require(user, Right.REVIEW)
    t = schema.ports
    within = ports_in_scope(user)
    with db.read() as connection:
        found = select(t.c.code, t.c.state).where(t.c.code.in_(ports))
        if within is not None:
            found = found.where(t.c.code.in_(within))
        rules = {row.code: may_send(PortState(row.state)) for row in connection.execute(found)}
    return {code: rule for code, rule in rules.items() if rule is not None}


def _ids(connection: Connection, condition: ColumnElement[bool], count: int) -> list[str]:
    """Ids in the order of the queue. Locks the rows if the database has row locks."""
    if count <= 0:
        return []
    query = _in_order(select(_cases.c.id).where(_cases.c.state == "open", condition)).limit(count)
    return list(connection.execute(query.with_for_update(skip_locked=True)).scalars())


def _in_order(query: Select[Any]) -> Select[Any]:
    return query.order_by(_cases.c.urgency.desc(), _cases.c.due_at, _cases.c.id)


def _held_by(user: User) -> ColumnElement[bool]:
    return and_(_cases.c.state == "open", _cases.c.claimed_by == user.name, *in_access(user))


def _free(user: User, now: int) -> ColumnElement[bool]:
    """Unclaimed, or another user's lease has expired; assigned to nobody else; and not skipped within SKIP_MS."""
    unheld = or_(_cases.c.claimed_by.is_(None), and_(_cases.c.claimed_by != user.name, _cases.c.lease_until <= now))
    return and_(unheld, unassigned_or_to(user), ~skipped_by(user, now), not_judged_by(user, now))


def at_hand(user: User, now: int) -> ColumnElement[bool]:
    """Whether a case is open, in the user's scope, in nobody else's hand and assigned to nobody else."""
    own = or_(_cases.c.claimed_by.is_(None), _cases.c.claimed_by == user.name, _cases.c.lease_until <= now)
    open_to = and_(_cases.c.state == "open", own, unassigned_or_to(user), not_judged_by(user, now))
    return and_(open_to, *in_access(user), *of_level(user))


def _undoable(user: User, now: int) -> ColumnElement[bool]:
    own = and_(_cases.c.state == "decided", _cases.c.decided_by == user.name, _cases.c.effective_at > now)
    first = and_(_cases.c.state == "open", _cases.c.first_by == user.name, _cases.c.first_at > now - UNDO_MS)
    return and_(or_(own, first), *in_access(user))


def _set_free(connection: Connection, user: User, case_ids: Sequence[str]) -> list[str]:
    ids = _lock(connection, and_(_cases.c.id.in_(case_ids), _held_by(user)))
    connection.execute(update(_cases).where(_cases.c.id.in_(ids)).values(claimed_by=None, lease_until=None))
    return ids


def _lock(connection: Connection, condition: ColumnElement[bool]) -> list[str]:
    """The ids of these cases, locked in the order in which the projector locks several: so neither waits in a ring."""
    return list(connection.scalars(select(_cases.c.id).where(condition).order_by(_cases.c.id).with_for_update()))


def not_yours(connection: Connection, user: User, case: str) -> AntispamError:
    """The error that says why the user may not act on the case now."""
    row = connection.execute(select(_cases).where(_cases.c.id == case, *in_access(user))).first()
    if row is None:
        return AntispamError("no case {case!r}", case=case)
    if row.state == "merged":
        return AntispamError(
            "case {case}: its messages are in case {merged_into} now", case=case, merged_into=row.merged_into
        )
    if row.state != "open":
        return AntispamError("case {case}: already decided by {decided_by}", case=case, decided_by=row.decided_by)
    if row.escalated_at is not None and of_level(user):
        return AntispamError("case {case} was escalated: a senior reviewer decides it", case=case)
    if row.assigned_to not in (None, user.name):
        return AntispamError("case {case} is assigned to {assigned_to}", case=case, assigned_to=row.assigned_to)
    if row.first_by == user.name:
        return AntispamError("case {case} waits for the opinion of another reviewer", case=case)
    if row.claimed_by is None:
        return AntispamError("case {case}: claim it first", case=case)
    return AntispamError("case {case}: {claimed_by} has it now", case=case, claimed_by=row.claimed_by)


def _unseen(connection: Connection, case: str, shown: str, seen: int) -> int:
    """Messages of a case with `asks` that the case `shown` did not have up to `seen`.

    0 if that case had more kinds than the page shows.
    """
    members = schema.case_members
    before = (
        select(members.c.asks).distinct().where(members.c.case == shown, members.c.number <= seen).limit(SAMPLES + 2)
    )
    kinds = connection.scalars(before).all()
    if len(kinds) > SAMPLES + 1:
        return 0
    others = (members.c.case == case, members.c.asks.not_in(kinds))
    return connection.scalar(select(func.coalesce(func.sum(members.c.messages), 0)).where(*others)) or 0


def _take_in(connection: Connection, case: RowMapping, now: int) -> None:
    """Merge the open case of the same port and campaign or content into this case, because only one may be open."""
    same = _cases.c.campaign == case["campaign"]
    if not case["campaign"]:
        same &= _cases.c.fingerprint == case["fingerprint"]
    beside = select(_cases).where(_cases.c.port == case["port"], same, _cases.c.state == "open").with_for_update()
    others = connection.execute(beside).mappings().all()
    if others:
        take_in(connection, now, case, others)


def _seen(connection: Connection, row: RowMapping, now: int) -> CaseView:
    return _view(row, contents(connection, row, now))


def _still(row: RowMapping, view: CaseView) -> CaseView:
    """The case as the user saw it; its recipients would have to be counted again if it has grown."""
    found = view.contents if row["messages"] == view.messages else replace(view.contents, recipients=None)
    return _view(row, found, last_member=view.last_member)


def _view(row: RowMapping, found: Contents, **replaced: Any) -> CaseView:
    fields = {name: row[name] for name in CaseView.__dataclass_fields__ if name != "contents"}
    return CaseView(**{**fields, **replaced}, contents=found)
