"""Comments: what reviewers write to each other about a case. A merged case keeps its own; the other shows them too."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, insert, or_, select

from pipeline.actions.review.places import in_access
from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database

MAX_TEXT = 1000  # characters
MOST = 200  # comments of one case
_cases, _comments = schema.cases, schema.case_comments


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; `at` is epoch ms."""

    author: str
    at: int
    text: str


def comment(db: Database, user: User, case: str, text: str, now: int) -> None:
    """Add a comment to a case. The audit row does not hold the text.

    Raises AntispamError for an empty or too long text, for more than MOST comments, and for a case that is unknown or
    outside the user's scope.
    """
    require(user, Right.REVIEW)
    text = text.strip()
    if not text or len(text) > MAX_TEXT or "\0" in text:
        raise AntispamError("a comment has 1 to {most} characters of text", most=MAX_TEXT)
    with db.write() as connection:
        known = select(_cases.c.id).where(_cases.c.id == case, *in_access(user)).with_for_update()
        if connection.scalar(known) is None:
            raise AntispamError("no case {case!r}", case=case[:64])
        if connection.scalar(select(func.count()).where(_comments.c.case == case)) >= MOST:  # type: ignore[operator]
            raise AntispamError("case {case} has {most} comments already", case=case, most=MOST)
        connection.execute(insert(_comments).values(case=case, author=user.name, at=now, text=text))
        audit.record(connection, now, user.name, "case.comment", f"case/{case}")


def comments(db: Database, user: User, case: str) -> list[Comment]:
    """The comments on a case and on those merged into it, the oldest first."""
    require(user, Right.REVIEW)
    of_case = select(_cases.c.id).where(or_(_cases.c.id == case, _cases.c.merged_into == case), *in_access(user))
    query = select(_comments).where(_comments.c.case.in_(of_case)).order_by(_comments.c.at, _comments.c.id)
    with db.read() as connection:
        return [Comment(row.author, row.at, row.text) for row in connection.execute(query.limit(MOST))]
