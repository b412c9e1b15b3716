"""`antispam doctor`: the abilities of this machine and installation, and the state of the running processes.

Checks that wait for others run at the same time, each in its own thread. A check without an answer after SECONDS is
reported as unanswered. Local computations have no time limit: a slow machine is no fault.
"""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, time

from confluent_kafka import KafkaException

from pipeline import topics
from pipeline.actions.senders.channels import Channel, load_channels
from pipeline.decision.configuration import load_directory
from pipeline.decision.screening import Screened, screen
from pipeline.errors import AntispamError
from pipeline.events import Submission
from pipeline.kafka.address import bootstrap
from pipeline.kafka.admin import cluster_id
from pipeline.kafka.clients import reader, refusal
from pipeline.kafka.streams import STREAMS
from pipeline.process import pages
from pipeline.rules.clock.calendar import shipped_calendar
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.run.brokers import kafka_node
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.roles import ROLES
from pipeline.settings import Settings
from pipeline.store.database import database
from pipeline.store.migrate import head, revision
from pipeline.store.registry import configurations

SECONDS = 5.0  # longest time for all answers
ANSWER = 3.0  # seconds given to a broker, page or gateway for its answer
MIN_FREE_GB = 5

Look = Callable[[], tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: whether it passed, and the finding or the remedy."""

    name: str
    ok: bool
    detail: str


def examine(settings: Settings) -> list[Check]:
    """All checks, in the order in which faults should be fixed. Answers of others have a limit of SECONDS."""
    here: list[tuple[str, Look]] = [
        ("python", _python),
        ("disk", partial(_disk, settings)),
        ("decision function", _decides),
    ]
    asked: list[tuple[str, Look]] = [
        ("broker", partial(_broker, settings)),
        ("kafka for `antispam broker kafka`", _kafka),
        ("database", partial(_database, settings)),
        ("calendar", partial(_calendar, settings)),
        *_channels(settings),
        *_roles(settings),
    ]
    found: dict[str, Check] = {}

    def run(name: str, look: Look) -> None:
        found[name] = _checked(name, look)

    # Daemon threads: a hanging check does not delay the end of the command.
    threads = [threading.Thread(target=run, args=look, daemon=True) for look in asked]
    for thread in threads:
        thread.start()
    give_up = monotonic() + SECONDS
    for name, look in here:
        run(name, look)
    for thread in threads:
        thread.join(max(0.0, give_up - monotonic()))
    late = f"no answer in {SECONDS:.0f} s"
    return [found.get(name) or Check(name, False, late) for name, _ in here + asked]


def _checked(name: str, look: Look) -> Check:
    try:
        ok, detail = look()
    except (AntispamError, OSError, KafkaException) as error:
        ok, detail = False, str(error).splitlines()[0]
    return Check(name, ok, detail)


def _python() -> tuple[bool, str]:
    version = ".".join(map(str, sys.version_info[:3]))
    return sys.version_info[:2] == (3, 11), f"{version} (3.11 needed)"


def _disk(settings: Settings) -> tuple[bool, str]:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=settings.data_dir):
        free = shutil.disk_usage(settings.data_dir).free / 1e9
    return (
        free >= MIN_FREE_GB,
        f"{settings.data_dir} is writable, {free:.0f} GB free ({MIN_FREE_GB} GB needed)",
    )


def _decides() -> tuple[bool, str]:
    config = load_directory(None)
    event = Submission(id="doctor", port="10690000", recipients=("13800000000",), content="代开发票", accepted_at=0)
    outcome = screen([event], MemoryCounters(), config, int(time() * 1000))[0]
    model = config.model.version if config.model else "none"
    decided = isinstance(outcome, Screened) and config.policy is not None
    return decided, f"policy {config.policy.version if config.policy else 'none'}, model {model}"


def _broker(settings: Settings) -> tuple[bool, str]:
    try:
        address = bootstrap(settings)
    except AntispamError:
        with EmbeddedBroker(settings.data_dir) as broker:
            return True, f"none set; the embedded one starts ({broker.cluster_id})"
    if refused := refusal(address, settings):
        return False, f"Kafka at {address}: {refused}"
    found = cluster_id(address, ANSWER, settings)
    consumer = reader(settings, "doctor")
    try:
        present = consumer.list_topics(timeout=ANSWER).topics
    finally:
        consumer.close()
    missing = [t.name for t in topics.all_topics(settings.channels) if t.name not in present]
    detail = f"{address}, cluster {found}"
    return (
        not missing,
        detail
        if not missing
        else f"{detail}: no topic {missing[0]} (antispam topics creates them), or no right to see it",
    )


def _kafka() -> tuple[bool, str]:
    missing = kafka_node.missing_tools()
    return True, missing or "java and mvn are installed"


def _database(settings: Settings) -> tuple[bool, str]:
    if settings.database_url is None and not Path(settings.data_dir, "operational.db").exists():
        return True, f"SQLite in {settings.data_dir}, created at the first start"
    db = database(settings)
    try:
        with db.read() as connection:
            at = revision(connection)
    finally:
        db.close()
    what = "SQLite" if db.is_sqlite else "PostgreSQL"
    if at == head():
        return True, f"{what}, migration {at}"
    return True, f"{what}, migration {at}; the next process that starts brings it to {head()}"


def _calendar(settings: Settings) -> tuple[bool, str]:
    """The years of the calendar in force. A missing year stops nothing, but rules on holidays do not apply in it."""
    if settings.database_url is None and not Path(settings.data_dir, "operational.db").exists():
        calendar = shipped_calendar()
    else:
        db = database(settings)
        try:
            with db.read() as connection:
                calendar = configurations.calendar(connection)
        finally:
            db.close()
    ahead = calendar.unknown_soon(int(time() * 1000))
    known = f"{min(calendar.years)} to {max(calendar.years)}, {calendar.zone.key}"
    return True, known if ahead is None else f"{known}; add {ahead} to calendar.yaml and publish it"


def _channels(settings: Settings) -> list[tuple[str, Look]]:
    """A check for each channel, or one check of the file when it cannot be read or is not set."""
    try:
        channels = load_channels(settings)
    except AntispamError as error:
        return [("channels", partial(lambda detail: (False, detail), str(error).splitlines()[0]))]
    if not channels:
        return [("channels", lambda: (True, "none: ANTISPAM_CHANNELS_FILE is not set, so nothing is sent"))]
    missing = [name for name in settings.channels if name not in channels]
    return [
        *((f"channel {channel.name}", partial(_channel, channel)) for channel in channels.values()),
        *(
            (f"channel {name}", lambda: (False, f"in ANTISPAM_CHANNELS, not in {settings.channels_file}"))
            for name in missing
        ),
    ]


def _channel(channel: Channel) -> tuple[bool, str]:
    """Whether the channel's secret is set and its gateway accepts connections. The check does not sign in."""
    gateway = f"{channel.host}:{channel.port}"
    if not channel.secret:  # raises an error that names the missing variable
        return False, "no secret"
    try:
        socket.create_connection((channel.host, channel.port), timeout=ANSWER).close()
    except OSError as error:
        return False, f"secret set, {gateway} cannot be reached: {error.strerror or error}"
    return True, f"secret set, {gateway} answers"


def _roles(settings: Settings) -> list[tuple[str, Look]]:
    """A check for each role, from its page, if it runs on this data folder."""
    notes: dict[str, list[str]] = {}
    for note in pages.noted(settings.data_dir):
        for role in note.roles:
            notes.setdefault(role, []).append(note.address)
    names = {**{stream: f"worker of {stream}" for stream in STREAMS}, "sink": "sink", **{role: role for role in ROLES}}
    looks: list[tuple[str, Look]] = [
        (f"role {name}", partial(_role, notes.get(role, []))) for role, name in names.items()
    ]
    return [*looks, ("role console", partial(_console, settings))]


def _role(addresses: list[str]) -> tuple[bool, str]:
    if not addresses:
        return True, "does not run on this data folder"
    for address in addresses:
        answer = pages.ask(f"{address}/ready", ANSWER)
        if answer is None:
            return False, f"ended without notice, or hangs: no answer at {address}"
        if not answer.works:
            return False, f"not ready, {address} waits for: {answer.reason}"
    return True, f"ready, {', '.join(addresses)}"


def _console(settings: Settings) -> tuple[bool, str]:
    address = f"http://{settings.console_host}:{settings.console_port}"
    answer = pages.ask(f"{address}/health", ANSWER)
    if answer is None:
        return True, f"does not run at {address}"
    return answer.works, f"ready, {address}" if answer.works else f"{address}: the database does not answer"
