"""`antispam up`: the whole pipeline on one machine, by one command, and nothing of it left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec
import psutil

ROOT = Path(__file__).parents[2]
VERDICTS = ("release", "hold", "review", "reject", "blacklist")


class Up:
    """A running `antispam up` and every process it has started."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTISPAM_")}
        self.environment |= {"ANTISPAM_DATA_DIR": str(folder / "var"), "COLUMNS": "100"}
        self.note = folder / "var" / "embedded-broker.address"
        self.log = (folder / "up.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", "up", *arguments],
            cwd=ROOT, env=self.environment, stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.family: set[psutil.Process] = set()

    def look(self) -> str:
        """What it has printed; remembers its children on the way."""
        with suppress(psutil.NoSuchProcess):
            self.family |= set(psutil.Process(self.process.pid).children(recursive=True))
        self.log.seek(0)
        return self.log.read().decode()

    def until(self, text: str, deadline: float = 90) -> None:
        end = monotonic() + deadline
        while text not in self.look():
            assert self.process.poll() is None, self.look()
            assert monotonic() < end, self.look()
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue

    def ended(self, deadline: float = 90) -> tuple[int, str]:
        """Exit code and output; fails if a process of it is still there."""
        end = monotonic() + deadline
        while self.process.poll() is None:
            assert monotonic() < end, self.look()
            self.look()
            try:
                self.process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        _, left = psutil.wait_procs(list(self.family), timeout=10)
        assert not left
        assert not self.note.exists()
        return self.process.returncode, self.look()

    def antispam(self, *arguments: str) -> str:
        """Another command on the same data folder."""
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def row(output: str, verdict: str) -> list[int]:
    """Submissions, messages and records of a verdict in the summary."""
    found = re.findall(rf"{verdict} +│ +([\d,]+) │ +([\d,]+) │ +([\d,]+) │", output)
    return [int(number.replace(",", "")) for number in found[-1]]


def test_the_demo_shows_every_verdict_and_ends_by_itself(tmp_path: Path) -> None:
    up = Up(tmp_path, "--demo", "--for", "25s")
    code, output = up.ended()
    assert code == 0, output
    assert len(up.family) >= 4  # the broker, two workers, the sink
    decided = {verdict: row(output, verdict) for verdict in VERDICTS}
    assert all(sum(numbers) > 0 for numbers in decided.values()), output
    totals = row(output, "total")
    assert totals == [sum(column) for column in zip(*decided.values(), strict=True)]
    assert "were written twice" not in output
    assert re.search(r"p50 \d+ ms, p99 \d+ ms", output)
    # The hints it prints can be copied: the lake outlives the broker.
    [query] = re.findall(r'antispam query "(select verdict[^"]+)"', output)
    lake = [msgspec.json.decode(line) for line in up.antispam("query", query, "--format", "json").splitlines()]
    assert {line["verdict"] for line in lake} == set(VERDICTS)
    assert sum(line["n"] for line in lake) >= totals[0] + totals[2]


def test_without_the_demo_it_waits_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.until("ready after")
    assert "no dead letters" in up.antispam("dead-letters", "list")  # a second terminal finds the broker
    up.process.send_signal(signal.SIGINT)
    code, output = up.ended()
    assert code == 0, output
    assert "no traffic was decided" in output
    assert "Traceback" not in output
