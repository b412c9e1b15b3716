"""`antispam bench senders`: the senders alone, and the whole way from an enterprise's API call to the carrier.

* throughput: one sender agent drains a backlog of released messages over several links to a simulated carrier without
  limits;
* journey: submissions are posted to the HTTP API at a steady rate, a few in each request. Measured from the 202 at the
  client: to the decision as a committed record, and to the SUBMIT at the carrier.

The load runs on the same machine, so the figures are a lower limit, and are compared as ratios.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic, time
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import httpx
import msgspec
from psutil import STATUS_ZOMBIE, Process

from pipeline import topics
from pipeline.actions.proof import proved
from pipeline.bench.stream import Decisions, publish_demo, running
from pipeline.errors import AntispamError
from pipeline.events import Outbound, Priority, Submission, encode
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import writer
from pipeline.rules.ports import Ports
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.child import free_port
from pipeline.settings import Settings
from pipeline.simulators.carrier import ReceivedSubmit
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from pipeline.store.migrate import open_database

LINKS = 4
RATE = 1000  # messages/s of the journey
SECONDS = 20
TOGETHER = 10  # submissions in one request
OURS = "199"  # prefix of the journey's recipients: other messages on the topics are not counted
WARM = range(90_000_000, 90_000_001)
QUIET = 60.0  # seconds without progress until a part fails
_CHANNEL = "default: {{host: 127.0.0.1, port: {port}, account: '900001', links: {links}, window: 32, rate: 5000}}\n"
_seen = msgspec.json.Decoder(ReceivedSubmit).decode


def run(settings: Settings, count: int) -> dict[str, Any]:
    """Both parts, as json: parts/s, latencies in ms. Raises AntispamError if messages are missing."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="antispam-bench-")))
        settings = settings.model_copy(update={"data_dir": folder, "database_url": None, "api_port": free_port()})
        if not settings.kafka:
            broker = stack.enter_context(EmbeddedBroker(folder))
            settings = settings.model_copy(update={"kafka": broker.bootstrap, "session_timeout": 6.0})
        ensure_topics(settings.kafka or "", settings)
        port = _trusted(publish_demo(settings, folder))
        carrier, secret = free_port(), token_hex(8)
        channels = folder / "channels.yaml"
        channels.write_text(_CHANNEL.format(port=carrier, links=LINKS))
        journal = Journal(folder / "journal.jsonl")
        stack.enter_context(
            running(
                settings,
                "simulate",
                "carrier",
                "--port",
                str(carrier),
                "--journal",
                str(journal.path),
                ANTISPAM_SIMULATOR_SECRET=secret,
            )
        )
        own = {"ANTISPAM_CHANNELS_FILE": str(channels), "ANTISPAM_CHANNEL_DEFAULT_SECRET": secret}
        return {
            "broker": "kafka" if os.environ.get("ANTISPAM_KAFKA") else "embedded",
            "sender": _throughput(settings, port, count, journal, own),
            "journey_ms_at_1000_messages_per_s": _journey(settings, port, journal, own),
        }


def _trusted(registry: Ports) -> str:
    """A port without bulk review and with limits above the load."""
    codes = [code for code, port in registry.by_code.items() if port.tier == "trusted" and port.state == "open"]
    return max(codes, key=lambda code: registry.by_code[code].entry.volume_5m or 10**9)


def _throughput(settings: Settings, port: str, count: int, journal: Journal, own: dict[str, str]) -> dict[str, Any]:
    producer, now = writer(settings), int(time() * 1000)
    for n in range(count):
        recipient = f"138{n:08d}"
        submission = Submission(id=f"load-{n}", port=port, recipients=(recipient,), content="负载", accepted_at=now)
        released = Outbound(submission=submission, recipients=(recipient,), round=0, decided_at=now)
        topic = topics.outbound("default", Priority.EXPRESS).name
        released = proved(settings.release_secret, topic, port, released)
        producer.produce(topic, encode(released), port, n % settings.partitions)
        producer.poll(0)
    producer.flush(60)
    with running(settings, "serve", "sender", **own) as process:
        _started(journal, 1, process)
        started, first = monotonic(), journal.count
        times = process.cpu_times()
        journal.until(count)
        seconds, after = monotonic() - started, process.cpu_times()
    cpu = after.user + after.system - times.user - times.system
    return {
        "parts": count,
        "links": LINKS,
        "parts_per_s": round((count - first) / seconds),
        "sender_cpu_us": round(cpu * 1e6 / (count - first)),
    }


