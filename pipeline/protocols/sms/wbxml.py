"""WBXML of the two documents of WAP push: service indication (SI) and service loading (SL).

An attribute's value is the prefix of its token and any mix of strings, table references, value tokens, entities and
dates behind it. All are joined: a link that is split into many strings to evade filters comes out whole.

Source: WAP-192 (WBXML 1.3), WAP-167 (SI), WAP-168 (SL).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.protocols.frames import FrameError

SI, SL = "SI", "SL"
_PUBLIC = {0x05: SI, 0x06: SL}
_TAGS = {SI: {0x05: "si", 0x06: "indication", 0x07: "info", 0x08: "item"}, SL: {0x05: "sl"}}
_LINKS = ("", "http://", "http://www.", "https://", "https://www.")
_ATTRIBUTES: dict[str, dict[int, tuple[str, str]]] = {
    SI: {
        0x05: ("action", "signal-none"),
        0x06: ("action", "signal-low"),
        0x07: ("action", "signal-medium"),
        0x08: ("action", "signal-high"),
        0x09: ("action", "delete"),
        0x0A: ("created", ""),
        **{0x0B + n: ("href", prefix) for n, prefix in enumerate(_LINKS)},
        0x10: ("si-expires", ""),
        0x11: ("si-id", ""),
        0x12: ("class", ""),
    },
    SL: {
        0x05: ("action", "execute-low"),
        0x06: ("action", "execute-high"),
        0x07: ("action", "cache"),
        **{0x08 + n: ("href", prefix) for n, prefix in enumerate(_LINKS)},
    },
}
_VALUES = {0x85: ".com/", 0x86: ".edu/", 0x87: ".net/", 0x88: ".org/"}
_CHARSETS = {3: "ascii", 4: "latin-1", 106: "utf-8", 113: "gbk", 114: "gb18030", 1000: "utf-16-be", 1015: "utf-16"} | {
    2025: "gb2312",
    2026: "big5",
}
_SWITCH_PAGE, _END, _ENTITY, _STR_I, _PI, _STR_T, _OPAQUE = 0x00, 0x01, 0x02, 0x03, 0x43, 0x83, 0xC3
_LITERALS = (0x04, 0x44, 0x84, 0xC4)
_EXT_I, _EXT_T, _EXT = range(0x40, 0x43), range(0x80, 0x83), range(0xC0, 0xC3)
_HAS_ATTRIBUTES, _HAS_CONTENT, _TAG = 0x80, 0x40, 0x3F
_MOST_DEPTH = 16


@dataclass
class Document:
    """A document: its kind (None if it names none), attributes of all elements, and texts of `indication`."""

    kind: str | None
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""


def charset_name(number: int) -> str:
    """The Python codec of a charset number (IANA MIB); UTF-8 where it is unknown."""
    return _CHARSETS.get(number, "utf-8")


def read_wbxml(data: bytes, kind: str | None, charset: str | None) -> Document:
    """The document. `kind` and `charset`, from the content type, apply where the document names none.

    Raises FrameError, also for a document that is neither SI nor SL.
    """
    return _Reader(data).document(kind, charset)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._table = b""
        self._charset = "utf-8"

    def document(self, kind: str | None, charset: str | None) -> Document:
        self._octet()  # version
        public = self._number()
        if public == 0:
            self._number()  # its name, in the string table
        own = self._number()
        self._charset = charset_name(own) if own in _CHARSETS else charset or "utf-8"
        self._table = self._octets(self._number())
        kind = _PUBLIC.get(public, kind)
        if kind is None:
            raise FrameError("neither a service indication nor a service loading", 1)
        found = Document(kind)
        if self._peek() == _PI:
            raise FrameError("processing instructions are not expected", self._at)
        self._element(found, 0)  # what follows the root is not read, nor is it by phones
        return found

    def _element(self, found: Document, depth: int) -> None:
        if depth > _MOST_DEPTH:
            raise FrameError("elements too deep", self._at)
        token = self._octet()
        if token & _TAG == _LITERALS[0]:
            self._number()
        name = _TAGS[found.kind or SI].get(token & _TAG, "")
        if token & _HAS_ATTRIBUTES:
            self._attributes(found)
        if token & _HAS_CONTENT:
            self._content(found, name, depth)

    def _content(self, found: Document, name: str, depth: int) -> None:
        while True:
            token = self._peek()
            if token == _END:
                self._at += 1
                return
            piece = self._piece()
            if piece is None:
                self._element(found, depth + 1)
            elif name in ("indication", "sl", "item"):
                found.text += piece

    def _attributes(self, found: Document) -> None:
        known = _ATTRIBUTES[found.kind or SI]
        name = ""
        while True:
            token = self._peek()
            if token == _END:
                self._at += 1
                return
            piece = self._piece(date=name in ("created", "si-expires"))
            if piece is None:
                self._at += 1
                if token in _LITERALS:
                    self._number()
                    name, piece = "", ""
                elif token >= 0x80:
                    piece = _VALUES.get(token, "")
                else:
                    name, piece = known.get(token, ("", ""))
            if name:
                found.attributes[name] = found.attributes.get(name, "") + piece

    def _piece(self, date: bool = False) -> str | None:
        """A piece of text at this place; None if another token is there."""
        token = self._peek()
        if token == _SWITCH_PAGE:
            self._at += 2
            return ""
        if token not in (_ENTITY, _STR_I, _STR_T, _OPAQUE) and token not in (*_EXT_I, *_EXT_T, *_EXT):
            return None
        self._at += 1
        if token == _STR_I or token in _EXT_I:
            return self._string(self._data, self._at, move=True)
        if token == _STR_T:
            return self._string(self._table, self._number(), move=False)
        if token == _ENTITY:
            code = self._number()
            return chr(code) if code < 0x11_0000 and not 0xD800 <= code < 0xE000 else "\ufffd"
        if token == _OPAQUE:
            octets = self._octets(self._number())
            return octets.hex() if date else octets.decode(self._charset, errors="replace")
        if token in _EXT_T:
            self._number()
        return ""

    def _string(self, data: bytes, begin: int, move: bool) -> str:
        wide = self._charset.startswith("utf-16")
        end = begin
        while end < len(data) and (data[end : end + 2] != b"\0\0" if wide else data[end] != 0):
            end += 2 if wide else 1
        if end >= len(data):
            raise FrameError("a string without its end", min(self._at, len(self._data)))
        if move:
            self._at = end + (2 if wide else 1)
        return data[begin:end].decode(self._charset, errors="replace")

    def _peek(self) -> int:
        if self._at >= len(self._data):
            raise FrameError("the document ends inside an element", self._at)
        return self._data[self._at]

    def _octet(self) -> int:
        octet = self._peek()
        self._at += 1
        return octet

    def _octets(self, count: int) -> bytes:
        if len(self._data) - self._at < count:
            raise FrameError(f"{count} octets expected", self._at)
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self) -> int:
        value = 0
        for _ in range(5):
            octet = self._octet()
            value = value << 7 | octet & 0x7F
            if octet < 0x80:
                return value
        raise FrameError("a number of more than 5 octets", self._at)
