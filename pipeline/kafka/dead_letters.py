"""Dead letters: records that could not be decoded or screened, listed for operators and sent again."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import structlog
from confluent_kafka import KafkaException, Message

from pipeline import metrics, topics
from pipeline.errors import AntispamError
from pipeline.events import DeadLetter, decoder, encode
from pipeline.kafka.clients import MAX_RECORD, TIMEOUT, broker_error, commit, reader, writer
from pipeline.kafka.replay import replay
from pipeline.settings import Settings

_decode = decoder(DeadLetter)
_log = structlog.get_logger()


def letter(
    topic: str,
    partition: int,
    offset: int,
    cause: str,
    key: bytes | None,
    value: bytes | None,
    at: int,
    attempts: int = 1,
    ident: str = "",
) -> tuple[bytes, bytes]:
    """Key and value on `dead-letters` of a record that failed at `at` (ms).

    `ident` names a record whose offset is not known any more (-1).
    A letter too large for its topic is kept without its bytes, and its cause says so.
    """
    made = DeadLetter(
        topic=topic, partition=partition, offset=offset, cause=cause, at=at, key=key, value=value, attempts=attempts
    )
    name = f"{topic}/{partition}/{ident or offset}".encode()
    if len(name) + len(encode(made)) > MAX_RECORD:
        size = len(key or b"") + len(value or b"")
        cause = f"{cause}; its {size} bytes are too many for a letter and lie only where it came from"
        made = msgspec.structs.replace(made, key=None, value=None, cause=cause)
    return name, encode(made)


def dead_letters(settings: Settings) -> dict[str, DeadLetter]:
    """The letters not sent again yet, by their id `topic/partition/offset` (see `letter`), oldest first."""
    letters: dict[str, DeadLetter] = {}

    def take(message: Message) -> None:
        try:
            name = (message.key() or b"").decode()
            if message.value() is None:
                letters.pop(name, None)
            else:
                letters[name] = _decode(message.value() or b"")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            metrics.UNDECODABLE.labels(topics.DEAD_LETTERS.name).inc()
            _log.error("undecodable", topic=topics.DEAD_LETTERS.name, offset=message.offset(), cause=str(error))

    consumer = reader(settings, "dead-letters-list")
    try:
        replay(consumer, [(topics.DEAD_LETTERS.name, p) for p in range(settings.partitions)], take)
    finally:
        consumer.close()
    return dict(sorted(letters.items(), key=lambda item: item[1].at))


def retry(settings: Settings, names: Iterable[str] | None) -> int:
    """Send letters back to their topics, with their keys, and return the number of letters sent.

    `names` None sends all letters with bytes. The same transaction removes the letter, so a crash neither loses nor
    repeats it. Raises AntispamError for an unknown letter and for one without bytes; nothing is sent then.
    """
    letters = dead_letters(settings)
    chosen = [n for n, x in letters.items() if x.value is not None] if names is None else list(names)
    unknown = [name for name in chosen if name not in letters]
    if unknown:
        raise AntispamError(f"no dead letter {unknown[0]!r} (antispam dead-letters list)")
    without = [name for name in chosen if letters[name].value is None]
    if without:
        raise AntispamError(f"dead letter {without[0]!r} holds no bytes to send again: see its cause")
    if not chosen:
        return 0
    producer = writer(settings, "antispam-dead-letters")
    try:
        producer.init_transactions(TIMEOUT)
        producer.begin_transaction()
        for name in chosen:
            letter = letters[name]
            producer.produce(
                letter.topic,
                letter.value,
                letter.key,
                letter.partition,
                headers=[("attempts", str(letter.attempts).encode())],
            )
            producer.produce(topics.DEAD_LETTERS.name, None, name, letter.partition)
        commit(producer)
    except KafkaException as error:
        raise broker_error(error.args[0], "nothing sent") from None
    return len(chosen)
