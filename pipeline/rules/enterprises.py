"""Enterprises (企业), the owners of ports, with their region. An account's scope is defined by them."""

from __future__ import annotations

import msgspec

from pipeline.errors import AntispamError


class EnterpriseEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An enterprise: one line of `enterprises.jsonl`. Ports refer to it by `code` in their field `enterprise`."""

    code: str
    name: str = ""
    province: str = ""
    city: str = ""


_LONGEST = {"code": 64, "name": 500, "province": 32, "city": 32}  # characters


def parse_enterprise(text: str) -> EnterpriseEntry:
    """The enterprise of a JSON entry. Raises AntispamError naming the fault."""
    try:
        entry = msgspec.json.decode(text, type=EnterpriseEntry)
    except msgspec.MsgspecError as error:
        raise AntispamError(f"enterprise entry: {error}") from None
    if not entry.code:
        raise AntispamError("enterprise entry: code expected")
    for field, longest in _LONGEST.items():
        value = getattr(entry, field)
        if len(value) > longest or "\0" in value:
            raise AntispamError(f"enterprise entry: {field}: at most {longest} characters without NUL expected")
    return entry
