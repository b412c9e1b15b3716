"""`antispam up`: everything on this machine, started in order, watched, and ended together."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, time
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.configuration import directory_entries
from pipeline.errors import AntispamError
from pipeline.events import Verdict, encode
from pipeline.ingest import door
from pipeline.sample.config import write_config
from pipeline.sample.traffic import generate
from pipeline.settings import Settings
from pipeline.store import import_configuration
from pipeline.store.migrate import open_database
from pipeline.store.roles import Role, User
from pipeline.stream.address import bootstrap, write_note
from pipeline.stream.admin import ensure_topics
from pipeline.stream.child import Child, free_port
from pipeline.stream.clients import writer
from pipeline.stream.config_topic import ConfigFollower
from pipeline.stream.embedded import EmbeddedBroker
from pipeline.stream.ingest_files import destination
from pipeline.stream.tally import Tally

DEMO_SAMPLES = 12_000
DEMO_SECONDS = 30
DEMO_SEED = 7
START_TIMEOUT = 60.0
RESTARTS = 5  # of one process before `up` gives up

_VERDICTS = {
    Verdict.RELEASE: "放行 release",
    Verdict.HOLD: "缓发 hold",
    Verdict.REVIEW: "人工审核 review",
    Verdict.REJECT: "拒发 reject",
    Verdict.BLACKLIST: "拉黑 blacklist",
}


class _Process:
    """One of our processes; started again when it ends, a bounded number of times."""

    def __init__(self, name: str, arguments: list[str], settings: Settings, environment: dict[str, str]) -> None:
        self.name = name
        self._command = [sys.executable, "-m", "pipeline.cli", *arguments]
        self._log = settings.data_dir / f"{name}.log"
        self.environment = environment
        self._restarts = 0
        self.child = self._start()

    def _start(self) -> Child:
        return Child(self.name, self._command, self._log, env=self.environment, on_parent_death=signal.SIGTERM)

    def stop(self) -> None:
        """End it, giving a running batch time to commit."""
        self.child.stop(20)

    def watch(self) -> str | None:
        """Start it again if it has ended; what happened, or None. Raises AntispamError at the last try."""
        if self.child.returncode is None:
            return None
        if self._restarts == RESTARTS:
            raise AntispamError(f"{self.name} ended {RESTARTS + 1} times{self.child.tail()}")
        code = self.child.returncode
        self._restarts += 1
        self.child = self._start()
        return f"{self.name} ended (exit code {code}); started again ({self._restarts}/{RESTARTS})"


def up(settings: Settings, demo: bool, seconds: float | None, config: Path | None) -> None:
    """Run broker, workers and lake sink until Ctrl-C, SIGTERM or `seconds` have passed.

    Raises AntispamError when something cannot be started or keeps ending.
    """
    console = Console(stderr=False)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    started = monotonic()
    with ExitStack() as stack:
        settings, broker = _broker(settings, stack, console)
        for warning in ensure_topics(bootstrap(settings), settings).warnings:
            console.print(warning, style="yellow")
        _configure(settings, demo, config)
        processes = _processes(settings)
        for process in processes:
            stack.callback(process.stop)
        tally = Tally(settings)
        stack.callback(tally.close)
        _wait_ready(processes, settings)
        console.print(f"ready after {monotonic() - started:.1f} s", highlight=False)
        if demo:
            stack.enter_context(_feeding(settings, ended))
        _show(console, tally, processes, broker, ended, None if seconds is None else started + seconds)
        ended.set()
    _summary(console, tally, settings, demo)


def _broker(settings: Settings, stack: ExitStack, console: Console) -> tuple[Settings, EmbeddedBroker | None]:
    if settings.kafka:
        return settings, None
    broker = stack.enter_context(EmbeddedBroker(settings.data_dir))
    note = write_note(settings.data_dir, broker.bootstrap)
    stack.callback(note.unlink, missing_ok=True)
    console.print(
        "embedded broker, for evaluation: memory only, everything on it is gone at the end; after a crash of a\n"
        "worker decisions may be written twice (readers take the first). Production: ANTISPAM_KAFKA=host:port",
        highlight=False,
    )
    return settings.model_copy(update={"kafka": broker.bootstrap, "session_timeout": 6.0}), broker


def _configure(settings: Settings, demo: bool, config: Path | None) -> None:
    """What the folder has and the database has not; what people changed since stays as they left it."""
    if demo and config is None:
        with tempfile.TemporaryDirectory() as folder:
            write_config(Path(folder))
            entries = list(directory_entries(Path(folder)))
    else:
        entries = list(directory_entries(config))
    db = open_database(settings)
    import_configuration.add(db, User("up", Role.ADMINISTRATOR), entries, int(time() * 1000))
    db.close()


def _processes(settings: Settings) -> list[_Process]:
    environment = {
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir.resolve()),
        "ANTISPAM_SESSION_TIMEOUT": str(settings.session_timeout),
    }
    processes = [_Process("relay", ["serve", "relay"], settings, environment)]
    for stream in ("submissions", "records"):
        own = {"ANTISPAM_WORKER_ID": f"up-{stream}", "ANTISPAM_WEB_PORT": str(free_port())}
        processes.append(_Process(f"worker-{stream}", ["worker", "--stream", stream], settings, environment | own))
    processes.append(_Process("sink", ["sink"], settings, environment))
    return processes


def _wait_ready(processes: list[_Process], settings: Settings) -> None:
    """Until every worker has its configuration, partitions and counters."""
    deadline = monotonic() + START_TIMEOUT
    for process in processes:
        port = process.environment.get("ANTISPAM_WEB_PORT")
        while port and not _ready(settings.web_host, int(port)):
            process.watch()
            if monotonic() > deadline:
                raise AntispamError(f"{process.name} is not ready after {START_TIMEOUT:.0f} s{process.child.tail()}")
            threading.Event().wait(0.1)


def _ready(host: str, port: int) -> bool:
    try:
        with urlopen(f"http://{host}:{port}/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def _feeding(settings: Settings, ended: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=_feed, args=(settings, ended), daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(10)


def _feed(settings: Settings, ended: threading.Event) -> None:
    """The sample traffic through the door and onto the topics, at its own pace."""
    follower = ConfigFollower(settings, "demo")
    ports = follower.catch_up().ports
    follower.close()
    if ports is None:
        return
    producer = writer(settings)
    start = int(time() * 1000)
    kinds = {
        "submission": (door.SubmissionIn, door.submission),
        "record": (door.RecordIn, door.record),
        "complaint": (door.ComplaintIn, door.complaint),
    }
    for n, sample in enumerate(generate(DEMO_SEED, DEMO_SAMPLES, start, DEMO_SECONDS)):
        ahead = sample.at / 1000 - time()
        if ahead > 0.005:
            producer.poll(0)
            if ended.wait(ahead):
                break
        line, check = kinds[sample.what]
        event = check(msgspec.convert(sample.body, line, strict=False), settings, int(time() * 1000), f"demo-{n}")  # type: ignore[operator]
        topic, key = destination(event, ports)
        producer.produce(topic, encode(event), key)
    producer.flush(10)


def _show(
    console: Console, tally: Tally, processes: list[_Process], broker: EmbeddedBroker | None,
    ended: threading.Event, until: float | None,
) -> None:  # fmt: skip
    live = console.is_terminal
    begun, told = monotonic(), 0.0
    with (
        Live(_table(tally, 0.0), console=console, refresh_per_second=4, transient=True) if live else ExitStack() as view
    ):
        while not ended.is_set() and (until is None or monotonic() < until):
            tally.poll(0.2)
            if broker is not None and not broker.alive():
                raise AntispamError(f"the embedded broker ended; its log: {broker.log}")
            for process in processes:
                happened = process.watch()
                if happened:
                    console.print(happened, style="red")
            now = monotonic()
            if live:
                view.update(_table(tally, now - begun))  # type: ignore[union-attr]
            elif now - told > 5:
                told = now
                counts = " ".join(f"{v.value}={tally.submissions[v] + tally.records[v]}" for v in Verdict)
                console.print(f"{now - begun:5.0f} s  {counts}", highlight=False)
    tally.poll(0.5)


def _table(tally: Tally, seconds: float) -> Table:
    table = Table(title=f"判定 decisions · {seconds:.0f} s")
    table.add_column("verdict")
    for column in ("提交 submissions", "消息 messages", "话单 records"):
        table.add_column(column, justify="right")
    for verdict, name in _VERDICTS.items():
        table.add_row(
            name,
            f"{tally.submissions[verdict]:,}",
            f"{tally.messages[verdict]:,}",
            f"{tally.records[verdict]:,}",
        )
    table.add_section()
    table.add_row(
        "合计 total",
        f"{tally.submissions.total():,}",
        f"{tally.messages.total():,}",
        f"{tally.records.total():,}",
    )
    if tally.latencies_ms:
        ordered = sorted(tally.latencies_ms)
        p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        table.caption = f"受理到判定 accepted → decided: p50 {p50} ms, p99 {p99} ms"
    return table


def _summary(console: Console, tally: Tally, settings: Settings, demo: bool) -> None:
    console.print(_table(tally, 0.0) if tally.total else "no traffic was decided")
    if tally.repeated:
        console.print(f"{tally.repeated} decisions were written twice; the first counts")
    console.print("\nLook further / 继续查看:", highlight=False)
    looks = [
        ('antispam query "select verdict, count(*) n from decisions group by 1 order by 2 desc"',
         "decisions by verdict, in the lake"),
        ('antispam query "select rule, verdict, count(*) n from reasons group by 1, 2 order by 3 desc"',
         "what the rules said"),
        ("antispam dead-letters list", "what could not be screened (while `up` runs)"),
        ("antispam screen --in FILE --out -", "a file of your own, offline"),
    ]  # fmt: skip
    for command, meaning in looks:
        console.print(f"  {command}\n      {meaning}", highlight=False, markup=False)
    console.print(f"  logs: {settings.data_dir}/*.log", highlight=False)
    if not demo:
        console.print("  antispam up --demo replays sample traffic", highlight=False)
