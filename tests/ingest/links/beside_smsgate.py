"""CPU a part of our links and of SMSGate's own server, by turns with SMSGate's client. Not part of the suite.

`python -m tests.ingest.links.beside_smsgate [messages] [rounds]`. A part counts when the client has its report. Ours is
the whole role in a process of its own: it answers when the broker has acknowledged the submission, and leases each
report from the database. A thread of the bench writes the reports there, as the projector does. SMSGate's server
stores nothing and reports at once. The first fifth of each turn warms up and is not counted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep, time

import httpx
import msgspec
import psutil
from confluent_kafka import KafkaError
from sqlalchemy import insert

from pipeline import topics
from pipeline.actions.status.link_deliveries import Report, row_of
from pipeline.bench.stream import running
from pipeline.events import Submission
from pipeline.kafka.clients import reader
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.migrate import open_database
from tests.actions.senders.test_carriers_of_others import peer
from tests.harness.peers.smsgate_cost import Said, compare, measured, smsgate_client, tell
from tests.harness.processes.links import ACCOUNT, SECRET, link_deployment

decode = msgspec.json.Decoder(Submission).decode


@contextmanager
def reporting(settings: Settings) -> Iterator[None]:
    """Each submission on its topic is delivered at once: its report waits for a link."""
    ended = threading.Event()
    db = open_database(settings)
    consumer = reader(settings, "bench-reports")
    consumer.subscribe([topics.SUBMISSIONS_EXPRESS.name, topics.SUBMISSIONS_BULK.name])

    def run() -> None:
        while not ended.is_set():
            rows = []
            for message in consumer.consume(500, 0.1):
                if (error := message.error()) is not None:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    continue
                submission, now = decode(message.value() or b""), int(time() * 1000)
                assert submission.origin is not None
                for ident in submission.origin.ids:
                    report = Report(
                        id=ident,
                        n=0,
                        sender=submission.port,
                        recipient=submission.recipients[0],
                        status="DELIVRD",
                        submitted="2611301200",
                        done="2611301200",
                    )
                    rows.append(row_of(report, now, account=ACCOUNT, protocol=submission.origin.protocol))
            if rows:
                with db.write() as connection:
                    connection.execute(insert(schema.link_deliveries), rows)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(30)
        consumer.close()
        db.close()


def answers_200(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.TransportError:
        return False


@contextmanager
def links(folder: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The role in a process of its own, and its port of CMPP."""
    with EmbeddedBroker(folder) as broker:
        settings = link_deployment(broker.bootstrap, folder)
        own = {
            "ANTISPAM_PARTITIONS": str(settings.partitions),
            "ANTISPAM_SERVE_PORT": str(settings.serve_port),
            "ANTISPAM_CMPP_PORT": str(settings.cmpp_port),
            "ANTISPAM_LINK_ACCOUNTS": str(settings.link_accounts),
            "ANTISPAM_API_LAG_LIMIT": "100000000",  # nothing decides here
            f"ANTISPAM_LINK_{ACCOUNT}_SECRET": SECRET,
        }
        with reporting(settings), running(settings, "serve", "links", **own) as process:
            ready, deadline = f"http://127.0.0.1:{settings.serve_port}/ready", monotonic() + 60
            while not answers_200(ready):
                assert monotonic() < deadline, "the links are not ready"
                sleep(0.1)
            assert settings.cmpp_port is not None
            yield process, settings.cmpp_port


def main(count: int, rounds: int) -> None:
    """Print CPU µs a part and parts/s of each turn, and the ratios of the medians."""
    turns: dict[str, list[tuple[float, float]]] = {"ours": [], "SMSGate": []}
    with TemporaryDirectory(prefix="antispam-cost-") as name:
        folder = Path(name)
        with peer("cmpp3", folder) as carrier, links(folder) as ours:
            while not carrier.output.read_bytes():
                sleep(0.1)
            for _ in range(rounds):
                for who, (process, port) in (("ours", ours), ("SMSGate", (psutil.Process(carrier.pid), carrier.port))):
                    with smsgate_client(port, count, folder) as client:
                        turns[who].append(measured(process, Said(client.output, "report"), count))
                tell(turns)
    compare(turns, count)


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *("20000", "3")[len(sys.argv) - 1 :]]))
