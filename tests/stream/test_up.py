"""`antispam up`: the whole pipeline on one machine, by one command, and nothing of it left behind."""

from __future__ import annotations

import re
import signal
import sqlite3
from pathlib import Path

import duckdb
import msgspec
from up_process import Up

from pipeline.lake.views import connect, full_files
from pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
VERDICTS = ("release", "hold", "review", "reject", "blacklist")


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
