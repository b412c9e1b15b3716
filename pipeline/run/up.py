"""`antispam up`: runs everything on this machine: started in order, watched, and ended together."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from time import monotonic

from rich.console import Console
from rich.live import Live
from rich.table import Table

from pipeline.errors import AntispamError
from pipeline.events import Verdict
from pipeline.kafka.address import bootstrap, write_note
from pipeline.kafka.admin import ensure_topics
from pipeline.process.apart import apart
from pipeline.process.ending import on_thread_death
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.child import free_port
from pipeline.run.supervised import Supervised
from pipeline.run.tally import Tally
from pipeline.settings import Settings

SOON = 5.0  # seconds of a start without any message
TELL_EVERY = 15.0  # seconds until the same message is repeated
CONFIGURE = "pipeline.run.first_configuration:configure"
LONGEST = 600.0  # seconds to read the configuration into the database
# The roles around the decision share one process here; a deployment may give each role its own process.
OFFICE = ("relay", "projector", "timers", "releaser", "callbacks", "retention", "campaigns", "counters", "alerts")
# Processes end in the order of the work. The sender needs the carrier until it has the answers to all its SUBMITs, and
# the office publishes the reports that the sender has stored. The sink then has every record.
ENDS = ("api", "worker", "sender", "carrier", "office", "sink", "console")
SIMULATED = """\
{name}:
  host: 127.0.0.1
  port: {port}
  account: "900001"
  links: 2
  rate: 500
