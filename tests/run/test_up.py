"""`antispam up`: the whole pipeline on one machine, by one command, and nothing of it left behind."""

from __future__ import annotations

import grp
import os
import re
import signal
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path

import duckdb
import msgspec
import psutil
import pytest

from pipeline.lake.views import connect, full_files
from pipeline.settings import Settings
from tests.harness.processes.up import Up

pytestmark = pytest.mark.broker

VERDICTS = ("release", "hold", "review", "reject", "blacklist")


def row(output: str, verdict: str) -> list[int]:
    """Submissions, messages and records of a verdict in the summary."""
    found = re.findall(rf"{verdict} +│ +([\d,]+) │ +([\d,]+) │ +([\d,]+) │", output)
    return [int(number.replace(",", "")) for number in found[-1]]


def test_the_demo_shows_every_verdict_and_ends_by_itself(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    up = Up(tmp_path, "--demo", "--for", "20s", ANTISPAM_LAKE_GROUP=group)
    code, output = up.ended(deadline=170)
    assert code == 0, output
    assert len(up.family) >= 8  # broker, office, worker, sink, API, carrier, sender, console
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
    _a_group_reads_the_tables_and_nothing_else(up)


def _released_reached_the_carrier(up: Up) -> None:
    """Statuses of the operational database: what was released was sent, but for what a suspension stopped."""
    with sqlite3.connect(up.data / "operational.db") as database:
        states = dict(database.execute("SELECT state, count(*) FROM deliveries GROUP BY 1"))
    assert states["delivered"] > 100
    assert set(states) <= {"delivered", "submitted", "stopped", "submitting"}
    events = re.findall(r'"event": "(link_up|link_down)"', (up.data / "sender.log").read_text())
    assert "link_down" not in events[events.index("link_up") :], "the carrier ended before its answers were read"


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


def _a_group_reads_the_tables_and_nothing_else(up: Up) -> None:
    found = readable_by_others(up.data)
    full = up.data / "lake" / "full"
    tables = {path for path in found if path.is_relative_to(up.data / "lake") and not path.is_relative_to(full)}
    assert {path for path in found if not path.is_relative_to(full)} == {up.data, *tables}
    assert stat.S_IMODE(up.data.stat().st_mode) == 0o710
    assert stat.S_IMODE(full.stat().st_mode) == 0o700  # so the modes of what lies in it do not matter
    lake = [path for path in (up.data / "lake").rglob("*") if not path.is_relative_to(full) and path.suffix != ".lock"]
    assert len(lake) > 50
    assert not [path for path in lake if not path.stat().st_mode & stat.S_IRGRP or path.stat().st_mode & 0o007]


def readable_by_others(*folders: Path) -> set[Path]:
    """What anybody but its owner may read, write or pass."""
    paths = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return {path for path in paths if not path.is_symlink() and path.stat().st_mode & 0o077}


@pytest.mark.slow
def test_without_the_demo_it_waits_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    up = Up(tmp_path)
    (up.data / "records").mkdir(parents=True, mode=0o755)  # of an earlier version
    (up.data / "records" / "old").write_text("13800000001")
    up.until("ready after")
    secrets, commands = set(), []
    for process in up.family:
        with suppress(psutil.NoSuchProcess):  # a child of the start that has ended
            secrets |= {value for name, value in process.environ().items() if name.endswith("_SECRET")}
            commands.append(process.cmdline())
    assert secrets
    assert len(commands) >= 8  # as many as with the demo
    assert not [command for command in commands if secrets & set(" ".join(command).split())]
    assert "no dead letters" in up.antispam("dead-letters", "list")  # a second terminal finds the broker
    up.process.send_signal(signal.SIGINT)
    code, output = up.ended()
    assert code == 0, output
    assert "no traffic was decided" in output
    assert "Traceback" not in output
    assert {"operational.db", "privacy.key", "records", "office.log"} <= {path.name for path in up.data.iterdir()}
    assert not readable_by_others(up.data, *up.temporary.iterdir())
