"""The command line: exit codes, one clear line on stderr, nothing lost and no traceback."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog

from pipeline import cli
from pipeline.commands import context
from pipeline.lake.backtest.reports import Report
from tests.harness.lake.replayed import BEGIN, POLICY, lake, mixed

PORTS = '{"code": "10690001", "name": "示例"}\n'
SUBMISSION = {"id": "s-1", "port": "10690001", "recipients": ["13800000001"], "content": "【示例】您的快递已到"}


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def decisions(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Iterator[Run]:
    """The command in this process, in an empty folder, as `main` runs it."""
    for name in [name for name in os.environ if name.startswith("ANTISPAM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    handlers = logging.getLogger().handlers[:]

    def command(*arguments: str | Path, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["antispam", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0 if code is None else 1, out.decode(), err.decode())

    yield command
    # The command set up logging to a stderr that ends with this test.
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration folder with one port."""
    made = tmp_path / "config"
    made.mkdir()
    (made / "ports.jsonl").write_text(PORTS, encoding="utf-8")
    return made


def write(path: Path, lines: Sequence[Any]) -> Path:
    text = [line if isinstance(line, str) else msgspec.json.encode(line).decode() for line in lines]
    path.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return path


def test_screen_decides_a_file_and_keeps_its_bad_lines_beside_the_output(
    run: Run, tmp_path: Path, folder: Path
) -> None:
    source, out = write(tmp_path / "in.jsonl", [SUBMISSION, "nonsense", SUBMISSION | {"port": "95555"}]), tmp_path / "o"
    ran = run("screen", "--in", source, "--out", out, "--config", folder)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == f"2 decisions, 1 bad lines in {out}.rejected.jsonl\n"
    assert [msgspec.json.decode(line)["verdict"] for line in out.read_bytes().splitlines()] == ["release", "hold"]
    assert msgspec.json.decode((tmp_path / "o.rejected.jsonl").read_bytes())["line"] == 2


def test_screen_reads_stdin_and_writes_stdout(run: Run, tmp_path: Path, folder: Path) -> None:
    stdin = msgspec.json.encode(SUBMISSION | {"content": "秒批秒下"}) + b"\n{\n"
    ran = run("screen", "--in", "-", "--out", "-", "--config", folder, stdin=stdin)
    [decision] = ran.decisions
    assert (ran.code, decision["verdict"], decision["reasons"][0]["rule"]) == (0, "reject", "keyword-reject")
    assert "秒批秒下" in ran.out  # unescaped
    assert ran.err == "1 decisions, 1 bad lines in screen.rejected.jsonl\n"
    assert Path("screen.rejected.jsonl").exists()


def test_screen_knows_the_consents_of_the_folder(run: Run, tmp_path: Path, folder: Path) -> None:
    (folder / "ports.jsonl").write_text(
        '{"code": "10690001", "name": "示例", "kind": "commercial"}\n', encoding="utf-8"
    )
    (folder / "consents.csv").write_text(
        "recipient,port,kind,source,given_at\n13800000001,10690001,consent,form,2026-03-01T10:00:00+08:00\n"
    )
    line = SUBMISSION | {"recipients": ["13800000001", "13800000002"], "submitted_at": "2026-03-10T12:00:00+08:00"}
    source = write(tmp_path / "in.jsonl", [line])
    [decision] = run("screen", "--in", source, "--out", "-", "--config", folder).decisions
    assert [(e["recipient"], e["rule"]) for e in decision["exceptions"]] == [("13800000002", "consent-missing")]
    (folder / "consents.csv").write_text("phone\n1\n")
    ran = run("screen", "--in", source, "--out", "-", "--config", folder)
    assert (ran.code, ran.err.count("\n")) == (1, 1)


def test_the_consent_command_records_and_shows(run: Run, tmp_path: Path) -> None:
    fields = "recipient,enterprise,kind,source,given_at\n"
    (tmp_path / "c.csv").write_text(f"{fields}13800000001,nobody,consent,form,2026-03-01T10:00:00+08:00\n")
    ran = run("consent", "import", tmp_path / "c.csv")
    assert (ran.code, ran.out) == (
        0,
        f"{tmp_path / 'c.csv'}: 0 consents, 1 bad lines in {tmp_path}/c.csv.rejected.jsonl\n",
    )
    assert (run("consent", "show", "13800000001").out, run("consent", "show", "x").code) == ("", 1)