"""

_VERDICTS = {
    Verdict.RELEASE: "放行 release",
    Verdict.HOLD: "缓发 hold",
    Verdict.REVIEW: "人工审核 review",
    Verdict.REJECT: "拒发 reject",
    Verdict.BLACKLIST: "拉黑 blacklist",
}


def up(settings: Settings, demo: bool, seconds: float | None, config: Path | None) -> None:
    """Run broker, workers and lake sink until Ctrl-C, SIGTERM or `seconds` after all are ready.

    Raises AntispamError when something cannot be started or keeps ending.
    """
    console = Console(stderr=False)
    ended = threading.Event()
    dead = on_thread_death(ended.set)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    started = monotonic()
    with ExitStack() as stack:
        settings, broker = _broker(settings, stack, console)
        for warning in ensure_topics(bootstrap(settings), settings).warnings:
            console.print(warning, style="yellow")
        password = apart(CONFIGURE, LONGEST, ended, settings.log_level, settings, demo, config)
        processes = _processes(settings)
        for process in sorted(processes, key=lambda process: ENDS.index(process.name), reverse=True):
            stack.callback(process.stop)
        tally = Tally(settings)
        stack.callback(tally.close)
        if _wait_ready(console, processes, broker, ended):
            console.print(f"ready after {monotonic() - started:.1f} s", highlight=False)
        _addresses(console, settings, password)
        if demo:
            from pipeline.run.demo import feeding  # 60 MB

            stack.enter_context(feeding(settings, ended))
        shown = _show(console, tally, processes, broker, ended, None if seconds is None else monotonic() + seconds)
        ended.set()
    if dead:
        raise AntispamError(f"ended, because a thread of `up` died: {', '.join(dead)}; the log line above says why")
    _summary(console, tally, shown, settings, demo)


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
        soft_wrap=True,
    )
    return settings.model_copy(update={"kafka": broker.bootstrap, "session_timeout": 6.0}), broker


def _addresses(console: Console, settings: Settings, password: str | None) -> None:
    """The addresses and commands shown once everything is ready."""
    console.print(f"console 控制台  {_console_address(settings)}", highlight=False)
    if password is not None:
        console.print(f"  sign in as admin, one-time password {password}", highlight=False, markup=False)
    console.print(f"HTTP API       http://{settings.api_host}:{settings.api_port}/docs", highlight=False)


def _processes(settings: Settings) -> list[Supervised]:
    environment = {
        "MALLOC_ARENA_MAX": "2",  # otherwise glibc gives each thread its own arena: 60 MB more in total
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir.resolve()),
        "ANTISPAM_SESSION_TIMEOUT": str(settings.session_timeout),
        "ANTISPAM_SERVE_PORT": "0",  # several processes share this setting
    }
    processes = []

    def start(name: str, arguments: list[str], page: str | None = None, **own: str) -> None:
        processes.append(Supervised(name, arguments, settings, environment | own, page))

    office = free_port()
    start("office", ["serve", *OFFICE], f"http://{settings.web_host}:{office}/ready", ANTISPAM_SERVE_PORT=str(office))
    port = free_port()
    own = {"ANTISPAM_WORKER_ID": "up", "ANTISPAM_WEB_PORT": str(port)}
    start("worker", ["worker"], f"http://{settings.web_host}:{port}/ready", **own)
    start("sink", ["sink"])
    start("api", ["serve", "api"], f"http://{settings.api_host}:{settings.api_port}/ready")
    if settings.channels_file is None:
        carrier, secret = free_port(), token_hex(8)
        start("carrier", ["simulate", "carrier", "--port", str(carrier)], ANTISPAM_SIMULATOR_SECRET=secret)
        file = settings.data_dir.resolve() / "simulated-channels.yaml"
        file.write_text("".join(SIMULATED.format(name=name, port=carrier) for name in settings.channels))
        secrets = {f"ANTISPAM_CHANNEL_{name.upper().replace('-', '_')}_SECRET": secret for name in settings.channels}
        start("sender", ["serve", "sender"], ANTISPAM_CHANNELS_FILE=str(file), **secrets)
    else:
        start("sender", ["serve", "sender"])
    start("console", ["console"], f"{_console_address(settings)}/health")
    return processes


def _console_address(settings: Settings) -> str:
    return f"http://{settings.console_host}:{settings.console_port}"


def _wait_ready(
    console: Console, processes: list[Supervised], broker: EmbeddedBroker | None, ended: threading.Event
) -> bool:
    """Wait until everything is ready. True when it is, False if the end was asked for before.

    A living process is waited for without limit, and its reason is shown. A process that keeps ending is given up.
    """
    begun = told_at = monotonic()
    told = ""
    for process in processes:
        while (waits_for := process.waits_for()) is not None:
            _watch(console, processes, broker)
            now = monotonic()
            line = f"{process.name} waits for {waits_for}"
            if now - begun > SOON and (line != told or now - told_at > TELL_EVERY):
                console.print(f"{now - begun:5.0f} s  {line}", highlight=False, markup=False, soft_wrap=True)
                told, told_at = line, now
            if ended.wait(0.1):
                return False
    return True


def _watch(console: Console, processes: list[Supervised], broker: EmbeddedBroker | None) -> None:
    """Restart ended processes. Raises AntispamError if the broker ended or a process keeps ending."""
    if broker is not None and not broker.alive():
        raise AntispamError(f"the embedded broker ended; its log: {broker.log}")
    for process in processes:
        happened = process.watch()
        if happened:
            console.print(happened, style="red")


def _show(
    console: Console,
    tally: Tally,
    processes: list[Supervised],
    broker: EmbeddedBroker | None,
    ended: threading.Event,
    until: float | None,
) -> float:
    """Show the tally until the end. Returns the duration in seconds."""
    live = console.is_terminal
    begun, told = monotonic(), 0.0
    with (
        Live(_table(tally, 0.0), console=console, refresh_per_second=4, transient=True) if live else ExitStack() as view
    ):
        while not ended.is_set() and (until is None or monotonic() < until):
            tally.poll(0.2)
            _watch(console, processes, broker)
            now = monotonic()
            if live:
                view.update(_table(tally, now - begun))  # type: ignore[union-attr]
            elif now - told > 5:
                told = now
                counts = " ".join(f"{v.value}={tally.submissions[v] + tally.records[v]}" for v in Verdict)
                console.print(f"{now - begun:5.0f} s  {counts}", highlight=False)
    tally.poll(0.5)
    return monotonic() - begun


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


def _summary(console: Console, tally: Tally, seconds: float, settings: Settings, demo: bool) -> None:
    console.print(_table(tally, seconds) if tally.total else "no traffic was decided")
    if tally.repeated:
        console.print(f"{tally.repeated} decisions were written twice; the first counts")
    console.print("\nLook further / 继续查看:", highlight=False)
    looks = [
        (
            'antispam query "select verdict, count(*) n from decisions group by 1 order by 2 desc"',
            "decisions by verdict, in the lake",
        ),
        (
            'antispam query "select rule, verdict, count(*) n from reasons group by 1, 2 order by 3 desc"',
            "the reasons given by the rules",
        ),
        ("antispam dead-letters list", "records that could not be screened (while `up` runs)"),
        ("antispam screen --in FILE --out -", "screens your own file, offline"),
    ]
    for command, meaning in looks:
        console.print(f"  {command}\n      {meaning}", highlight=False, markup=False, soft_wrap=True)
    console.print(f"  logs: {settings.data_dir}/*.log", highlight=False, markup=False, soft_wrap=True)
    if not demo:
        console.print("  antispam up --demo replays sample traffic", highlight=False)
