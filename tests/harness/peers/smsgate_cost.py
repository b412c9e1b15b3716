"""CPU a part and parts a second of a process beside SMSGate's client or server."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import psutil

from tests.harness.places import ROOT
from tests.harness.sender_harness import ACCOUNT, PORT, SECRET, numbers
from tests.harness.servers.smsgate_gateway import smsgate_jars

LINKS, WINDOW = 4, 16  # SMSGate's client has this window (Port.java)
TEXT = "【测试】您好"


class Said:
    """How many lines with a word a peer has said."""

    def __init__(self, output: Path, word: str) -> None:
        self._output, self._word, self._at, self.count = output, f"{word} ".encode(), 0, 0

    def until(self, wanted: int, quiet: float = 60.0) -> float:
        """Wait for this number; the time of it. Fails after `quiet` seconds without any."""
        last = monotonic()
        while self.count < wanted:
            sleep(0.01)
            with self._output.open("rb") as lines:
                lines.seek(self._at)
                said = lines.read()
            whole = said[: said.rfind(b"\n") + 1]
            self._at += len(whole)
            if found := whole.count(self._word):
                self.count, last = self.count + found, monotonic()
            assert monotonic() - last < quiet, f"{self.count} of {wanted}: {self._word.decode()}"
        return monotonic()


def measured(process: psutil.Process, said: Said, count: int) -> tuple[float, float]:
    """CPU µs a part, and parts/s, of the last four fifths of these parts."""
    begun = said.count
    started = said.until(begun + count // 5)
    first, before = said.count, process.cpu_times()
    seconds = said.until(begun + count) - started
    after, parts = process.cpu_times(), said.count - first
    cpu = after.user + after.system - before.user - before.system
    return cpu * 1e6 / parts, parts / seconds


@dataclass(frozen=True)
class Client:
    """SMSGate's client: its process, and the file with what it says."""

    process: psutil.Process
    output: Path


@contextmanager
def smsgate_client(port: int, count: int, folder: Path) -> Iterator[Client]:
    """SMSGate's client, which submits that many messages over CMPP 3.0 to this local port."""
    lines, output = folder / "lines", folder / "client.said"
    lines.write_text("".join(f"{PORT} {number} {TEXT}\n" for number in numbers(count)))
    source = ROOT / "tests" / "peers" / "smsgate" / "Port.java"
    command = ["java", "-Xmx512m", "-cp", f"{smsgate_jars()}/*", str(source), "cmpp3"]
    with (
        lines.open("rb") as given,
        output.open("wb") as said,
        (folder / "client.log").open("ab") as log,
        subprocess.Popen(
            [*command, str(port), ACCOUNT, SECRET.decode(), str(LINKS), "0"],
            stdin=given,
            stdout=said,
            stderr=log,
            cwd=folder,
            env=dict(os.environ),
        ) as process,
    ):
        yield Client(psutil.Process(process.pid), output)
        process.kill()


def tell(turns: dict[str, list[tuple[float, float]]]) -> None:
    """Print the last turn of each."""
    for who, all_turns in turns.items():
        cpu, rate = all_turns[-1]
        print(f"{who}: {cpu:.0f} µs a part, {rate:.0f} parts/s, load {os.getloadavg()[0]:.1f}", flush=True)


def compare(turns: dict[str, list[tuple[float, float]]], count: int) -> None:
    """Print the ratios of the medians, ours to SMSGate's."""
    (ours, our_rate), (theirs, their_rate) = (
        (median(cpu for cpu, _ in turns[who]), median(rate for _, rate in turns[who])) for who in ("ours", "SMSGate")
    )
    print(
        f"{count} messages, {len(turns['ours'])} rounds: ours {ours:.0f} µs, SMSGate {theirs:.0f} µs, ratio "
        f"{ours / theirs:.2f}; ours {our_rate:.0f} parts/s, SMSGate {their_rate:.0f}, ratio {our_rate / their_rate:.2f}"
    )
