"""What people do with versions of list files and of the templates of a port, on both databases."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.events import Kind
from pipeline.rules.policies.lifecycle import Approval, LivingKind
from pipeline.rules.ports import PortEntry, TemplateEntry, parse_port
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import import_configuration, policy_lifecycle, registry
from tests.store.registry.registered import followed

ANNA, BEN = User("anna", Role.OPERATOR), User("ben", Role.OPERATOR)
BOSS = User("boss", Role.ADMINISTRATOR)
AUTHOR, SOUTH = User("author", Role.POLICY_AUTHOR), User("south", Role.OPERATOR, {"enterprise": "e-south"})
TWO, LIST, TEMPLATES = Approval.TWO, LivingKind.LIST, LivingKind.TEMPLATES
HEAD = "list,entity,value,reason,expires\n"
FIRST = HEAD + "black,sender,13800000001,fraud,\nblocked,recipient,13800000002,asked,\n"
SECOND = HEAD + "black,sender,13800000001,more fraud,\nblocked,recipient,13800000003,asked,2027-03-01T00:00:00+08:00\n"
PORT = "10690001"
TEXTS = 'port: "10690001"\ntemplates:\n  - {id: code, kind: one_time_code, text: "验证码{code}"}\n'


def topic(db: Database) -> Mapping[tuple[str, str], str | None]:
    return followed(db)


def states(db: Database, kind: LivingKind) -> dict[str, str]:
    return {row.version: row.state for row in policy_lifecycle.versions(db, BOSS, kind)}


def in_force(db: Database, text: str, kind: LivingKind, now: int, name: str = "") -> str:
    version = policy_lifecycle.draft(db, ANNA, text, "an incident", now, kind, name)
    policy_lifecycle.submit(db, ANNA, version, now, kind)
    policy_lifecycle.approve(db, BEN, version, TWO, now, kind)
    return version


def said(db: Database, version: str, kind: LivingKind) -> list[str]:
    return [line["en"] for line in policy_lifecycle.difference(db, BEN, version, kind)]


def test_a_list_file_goes_from_draft_to_archive_by_two_people(any_db: Database) -> None:
    first = in_force(any_db, FIRST, LIST, 1)
    assert topic(any_db) == {("list", "lists.csv"): FIRST}
    second = policy_lifecycle.draft(any_db, ANNA, SECOND, "they asked again", 2, LIST)
    assert said(any_db, second, LIST) == [
        "list black: 0 added, 0 removed, 1 changed",
        "list blocked: 1 added, 1 removed, 0 changed",
        "list black: 138****0001: fraud → more fraud",
        "list blocked: new 138****0003: asked, ≤ 2027-02-28T16:00+00:00",
        "list blocked: 138****0002 removed",
    ]
    policy_lifecycle.submit(any_db, ANNA, second, 3, LIST)
    with pytest.raises(Forbidden, match=f"anna wrote list {second}: another person"):
        policy_lifecycle.approve(any_db, ANNA, second, TWO, 4, LIST)
    policy_lifecycle.approve(any_db, BEN, second, TWO, 4, LIST)
    assert topic(any_db) == {("list", "lists.csv"): SECOND}
    registry.rollback(any_db, BEN, "list", "lists.csv", 5)
    assert topic(any_db) == {("list", "lists.csv"): FIRST}
    assert states(any_db, LIST) == {first: "in_force", second: "archived"}


def test_a_second_list_file_stands_beside_the_first_and_goes_by_its_rollback(any_db: Database) -> None:
    in_force(any_db, FIRST, LIST, 1)
    more = HEAD + "black,sender,13800000009,,\n"
    version = in_force(any_db, more, LIST, 2, "incident.csv")
    assert topic(any_db) == {("list", "lists.csv"): FIRST, ("list", "incident.csv"): more}
    with pytest.raises(AntispamError, match=r"known already as incident\.csv: in_force"):
        policy_lifecycle.draft(any_db, ANNA, more, "", 3, LIST, "twice.csv")
    registry.rollback(any_db, BEN, "list", "incident.csv", 4)  # there was none before
    assert {key: value for key, value in topic(any_db).items() if value} == {("list", "lists.csv"): FIRST}
    assert states(any_db, LIST)[version] == "archived"
    registry.rollback(any_db, BEN, "list", "incident.csv", 5, version)
    assert topic(any_db)["list", "incident.csv"] == more


def test_a_folder_does_not_withdraw_the_files_that_people_approved(operational_db: Database) -> None:
    in_force(operational_db, FIRST, LIST, 1, "incident.csv")
    import_configuration.replace(operational_db, BOSS, [("list", "lists.csv", SECOND)], 2)
    import_configuration.replace(operational_db, BOSS, [], 3)
    assert {key: value for key, value in topic(operational_db).items() if value} == {("list", "incident.csv"): FIRST}


def test_a_faulty_line_is_pointed_at(operational_db: Database) -> None:
    version = policy_lifecycle.draft(operational_db, ANNA, FIRST + "blak,sender,1,,\n", "", 1, LIST)
    with pytest.raises(AntispamError, match=r"lists\.csv:4: column list: unknown list 'blak'; did you mean 'black'"):
        policy_lifecycle.submit(operational_db, ANNA, version, 2, LIST)
    assert states(operational_db, LIST) == {version: "draft"}


def test_numbers_are_not_shown_and_accounts_without_the_right_see_no_version(operational_db: Database) -> None:
    version = policy_lifecycle.draft(operational_db, ANNA, FIRST, "", 1, LIST)
    assert policy_lifecycle.text(operational_db, BEN, version, LIST) == FIRST.replace("0000", "****")
    for user in (AUTHOR, SOUTH, User("lin", Role.REVIEWER)):
        for kind in (LIST, TEMPLATES):
            with pytest.raises(Forbidden):
                policy_lifecycle.versions(operational_db, user, kind)
            with pytest.raises(Forbidden):
                policy_lifecycle.text(operational_db, user, version, kind)
            with pytest.raises(Forbidden):
                policy_lifecycle.difference(operational_db, user, version, kind)
            with pytest.raises(Forbidden):
                policy_lifecycle.draft(operational_db, user, SECOND, "", 2, kind)
    with pytest.raises(Forbidden, match="not shown"):
        policy_lifecycle.text_in_force(operational_db, BEN, LIST, "lists.csv")


def register(db: Database, *templates: TemplateEntry) -> None:
    registry.save_port(db, BOSS, PortEntry(code=PORT, name="shop", templates=templates), 0)


def registered(db: Database) -> tuple[TemplateEntry, ...]:
    entry = registry.port(db, PORT)
    assert entry is not None
    published = parse_port(topic(db)["port", PORT] or "").entry
    assert published == entry
    return entry.templates


CODE = TemplateEntry("code", "验证码{code}", Kind.ONE_TIME_CODE)
OLD = TemplateEntry("old", "您的订单{order}已发货")


def test_templates_go_from_draft_to_archive_by_two_people(any_db: Database) -> None:
    register(any_db, OLD)
    version = policy_lifecycle.draft(any_db, ANNA, TEXTS, "a new service", 1, TEMPLATES)
    assert said(any_db, version, TEMPLATES) == [
        "port 10690001: 1 templates added, 1 removed, 0 changed",
        "new template code: one_time_code, 验证码{code}",
        "template old removed",
    ]
    policy_lifecycle.submit(any_db, ANNA, version, 2, TEMPLATES)
    with pytest.raises(Forbidden, match="another person"):
        policy_lifecycle.approve(any_db, ANNA, version, TWO, 3, TEMPLATES)
    assert registered(any_db) == (OLD,)
    policy_lifecycle.approve(any_db, BEN, version, TWO, 3, TEMPLATES)
    assert registered(any_db) == (CODE,)
    before = {v: s for v, s in states(any_db, TEMPLATES).items() if v != version}
    assert list(before.values()) == ["archived"]  # what the port had before
    registry.rollback(any_db, BEN, "templates", PORT, 4)
    assert registered(any_db) == (OLD,)
    assert states(any_db, TEMPLATES) == {version: "archived", next(iter(before)): "in_force"}


def test_templates_that_change_with_their_port_are_the_version_in_force(operational_db: Database) -> None:
    register(operational_db)
    version = in_force(operational_db, TEXTS, TEMPLATES, 1)
    entry = registry.port(operational_db, PORT)
    assert entry is not None
    registry.save_port(operational_db, BOSS, msgspec.structs.replace(entry, volume_5m=7), 2)
    assert states(operational_db, TEMPLATES)[version] == "in_force"
    registry.save_port(operational_db, BOSS, msgspec.structs.replace(entry, templates=(CODE, OLD)), 3)
    assert states(operational_db, TEMPLATES)[version] == "archived"
    assert "您的订单" in policy_lifecycle.text_in_force(operational_db, BEN, TEMPLATES, PORT)
    registry.rollback(operational_db, BEN, "templates", PORT, 4)
    assert registered(operational_db) == (CODE,)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (TEXTS.replace("one_time_code", "one_time_cod"), r"10690001:3:22: unknown kind 'one_time_cod'"),
        (TEXTS.replace("text:", "txt:"), r"10690001:3:\d+: unknown field 'txt'"),
        (TEXTS.replace("验证码{code}", "{code}"), r"10690001:3:\d+: template code: nothing but placeholders"),
        (TEXTS + "  - {id: code, text: hi}\n", r"10690001:4:10: 'code' stands here twice"),
        (TEXTS.replace("10690001", "10690009"), "unknown port 10690009"),
    ],
)
def test_faulty_templates_stay_a_draft(operational_db: Database, text: str, fault: str) -> None:
    register(operational_db)
    version = policy_lifecycle.draft(operational_db, ANNA, text, "", 1, TEMPLATES)
    with pytest.raises(AntispamError, match=fault):
        policy_lifecycle.submit(operational_db, ANNA, version, 2, TEMPLATES)
    assert states(operational_db, TEMPLATES) == {version: "draft"}
    assert registered(operational_db) == ()


def test_where_two_must_agree_nobody_changes_lists_or_templates_alone(operational_db: Database) -> None:
    register(operational_db)
    port = registry.port(operational_db, PORT)
    assert port is not None
    changed = msgspec.json.encode(msgspec.structs.replace(port, templates=(CODE,))).decode()
    for text, kind in ((FIRST, LIST), (TEXTS, TEMPLATES)):
        with pytest.raises(Forbidden, match="two people must agree"):
            policy_lifecycle.publish(operational_db, BOSS, text, Approval.STRICT, 1, kind)
    with pytest.raises(Forbidden, match="the folder changes the list"):
        import_configuration.replace(operational_db, BOSS, [("list", "lists.csv", FIRST)], 1, Approval.STRICT)
    with pytest.raises(Forbidden, match="the folder changes templates"):
        import_configuration.replace(operational_db, BOSS, [("port", PORT, changed)], 1, Approval.STRICT)
    registry.add_list_entry(operational_db, ANNA, "black", "13800000001", "an incident at night", None, 2)
    assert ("list", "black/13800000001") in topic(operational_db)
