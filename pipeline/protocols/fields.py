"""The kinds of fields that messages have, and their bytes.

A message is a `msgspec.Struct`. The annotation of each attribute has the kind of its field, so the struct is the field
table of its message: `service_id: Annotated[str, Text(10)]`. `Layout.of` reads it.

Integers are unsigned and big endian. Encoding is strict: a value that the specification does not allow is refused.
Decoding is tolerant: any octets that fit the widths are read, and `Layout.implausible` tells which values the
specification does not allow. A length or a count from outside is checked against the octets that are there before
anything is read.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Container, Sequence
from functools import cached_property
from typing import Annotated, Any, get_args, get_type_hints

import msgspec

from pipeline.protocols.frames import FrameError, ProtocolError
from pipeline.protocols.sms.text import part_limit


class Field(ABC):
    """One kind of field. `code` is its `struct` code if its width is fixed."""

    code = ""

    @abstractmethod
    def pack(self, value: Any, name: str, source: object) -> bytes:
        """The octets of a value. Raises ProtocolError for a value that the field cannot carry."""

    @abstractmethod
    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        """The value at this offset, and the offset behind it. Raises FrameError if the octets do not reach."""

    def implausible(self, value: Any) -> str | None:
        """Why the specification does not allow a value that was read; None if it does."""
        return None


class _Fixed(Field):
    """A field of fixed width; neighbours are read in one go."""

    @abstractmethod
    def to_wire(self, value: Any, name: str) -> Any:
        """The value as `struct` packs it."""

    def from_wire(self, value: Any) -> Any:
        """The value that `struct` unpacked."""
        return value

    @cached_property
    def _struct(self) -> struct.Struct:
        return struct.Struct(">" + self.code)

    @cached_property
    def width(self) -> int:
        """Octets."""
        return self._struct.size

    @property
    def is_any_number(self) -> bool:
        """Whether it carries any number of its width, as it is."""
        return False

    def pack(self, value: Any, name: str, source: object) -> bytes:
        return self._struct.pack(self.to_wire(value, name))

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        end = at + self.width
        if len(data) < end:
            raise FrameError(f"{name}: {len(data)} octets, at least {end} expected", len(data))
        return self.from_wire(self._struct.unpack_from(data, at)[0]), end


class Int(_Fixed):
    """An unsigned number of `width` octets; `allowed` are the values of the specification."""

    def __init__(self, width: int, allowed: Container[int] | None = None) -> None:
        self.code = {1: "B", 2: "H", 4: "I", 8: "Q"}[width]
        self.allowed: Container[int] = range(1 << 8 * width) if allowed is None else allowed
        self._any = allowed is None

    @property
    def is_any_number(self) -> bool:
        return self._any

    def to_wire(self, value: Any, name: str) -> Any:
        if value not in self.allowed:
            raise ProtocolError(f"{name}: {self.implausible(value)}")
        return value

    def implausible(self, value: Any) -> str | None:
        if value in self.allowed:
            return None
        allowed = self.allowed
        known = f", {allowed[0]} to {allowed[-1]} expected" if isinstance(allowed, range) else ""
        return f"{value} is not allowed{known}"


class Text(_Fixed):
    """A text of at most `width` octets, padded with NUL; some peers pad with spaces.

    Texts are Latin-1, so every octet of a peer can be shown and sent back.
    """

    def __init__(self, width: int, least: int = 0) -> None:
        self.code = f"{width}s"
        self.most, self.least = width, least

    def to_wire(self, value: Any, name: str) -> Any:
        if value == "" and not self.least:  # most texts of most messages
            return b""
        octets = _latin_1(value, name, self.least, self.most)
        if octets[-1] == 0x20:
            raise ProtocolError(f"{name}: ends in a space; the receiver would take it for padding")
        return octets

    def from_wire(self, value: Any) -> Any:
        text = value.rstrip(b"\0 ")
        if b"\0" in text:
            text = text.split(b"\0", 1)[0].rstrip(b" ")
        return text.decode("latin-1")

    def implausible(self, value: Any) -> str | None:
        return _unprintable(value) or ("empty" if len(value) < self.least else None)


class Octets(_Fixed):
    """Exactly `width` octets."""

    def __init__(self, width: int) -> None:
        self.code = f"{width}s"

    def to_wire(self, value: Any, name: str) -> Any:
        if len(value) != self.width:
            raise ProtocolError(f"{name}: {len(value)} octets, {self.width} expected")
        return value


class CText(Field):
    """A text that ends with a NUL (the C-octet string of SMPP); `most` octets with the NUL."""

    def __init__(self, most: int, least: int = 0) -> None:
        self.most, self.least = most, least

    def pack(self, value: Any, name: str, source: object) -> bytes:
        return _latin_1(value, name, self.least, self.most - 1) + b"\0"

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        end = data.find(b"\0", at, at + self.most)
        if end < 0:
            raise FrameError(f"{name}: no NUL in its {self.most} octets", at)
        return data[at:end].decode("latin-1"), end + 1

    def implausible(self, value: Any) -> str | None:
        return _unprintable(value) or ("empty" if len(value) < self.least else None)


class Sized(Field):
    """Octets behind their own length, a number of `prefix` octets.

    `most` is the longest value to send. If `coding` names the field of the message's coding, a part of this coding may
    not be longer than one SMS.
    """

    def __init__(self, prefix: int, most: int, coding: str = "") -> None:
        self.prefix, self.most, self.coding = prefix, most, coding

    def pack(self, value: Any, name: str, source: object) -> bytes:
        most = self.most
        if self.coding:
            most = min(most, part_limit(getattr(source, self.coding)))
        if len(value) > most:
            raise ProtocolError(f"{name}: {len(value)} octets, at most {most}")
        return len(value).to_bytes(self.prefix, "big") + bytes(value)

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        begin = at + self.prefix
        end = begin + int.from_bytes(data[at:begin], "big")
        if len(data) < end or len(data) < begin:
            raise FrameError(f"frame of {len(data)} octets, but its {name} ends at {end}", at)
        return data[begin:end], end


class Counted(Field):
    """A list behind its count (one octet) of `least` to `most` items: values of one field, or structs with fields."""

    def __init__(self, item: Field | type[msgspec.Struct], least: int, most: int) -> None:
        self.item = item if isinstance(item, Field) else Nested(item)
        self.least, self.most = least, most

    def pack(self, value: Any, name: str, source: object) -> bytes:
        self._check(len(value), name, ProtocolError)
        return bytes((len(value),)) + b"".join(self.item.pack(item, name, source) for item in value)

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        count = data[at] if at < len(data) else 0
        self._check(count, name, lambda fault: FrameError(fault, at))
        end = at + 1
        items = []
        for _ in range(count):
            item, end = self.item.unpack(data, end, name)
            items.append(item)
        return tuple(items), end

    def implausible(self, value: Any) -> str | None:
        return next(filter(None, map(self.item.implausible, value)), None)

    def _check(self, count: int, name: str, error: Any) -> None:
        if not self.least <= count <= self.most:
            raise error(f"{count} {name}, {self.least} to {self.most} expected")


class Spare(Field):
    """A last field that peers leave out, cut short, or fill as they like.

    `optional`: the specification itself lets it be left out.
    """

    def __init__(self, field: Field, default: Any, optional: bool = False) -> None:
        self.field, self._default, self._optional = field, default, optional
        self._width = field.width if isinstance(field, _Fixed) else 1

    def pack(self, value: Any, name: str, source: object) -> bytes:
        return self.field.pack(value, name, source)

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        """The end is behind the data if octets are missing that should be there."""
        if len(data) >= at + self._width:
            return self.field.unpack(data, at, name)
        if self._optional:
            return self._default, at
        if isinstance(self.field, Text) and len(data) > at:
            return self.field.from_wire(data[at:]), at + self._width
        return self._default, at + self._width


class Versions:
    """The kinds of a field in the versions of a protocol; None where a version does not have the field."""

    def __init__(self, *fields: Field | None) -> None:
        self.fields = fields


class Layout:
    """The fields of a struct in order, for one version of its protocol."""

    def __init__(self, fields: Sequence[tuple[str, Field]], absent: dict[str, Any] | None = None) -> None:
        self.fields = dict(fields)
        self._absent = absent or {}  # the values that stand for fields this version does not have
        self._steps: list[_Run | tuple[str, Field]] = []
        run: list[tuple[str, _Fixed]] = []
        for name, field in fields:
            if isinstance(field, _Fixed):
                run.append((name, field))
                continue
            if run:
                self._steps.append(_Run(run))
                run = []
            self._steps.append((name, field))
        if run:
            self._steps.append(_Run(run))

    @classmethod
    def of(cls, kind: type[msgspec.Struct], version: int = 0) -> Layout:
        """The field table of a struct. Fields that the version does not have are left out."""
        hints = get_type_hints(kind, include_extras=True)
        fields: list[tuple[str, Field]] = []
        absent = {}
        for attribute in msgspec.structs.fields(kind):
            field = get_args(hints[attribute.name])[1]
            if isinstance(field, Versions):
                field = field.fields[version]
            if field is None:
                absent[attribute.name] = attribute.default
            else:
                fields.append((attribute.name, field))
        return cls(fields, absent)

    @property
    def size(self) -> int | None:
        """Octets of all fields; None if a field has no fixed width."""
        runs = [step for step in self._steps if isinstance(step, _Run)]
        return sum(run.size for run in runs) if len(runs) == len(self._steps) else None

    def pack(self, source: msgspec.Struct) -> bytes:
        """The fields of a struct as bytes. Raises ProtocolError for a value that does not fit."""
        for name, nothing in self._absent.items():
            if getattr(source, name) != nothing:
                raise ProtocolError(f"{name}: this version has no such field")
        parts = []
        for step in self._steps:
            if isinstance(step, _Run):
                parts.append(step.pack(source))
            else:
                name, field = step
                parts.append(field.pack(getattr(source, name), name, source))
        return b"".join(parts)

    def unpack(self, data: bytes, at: int) -> tuple[dict[str, Any], int]:
        """The fields from this offset on, by name, and the offset behind them.

        That offset is beyond the data if a spare field is missing. Raises FrameError.
        """
        values: dict[str, Any] = {}
        for step in self._steps:
            if isinstance(step, _Run):
                at = step.unpack(data, at, values)
            else:
                name, field = step
                values[name], at = field.unpack(data, at, name)
        return values, at

    def implausible(self, source: msgspec.Struct) -> str | None:
        """The first value that the specification does not allow, and why; None if all are allowed."""
        for name, field in self.fields.items():
            fault = field.implausible(getattr(source, name))
            if fault is not None:
                return f"{name}: {fault}"
        return None


class _Run:
    """Neighbouring fields of fixed width."""

    def __init__(self, fields: Sequence[tuple[str, _Fixed]]) -> None:
        self._names = tuple(name for name, _ in fields)
        self._struct = struct.Struct(">" + "".join(field.code for _, field in fields))
        # Most fields are numbers that may have any value: only the others need a look.
        self._checked = [(n, name, field) for n, (name, field) in enumerate(fields) if not field.is_any_number]
        self._texts = [(n, field.from_wire) for n, (_, field) in enumerate(fields) if isinstance(field, Text)]
        self.size = self._struct.size

    def pack(self, source: object) -> bytes:
        values = [getattr(source, name) for name in self._names]
        for n, name, field in self._checked:
            values[n] = field.to_wire(values[n], name)
        try:
            return self._struct.pack(*values)
        except struct.error:
            raise ProtocolError(f"a number is too large for its field: {self._numbers(values)}") from None

    def unpack(self, data: bytes, at: int, values: dict[str, Any]) -> int:
        end = at + self.size
        if len(data) < end:
            raise FrameError(f"{len(data)} octets, at least {end} expected", len(data))
        found = list(self._struct.unpack_from(data, at))
        for n, convert in self._texts:
            found[n] = convert(found[n])
        values.update(zip(self._names, found, strict=False))
        return end

    def _numbers(self, values: Sequence[Any]) -> str:
        numbers = zip(self._names, values, strict=True)
        return ", ".join(f"{name}={value}" for name, value in numbers if isinstance(value, int))


class Nested(Field):
    """A struct inside a list."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self.kind, self._layout = kind, Layout.of(kind)

    def pack(self, value: Any, name: str, source: object) -> bytes:
        return self._layout.pack(value)

    def unpack(self, data: bytes, at: int, name: str) -> tuple[Any, int]:
        values, end = self._layout.unpack(data, at)
        return self.kind(**values), end

    def implausible(self, value: Any) -> str | None:
        return self._layout.implausible(value)