def test_the_complaint_command_takes_a_file_once_and_counts(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mo.txt"
    file.write_text("13800000001|10086999|20251125093000|10690001*中奖\nnonsense\n", encoding="gbk")
    ran = run("complaint", "import", "mo", file)
    bad = f"1 bad lines in {file}.rejected.jsonl"
    told = f"{file}: 1 new complaints, 1 of them about no registered port, 0 known, {bad}\n"
    assert (ran.code, ran.out) == (0, told)
    assert run("complaint", "import", "mo", file).out.endswith(
        f"0 new complaints, 0 of them about no registered port, 1 known, {bad}\n"
    )
    assert '"complaints": 1' in run("complaint", "rates", "--month", "2025-11", "--json").out
    assert run("complaint", "rates", "--month", "2025-13").code == 1
    assert run("complaint", "answers", "mo", "--out", tmp_path / "a.csv").out == "mo: nothing to answer\n"
    ran = run("complaint", "import", "other", file)
    assert (ran.code, ran.err) == (1, "antispam: unknown shape 'other'; one of 12321, 7726, hotline, mo\n")


def test_the_rejected_file_may_be_named(run: Run, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", ["nonsense"])
    ran = run("screen", "--in", source, "--out", tmp_path / "o", "--rejected", tmp_path / "bad")
    assert (ran.code, ran.err) == (0, f"0 decisions, 1 bad lines in {tmp_path / 'bad'}\n")
    assert (tmp_path / "bad").exists()
    assert not (tmp_path / "o.rejected.jsonl").exists()


@pytest.mark.parametrize("command", ["classify", "match"])
def test_classify_and_match_answer_line_by_line(run: Run, command: str) -> None:
    ran = run(command, "--in", "-", "--out", "-", stdin='{"id": 1, "text": "信用卡套现"}\n{"id": 2}\n'.encode())
    [answer] = ran.decisions
    assert (ran.code, answer["id"]) == (0, 1)
    assert ran.err == f"1 texts, 1 bad lines in {command}.rejected.jsonl\n"
    assert "score" in answer or answer["hits"][0]["word"] == "信用卡套现"


USAGE: list[tuple[str, ...]] = [
    ("nonsense",),
    ("screen",),
    ("screen", "--in", "a"),
    ("screen", "--in", "a", "--out", "b", "--loud"),
    ("up", "--for", "soon"),
    ("up", "--for", "1.5s"),
    ("up", "--for", "١s"),
    ("ingest", "messages", "a.jsonl"),
    ("worker", "--stream", "rivers"),
    ("query", "select 1", "--format", "xml"),
    ("dead-letters", "retry"),
    ("dead-letters", "retry", "a/0/1", "--all"),
    ("bench", "engine", "--count", "many"),
    ("backtest", "--since", "2026-11-01T00:00:00Z"),
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_bad_usage_is_exit_2(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert "Usage: antispam" in ran.err


NO_BROKER = "antispam: no broker: start everything with `antispam up`, or set ANTISPAM_KAFKA=host:port\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("screen", "--in", "absent", "--out", "o"), "antispam: absent: No such file or directory\n"),
        (("screen", "--in", ".", "--out", "o"), "antispam: .: not a file\n"),
        (("screen", "--in", "-", "--out", "no/where"), "antispam: no/where: No such file or directory\n"),
        (("screen", "--in", "-", "--out", "-", "--config", "absent"), "antispam: absent: not a directory\n"),
        (
            ("screen", "--in", "-", "--out", "-", "--policy", "absent"),
            "antispam: absent: No such file or directory\n",
        ),
        (("classify", "--in", "-", "--out", "-", "--model", "absent"), "antispam: absent/card.json: "),
        (("match", "--in", "-", "--out", "-", "--dictionary", "absent"), "antispam: absent: No such file"),
        (("policy", "check", "absent"), "antispam: absent: No such file or directory\n"),
        (("policy", "publish", "absent"), "antispam: absent: No such file or directory\n"),
        (("ingest", "records", "absent"), "antispam: absent: No such file or directory\n"),
        (("train", "--data", "absent", "--out", "m"), "antispam: "),
        (("topics",), NO_BROKER),
        (("worker",), NO_BROKER),
        (("sink",), NO_BROKER),
        (("dead-letters", "list"), NO_BROKER),
        (("query", "selekt 1"), "antispam: "),
        (("backtest", "--since", "monday", "--until", "2026-11-02T00:00:00Z"), "antispam: --since: "),
        (("backtest", "--since", "1", "--until", "2", "--policy", "absent"), "antispam: --since: "),
        (
            ("backtest", "--since", "2026-11-01T00:00:00Z", "--until", "2026-11-02T00:00:00Z"),
            "antispam: the lake has no decision of this period\n",
        ),
    ],
    ids=str,
)
@pytest.mark.long
def test_what_cannot_be_done_is_exit_1_with_one_line(run: Run, arguments: tuple[str, ...], message: str) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(message)
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PARTITIONS", "many", "antispam: ANTISPAM_PARTITIONS: Input should be a valid integer"),
        ("LOG_LEVEL", "LOUD", "antispam: ANTISPAM_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR expected\n"),
        ("CHANNELS", "cmcc", "antispam: settings: "),
        ("RECORD_ZONE", "Mars", "antispam: ANTISPAM_RECORD_ZONE: "),
    ],
)
def test_a_setting_that_cannot_work_is_named(
    run: Run, name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ANTISPAM_{name}", value)
    ran = run("doctor")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(message)
    assert ran.err.count("\n") == 1


def test_policy_check_says_what_it_holds_or_points_at_the_fault(run: Run, tmp_path: Path) -> None:
    ran = run("policy", "check")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("policy ")
    policy = tmp_path / "mine.yaml"
    policy.write_text("rulez: []\n")
    ran = run("policy", "check", policy)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"antispam: {policy}:1:1: unknown field 'rulez'\n")
    assert "^~~~~" in ran.err


