"""The whole way, from an enterprise's request to the carrier, while every process on it is killed again and again.

500 messages a second come in through the HTTP API, by a client that sends again what was not answered with 202, as
docs/api.md asks. Most are released at once, some are held for a second first, some wait for a reviewer. Meanwhile each
process is ended with SIGKILL at least three times, and started again, as a supervisor does. In the end every message
that was accepted has come to one end, each that was released is at the carrier, and what the carrier had twice is at
most one window for each kill of the sender.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from random import Random
from time import monotonic, sleep, time
from typing import Any

import httpx
import msgspec
import pytest
from carrier_harness import simulated
from case_events import LIN
from fault_harness import decisions, publish, settings_for, start
from sqlalchemy import func, select

from pipeline import topics
from pipeline.actions import review
from pipeline.actions.senders.simulator import Conduct, Simulator
from pipeline.configuration import default_policy, directory_entries
from pipeline.settings import Settings
from pipeline.store import api_keys, schema
from pipeline.store.database import Database
from pipeline.store.roles import Role, User
from pipeline.stream.admin import ensure_topics
from pipeline.stream.child import Child, free_port
from pipeline.stream.clients import reader
from pipeline.stream.kafka_node import KafkaNode
from pipeline.stream.replay import replay

RATE, TOGETHER = 500, 25  # messages a second, in requests of so many
SECONDS, KILLS = 20.0, 3
LINKS, WINDOW = 2, 16
PLAIN = "10690009"  # released at once
JUDGED = [f"1069000{n}" for n in range(4)]  # the first 50 of a content are held for a second, the others reviewed
TEXTS = ("小区周四上午停水请提前储水。", "图书馆闭馆时间调整为晚上九点。", "运动会报名表已发到各班班长处。")
COMMANDS = {
    "relay": ("serve", "relay"), "projector": ("serve", "projector"), "timers": ("serve", "timers"),
    "releaser": ("serve", "releaser"), "api": ("serve", "api"), "sender": ("serve", "sender"),
    "worker": ("worker", "--stream", "submissions"),
}  # fmt: skip
DRAIN = 300.0  # seconds for what is under way when the load ends


@pytest.mark.slow
def test_nothing_is_lost_and_a_window_a_kill_is_the_most_that_is_repeated(
    fresh_kafka: KafkaNode, any_db: Database, tmp_path: Path
) -> None:
    # No reports: those would settle what a kill left in doubt, which so is sent again, the worst case.
    with simulated(Conduct(delay=0.02, reports=False)) as carrier:
        settings, keys, own = deployment(fresh_kafka.bootstrap, any_db, tmp_path, carrier)
        client = Client(settings, keys)
        processes = {name: Process(settings, name, own) for name in COMMANDS}
        rng = Random(11)
        try:
            for process in processes.values():
                process.until_ready()
            client.start()
            begun = next_kill = monotonic()
            while monotonic() - begun < SECONDS or min(p.kills for p in processes.values()) < KILLS:
                review_some(any_db)
                if monotonic() > next_kill:
                    ready = [p for p in processes.values() if p.kills < KILLS and p.ready()]
                    if ready:
                        min(ready, key=lambda p: (p.kills, rng.random())).kill()
                    next_kill = monotonic() + rng.uniform(0.2, 0.8)
                for process in processes.values():
                    process.alive()
                assert monotonic() - begun < DRAIN, {name: p.kills for name, p in processes.items()}
                sleep(0.05)
            seconds = monotonic() - begun
            client.stop()
            drained = monotonic()
            while not settled(settings, any_db, client, carrier):
                review_some(any_db)
                for process in processes.values():
                    process.alive()
                assert monotonic() - drained < DRAIN, unsettled(settings, any_db, client, carrier)
                sleep(1)
        finally:
            client.stop()
            for process in processes.values():
                process.child.stop(15)
        check(settings, any_db, client, carrier, {name: p.kills for name, p in processes.items()}, seconds)


class Process:
    """One of ours, on its own page, killed and started again."""

    def __init__(self, settings: Settings, name: str, own: dict[str, str]) -> None:
        self.name, self.kills = name, 0
        self._settings = settings
        self._port = free_port()
        self._own = own | {"ANTISPAM_SERVE_PORT": str(self._port)}
        if name == "worker":
            self._own |= {"ANTISPAM_WEB_PORT": str(self._port)}
        self.child = self._start()

    def _start(self) -> Child:
        return start(self._settings, self.name, *COMMANDS[self.name], **self._own)

    def ready(self) -> bool:
        """As its page says."""
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def until_ready(self) -> None:
        deadline = monotonic() + 60
        while not self.ready():
            self.alive()
            assert monotonic() < deadline, self.child.tail()
            sleep(0.1)

    def kill(self) -> None:
        """As a crash would."""
        self.child.kill()
        self.kills += 1
        self.child = self._start()

    def alive(self) -> None:
        """Nothing but our kills ends it."""
        assert self.child.returncode is None, f"{self.name} ended{self.child.tail()}"


class Client:
    """An enterprise's programs: RATE messages a second until `stop`, each again until it is accepted."""

    def __init__(self, settings: Settings, keys: dict[str, str]) -> None:
        self.accepted: dict[str, str] = {}  # id -> recipient
        self.again = 0  # requests sent again
        self._address = f"http://127.0.0.1:{settings.api_port}/v1/submissions"
        self._keys = keys
        self._ended = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No new messages; returns when all are accepted."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(120)
            assert not self._thread.is_alive(), "not everything was accepted"
        assert not self._failed, self._failed

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:  # noqa: BLE001 - told by `stop`
            self._failed.append(error)

    async def _send(self) -> None:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(limits=limits, timeout=20) as http, asyncio.TaskGroup() as group:
            begun, number = monotonic(), 0
            while not self._ended.is_set():
                await asyncio.sleep(max(0.0, begun + number * TOGETHER / RATE - monotonic()))
                group.create_task(self._until_accepted(http, number))
                number += 1

    async def _until_accepted(self, http: httpx.AsyncClient, number: int) -> None:
        port = JUDGED[number // 10 % len(JUDGED)] if number % 10 == 0 else PLAIN
        items = [
            {
                "id": f"{number}-{n}", "port": port, "recipients": [f"138{number * TOGETHER + n:08d}"],
                "content": f"您的包裹{number}{n}已放入快递柜请及时取走" if port == PLAIN else TEXTS[n % len(TEXTS)],
            }
            for n in range(TOGETHER)
        ]  # fmt: skip
        headers = {"Authorization": f"Bearer {self._keys[port]}"}
        while True:
            try:
                answer = await http.post(self._address, json=items, headers=headers)
                results = answer.json().get("results", ()) if answer.status_code in (200, 202) else ()
            except httpx.TransportError:
                results = ()
            for result in results:
                assert result["status"] in (200, 202, 429, 503), result
            taken = {result["id"] for result in results if result["status"] in (200, 202)}
            self.accepted |= {item["id"]: item["recipients"][0] for item in items if item["id"] in taken}  # type: ignore[misc]
            items = [item for item in items if item["id"] not in taken]
            if not items:
                return
            self.again += 1
            await asyncio.sleep(0.5)


def deployment(
    bootstrap: str, db: Database, folder: Path, carrier: Simulator
) -> tuple[Settings, dict[str, str], dict[str, str]]:
    """Settings, a key for each port, and what the processes need besides."""
    url = db.engine.url.render_as_string(hide_password=False)
    settings = settings_for(bootstrap, folder, partitions=2, database_url=url, api_port=free_port())
    ensure_topics(bootstrap, settings)
    config = folder / "config"
    config.mkdir()
    ports = [{"code": PLAIN, "tier": "trusted", "volume_5m": 10_000_000}]
    ports += [{"code": code, "tier": "high", "volume_5m": 10_000_000} for code in JUDGED]
    (config / "ports.jsonl").write_bytes(b"".join(msgspec.json.encode(port) + b"\n" for port in ports))
    policy = default_policy()
    assert policy.count("hold: 10s") == 1
    (config / "policy.yaml").write_text(policy.replace("hold: 10s", "hold: 1s"))
    publish(settings, directory_entries(config), now())
    user = User("test", Role.ADMINISTRATOR)
    keys = {code: api_keys.create(db, user, code, "", now()) for code in (PLAIN, *JUDGED)}
    channels = folder / "channels.yaml"
    channels.write_text(
        f"default: {{host: 127.0.0.1, port: {carrier.port}, account: '900001', links: {LINKS}, window: {WINDOW}, "
        "rate: 2000}"
    )
    own = {
        "ANTISPAM_CHANNELS_FILE": str(channels), "ANTISPAM_CHANNEL_DEFAULT_SECRET": "secret",
        "ANTISPAM_API_PORT": str(settings.api_port),
    }  # fmt: skip
    return settings, keys, own


def review_some(db: Database) -> None:
    """Decide what is there, most for release; effective at once."""
    for case in review.claim(db, LIN, now(), 3):
        verdict = "reject" if int(case.id, 16) % 3 == 0 else "release"
        review.decide(db, LIN, case.id, verdict, "", now() - review.UNDO_MS, case.last_member)


def ends(settings: Settings, db: Database) -> dict[str, str]:
    """What became of each submission that has come to its end: release or reject."""
    last: dict[str, tuple[int, str]] = {}
    for (name, number), answers in sorted(decisions(settings).items()):
        last[name] = (number, answers[0]["verdict"])
    cases, members = schema.cases, schema.case_members
    with db.read() as connection:
        carried_out = {
            (row.submission, row.round): row.verdict
            for row in connection.execute(
                select(members.c.submission, members.c.round, cases.c.verdict)
                .join(cases, members.c["case"] == cases.c.id)
                .where(cases.c.state == "effective", cases.c.released >= members.c.seq)
            )
        }
    found = {}
    for name, (number, verdict) in last.items():
        end = carried_out.get((name, number)) if verdict == "review" else verdict
        if end not in (None, "hold"):
            found[name] = str(end)
    return found


def settled(settings: Settings, db: Database, client: Client, carrier: Simulator) -> bool:
    """Cheap questions first: reading all decisions takes a while."""
    with db.read() as connection:
        if connection.scalar(select(func.count()).select_from(schema.holds)):
            return False
    return not unsettled(settings, db, client, carrier)


def unsettled(settings: Settings, db: Database, client: Client, carrier: Simulator) -> dict[str, int]:
    """How many submissions wait, and for what."""
    found = ends(settings, db)
    received = {seen.recipient for seen in carrier.seen}
    waiting = {
        "a decision": len(client.accepted.keys() - found.keys()),
        "the carrier": sum(client.accepted[name] not in received for name, end in found.items() if end == "release"),
    }
    return {what: count for what, count in waiting.items() if count}


def check(
    settings: Settings, db: Database, client: Client, carrier: Simulator, kills: dict[str, int], seconds: float
) -> None:
    """Everything the module promises, and the figures."""
    found = decisions(settings)
    assert [key for key, answers in found.items() if len(answers) > 1] == []
    assert {name for name, _ in found} == client.accepted.keys()
    ended = ends(settings, db)
    assert ended.keys() == client.accepted.keys()
    received = Counter(seen.recipient for seen in carrier.seen)
    released = {client.accepted[name] for name, end in ended.items() if end == "release"}
    assert set(received) == released
    repeats = received.total() - len(received)
    rounds = Counter(answers[0]["verdict"] for answers in found.values())
    print(
        f"{db.engine.dialect.name}: {len(client.accepted)} messages in {seconds:.0f} s, {client.again} requests sent "
        f"again; decisions {dict(rounds)}; {len(released)} released and at the carrier, 0 lost, {repeats} repeated; "
        f"kills {kills}"
    )
    assert min(kills.values()) >= KILLS
    assert rounds.keys() == {"release", "hold", "review"}
    assert set(ended.values()) == {"release", "reject"}
    assert repeats <= LINKS * WINDOW * kills["sender"]
    with db.read() as connection:
        decided = set(connection.scalars(select(schema.cases.c.id).where(schema.cases.c.state == "effective")))
    assert published(settings) == decided  # each verdict left through outbox and relay


def published(settings: Settings) -> set[str]:
    """Cases whose verdict is on the topic."""
    cases: set[str] = set()

    def take(message: Any) -> None:
        cases.add(msgspec.json.decode(message.value())["case"])

    consumer = reader(settings, "test-reviews")
    try:
        replay(consumer, [(topics.REVIEWS.name, p) for p in range(settings.partitions)], take)
    finally:
        consumer.close()
    return cases


def now() -> int:
    return int(time() * 1000)
