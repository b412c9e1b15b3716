"""The outbox: the records a change publishes, written in the transaction of the change.

A relay (`stream/relay.py`) sends publications to their topics in order of id and marks them as sent. An id is
assigned under a lock that is held until the transaction ends, so a lower id is never committed after a higher one.
The id of a configuration publication is its *epoch*.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline import topics
from pipeline.events import ConfigChange, Event, encode
from pipeline.store import schema


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One record to publish. Without a partition, the key decides it."""

    topic: str
    key: str
    value: bytes | None
    partition: int | None = None


class Publication(msgspec.Struct, frozen=True, array_like=True):
    """The records that one transaction publishes; they become visible on Kafka together."""

    messages: tuple[Message, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Publication).decode


def next_id(connection: Connection) -> int:
    """Take the next id of the outbox; locks the counter until the transaction ends."""
    row = connection.execute(
        update(schema.epochs).values(last=schema.epochs.c.last + 1).returning(schema.epochs.c.last)
    ).one()
    return int(row[0])


def last_id(connection: Connection) -> int:
    """The last id taken."""
    return int(connection.execute(select(schema.epochs.c.last)).scalar_one())


def lock(connection: Connection) -> None:
    """Take the lock that serialises writers of configuration and audit; held until the transaction ends."""
    connection.execute(update(schema.epochs).values(last=schema.epochs.c.last))


def skip_to(connection: Connection, epoch: int) -> None:
    """Skip all ids up to `epoch`: a restored database may be older than the published configuration."""
    connection.execute(update(schema.epochs).where(schema.epochs.c.last < epoch).values(last=epoch))


def publish(connection: Connection, now: int, *messages: tuple[topics.Topic, str, Event]) -> int:
    """Add a publication of these records to the outbox; returns its id. `now` is epoch ms."""
    ident = next_id(connection)
    _put(connection, ident, now, tuple(Message(topic.name, key, encode(event)) for topic, key, event in messages))
    return ident


def publish_config(connection: Connection, now: int, changes: list[tuple[str, str, str | None, str | None]]) -> int:
    """Add configuration changes (kind, name, value, file) to the outbox as one epoch; returns the epoch.

    A change with neither value nor file removes its entry. See `events.ConfigChange`.
    """
    epoch = next_id(connection)
    _put(connection, epoch, now, config_messages(epoch, now, changes))
    return epoch


def config_messages(
    epoch: int, now: int, changes: list[tuple[str, str, str | None, str | None]]
) -> tuple[Message, ...]:
    """The Kafka records of one configuration publication; see `publish_config`."""
    last = len(changes) - 1
    return tuple(
        Message(
            topics.CONFIG.name,
            f"{kind}/{name}",
            encode(
                ConfigChange(epoch=epoch, kind=kind, name=name, value=value, file=file, changed_at=now, more=i < last)
            ),
            0,
        )
        for i, (kind, name, value, file) in enumerate(changes)
    )


def unpublished(connection: Connection, limit: int) -> list[tuple[int, Publication]]:
    """At most `limit` unsent publications, oldest first."""
    box = schema.outbox
    rows = connection.execute(
        select(box.c.id, box.c.payload).where(box.c.published_at.is_(None)).order_by(box.c.id).limit(limit)
    )
    return [(row.id, _decode(row.payload)) for row in rows]


def mark_published(connection: Connection, ids: list[int], now: int) -> None:
    """Mark these publications as acknowledged by the broker."""
    box = schema.outbox
    connection.execute(update(box).where(box.c.id.in_(ids)).values(published_at=now))


def drop_config(connection: Connection, below: int, now: int) -> None:
    """Mark unsent configuration publications before `below` as sent, because `below` contains all their entries."""
    box = schema.outbox
    rows = connection.execute(select(box.c.id, box.c.payload).where(box.c.published_at.is_(None), box.c.id < below))
    ids = [row.id for row in rows if all(m.topic == topics.CONFIG.name for m in _decode(row.payload).messages)]
    for i in range(0, len(ids), 500):
        mark_published(connection, ids[i : i + 500], now)


def is_published(connection: Connection, ident: int) -> bool:
    """Whether the broker has acknowledged this publication; also True for a missing row, which has expired."""
    box = schema.outbox
    return connection.execute(select(box.c.id).where(box.c.id == ident, box.c.published_at.is_(None))).first() is None


def pending(connection: Connection) -> int:
    """The number of unsent publications."""
    box = schema.outbox
    return int(
        connection.execute(select(func.count()).select_from(box).where(box.c.published_at.is_(None))).scalar_one()
    )


def prune(connection: Connection, before: int) -> int:
    """Delete publications sent before this time (epoch ms); returns their number."""
    return connection.execute(delete(schema.outbox).where(schema.outbox.c.published_at < before)).rowcount


def _put(connection: Connection, ident: int, now: int, messages: tuple[Message, ...]) -> None:
    connection.execute(insert(schema.outbox).values(id=ident, payload=_encode(Publication(messages)), created_at=now))
