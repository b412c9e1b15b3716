"""SOAP envelopes of versions 1.1 and 1.2, read with limits and written.

A document type is refused, so no entity is ever defined or fetched. Depth and number of elements are bounded while the
parser runs; the caller bounds the size of the body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from xml.parsers import expat
from xml.sax.saxutils import escape

from pipeline.errors import AntispamError

MOST_DEPTH, MOST_ELEMENTS = 16, 100_000
_GB = re.compile(r"gb(k|2312|18030)", re.IGNORECASE)
_DECLARED = re.compile(rb"""<\?xml[^>]{0,100}encoding=["']([A-Za-z0-9._-]{1,20})["']""")


class EnvelopeError(AntispamError):
    """What was sent is no SOAP message of ours."""


class Version(Enum):
    """A version of SOAP: the namespace of its envelope and its media type."""

    SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/", "text/xml"
    SOAP_12 = "http://www.w3.org/2003/05/soap-envelope", "application/soap+xml"

    @property
    def namespace(self) -> str:
        """Of the envelope."""
        return self.value[0]

    @property
    def media_type(self) -> str:
        """Of requests and answers."""
        return self.value[1]


@dataclass(slots=True)
class Element:
    """An element without its attributes; `text` is what stands directly in it."""

    namespace: str
    name: str
    text: str = ""
    children: list[Element] = field(default_factory=list)


def read(body: bytes, charset: str = "") -> tuple[Version, Element]:
    """The version of a message, and the element in its body. `charset` is that of the media type, if it names one.

    Raises EnvelopeError.
    """
    root = _parse(body, charset)
    version = next((version for version in Version if version.namespace == root.namespace), None)
    if version is None or root.name != "Envelope":
        raise EnvelopeError("an envelope of SOAP 1.1 or 1.2 expected")
    bodies = [child for child in root.children if (child.namespace, child.name) == (version.namespace, "Body")]
    if len(bodies) != 1 or len(bodies[0].children) != 1:
        raise EnvelopeError("one Body with one element expected")
    return version, bodies[0].children[0]


def written(version: Version, inner: str) -> bytes:
    """The message with this XML in its body."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{version.namespace}">'
        f"<soap:Body>{inner}</soap:Body></soap:Envelope>"
    ).encode()


def fault(version: Version, *, sender: bool, message: str, detail: str) -> bytes:
    """A fault: of the sender of the request, or ours. `detail` is XML."""
    if version is Version.SOAP_11:
        code = "Client" if sender else "Server"
        inner = (
            f"<faultcode>soap:{code}</faultcode><faultstring>{escape(message)}</faultstring><detail>{detail}</detail>"
        )
    else:
        code = "Sender" if sender else "Receiver"
        inner = (
            f"<soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{escape(message)}</soap:Text></soap:Reason>'
            f"<soap:Detail>{detail}</soap:Detail>"
        )
    return written(version, f"<soap:Fault>{inner}</soap:Fault>")


class _Tree:
    """Builds the tree from the parser's events, within the limits."""

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def start(self, name: str, _: object) -> None:
        namespace, _, local = name.rpartition(" ")
        element = Element(namespace, local)
        self._count += 1
        if len(self._open) >= MOST_DEPTH or self._count > MOST_ELEMENTS:
            raise EnvelopeError(f"at most {MOST_DEPTH} levels and {MOST_ELEMENTS} elements expected")
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, _: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def data(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)

    def refuse(self, *_: object) -> None:
        raise EnvelopeError("a document type is not allowed")


def _parse(body: bytes, charset: str) -> Element:
    declared = _DECLARED.match(body.lstrip())
    named = charset or (declared[1].decode() if declared else "")
    encoding: str | None = charset or None
    if _GB.fullmatch(named):  # the parser knows no encoding of several octets but Unicode's
        try:
            body, encoding = body.decode("gb18030").encode(), "utf-8"
        except UnicodeError:
            raise EnvelopeError("not GB18030") from None
    tree = _Tree()
    try:
        parser = expat.ParserCreate(encoding, " ")
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = tree.start, tree.end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = tree.data, tree.refuse
        parser.Parse(body, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise EnvelopeError(f"not XML: {reason} (line {error.lineno}, column {error.offset})") from None
    except (LookupError, ValueError):
        raise EnvelopeError("unknown encoding; UTF-8 or GBK expected") from None
    if tree.root is None:
        raise EnvelopeError("no element")
    return tree.root
