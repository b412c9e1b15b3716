"""A SUBMIT becomes what its sender asks for, or is refused with the cause."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.ingest.links.submitted import submitted
from pipeline.protocols import cmpp, smpp
from pipeline.protocols.sms.alphabet import Alphabet
from pipeline.protocols.sms.gsm7 import septets
from pipeline.protocols.tlvs import Tlv
from tests.ingest.links.test_account import account

PORT = "10690001"
NOW = 1_796_000_000_000
TEXT = "【银行】您好😀"
CMPP = cmpp.Submit(
    sequence=1,
    msg_fmt=8,
    msg_src="900001",
    src_id="1069000188",
    recipients=("8613800000001", "13800000002"),
    content=TEXT.encode("utf-16-be"),
)
SMPP = smpp.SubmitSm(
    sequence=1,
    source_addr="1069000188",
    destination_addr="8613800000001",
    data_coding=8,
    short_message=TEXT.encode("utf-16-be"),
)


def of(pdu: Any, **fields: Any) -> Any:
    return submitted(msgspec.structs.replace(pdu, **fields), account(), NOW).line


def test_a_submit_of_cmpp() -> None:
    found = of(CMPP, valid_time="000000010000000R", at_time="000000000100000R")
    assert (found.port, found.recipients, found.content) == ("1069000188", ["8613800000001", "13800000002"], TEXT)
    assert (found.scheduled_at, found.valid_until) == (NOW + 60_000, NOW + 3_600_000)


@pytest.mark.parametrize(
    ("coding", "content", "text"),
    [(0, b"hello", "hello"), (15, "您好".encode("gb18030"), "您好"), (25, "您好".encode("utf-16-be"), "您好")],
)
def test_codings_of_cmpp(coding: int, content: bytes, text: str) -> None:
    assert of(CMPP, msg_fmt=coding, content=content).content == text


def test_a_submit_sm() -> None:
    found = of(SMPP, validity_period="000000010000000R")
    assert (found.port, found.recipients, found.content) == ("1069000188", ["8613800000001"], TEXT)
    assert (found.scheduled_at, found.valid_until) == (None, NOW + 3_600_000)


def test_texts_of_smpp_in_the_gsm_alphabet_and_in_a_payload() -> None:
    assert of(SMPP, data_coding=0, short_message=b"".join(septets("a@{€}") or ())).content == "a@{€}"
    payload = Tlv(smpp.MESSAGE_PAYLOAD, (TEXT * 40).encode("utf-16-be"))
    assert of(SMPP, short_message=b"", tlvs=(payload,)).content == TEXT * 40


def test_a_submit_multi_and_a_data_sm() -> None:
    to = tuple(smpp.Address(destination_addr=f"1380000000{n}") for n in range(3))
    content = "hi".encode("utf-16-be")
    multi = smpp.SubmitMulti(sequence=1, source_addr="", destinations=to, data_coding=8, short_message=content)
    assert (of(multi).port, of(multi).recipients) == (PORT, ["13800000000", "13800000001", "13800000002"])
    with pytest.raises(AntispamError, match="distribution lists"):
        of(multi, destinations=(*to, smpp.DistributionList(name="friends")))
    tlvs = (Tlv(smpp.MESSAGE_PAYLOAD, content), Tlv(0x0017, (60).to_bytes(4, "big")))
    data = smpp.DataSm(sequence=1, source_addr=PORT, destination_addr="13800000001", data_coding=8, tlvs=tlvs)
    assert (of(data).content, of(data).valid_until) == ("hi", NOW + 60_000)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"msg_fmt": 4}, "neither a text nor a WAP push"),
        ({"valid_time": "tomorrow"}, "time: "),
    ],
)
def test_what_is_refused(fields: dict[str, Any], cause: str) -> None:
    with pytest.raises(AntispamError, match=cause) as refused:
        of(CMPP, **fields)
    assert TEXT not in str(refused.value)


def test_a_message_of_one_part_may_have_a_header() -> None:
    assert of(CMPP, udhi=1, content=b"\x05\x00\x03\x2a\x01\x01" + TEXT.encode("utf-16-be")).content == TEXT


@pytest.mark.parametrize(
    ("pdu", "wish", "expected"),
    [
        (CMPP, 0, (False, False)),
        (CMPP, 1, (True, False)),
        (CMPP, 2, (False, False)),
        (SMPP, 0, (False, False)),
        (SMPP, 1, (True, False)),
        (SMPP, 2, (True, True)),
        (SMPP, 0x11, (True, False)),
    ],
)
def test_wishes_for_reports(pdu: Any, wish: int, expected: tuple[bool, bool]) -> None:
    asked = submitted(msgspec.structs.replace(pdu, registered_delivery=wish), account(), NOW)
    assert (asked.report, asked.failures_only) == expected


def test_the_default_alphabet_of_smpp_is_gsm_or_what_the_account_says() -> None:
    pdu = msgspec.structs.replace(SMPP, data_coding=0, short_message=b"[a]")
    assert submitted(pdu, account(), NOW).line.content == "ÄaÑ"
    found = submitted(pdu, account(smpp_ascii=True), NOW)
    assert (found.line.content, found.message.alphabet) == ("[a]", Alphabet.ASCII)
