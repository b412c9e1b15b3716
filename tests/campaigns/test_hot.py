"""What is told of campaigns, what a worker recognises by it, and that a crash loses and repeats nothing."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.campaigns.hot import FIRST, QUIET_MS, HotCampaigns
from pipeline.campaigns.index import Sending
from pipeline.campaigns.known import MOST, KnownCampaigns
from pipeline.events import Campaign, encode
from pipeline.rules.policies.policy import CampaignFrom
from pipeline.sample.campaigns import CAMPAIGNS
from pipeline.sample.content import contact_details
from pipeline.sample.wording import wording
from pipeline.text.normal import normalise_batch
from tests.harness.examples import examples
from tests.harness.variants import variant

SIZE = CampaignFrom(messages=4, senders=2)
LOAN = "小额信用贷款当天放款无需抵押利息低至3厘详情致电13800138000回T退订"
VARIANT = "张伟您好小额信用代款当天放款无需抵押利息低至5厘详情致电15900159000回T退订"
OTHER = "您的包裹已到小区南门驿站请于今晚八点前领取"
T0 = 1_700_000_100_000


def take(hot: HotCampaigns, *sent: tuple[str, str], at: int = T0, offset: int = 0) -> None:
    sendings = [Sending(at, port, port, 1, "submissions.bulk/0", offset + n) for n, (port, _) in enumerate(sent)]
    hot.take([text for _, text in sent], sendings, [f"{port}/{offset + n}" for n, (port, _) in enumerate(sent)], SIZE)


def travelled(campaign: Campaign) -> Campaign:
    return msgspec.json.decode(encode(campaign), type=Campaign)


def found(known: KnownCampaigns, text: str, at: int = T0) -> Campaign | None:
    return known.find(normalise_batch([text]), at)[0]


def test_a_campaign_is_told_from_the_policys_size_on_with_the_submissions_before() -> None:
    hot = HotCampaigns(100)
    take(hot, ("1", LOAN), ("1", LOAN), ("2", VARIANT), ("3", OTHER))
    assert hot.news(T0, SIZE, {}) == []
    take(hot, ("1", LOAN), offset=10)
    [campaign] = hot.news(T0, SIZE, {"submissions.bulk/0": 11})
    assert (campaign.messages, campaign.ports, campaign.senders, campaign.growth) == (4, 2, 2, 4)
    assert campaign.first == ("1/0", "1/1", "2/2", "1/10")
    assert hot.news(T0, SIZE, {}) == []


def test_one_sender_is_no_campaign() -> None:
    hot = HotCampaigns(100)
    take(hot, *[("1", LOAN)] * 50)
    assert hot.news(T0, SIZE, {}) == []
    take(hot, ("2", LOAN), offset=50)
    [campaign] = hot.news(T0, SIZE, {})
    assert campaign.messages == 51
    assert len(campaign.first) == FIRST


def test_a_short_reply_of_many_is_no_campaign() -> None:
    hot = HotCampaigns(100)
    take(hot, *[(str(n), "好的") for n in range(50)])
    assert hot.news(T0, SIZE, {}) == []


def test_it_is_told_again_when_it_has_grown_or_after_a_while() -> None:
    hot = HotCampaigns(100)
    take(hot, *[("1", LOAN), ("2", LOAN)] * 50)
    assert len(hot.news(T0, SIZE, {})) == 1
    take(hot, ("1", LOAN), offset=100)
    assert hot.news(T0 + 500, SIZE, {}) == []
    [later] = hot.news(T0 + QUIET_MS, SIZE, {})
    assert later.messages == 101
    assert hot.news(T0 + 2 * QUIET_MS, SIZE, {}) == []  # nothing new
    take(hot, ("3", LOAN), offset=101)
    assert [c.ports for c in hot.news(T0 + 2 * QUIET_MS + 1, SIZE, {})] == [3]  # another port at once


def test_a_worker_recognises_variants_of_what_was_told_and_nothing_else() -> None:
    hot, known = HotCampaigns(100), KnownCampaigns()
    assert not known
    take(hot, *[("1", LOAN), ("2", VARIANT)] * 2, ("3", OTHER))
    [campaign] = hot.news(T0, SIZE, {})
    known.learn(travelled(campaign))
    for text in (LOAN, VARIANT, LOAN.replace("抵押", "担保"), "早上好，" + LOAN):
        assert found(known, text) == campaign
    assert found(known, OTHER) is None
    assert found(known, LOAN, T0 + 25 * 3_600_000) is None
    take(hot, ("9", LOAN), offset=9)
    [grown] = hot.news(T0 + 1, SIZE, {})
    known.learn(travelled(grown))
    assert found(known, VARIANT) == grown
    assert len(known) == 1


def test_a_worker_sees_each_text_of_a_batch_as_if_it_were_alone() -> None:
    random, hot, known = Random(5), HotCampaigns(1000), KnownCampaigns()
    texts = [LOAN, OTHER, *(wording(text).fill(random, contact_details(random)) for c in CAMPAIGNS for text in c.texts)]
    take(hot, *[(port, text) for text in texts for port in "12"] * 2, ("1", "好的"), ("2", "好的"))
    for campaign in hot.news(T0, SIZE, {}):
        known.learn(travelled(campaign))
    batch = ["好的", "", "无关的话", *(variant(random, text) for text in texts for _ in range(4))]
    together = known.find(normalise_batch(batch), T0)
    assert together == [found(known, text) for text in batch]
    assert len(batch) > 64
    assert len({campaign.id for campaign in together if campaign}) > 10


def test_a_worker_knows_a_bounded_number_of_campaigns() -> None:
    hot, known = HotCampaigns(10), KnownCampaigns()
    take(hot, *[("1", LOAN), ("2", VARIANT)] * 2)
    [campaign] = hot.news(T0, SIZE, {})
    for n in range(MOST + 5):
        known.learn(msgspec.structs.replace(campaign, id=f"c{n:016x}"))
    assert len(known) == MOST


@pytest.mark.parametrize(
    "change",
    [{"id": "c12"}, {"id": "czzzzzzzzzzzzzzzz"}, {"sketches": ()}],
)
def test_what_cannot_have_been_told_is_refused(change: dict[str, object]) -> None:
    hot = HotCampaigns(10)
    take(hot, *[("1", LOAN), ("2", LOAN)] * 2)
    [campaign] = hot.news(T0, SIZE, {})
    broken = msgspec.structs.replace(campaign, **change)
    with pytest.raises(ValueError, match="campaign"):
        KnownCampaigns().learn(broken)
    with pytest.raises(ValueError, match="campaign"):
        HotCampaigns(10).restore([broken], T0)


def test_a_damaged_sketch_is_refused() -> None:
    hot = HotCampaigns(10)
    take(hot, *[("1", LOAN), ("2", LOAN)] * 2)
    [campaign] = hot.news(T0, SIZE, {})
    short = msgspec.structs.replace(campaign.sketches[0], bands=b"12345678")
    with pytest.raises(ValueError, match="sketch"):
        KnownCampaigns().learn(msgspec.structs.replace(campaign, sketches=(short,)))


def test_what_is_read_again_after_a_start_is_not_told_again() -> None:
    hot, again = HotCampaigns(100), HotCampaigns(100)
    take(hot, *[("1", LOAN), ("2", VARIANT)] * 2)
    again.restore([travelled(c) for c in hot.news(T0, SIZE, {"submissions.bulk/0": 4})], T0)
    take(again, *[("1", LOAN), ("2", VARIANT)] * 2)
    assert again.news(T0 + 2 * QUIET_MS, SIZE, {}) == []


def test_what_was_counted_before_two_restarts_stays_counted() -> None:
    hot, second = HotCampaigns(100), HotCampaigns(100)
    take(hot, *[("1", LOAN), ("2", VARIANT)] * 2)
    (told,) = hot.news(T0, SIZE, {"submissions.bulk/0": 4, "submissions.bulk/1": 100})
    second.restore([travelled(told)], T0)
    take(second, *[("3", LOAN)] * 4, offset=4)  # the other source is not read again yet
    (again,) = second.news(T0 + QUIET_MS, SIZE, {"submissions.bulk/0": 8})
    assert again.positions == {"submissions.bulk/0": 8, "submissions.bulk/1": 100}


def test_growth_is_over_when_nothing_more_is_told() -> None:
    hot, known = HotCampaigns(100), KnownCampaigns()
    take(hot, *[("1", LOAN), ("2", VARIANT)] * 4)
    (told,) = hot.news(T0, SIZE, {})
    known.learn(travelled(told))
    now, later = found(known, LOAN), found(known, LOAN, T0 + 10 * 60_000)
    assert now is not None
    assert later is not None
    assert (now.growth, later.growth) == (8, 0)


sent = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from([LOAN, VARIANT, OTHER])), min_size=1, max_size=40)


@given(sent, st.data())
@settings(max_examples=examples(60), deadline=None)
def test_a_crash_loses_nothing_of_what_was_told_and_counts_nothing_twice(
    messages: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Killed anywhere, knowing what it told at some point before, and reading again from before that."""
    crash = data.draw(st.integers(0, len(messages)))
    again = data.draw(st.integers(0, crash))
    whole, first, second = HotCampaigns(100), HotCampaigns(100), HotCampaigns(100)
    told: dict[str, Campaign] = {}
    for n, message in enumerate(messages):
        take(whole, message, offset=n)
    for n, message in enumerate(messages[:crash]):
        take(first, message, offset=n)
        news = first.news(T0 + n * QUIET_MS, SIZE, {"submissions.bulk/0": n + 1})
        told |= {campaign.id: travelled(campaign) for campaign in news}
    second.restore(told.values(), T0)
    for n in range(again, len(messages)):
        take(second, messages[n], offset=n)
    later = T0 + len(messages) * QUIET_MS + QUIET_MS
    after = told | {campaign.id: campaign for campaign in second.news(later, SIZE, {})}
    for campaign in whole.news(later, SIZE, {}):
        if campaign.id in told:
            assert after[campaign.id].messages == campaign.messages
            assert after[campaign.id].port_hashes == campaign.port_hashes