@pytest.mark.parametrize(
    ("kind", "sound", "said", "faulty", "fault"),
    [
        (
            "calendar",
            "zone: Asia/Shanghai\nyears: {2027: {source: a notice, holidays: {元旦: 2027-01-01}, workdays: []}}\n",
            "calendar: years 2027; 1 holidays, 0 moved workdays\n",
            "yers: {}\n",
            "{file}:1:1: ",
        ),
        (
            "dictionary",
            "word,category,verdict,severity,mode\n青屿秒贷,fraud,reject,80,evasive\n",
            "dictionary: 1 words and patterns\n",
            "word\n",
            "{file}: ",
        ),
        (
            "brands",
            "- {name: 青屿银行, kind: bank}\n",
            "brands: 215 brands with the shipped ones\n",
            "- {nam: x}\n",
            "{file}:1: ",
        ),
    ],
)
def test_policy_check_reads_the_other_kinds_as_their_submission_does(
    run: Run, tmp_path: Path, kind: str, sound: str, said: str, faulty: str, fault: str
) -> None:
    file = tmp_path / "mine"
    file.write_text(sound, encoding="utf-8")
    ran = run("policy", "check", file, "--kind", kind)
    assert (ran.code, ran.out, ran.err) == (0, said, "")
    file.write_text(faulty, encoding="utf-8")
    ran = run("policy", "check", file, "--kind", kind)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"antispam: {fault.format(file=file)}")


def test_policy_check_of_another_kind_needs_a_file(run: Run) -> None:
    assert run("policy", "check", "--kind", "calendar").code == 2


@pytest.mark.long
def test_a_policy_goes_from_draft_to_force_and_back(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "RELAY_WAIT", 0.0)
    rule = "rules: [{id: many, event: submission, description: many, when: messages > 50, verdict: review}]\n"
    for name, text in (("one", rule), ("two", rule.replace("50", "60")), ("bad", "rulez: []\n")):
        (tmp_path / name).write_text(text)
    assert run("policy", "publish", tmp_path / "one").code == 0
    version = run("policy", "draft", tmp_path / "two", "--reason", "fewer cases").out.strip()
    assert run("policy", "diff", version).out == "rule many: threshold messages 50 → 60\n"
    assert "+rules: [{id: many, event: submission, description: many, when: messages > 60" in (
        run("policy", "diff", version, "--lines").out
    )
    assert run("policy", "submit", version).code == 0
    assert run("policy", "shadow", version).code == 0
    for refused in (("share", version, "5"), ("approve", version)):
        ran = run("policy", *refused)
        assert (ran.code, "another person must approve it" in ran.err) == (1, True)
    assert run("policy", "share", version, "101").code == 2
    monkeypatch.setenv("ANTISPAM_POLICY_APPROVAL", "one")
    assert run("policy", "share", version, "5").code == 0
    assert f"{version}  share 5%  " in run("policy", "list").out
    assert run("policy", "approve", version).code == 0
    assert run("policy", "rollback").code == 0
    states = {line[:12]: line.split()[1] for line in run("policy", "list").out.splitlines()}
    assert sorted(states.values()) == ["archived", "in_force"]
    assert states[version] == "archived"
    faulty = run("policy", "draft", tmp_path / "bad").out.strip()
    assert "unknown field 'rulez'" in run("policy", "submit", faulty).err
    assert run("policy", "withdraw", faulty, "--reason", "nonsense").code == 0
    monkeypatch.setenv("ANTISPAM_POLICY_APPROVAL", "strict")
    assert "two people must agree" in run("policy", "publish", tmp_path / "two").err


