"""The addresses of the pages of this data folder's processes, and their answers, for `doctor`, `up` and commands.

A process writes a note while it serves a page. After a kill the note stays, and nothing answers at its address.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import msgspec

from pipeline.events import decoder

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class Note(msgspec.Struct, frozen=True):
    """A process with a page: its address and its roles."""

    address: str
    roles: tuple[str, ...]


class Answer(msgspec.Struct, frozen=True):
    """The answer of a page about its process; the console answers `ok`."""

    ready: bool = False
    ok: bool = False
    waits_for: dict[str, str] = {}
    missing: tuple[str, ...] = ()  # the API's page has this field instead
    parts: dict[str, bool] = {}
    epochs: dict[str, int] = {}

    @property
    def works(self) -> bool:
        """Whether the process can work."""
        return self.ready or self.ok

    @property
    def reason(self) -> str:
        """The parts that are not ready and their reasons, in one line."""
        waiting = [f"{part}: {why}" for part, why in self.waits_for.items()]
        starting = [part for part, ready in self.parts.items() if not ready and part not in self.waits_for]
        return "; ".join([*waiting, *self.missing, *starting]) or "it starts"


_decode = decoder(Answer)
_directly = build_opener(ProxyHandler({}))  # a proxy from the environment cannot reach this machine


def note(data_dir: Path, worker_id: str, roles: Sequence[str]) -> Path:
    """The file that holds the note of a process."""
    return data_dir / "pages" / f"{'-'.join(roles)}-{worker_id}.json"


def write(path: Path, host: str, port: int, roles: Sequence[str]) -> None:
    """Write the note of a page at `host`:`port`."""
    name = socket.gethostname() if host in EVERYWHERE else host
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(Note(f"http://{name}:{port}", tuple(roles))))
    part.rename(path)


def noted(data_dir: Path) -> list[Note]:
    """All notes."""
    found = []
    for path in sorted((data_dir / "pages").glob("*.json")):
        with suppress(OSError, msgspec.MsgspecError):  # a note that another process removes now
            found.append(msgspec.json.decode(path.read_bytes(), type=Note))
    return found


def ask(address: str, timeout: float = 2.0) -> Answer | None:
    """The answer at this address (`…/ready`, or the console's `…/health`); None without an answer in `timeout` s."""
    try:
        try:
            answer = _directly.open(address, timeout=timeout)
        except HTTPError as refused:
            answer = refused
        with answer:
            return _decode(answer.read(65_536))
    except (OSError, HTTPException, msgspec.DecodeError):  # also if another program answers
        return None
