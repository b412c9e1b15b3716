"""What people set for a channel while it runs: off or on, its limit, which channels take over, and weights.

The settings in a row override those in the channel's file. Senders read the rows every second, so a change needs no
restart. Each change remembers the settings before it, and can be undone while nobody has changed anything since.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from pipeline.actions.senders.live import states
from pipeline.errors import AntispamError
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database, upsert

LOOK = 1.0  # seconds between looks of a sender
MOST_RATE = 100_000.0  # parts a second
MOST_WEIGHT = 100
_table = schema.channel_controls


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that override the channel's file; None: as in the file. See `channels.py` for the fields.

    `weights` share the channel's messages among channels, itself included; None: it sends all of them.
    """

    off: bool = False
    total_rate: float | None = None
    next: tuple[str, ...] | None = None
    weights: dict[str, int] | None = None


class Steered(msgspec.Struct, frozen=True, kw_only=True):
    """A control in force, who set it, and the settings `before`; None: another version has stored them unreadably."""

    control: Control
    before: Control | None
    reason: str
    changed_by: str
    changed_at: int


def in_force(db: Database) -> dict[str, Control]:
    """The controls by channel, for a sender. Raises AntispamError if the database does not answer."""
    with db.read() as connection:
        return {name: steered.control for name, steered in _read(connection).items()}


def controls(db: Database, user: User) -> dict[str, Steered]:
    """What people have set, by channel. Raises Forbidden."""
    require(user, Right.SEE_TRAFFIC)
    with db.read() as connection:
        return _read(connection)


def steer(
    db: Database,
    user: User,
    channels: Sequence[str],
    channel: str,
    wanted: Control,
    seen_at: int | None,
    reason: str,
    now: int,
) -> bool:
    """Put the settings of one of `channels` in force; False if they are already.

    `seen_at` is `changed_at` of the control that the user saw, None for none. Raises Forbidden, and AntispamError for
    an unknown channel, a rate that is none, a reason that is none, a channel to share with that another sender serves,
    and when somebody has changed the control meanwhile.
    """
    require(user, Right.CONTROL_CHANNELS)
    reason = audit.checked_reason(reason)
    _check(channels, channel, wanted)
    with db.write() as connection:
        outbox.lock(connection)  # before the row: what somebody else changes at the same time is seen below
        _check_reach(connection, channel, wanted, now)
        known = _read(connection).get(channel)
        _check_seen(known, seen_at)
        before = known.control if known is not None else Control()
        if wanted == before:
            return False
        _put(connection, user, channel, wanted, before, reason, now)
        return True


def undo(db: Database, user: User, channel: str, seen_at: int, reason: str, now: int) -> bool:
    """Bring back the settings before the last change, of `seen_at`; False if there is nothing to bring back.

    Raises Forbidden, and AntispamError for a reason that is none and when somebody has changed the control meanwhile.
    """
    require(user, Right.CONTROL_CHANNELS)
    reason = audit.checked_reason(reason)
    with db.write() as connection:
        outbox.lock(connection)
        known = _read(connection).get(channel)
        if known is None or known.before is None:
            return False
        _check_seen(known, seen_at)
        _put(connection, user, channel, known.before, known.control, reason, now)
        return True


def _check(channels: Sequence[str], channel: str, wanted: Control) -> None:
    if channel not in channels:
        raise AntispamError("channel {channel!r} is not one of this deployment's", channel=channel)
    if wanted.total_rate is not None and not 0 < wanted.total_rate <= MOST_RATE:  # NaN is no rate either
        raise AntispamError("a rate above 0 and up to {most:,.0f} parts a second expected", most=MOST_RATE)
    follow = wanted.next or ()
    if len(set(follow)) != len(follow) or channel in follow or not set(follow) <= set(channels):
        raise AntispamError("next: other channels of this deployment, each once")
    weights = wanted.weights
    if weights is not None and not (
        set(weights) <= set(channels) and all(0 < weight <= MOST_WEIGHT for weight in weights.values()) and weights
    ):
        raise AntispamError("weights: channels of this deployment, each with 1 to {most}", most=MOST_WEIGHT)


def _check_reach(connection: Connection, channel: str, wanted: Control, now: int) -> None:
    """A sender moves messages between its own channels only. Without news of the channel, nobody knows its sender."""
    within = states.served_with(connection, channel, now)
    strange = {*(wanted.next or ()), *(wanted.weights or ())} - within
    if within and strange:
        raise AntispamError(
            "channel {channel!r} cannot share with {others}: another sender serves them, from another channels file",
            channel=channel,
            others=", ".join(sorted(strange)),
        )


def _check_seen(known: Steered | None, seen_at: int | None) -> None:
    if (known.changed_at if known is not None else None) != seen_at:
        raise AntispamError("somebody else has changed this channel meanwhile")


def _put(
    connection: Connection, user: User, channel: str, wanted: Control, before: Control, reason: str, now: int
) -> None:
    audit.record(
        connection, now, user.name, "channel.steer", f"channel/{channel}", _plain(before), _plain(wanted), reason
    )
    values = _plain(wanted) | {"reason": reason, "before": _plain(before), "changed_by": user.name, "changed_at": now}
    insert = upsert(connection, _table)
    connection.execute(
        insert.on_conflict_do_update(index_elements=(_table.c.channel,), set_=values).values(channel=channel, **values)
    )


def _read(connection: Connection) -> dict[str, Steered]:
    return {
        row.channel: Steered(
            control=Control(
                off=row.off,
                total_rate=row.total_rate,
                next=None if row.next is None else tuple(row.next),
                weights=row.weights,
            ),
            before=_before(row.before),
            reason=row.reason,
            changed_by=row.changed_by,
            changed_at=row.changed_at,
        )
        for row in connection.execute(select(_table))
    }


def _before(stored: Any) -> Control | None:
    try:
        return msgspec.convert(stored or {}, Control)
    except msgspec.ValidationError:
        return None


def _plain(control: Control) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(control)
    return plain
