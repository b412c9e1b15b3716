"""What each sender tells of its channels every few seconds, and what that says to people.

A row is of one channel in one process, so senders on several hosts do not disturb each other. A process that ends in
order deletes its rows. The rows of a killed process stay: their age shows that there is no news of it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec
import structlog
from sqlalchemy import Connection, delete, select

from pipeline.actions.senders.live.link_figures import Figures
from pipeline.durations import DAY_MS, MINUTE_MS, SECOND_MS
from pipeline.store import schema
from pipeline.store.accounts.roles import Right, User, require
from pipeline.store.database import Database, upsert

TELL = 2.0  # seconds between two rows of a process
NO_NEWS_MS = 15 * SECOND_MS  # an older row says what was, not what is
REPLACED_MS = 10 * MINUTE_MS  # an older row is not shown where another sender tells of the channel
FORGOTTEN_MS = DAY_MS
# Why a link was lost or not made, where the cause is not an error of the system or of a frame.
CLOSED, CLOSED_AT_REQUEST = "closed by the carrier", "closed at the carrier's request"
CLOSED_AT_LOGIN, REFUSED = "closed during login", "login refused"
UNANSWERED, TOO_LATE = "link tests unanswered", "no answer in time"
_rows = schema.channel_states
_log = structlog.get_logger()


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """One link. `since` (epoch ms) is of `up`. `login_result`: the carrier's last answer to our login; 0: accepted.

    `error` is why the link was lost or not made last, at `error_at`. `waiting`: parts that it has and has not sent.
    `paused`: seconds that the carrier's throttling still pauses it.
    """

    number: int
    up: bool
    since: int
    login_result: int | None = None
    error: str = ""
    error_at: int | None = None
    in_flight: int = 0
    waiting: int = 0
    window: int = 0
    rate: float = 0.0
    paused: float = 0.0
    figures: Figures = Figures()


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """One channel in one process.

    `waiting`: messages in memory that have not ended. `total_rate`: parts a second over all links; 0: no limit. `next`:
    the channels that take over, in order.
    """

    off: bool
    waiting: int
    total_rate: float
    next: tuple[str, ...]
    links: tuple[LinkState, ...]


class Told(msgspec.Struct, frozen=True):
    """The state of a channel, as the process `sender` told it at `seen_at` (epoch ms)."""

    channel: str
    sender: str
    seen_at: int
    state: ChannelState

    def is_news(self, now: int) -> bool:
        """Whether the state may be taken for what is now."""
        return now - self.seen_at <= NO_NEWS_MS


def this_sender() -> str:
    """The name of this process among all hosts."""
    return f"{socket.gethostname()[:100]}/{os.getpid()}"


def tell(db: Database, sender: str, states: Mapping[str, ChannelState], now: int) -> None:
    """Store the states by channel, and forget what nobody has told of for a day. Raises AntispamError."""
    rows = [
        {"channel": name, "sender": sender, "body": msgspec.to_builtins(state), "seen_at": now}
        for name, state in states.items()
    ]
    with db.write() as connection:
        insert = upsert(connection, _rows)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=(_rows.c.channel, _rows.c.sender),
                set_={"body": insert.excluded.body, "seen_at": insert.excluded.seen_at},
            ),
            rows,
        )
        connection.execute(delete(_rows).where(_rows.c.seen_at < now - FORGOTTEN_MS))


def leave(db: Database, sender: str) -> None:
    """Delete the rows of a process that ends in order. Raises AntispamError."""
    with db.write() as connection:
        connection.execute(delete(_rows).where(_rows.c.sender == sender))


def channel_states(db: Database, user: User, now: int) -> list[Told]:
    """What senders told last, by channel and sender. Raises Forbidden.

    A sender without news is left out once another one tells of the channel and ten minutes have passed. A row that
    another version has stored so that this one cannot read it is left out and logged.
    """
    require(user, Right.SEE_TRAFFIC)
    with db.read() as connection:
        query = select(_rows).where(_rows.c.seen_at >= now - FORGOTTEN_MS).order_by(_rows.c.channel, _rows.c.sender)
        rows = connection.execute(query).all()
    told = []
    for row in rows:
        try:
            told.append(Told(row.channel, row.sender, row.seen_at, msgspec.convert(row.body, ChannelState)))
        except msgspec.ValidationError as error:
            _warn_once(row.channel, row.sender, str(error))
    served = {one.channel for one in told if one.is_news(now)}
    return [one for one in told if now - one.seen_at <= REPLACED_MS or one.channel not in served]


def served_with(connection: Connection, channel: str, now: int) -> set[str]:
    """The channels of the senders that tell of this one now, itself included; empty: there is no news of it."""
    news = select(_rows.c.sender, _rows.c.channel).where(_rows.c.seen_at >= now - NO_NEWS_MS)
    told = [(row.sender, row.channel) for row in connection.execute(news)]
    senders = {sender for sender, name in told if name == channel}
    return {name for sender, name in told if sender in senders}


@lru_cache(1000)  # the page asks every few seconds
def _warn_once(channel: str, sender: str, cause: str) -> None:
    _log.warning("channel_state_unreadable", channel=channel, sender=sender, cause=cause)


Standing = Literal["off", "sending", "down", "no_news"]


def standing(told: Told, now: int) -> Standing:
    """The channel of one sender in a word."""
    if not told.is_news(now):
        return "no_news"
    if told.state.off:
        return "off"
    return "sending" if any(link.up for link in told.state.links) else "down"
