"""`antispam ingest`: each line of a file on its topic exactly once, however often it is killed."""

from __future__ import annotations

import gzip
import os
import signal
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from time import time
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message

from pipeline import topics
from pipeline.actions.status.statuses import project_submissions
from pipeline.errors import AntispamError
from pipeline.events import Submission, encode
from pipeline.file_exchange import CsvForm
from pipeline.files.source_file import open_source
from pipeline.ingest.files import ingester
from pipeline.ingest.files.ingester import Ingested, ingest
from pipeline.kafka import replay as replay_module
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.clients import reader, writer
from pipeline.kafka.replay import replay
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.settings import Settings
from tests.harness.migrated import migrated_database
from tests.harness.processes.forked import run
from tests.harness.processes.workers import publish, settings_for

RECORD_COLUMNS = {"kind": "TYPE", "sender": "SRC", "recipient": "DST", "content": "TEXT", "submitted_at": "T"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few records on an idle broker need no long silence to be believed complete."""
    monkeypatch.setattr(replay_module, "QUIET", 0.1)


def deployment(bootstrap: str, folder: Path) -> Settings:
    """A deployment with one registered port."""
    made = settings_for(bootstrap, folder)
    ensure_topics(bootstrap, made)
    publish(made, [("port", "10690001", '{"code": "10690001"}')], int(time() * 1000))
    return made


@pytest.fixture
def settings(embedded_broker: str, tmp_path: Path) -> Settings:
    """One on the embedded broker, for what no broker changes."""
    return deployment(embedded_broker, tmp_path)


@pytest.fixture
def on_both(broker: str, tmp_path: Path) -> Settings:
    """One on each broker."""
    return deployment(broker, tmp_path)


def messages(settings: Settings, *names: str) -> list[Message]:
    found: list[Message] = []
    consumer = reader(settings, "test")
    places = [(name, p) for name in names for p in range(settings.partitions)]
    replay(consumer, places, found.append)
    consumer.close()
    return found


def events(settings: Settings, prefix: str, *names: str) -> list[dict[str, Any]]:
    """What lies on the topics with ids of this test."""
    return [event for event, _ in written(settings, prefix, *names)]


def written(settings: Settings, prefix: str, *names: str) -> list[tuple[dict[str, Any], Message]]:
    """The same, each with its record; other tests of the session have left broken records there."""
    ours = f'"id":"{prefix}'.encode()
    found = [m for m in messages(settings, *names) if ours in (m.value() or b"")]
    return [(msgspec.json.decode(m.value() or b""), m) for m in found]


SUBMISSION_TOPICS = (topics.SUBMISSIONS_EXPRESS.name, topics.SUBMISSIONS_BULK.name)


def submissions(prefix: str, count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"{prefix}{n}", "port": "10690001", "recipients": [f"138{n:08d}"], "content": f"【示例】第{n}条"}
        for n in range(count)
    ]


def write(path: Path, lines: Sequence[Any]) -> Path:
    text = [line if isinstance(line, str) else msgspec.json.encode(line).decode() for line in lines]
    path.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return path


def kept(path: Path) -> list[tuple[int, str]]:
    rejected = path.with_name(path.name + ".rejected.jsonl")
    entries = [msgspec.json.decode(line) for line in rejected.read_bytes().splitlines()] if rejected.exists() else []
    return [(entry["line"], entry["error"]) for entry in entries]


def test_submissions_go_by_lane_and_by_registered_port(on_both: Settings, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}-"
    lines = submissions(prefix, 4)
    lines[1]["port"] = "1069000155"  # an extension is no port of its own
    lines[2]["priority"] = "bulk"
    path = write(tmp_path / "a.jsonl", [*lines, "nonsense", lines[0], lines[3] | {"id": f"{prefix}x", "port": "1"}])
    [result] = ingest("submissions", [path], on_both)
    assert (result.path, result.accepted, result.rejected, result.skipped) == (path, 4, 3, 0)
    assert [line for line, _ in kept(path)] == [5, 6, 7]
    assert kept(path)[1:] == [(6, "id: used before in this file"), (7, "port: 3 to 21 digits expected")]
    found = written(on_both, prefix, *SUBMISSION_TOPICS)
    ours = {event["id"].removeprefix(prefix): (m.topic(), m.key(), m.partition()) for event, m in found}
    assert {name: topic for name, (topic, _, _) in ours.items()} == {
        "0": "submissions.express",
        "1": "submissions.express",
        "2": "submissions.bulk",
        "3": "submissions.express",
    }
    assert {(key, partition) for _, key, partition in ours.values()} == {(b"10690001", ours["0"][2])}


def test_every_kind_and_form_of_file_is_taken(settings: Settings, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}-"
    rows = "TYPE,SRC,DST,TEXT,T\n" + "".join(
        f"MO,1390000{n:04d},13800000001,{prefix}在吗{n},20250101080000\n" for n in range(30)
    )
    records = tmp_path / "smsc.csv.gz"
    records.write_bytes(gzip.compress(rows.encode("gbk")))
    table = tmp_path / "submissions.csv"
    table.write_text(
        f'id,port,recipients,content,batch_size\n{prefix}csv,10690001,13800000001;13800000002,"您好，\n再见",60\n',
        encoding="utf-8-sig",
    )
    at = int(time() * 1000)
    line = {"id": f"{prefix}c", "port": "1069000155", "recipient": "13800000001", "complained_at": at}
    complaints = write(tmp_path / "complaints.jsonl", [line])

    mapped = settings.model_copy(update={"record_columns": RECORD_COLUMNS, "record_time_format": "%Y%m%d%H%M%S"})
    seen: list[tuple[int, int]] = []
    assert ingest("records", [records], mapped, lambda _, done, size: seen.append((done, size)))[0].accepted == 30
    assert seen[-1] == (records.stat().st_size, records.stat().st_size)
    assert ingest("submissions", [table], settings)[0].accepted == 1
    assert ingest("complaints", [complaints], settings)[0].accepted == 1

    digest = open_source(records).digest[:16]
    found = sorted(events(settings, digest, topics.RECORDS.name), key=lambda e: int(e["id"].split("-")[-1]))
    assert [e["content"] for e in found] == [f"{prefix}在吗{n}" for n in range(30)]
    assert {e["submitted_at"] for e in found} == {1_735_689_600_000}
    [event] = events(settings, f"{prefix}csv", *SUBMISSION_TOPICS)
    assert (event["recipients"], event["content"], event["priority"]) == (
        ["13800000001", "13800000002"],
        "您好，\n再见",
        "bulk",
    )
    assert len(events(settings, f"{prefix}c", topics.COMPLAINTS.name)) == 1


def test_one_bad_line_of_a_csv_costs_itself_and_a_missing_column_the_file(settings: Settings, tmp_path: Path) -> None:
    rows = [f"x{n}|MO|1390000{n:04d}|13800000001|你好{n}|2026-03-08T10:00:00+08:00" for n in range(6)]
    rows[2] = rows[2].replace("你好", '"你好')
    records = tmp_path / "smsc.csv"
    records.write_text("\n".join(rows) + "\n", encoding="utf-8")  # no header: the first record does not vanish
    [result] = ingest("records", [records], settings)
    assert (result.accepted, result.rejected) == (5, 1)
    assert [line for line, _ in kept(records)] == [3]
    [again] = ingest("records", [records], settings, form=CsvForm(quotes=False))
    assert (again.accepted, again.skipped) == (0, 6)
    (tmp_path / "b.csv").write_text("port;content\n1;2\n")
    with pytest.raises(AntispamError, match=r"b\.csv: header: no column `recipients`"):
        ingest("submissions", [tmp_path / "b.csv"], settings)
    assert not (tmp_path / "b.csv.rejected.jsonl").exists()


def test_a_file_done_before_is_skipped_under_any_name_but_not_as_another_kind(
    fresh_embedded: EmbeddedBroker, tmp_path: Path
) -> None:
    settings = deployment(fresh_embedded.bootstrap, tmp_path)
    prefix = f"{tmp_path.name}-"
    path = write(tmp_path / "a.jsonl", submissions(prefix, 3))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    results = ingest("submissions", [path, copy, path], settings)
    assert [(r.accepted, r.skipped) for r in results] == [(3, 0), (0, 3), (0, 3)]
    producer = writer(settings)
    for value in (b"{", b'{"file": "\xff"}', None):  # of somebody else: ends no intake
        producer.produce(topics.INGEST.name, value, b"k", 0)
    assert producer.flush(30) == 0
    assert [(r.accepted, r.skipped) for r in ingest("submissions", [copy], settings)] == [(0, 3)]
    assert len(events(settings, prefix, *SUBMISSION_TOPICS)) == 3
    assert ingest("complaints", [path], settings)[0].rejected == 3


# Killed in the middle

# The command itself, made to kill itself (SIGKILL) at one moment of its work.
KILLED = """
import os, signal, sys
from pipeline.ingest.files import ingester
from pipeline.kafka import replay as replay_module
moment, chunk = sys.argv[1], int(sys.argv[2])
ingester.CHUNK = 100
commit, commits = ingester._commit, [0]

def dying(producer, *arguments):
    commits[0] += 1
    if commits[0] == chunk and moment == "before":
        producer.flush(30)  # its records are on the broker, their transaction is open
        os.kill(os.getpid(), signal.SIGKILL)
    commit(producer, *arguments)
    if commits[0] == chunk and moment == "after":
        os.kill(os.getpid(), signal.SIGKILL)

ingester._commit = dying
sys.argv = ["antispam", "ingest", "submissions", *sys.argv[3:]]
from pipeline.cli import main
from tests.harness.processes.forked import run
main()
"""


def _environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "ANTISPAM_KAFKA": settings.kafka or "",
        "ANTISPAM_DATA_DIR": str(settings.data_dir),
        "ANTISPAM_PARTITIONS": str(settings.partitions),
    }


def test_killed_and_run_again_each_line_is_there_once(
    on_both: Settings, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """On the embedded broker, whose dead transactions surface, one open chunk may be there twice."""
    prefix = f"{tmp_path.name}-"
    lines: list[Any] = submissions(prefix, 1000)
    for n in (40, 333, 350, 990):
        lines[n] = "nonsense"
    path = write(tmp_path / "a.jsonl", lines)
    for moment, chunk in (("before", 1), ("before", 3), ("after", 1)):
        code, _, errors = run(moment, str(chunk), path, code=KILLED, env=_environment(on_both))
        assert code == -signal.SIGKILL, errors
    code, output, errors = run("ingest", "submissions", path, env=_environment(on_both))
    assert (code, errors) == (0, "")
    assert output == f"{path}: 697 submissions, 3 bad lines in {path}.rejected.jsonl, 300 lines done before\n"
    assert [line for line, _ in kept(path)] == [41, 334, 351, 991]

    found = Counter(event["id"] for event in events(on_both, prefix, *SUBMISSION_TOPICS))
    assert set(found) == {f"{prefix}{n}" for n in range(1000)} - {f"{prefix}{n}" for n in (40, 333, 350, 990)}
    if "kafka" in request.node.callspec.id:
        assert max(found.values()) == 1
    else:
        assert sum(found.values()) - len(found) <= 2 * 100

    _, output, _ = run("ingest", "submissions", path, env=_environment(on_both))
    assert output.startswith(f"{path}: 0 submissions")
    assert sum(Counter(e["id"] for e in events(on_both, prefix, *SUBMISSION_TOPICS)).values()) == sum(found.values())


def test_an_id_accepted_before_is_a_duplicate_or_refused_never_lost(settings: Settings, tmp_path: Path) -> None:
    first, second, third = (
        Submission(**{**one, "port": "1069000188", "recipients": tuple(one["recipients"]), "accepted_at": 1})
        for one in submissions("twice", 3)
    )
    other = msgspec.structs.replace(second, content="【示例】另一条")
    with closing(migrated_database(settings)) as db, db.write() as connection:
        project_submissions(connection, 1, [encode(first), encode(second)])  # by HTTP, or another file
    lines = [
        {"id": one.id, "port": one.port, "recipients": one.recipients, "content": one.content}
        for one in (first, other, third)
    ]
    path = write(tmp_path / "again.jsonl", lines)
    (result,) = ingest("submissions", [path], settings)
    assert (result.accepted, result.duplicates, result.rejected) == (1, 1, 1)
    assert kept(path) == [(2, ingester.USED)]
    assert [event["id"] for event in events(settings, "twice", *SUBMISSION_TOPICS)] == ["twice2"]


def test_of_two_processes_with_one_file_one_is_told_to_stop(
    kafka_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_for(kafka_broker, tmp_path)
    ensure_topics(kafka_broker, settings)
    prefix = f"{tmp_path.name}-"
    path = write(tmp_path / "a.jsonl", submissions(prefix, 250))
    honest, other = ingester._commit, list[Ingested]()
    monkeypatch.setattr(ingester, "CHUNK", 100)

    def overtaken(*arguments: Any) -> None:
        monkeypatch.setattr(ingester, "_commit", honest)
        other.extend(ingest("submissions", [path], settings))  # starts and ends while the first is at work
        honest(*arguments)

    monkeypatch.setattr(ingester, "_commit", overtaken)
    with pytest.raises(AntispamError, match=r"a\.jsonl: .*; run the command again to go on"):
        ingest("submissions", [path], settings)
    [result] = other
    assert (result.path, result.accepted, result.rejected, result.skipped) == (path, 250, 0, 0)
    assert Counter(e["id"] for e in events(settings, prefix, *SUBMISSION_TOPICS)).total() == 250


def test_a_truncated_file_is_an_error_and_leaves_nothing_half_done(on_both: Settings, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}-"
    whole = "".join(msgspec.json.encode(line).decode() + "\n" for line in submissions(prefix, 500))
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(whole.encode())[:-20])
    with pytest.raises(AntispamError, match=r"a\.jsonl\.gz: "):
        ingest("submissions", [path], on_both)
    assert events(on_both, prefix, *SUBMISSION_TOPICS) == []


def test_without_a_broker_the_command_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", submissions("x", 1))
    with pytest.raises(AntispamError, match="no broker"):
        ingest("submissions", [path], Settings(_env_file=None, data_dir=tmp_path / "data", kafka=None))
