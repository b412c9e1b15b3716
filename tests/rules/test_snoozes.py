"""A snooze is for one value in the spelling of events, and ends by the event's time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.configuration import ConfigEntries
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange, Kind, SuppressedBy, Verdict
from pipeline.rules.built_in import BuiltInRule
from pipeline.rules.consents import Consents, parse_shard, shard_text
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.snoozes import Snooze, SnoozeKind, Snoozes, parse_snooze, spelled, text
from tests.harness.screening_events import NOW, config, decide, port, submission, why

CONTENT = "【示例银行】拒发词，详见 http://www.example.com/a"
VALUES = {
    SnoozeKind.PORT: ("10690001", "10690002"),
    SnoozeKind.ENTERPRISE: ("e-1", "e-2"),
    SnoozeKind.SIGNATURE: ("【示例银行】", "【青屿银行】"),
    SnoozeKind.LINK: ("https://example.com/other", "example.net"),
}


def snooze(
    kind: SnoozeKind = SnoozeKind.PORT, value: str = "10690001", rule: str = "word-reject", until: int = NOW + 1
) -> Snooze:
    return Snooze(rule=rule, kind=kind, value=spelled(kind, value), reason="confirmed", until=until)


@pytest.mark.parametrize("kind", SnoozeKind)
def test_the_match_stays_in_the_decision_without_effect(kind: SnoozeKind) -> None:
    mine, other = VALUES[kind]
    known = config(port(enterprise="e-1"), snoozes=Snoozes([snooze(kind, mine)]))
    decision = decide(submission(CONTENT), known)
    assert why(decision) == ("release", [])
    (kept,) = decision.suppressed
    assert (kept.rule, kept.verdict, kept.cause) == ("word-reject", Verdict.REJECT, SuppressedBy.SNOOZE)
    assert (kept.scope, kept.until) == (f"{kind}/{spelled(kind, mine)}", NOW + 1)
    elsewhere = config(port(enterprise="e-1"), snoozes=Snoozes([snooze(kind, other)]))
    assert why(decide(submission(CONTENT), elsewhere)) == ("reject", ["word-reject"])


def test_it_ends_by_the_time_of_the_event() -> None:
    known = config(snoozes=Snoozes([snooze(until=NOW + 1000)]))
    assert why(decide(submission(CONTENT, at=NOW + 999), known)) == ("release", [])
    ended = decide(submission(CONTENT, at=NOW + 1000), known)
    assert (why(ended), ended.suppressed) == (("reject", ["word-reject"]), ())


def test_of_two_snoozes_the_one_that_ends_last_is_told() -> None:
    both = [snooze(until=NOW + 5), snooze(SnoozeKind.SIGNATURE, "示例银行", until=NOW + 9)]
    (kept,) = decide(submission(CONTENT), config(snoozes=Snoozes(both))).suppressed
    assert kept.scope == "signature/示例银行"


def test_other_rules_and_alerts_are_not_touched() -> None:
    known = config(snoozes=Snoozes([snooze(rule="word-review")]))
    assert why(decide(submission(CONTENT), known)) == ("reject", ["word-reject"])


def test_a_snoozed_rule_for_some_recipients_excepts_nobody() -> None:
    policy = parse_policy(
        "rules:\n  - {id: none, event: submission, description: no consent, when: without_consent > 0,\n"
        "     verdict: reject, recipients: without_consent}\n"
    )
    agreed = ("port/10690001", "13800010002", NOW - 1, "consent", None)
    consents = Consents().replaced({2: parse_shard(shard_text([agreed]))})

    def excepted(*given: Snooze) -> int:
        shop = port(kind=Kind.COMMERCIAL)
        return len(
            decide(submission(), config(shop, policy=policy, consents=consents, snoozes=Snoozes(given))).exceptions
        )

    assert (excepted(), excepted(snooze(rule="none"))) == (1, 0)


def test_built_in_rules_cannot_be_snoozed() -> None:
    for rule in BuiltInRule:
        with pytest.raises(AntispamError, match="by law or by an operator's list"):
            parse_snooze(text(Snooze(rule=rule, kind=SnoozeKind.PORT, value="1", reason="x", until=1)))


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        (SnoozeKind.PORT, "12ab"),
        (SnoozeKind.ENTERPRISE, "  "),
        (SnoozeKind.SIGNATURE, "【】"),
        (SnoozeKind.LINK, "no link"),
        (SnoozeKind.LINK, "a.example.com b.example.net"),
        (SnoozeKind.PORT, "1" * 200),
    ],
)
def test_a_value_that_no_event_has_is_refused(kind: SnoozeKind, written: str) -> None:
    with pytest.raises(AntispamError, match=f"^{kind}"):
        spelled(kind, written)


def test_workers_merge_and_drop_single_snoozes_and_refuse_damaged_ones() -> None:
    one, two = snooze(), snooze(SnoozeKind.ENTERPRISE, "e-1")
    entries = ConfigEntries()

    def change(epoch: int, name: str, value: str | None) -> list[str]:
        return entries.apply([ConfigChange(epoch=epoch, kind="snooze", name=name, value=value)])

    assert change(1, one.name, text(one)) == change(2, two.name, text(two)) == []
    assert [
        decide(submission(CONTENT), config(port(enterprise="e-1"), snoozes=entries.config.snoozes)).suppressed
    ] != []
    assert change(3, one.name, None) == []
    (kept,) = decide(submission(CONTENT), config(port(enterprise="e-1"), snoozes=entries.config.snoozes)).suppressed
    assert kept.scope == "enterprise/e-1"
    assert "snooze" in change(4, "x", "{}")[0]
    assert entries.config.epoch == 4


@given(st.lists(st.tuples(st.sampled_from(SnoozeKind), st.integers(-5, 5)), max_size=8), st.integers(-5, 5))
def test_a_rule_is_silent_exactly_while_one_of_its_snoozes_lasts(made: list[tuple[SnoozeKind, int]], at: int) -> None:
    given = [snooze(kind, VALUES[kind][0], until=NOW + end) for kind, end in made]
    decision = decide(submission(CONTENT, at=NOW + at), config(port(enterprise="e-1"), snoozes=Snoozes(given)))
    silent = any(at < end for _, end in made)
    assert (decision.verdict is Verdict.RELEASE) == silent == bool(decision.suppressed)
