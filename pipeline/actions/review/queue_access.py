"""Which reviewer works in which queues. An account without queues reviews all cases."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from pipeline.errors import AntispamError
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import RIGHTS, Right, Role, User, require
from pipeline.store.database import Database
from pipeline.store.registry import configurations


def set_queues(db: Database, user: User, name: str, queues: Sequence[str], now: int) -> None:
    """Limit a reviewer to these queues of the policy in force; none: all cases. Leases in other queues end.

    Raises AntispamError for an unknown queue, an unknown account, and an account that does not review.
    """
    require(user, Right.ADMINISTER)
    users, cases = schema.users, schema.cases
    chosen = sorted(set(queues))
    with db.write() as connection:
        row = connection.execute(select(users.c.role, users.c.queues).where(users.c.name == name)).first()
        if row is None:
            raise AntispamError("no user {name!r}", name=name)
        known = [queue.name for queue in configurations.queues(connection).queues]
        for queue in chosen:
            if queue not in known:
                raise AntispamError(
                    "no queue {queue!r}; the policy in force has {known}", queue=queue, known=", ".join(known) or "none"
                )
        if chosen and Right.REVIEW not in RIGHTS[Role(row.role)]:
            raise AntispamError("{name}: the role {role} does not review", name=name, role=row.role)
        connection.execute(update(users).where(users.c.name == name).values(queues=chosen))
        if chosen:
            others = (cases.c.state == "open") & (cases.c.claimed_by == name) & cases.c.queue.not_in(chosen)
            held = connection.scalars(select(cases.c.id).where(others).order_by(cases.c.id).with_for_update()).all()
            freed = {"claimed_by": None, "lease_until": None}
            connection.execute(update(cases).where(cases.c.id.in_(held)).values(freed))
        before, after = {"queues": row.queues}, {"queues": chosen}
        audit.record(connection, now, user.name, "set queues", f"user/{name}", before, after)
