"""`antispam doctor`: says what is missing before anything depends on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.stream import doctor, kafka_node
from pipeline.stream.admin import cluster_id, ensure_topics
from pipeline.stream.child import free_port
from pipeline.stream.doctor import Check, examine
from pipeline.stream.embedded import EmbeddedBroker


def checks(folder: Path, kafka: str | None = None) -> dict[str, Check]:
    return {check.name: check for check in examine(Settings(_env_file=None, data_dir=folder, kafka=kafka))}


def test_a_bare_machine_can_run_the_evaluation(tmp_path: Path) -> None:
    found = checks(tmp_path / "var")
    assert [check for check in found.values() if not check.ok] == []
    assert found["broker"].detail.startswith("none set; the embedded one starts (embedded-")
    assert "model" in found["decision function"].detail


def test_a_broker_without_our_topics_is_told_what_to_run(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    before = checks(tmp_path, fresh_embedded.bootstrap)["broker"]
    assert not before.ok
    assert before.detail.endswith("no topic submissions.express (antispam topics creates them)")
    ensure_topics(fresh_embedded.bootstrap, Settings(_env_file=None))
    after = checks(tmp_path, fresh_embedded.bootstrap)["broker"]
    assert (after.ok, after.detail) == (True, f"{fresh_embedded.bootstrap}, cluster {fresh_embedded.cluster_id}")


def test_a_broker_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "cluster_id", lambda address: cluster_id(address, timeout=1))
    found = checks(tmp_path, f"127.0.0.1:{free_port()}")["broker"]
    assert not found.ok
    assert found.detail.startswith("Kafka at 127.0.0.1:")
    assert "\n" not in found.detail


def test_a_data_folder_that_cannot_be_written_fails_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = checks(tmp_path / "file" / "var")
    assert not found["disk"].ok
    assert found["decision function"].ok


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MIN_FREE_GB", 10**9)
    assert not checks(tmp_path)["disk"].ok


def test_missing_java_is_told_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_node, "missing_tools", lambda: "no java")
    assert checks(tmp_path)["kafka for `antispam broker kafka`"] == Check(
        "kafka for `antispam broker kafka`", True, "no java"
    )
