"""The keyword dictionary: hits stand where the reader sees them, faults are named by line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.events import Category, Verdict
from pipeline.rules import dictionary as module
from pipeline.rules.dictionary import Dictionary

DEFAULT = Path(module.__file__).with_name("defaults") / "dictionary.csv"
DATA = Path(__file__).parents[3] / "shared" / "data" / "sms"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="research data (../shared/data/sms) is not here")
SHIPPED = Dictionary.parse(DEFAULT.read_text(encoding="utf-8"))
hostile = st.text(st.characters(exclude_categories=()), max_size=80)


def build(*lines: str) -> Dictionary:
    return Dictionary.parse("\n".join(("word,category,verdict", *lines)))


SMALL = build(
    "代开发票,fake_document,reject",
    "发票,fake_document,review",
    "heroin,drugs,blacklist",
    "viagra,drugs,reject",
)


def test_a_hit_says_what_and_where() -> None:
    (hit,) = SMALL.match("您好，代开发票请联系")
    assert (hit.word, hit.category, hit.verdict) == ("代开发票", Category.FAKE_DOCUMENT, Verdict.REJECT)
    assert (hit.start, hit.end) == (3, 7)


@pytest.mark.parametrize("before", ["", "😀😀", "\ud800", "İİ", "ßß", "ﬃ", "\0", "𠮷野家", "一" * 1000])
def test_spans_are_code_points_of_the_raw_text(before: str) -> None:
    text = before + "发票😀VIAGRA" + before
    assert [text[hit.start : hit.end] for hit in SMALL.match(text)] == ["发票", "VIAGRA"]


def test_of_overlapping_words_the_longest_is_kept() -> None:
    assert [hit.word for hit in SMALL.match("代开发票，发票")] == ["代开发票", "发票"]


def test_of_equally_long_overlapping_words_the_leftmost_is_kept() -> None:
    assert [hit.word for hit in build("ab cd,other,review", "cd ef,other,review").match("ab cd ef")] == ["ab cd"]


@pytest.mark.parametrize("text", ["heroine", "theroin", "heroin9", "my heroines"])
def test_a_latin_word_inside_another_is_none(text: str) -> None:
    assert SMALL.match(text) == ()


@pytest.mark.parametrize("text", ["heroin", "买HEROIN吗", "heroin!", "(Heroin)"])
def test_a_latin_word_that_stands_alone_is_found(text: str) -> None:
    assert [hit.word for hit in SMALL.match(text)] == ["heroin"]


@given(hostile)
def test_any_text_can_be_searched(text: str) -> None:
    for hit in SHIPPED.match(text + "六合彩" + text):
        assert 0 <= hit.start < hit.end <= 2 * len(text) + 3


@given(hostile, hostile)
def test_what_is_found_is_the_word(before: str, after: str) -> None:
    text = before + "代开发票" + after
    hits = SMALL.match(text)
    assert "代开发票" in [hit.word for hit in hits]
    assert all(text[hit.start : hit.end].casefold() == hit.word.casefold() for hit in hits)


def test_a_text_full_of_hits_is_searched_once() -> None:
    assert len(SMALL.match("发票" * 50_000)) == 50_000


def test_an_empty_dictionary_finds_nothing() -> None:
    assert build().match("代开发票") == ()


def test_the_version_changes_with_the_content() -> None:
    assert build("发票,loan,review").version == build("发票,loan,review").version
    versions = {build(line).version for line in ("发票,loan,review", "发票,loan,reject", "发票,drugs,review")}
    assert len(versions) == 3


def test_a_note_is_allowed_and_does_not_change_the_version() -> None:
    noted = Dictionary.parse('\ufeffword,category,verdict,note\r\n发票,loan,review,"a, note"\r\n')
    assert noted.version == build("发票,loan,review").version


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("枪,weapons,reject", "line 3: a word has 2 to 64 characters, not 1"),
        ("长" * 65 + ",weapons,reject", "line 3: a word has 2 to 64"),
        ("枪支,guns,reject", "line 3: unknown category 'guns'; one of fraud"),
        ("枪支,weapons,release", "line 3: unknown verdict 'release'; one of review, reject, blacklist"),
        ("枪支,weapons", "line 3: 2 fields, expected 3"),
        ("VIAGRA,drugs,reject", "line 3: 'VIAGRA' is already on line 2"),
        ("a\u200bb,drugs,reject", "line 3: a word has printable characters only"),
        ('"枪支,weapons,reject', "line 3"),
    ],
)
def test_a_fault_is_named_by_line(line: str, message: str) -> None:
    with pytest.raises(AntispamError, match=message):
        build("viagra,drugs,reject", line)


@pytest.mark.parametrize("text", ["", "枪支,weapons,reject", "category,word,verdict", "\0"])
def test_another_header_is_refused(text: str) -> None:
    with pytest.raises(AntispamError, match="line 1"):
        Dictionary.parse(text)


@pytest.mark.parametrize("word", ["办证", "代开发票", "博彩", "真人荷官", "刷单", "安全账户", "冰毒", "online casino"])
def test_the_shipped_dictionary_knows_the_usual_words(word: str) -> None:
    assert [hit.word for hit in SHIPPED.match(f"测试{word}，测试")] == [word]


@pytest.mark.parametrize(
    "text",
    [
        "【锦绣商城】大牌九折，新时代开启，儿童交通安全，社群交流，百姓个性服务，绿色情怀，支援交通",
        "【江城银行】反洗钱宣传：请妥善保管账户",
        "【江城银行】您的验证码482913，切勿告知他人",
        "【水务】下水道返水请报修；招聘充电棍维修工",
        "our heroine won the Essex cup",
    ],
)
def test_words_hidden_in_everyday_ones_are_left_alone(text: str) -> None:
    assert SHIPPED.match(text) == ()


@needs_data
def test_measured_on_validation_texts() -> None:
    hits = {"spam": 0, "ham": 0}
    total = {"spam": 0, "ham": 0}
    for line in (DATA / "val.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        total[row["label"]] += 1
        hits[row["label"]] += bool(SHIPPED.match(row["text"]))
    assert hits["ham"] / total["ham"] <= 0.001
    assert hits["spam"] / total["spam"] > 0.04


@needs_data
def test_no_transactional_message_is_hit() -> None:
    for line in (DATA / "transactional.jsonl").read_text(encoding="utf-8").splitlines():
        assert SHIPPED.match(json.loads(line)["text"]) == ()
