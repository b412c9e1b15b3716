"""The shipped classifier: honest notices pass, plain spam does not, and nothing breaks it."""

import math
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.events import Category, Label
from pipeline.models import own_domains, particulars
from pipeline.models.classifier import WEIGHTS, Classifier
from pipeline.models.evaluate import evaluate, read_samples
from pipeline.models.features import allowed_at
from tests.harness.examples import examples
from tests.harness.places import RESEARCH

CLASSIFIER = Classifier.load()
DATA = RESEARCH / "sms"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="research data (../shared/data/sms) is not here")
hostile = st.text(st.characters(exclude_categories=()), max_size=80)


def score(text: str) -> float:
    return CLASSIFIER.classify([text])[0].score


@pytest.mark.parametrize(
    "text",
    [
        "【江城农商行】您正在进行大额转账，短信验证码730158，请勿透露给任何人。",
        "【蓝湖银行】您尾号8821的储蓄卡于6月3日支出人民币1,260.00元，余额8,412.37元。",
        "【飞燕速运】您的包裹已放在小区南门驿站，凭取件码5-2-3071领取。",
        "【育英小学】家长您好，明天上午九点召开家长会，请准时参加。",
        "【仁心医院】您预约的口腔科门诊时间为周四上午十点，请提前取号。",
        "Your Lakeview login code is 552190. It expires in 10 minutes.",
        "晚上一起吃饭吗，我六点下班",
        "ok see you at the station then",
    ],
)
def test_an_honest_message_is_not_flagged(text: str) -> None:
    assert CLASSIFIER.classify([text])[0].label is Label.HAM


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("百家乐真人荷官在线投注，首存送彩金，提款秒到，网址www.example.com", Category.GAMBLING),
        ("长期代开各类发票，增值税票，验证后付款，联系电话13800000000张经理", Category.FAKE_DOCUMENT),
        ("信用贷款，无抵押，无担保，当天放款，利息低至三厘，电话13800000000李经理", Category.LOAN),
    ],
)
def test_plain_spam_is_named(text: str, category: Category) -> None:
    result = CLASSIFIER.classify([text])[0]
    assert (result.label, result.category) == (Label.SPAM, category)


def test_spam_with_small_talk_lies_between_spam_and_small_talk() -> None:
    gambling = "澳门赌场真人荷官百家乐在线投注，注册送彩金，首存送红利"
    talk = "妈妈我到学校了，今天下雨路上有点堵，晚上想吃你做的面"
    assert score(gambling) > score(talk + gambling) > score(talk)
    assert score(gambling) > CLASSIFIER.classify([gambling])[0].thresholds.review


def test_thresholds_are_in_order() -> None:
    for thresholds in CLASSIFIER.card.thresholds.values():
        assert 0 < thresholds.review < thresholds.reject < 1


@given(
    hostile
    | st.sampled_from(["代开发票，电话 138", "win a FREE prize now", "", "见面说", "尾号8821卡12:30支出35.60元"])
)
def test_an_explanation_adds_up_to_the_score(text: str) -> None:
    found = CLASSIFIER.explain(text)
    assert found.log_odds == pytest.approx(found.bias + sum(part.log_odds for part in found.parts) + found.between)
    if found.score:  # a text that says nothing scores 0 whatever its marks add up to
        assert found.score == pytest.approx(1 / (1 + math.exp(-max(-30, min(30, found.log_odds)))))
    assert all(text[part.start : part.end].strip() == text[part.start : part.end] for part in found.parts)


def test_an_explanation_points_at_the_words_that_carried_the_score() -> None:
    text = "明天早上见，代开发票"
    by_part = {text[part.start : part.end]: part.log_odds for part in CLASSIFIER.explain(text).parts}
    assert max(by_part, key=lambda word: by_part[word]) in "代开发票"
    assert by_part["早"] < 0 < by_part["票"]


def test_an_explanation_takes_the_allowance_off_where_the_particulars_stand() -> None:
    def part_of_the_amount(text: str) -> float:
        return next(part.log_odds for part in CLASSIFIER.explain(text).parts if text[part.start : part.end] == "35.60")

    assert part_of_the_amount("card *4821 paid 35.60") < part_of_the_amount("card *a82a paid 35.60") - 0.5


