"""Two renderings of one template count as one content; another wording never does."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.fingerprint import fingerprint

hostile = st.text(st.characters(exclude_categories=()), max_size=200)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("您的验证码是482913，5分钟内有效", "您的验证码是7720，10分钟内有效"),
        ("Your code is 12345", "YOUR  code is\n9"),
        ("满１００减５０，速来！", "满100减50,速来!"),
        ("ＡＢＣ特价", "abc特价"),
        ("全场 8 折", "全场8折"),
        ("发\u200b票*代-开", "发票代开"),
        ("發票①③⑧", "发票999"),
        ("pаypal 😀", "paypal"),
    ],
)
def test_amounts_width_case_and_spacing_do_not_make_another_content(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("您的快递已到", "您的快递未到"),
        ("订单1号", "订单号"),
        ("hello", "hell0"),
        ("", "0"),
        ("😀", "👍"),
        ("你好，", "你好。"),
    ],
)
def test_other_words_are_another_content(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@given(hostile)
def test_any_text_has_sixteen_hex_digits(text: str) -> None:
    assert len(fingerprint(text)) == 16
    assert int(fingerprint(text), 16) >= 0


@given(hostile, st.integers(0, 200))
def test_a_space_anywhere_changes_nothing(text: str, at: int) -> None:
    # Between two digits a space joins two runs: "1 2" and "12" are one content as well.
    assert fingerprint(text[:at] + " " + text[at:]) == fingerprint(text)


@pytest.mark.long
def test_another_process_gives_the_same_fingerprint() -> None:
    command = "from pipeline.text.fingerprint import fingerprint; print(fingerprint('办证 刻章 138'))"
    told = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == fingerprint("办证 刻章 138")


def test_the_fingerprint_never_changes_between_releases() -> None:
    """Counters and cases are keyed by it: changing it would split every running count."""
    assert fingerprint("【云帆】您的验证码是482913，5分钟内有效。") == "1dc1b9304a3f8b64"
