"""Kinds of columns: how the values of a batch of events become an Arrow array without private data.

Every column of a table is declared with one of these kinds, so no table can hold a number or a text by accident. A
column is filled for a whole batch at once, which costs about 30 µs a decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from pipeline.lake.privacy import Privacy

TIME = pa.timestamp("us", tz="UTC")
TEXT = pa.string()
LAST_MS = 253_402_300_799_000  # 9999-12-31T23:59:59Z, the latest time that a column holds

Getter = Callable[[Any], Any]
Array: TypeAlias = Any  # a pyarrow array, whose stubs ask for an element type
Values = Callable[[Sequence[Any], Privacy], Array]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `values` returns its array for a batch of events."""

    name: str
    type: pa.DataType
    values: Values


def plain(name: str, get: Getter, kind: pa.DataType) -> Column:
    """A value of this type, kept unchanged: never a text or a phone number from outside."""
    return Column(name, kind, lambda batch, _: pa.array([get(e) for e in batch], kind))


def word(name: str, get: Getter) -> Column:
    """An enumeration's value or a word of ours."""
    return plain(name, get, TEXT)


def count(name: str, get: Getter) -> Column:
    """A whole number."""
    return plain(name, get, pa.int64())


def time(name: str, get: Getter) -> Column:
    """Epoch milliseconds as a time; null for no time and for one out of range."""

    def values(batch: Sequence[Any], _: Privacy) -> Array:
        times = [get(e) for e in batch]
        return pa.array([t * 1000 if t is not None and 0 < t <= LAST_MS else None for t in times], TIME)

    return Column(name, TIME, values)


def _cleaned(name: str, get: Getter, clean: Callable[[Privacy], Callable[[str], str]]) -> Column:
    def values(batch: Sequence[Any], privacy: Privacy) -> Array:
        cleaned = clean(privacy)
        given = [get(e) for e in batch]
        return pa.array([None if v is None else cleaned(v) for v in given], TEXT)

    return Column(name, TEXT, values)


def ident(name: str, get: Getter) -> Column:
    """An id, with subscribers' numbers inside it hashed."""
    return _cleaned(name, get, lambda p: p.ident)


def party(name: str, get: Getter) -> Column:
    """A sender or recipient: a service code is kept, a subscriber's number is hashed."""
    return _cleaned(name, get, lambda p: p.party)


def number(name: str, get: Getter) -> Column:
    """A subscriber's number, hashed."""
    return _cleaned(name, get, lambda p: p.number)


def masked(name: str, get: Getter) -> Column:
    """A text, masked."""
    return _cleaned(name, get, lambda p: p.text)


def label(name: str, get: Getter) -> Column:
    """A name given by a person; see Privacy.label."""
    return _cleaned(name, get, lambda p: p.label)


def own_words(name: str, get: Getter) -> Column:
    """A message or name of ours; see Privacy.own_words."""
    return _cleaned(name, get, lambda p: p.own_words)


def offsets(lists: Sequence[Any]) -> Array:
    """Where each of these lists begins in the flat list of their items, and where the last one ends."""
    return pa.array(accumulate(map(len, lists), initial=0), pa.int32())


def numbers(name: str, get: Getter) -> Column:
    """A list of subscribers' numbers, hashed."""

    def values(batch: Sequence[Any], privacy: Privacy) -> Array:
        lists = [get(e) for e in batch]
        flat = pa.array(map(privacy.number, chain.from_iterable(lists)), TEXT)
        return pa.ListArray.from_arrays(offsets(lists), flat)

    return Column(name, pa.list_(TEXT), values)


def _structs(lists: Sequence[Sequence[Any]], fields: Sequence[Column], privacy: Privacy) -> Array:
    flat = list(chain.from_iterable(lists))
    rows = pa.StructArray.from_arrays(
        [field.values(flat, privacy) for field in fields], fields=[pa.field(f.name, f.type) for f in fields]
    )
    return pa.ListArray.from_arrays(offsets(lists), rows)


def nested(name: str, get: Getter, *fields: Column) -> Column:
    """A list of structs with these fields."""
    kind = pa.list_(pa.struct([pa.field(f.name, f.type) for f in fields]))
    return Column(name, kind, lambda batch, p: _structs([get(e) for e in batch], fields, p))


def mapping(name: str, get: Getter, kind: pa.DataType) -> Column:
    """A map from names to numbers."""

    def values(batch: Sequence[Any], privacy: Privacy) -> Array:
        maps = [get(e) for e in batch]
        keys: Array = pa.array([privacy.own_words(key) for m in maps for key in m], TEXT)
        items: Array = pa.array([value for m in maps for value in m.values()], kind)
        return pa.MapArray.from_arrays(offsets(maps), keys, items)

    return Column(name, pa.map_(TEXT, kind), values)


_json = msgspec.json.Encoder(enc_hook=str).encode


def json_values(name: str, get: Getter) -> Column:
    """A mapping of any JSON values, as JSON text."""

    def values(batch: Sequence[Any], privacy: Privacy) -> Array:
        return pa.array([_json(privacy.value(get(e))).decode() for e in batch], TEXT)

    return Column(name, TEXT, values)


def value(name: str, get: Getter) -> Column:
    """A listed value: a number, link or contact."""
    return _cleaned(name, get, lambda p: p.value)
