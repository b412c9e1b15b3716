"""Snoozes are made and lifted with right, reason and end; audited and published in the same transaction."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import select

from pipeline import topics
from pipeline.decision.configuration import ConfigEntries, default_policy
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange
from pipeline.rules.ports import PortEntry
from pipeline.rules.snoozes import MAX_MS, SnoozeKind
from pipeline.store import outbox, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.database import Database
from pipeline.store.registry import configurations, policy_lifecycle, registry, snoozes
from tests.harness.screening_events import decide, submission

ADMIN = User("admin", Role.ADMINISTRATOR)
NOW = 1_760_000_000_000
RULE = "bulk-declared"
P = SnoozeKind.PORT


@pytest.fixture
def db(any_db: Database) -> Database:
    registry.save_port(any_db, ADMIN, PortEntry(code="10690001", enterprise="shop"), 1)
    registry.save_port(any_db, ADMIN, PortEntry(code="10690002", enterprise="shop"), 1)
    registry.save_port(any_db, ADMIN, PortEntry(code="10690003", enterprise="other"), 1)
    registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", default_policy(), 1)
    return any_db


def published(db: Database) -> ConfigEntries:
    """The configuration as a worker has read it from the outbox."""
    entries = ConfigEntries()
    with db.read() as connection:
        for _, publication in outbox.unpublished(connection, 1000):
            changes = [m for m in publication.messages if m.topic == topics.CONFIG.name]
            assert not entries.apply([msgspec.json.decode(m.value or b"", type=ConfigChange) for m in changes])
    return entries


def make(db: Database, **given: object) -> int | None:
    wanted = {"user": ADMIN, "rule": RULE, "kind": P, "value": "10690001", "reason": " asked ", "until": NOW + DAY_MS}
    return snoozes.snooze(db, now=NOW, **wanted | given)  # type: ignore[arg-type]


def test_it_is_published_audited_and_lifted(db: Database) -> None:
    epoch = make(db)
    assert make(db) is None
    many = submission(recipients=tuple(f"138{n:08}" for n in range(60)), at=NOW)
    decision = decide(many, published(db).config)
    assert [(s.rule, s.scope, s.until) for s in decision.suppressed] == [(RULE, "port/10690001", NOW + DAY_MS)]
    (row,) = snoozes.snoozes(db, ADMIN, NOW)
    assert (row.rule, row.kind, row.value, row.reason, row.made_by) == (RULE, "port", "10690001", "asked", "admin")
    assert snoozes.snoozes(db, ADMIN, NOW + DAY_MS) == []
    with db.read() as connection:
        assert ("snooze", f"{RULE}/port/10690001") in {entry[:2] for entry in configurations.everything(connection)}
    later = snoozes.unsnooze(db, ADMIN, RULE, P, "10690001", "over", NOW)
    assert epoch < later  # type: ignore[operator]
    assert snoozes.unsnooze(db, ADMIN, RULE, P, "10690001", "over", NOW) is None
    assert decide(many, published(db).config).suppressed == ()
    with db.read() as connection:
        trail = connection.execute(
            select(schema.audit.c.action, schema.audit.c.after, schema.audit.c.reason).where(
                schema.audit.c.subject == f"rule/{RULE}"
            )
        ).all()
    assert [tuple(row) for row in trail] == [
        ("snooze", {"scope": "port/10690001", "until": NOW + DAY_MS}, "asked"),
        ("unsnooze", None, "over"),
    ]


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"rule": "port-suspended"}, "cannot be snoozed"),
        ({"rule": "list-black"}, "cannot be snoozed"),
        ({"rule": "bulk-declare"}, r"no rule 'bulk-declare'; bulk-declared\?"),
        ({"rule": "shadow-high-tier-spam"}, "its mode is shadow"),
        ({"until": NOW}, "in the future"),
        ({"until": NOW + MAX_MS + 1}, "at most 30 days"),
        ({"reason": "  "}, "a reason"),
        ({"reason": "x" * 501}, "a reason"),
        ({"value": "10690009"}, "not registered"),
        ({"kind": SnoozeKind.ENTERPRISE, "value": "nobody"}, "not registered"),
    ],
)
def test_what_is_refused_leaves_no_trace(db: Database, given: dict[str, object], fault: str) -> None:
    before = published(db).config.epoch
    with pytest.raises(AntispamError, match=fault):
        make(db, **given)
    assert snoozes.snoozes(db, ADMIN, 0) == []
    assert published(db).config.epoch == before


def test_a_rule_on_trial_is_snoozed_before_it_is_in_force(db: Database) -> None:
    sealed = "{id: sealed, event: submission, description: d, when: signatures == 0, verdict: review}"
    quiet = "{id: quiet, event: submission, description: d, when: links > 0, verdict: review, mode: off}"
    text = f"rules: [{sealed}, {quiet}]\n"
    version = policy_lifecycle.draft(db, ADMIN, text, "a new rule", 2)
    policy_lifecycle.submit(db, ADMIN, version, 2)
    with pytest.raises(AntispamError, match="the policy in force has no rule 'sealed'"):
        make(db, rule="sealed")
    policy_lifecycle.shadow(db, ADMIN, version, 3)
    assert make(db, rule="sealed")
    assert make(db)  # the rules in force, as before
    with pytest.raises(AntispamError, match="rule quiet does not count anyway: its mode is off"):
        make(db, rule="quiet")
    with pytest.raises(AntispamError, match="the policies in force and on trial have no rule 'seal'"):
        make(db, rule="seal")
    (other,) = decide(submission("明日停水检修", at=NOW), published(db).config).shadow
    assert (other.policy, other.verdict.value) == (version, "release")


def test_without_a_policy_there_is_nothing_to_snooze(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PortEntry(code="10690001"), 1)
    with pytest.raises(AntispamError, match="no rule"):
        make(any_db)


def test_the_number_in_force_is_bounded(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snoozes, "MAX_IN_FORCE", 1)
    make(db)
    with pytest.raises(AntispamError, match="lift one first"):
        make(db, value="10690002")
    over = NOW + 2 * DAY_MS
    assert snoozes.snooze(db, ADMIN, RULE, P, "10690002", "asked", over + DAY_MS, over)  # the first has ended


def test_a_scope_covers_its_ports_and_its_enterprise(db: Database) -> None:
    clerk = User("clerk", Role.OPERATOR, {"enterprise": "shop"})
    assert make(db, user=clerk)
    assert make(db, user=clerk, kind=SnoozeKind.ENTERPRISE, value="shop")
    for kind, value in (
        (P, "10690003"),
        (SnoozeKind.ENTERPRISE, "other"),
        (SnoozeKind.SIGNATURE, "示例"),
        (SnoozeKind.LINK, "example.com"),
    ):
        with pytest.raises(Forbidden, match="scope"):
            make(db, user=clerk, kind=kind, value=value)
        make(db, kind=kind, value=value)
    assert {row.value for row in snoozes.snoozes(db, clerk, NOW)} == {"10690001", "shop"}
    assert len(snoozes.snoozes(db, ADMIN, NOW)) == 6
