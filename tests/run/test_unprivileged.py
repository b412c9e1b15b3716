"""Every service of docker-compose.yml as it runs in its container: nobody special, and only the data folder writable.

No container engine is needed: the commands and settings come from the compose file, the working directory and
HOME are read-only, and root lends the processes the right to read everything but to write nothing that is not theirs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from pipeline.decision.configuration import directory_entries
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.child import Child, free_port
from pipeline.sample.config import write_config
from tests.harness.places import ROOT
from tests.harness.processes.workers import publish, settings_for

COMPOSE = ROOT / "docker-compose.yml"
SPARE = 64_123  # a uid without an account
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/var/cache")  # where everybody may write
SECRET = "only-of-this-test"
CHANNELS = 'default: {{host: 127.0.0.1, port: {port}, account: "900001", links: 1, rate: 100}}\n'
pytestmark = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root without setpriv (util-linux) to give root up"
)


def unprivileged() -> list[str]:
    """What a command begins with to run without root's rights; root may lie in a folder of its own, so it may read."""
    if os.geteuid() != 0:
        return []
    rights = [f"--{kind}=-all,+dac_read_search" for kind in ("bounding-set", "inh-caps", "ambient-caps")]
    user = [f"--reuid={SPARE}", f"--regid={SPARE}", "--clear-groups", "--no-new-privs", "--pdeathsig=KILL"]
    return [str(shutil.which("setpriv")), *user, *rights]


class Container:
    """Where the services run: read-only places, a data folder of their own, and their environment."""

    def __init__(self, folder: Path, bootstrap: str) -> None:
        self.data, self.app, self.home = folder / "data", folder / "app", folder / "home"
        for path in (self.data, self.app, self.home):
            path.mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "ANTISPAM_KAFKA": bootstrap,
            "ANTISPAM_DATA_DIR": str(self.data),
            "ANTISPAM_PARTITIONS": "2",
            "ANTISPAM_SESSION_TIMEOUT": "6",
        }
        self.logs = folder / "logs"

    def close_up(self) -> None:
        """Give the data folder away and make the other two read-only."""
        for path in (self.app, self.home):
            path.chmod(0o555)
        if os.geteuid() == 0:
            for path in (self.data, *self.data.rglob("*")):
                os.chown(path, SPARE, SPARE)

    def start(self, name: str, *command: str, **own: str) -> Child:
        """A command of ours, without rights."""
        log = self.logs / f"{name}.log"
        return Child(name, self._words(command), log, env=self.environment | own, on_parent_death=signal.SIGKILL)

    def run(self, *command: str, **own: str) -> str:
        """A command to its end; what it printed."""
        done = subprocess.run(
            self._words(command), env=self.environment | own, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _words(self, command: Sequence[str]) -> list[str]:
        return [
            *unprivileged(),
            str(shutil.which("env")),
            f"--chdir={self.app}",
            sys.executable,
            "-m",
            "pipeline.cli",
            *command,
        ]


@pytest.fixture
def container(tmp_path: Path, fresh_embedded: EmbeddedBroker) -> Iterator[Container]:
    made = Container(tmp_path, fresh_embedded.bootstrap)
    yield made
    for path in (made.app, made.home):
        path.chmod(0o755)


def services() -> dict[str, dict[str, Any]]:
    """The services that run our program, but for `topics`, which ends; and `files`, which compose leaves to you."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    ours = {name: service for name, service in loaded.items() if service.get("command", [""])[0] == "antispam"}
    files = {"command": ["antispam", "serve", "files"], "environment": {"ANTISPAM_WORKER_ID": "files-0"}}
    return {name: service for name, service in ours.items() if name != "topics"} | {"files": files}


def left_behind() -> list[str]:
    """What the spare user owns where everybody may write; without root it cannot be told apart from the tester's."""
    found = []
    for place in SHARED:
        for folder, names, files in os.walk(place, onerror=None):
            names[:] = [name for name in names if not name.startswith("pytest-of-")]
            for name in (*names, *files):
                path = Path(folder, name)
                try:
                    if path.lstat().st_uid == SPARE:
                        found.append(str(path))
                except FileNotFoundError:
                    continue
    return found


@pytest.mark.slow
def test_every_service_starts_and_writes_nothing_outside_the_data_folder(container: Container, tmp_path: Path) -> None:
    settings = settings_for(container.environment["ANTISPAM_KAFKA"], tmp_path, partitions=2)
    container.close_up()
    assert "created" in container.run("topics")
    write_config(tmp_path / "config", 1_760_000_000_000, (), ())
    publish(settings, directory_entries(tmp_path / "config"), 1)
    container.close_up()
    carrier = free_port()
    channels = tmp_path / "channels.yaml"
    channels.write_text(CHANNELS.format(port=carrier))
    simulate = ("simulate", "carrier", "--port", str(carrier))
    running = {"carrier": container.start("carrier", *simulate, ANTISPAM_SIMULATOR_SECRET=SECRET)}
    waiting: dict[str, str] = {}
    try:
        for name, service in services().items():
            page, console, api = free_port(), free_port(), free_port()
            own = {
                "ANTISPAM_WORKER_ID": service["environment"]["ANTISPAM_WORKER_ID"],
                "ANTISPAM_WEB_PORT": str(page),
                "ANTISPAM_SERVE_PORT": str(page),
                "ANTISPAM_API_PORT": str(api),
                "ANTISPAM_CONSOLE_PORT": str(console),
                "ANTISPAM_CHANNELS_FILE": str(channels),
                "ANTISPAM_CHANNEL_DEFAULT_SECRET": SECRET,
                "ANTISPAM_RECORD_SOURCES": f'[{{"name": "smsc1", "url": "file://{container.data}/*.csv"}}]',
            }
            running[name] = container.start(name, *service["command"][1:], **own)
            waiting[name] = (
                f"http://127.0.0.1:{console}/health" if name == "console" else f"http://127.0.0.1:{page}/ready"
            )
        all_ready(waiting, running)
    finally:
        for child in running.values():
            child.stop(20)
    assert list(container.app.iterdir()) == []
    assert list(container.home.iterdir()) == []
    assert left_behind() == []


def all_ready(waiting: dict[str, str], running: dict[str, Child], deadline: float = 150) -> None:
    """Return once every page says yes; fails with the log of what has ended, or of all that are not ready."""
    end = monotonic() + deadline
    while waiting:
        for name, address in list(waiting.items()):
            try:
                with urlopen(address, timeout=2) as answer:
                    if answer.status == 200:
                        del waiting[name]
            except (URLError, OSError):
                continue
        for name, child in running.items():
            assert child.returncode is None, f"{name} ended{child.tail()}"
        late = "".join(running[name].tail() for name in waiting)
        assert monotonic() < end, f"not ready: {', '.join(waiting)}{late}"
        sleep(0.1)
