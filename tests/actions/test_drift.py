"""Drift: the share of a kind over the strict threshold, by week and script, and the alert that it raises."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import msgspec

from pipeline.actions.alerts.lake_figures import lake_figures
from pipeline.actions.alerts.rules import SHIPPED
from pipeline.actions.drift import UNKNOWN, Week, drift
from pipeline.durations import DAY_MS, HOUR_MS
from pipeline.events import Decision, Kind
from pipeline.lake.views import connect
from pipeline.models.card import Card
from pipeline.models.classifier import WEIGHTS
from pipeline.settings import Settings
from pipeline.store.accounts.roles import Role, User
from tests.harness.lake.rule_hits import decided, put

NOW = int(dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC).timestamp() * 1000)  # a Wednesday
ADMINISTRATOR = User("admin", Role.ADMINISTRATOR)
MONDAY = dt.date(2026, 3, 2)


def scored(card: Card, score: float, reject: float, kind: Kind = Kind.NOTICE, at: int = NOW - HOUR_MS) -> Decision:
    return msgspec.structs.replace(
        decided(at), score=score, reject_score=reject, kind=kind, model=card.version, source="submission"
    )


def test_shares_are_by_week_kind_and_script_beside_those_of_the_card(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    card = Card.load(WEIGHTS / "card.json")
    zh, th = card.thresholds["zh"].reject, card.languages["th"].thresholds.reject
    put(
        settings,
        [
            *(scored(card, score, zh) for score in (0.1, 0.2, 0.6, 0.99)),
            scored(card, 0.1, zh, at=NOW - 7 * DAY_MS),
            scored(card, 0.1, zh, Kind.PERSONAL),
            scored(card, 0.99, th),
            scored(card, 0.99, 1.0),
            scored(card, 0.1, zh, at=NOW - 60 * DAY_MS),
        ],
    )
    found = drift(connect(settings).cursor(), ADMINISTRATOR, card, 2, NOW)
    assert sorted(found, key=lambda each: (each.week, each.kind, each.script)) == [
        Week(MONDAY - dt.timedelta(7), "notice", "zh", 1, 0.0, 0.0, 0.001),
        Week(MONDAY, "notice", UNKNOWN, 1, 0.0, 1.0, None),
        Week(MONDAY, "notice", "th", 1, 1.0, 1.0, 0.005),
        Week(MONDAY, "notice", "zh", 4, 0.25, 0.5, 0.001),
        Week(MONDAY, "personal", "zh", 1, 0.0, 0.0, 0.001),
    ]


def test_the_ports_that_drift_most_come_first_and_those_with_few_decisions_not_at_all(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    card = Card.load(WEIGHTS / "card.json")
    zh = card.thresholds["zh"].reject

    def of(port: str, flagged: int, count: int) -> list[Decision]:
        each = (scored(card, 0.99 if n < flagged else 0.1, zh) for n in range(count))
        return [msgspec.structs.replace(decision, port=port) for decision in each]

    put(settings, [*of("10690001", 2, 100), *of("10690002", 20, 100), *of("10690003", 99, 99), *of("10690004", 0, 100)])
    found = drift(connect(settings).cursor(), ADMINISTRATOR, card, 2, NOW, by_port=True)
    assert [(each.port, each.decisions, each.over_strict, each.expected) for each in found] == [
        ("10690002", 100, 0.2, 0.001),
        ("10690001", 100, 0.02, 0.001),
    ]


def test_many_notices_over_strict_break_the_shipped_rule_and_spam_of_other_kinds_does_not(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    card = Card.load(WEIGHTS / "card.json")
    put(
        settings,
        [
            *(scored(card, 0.99 if n < 3 else 0.1, 0.93) for n in range(100)),
            *(scored(card, 0.99, 0.93, Kind.PERSONAL) for n in range(100)),
            *(scored(card, 0.99, 0.93, Kind.ONE_TIME_CODE) for n in range(10)),  # too few for a share
        ],
    )
    [figures] = lake_figures(settings, [("over-strict", NOW - DAY_MS, NOW)])
    assert figures == {"notice": 3.0}
    [rule] = [rule for rule in SHIPPED if rule.measure == "over-strict"]
    assert rule.breaks(figures["notice"])
    assert not replace(rule, threshold=3).breaks(figures["notice"])
