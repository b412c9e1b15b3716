"""The particulars of a booking are told from figures that baits have, too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models import features, particulars
from pipeline.models.particulars import ALLOWANCE
from pipeline.text.normal import normalise_batch


@pytest.mark.parametrize(
    ("text", "booked"),
    [
        ("Card *4821: 35.60 paid at 12:31 on 05/11/2026", True),
        ("a/c XX1787 debited 1,593.90 on 27-Aug-2025", True),
        ("您尾号8821的卡9月3日13:25支出２３.50元", True),
        ("尾号为 8821，9月3日", True),
        ("2025-09-30 23:45", True),
        ("card ending in 4821, 12:31", True),
        ("account 109xxxxxxxx2012, card ending 4821", False),
        ("sale ending 30/11/2026", False),
        ("10.12.2025, 11.12.2025", False),
        ("12:30:05 and 7:15", False),
        ("call 0800 123 456 now, only 99 left", False),
        ("192.168.10.12 and version 1.2.34.56", False),
        ("https://example.org/2/3.html", False),
        ("1200:3000 12:345 5.678 max20 x5", False),
        ("", False),
    ],
)
def test_two_kinds_of_particulars_are_needed(text: str, booked: bool) -> None:
    assert features.allowances([text]).tolist() == [ALLOWANCE if booked else 0]


@given(st.lists(st.text(alphabet="19:./-*x月日尾号a\0 ", max_size=12), max_size=6))
def test_the_batch_never_changes_a_text(texts: list[str]) -> None:
    assert features.allowances(texts).tolist() == [features.allowances([text])[0] for text in texts]


FIGURES = st.sampled_from([*"1:-/月日*#xe, ", "12", "30", ".00", "xx", "尾号", "ending", "mar"])


@given(st.lists(st.lists(FIGURES, max_size=10).map("".join), max_size=6))
def test_a_text_that_is_not_read_has_at_most_one_kind(texts: list[str]) -> None:
    folded = normalise_batch(texts).folded
    read = set(particulars._worth_reading(folded, folded.borders).tolist())
    for number, text in enumerate(folded.texts()):
        if number not in read and "," not in text:
            assert len({match.lastgroup for match in particulars._PARTICULARS.finditer(text)}) < 2
