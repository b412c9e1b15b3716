"""Wrong logins are slowed down, for their account and address only, and forgotten."""

from __future__ import annotations

from pipeline.ingest.links.attempts import FORGET, FREE, MOST, PAUSES, Attempts


def failed(times: int) -> Attempts:
    attempts = Attempts()
    for _ in range(times):
        attempts.failed("a", "10.1.0.1", 0.0)
    return attempts


def test_the_first_failures_cost_nothing_then_pauses_double_up_to_the_longest() -> None:
    assert failed(FREE - 1).locked("a", "10.1.0.1", 0.0) == 0
    assert failed(FREE).locked("a", "10.1.0.1", 0.0) == PAUSES.first
    assert failed(FREE + 1).locked("a", "10.1.0.1", 1.0) == 2 * PAUSES.first - 1
    assert failed(FREE + 50).locked("a", "10.1.0.1", 0.0) == PAUSES.longest


def test_other_accounts_and_addresses_are_not_locked() -> None:
    attempts = failed(FREE)
    assert attempts.locked("b", "10.1.0.1", 0.0) == 0
    assert attempts.locked("a", "10.1.0.2", 0.0) == 0


def test_failures_are_forgotten_after_a_success_and_after_an_hour() -> None:
    attempts = failed(FREE)
    attempts.succeeded("a", "10.1.0.1")
    assert attempts.locked("a", "10.1.0.1", 0.0) == 0
    attempts = failed(FREE + 20)
    assert attempts.locked("a", "10.1.0.1", FORGET) == 0
    attempts.failed("a", "10.1.0.1", FORGET)
    assert attempts.locked("a", "10.1.0.1", FORGET) == 0


def test_strangers_cannot_fill_the_memory() -> None:
    attempts = Attempts()
    for n in range(MOST + 10):
        attempts.failed(str(n), "10.1.0.1", 0.0)
    assert len(attempts._failures) == MOST
