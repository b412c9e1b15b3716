"""The outbox: what a change publishes, written in the transaction of the change itself.

A relay (`stream/relay.py`) sends publications to their topics in order of id and marks them. The id
is given out under a lock that is held until the transaction ends, so a lower id is never committed
after a higher one; for configuration it is the *epoch*.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, insert, select, update

from pipeline import topics
from pipeline.events import ConfigChange, Event, encode
from pipeline.store import schema


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One record to publish; the partition follows from the key unless given."""

    topic: str
    key: str
    value: bytes | None
    partition: int | None = None


class Publication(msgspec.Struct, frozen=True, array_like=True):
    """What one transaction publishes; its records appear together on Kafka."""

    messages: tuple[Message, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Publication).decode


def next_id(connection: Connection) -> int:
    """The next id of the outbox; locks the counter until the transaction ends."""
    row = connection.execute(
        update(schema.epochs).values(last=schema.epochs.c.last + 1).returning(schema.epochs.c.last)
    ).one()
    return int(row[0])


def publish(connection: Connection, now: int, *messages: tuple[topics.Topic, str, Event]) -> int:
    """Put records into the outbox; returns the publication's id. `now` is epoch ms."""
    ident = next_id(connection)
    _put(connection, ident, now, tuple(Message(topic.name, key, encode(event)) for topic, key, event in messages))
    return ident


def publish_config(connection: Connection, now: int, changes: list[tuple[str, str, str | None, str | None]]) -> int:
    """Put changes of configuration, (kind, name, value, file), into the outbox as one epoch; returns it.

    Value and file None removes the entry. See `events.ConfigChange`.
    """
    epoch = next_id(connection)
    last = len(changes) - 1
    records = tuple(
        Message(
            topics.CONFIG.name,
            f"{kind}/{name}",
            encode(
                ConfigChange(
                    epoch=epoch, kind=kind, name=name, value=value, file=file, changed_at=now, more=i < last
                )
            ),
            0,
        )
        for i, (kind, name, value, file) in enumerate(changes)
    )  # fmt: skip
    _put(connection, epoch, now, records)
    return epoch


def unpublished(connection: Connection, limit: int) -> list[tuple[int, Publication]]:
    """Publications not yet sent, oldest first, at most `limit`."""
    box = schema.outbox
    rows = connection.execute(
        select(box.c.id, box.c.payload).where(box.c.published_at.is_(None)).order_by(box.c.id).limit(limit)
    )
    return [(row.id, _decode(row.payload)) for row in rows]


def mark_published(connection: Connection, ids: list[int], now: int) -> None:
    """Remember that these publications have been acknowledged by the broker."""
    box = schema.outbox
    connection.execute(update(box).where(box.c.id.in_(ids)).values(published_at=now))


def _put(connection: Connection, ident: int, now: int, messages: tuple[Message, ...]) -> None:
    connection.execute(insert(schema.outbox).values(id=ident, payload=_encode(Publication(messages)), created_at=now))
