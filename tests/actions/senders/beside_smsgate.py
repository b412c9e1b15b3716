"""CPU a part of our sender and of SMSGate's own client, by turns at one carrier. Not part of the suite.

`python -m tests.actions.senders.beside_smsgate [messages] [rounds]`. The carrier is SMSGate too, in a process of its
own, and reports on each part. A part counts when its report is acknowledged. Ours is the whole role: it reads the
broker, stores each part before its SUBMIT, its answer and its report. SMSGate's client stores nothing. The first fifth
of each turn warms up and is not counted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep, time

import psutil

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.bench.stream import running
from pipeline.events import Outbound, Priority, Submission, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import writer
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from pipeline.store.migrate import open_database
from tests.actions.senders.test_carriers_of_others import PEERS, peer
from tests.harness.case_events import add_port
from tests.harness.sender_harness import ACCOUNT, PORT, SECRET, numbers
from tests.harness.servers.smsgate_gateway import smsgate_jars

LINKS, WINDOW = 4, 16  # SMSGate's client has this window (Port.java)
TEXT = "【测试】您好"
CHANNEL = (
    "default: {{host: 127.0.0.1, port: {port}, account: '{account}', links: {links}, window: {window}, rate: 9999}}"
)


class Acknowledged:
    """How many reports the carrier says were acknowledged."""

    def __init__(self, output: Path) -> None:
        self._output, self._at, self.count = output, 0, 0

    def until(self, wanted: int, quiet: float = 60.0) -> float:
        """Wait for this number; the time of it. Fails after `quiet` seconds without any."""
        last = monotonic()
        while self.count < wanted:
            sleep(0.01)
            with self._output.open("rb") as lines:
                lines.seek(self._at)
                said = lines.read()
            whole = said[: said.rfind(b"\n") + 1]
            self._at += len(whole)
            if found := whole.count(b"acknowledged "):
                self.count, last = self.count + found, monotonic()
            assert monotonic() - last < quiet, f"{self.count} of {wanted} acknowledged"
        return monotonic()


def measured(process: psutil.Process, acknowledged: Acknowledged, count: int) -> tuple[float, float]:
    """CPU µs a part, and parts/s, of the last four fifths of these parts."""
    begun = acknowledged.count
    started = acknowledged.until(begun + count // 5)
    first, before = acknowledged.count, process.cpu_times()
    seconds = acknowledged.until(begun + count) - started
    after, parts = process.cpu_times(), acknowledged.count - first
    cpu = after.user + after.system - before.user - before.system
    return cpu * 1e6 / parts, parts / seconds


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


@contextmanager
def smsgate_client(port: int, count: int, folder: Path) -> Iterator[psutil.Process]:
    """SMSGate's client, which submits that many messages."""
    lines = folder / "lines"
    lines.write_text("".join(f"{PORT} {number} {TEXT}\n" for number in numbers(count)))
    command = ["java", "-Xmx512m", "-cp", f"{smsgate_jars()}/*", str(PEERS / "smsgate" / "Port.java"), "cmpp3"]
    with (
        lines.open("rb") as given,
        (folder / "client.log").open("ab") as log,
        subprocess.Popen(
            [*command, str(port), ACCOUNT, SECRET.decode(), str(LINKS), "0"],
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=folder,
            env=dict(os.environ),
        ) as process,
    ):
        yield psutil.Process(process.pid)
        process.kill()


def main(count: int, rounds: int) -> None:
    """Print CPU µs a part and parts/s of each turn, and the ratio of the medians."""
    cost: dict[str, list[float]] = {"ours": [], "SMSGate": []}
    with TemporaryDirectory(prefix="antispam-cost-") as name:
        folder = Path(name)
        with peer("cmpp3", folder) as carrier, deployment(folder, carrier.port) as (settings, own):
            acknowledged = Acknowledged(carrier.output)
            while not carrier.output.read_bytes():
                sleep(0.1)
            for turn in range(rounds):
                release(settings, count, turn)
                for who in cost:
                    with (
                        running(settings, "serve", "sender", **own)
                        if who == "ours"
                        else smsgate_client(carrier.port, count, folder)
                    ) as process:
                        cpu, rate = measured(process, acknowledged, count)
                    cost[who].append(cpu)
                    print(f"{who}: {cpu:.0f} µs a part, {rate:.0f} parts/s, load {os.getloadavg()[0]:.1f}", flush=True)
    ours, theirs = median(cost["ours"]), median(cost["SMSGate"])
    print(f"{count} messages, {rounds} rounds: ours {ours:.0f} µs, SMSGate {theirs:.0f} µs, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main(*(int(word) for word in [*sys.argv[1:], *("20000", "3")[len(sys.argv) - 1 :]]))
