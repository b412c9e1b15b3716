"""What a text shows reaches the rules as signals, and the reviewer as spans of the raw text."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decision.configuration import Config
from pipeline.decision.screening import Screened, screen
from pipeline.events import Decision, Span, Submission, Verdict
from pipeline.rules.counting.counters import MemoryCounters
from pipeline.rules.policies.policy import parse_policy
from pipeline.rules.ports import Ports, parse_port
from pipeline.rules.words.dictionary import Dictionary

PORT = parse_port('{"code": "10690001", "enterprise": "e1", "name": "锦绣", "tier": "ordinary", "kind": "notice"}')
WORDS = Dictionary.parse(
    "word,category,verdict,severity,expires\n"
    "代开发票,fake_document,reject,80,1970-01-01T00:00:10+00:00\n"
    "发票,fake_document,review,20,\n"
)


def config(when: str) -> Config:
    policy = parse_policy(
        "title: t\nport_limits_5m: {high: 9, ordinary: 9, trusted: 9}\ncounters: []\nrules:\n"
        "  - id: seen\n    event: submission\n    description: d\n"
        f"    when: '{when}'\n    verdict: review\n"
    )
    return Config(epoch=1, policy=policy, ports=Ports([PORT]), dictionary=WORDS)


def decide(content: str, when: str, at: int = 0) -> Decision:
    event = Submission(id="1", port="10690001", recipients=("13800000000",), content=content, accepted_at=at)
    (outcome,) = screen([event], MemoryCounters(), config(when), at)
    assert isinstance(outcome, Screened)
    return outcome.decision


def spans(decision: Decision) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.via) for reason in decision.reasons for span in reason.spans]


@pytest.mark.parametrize(
    ("content", "when"),
    [
        ("代*开發票", '"separators" in techniques && "traditional" in techniques'),
        ("代kai发piao", '"pinyin" in techniques'),
        ("请看abc点com", '"disguised_link" in techniques'),
        ("a.com b.cn", "links == 2"),
        ("见 www.nhs.uk/a 和 www.gov.uk.top", "links == 2 && unknown_links == 1"),
        ("https://bit.ly/a1", "short_link"),
        ("http://paypa1.com", "lookalike_link"),
        ("加微信abc12345电话13800138000", 'contacts == ["phone", "wechat"]'),
        ("新品半价，回ＴＤ退.订", 'unsubscribe_way == "TD"'),
        ("退订成功", 'unsubscribe_way == ""'),
        ("代开发票", "keyword_severity == 80"),
        ("【工商银行】您好", 'impersonates == "中国工商银行" && brand_mentioned'),
        ("支持微信支付", 'impersonates == "" && brand_mentioned'),
        ("您好", 'impersonates == "" && !brand_mentioned && !second_sender'),
        ("【示例】您好", 'signature == "示例" && signatures == 1 && signature_registered'),
        ("您好", 'signature == "" && signatures == 0 && signature_registered'),
        ("您的验证码123456", "size(techniques) == 0 && links == 0 && !short_link && !lookalike_link && keywords == 0"),
    ],
)
def test_a_text_shows_its_signals(content: str, when: str) -> None:
    assert decide(content, when).verdict is Verdict.REVIEW


def test_spans_point_into_the_raw_text_and_name_their_view() -> None:
    content = "您好，代*开發票，见 abc.com，微信abc12345"
    assert spans(decide(content, "keywords > 0")) == [(3, 8, "normal")]
    assert spans(decide(content, "links > 0")) == [(11, 18, "link")]
    assert spans(decide(content, "size(contacts) > 0")) == [(19, 29, "contact")]


def test_a_contact_is_not_spelled_out_in_a_reason() -> None:
    (reason,) = decide("电话13800138000", "size(contacts) > 0").reasons
    assert reason.spans == (Span(start=2, end=13, word="phone", via="contact"),)


def test_a_word_lapses_by_the_events_own_time() -> None:
    assert decide("代开发票", "keyword_severity == 80", at=9_999).verdict is Verdict.REVIEW
    assert decide("代开发票", "keyword_severity == 20", at=10_000).verdict is Verdict.REVIEW


@given(st.lists(st.text(st.sampled_from("代开发票，*abc.com加V信138 \0\ud800"), max_size=30), max_size=6))
def test_batches_never_change_a_decision(contents: list[str]) -> None:
    events = [
        Submission(id=str(n), port="10690001", recipients=("13800000000",), content=content, accepted_at=n)
        for n, content in enumerate(contents)
    ]
    using = config("keywords + links + size(techniques) + size(contacts) > 0")
    together = screen(events, MemoryCounters(), using, 0)
    apart = [screen([event], MemoryCounters(), using, 0)[0] for event in events]
    assert [_lasting(one) for one in together] == [_lasting(one) for one in apart]


def _lasting(outcome: Any) -> tuple[Any, ...]:
    decision = outcome.decision
    return decision.verdict, decision.reasons, decision.fingerprint


@pytest.mark.parametrize(
    ("content", "second"),
    [
        ("尊敬的ETC客户：您好【示例】", True),
        ("【示例】您已扣款。中国移动", True),
        ("【示例】工商银行提醒您", False),
        ("尊敬的ETC客户：您好", False),
        ("尊敬的ETC客户：您好【他人】", False),
    ],
)
def test_a_text_may_have_a_second_sender(content: str, second: bool) -> None:
    port = parse_port('{"code": "10690001", "signatures": ["示例"]}')
    using = replace(config("second_sender"), ports=Ports([port]))
    event = Submission(id="1", port="10690001", recipients=("13800000000",), content=content, accepted_at=0)
    (outcome,) = screen([event], MemoryCounters(), using, 0)
    assert isinstance(outcome, Screened)
    assert (outcome.decision.verdict is Verdict.REVIEW) == second


@pytest.mark.parametrize(("content", "registered"), [("【示 例】您好", True), ("【他人】您好", False), ("您好", True)])
def test_a_signature_is_one_registered_for_the_port(content: str, registered: bool) -> None:
    port = parse_port('{"code": "10690001", "signatures": ["示例", "【Shili】"]}')
    using = replace(config("!signature_registered"), ports=Ports([port]))
    event = Submission(id="1", port="10690001", recipients=("13800000000",), content=content, accepted_at=0)
    (outcome,) = screen([event], MemoryCounters(), using, 0)
    assert isinstance(outcome, Screened)
    assert (outcome.decision.verdict is Verdict.RELEASE) == registered
    assert spans(outcome.decision) == ([] if registered else [(0, 4, "signature")])