U8 = Annotated[int, Int(1)]
U16 = Annotated[int, Int(2)]
U32 = Annotated[int, Int(4)]
U64 = Annotated[int, Int(8)]


class _LoginTimes(Container[int]):
    """The decimal numbers MMDDHHMMSS that are times."""

    def __contains__(self, stamp: object) -> bool:
        if not isinstance(stamp, int) or not 0 <= stamp < 100**5:
            return False
        month, day, hour, minute, second = (stamp // 100**place % 100 for place in (4, 3, 2, 1, 0))
        return 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60


LoginTime = Annotated[int, Int(4, _LoginTimes())]
"""The time of a login, MMDDHHMMSS as a decimal number."""


def _latin_1(text: str, name: str, least: int, most: int) -> bytes:
    """The octets of a text. The ProtocolError does not quote it: it may be a number."""
    try:
        value = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ProtocolError(f"{name}: characters beyond Latin-1") from None
    if not least <= len(value) <= most:
        raise ProtocolError(f"{name}: {len(value)} octets, at most {most}" if value else f"{name}: empty")
    if 0 in value:
        raise ProtocolError(f"{name}: has NUL; the receiver would take it for the end")
    return value


def _unprintable(text: str) -> str | None:
    return None if text.isascii() and text.isprintable() else "not printable ASCII"
