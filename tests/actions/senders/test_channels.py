"""A file of channels says what is wrong with it, and where."""

from __future__ import annotations

import pytest

from pipeline.actions.senders.answers import Answers, Meaning
from pipeline.actions.senders.channels import parse_channels
from pipeline.errors import AntispamError

BASE = "default: {host: 127.0.0.1, port: 7890, account: '900001'"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("kind: cmpp4", "Invalid enum value 'cmpp4'"),
        ("kind: smgp, account: '123456789'", "at most 8 characters in smgp"),
        ("kind: sgip", "sgip needs node"),
        ("kind: sgip, node: 3029999999, listen: here", "HOST:PORT"),
        ("listen: '127.0.0.1:8801'", "in a channel of kind sgip"),
        ("answers: {x: next}", "'x' is not a result"),
        ("answers: {9-3: next}", "the smaller one first"),
        ("answers: {9: away}", "Invalid enum value 'away'"),
    ],
)
def test_a_fault_is_named(fields: str, fault: str) -> None:
    base = BASE.replace(", account: '900001'", "") if "account" in fields else BASE
    with pytest.raises(AntispamError, match="channel default") as caught:
        parse_channels(f"{base}, {fields}}}", "channels.yaml", ("default",))
    assert fault in str(caught.value)


def test_answers_are_read_before_those_of_the_protocol() -> None:
    text = BASE + ", answers: {9: final, 0x58: pause, 100-199: next}}"
    channel = parse_channels(text, "channels.yaml", ("default",))["default"]
    answers = Answers(channel.answers, {9: Meaning.NEXT, 8: Meaning.PAUSE})
    meanings = [answers.meaning(result) for result in (9, 8, 0x58, 99, 100, 199, 200)]
    assert meanings == ["final", "pause", "pause", "final", "next", "next", "final"]


def test_only_mainland_numbers_get_the_carriers_prefix() -> None:
    text = BASE + ", kind: smpp, recipient_prefix: '86'}"
    channel = parse_channels(text, "channels.yaml", ("default",))["default"]
    assert channel.carriers_form("13800138000") == "8613800138000"
    assert channel.carriers_form("0085291234567") == "0085291234567"
