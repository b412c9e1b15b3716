"""Honest notices of registered ports are not refused, and no rule refuses on a score alone."""

from __future__ import annotations

import pytest

from pipeline.decision.configuration import default_policy
from pipeline.events import Verdict
from pipeline.rules.policies.policy import parse_policy
from tests.harness.screening_events import shipped
from tests.rules.honest_notices import MISREAD, TRANSACTIONAL, Text, decisions, texts

pytestmark = pytest.mark.long

# Signals that tell something of conduct, of a way out of the text, or of the sender's standing.
FACTS = {
    *("port_tier", "short_link", "lookalike_link", "contacts", "messages", "batch_size", "sender_volume_5m"),
    *("campaign_ports", "campaign_messages", "campaign_growth_5m", "impersonates"),
}


def test_a_rule_that_refuses_on_a_score_reads_another_fact_too() -> None:
    on_score = [
        rule
        for rule in parse_policy(default_policy()).rules
        if rule.verdict in (Verdict.REJECT, Verdict.BLACKLIST) and "score" in rule.signals
    ]
    assert on_score
    assert [rule.id for rule in on_score if not FACTS & set(rule.signals)] == []


def honest() -> list[Text]:
    return [row for path in (TRANSACTIONAL, MISREAD) for row in texts(path) if row.label == "ham"]


@pytest.mark.skipif(
    not (TRANSACTIONAL.exists() and MISREAD.exists()), reason=f"no research data at {TRANSACTIONAL} and {MISREAD}"
)
@pytest.mark.parametrize(("languages", "most"), [({"zh", "zh-Hant"}, 0.02), ({"en"}, 0.03)], ids=["zh", "en"])
def test_honest_notices_are_hardly_asked_of_a_person_and_not_refused(languages: set[str], most: float) -> None:
    rows = [row.text for row in honest() if row.language in languages]
    found = decisions(rows, shipped())
    asked = [decision for decision in found if decision.verdict is Verdict.REVIEW]
    refused = [decision.id for decision in found if decision.verdict in (Verdict.REJECT, Verdict.BLACKLIST)]
    assert len(found) > 250
    assert len(asked) / len(found) <= most
    assert refused == []
