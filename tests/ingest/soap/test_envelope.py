"""Hostile and broken XML is refused before it costs anything; the encodings of Chinese clients are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.soap.envelope import MOST_DEPTH, MOST_ELEMENTS, EnvelopeError, Version, fault, read, written

NAMESPACE = "urn:antispam:submissions:1"
INNER = f'<Submit xmlns="{NAMESPACE}"><content>您好 &lt;&amp;</content></Submit>'


@pytest.mark.parametrize("version", list(Version))
def test_what_is_written_is_read(version: Version) -> None:
    found, element = read(written(version, INNER))
    assert (found, element.namespace, element.name) == (version, NAMESPACE, "Submit")
    assert [(child.name, child.text) for child in element.children] == [("content", "您好 <&")]
    assert read(fault(version, sender=True, message="a<b", detail="<x/>"))[1].name == "Fault"


@pytest.mark.parametrize(("declared", "charset"), [("GBK", ""), ("gb2312", ""), ("UTF-8", "gbk"), ("", "GB18030")])
def test_gbk_is_read(declared: str, charset: str) -> None:
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    body = head + written(Version.SOAP_11, INNER).decode().partition("?>")[2]
    assert read(body.encode("gbk"), charset)[1].children[0].text == "您好 <&"


def test_utf_16_is_read() -> None:
    body = written(Version.SOAP_11, INNER).decode().partition("?>")[2]
    assert read(body.encode("utf-16"))[1].children[0].text == "您好 <&"


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l9;</x>', "a document type is not allowed"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', "a document type is not allowed"),
        ('<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>', "a document type is not allowed"),
        ("<x>&e;</x>", "not XML: undefined entity"),
        ("<x>" * (MOST_DEPTH + 1), "at most 16 levels"),
        ("<x>" + "<y/>" * MOST_ELEMENTS + "</x>", "100000 elements"),
        ("<x>", "not XML: no element found"),
        ("", "not XML: no element found"),
        ("<x/>", "an envelope of SOAP 1.1 or 1.2 expected"),
        ('<?xml version="1.0" encoding="klingon"?><x/>', "unknown encoding"),
        (written(Version.SOAP_11, "").decode(), "one Body with one element expected"),
        (written(Version.SOAP_11, "<a/><b/>").decode(), "one Body with one element expected"),
    ],
)
@pytest.mark.long
def test_hostile_and_broken_xml_is_refused(body: str, fault: str) -> None:
    with pytest.raises(EnvelopeError, match=fault):
        read(body.encode())


@given(st.binary(max_size=300), st.sampled_from(["", "gbk", "utf-8", "utf-16", "\0", "x" * 50]))
def test_any_bytes_are_read_or_refused(body: bytes, charset: str) -> None:
    for sent in (body, written(Version.SOAP_12, INNER)[: len(body)] + body):
        try:
            read(sent, charset)
        except EnvelopeError:
            continue
