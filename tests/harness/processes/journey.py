"""The processes from an enterprise's request to the carrier, which a test kills, and the enterprise's client."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from time import monotonic, sleep, time

import httpx
import msgspec

from pipeline.decision.configuration import default_policy, directory_entries
from pipeline.kafka.admin import ensure_topics
from pipeline.run.child import Child, free_port
from pipeline.settings import Settings
from pipeline.simulators.carrier import Simulator
from pipeline.store.accounts import api_keys
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from tests.harness.processes.workers import publish, settings_for, start

TOGETHER = 25  # messages in a request
LINKS, WINDOW = 2, 16
PLAIN = "10690009"  # a port with messages that are released at once
JUDGED = [f"1069000{n}" for n in range(4)]  # of each content, 50 messages are held 1 s, the others reviewed
TEXTS = ("小区周四上午停水请提前储水。", "图书馆闭馆时间调整为晚上九点。", "运动会报名表已发到各班班长处。")
COMMANDS = {
    "relay": ("serve", "relay"),
    "projector": ("serve", "projector"),
    "timers": ("serve", "timers"),
    "releaser": ("serve", "releaser"),
    "api": ("serve", "api"),
    "sender": ("serve", "sender"),
    "worker": ("worker", "--stream", "submissions"),
}


class Process:
    """One process of the pipeline with its own page. A test kills it and starts it again."""

    def __init__(self, settings: Settings, name: str, own: dict[str, str]) -> None:
        self.name, self.kills = name, 0
        self.ends: list[int] = []  # exit codes of ends without a kill
        self._settings = settings
        self._port = free_port()
        self._own = own | {"ANTISPAM_SERVE_PORT": str(self._port)}
        if name == "worker":
            self._own |= {"ANTISPAM_WEB_PORT": str(self._port)}
        self.child = self._start()

    def _start(self) -> Child:
        return start(self._settings, self.name, *COMMANDS[self.name], **self._own)

    def ready(self) -> bool:
        """True if its page answers 200 for `/ready`."""
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def until_ready(self) -> None:
        deadline = monotonic() + 120
        while not self.ready():
            self.alive()
            assert monotonic() < deadline, self.child.tail()
            sleep(0.1)

    def kill(self) -> None:
        """Kill the process and start it again."""
        self.child.kill()
        self.kills += 1
        self.child = self._start()

    def revive(self) -> None:
        """Start the process again if it has ended by itself, as a supervisor does."""
        if self.child.returncode is not None:
            self.ends.append(self.child.returncode)
            self.child = self._start()

    def alive(self) -> None:
        """Fail if the process has ended without a kill."""
        assert self.child.returncode is None, f"{self.name} ended{self.child.tail()}"


class Client:
    """An enterprise's client: it sends `rate` messages per second until `stop`, and repeats each until it is accepted.

    One of `judged` requests uses a port with held and reviewed bulk messages; 0 for none.
    """

    def __init__(self, settings: Settings, keys: dict[str, str], rate: int, judged: int = 0) -> None:
        self._rate, self._judged = rate, judged
        self.accepted: dict[str, str] = {}  # id -> recipient
        self.again = 0  # repeated requests
        self._address = f"http://127.0.0.1:{settings.api_port}/v1/submissions"
        self._keys = keys
        self._ended = threading.Event()
        self._failed: list[BaseException] = []
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop new messages and return when all messages are accepted. Raises AssertionError after a failure."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(120)
            assert not self._thread.is_alive(), "not everything was accepted"
        assert not self._failed, self._failed

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except BaseException as error:  # noqa: BLE001 - `stop` reports it
            self._failed.append(error)

    async def _send(self) -> None:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(limits=limits, timeout=20) as http, asyncio.TaskGroup() as group:
            begun, number = monotonic(), 0
            while not self._ended.is_set():
                await asyncio.sleep(max(0.0, begun + number * TOGETHER / self._rate - monotonic()))
                group.create_task(self._until_accepted(http, number))
                number += 1

    async def _until_accepted(self, http: httpx.AsyncClient, number: int) -> None:
        judged = self._judged and number % self._judged == 0
        port = JUDGED[number // self._judged % len(JUDGED)] if judged else PLAIN
        items = [
            {
                "id": f"{number}-{n}",
                "port": port,
                "recipients": [f"138{number * TOGETHER + n:08d}"],
                "content": f"您的包裹{number}{n}已放入快递柜请及时取走" if port == PLAIN else TEXTS[n % len(TEXTS)],
            }
            for n in range(TOGETHER)
        ]
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
    """Settings, a key for each port, and further environment variables of the processes."""
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
        "ANTISPAM_CHANNELS_FILE": str(channels),
        "ANTISPAM_CHANNEL_DEFAULT_SECRET": "secret",
        "ANTISPAM_API_PORT": str(settings.api_port),
    }
    return settings, keys, own


def now() -> int:
    return int(time() * 1000)
