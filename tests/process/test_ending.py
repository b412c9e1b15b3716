"""A process that cannot do all of its work ends, and says why: no thread dies unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from pipeline.decision import configuration
from pipeline.events import ConfigChange
from pipeline.run.child import free_port
from pipeline.settings import Settings
from tests.harness.processes.api import deployment
from tests.harness.processes.workers import prepare, settings_for

pytestmark = pytest.mark.long

ROLE = """
import threading, time
from pipeline.decision import configuration
from pipeline.events import ConfigChange
from pipeline.process import ending
from pipeline.run import roles
from pipeline.settings import Settings

def planted(settings, stop):
    {body}

roles.ROLES["planted"] = "__main__:planted"
roles.STOP_TIMEOUT = 0.3
raise SystemExit(roles.run_roles(Settings(_env_file=None, serve_port=0), ["planted"]))
"""


def role(body: str) -> tuple[int, str]:
    """A process with one role of this body; its exit code and what it logged."""
    done = subprocess.run(
        [sys.executable, "-c", ROLE.format(body=body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


def patched(settings: Settings, patch: str, command: Sequence[str], **own: str) -> tuple[int, str]:
    """One of our commands with something of it replaced, to its end; its exit code and what it logged."""
    environment = {
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir),
        "ANTISPAM_PARTITIONS": str(settings.partitions),
        "ANTISPAM_SERVE_PORT": "0",
        "ANTISPAM_API_PORT": str(settings.api_port),
        "ANTISPAM_WEB_PORT": str(free_port()),
        **own,
    }
    script = f"{dedent(patch)}\nimport sys\nfrom pipeline.cli import main\nsys.argv = {['antispam', *command]}\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def test_a_thread_that_dies_ends_the_role_that_started_it_and_is_named() -> None:
    code, log = role('threading.Thread(target=lambda: 1 / 0, name="helper").start(); stop.wait()')
    assert code == 1, log
    assert "thread_died" in log
    assert "helper" in log
    assert "ZeroDivisionError" in log


@pytest.mark.parametrize("body", ["return", "raise SystemExit(0)", "raise RuntimeError('planted')"])
def test_a_role_that_ends_unasked_is_a_failure_however_it_ends(body: str) -> None:
    code, log = role(body)
    assert code == 1, log
    assert "role_failed" in log


def test_a_role_that_does_not_end_is_left_with_the_stack_of_every_thread() -> None:
    code, log = role("stop.set(); time.sleep(3600)")
    assert code == 75, log
    assert "roles_stuck" in log
    assert "in planted" in log
    assert "Current thread" in log


def test_an_agent_that_cannot_go_on_leaves_its_stack() -> None:
    script = "from pipeline.stream.app import guarded; import asyncio; asyncio.run(guarded(lambda _: 1 / 0, b''))"
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
    )
    assert done.returncode == 70
    assert "agent_crashed" in done.stdout
    assert "in guarded" in done.stdout


FOLLOWER_DIES = """
    from pipeline.kafka.config_topic import ConfigFollower
    honest, polls = ConfigFollower.poll, []
    def poll(self):
        polls.append(1)
        if len(polls) > 20:
            raise RuntimeError("planted")
        return honest(self)
    ConfigFollower.poll = poll
"""


def test_an_api_whose_configuration_thread_dies_does_not_go_on_without_it(embedded_broker: str, tmp_path: Path) -> None:
    settings, _ = deployment(embedded_broker, tmp_path, partitions=8)
    code, log = patched(settings, FOLLOWER_DIES, ["serve", "api"])
    assert code == 1, log
    assert "api-configuration" in log


def test_a_worker_whose_loop_dies_ends_and_says_where(embedded_broker: str, tmp_path: Path) -> None:
    settings = settings_for(embedded_broker, tmp_path)
    prepare(settings, tmp_path)
    code, log = patched(settings, FOLLOWER_DIES, ["worker", "--stream", "submissions"])
    assert code == 1, log
    assert "processor-submissions" in log
    assert "RuntimeError: planted" in log


def test_a_published_value_no_parser_survives_is_refused_and_stops_nobody() -> None:
    def broken(_: str) -> None:
        raise KeyError("macro")

    entries = configuration.ConfigEntries()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(configuration._PARSERS, "policy", broken)
        faults = entries.apply([ConfigChange(epoch=3, kind="policy", name="active", value="x")])
    assert faults == ["policy/active: cannot be read: KeyError: 'macro'"]
    assert entries.config.epoch == 3


def test_a_role_whose_broker_is_away_at_the_start_is_begun_again() -> None:
    body = """
    global tries
    tries = globals().get("tries", 0) + 1
    if tries < 3:
        from pipeline.errors import UnavailableError
        raise UnavailableError("Kafka at k:9092: no answer")
    stop.set()"""
    code, log = role(body)
    assert code == 0, log
    assert log.count("outage_waited_for") == 2


def test_a_worker_whose_broker_is_away_at_the_start_waits_for_it_and_ends_when_asked(tmp_path: Path) -> None:
    settings = settings_for(f"127.0.0.1:{free_port()}", tmp_path)
    patch = """
    import os, signal
    from pipeline.process import readiness
    honest = readiness.say
    def say(part, ready, waits_for=""):
        honest(part, ready, waits_for)
        if "Kafka at" in waits_for:
            os.kill(os.getpid(), signal.SIGTERM)
    readiness.say = say
"""
    code, log = patched(settings, patch, ["worker", "--stream", "submissions"])
    assert code == 0, log
    assert "outage_waited_for" in log
    assert "Traceback" not in log
