"""`antispam doctor`: says what is missing before anything depends on it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from pipeline import topics
from pipeline.kafka.admin import ensure_topics
from pipeline.process import pages, readiness
from pipeline.process.page import Page
from pipeline.run import doctor
from pipeline.run.brokers import kafka_node
from pipeline.run.brokers.embedded import EmbeddedBroker
from pipeline.run.child import free_port
from pipeline.run.doctor import Check, examine
from pipeline.run.roles import ROLES
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from pipeline.store.migrate import head, open_database
from pipeline.store.registry import registry

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers has time to, however busy the machine is."""
    monkeypatch.setattr(doctor, "SECONDS", 60.0)
    monkeypatch.setattr(doctor, "ANSWER", 30.0)


def checks(folder: Path, kafka: str | None = None) -> dict[str, Check]:
    return {check.name: check for check in examine(Settings(_env_file=None, data_dir=folder, kafka=kafka))}


def test_a_bare_machine_can_run_the_evaluation(tmp_path: Path) -> None:
    found = checks(tmp_path / "var")
    assert [check for check in found.values() if not check.ok] == []
    assert found["broker"].detail.startswith("none set; the embedded one starts (embedded-")
    assert "model" in found["decision function"].detail


def test_the_years_of_the_calendar_in_force_are_said(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    assert checks(tmp_path)["calendar"].detail.startswith("2024 to 2026, Asia/Shanghai")
    db = open_database(settings)
    mine = "zone: Asia/Tokyo\nyears: {2099: {source: law, holidays: {a: 2099-01-01}}}\n"
    registry.publish_configuration(db, User("a", Role.ADMINISTRATOR), "calendar", "calendar.yaml", mine, 1)
    db.close()
    found = checks(tmp_path)["calendar"].detail
    assert found.startswith("2099 to 2099, Asia/Tokyo; add ")
    assert found.endswith(" to calendar.yaml and publish it")


def test_a_broker_without_our_topics_is_told_what_to_run(fresh_embedded: EmbeddedBroker, tmp_path: Path) -> None:
    before = checks(tmp_path, fresh_embedded.bootstrap)["broker"]
    assert not before.ok
    first = topics.FIXED[0].name
    assert before.detail.endswith(f"no topic {first} (antispam topics creates them), or no right to see it")
    ensure_topics(fresh_embedded.bootstrap, Settings(_env_file=None))
    after = checks(tmp_path, fresh_embedded.bootstrap)["broker"]
    assert (after.ok, after.detail) == (True, f"{fresh_embedded.bootstrap}, cluster {fresh_embedded.cluster_id}")


def test_a_broker_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ANSWER", 1.0)
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


def test_what_hangs_is_said_and_holds_nothing_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(doctor, "SECONDS", 0.5)
    monkeypatch.setattr(doctor, "_kafka", lambda: (never.wait(), ""))
    found = checks(tmp_path)
    never.set()
    assert found["kafka for `antispam broker kafka`"] == Check(
        "kafka for `antispam broker kafka`", False, "no answer in 0 s"
    )
    assert found["python"].ok


def test_roles_say_how_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_parts", {})
    monkeypatch.setattr(readiness, "_waits", {})
    readiness.say("relay", False, "Kafka at k:9092: no answer")
    path = pages.note(tmp_path, "worker-0", ["relay"])
    page = Page("127.0.0.1", 0, ["relay"])
    pages.write(path, "127.0.0.1", page.port(10) or 0, ["relay"])
    pages.write(pages.note(tmp_path, "s", ["sender"]), "127.0.0.1", free_port(), ["sender"])
    found = checks(tmp_path)
    assert not found["role relay"].ok
    assert found["role relay"].detail.endswith("waits for: relay: Kafka at k:9092: no answer")
    assert not found["role sender"].ok
    assert found["role sender"].detail.startswith("ended without notice, or hangs")
    assert found["role projector"] == Check("role projector", True, "does not run on this data folder")
    readiness.say("relay", True)
    assert checks(tmp_path)["role relay"].ok
    page.close()


def test_every_role_is_looked_at(tmp_path: Path) -> None:
    named = {name.removeprefix("role ") for name in checks(tmp_path) if name.startswith("role ")}
    assert named == {*ROLES, "sink", "console", "worker of submissions", "worker of records"}


def test_channels_and_their_secrets_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "channels.yaml"
    with socket.socket() as gateway:
        gateway.bind(("127.0.0.1", 0))
        gateway.listen()
        port = gateway.getsockname()[1]
        file.write_text(
            f'a: {{host: 127.0.0.1, port: {port}, account: "900001"}}\n'
            f'b: {{host: 127.0.0.1, port: {port}, account: "900002"}}\n'
            f'c: {{host: 127.0.0.1, port: {free_port()}, account: "900003"}}\n'
        )
        for name in ("A", "C"):
            monkeypatch.setenv(f"ANTISPAM_CHANNEL_{name}_SECRET", "s")
        settings = Settings(_env_file=None, data_dir=tmp_path, channels_file=file, channels=("a", "b", "c", "d"))
        found = {check.name: check for check in examine(settings)}
    assert found["channel a"] == Check("channel a", True, f"secret set, 127.0.0.1:{port} answers")
    assert found["channel b"].detail == "channel b: ANTISPAM_CHANNEL_B_SECRET is not set"
    assert "cannot be reached" in found["channel c"].detail
    assert found["channel d"].detail == f"in ANTISPAM_CHANNELS, not in {file}"
    assert [name for name in ("b", "c", "d") if found[f"channel {name}"].ok] == []


def test_the_database_is_looked_at_and_not_changed(tmp_path: Path) -> None:
    assert "created at the first start" in checks(tmp_path)["database"].detail
    assert not (tmp_path / "operational.db").exists()
    settings = Settings(_env_file=None, data_dir=tmp_path)
    open_database(settings).close()
    assert checks(tmp_path)["database"].detail == f"SQLite, migration {head()}"
    away = SecretStr(f"postgresql://a:b@127.0.0.1:{free_port()}/c")
    found = {check.name: check for check in examine(settings.model_copy(update={"database_url": away}))}
    assert not found["database"].ok
    assert found["database"].detail.startswith("operational database:")
