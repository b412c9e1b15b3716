"""CPU a part of our sender and of SMSGate's own client, by turns at one carrier. Not part of the suite.

`python -m tests.actions.senders.beside_smsgate [messages] [rounds]`. The carrier is SMSGate too, in a process of its
own, and reports on each part. A part counts when its report is acknowledged. Ours is the whole role: it reads the
broker, stores each part before its SUBMIT, its answer and its report. SMSGate's client stores nothing. The first fifth
of each turn warms up and is not counted.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep, time

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.bench.stream import running
from pipeline.events import Outbound, Priority, Submission, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import writer
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.store.migrate import open_database
from tests.actions.senders.test_carriers_of_others import peer
from tests.harness.case_events import add_port
from tests.harness.peers.smsgate_cost import LINKS, TEXT, WINDOW, Said, compare, measured, smsgate_client, tell
from tests.harness.sender_harness import ACCOUNT, PORT, SECRET, numbers

CHANNEL = (
    "default: {{host: 127.0.0.1, port: {port}, account: '{account}', links: {links}, window: {window}, rate: 9999}}"
)


@contextmanager
def deployment(folder: Path, port: int) -> Iterator[tuple[Settings, dict[str, str]]]:
    """Settings of a sender to this port, and what its environment adds."""
    with EmbeddedBroker(folder) as broker:
        settings = Settings(kafka=broker.bootstrap, data_dir=folder / "data", session_timeout=6.0)
        ensure_topics(broker.bootstrap, settings)
        db = open_database(settings)
        with db.write() as connection:
            add_port(connection, PORT)
        db.close()
        channels = folder / "channels.yaml"
        channels.write_text(CHANNEL.format(port=port, account=ACCOUNT, links=LINKS, window=WINDOW))
        yield (
            settings,
            {"ANTISPAM_CHANNELS_FILE": str(channels), "ANTISPAM_CHANNEL_DEFAULT_SECRET": SECRET.decode()},
        )


def release(settings: Settings, count: int, turn: int) -> None:
    """That many released messages on the topic of express messages."""
    producer, now = writer(settings), int(time() * 1000)
    topic = topics.outbound("default", Priority.EXPRESS).name
    for n, recipient in enumerate(numbers(count)):
        submission = Submission(
            id=f"load-{turn}-{n}", port=PORT, recipients=(recipient,), content=TEXT, accepted_at=now
        )
        released = Outbound(submission=submission, recipients=(recipient,), round=0, decided_at=now)
        producer.produce(
            topic, encode(proved(settings.release_secret, topic, PORT, released)), PORT, n % settings.partitions
        )
        producer.poll(0)
    assert producer.flush(60) == 0


def main(count: int, rounds: int) -> None:
    """Print CPU µs a part and parts/s of each turn, and the ratios of the medians."""
    turns: dict[str, list[tuple[float, float]]] = {"ours": [], "SMSGate": []}
    with TemporaryDirectory(prefix="antispam-cost-") as name:
        folder = Path(name)
        with peer("cmpp3", folder) as carrier, deployment(folder, carrier.port) as (settings, own):
            acknowledged = Said(carrier.output, "acknowledged")
            while not carrier.output.read_bytes():
                sleep(0.1)
            for turn in range(rounds):
                release(settings, count, turn)
                with running(settings, "serve", "sender", **own) as process:
                    turns["ours"].append(measured(process, acknowledged, count))
                with smsgate_client(carrier.port, count, folder) as client:
                    turns["SMSGate"].append(measured(client.process, acknowledged, count))
                tell(turns)
    compare(turns, count)


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *("20000", "3")[len(sys.argv) - 1 :]]))
