"""One consent, recorded or taken back, and the proof of a number in full."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Row

from pipeline.errors import AntispamError
from pipeline.rules.consents import Consent, ConsentKind, shard_of
from pipeline.store import audit
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database
from pipeline.store.registry import consents
from pipeline.text.numbers import masked


def record_one(db: Database, user: User, consent: Consent, now: int) -> int:
    """Record one entry and put it in force; returns the epoch. Raises AntispamError for a refused entry."""
    (fault,) = consents.record(db, user, [consent], now)
    if fault is not None:
        raise AntispamError(fault)
    return consents.publish(db, [shard_of(consent.number)], now)


def take_back(db: Database, user: User, scope: str, number: str, source: str, now: int) -> int:
    """Record that the recipient refuses from now on; returns the epoch.

    An entry may have been given by a clock ahead of ours; the refusal must not be older than it.
    """
    given = [row.given_at for row in consents.history(db, user, number) if row.scope == scope]
    at = max(now, *given)
    return record_one(db, user, Consent(scope, number, ConsentKind.REFUSED, source, at), now)


def proof(db: Database, user: User, number: str, reason: str, now: int) -> Sequence[Row[tuple[object, ...]]]:
    """The history of a number, to be shown in full. The audit row is committed before the rows are returned.

    Raises AntispamError without a reason.
    """
    require(user, Right.SEE_FULL_TEXT)
    reason = audit.checked_reason(reason)
    rows = consents.history(db, user, number)
    with db.write() as connection:
        audit.record(connection, now, user.name, "reveal", f"consents/{masked(number)}", reason=reason)
    return rows
