"""A complaint is read out of a row, a line or a message, as the channel's description says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.actions.complaints.shapes import described, of_fields, of_line, of_message
from pipeline.errors import AntispamError
from pipeline.file_exchange import COMPLAINT_SHAPES, ComplaintShape
from tests.harness.case_events import NOW

TEXTS = COMPLAINT_SHAPES["mo"].texts


@pytest.mark.parametrize(
    ("text", "port", "content"),
    [
        ("10690001*【某】中奖 3*5#6", "10690001", "【某】中奖 3*5#6"),
        ("10690001#【某】中奖", "10690001", "【某】中奖"),
        (" 10690001 ＊ 中奖\n第二行", "10690001", "中奖\n第二行"),
        ("13900000001*", "13900000001", ""),
    ],
)
def test_a_subscriber_names_the_number_and_then_quotes_the_text(text: str, port: str, content: str) -> None:
    line = of_message("mo", COMPLAINT_SHAPES["mo"], "13800000001", text, NOW)
    assert (line.port, line.content, line.recipient, line.complained_at) == (port, content, "13800000001", NOW)


@pytest.mark.parametrize("text", ["", "你好", "*中奖", "#", "  ＃ 中奖"])
def test_a_text_that_names_no_number_is_no_complaint(text: str) -> None:
    with pytest.raises(AntispamError, match=r"^(text|port): "):
        of_message("mo", COMPLAINT_SHAPES["mo"], "13800000001", text, NOW)


def test_lines_of_either_separator_are_read() -> None:
    shape = COMPLAINT_SHAPES["mo"]
    for line in (
        "13800000001|10086999|20251125113000|10690001*中奖",
        "13800000001#x#20251125113000#10690001#中#奖\r\n",
    ):
        read = of_line("mo", shape, line)
        assert (read.recipient, read.port, read.complained_at) == ("13800000001", "10690001", NOW)
    with pytest.raises(AntispamError, match="a line like"):
        of_line("mo", shape, "13800000001,10086999")
    with pytest.raises(AntispamError, match="complained_at: not in the format"):
        of_line("mo", shape, "13800000001|10086999|yesterday|10690001*中奖")


def test_a_time_is_read_in_the_zone_of_the_channel() -> None:
    fields = {"recipient": "13800000001", "port": "10690001", "complained_at": "2025-11-25 11:30:00"}
    assert of_fields("12321", COMPLAINT_SHAPES["12321"], fields).complained_at == NOW
    utc = COMPLAINT_SHAPES["12321"].model_copy(update={"zone": "UTC"})
    assert of_fields("12321", utc, fields).complained_at == NOW + 8 * 3_600_000
    with pytest.raises(AntispamError, match="port: empty"):
        of_fields("12321", utc, fields | {"port": " "})


@given(st.text("*#＊10690001中", max_size=40))
def test_the_parts_and_the_sign_between_them_are_the_whole_text(text: str) -> None:
    found = described(TEXTS, text)
    if found is None:
        assert not set(text.strip()) & set("*＊#＃")
    else:
        assert text.strip().replace(" ", "").startswith(found["port"])
        assert len(found["port"]) + 1 + len(found["content"]) == len(text.strip())


def test_a_hostile_line_costs_its_length_only() -> None:
    assert described(("{recipient}|{}|{complained_at}|{text}",), "|" * 2 + "x" * 1_000_000) is None


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"columns": {"port": "p"}, "lines": ["{port}*{text}"]},
        {"columns": {"who": "p"}},
        {"lines": ["{port}{text}"]},
        {"lines": ["{port}*{port}"]},
        {"lines": ["nothing"]},
        {"columns": {"port": "p"}, "texts": ["{number}*{content}"]},
        {"columns": {"port": "p"}, "answer": {"secret": "x"}},
        {"columns": {"port": "p"}, "answer_days": 0},
    ],
)
def test_a_shape_that_cannot_be_read_by_is_refused(shape: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ComplaintShape.model_validate(shape)