@pytest.mark.long
def test_other_kinds_go_from_draft_to_force_and_back(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "RELAY_WAIT", 0.0)
    kind = ("--kind", "dictionary")
    words = "word,category,verdict\n办证,other,review\n"
    for name, text in (("one", words), ("two", words.replace("review", "reject")), ("bad", "wort,category\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert (
        run("policy", "diff", tmp_path / "one", *kind).err
        == "antispam: dictionary dictionary.csv: no version is in force\n"
    )
    assert run("policy", "publish", tmp_path / "one", *kind).code == 0
    version = run("policy", "draft", tmp_path / "two", "--reason", "fewer cases", *kind).out.strip()
    assert run("policy", "diff", version, *kind).out == "word 办证: verdict review → reject\n"
    assert run("policy", "submit", version, *kind).code == 0
    assert "another person must approve it" in run("policy", "approve", version, *kind).err
    monkeypatch.setenv("ANTISPAM_POLICY_APPROVAL", "one")
    assert run("policy", "approve", version, *kind).code == 0
    assert run("policy", "rollback", *kind).code == 0
    states = {line[:12]: line.split()[1] for line in run("policy", "list", *kind).out.splitlines()}
    assert sorted(states.values()) == ["archived", "in_force"]
    assert states[version] == "archived"
    assert run("policy", "list").out == ""
    faulty = run("policy", "draft", tmp_path / "bad", *kind).out.strip()
    assert "dictionary line 1" in run("policy", "submit", faulty, *kind).err
    assert run("policy", "withdraw", faulty, *kind).code == 0
    monkeypatch.setenv("ANTISPAM_POLICY_APPROVAL", "strict")
    assert "two people must agree" in run("policy", "publish", tmp_path / "two", *kind).err
    assert run("policy", "list", "--kind", "model").code == 2


def test_policy_signals_lists_every_name(run: Run) -> None:
    ran = run("policy", "signals")
    assert ran.code == 0
    for name in ("port_tier", "score", "same_content_5m", "sender_volume_5m"):
        assert name in ran.out


@pytest.mark.long
def test_backtest_reports_as_json_and_in_words(run: Run, tmp_path: Path) -> None:
    mixed(lake(tmp_path / "var")[1])
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.replace("> 5", "> 3"), encoding="utf-8")
    period = ("--since", str(BEGIN), "--until", "2026-11-20T00:00:00+08:00")
    ran = run("backtest", *period, "--policy", policy, "--sweep", "volume=4,6")
    assert ran.code == 0
    report = msgspec.json.decode(ran.out, type=Report)
    assert [tested.value for tested in report.tested] == [None, "4", "6"]
    assert report.tested[0].total.stopped.messages > 0
    assert f"backtest {report.key}: policy {report.policy}" in ran.err
    assert "newly stopped" in ran.err


def test_help_names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for name in ("up", "worker", "sink", "screen", "ingest", "query", "doctor", "policy", "backtest", "dead-letters"):
        assert f" {name} " in ran.out


def test_help_does_not_wait_for_what_commands_need() -> None:
    code = "import pipeline.cli, sys; print(sorted({'numpy', 'faust', 'duckdb', 'pyarrow'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "[]\n"


@pytest.mark.long
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    line = msgspec.json.encode({"id": 1, "text": "您好"}) + b"\n"
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "match", "--in", "-", "--out", "/dev/full"],
        input=line,
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert ended.stderr == b"antispam: No space left on device\n"


@pytest.mark.long
def test_a_reader_that_leaves_early_is_no_traceback(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"id": n, "text": "您好" * 50} for n in range(5000)])
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "match", "--in", str(source), "--out", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert "Traceback" not in err
    assert "Exception ignored" not in err
