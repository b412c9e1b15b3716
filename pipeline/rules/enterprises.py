"""Enterprises (企业): who the ports belong to, and where; an account's scope goes by them."""

from __future__ import annotations

import msgspec

from pipeline.errors import AntispamError


class EnterpriseEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An enterprise: one line of `enterprises.jsonl`. `code` is what the ports' `enterprise` names."""

    code: str
    name: str = ""
    province: str = ""
    city: str = ""


_LONGEST = {"code": 64, "name": 500, "province": 32, "city": 32}  # characters


def parse_enterprise(text: str) -> EnterpriseEntry:
    """An enterprise from the JSON of its entry. Raises AntispamError saying what is wrong."""
    try:
        entry = msgspec.json.decode(text, type=EnterpriseEntry)
    except msgspec.MsgspecError as error:
        raise AntispamError(f"enterprise entry: {error}") from None
    if not entry.code:
        raise AntispamError("enterprise entry: code expected")
    for field, longest in _LONGEST.items():
        value = getattr(entry, field)
        if len(value) > longest or "\0" in value:
            raise AntispamError(f"enterprise entry: {field}: at most {longest} characters, none of them NUL, expected")
    return entry
