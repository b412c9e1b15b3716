"""Real messages, from files through the stream into the lake: as many decisions as were sent."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline import lake
from pipeline.decision.configuration import directory_entries
from pipeline.kafka.admin import ensure_topics
from pipeline.run.brokers.kafka_node import KafkaNode
from pipeline.settings import Settings
from tests.harness.places import RESEARCH as DATA
from tests.harness.processes.forked import run
from tests.harness.processes.workers import Progress, publish, settings_for, start, worker

PORTS = 50
# Research data without a licence to redistribute: kept outside the project, see docs/architecture.md.
MESSAGES = DATA / "sms" / "val.jsonl"


@pytest.mark.slow
@pytest.mark.skipif(not MESSAGES.exists(), reason=f"no research data at {MESSAGES} (ANTISPAM_RESEARCH_DATA)")
def test_every_message_of_a_file_is_decided_and_found_in_the_lake(fresh_kafka: KafkaNode, tmp_path: Path) -> None:
    settings = settings_for(fresh_kafka.bootstrap, tmp_path, lake_flush=1.0)
    ensure_topics(fresh_kafka.bootstrap, settings)
    sent = _submissions(tmp_path / "submissions.csv", _configuration(tmp_path / "config"))
    publish(settings, directory_entries(tmp_path / "config"), 1)
    environment = {**os.environ, "ANTISPAM_KAFKA": fresh_kafka.bootstrap, "ANTISPAM_DATA_DIR": str(settings.data_dir)}
    for expected in (f"{sent} submissions", "0 submissions"):  # the second time every line is known
        code, output, errors = run("ingest", "submissions", tmp_path / "submissions.csv", env=environment)
        assert code == 0, errors
        assert expected in output
    with worker(settings) as running, Progress(settings) as progress:
        sink = start(settings, "sink", "sink")
        progress.reach(sent, running)
        sink.stop(60)
    rows = _query(settings, "SELECT count(*), count(DISTINCT (port, id)), count(DISTINCT port) FROM decisions")
    assert rows == [(sent, sent, PORTS)]
    verdicts = dict(_query(settings, "SELECT verdict, count(*) FROM decisions GROUP BY 1"))
    print(f"{sent} messages of {PORTS} ports: {verdicts}")
    assert sum(verdicts.values()) == sent
    assert not _query(settings, "SELECT * FROM dead_letters")


def _configuration(folder: Path) -> list[str]:
    """Fifty ports: kinds and tiers in turn; half of them ordinary notice ports."""
    codes = [f"1069{n:04d}" for n in range(PORTS)]
    folder.mkdir()
    kinds, tiers = ("notice", "commercial"), ("ordinary", "trusted", "high", "ordinary", "ordinary")
    with (folder / "ports.jsonl").open("w", encoding="utf-8") as out:
        for n, code in enumerate(codes):
            port = {"code": code, "name": f"port {n}", "kind": kinds[n % 2], "tier": tiers[n % 5]}
            out.write(json.dumps(port) + "\n")
    return codes


def _submissions(path: Path, codes: list[str]) -> int:
    count = 0
    with MESSAGES.open(encoding="utf-8") as lines, path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["id", "port", "recipients", "content"])
        for line in lines:
            rows.writerow([f"val-{count}", codes[count % PORTS], f"138{count:08d}", json.loads(line)["text"]])
            count += 1
    return count


def _query(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    return lake.connect(settings).execute(sql).fetchall()
