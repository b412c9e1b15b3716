"""What people do with versions of the policy, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select

from pipeline.decision.candidate import parse_candidate
from pipeline.errors import AntispamError
from pipeline.rules.policies.lifecycle import Approval, LivingKind
from pipeline.rules.versions import version_of
from pipeline.store import schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import configurations, import_configuration, policy_lifecycle, registry
from tests.store.registry.registered import followed

ANNA, BEN = User("anna", Role.POLICY_AUTHOR), User("ben", Role.POLICY_APPROVER)
BOSS = User("boss", Role.ADMINISTRATOR)
FIRST, SECOND, THIRD = ("title: first", "title: second", "title: third")
TWO = Approval.TWO
TRIAL = ("candidate", "policy.yaml")
FORCE = ("policy", "policy.yaml")


def states(db: Database) -> dict[str, tuple[str, int]]:
    return {row.version: (row.state, row.share) for row in policy_lifecycle.versions(db, ANNA)}


def checked(db: Database, text: str = SECOND, by: User = ANNA) -> str:
    version = policy_lifecycle.draft(db, by, text, "fewer false alarms", 1)
    policy_lifecycle.submit(db, by, version, 2)
    return version


def in_topic(db: Database) -> dict[tuple[str, str], str]:
    """What workers have, from the outbox; and from the tables, as after a restored database."""
    published = {key: value for key, value in followed(db).items() if value is not None}
    with db.read() as connection:
        assert {(kind, name): value for kind, name, value in configurations.everything(connection)} == published
    return published


def audited(db: Database) -> list[tuple[str, str, str]]:
    with db.read() as connection:
        table = schema.audit
        rows = connection.execute(select(table.c.actor, table.c.action, table.c.reason).order_by(table.c.id))
        return [(row.actor, row.action, row.reason) for row in rows]


def test_a_version_goes_the_whole_way_by_two_people(any_db: Database) -> None:
    policy_lifecycle.publish(any_db, BOSS, FIRST, TWO, 1)
    version = policy_lifecycle.draft(any_db, ANNA, SECOND, "fewer false alarms", 2)
    assert policy_lifecycle.text(any_db, BEN, version) == SECOND
    policy_lifecycle.submit(any_db, ANNA, version, 3)
    assert in_topic(any_db) == {FORCE: FIRST}
    policy_lifecycle.shadow(any_db, ANNA, version, 4)
    assert states(any_db)[version] == ("shadow", 0)
    assert parse_candidate(in_topic(any_db)[TRIAL]).share == 0
    for percent in (5, 60):
        epoch = policy_lifecycle.share(any_db, BEN, version, percent, TWO, 5)
        candidate = parse_candidate(in_topic(any_db)[TRIAL])
        assert (candidate.share, candidate.policy.version) == (percent, version)
        assert states(any_db)[version] == ("share", percent)
    epoch = policy_lifecycle.approve(any_db, BEN, version, TWO, 6)
    assert in_topic(any_db) == {FORCE: SECOND}
    before, now = sorted(policy_lifecycle.versions(any_db, ANNA), key=lambda row: row.drafted_at)
    assert (now.version, now.state, now.share) == (version, "in_force", 0)
    assert (now.author, now.reason, now.drafted_at) == ("anna", "fewer false alarms", 2)
    assert (now.approver, now.approved_at, now.changed_at, now.epoch) == ("ben", 6, 6, epoch)
    assert (before.state, before.author, before.changed_by) == ("archived", "boss", "ben")
    assert audited(any_db) == [
        ("boss", "publish", ""),
        ("anna", "draft", "fewer false alarms"),
        ("anna", "submit", ""),
        ("anna", "shadow", ""),
        ("ben", "share", ""),
        ("ben", "share", ""),
        ("ben", "approve", ""),
    ]


def test_back_to_any_earlier_version_by_one_person(any_db: Database) -> None:
    for n, value in enumerate((FIRST, SECOND, THIRD)):
        policy_lifecycle.publish(any_db, BOSS, value, TWO, n)
    version = {row.state: row.version for row in policy_lifecycle.versions(any_db, BEN)}["in_force"]
    first = next(row.version for row in policy_lifecycle.versions(any_db, BEN) if row.drafted_at == 0)
    registry.rollback(any_db, BEN, "policy", "policy.yaml", 9, first)
    assert in_topic(any_db) == {FORCE: FIRST}
    assert (states(any_db)[first], states(any_db)[version]) == (("in_force", 0), ("archived", 0))
    with pytest.raises(AntispamError, match="rollback is not possible"):
        registry.rollback(any_db, BEN, "policy", "policy.yaml", 9, first)
    draft = checked(any_db, "title: never in force")
    with pytest.raises(AntispamError, match=f"{draft}: a version that is checked"):
        registry.rollback(any_db, BEN, "policy", "policy.yaml", 9, draft)


@pytest.mark.parametrize("approval", [Approval.TWO, Approval.STRICT])
def test_nobody_approves_their_own(operational_db: Database, approval: Approval) -> None:
    version = checked(operational_db, by=BOSS)
    attempts: list[Callable[[], Any]] = [
        lambda: policy_lifecycle.share(operational_db, BOSS, version, 1, approval, 3),
        lambda: policy_lifecycle.approve(operational_db, BOSS, version, approval, 3),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden, match="another person must approve it"):
            attempt()
    assert states(operational_db)[version] == ("checked", 0)
    policy_lifecycle.approve(operational_db, BEN, version, approval, 3)
    assert states(operational_db)[version] == ("in_force", 0)


def test_where_one_person_is_enough_they_do_it_all(operational_db: Database) -> None:
    version = checked(operational_db, by=BOSS)
    policy_lifecycle.share(operational_db, BOSS, version, 1, Approval.ONE, 3)
    policy_lifecycle.approve(operational_db, BOSS, version, Approval.ONE, 3)
    assert states(operational_db)[version] == ("in_force", 0)


def test_where_two_must_agree_a_shell_publishes_no_policy_alone(operational_db: Database) -> None:
    with pytest.raises(Forbidden, match="two people must agree"):
        policy_lifecycle.publish(operational_db, BOSS, FIRST, Approval.STRICT, 1)
    entry = ("policy", "policy.yaml", FIRST)
    with pytest.raises(Forbidden, match="two people must agree"):
        import_configuration.replace(operational_db, BOSS, [entry], 1, Approval.STRICT)
    assert audited(operational_db) == []
    import_configuration.add(operational_db, BOSS, [entry], 1)  # a first start has nobody to ask
    import_configuration.replace(operational_db, BOSS, [entry], 2, Approval.STRICT)  # nothing new
    assert in_topic(operational_db) == {FORCE: FIRST}


def test_one_version_is_on_trial(any_db: Database) -> None:
    one, two = checked(any_db, SECOND), checked(any_db, THIRD)
    policy_lifecycle.shadow(any_db, ANNA, one, 3)
    with pytest.raises(AntispamError, match=f"{one} is on trial"):
        policy_lifecycle.shadow(any_db, ANNA, two, 4)
    with pytest.raises(AntispamError, match=f"{one} is on trial"):
        policy_lifecycle.share(any_db, BEN, two, 10, TWO, 4)
    policy_lifecycle.withdraw(any_db, ANNA, one, "too strict", 5)
    assert TRIAL not in in_topic(any_db)
    assert audited(any_db)[-1] == ("anna", "withdraw", "too strict")
    policy_lifecycle.shadow(any_db, ANNA, two, 6)
    assert states(any_db) == {one: ("withdrawn", 0), two: ("shadow", 0)}


def test_a_share_is_taken_back_into_the_shadow(operational_db: Database) -> None:
    version = checked(operational_db)
    policy_lifecycle.share(operational_db, BEN, version, 50, TWO, 3)
    policy_lifecycle.share(operational_db, BEN, version, 0, TWO, 4)
    assert states(operational_db)[version] == ("shadow", 0)
    assert parse_candidate(in_topic(operational_db)[TRIAL]).share == 0
    for percent in (-1, 101):
        with pytest.raises(AntispamError, match="0 to 100 percent"):
            policy_lifecycle.share(operational_db, BEN, version, percent, TWO, 5)


def test_a_trial_ends_when_its_version_comes_into_force_by_any_way(operational_db: Database) -> None:
    ways: list[Callable[[str], Any]] = [
        lambda text: policy_lifecycle.publish(operational_db, BOSS, text, TWO, 4),
        lambda text: import_configuration.replace(operational_db, BOSS, [("policy", "policy.yaml", text)], 4),
    ]
    for n, way in enumerate(ways):
        text = f"title: number {n}"
        version = checked(operational_db, text)
        policy_lifecycle.shadow(operational_db, ANNA, version, 3)
        way(text)
        assert in_topic(operational_db) == {FORCE: text}
        assert states(operational_db)[version] == ("in_force", 0)


def test_a_trial_goes_on_beside_another_new_version(operational_db: Database) -> None:
    version = checked(operational_db)
    policy_lifecycle.shadow(operational_db, ANNA, version, 3)
    policy_lifecycle.publish(operational_db, BOSS, THIRD, TWO, 4)
    assert states(operational_db)[version] == ("shadow", 0)
    assert in_topic(operational_db).keys() == {FORCE, TRIAL}


def test_a_faulty_draft_stays_a_draft(operational_db: Database) -> None:
    version = policy_lifecycle.draft(operational_db, ANNA, "rulez: []", "", 1)
    with pytest.raises(AntispamError, match="unknown field 'rulez'"):
        policy_lifecycle.submit(operational_db, ANNA, version, 2)
    with pytest.raises(AntispamError, match="shadow is not possible"):
        policy_lifecycle.shadow(operational_db, ANNA, version, 2)
    assert states(operational_db) == {version: ("draft", 0)}


def test_a_text_is_drafted_once_and_again_after_its_withdrawal(operational_db: Database) -> None:
    version = checked(operational_db)
    with pytest.raises(AntispamError, match=r"known already as policy\.yaml: checked, written by anna"):
        policy_lifecycle.draft(operational_db, BOSS, SECOND, "", 3)
    policy_lifecycle.withdraw(operational_db, BOSS, version, "", 4)
    assert policy_lifecycle.draft(operational_db, BOSS, SECOND, "again", 5) == version
    (row,) = policy_lifecycle.versions(operational_db, BOSS)
    assert (row.state, row.author, row.reason, row.drafted_at) == ("draft", "boss", "again", 5)


@pytest.mark.parametrize("value", ["", " \n", "title: a\0b", "#" * 1_000_001])
def test_what_cannot_be_a_policy_is_no_draft(operational_db: Database, value: str) -> None:
    with pytest.raises(AntispamError, match="at most 1000000 bytes"):
        policy_lifecycle.draft(operational_db, ANNA, value, "", 1)


def test_an_unknown_version_is_named(operational_db: Database) -> None:
    attempts: list[Callable[[], Any]] = [
        lambda: policy_lifecycle.text(operational_db, ANNA, "nonesuch"),
        lambda: policy_lifecycle.submit(operational_db, ANNA, "nonesuch", 1),
        lambda: policy_lifecycle.approve(operational_db, BEN, "nonesuch", TWO, 1),
        lambda: policy_lifecycle.withdraw(operational_db, ANNA, "nonesuch", "", 1),
    ]
    for attempt in attempts:
        with pytest.raises(AntispamError, match="unknown version nonesuch"):
            attempt()


def test_without_a_policy_in_force_the_last_one_is_archived(operational_db: Database) -> None:
    policy_lifecycle.publish(operational_db, BOSS, FIRST, TWO, 1)
    registry.withdraw(operational_db, BOSS, "policy", "policy.yaml", 2)
    assert [state for state, _ in states(operational_db).values()] == ["archived"]
    assert in_topic(operational_db) == {}


def test_what_an_older_release_checked_is_checked_again(operational_db: Database) -> None:
    version = checked(operational_db)
    with operational_db.write() as connection:
        connection.execute(
            insert(schema.configurations).values(
                kind="policy", name="policy.yaml", version="old", value="rulez: []", author="anna", created_at=1
            )
        )
        values = {
            "name": "policy.yaml",
            "state": "checked",
            "author": "anna",
            "drafted_at": 1,
            "changed_by": "anna",
            "changed_at": 1,
        }
        connection.execute(insert(schema.policies).values(version="old", **values))
    with pytest.raises(AntispamError, match="rulez"):
        policy_lifecycle.shadow(operational_db, ANNA, "old", 3)
    with pytest.raises(AntispamError, match="rulez"):
        policy_lifecycle.approve(operational_db, BEN, "old", TWO, 3)
    assert states(operational_db) == {version: ("checked", 0), "old": ("checked", 0)}


WORDS = "word,category,verdict\n办证,other,review\n"
FILES = {
    LivingKind.DICTIONARY: (
        "dictionary.csv",
        WORDS,
        WORDS.replace("review", "reject"),
        "wort,category\n",
        "dictionary line 1",
    ),
    LivingKind.CALENDAR: (
        "calendar.yaml",
        "zone: Asia/Shanghai\nyears: {2030: {source: invented, holidays: {元旦: 2030-01-01}}}\n",
        "zone: Asia/Shanghai\nyears: {2030: {source: invented, holidays: {元旦: 2030-01-02}}}\n",
        "zone: Mars/Base\n",
        "calendar.yaml:1:7",
    ),
    LivingKind.BRANDS: (
        "brands.yaml",
        "- {name: 示例银行甲}\n",
        "- {name: 示例银行甲, aliases: [示例甲行]}\n",
        "- {name: 示}\n",
        "brands.yaml:1",
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_other_kinds_go_the_same_way_without_a_trial(any_db: Database, kind: LivingKind) -> None:
    name, first, second, bad, fault = FILES[kind]
    policy_lifecycle.publish(any_db, BOSS, first, TWO, 1, kind)
    version = policy_lifecycle.draft(any_db, ANNA, second, "a notice", 2, kind)
    with pytest.raises(AntispamError, match="approve is not possible"):
        policy_lifecycle.approve(any_db, BEN, version, TWO, 3, kind)
    policy_lifecycle.submit(any_db, ANNA, version, 3, kind)
    with pytest.raises(Forbidden, match=f"anna wrote {kind} {version}: another person"):
        policy_lifecycle.approve(any_db, User("anna", Role.ADMINISTRATOR), version, TWO, 4, kind)
    trials: list[Callable[[], Any]] = [
        lambda: policy_lifecycle.shadow(any_db, ANNA, version, 4),
        lambda: policy_lifecycle.share(any_db, BEN, version, 5, TWO, 4),
    ]
    for trial in trials:
        with pytest.raises(AntispamError, match="unknown version"):
            trial()
    assert in_topic(any_db) == {(kind, name): first}
    epoch = policy_lifecycle.approve(any_db, BEN, version, TWO, 5, kind)
    assert in_topic(any_db) == {(kind, name): second}
    before, now = sorted(policy_lifecycle.versions(any_db, ANNA, kind), key=lambda row: row.drafted_at)
    assert (now.state, now.author, now.reason, now.approver, now.epoch) == (
        "in_force",
        "anna",
        "a notice",
        "ben",
        epoch,
    )
    assert before.state == "archived"
    registry.rollback(any_db, BEN, kind, name, 6)
    assert in_topic(any_db) == {(kind, name): first}
    wrong = policy_lifecycle.draft(any_db, ANNA, bad, "", 7, kind)
    with pytest.raises(AntispamError, match=fault):
        policy_lifecycle.submit(any_db, ANNA, wrong, 8, kind)
    policy_lifecycle.withdraw(any_db, ANNA, wrong, "nonsense", 9, kind)
    states = {row.version: row.state for row in policy_lifecycle.versions(any_db, ANNA, kind)}
    assert states == {before.version: "in_force", version: "archived", wrong: "withdrawn"}
    assert policy_lifecycle.versions(any_db, ANNA) == []


def test_one_text_of_two_kinds_is_two_versions(operational_db: Database) -> None:
    kinds = set(LivingKind) - {LivingKind.TEMPLATES}  # their text names the port
    for kind in kinds:
        policy_lifecycle.draft(operational_db, BOSS, "[]", "", 1, kind)
    policy_lifecycle.submit(operational_db, ANNA, version_of("[]"), 2, LivingKind.BRANDS)
    policy_lifecycle.approve(operational_db, BEN, version_of("[]"), TWO, 3, LivingKind.BRANDS)
    found = {kind: [row.state for row in policy_lifecycle.versions(operational_db, BOSS, kind)] for kind in kinds}
    assert found == {kind: ["in_force" if kind == "brands" else "draft"] for kind in kinds}


@pytest.mark.parametrize("kind", FILES)
def test_where_two_must_agree_a_shell_changes_no_other_kind_alone(operational_db: Database, kind: LivingKind) -> None:
    name, first, *_ = FILES[kind]
    with pytest.raises(Forbidden, match=f"two people must agree: draft, submit and approve the {kind}"):
        policy_lifecycle.publish(operational_db, BOSS, first, Approval.STRICT, 1, kind)
    with pytest.raises(Forbidden, match=f"the folder changes the {kind}, and two people must agree"):
        import_configuration.replace(operational_db, BOSS, [(kind, name, first)], 1, Approval.STRICT)
    assert audited(operational_db) == []
    version = policy_lifecycle.draft(operational_db, ANNA, first, "", 2, kind)
    policy_lifecycle.submit(operational_db, ANNA, version, 3, kind)
    policy_lifecycle.approve(operational_db, BEN, version, Approval.STRICT, 4, kind)
    import_configuration.replace(operational_db, BOSS, [(kind, name, first)], 5, Approval.STRICT)  # nothing new


def test_a_withdrawn_calendar_is_archived(operational_db: Database) -> None:
    name, first, *_ = FILES[LivingKind.CALENDAR]
    policy_lifecycle.publish(operational_db, BOSS, first, TWO, 1, LivingKind.CALENDAR)
    registry.withdraw(operational_db, BOSS, "calendar", name, 2)
    (row,) = policy_lifecycle.versions(operational_db, ANNA, LivingKind.CALENDAR)
    assert row.state == "archived"
