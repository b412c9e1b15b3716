"""SMSGate as the carrier: an independent CMPP 3.0 gateway with set behaviour (`peers/smsgate/Gateway.java`).

It runs in its own Java process. A test compares its log with the sender's results: the log has each accepted SUBMIT
with its id and its reports.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.run.brokers import kafka_node
from pipeline.run.child import free_port
from tests.harness.places import ROOT

_HOME = ROOT / "tests" / "peers" / "smsgate"


def smsgate_jars() -> Path:
    """SMSGate's jars, fetched once on each machine; skips the test if they cannot be fetched."""
    missing = kafka_node.missing_tools()
    if missing is None and shutil.which("javac") is None:
        missing = "a JDK is not installed, only a JRE"
    if missing is not None:
        pytest.skip(f"SMSGate: {missing}")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "antispam" / "smsgate"
    try:
        return kafka_node.install(cache, _HOME / "pom.xml")
    except AntispamError as error:
        pytest.skip(f"SMSGate: {error}")


@dataclass(frozen=True, slots=True)
class Taken:
    """One SUBMIT that the carrier accepted: recipient, part and final state."""

    recipient: str
    part: int
    end: str


@dataclass
class Truth:
    """The carrier's actions, from its log."""

    taken: dict[str, Taken] = field(default_factory=dict)  # accepted SUBMITs by id
    copies: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))  # ids of a part
    answered: set[str] = field(default_factory=set)  # ids in the carrier's answers
    # Ids in `answered` that the sender perhaps did not read before their link closed.
    unread: set[str] = field(default_factory=set)
    refused: Counter[tuple[str, int]] = field(default_factory=Counter)  # final refusals by part
    events: Counter[str] = field(default_factory=Counter)
    bad_delivers: int = 0  # DELIVERs with a result other than 0 in the answer
    unacknowledged: int = -1


class SmsGate:
    """A gateway that listens on `port` inside `with`, for several runs. It ends with the test process."""

    def __init__(self, jars: Path, folder: Path, account: str, secret: bytes) -> None:
        self.port = free_port()
        self._folder = folder
        self._log = folder / "none"
        self._command = [
            "java",
            "-Xmx512m",
            "-cp",
            f"{jars}/*",
            str(_HOME / "Gateway.java"),
            str(self.port),
            account,
            secret.decode(),
        ]

    def __enter__(self) -> Self:
        self._console = (self._folder / "console.log").open("wb")
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._console, cwd=self._folder
        )
        self._hear(b"listening\n")
        return self

    def __exit__(self, *_: object) -> None:
        with self._process, self._console:
            self._process.kill()

    def begin(self, behaviour: str) -> None:
        """Start a run with this behaviour."""
        self._log = self._folder / f"{behaviour}-{token_hex(4)}.log"
        self._say(f"{behaviour} {self._log}")
        self._hear(b"begun\n")

    def end(self, window: int) -> Truth:
        """End the run after all pending reports. The sender, with a window of this size, must run meanwhile."""
        self._say("end")
        self._hear(b"ended\n")
        return _truth(self._log, window)

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def _hear(self, expected: bytes) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()  # returns at the end of the process too
        assert said == expected, (said, (self._folder / "console.log").read_text()[-2000:])


def _truth(log: Path, window: int) -> Truth:
    truth = Truth()
    # A link has at most `window` unread answers: a client with a full window must read an answer before it sends again.
    last: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=window))
    for line in log.read_bytes().splitlines():
        event: dict[str, Any] = msgspec.json.decode(line)
        kind = event["event"]
        truth.events[kind] += 1
        if kind == "taken":
            truth.taken[event["id"]] = Taken(event["recipient"], event["part"], event["end"])
            truth.copies[event["recipient"], event["part"]].append(event["id"])
        elif kind == "answered":
            truth.answered.add(event["id"])
            last[event["link"]].append(event["id"])
        elif kind == "closed":
            truth.unread.update(last.pop(event["link"], ()))
        elif kind == "refused" and event["result"] != 8:
            truth.refused[event["recipient"], event["part"]] += 1
        elif kind == "acknowledged":
            truth.bad_delivers += event["result"] != 0
        elif kind == "end":
            truth.unacknowledged = event["unacknowledged"]
    assert sum(map(len, truth.copies.values())) == len(truth.taken), "the carrier gave an id twice"
    return truth
