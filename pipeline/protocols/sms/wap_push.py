"""WAP push: a link that a phone shows, or opens by itself (SL execute-high), sent as binary SMS to port 2948.

The bytes are those of the whole message: parts are joined first, since only the first part has the headers. The length
of the content is not trusted: a constant wrong one is copied from sample to sample.

Source: WAP-230 (WSP), WAP-189 (push OTA); tables in `wbxml`.
"""

from __future__ import annotations

import re
from html import unescape

import msgspec

from pipeline.protocols.frames import FrameError
from pipeline.protocols.sms.wbxml import SI, SL, charset_name, read_wbxml

_PUSHES = (0x06, 0x07)  # Push, ConfirmedPush
_SHORT = {0x2D: SI, 0x2E: SI, 0x2F: SL, 0x30: SL, 0x3E: "MMS"}
_XML = (0x2D, 0x2F)
_NAMED = {
    b"text/vnd.wap.si": 0x2D,
    b"application/vnd.wap.sic": 0x2E,
    b"text/vnd.wap.sl": 0x2F,
    b"application/vnd.wap.slc": 0x30,
    b"application/vnd.wap.mms-message": 0x3E,
}
_CHARSET = 0x81
_MMS_LOCATION, _MMS_SUBJECT = 0x83, 0x96
_XML_ATTRIBUTE = re.compile(r"""\b(href|action|created|si-expires|si-id)\s*=\s*("[^"]*"|'[^']*')""")


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """What a push shows; `kind` is SI, SL or MMS (a notification).

    Times are digits YYYYMMDDhhmmss, without zeros at the end.
    """

    kind: str
    link: str
    text: str = ""
    action: str = ""
    created: str = ""
    expires: str = ""
    si_id: str = ""


def shown(push: Push) -> str:
    """What is screened of a push: its text and its link."""
    return " ".join(part for part in (push.text, push.link) if part)


def read_push(content: bytes) -> Push:
    """The push in a whole message without its user data header. Raises FrameError if it is none."""
    if len(content) < 3 or content[1] not in _PUSHES:
        raise FrameError("not a push", min(1, len(content)))
    length, begin = _number(content, 2)
    end = begin + length
    if end > len(content):
        raise FrameError(f"headers end at {end}, but the message at {len(content)}", 2)
    media, charset = _content_type(content[begin:end], begin)
    body = content[end:]
    if media not in _SHORT:
        raise FrameError("a push of another kind", begin)
    kind = _SHORT[media]
    if kind == "MMS":
        return _mms(body, end)
    try:
        if media in _XML:
            return _xml(body.decode(charset or "utf-8", errors="replace"), kind)
        document = read_wbxml(body, kind, charset)
    except FrameError as error:
        raise FrameError(str(error).partition(" (at")[0], end + error.offset) from None
    found = document.attributes
    return Push(
        kind=document.kind or kind,
        link=found.get("href", ""),
        text=document.text,
        action=found.get("action", "signal-medium" if document.kind == SI else "execute-low"),
        created=found.get("created", ""),
        expires=found.get("si-expires", ""),
        si_id=found.get("si-id", ""),
    )


def _xml(text: str, kind: str) -> Push:
    """A push as plain XML: its attributes and text by pattern, since an XML parser would fetch and expand entities."""
    found = {name: unescape(value[1:-1]) for name, value in reversed(_XML_ATTRIBUTE.findall(text))}
    shown = re.sub(r"<[^>]*>", "", text)
    return Push(
        kind=kind,
        link=found.get("href", ""),
        text=unescape(shown).strip(),
        action=found.get("action", "signal-medium" if kind == SI else "execute-low"),
        created=re.sub(r"\D", "", found.get("created", "")),
        expires=re.sub(r"\D", "", found.get("si-expires", "")),
        si_id=found.get("si-id", ""),
    )


def _mms(body: bytes, offset: int) -> Push:
    """The link and subject of an MMS notification."""
    link = subject = ""
    at = 0
    while at < len(body) and body[at] >= 0x80:
        name, begin = body[at], at + 1
        end = _value_end(body, begin, offset)
        value = body[begin:end]
        if name == _MMS_LOCATION:
            link = value.rstrip(b"\0").decode("utf-8", errors="replace")
        elif name == _MMS_SUBJECT:
            subject = value.rstrip(b"\0").lstrip(bytes(range(0x20)) + b"\xea\x7f").decode("utf-8", errors="replace")
        at = end
    if not link:
        raise FrameError("an MMS notification without a link", offset)
    return Push(kind="MMS", link=link, text=subject)


def _content_type(headers: bytes, offset: int) -> tuple[int, str | None]:
    """The code of the media type (-1 if it has none) and the charset, if named."""
    if not headers:
        raise FrameError("no content type", offset)
    first = headers[0]
    if first >= 0x80:
        return first & 0x7F, None
    if first > 31:
        return _NAMED.get(headers.split(b"\0", 1)[0].lower(), -1), None
    length, begin = (first, 1) if first < 31 else _number(headers, 1)
    value = headers[begin : begin + length]
    if not value:
        return -1, None
    if value[0] >= 0x80:
        media, rest = value[0] & 0x7F, value[1:]
    else:
        name, _, rest = value.partition(b"\0")
        media = _NAMED.get(name.lower(), -1)
    return media, _charset(rest)


def _charset(parameters: bytes) -> str | None:
    if len(parameters) < 2 or parameters[0] != _CHARSET:
        return None
    first = parameters[1]
    if first >= 0x80:
        return charset_name(first & 0x7F)
    return charset_name(int.from_bytes(parameters[2 : 2 + first], "big")) if first <= 4 else None


def _value_end(data: bytes, at: int, offset: int) -> int:
    """Where a header's value ends: by its length, at its NUL, or behind one octet."""
    first = data[at] if at < len(data) else 0
    if first < 31:
        end = at + 1 + first
    elif first == 31:
        length, begin = _number(data, at + 1)
        end = begin + length
    elif first < 0x80:
        end = data.find(b"\0", at) + 1
    else:
        end = at + 1
    if not at < end <= len(data):
        raise FrameError("a header without its end", offset + min(at, len(data)))
    return end


def _number(data: bytes, at: int) -> tuple[int, int]:
    """An uintvar and the offset behind it."""
    value = 0
    for end in range(at, min(at + 5, len(data))):
        value = value << 7 | data[end] & 0x7F
        if data[end] < 0x80:
            return value, end + 1
    raise FrameError("a length without its end", min(at, len(data)))
