"""`antispam up`: the whole pipeline on one machine, by one command, and nothing of it left behind."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic

import duckdb
import msgspec
import psutil

from pipeline.lake.views import connect, full_files
from pipeline.settings import Settings
from pipeline.stream.child import free_port

ROOT = Path(__file__).parents[2]
VERDICTS = ("release", "hold", "review", "reject", "blacklist")


class Up:
    """A running `antispam up` and every process it has started."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTISPAM_")}
        self.data = folder / "var"
        self.environment |= {"ANTISPAM_DATA_DIR": str(self.data), "COLUMNS": "100"}
        self.environment |= {"ANTISPAM_API_PORT": str(free_port()), "ANTISPAM_CONSOLE_PORT": str(free_port())}
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
    up = Up(tmp_path, "--demo", "--for", "36s")
    code, output = up.ended(deadline=120)
    assert code == 0, output
    assert len(up.family) >= 9  # broker, office, two workers, sink, API, carrier, sender, console
    assert re.search(r"console .*http://127\.0\.0\.1:\d+", output)
    assert re.search(r"sign in as admin, one-time password \S{12,}", output)
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
    _released_reached_the_carrier(up)
    _no_number_is_where_analysts_look(up)


def _released_reached_the_carrier(up: Up) -> None:
    """Statuses of the operational database: what was released was sent, but for what a suspension stopped."""
    with sqlite3.connect(up.data / "operational.db") as database:
        states = dict(database.execute("SELECT state, count(*) FROM deliveries GROUP BY 1"))
    assert states["delivered"] > 100
    assert set(states) <= {"delivered", "submitted", "stopped", "submitting"}


def _no_number_is_where_analysts_look(up: Up) -> None:
    """No recipient's number and no one-time code in any shared table or log; they are in the full texts only."""
    settings = Settings(data_dir=up.data, _env_file=None)
    connection = connect(settings)
    full = duckdb.connect().execute("SELECT recipients, content FROM read_parquet(?)", [full_files(settings, "texts")])
    numbers, codes = set(), set()
    for recipients, content in full.fetchall():
        numbers |= set(recipients)
        codes |= set(re.findall(r"(?:验证码|动态密码)\D{0,4}(\d{6})\D", content))
    numbers = {number for number in numbers if re.fullmatch(r"1[3-9]\d{9}", number)}
    assert len(numbers) > 100
    assert len(codes) > 10
    logs = "".join(path.read_text(errors="replace") for path in up.data.glob("*.log"))
    tables = [
        name for (name,) in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    ]
    assert {"messages", "submissions", "decisions", "cases", "outbound"} <= set(tables)
    for table in tables:
        for values in connection.execute(f'SELECT * FROM "{table}"').fetchall():
            found = set(re.findall(r"(?<![0-9a-f])1[3-9]\d{9}(?![0-9a-f])", str(values)))
            assert not found & numbers, f"{table} holds a recipient's number"
            if table in ("messages", "submissions", "cases"):
                text = " ".join(value for value in values if isinstance(value, str))  # times have six figures too
                assert not codes & set(re.findall(r"(?<![0-9a-f-])\d{6}(?![0-9a-f-])", text)), f"{table} holds a code"
    assert not set(re.findall(r"(?<!\d)1[3-9]\d{9}(?!\d)", logs)) & numbers


def test_without_the_demo_it_waits_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.until("ready after")
    assert "no dead letters" in up.antispam("dead-letters", "list")  # a second terminal finds the broker
    up.process.send_signal(signal.SIGINT)
    code, output = up.ended()
    assert code == 0, output
    assert "no traffic was decided" in output
    assert "Traceback" not in output
