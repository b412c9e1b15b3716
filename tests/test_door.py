"""The door: what is promised of every event behind it, whatever a client sends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import door
from pipeline.durations import DAY_MS
from pipeline.errors import AntispamError
from pipeline.events import Complaint, Priority, Submission, encode
from pipeline.settings import Settings

NOW = 1_760_000_000_000
SETTINGS = Settings(_env_file=None, max_content=100, max_recipients=60)
BODY: dict[str, Any] = {"port": "10690001", "recipients": ["13800000001"], "content": "您好"}


def accept(**fields: Any) -> Submission:
    return door.submission(msgspec.convert(BODY | fields, door.SubmissionIn), SETTINGS, NOW, "ours-1")


def refusal(**fields: Any) -> str:
    with pytest.raises((AntispamError, msgspec.ValidationError)) as caught:
        accept(**fields)
    return door.fault(caught.value)  # type: ignore[arg-type]


def test_our_clock_stamps_what_is_accepted_and_the_clients_is_data() -> None:
    event = accept(submitted_at="2020-01-01T00:00:00+08:00", valid_until=1_760_000_100_000)
    assert (event.accepted_at, event.submitted_at, event.valid_until) == (NOW, 1_577_808_000_000, 1_760_000_100_000)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("13800000001", "13800000001"),
        (" 13800000001 ", "13800000001"),
        ("+8613800000001", "13800000001"),
        ("008613800000001", "13800000001"),
        ("8613800000001", "13800000001"),
        ("+85212345678", "85212345678"),
        ("138 0000 0001", "13800000001"),
        ("１３８" + "０" * 7 + "１", "13800000001"),
        ("+1 380 555 0100", "0013805550100"),
        ("8610690001", "10690001"),
        ("95588", "95588"),
    ],
)
def test_a_number_gets_its_one_form_whatever_it_stands_in(given: str, kept: str) -> None:
    assert accept(recipients=[given]).recipients == (kept,)
    assert accept(port=given).port == kept
    record = {"kind": "MO", "sender": given, "recipient": given, "content": "x", "submitted_at": NOW}
    for kind in ("MO", "AO", "MT"):
        event = door.record(msgspec.convert(record | {"kind": kind}, door.RecordIn), SETTINGS, NOW, "ours-1")
        assert (event.sender, event.recipient) == (kept, kept)
    complaint = {"port": given, "recipient": given, "complained_at": NOW}
    told = door.complaint(msgspec.convert(complaint, door.ComplaintIn), SETTINGS, NOW, "ours-1")
    assert (told.port, told.recipient) == (kept, kept)


@pytest.mark.parametrize("given", ["", "12", "1" * 22, "١٢٣٤", "138-0000", "138 000", "1;2", "+"])
def test_what_is_no_number_is_refused_without_repeating_it(given: str) -> None:
    assert refusal(recipients=[given]) == "recipients: one phone number or service code expected"
    assert refusal(port=given) == "port: 3 to 21 digits expected"


def test_a_recipient_has_a_plausible_length_and_an_operators_own_codes_may_have_any() -> None:
    for piece in ("138", "0000", "0001", "1380000", "138000000011"):
        assert refusal(recipients=[piece]) == "recipients: one phone number or service code expected"
    assert accept(port="1380").port == "1380"


def test_recipients_are_distinct_in_their_order_and_bounded() -> None:
    assert accept(recipients=["13800000002", "+8613800000001", "13800000001"]).recipients == (
        "13800000002",
        "13800000001",
    )
    assert refusal(recipients=[]) == "recipients: none"
    numbers = [f"138{n:08d}" for n in range(61)]
    assert len(accept(recipients=numbers[:60]).recipients) == 60
    assert refusal(recipients=numbers) == "recipients: 61, at most 60 in one submission"


@pytest.mark.parametrize(
    ("fields", "lane"),
    [
        ({}, Priority.EXPRESS),
        ({"batch_size": 50}, Priority.EXPRESS),
        ({"batch_size": 51}, Priority.BULK),
        ({"recipients": [f"138{n:08d}" for n in range(50)]}, Priority.EXPRESS),
        ({"recipients": [f"138{n:08d}" for n in range(51)]}, Priority.BULK),
        ({"batch_size": 51, "priority": "express"}, Priority.EXPRESS),
        ({"recipients": [f"138{n:08d}" for n in range(50)], "priority": "express"}, Priority.EXPRESS),
        ({"recipients": [f"138{n:08d}" for n in range(51)], "priority": "express"}, Priority.BULK),
        ({"priority": "bulk"}, Priority.BULK),
    ],
)
def test_more_than_fifty_messages_go_by_the_bulk_lane(fields: dict[str, Any], lane: Priority) -> None:
    assert accept(**fields).priority is lane


def test_the_text_is_kept_as_it_is() -> None:
    text = "　【Ａ】 \u200b您好\r\n "
    assert accept(content=text).content == text
    assert len(accept(content="😀" * 100).content) == 100


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"content": ""}, "content: empty"),
        ({"content": "长" * 101}, "content: 101 code points, at most 100"),
        ({"content": "\ud83d"}, "content: not valid Unicode"),
        ({"batch": "\udc00"}, "batch: not valid Unicode"),
        ({"template": "\udc00"}, "template: not valid Unicode"),
        ({"id": "a b"}, "id: 1 to 128 printable"),
        ({"id": "x" * 129}, "id: 1 to 128 printable"),
        ({"id": "名"}, "id: 1 to 128 printable"),
        ({"valid_until": "tomorrow"}, "valid_until: neither ISO 8601 nor epoch milliseconds"),
        ({"valid_until": "2026-01-01T00:00:00"}, "valid_until: needs a time zone"),
        ({"scheduled_at": 1_760_000_000}, "scheduled_at: not epoch milliseconds"),
        ({"scheduled_at": "9999-12-31T23:59:59Z"}, "scheduled_at: not between 2000 and 2100"),
        ({"scheduled_at": NOW + 7 * 86_400_000 + 1}, "scheduled_at: more than 7 days ahead of our clock"),
        ({"scheduled_at": NOW + 60_000, "valid_until": NOW + 60_000}, "scheduled_at: not before valid_until"),
        ({"batch_size": 0}, "Expected `int` >= 1"),
        ({"batch_size": 100_000_001}, "Expected `int` <= 100000000"),
        ({"batch": "x" * 129}, "Expected `str` of length <= 128"),
        ({"priority": "urgent 13800000001"}, "Invalid enum value …"),
        ({"unknown field": 1}, "Object contains unknown field …"),
        ({"recipients": "13800000001"}, "Expected `array`, got `str`"),
    ],
)
def test_each_fault_names_its_field_and_quotes_no_value(fields: dict[str, Any], fault: str) -> None:
    assert refusal(**fields).startswith(fault)


def test_without_an_id_it_gets_ours() -> None:
    assert [accept(id=given).id for given in (None, "", "theirs-1")] == ["ours-1", "ours-1", "theirs-1"]


@given(
    st.fixed_dictionaries(
        {
            "port": st.text(max_size=30),
            "recipients": st.lists(st.text(max_size=25), max_size=4),
            "content": st.text(max_size=120),
        },
        optional={
            "id": st.text(max_size=9),
            "batch": st.text(max_size=5),
            "submitted_at": st.text(max_size=30) | st.integers(),
        },
    )
)
def test_whatever_passes_can_be_written_and_read_again(body: dict[str, Any]) -> None:
    with suppress(AntispamError, msgspec.ValidationError):
        event = door.submission(msgspec.convert(body, door.SubmissionIn), SETTINGS, NOW, "ours-1")
        assert msgspec.json.decode(encode(event), type=Submission) == event
        assert all(number.isascii() and number.isdigit() for number in (event.port, *event.recipients))


# Records and complaints

RECORD: dict[str, Any] = {
    "kind": "MO",
    "sender": "13900000009",
    "recipient": "13800000001",
    "content": "在吗",
    "submitted_at": NOW,
}


def record(settings: Settings = SETTINGS, **fields: Any) -> Any:
    return door.record(msgspec.convert(RECORD | fields, door.RecordIn), settings, NOW, "ours-1")


def test_a_record_keeps_its_event_time_and_says_when_it_came() -> None:
    made = record(submitted_at="2025-01-01T08:00:00+08:00", done_at="", status="DELIVRD", extra="ignored")
    assert (made.submitted_at, made.ingested_at, made.done_at, made.status) == (1_735_689_600_000, NOW, None, "DELIVRD")


def test_a_clock_more_than_a_day_ahead_is_refused() -> None:
    assert record(submitted_at=NOW + DAY_MS).submitted_at == NOW + DAY_MS
    with pytest.raises(AntispamError, match="submitted_at: more than a day ahead of our clock"):
        record(submitted_at=NOW + DAY_MS + 1)


def test_a_file_of_local_times_is_read_with_the_format_and_zone_of_the_settings() -> None:
    shanghai = SETTINGS.model_copy(update={"record_time_format": "%Y%m%d%H%M%S"})
    assert record(shanghai, submitted_at="20250101080000").submitted_at == 1_735_689_600_000
    utc = shanghai.model_copy(update={"record_zone": "UTC"})
    assert record(utc, submitted_at="20250101000000").submitted_at == 1_735_689_600_000
    with pytest.raises(AntispamError, match="submitted_at: not in the format %Y%m%d%H%M%S"):
        record(shanghai, submitted_at="2025-01-01")


def test_a_complaint_is_bounded_too() -> None:
    made = complaint(content="长" * 500)
    assert len(made.content) == 100
    with pytest.raises(AntispamError, match="complained_at: more than a day ahead"):
        complaint(complained_at=NOW + 2 * DAY_MS)


def test_the_same_complaint_has_the_same_id_and_its_reference_tells_two_apart() -> None:
    assert complaint().id == complaint(recipient="+86 138 0000 0001").id
    assert (
        len({complaint(**other).id for other in ({}, {"content": "y"}, {"source": "12321"}, {"complained_at": 1e12})})
        == 4
    )
    first = complaint(source="12321", reference="A1")
    assert complaint(source="12321", reference="A1", content="retyped").id == first.id
    assert complaint(source="12321", reference="A2").id != first.id != complaint(source="hotline", reference="A1").id
    assert complaint(id="c-7", reference="A1").id == "c-7"


@pytest.mark.parametrize("given", ["138****0001", "+86 138-XXXX-0001", "138＊＊＊＊0001", "86138●●●●0001"])
def test_a_complainer_may_hide_digits_of_the_number(given: str) -> None:
    assert complaint(recipient=given).recipient == "138****0001"


@pytest.mark.parametrize("given", ["138***001", "1*********1", "*138****0001", "10690****1", "138**** 0001 or so"])
def test_a_number_is_hidden_in_part_and_as_long_as_it_is(given: str) -> None:
    with pytest.raises(AntispamError, match=r"^recipient: one phone number"):
        complaint(recipient=given)


def complaint(**fields: object) -> Complaint:
    line = {"port": "10690001", "recipient": "13800000001", "complained_at": NOW, "content": "x"} | fields
    return door.complaint(msgspec.convert(line, door.ComplaintIn, strict=False), SETTINGS, NOW)
