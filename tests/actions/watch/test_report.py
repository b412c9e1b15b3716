"""The report joins lake and database, and says since when a rule has a history."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from pipeline.actions.watch.rates import Course
from pipeline.actions.watch.report import Report, Watched, report
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.errors import AntispamError
from pipeline.lake.views import connect
from pipeline.settings import Settings
from pipeline.store import audit, schema
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import policy_lifecycle, registry
from tests.harness.lake.rule_hits import decided, hours, put

ADMIN = User("admin", Role.ADMINISTRATOR)
HOUR = 489_000
NOW = HOUR * HOUR_MS + 90_000
POLICY = """\
rules:
  - {id: loud, event: submission, description: loud, when: messages > 9, verdict: review}
  - {id: silent, event: submission, description: silent, when: messages > 99, verdict: review}
  - {id: trial, event: submission, description: trial, when: messages > 1, verdict: review, mode: shadow}
  - {id: asleep, event: submission, description: asleep, when: messages > 1, verdict: review, mode: off}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


def publish(db: Database, text: str = POLICY, at: int = NOW - 30 * DAY_MS) -> None:
    registry.publish_configuration(db, ADMIN, "policy", "policy.yaml", text, at)


def told(db: Database, settings: Settings) -> Report:
    return report(db, connect(settings).cursor(), ADMIN, NOW)


def of(found: Report, rule: str) -> Watched:
    return next(each for each in found.rules if each.rule == rule)


def test_rates_uses_and_marks(any_db: Database, settings: Settings) -> None:
    publish(any_db)
    earlier = {HOUR - 1 - 24 * day: (2, 120) for day in range(1, 9)}
    put(settings, [*hours("loud", earlier | {HOUR - 1: (60, 120)}), *hours("trial", {HOUR - 2: (3, 5)}, "shadow")])
    put(settings, [decided(NOW)])
    found = told(any_db, settings)
    assert (found.until, found.days) == (HOUR * HOUR_MS, 9)
    assert [each.rule for each in found.rules] == ["loud", "silent", "trial"]
    loud, silent, trial = found.rules
    assert (loud.hour.course, loud.hour.rate, loud.hits.hits) == (Course.MORE, 0.5, 76)
    assert (loud.never_hit, loud.never_counted) == (False, False)
    assert (silent.hour.course, silent.never_hit, silent.never_counted) == (Course.USUAL, True, False)
    assert (trial.mode, trial.never_hit, trial.never_counted) == ("shadow", False, True)


def test_days_before_a_rule_was_known_are_not_its_history(any_db: Database, settings: Settings) -> None:
    publish(any_db)
    new = "  - {id: new, event: submission, description: new, when: score > 0.5, verdict: review}\n"
    policy_lifecycle.draft(any_db, ADMIN, POLICY + new, "", NOW - 20 * DAY_MS)  # a draft decides nothing
    publish(any_db, POLICY + new, NOW)
    put(settings, [*hours("new", {HOUR - 1 - 24 * day: (0, 120) for day in range(1, 9)} | {HOUR - 1: (60, 120)})])
    put(settings, [decided(NOW)])
    found = told(any_db, settings)
    assert of(found, "new").hour.course is Course.TOO_LITTLE
    assert of(found, "silent").hour.course is Course.USUAL


def test_precision_is_of_the_cases_that_people_decided(any_db: Database, settings: Settings) -> None:
    publish(any_db)
    verdicts = [("anna", "reject")] * 2 + [
        ("anna", "blacklist"),
        ("bert", "release"),
        (audit.PIPELINE, "reject"),
        (None, None),
    ]
    with any_db.write() as connection:
        for n, (who, verdict) in enumerate(verdicts):
            connection.execute(
                insert(schema.cases).values(
                    id=f"c-{n}", port="1", fingerprint=f"f{n}", state="open", rule="loud", content="x",
                    opened_at=1, due_at=2, verdict=verdict, decided_by=who,
                )
            )  # fmt: skip
    found = told(any_db, settings)
    judged = of(found, "loud").precision
    assert judged is not None
    assert (judged.hits, judged.of) == (3, 4)
    assert of(found, "silent").precision is None


def test_without_a_policy_the_report_says_so(any_db: Database, settings: Settings) -> None:
    with pytest.raises(AntispamError, match="no policy is in force"):
        told(any_db, settings)
