"""Operators' lists: every fault names its line, and a run-out entry never hides a living one."""

from __future__ import annotations

from contextlib import suppress
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import AntispamError
from pipeline.events import Kind
from pipeline.rules.expiry import NEVER
from pipeline.rules.lists import ListEntry, Lists, parse_lists

HEADER = "list,entity,value,reason,expires\n"


def test_every_list_is_read() -> None:
    lists = Lists(
        parse_lists(
            HEADER + "black,sender,13800000001,群发广告,\n"
            'allow,sender,10690001,"前台，已核实, 2026",2030-01-01T00:00:00+08:00\n'
            "blocked,recipient,13900000001,本人要求,\n"
            "unsubscribed,port_recipient,10690001:13900000002,回复退订,\n"
            "registered,port_recipient,10690001:13900000003,员工,\n"
        )
    )
    for entry in (
        ListEntry("black", "13800000001", "群发广告", NEVER),
        ListEntry("allow", "10690001", "前台，已核实, 2026", 1893427200000),
        ListEntry("blocked", "13900000001", "本人要求", NEVER),
        ListEntry("unsubscribed", "10690001:13900000002", "回复退订", NEVER),
        ListEntry("registered", "10690001:13900000003", "员工", NEVER),
    ):
        assert lists.find(entry.list, entry.value) == entry


def test_of_two_entries_for_one_value_the_one_that_lasts_counts() -> None:
    entries = [ListEntry("black", "1", "old", 5), ListEntry("black", "1", "standing"), ListEntry("black", "1", "x", 9)]
    for order in permutations(entries):
        found = Lists(order).find("black", "1")
        assert found is not None
        assert found.reason == "standing"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "grey,sender,1069,,",
            "l.csv:3: column list: unknown list 'grey'; one of black, allow, watched, blocked, unsubscribed, reg",
        ),
        ("black,recipient,1069,,", "l.csv:3: column entity: the list black holds sender, not 'recipient'"),
        ("black,sender, ,,", "l.csv:3: column value: bad value ''"),
        ("unsubscribed,port_recipient,13900000002,,", "l.csv:3: column value: bad value '13900000002'"),
        ("registered,port_recipient,13900000002,,", "l.csv:3: column value: bad value '13900000002'"),
        ("black,sender,1069,,tomorrow", "l.csv:3: column expires: expires 'tomorrow' is not an ISO 8601 time"),
        (
            "black,sender,1069,,2030-01-01T00:00:00",
            "l.csv:3: column expires: expires '2030-01-01T00:00:00' needs a time zone",
        ),
        ("black,sender,1069", "l.csv:3: 3 fields; 5 expected: list,entity,value,reason,expires"),
        ("black,sender,1069,a,,b", "l.csv:3: 6 fields; 5 expected"),
        ('black,sender,1069,"a', 'l.csv:3: a quotation mark (") is opened and never closed'),
        ("black,sender,1069," + "a" * 1001 + ",", "l.csv:3: column reason: longer than 1000 characters"),
    ],
)
def test_a_fault_names_its_line(line: str, message: str) -> None:
    with pytest.raises(AntispamError) as caught:
        parse_lists(f"{HEADER}black,sender,1068,,\n{line}\n", "l.csv")
    assert str(caught.value).startswith(message)


def test_a_row_of_several_lines_is_named_by_its_first() -> None:
    good = 'black,sender,1068,"two\nlines",\n\n'
    with pytest.raises(AntispamError, match=r"^l\.csv:5: column list: unknown list 'grey'"):
        parse_lists(HEADER + good + 'grey,sender,1069,"a\nb",\n', "l.csv")


@pytest.mark.parametrize("text", ["", "black,sender,1,,\n", "list,entity,value,expires,reason\n"])
def test_another_header_is_refused(text: str) -> None:
    with pytest.raises(AntispamError, match=r"lists.csv:1: header must be list,entity,value,reason,expires"):
        parse_lists(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(AntispamError):
        entries = parse_lists(HEADER + text)
        assert all(isinstance(entry, ListEntry) and entry.value for entry in entries)


def test_values_are_held_as_events_spell_them() -> None:
    lists = Lists(
        parse_lists(
            HEADER + "black,sender,+8613700000001,,\nallow,sender,8610690001,,\n"
            "blocked,recipient,8613800000002,,\nunsubscribed,port_recipient,10690003:0086 138-0000-0004,,\n"
        )
    )
    assert lists.find("black", "13700000001")
    assert lists.find("allow", "10690001")
    recipients = ["13800000002", "13800000004", "13800000009"]
    assert lists.unreachable(recipients, "10690003", Kind.COMMERCIAL, 0) == {
        "13800000002": "recipient-blocked",
        "13800000004": "recipient-unsubscribed",
    }


def test_of_two_spellings_of_one_number_the_entry_that_lasts_counts() -> None:
    text = HEADER + "blocked,recipient,+8613800000001,,\nblocked,recipient,13800000001,,2020-01-01T00:00:00+08:00\n"
    found = Lists(parse_lists(text)).find("blocked", "13800000001")
    assert found is not None
    assert found.expires == NEVER


@pytest.mark.parametrize(
    "line",
    [
        "blocked,recipient,138,,",
        "blocked,recipient,somebody,,",
        "black,sender,13800000001 13800000002,,",
        "unsubscribed,port_recipient,10690001:138,,",
        "unsubscribed,port_recipient,:13800000001,,",
    ],
)
def test_a_value_that_could_never_match_is_refused_unless_it_was_published_before(line: str) -> None:
    with pytest.raises(
        AntispamError, match=r"^lists\.csv:2: column value: bad value .*: (one number|port:number, such as .*) expected"
    ):
        parse_lists(HEADER + line)
    assert len(parse_lists(HEADER + line, strict=False)) == 1
