"""`antispam serve ROLE…`: the long-running processes around the decision, until a signal ends them.

Each role is a function `run(settings, stop)` that works until `stop` is set and raises when it cannot
go on; the process then ends with exit code 1 and its supervisor starts it again. Several roles may
share a process, each in a thread of its own; any of them can be killed at any time, since what a role
has not committed it finds again. Their one page tells whether they live, can work, and their metrics.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from importlib import import_module

import structlog

from pipeline.errors import AntispamError
from pipeline.settings import Settings
from pipeline.stream import readiness
from pipeline.stream.page import Page

# Imported only by the process that runs it: a relay needs no HTTP server.
ROLES: dict[str, str] = {
    "relay": "pipeline.stream.relay:run_relay",
    "api": "pipeline.stream.api:run_api",
    "callbacks": "pipeline.stream.callbacks:run_callbacks",
    "sender": "pipeline.stream.sender:run_sender",
    "projector": "pipeline.stream.projector:run_projector",
    "timers": "pipeline.stream.timers:run_timers",
    "releaser": "pipeline.stream.releaser:run_releaser",
    "files": "pipeline.stream.record_files:run_files",
    "retention": "pipeline.stream.retention:run_retention",
    "campaigns": "pipeline.stream.campaigns:run_campaigns",
}
FIRST_PORT = 6070  # of the pages: each role has the next, and a process the one of its first role
_log = structlog.get_logger()

Role = Callable[[Settings, threading.Event], None]


def run_roles(settings: Settings, names: Sequence[str]) -> int:
    """Run these roles until SIGTERM or SIGINT (0), or until one of them raises (1).

    Raises AntispamError for an unknown role.
    """
    roles = {name: _role(name) for name in names}
    for name in roles:
        readiness.say(name, False)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    failed: list[str] = []

    def run(name: str, role: Role) -> None:
        try:
            role(settings, stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must end and be started again
            _log.critical("role_failed", role=name, cause=f"{type(error).__name__}: {error}")
            failed.append(name)
        stop.set()

    page = Page(settings.web_host, page_port(settings, names), names)
    threads = [threading.Thread(target=run, args=item, name=item[0]) for item in roles.items()]
    for thread in threads:
        thread.start()
    _log.info("roles_started", roles=list(roles))
    for thread in threads:
        thread.join()
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
