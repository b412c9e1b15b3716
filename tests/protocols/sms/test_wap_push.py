"""WAP pushes, as they were captured and as they are built to evade: the link and the text come out."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols.frames import FrameError
from pipeline.protocols.sms.header import WAP_PUSH, read_header
from pipeline.protocols.sms.tpdu import Submit, read_tpdu
from pipeline.protocols.sms.wap_push import Push, read_push

SAMPLE = (
    "0051000BA13108086406F600F5A7460B05040B8423F0000303010129060603AE81EA8DB102056A0045C6080C037761702E6578616D706C652E"
    "636F6D2F613F69643D31000103E681ADE5969CE4B8ADE5A596000101"
)
SI = "DC0601AE"  # WSP header, then the document


def test_the_worked_example() -> None:
    tpdu = read_tpdu(bytes.fromhex(SAMPLE)).tpdu
    assert isinstance(tpdu, Submit)
    assert (tpdu.recipient, tpdu.validity, tpdu.data.scheme) == ("13808046606", 24 * 60, 0xF5)
    assert tpdu.data.message.header is not None
    assert tpdu.data.message.header.port == WAP_PUSH
    assert read_push(tpdu.data.message.content) == Push(
        kind="SI", link="http://wap.example.com/a?id=1", text="恭喜中奖", action="signal-high"
    )


@pytest.mark.parametrize(
    ("user_data", "push"),
    [
        (
            "0605040B8423F0250601AE02056A0045C60C03692E696D6775722E636F6D2F666A49444E2E6A706700070103696D677572000101",
            Push(kind="SI", link="http://i.imgur.com/fjIDN.jpg", text="imgur", action="signal-medium"),
        ),
        (
            "0605040B8423F05F0601AE02056A0045C60C037761702E6A6F622E616D00070103505050000101",
            Push(kind="SI", link="http://wap.job.am", text="PPP", action="signal-medium"),
        ),
        (
            "0605040B840000DC0605B0AF82B48302066A00850B03746573742E636F6D000501",
            Push(kind="SL", link="https://test.com", action="execute-low"),
        ),
    ],
)
def test_captured_pushes(user_data: str, push: Push) -> None:
    octets = bytes.fromhex(user_data)
    header = read_header(octets)
    assert header is not None
    assert header.port == WAP_PUSH
    assert read_push(octets[header.size :]) == push


@pytest.mark.parametrize(
    ("document", "push"),
    [
        (
            "02056A0045C60B03746573742E636F6D0001037375626A656374000101",
            Push(kind="SI", link="test.com", text="subject", action="signal-medium"),
        ),
        (
            "02066A0085060A036578616D706C65008503782E776D6C0001",
            Push(kind="SL", link="http://www.example.com/x.wml", action="execute-high"),
        ),
        (
            "02056A0045C60D036578616D706C6500850AC3072026112114300010C304202611220801034869000101",
            Push(
                kind="SI",
                link="http://www.example.com/",
                text="Hi",
                action="signal-high",
                created="20261121143000",
                expires="20261122",
            ),
        ),
    ],
)
def test_documents(document: str, push: Push) -> None:
    code = "AE" if push.kind == "SI" else "B0"
    assert read_push(bytes.fromhex(f"010601{code}{document}")) == push


def test_a_link_in_many_pieces_comes_out_whole() -> None:
    pieces = b"".join(b"\x03" + letter.encode() + b"\0" for letter in "evil")
    table = b"\x83\x00"  # the string table's first entry
    entity = b"\x02" + b"\x2f"  # "/"
    document = bytes.fromhex("02056A") + b"\x05/bad\0" + b"\x45\xc6\x0c" + pieces + b"\x85" + table + entity
    document += b"\x01\x03a\0\x03b\0\x01\x01"
    push = read_push(b"\x01\x06\x01\xae" + document)
    assert (push.link, push.text) == ("http://evil.com//bad/", "ab")


def test_charsets_of_the_content_type() -> None:
    text = "中奖".encode("gb18030")
    document = bytes.fromhex("02050000") + b"\x45\xc6\x0c\x03a.cn\0\x01\x03" + text + b"\0\x01\x01"
    for charset in ("F2", "F1", "0207E9"):
        parameter = bytes.fromhex("AE81" + charset)
        content_type = bytes((len(parameter),)) + parameter
        push = read_push(b"\x01\x06" + bytes((len(content_type),)) + content_type + document)
        assert push.text == "中奖"


def test_plain_xml_is_read_without_expanding_entities() -> None:
    xml = (
        b'<?xml version="1.0"?><si><indication href="http://a.cn/?x=1&amp;y=2" action="signal-high">'
        b"Hi &lt;b&gt;</indication></si>"
    )
    push = read_push(b"\x01\x06\x01\xad" + xml)
    assert (push.link, push.text, push.action) == ("http://a.cn/?x=1&y=2", "Hi <b>", "signal-high")


def test_an_mms_notification_gives_its_link() -> None:
    body = bytes.fromhex("8C82") + b"\x98id\0" + bytes.fromhex("8D90") + b"\x96hello\0" + b"\x83http://m.cn/1\0"
    push = read_push(b"\x01\x06\x01\xbe" + body)
    assert (push.kind, push.link, push.text) == ("MMS", "http://m.cn/1", "hello")


DOCUMENT = bytes.fromhex("02056A00") + b"\x45\xc6\x0c\x03a.cn\0\x01\x03hi\0\x01\x01"


@pytest.mark.parametrize(
    "headers",
    [
        b"\xae",
        b"application/vnd.wap.sic\0",
        b"Application/Vnd.WAP.sic\0\xaf\x82",
        b"\x1aapplication/vnd.wap.sic\0\x81\xea",
        b"\x1f\x1aapplication/vnd.wap.sic\0\x81\xea",  # the length behind 31
        b"\x03\xae\x81\xea\x8d\xca",  # with a wrong length of the content
        b"\x05\xae\x81\x02\x00\x6a",  # the charset in two octets
    ],
)
def test_forms_of_the_content_type(headers: bytes) -> None:
    push = read_push(b"\x01\x06" + bytes((len(headers),)) + headers + DOCUMENT)
    assert (push.link, push.text) == ("http://a.cn", "hi")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"\x01\x06", "not a push"),
        (b"\x01\x05\x00", "not a push"),
        (b"\x01\x06\x00" + DOCUMENT, "no content type"),
        (b"\x01\x06\x7f\xae", "headers end at 130"),
        (b"\x01\x06" + b"\xff" * 6, "a length without its end"),
        (b"\x01\x06\x01\xb6" + DOCUMENT, "a push of another kind"),
        (b"\x01\x06\x09text/css\0" + DOCUMENT, "a push of another kind"),
        (b"\x01\x06\x01\x00" + DOCUMENT, "a push of another kind"),
        (b"\x01\x06\x01\xbe\x8c\x82", "an MMS notification without a link"),
        (b"\x01\x06\x01\xbe\x83http", "a header without its end"),
    ],
)
def test_what_is_no_push_is_said(content: bytes, fault: str) -> None:
    with pytest.raises(FrameError, match=fault) as caught:
        read_push(content)
    assert 0 <= caught.value.offset <= len(content)


def test_values_of_mms_headers_are_skipped_by_their_length() -> None:
    body = b"\x8c\x82" + b"\x89\x1f\x03abc" + b"\x88\x02\x01\x02" + b"\x96\x05\xeaabc\0" + b"\x83http://m.cn\0"
    push = read_push(b"\x01\x06\x01\xbe" + body)
    assert (push.link, push.text) == ("http://m.cn", "abc")


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda tail: bytes.fromhex("010601AE02056A00") + tail))
@pytest.mark.long
def test_any_octets_are_a_push_or_a_frame_error(content: bytes) -> None:
    with suppress(FrameError):
        assert read_push(content).kind in ("SI", "SL", "MMS")


@given(st.integers(0, 200))
def test_a_cut_push_is_refused(end: int) -> None:
    tpdu = read_tpdu(bytes.fromhex(SAMPLE)).tpdu
    assert isinstance(tpdu, Submit)
    whole = tpdu.data.message.content
    if end < len(whole):
        with pytest.raises(FrameError) as caught:
            read_push(whole[:end])
        assert 0 <= caught.value.offset <= end
