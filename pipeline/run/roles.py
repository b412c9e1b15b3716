"""`antispam serve ROLE…`: the long-running processes around the decision. They run until a signal.

Each role is a function `run(settings, stop)`. It works until `stop` is set, and raises when it cannot continue. It is
called again while a service that it needs is unavailable (steady.py). Any other error, or the death of any other
thread, ends the process with exit code 1, and the supervisor starts it again. Several roles may share a process, each
in its own thread. A role may be killed at any time: it finds its uncommitted work again. The process has one page,
which tells whether it is alive and ready, and shows its metrics.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from time import monotonic

import structlog

from pipeline.errors import AntispamError
from pipeline.kafka.steady import patiently
from pipeline.process import pages, readiness
from pipeline.process.ending import STUCK, end_now, fault, on_thread_death
from pipeline.process.page import Page
from pipeline.settings import Settings

# Imported only in the process that runs the role: a relay needs no HTTP server.
ROLES: dict[str, str] = {
    "relay": "pipeline.stream.relay:run_relay",
    "api": "pipeline.ingest.http.role:run_api",
    "callbacks": "pipeline.actions.status.role:run_callbacks",
    "sender": "pipeline.actions.senders.role:run_sender",
    "projector": "pipeline.stream.projector:run_projector",
    "timers": "pipeline.actions.holds.timers:run_timers",
    "releaser": "pipeline.actions.review.releaser:run_releaser",
    "files": "pipeline.ingest.records.role:run_files",
    "retention": "pipeline.actions.retention.role:run_retention",
    "campaigns": "pipeline.stream.campaign_stage:run_campaigns",
    "counters": "pipeline.stream.counter_stage:run_counters",
    "links": "pipeline.ingest.links.role:run_links",
    "parts": "pipeline.stream.parts.role:run_parts",
    "alerts": "pipeline.actions.alerts.role:run_alerts",
}
STOP_TIMEOUT = 90.0  # seconds a role has to end; a running batch commits within one broker timeout
LOOK = 0.2  # seconds between checks for the end of the roles
FIRST_PORT = 6070  # port of the first role's page; each role has the next port, and a process uses its first role's
_log = structlog.get_logger()

Role = Callable[[Settings, threading.Event], None]


def run_roles(settings: Settings, names: Sequence[str]) -> int:
    """Run these roles until SIGTERM or SIGINT (returns 0), or until a role ends or a thread dies (returns 1).

    If a role has not ended STOP_TIMEOUT after the signal, the process ends with exit code STUCK.
    Raises AntispamError for an unknown role.
    """
    roles = {name: _role(name) for name in names}
    for name in roles:
        readiness.say(name, False)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    failed = on_thread_death(stop.set)

    def run(name: str, role: Role) -> None:
        try:
            patiently(name, lambda: role(settings, stop), stop)
            if not stop.is_set():
                raise AntispamError("the role returned before it was asked to stop")
        except BaseException as error:  # noqa: BLE001 - on any error the process must end and be started again
            _log.critical("role_failed", role=name, **fault(error))
            failed.append(name)
            readiness.say(name, False)
        stop.set()

    note = pages.note(settings.data_dir, settings.worker_id, names)
    page = Page(settings.web_host, page_port(settings, names), names, note)
    threads = [threading.Thread(target=run, args=item, name=item[0], daemon=True) for item in roles.items()]
    for thread in threads:
        thread.start()
    _log.info("roles_started", roles=list(roles))
    while not stop.is_set():
        threads[0].join(LOOK)  # not stop.wait(): a signal's handler sets it in this very thread
    deadline = monotonic() + STOP_TIMEOUT
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    stuck = [thread.name for thread in threads if thread.is_alive()]
    if stuck:
        end_now("roles_stuck", STUCK, roles=stuck)
    page.close()
    return 1 if failed else 0


def page_port(settings: Settings, names: Sequence[str]) -> int:
    """The port of the page of a process with these roles."""
    return FIRST_PORT + list(ROLES).index(names[0]) if settings.serve_port is None else settings.serve_port


def _role(name: str) -> Role:
    if name not in ROLES:
        raise AntispamError(f"unknown role {name!r}; one of {', '.join(ROLES)}")
    module, _, function = ROLES[name].partition(":")
    role: Role = getattr(import_module(module), function)
    return role
