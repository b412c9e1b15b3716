"""The figures of a link are of the last minute, and its errors of the last hour."""

from __future__ import annotations

from pipeline.actions.senders.live.link_figures import CODES, CodeCount, LinkFigures


def test_what_is_older_than_a_minute_no_longer_counts() -> None:
    figures = LinkFigures(0.0)
    for second in range(0, 120, 2):
        figures.sent += 1
        figures.accepted(0.1, float(second))
        told = figures.summary(float(second))
    assert told.sent == told.accepted == 30  # one every 2 seconds
    assert told.seconds == 60
    assert figures.summary(300.0).sent == 0


def test_times_of_answers_are_those_of_the_minute() -> None:
    figures = LinkFigures(0.0)
    figures.accepted(9.0, 0.0)
    for n in range(100):
        figures.accepted(n / 100, 90.0)
    told = figures.summary(100.0)
    assert (told.answer_p50, told.answer_p95) == (0.5, 0.95)
    assert figures.summary(1000.0).answer_p50 is None


def test_the_usual_time_to_answer_follows_the_carrier() -> None:
    figures = LinkFigures(0.0)
    assert figures.answer_time == 0
    figures.accepted(0.02, 1.0)
    assert figures.answer_time == 0.02
    for n in range(100):
        figures.refused("result 9", 0.2, float(n))
    assert round(figures.answer_time, 3) == 0.2


def test_errors_are_told_by_code_the_newest_first_for_an_hour() -> None:
    figures = LinkFigures(0.0)
    figures.refused("result 9", 0.1, 10.0)
    figures.reported("UNDELIV", False, 20.0)
    figures.reported("UNDELIV", False, 30.0)
    figures.reported("DELIVRD", True, 30.0)
    told = figures.summary(40.0)
    assert told.errors == (CodeCount("UNDELIV", 2, 10.0), CodeCount("result 9", 1, 30.0))
    assert (told.refused, told.failed, told.delivered) == (1, 2, 1)
    assert figures.summary(3620.0).errors == (CodeCount("UNDELIV", 2, 3590.0),)


def test_a_carrier_that_invents_codes_fills_no_memory() -> None:
    figures = LinkFigures(0.0)
    for n in range(1000):
        figures.refused(f"result {n}", 0.1, float(n))
    told = figures.summary(1000.0).errors
    assert [error.code for error in told] == [f"result {n}" for n in range(999, 999 - CODES, -1)]