def _journey(settings: Settings, port: str, journal: Journal, own: dict[str, str]) -> dict[str, Any]:
    db = open_database(settings)
    key = api_keys.create(db, User("bench", Role.ADMINISTRATOR), port, "", int(time() * 1000))
    db.close()
    address = f"http://127.0.0.1:{settings.api_port}"
    api = {"ANTISPAM_API_PORT": str(settings.api_port)}
    with (
        Decisions(settings) as decisions,
        running(settings, "worker", "--stream", "submissions") as worker,
        running(settings, "serve", "sender", **own) as sender,
        running(settings, "serve", "projector"),
        running(settings, "serve", "api", **api) as server,
    ):
        _ready(f"{address}/ready", server)
        answered: dict[str, float] = {}
        failed: list[str] = []
        ended = Event()
        watch = Thread(target=_watch, args=(decisions, ended))
        watch.start()
        try:
            asyncio.run(_post(address, key, port, WARM, {}, failed))  # warm up: partitions assigned, links open
            if failed:
                raise AntispamError(f"the API did not take the first {len(failed)} submissions")
            _started(journal, TOGETHER, worker, sender, prefix=OURS)
            asyncio.run(_post(address, key, port, range(0, RATE * SECONDS, TOGETHER), answered, failed))
            journal.until(TOGETHER + len(answered), OURS)
            deadline = monotonic() + QUIET
            while not answered.keys() <= decisions.seen.keys():
                if monotonic() > deadline:
                    raise AntispamError(f"{len(answered.keys() - decisions.seen.keys())} decisions are missing")
                Event().wait(0.1)
        finally:
            ended.set()
            watch.join()
    wall = time() - monotonic()  # the journal uses the wall clock
    submitted = {f"journey-{int(s.recipient[3:])}": s.at - wall for s in journal.found if s.recipient.startswith(OURS)}
    return {
        "submissions": len(answered),
        "not_202": len(failed),
        "202_to_decision": _quantiles([(decisions.seen[name] - at) * 1000 for name, at in answered.items()]),
        "202_to_submit": _quantiles([(submitted[name] - at) * 1000 for name, at in answered.items()]),
    }


async def _post(
    address: str, key: str, port: str, firsts: range, answered: dict[str, float], failed: list[str]
) -> None:
    """Requests of TOGETHER submissions, each beginning at one of `firsts`, at RATE submissions a second."""
    limits = httpx.Limits(max_connections=16)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=address, headers=headers, limits=limits, timeout=30) as client:

        async def one(first: int) -> None:
            names = [f"journey-{n}" for n in range(first, first + TOGETHER)]
            body = msgspec.json.encode([_submission(port, n) for n in range(first, first + TOGETHER)])
            answer = await client.post("/v1/submissions", content=body)
            if answer.status_code == 202:
                answered.update(dict.fromkeys(names, monotonic()))
            else:
                failed.extend(names)

        began = monotonic()
        tasks = []
        for n, first in enumerate(firsts):
            await asyncio.sleep(max(0.0, began + n * TOGETHER / RATE - monotonic()))
            tasks.append(asyncio.create_task(one(first)))
        await asyncio.gather(*tasks)


def _submission(port: str, n: int) -> dict[str, Any]:
    return {
        "id": f"journey-{n}",
        "port": port,
        "recipients": [f"{OURS}{n:08d}"],
        "content": f"【负载】第{n}条",
        "priority": "express",
    }


def _watch(decisions: Decisions, ended: Event) -> None:
    while not ended.is_set():
        decisions.poll(0.005)


def _started(journal: Journal, wanted: int, *processes: Process, prefix: str = "") -> None:
    """Wait for the first SUBMITs while these processes live: a start takes as long as it takes on a busy machine."""
    while journal.of(prefix) < wanted:
        _alive(*processes)
        Event().wait(0.02)
        journal.poll()


def _alive(*processes: Process) -> None:
    for process in processes:
        if not process.is_running() or process.status() == STATUS_ZOMBIE:
            raise AntispamError("a process has ended before its first message")


def _ready(address: str, process: Process) -> None:
    while True:
        _alive(process)
        with suppress(URLError, OSError), urlopen(address, timeout=2) as answer:  # noqa: S310 - our own API
            if answer.status == 200:
                return
        Event().wait(0.2)


def _quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {f"p{q}": round(ordered[min(len(ordered) - 1, len(ordered) * q // 100)], 1) for q in (50, 95, 99)}


class Journal:
    """The simulated carrier's journal, read while it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[ReceivedSubmit] = []
        self._at = 0

    @property
    def count(self) -> int:
        """The number of SUBMITs seen so far."""
        return len(self.found)

    def of(self, prefix: str) -> int:
        """The number of SUBMITs seen so far to numbers of this prefix."""
        return sum(s.recipient.startswith(prefix) for s in self.found)

    def poll(self) -> None:
        """Read the complete new lines."""
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            lines.seek(self._at)
            chunk = lines.read()
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self._at += len(whole)
        self.found += [_seen(line) for line in whole.splitlines()]

    def until(self, wanted: int, prefix: str = "") -> None:
        """Wait for `wanted` SUBMITs to numbers of this prefix. Raises AntispamError after QUIET seconds without any."""
        last, seen = monotonic(), self.count
        while (found := self.of(prefix)) < wanted:
            self.poll()
            if self.count > seen:
                last, seen = monotonic(), self.count
            if monotonic() - last > QUIET:
                raise AntispamError(f"{wanted - found} SUBMITs are missing")
            Event().wait(0.02)