def test_an_explanation_takes_the_allowance_off_where_the_own_domain_stands() -> None:
    text = "pay at www.gov.uk/a, by 12:30, with card *4821"
    found = CLASSIFIER.explain(text)
    assert found.log_odds == pytest.approx(found.bias + sum(part.log_odds for part in found.parts) + found.between)
    [booked, own] = allowed_at(text)
    assert text[own[0].begins[0] : own[0].ends[0]].startswith("www.gov.uk/a")
    assert (booked[1], own[1]) == (particulars.ALLOWANCE, own_domains.ALLOWANCE)


@settings(max_examples=examples(50))
@given(st.lists(hostile | st.sampled_from(["代开发票", "free casino", "你好"]), max_size=12), st.data())
def test_splitting_a_batch_changes_nothing(texts: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(texts)))
    apart = CLASSIFIER.classify(texts[:at]) + CLASSIFIER.classify(texts[at:])
    assert CLASSIFIER.classify(texts) == apart


@pytest.mark.parametrize("text", ["", " \n", "\0", "！！！", "\ud800\udfff", "😀", "\u200b" * 50])
def test_a_text_that_says_nothing_scores_zero(text: str) -> None:
    assert score(text) == 0


@pytest.mark.parametrize("text", ["赌" * 100_000, "a" * 100_000, "\ud800赌" * 50_000, "\U0010ffff", "ﷺ", "㍿㎏"])
def test_hostile_text_gets_a_score(text: str) -> None:
    assert 0 <= score(text) <= 1


def test_a_missing_model_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(AntispamError, match=r"card\.json: cannot be read"):
        Classifier.load(tmp_path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS, tmp_path / "model"))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "damaged"), (b"PK\x03\x04 not really", "damaged"), (b"x" * 17_000_000, "larger than")],
)
def test_broken_weights_are_refused(model: Path, content: bytes, message: str) -> None:
    (model / "weights.npz").write_bytes(content)
    with pytest.raises(AntispamError, match=message):
        Classifier.load(model)


def test_a_flipped_byte_is_noticed(model: Path) -> None:
    content = bytearray((model / "weights.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (model / "weights.npz").write_bytes(content)
    with pytest.raises(AntispamError, match=r"weights\.npz"):
        Classifier.load(model)


def test_weights_of_another_shape_are_refused(model: Path) -> None:
    np.savez(model / "weights.npz", spam=np.zeros(10, np.int16), category=np.zeros((4, 4), np.int8))
    with pytest.raises(AntispamError, match="expected"):
        Classifier.load(model)


def test_a_header_that_claims_terabytes_is_refused(model: Path) -> None:
    header = b"{'descr': '<i2', 'fortran_order': False, 'shape': (999999999999,), }"
    with zipfile.ZipFile(model / "weights.npz", "w") as archive:
        archive.writestr("spam.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(AntispamError, match="expected"):
        Classifier.load(model)


def test_pickled_weights_are_never_opened(model: Path) -> None:
    np.savez(model / "weights.npz", spam=np.array([object()]), category=np.zeros((4, 4), np.int8))
    with pytest.raises(AntispamError, match="object"):
        Classifier.load(model)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"format": 1}', b"\xff"])
def test_a_broken_card_is_refused(model: Path, content: bytes) -> None:
    (model / "card.json").write_bytes(content)
    with pytest.raises(AntispamError, match=r"card\.json: not a model card"):
        Classifier.load(model)


def test_weights_and_card_of_two_models_are_refused(model: Path) -> None:
    card = model / "card.json"
    card.write_text(card.read_text(encoding="utf-8").replace(CLASSIFIER.version, "0" * 12), encoding="utf-8")
    with pytest.raises(AntispamError, match="do not belong together"):
        Classifier.load(model)


@needs_data
@pytest.mark.long
def test_measured_on_validation_texts() -> None:
    found = evaluate(CLASSIFIER, read_samples([DATA / "val.jsonl"]))
    assert found["by_language"]["zh"]["f1"] > 0.985
    assert found["by_language"]["en"]["f1"] > 0.985
    assert found["by_language"]["zh"]["spam_over_reject"] > 0.96
    assert found["by_language"]["en"]["spam_over_reject"] > 0.93


@needs_data
def test_no_transactional_message_is_rejected() -> None:
    found = evaluate(CLASSIFIER, read_samples([DATA / "transactional.jsonl"]))
    assert found["business"]["zh ham"]["over_reject"] == 0
    assert found["business"]["en ham"]["over_reject"] == 0
