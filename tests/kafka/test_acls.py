"""The rights that docs and compose show are those of the table, and the table knows every role and topic."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline import topics
from pipeline.commands.processes import app
from pipeline.kafka import acls as kafka_acls
from pipeline.kafka.acls import Acl, Rights
from pipeline.run.brokers.kafka_node_security import sasl
from pipeline.run.roles import ROLES
from pipeline.settings import Settings
from tests.harness.places import ROOT

NO_BROKER = {"alerts", "callbacks", "retention"}


def row(user: str, rights: Rights) -> str:
    """A role as docs/operations.md shows it."""

    def shown(*names: str) -> str:
        return ", ".join(f"`{name}*`" if name.endswith((".", "-")) else f"`{name}`" for name in names) or "–"

    groups = shown(*rights.groups, *rights.sees_groups)
    return f"| `{user}` | {shown(*rights.reads)} | {shown(*rights.writes)} | {groups} | {shown(*rights.transactions)} |"


def test_operations_shows_the_table() -> None:
    wanted = [row(*item) for role in kafka_acls.roles() for item in kafka_acls.rights(role, ["<channel>"]).items()]
    lines = (ROOT / "docs" / "operations.md").read_text().splitlines()
    shown = [line for line in lines if line.startswith("| `antispam-")]
    assert shown == wanted, "\n".join(["docs/operations.md, Users and rights, should have these rows:", *wanted])


def test_every_role_that_talks_to_a_broker_has_rights() -> None:
    assert set(ROLES) - NO_BROKER | {"worker", "sink", "operator"} == set(kafka_acls.roles())


def test_every_topic_is_written_by_somebody_and_by_few() -> None:
    every = [rights for role in kafka_acls.roles() for rights in kafka_acls.rights(role, ["cmcc"]).values()]
    for topic in topics.all_topics(("cmcc",)):
        writers = [
            rights
            for rights in every
            if any(topic.name.startswith(n) if n.endswith((".", "-")) else topic.name == n for n in rights.writes)
        ]
        assert 1 <= len(writers) <= 6, topic.name


def test_a_sender_reads_its_own_channel_only() -> None:
    rights = kafka_acls.rights("sender", ["cmcc"])["antispam-sender-cmcc"]
    assert rights.reads == ("outbound.cmcc.express", "outbound.cmcc.bulk")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["relay"],
            "kafka-acls.sh --add --allow-principal User:antispam-relay --operation WRITE --topic audit-heads "
            "--resource-pattern-type literal",
        ),
        (
            ["projector", "--user", "office"],
            "kafka-acls.sh --add --allow-principal User:office --operation READ --group projector- "
            "--resource-pattern-type prefixed",
        ),
    ],
)
def test_rights_are_printed_as_lines_of_kafka_acls(
    arguments: list[str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.commands.context.settings", lambda: Settings(_env_file=None))
    result = CliRunner().invoke(app, ["broker", "acls", *arguments])
    assert result.exit_code == 0
    assert line in result.output.splitlines()


def test_an_unknown_role_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.commands.context.settings", lambda: Settings(_env_file=None))
    assert CliRunner().invoke(app, ["broker", "acls", "boss"]).exit_code == 2


# docker-compose.secured.yml


@pytest.fixture(scope="module")
def secured() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.secured.yml").read_text())
    return loaded


def test_each_service_signs_in_as_a_user_with_the_rights_of_its_roles(secured: dict[str, Any]) -> None:
    script = secured["services"]["topics"]["command"][-1]
    given: set[Acl] = set()
    for user, roles in re.findall(r"broker acls --apply(?: --user (\S+))? ([a-z ]+)\n", script):
        for role in roles.split():
            for name, rights in kafka_acls.rights(role, ["default"]).items():
                given |= set(kafka_acls.acls(user or name, rights))
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, service in secured["services"].items():
        user = service["environment"].get("ANTISPAM_KAFKA_USERNAME")
        if name in ("kafka", "topics"):
            continue
        _, command, *arguments = base[name]["command"]
        for role in arguments if command == "serve" else [command]:
            if role not in NO_BROKER:
                (rights,) = kafka_acls.rights(role, ["default"]).values()
                assert set(kafka_acls.acls(user, rights)) <= given, f"{name} lacks rights of {role}"
        assert f"{user.removeprefix('antispam-')}" in script
    talking = {name for name in base if name not in ("postgres", "console")}
    assert set(secured["services"]) == talking


def test_compose_secures_kafka_as_our_own_node_is(secured: dict[str, Any]) -> None:
    own = sasl(
        Settings(
            kafka="k:1",
            kafka_security_protocol="SASL_PLAINTEXT",
            kafka_sasl_mechanism="PLAIN",
            kafka_username="admin",
            kafka_password="${KAFKA_ADMIN_PASSWORD:?set it}".translate(str.maketrans("${}:? ", "------")),
        )
    )
    environment = secured["services"]["kafka"]["environment"]
    here = {
        key.removeprefix("KAFKA_").replace("___", "-").replace("_", ".").lower(): value
        for key, value in environment.items()
    }
    for line in own.properties.splitlines():
        key, value = line.split("=", 1)
        for listener in ("internal", "external") if key.startswith("listener.name.client.") else ("",):
            found = here[key.replace("listener.name.client.", f"listener.name.{listener}.")]
            plain = found.replace("${KAFKA_ADMIN_PASSWORD:?set it}", "--KAFKA_ADMIN_PASSWORD--set-it-")
            assert plain == value, key
    protocols = here["listener.security.protocol.map"].split(",")
    assert {protocol.partition(":")[2] for protocol in protocols} == {own.protocol}


def test_the_superuser_of_a_node_needs_a_password_that_its_file_can_hold() -> None:
    good: dict[str, Any] = {
        "kafka": "k:1",
        "kafka_security_protocol": "SASL_PLAINTEXT",
        "kafka_sasl_mechanism": "PLAIN",
        "kafka_username": "admin",
        "kafka_password": "twelve-at-least",
    }
    assert "twelve-at-least" in sasl(Settings(**good)).properties
    for wrong in (
        {"kafka_password": "short"},
        {"kafka_password": 'quote"in-the-password'},
        {"kafka_username": "a b"},
        {"kafka_sasl_mechanism": "SCRAM-SHA-512"},
        {"kafka_security_protocol": "SASL_SSL"},
    ):
        with pytest.raises(Exception, match=r"superuser|ASCII|PLAIN"):
            sasl(Settings(**good | wrong))
