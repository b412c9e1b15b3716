"""Counters and campaigns of a replay: stored where live had them, counted where it had not."""

from __future__ import annotations

import pytest

from pipeline.durations import MINUTE_MS
from pipeline.lake.backtest import stored_values
from pipeline.lake.backtest.stored_values import ReplayedCounters, Seen, StoredCampaigns, stored_campaign
from pipeline.rules.counting.counters import Counter
from pipeline.rules.policies.policy import CampaignFrom
from pipeline.text.normal import normalise_batch

COUNTER = Counter("volume", "submission", ("port",), 5 * MINUTE_MS, "messages", None, "")
SEEN = {"campaign_messages": 20, "campaign_ports": 3, "campaign_senders": 4, "campaign_growth_5m": 7}


def test_an_unchanged_counter_gives_what_live_saw() -> None:
    counters = ReplayedCounters(0)
    counters.load([Seen({"volume": 41}, {COUNTER.identity}), Seen({}, {COUNTER.identity})], 0)
    counters.begin(0)
    assert (counters.add(COUNTER, "1069", 0, 5), counters.read(COUNTER, "1069", 0, 1)) == (41, 41)
    counters.begin(1)
    assert counters.add(COUNTER, "1069", 0, 5) == 0


def test_another_counter_counts_again() -> None:
    counters = ReplayedCounters(0)
    counters.load([Seen({"volume": 41}, ())], 0)
    counters.begin(0)
    assert [counters.add(COUNTER, "1069", 0, 5), counters.add(COUNTER, "1069", 1, 2)] == [5, 7]
    assert counters.read(COUNTER, "1069", 2, 1) == 7


def test_windows_that_are_over_leave_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_values, "EXPIRE_EVERY", 10)
    counters = ReplayedCounters(MINUTE_MS)
    for number in range(1000):
        counters.load([Seen({}, ())], number * MINUTE_MS)
        counters.begin(0)
        counters.add(COUNTER, str(number), number * MINUTE_MS, 1)
        assert len(counters._memory.windows) <= 17


def test_a_campaign_is_what_the_decision_saw_of_it() -> None:
    found = stored_campaign("c1", SEEN, CampaignFrom(20, 4))
    assert found is not None
    assert (found.id, found.messages, found.ports, found.senders, found.growth) == ("c1", 20, 3, 4, 7)
    assert stored_campaign("", SEEN, CampaignFrom()) is None


@pytest.mark.parametrize("least", [CampaignFrom(messages=21), CampaignFrom(senders=5)])
def test_a_campaign_under_the_policys_size_is_unknown(least: CampaignFrom) -> None:
    assert stored_campaign("c1", SEEN, least) is None


def test_campaigns_are_found_by_the_text_itself() -> None:
    campaign = stored_campaign("c1", SEEN, CampaignFrom())
    assert campaign is not None
    known = StoredCampaigns({"代\u200b开 发票": campaign})
    assert known.find(normalise_batch(["代开发票", "代\u200b开 发票"]), 0) == [None, campaign]
    assert not StoredCampaigns({})
