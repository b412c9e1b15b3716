"""What could not be decoded or screened: shown to an operator, and sent round again."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from confluent_kafka import KafkaException, Message

from pipeline import topics
from pipeline.errors import AntispamError
from pipeline.events import DeadLetter
from pipeline.settings import Settings
from pipeline.stream.clients import TIMEOUT, reader, writer
from pipeline.stream.replay import replay

_decode = msgspec.json.Decoder(DeadLetter).decode


def dead_letters(settings: Settings) -> dict[str, DeadLetter]:
    """The letters not yet sent round again, by their id `topic/partition/offset`, oldest first."""
    letters: dict[str, DeadLetter] = {}

    def take(message: Message) -> None:
        name = (message.key() or b"").decode()
        if message.value() is None:
            letters.pop(name, None)
        else:
            letters[name] = _decode(message.value() or b"")

    consumer = reader(settings, "dead-letters-list")
    try:
        replay(consumer, [(topics.DEAD_LETTERS.name, p) for p in range(settings.partitions)], take, deadline=120)
    finally:
        consumer.close()
    return dict(sorted(letters.items(), key=lambda item: item[1].at))


def retry(settings: Settings, names: Iterable[str] | None) -> int:
    """Send letters back to where they came from, with their key; returns how many.

    `names` None means all. The letter is struck off in the same transaction, so a crash neither
    loses nor repeats it. Raises AntispamError for an unknown name; nothing is sent then.
    """
    letters = dead_letters(settings)
    chosen = list(letters) if names is None else list(names)
    unknown = [name for name in chosen if name not in letters]
    if unknown:
        raise AntispamError(f"no dead letter {unknown[0]!r} (antispam dead-letters list)")
    if not chosen:
        return 0
    producer = writer(settings, "antispam-dead-letters")
    try:
        producer.init_transactions(TIMEOUT)
        producer.begin_transaction()
        for name in chosen:
            letter = letters[name]
            producer.produce(
                letter.topic, letter.value, letter.key, letter.partition,
                headers=[("attempts", str(letter.attempts).encode())],
            )  # fmt: skip
            producer.produce(topics.DEAD_LETTERS.name, None, name, letter.partition)
        producer.commit_transaction(TIMEOUT)
    except KafkaException as error:
        raise AntispamError(f"nothing sent: {error.args[0].str()}") from None
    return len(chosen)
