"""docker-compose.yml has never run where it was written; what can be checked without an engine is."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
import typer
import yaml

from pipeline.cli import app
from pipeline.run.brokers import kafka_node
from pipeline.run.roles import ROLES
from pipeline.settings import Settings
from tests.harness.places import ROOT

PIPELINE_SERVICES = ("topics", "worker", "office", "api", "sender", "console", "sink")
SECRETS = {"ANTISPAM_CHANNEL_DEFAULT_SECRET"}  # of channels, not settings


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_every_port_is_published_on_this_machine_only(compose: dict[str, Any]) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", PIPELINE_SERVICES)
def test_settings_of_the_services_are_settings_we_have(
    name: str, compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str | None] = compose["services"][name]["environment"]
    known = {f"ANTISPAM_{field}".upper() for field in Settings.model_fields}
    assert set(environment) <= known | SECRETS
    for key, value in environment.items():
        if value is not None:
            monkeypatch.setenv(key, value)
    settings = Settings(_env_file=None)
    assert settings.kafka == "kafka:9092"
    assert f"{settings.data_dir}" in {mount.partition(":")[2] for mount in compose["services"][name]["volumes"]}
    assert settings.privacy_key is settings.audit_key is settings.release_key is None, "an empty key is none"


def test_each_service_is_asked_whether_it_can_work(compose: dict[str, Any]) -> None:
    for name in set(PIPELINE_SERVICES) - {"topics"}:
        service = compose["services"][name]
        page = "8501/health" if name == "console" else f"{service['environment']['ANTISPAM_SERVE_PORT']}/ready"
        assert f"http://127.0.0.1:{page}" in service["healthcheck"]["test"][-1]
        assert service["environment"]["ANTISPAM_SERVE_PORT"] == service["environment"]["ANTISPAM_WEB_PORT"]
    assert compose["services"]["topics"]["healthcheck"] == {"disable": True}


def test_only_those_who_release_and_send_are_given_the_key_of_releases(compose: dict[str, Any]) -> None:
    services = compose["services"].items()
    given = {name for name, service in services if "ANTISPAM_RELEASE_KEY" in service.get("environment", {})}
    assert given == {"worker", "office", "sender"}


def test_no_two_services_share_a_worker_id(compose: dict[str, Any]) -> None:
    ids = [compose["services"][name]["environment"]["ANTISPAM_WORKER_ID"] for name in PIPELINE_SERVICES]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", PIPELINE_SERVICES)
def test_services_wait_for_a_healthy_kafka_and_run_our_commands(name: str, compose: dict[str, Any]) -> None:
    service = compose["services"][name]
    program, command, *arguments = service["command"]
    assert program == "antispam"
    assert command in typer.main.get_group(app).commands
    assert set(arguments) <= set(ROLES)
    if name == "topics":
        assert service["depends_on"] == {"kafka": {"condition": "service_healthy"}}
        assert service["restart"] == "no"
    else:
        assert service["depends_on"] == {
            "topics": {"condition": "service_completed_successfully"},
            "postgres": {"condition": "service_healthy"},
        }
    assert all("healthcheck" in compose["services"][waited_for] for waited_for in ("kafka", "postgres"))


def test_every_role_that_needs_no_settings_of_its_own_runs(compose: dict[str, Any]) -> None:
    run = {role for service in compose["services"].values() for role in service.get("command", ())[2:]}
    assert set(ROLES) - run == {"files", "links", "parts"}  # need sources, accounts


def test_kafka_is_the_version_and_has_the_settings_of_the_node_we_test(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    pom = ElementTree.parse(kafka_node.POM)
    maven = {"m": "http://maven.apache.org/POM/4.0.0"}
    (version,) = [
        dependency.findtext("m:version", namespaces=maven)
        for dependency in pom.iterfind(".//m:dependency", maven)
        if dependency.findtext("m:groupId", namespaces=maven) == "org.apache.kafka"
    ]
    assert kafka["image"] == f"apache/kafka:{version}"

    node = dict(line.split("=", 1) for line in kafka_node.PROPERTIES.splitlines())
    here = {key.removeprefix("KAFKA_").replace("_", ".").lower(): value for key, value in kafka["environment"].items()}
    of_the_machine = {
        "listeners",
        "advertised.listeners",
        "controller.quorum.voters",
        "log.dirs",
        "inter.broker.listener.name",
        "listener.security.protocol.map",
    }
    assert {key: here.get(key) for key in node if key not in of_the_machine} == {
        key: value for key, value in node.items() if key not in of_the_machine
    }


def test_every_named_volume_is_declared(compose: dict[str, Any]) -> None:
    used = {mount.partition(":")[0] for service in compose["services"].values() for mount in service["volumes"]}
    assert {name for name in used if not name.startswith("./")} == set(compose["volumes"])


def test_the_image_runs_as_nobody_special_from_the_locked_versions() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "FROM python:3.11-slim" in lines
    assert any(line.startswith("USER ") and "root" not in line for line in lines)
    assert any("--requirement requirements.lock" in line and "--no-deps" in line for line in lines)
