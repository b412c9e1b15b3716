"""Enterprises (企业), the owners of ports, with their region and their reseller.

An account's scope is defined by them. A reseller is suspended together with its customers.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pipeline.errors import AntispamError
from pipeline.text.faults.form_faults import form_fault
from pipeline.text.faults.suggestion import suggestion


class EnterpriseEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An enterprise: one line of `enterprises.jsonl`. Ports refer to it by `code` in their field `enterprise`.

    `parent` is the code of the reseller whose customer it is; empty for a customer of the operator.
    """

    code: str
    name: str = ""
    province: str = ""
    city: str = ""
    parent: str = ""


_LONGEST = {"code": 64, "name": 500, "province": 32, "city": 32, "parent": 64}  # characters


def parse_enterprise(text: str) -> EnterpriseEntry:
    """The enterprise of a JSON entry. Raises AntispamError naming the fault."""
    try:
        entry = msgspec.json.decode(text, type=EnterpriseEntry)
    except msgspec.ValidationError as error:
        raise AntispamError(f"enterprise entry: {form_fault(error, EnterpriseEntry)}") from None
    except msgspec.MsgspecError as error:
        raise AntispamError(f"enterprise entry: {error}") from None
    if not entry.code:
        raise AntispamError("enterprise entry: code expected")
    for field, longest in _LONGEST.items():
        value = getattr(entry, field)
        if len(value) > longest or "\0" in value:
            raise AntispamError(f"enterprise entry: {field}: at most {longest} characters without NUL expected")
    return entry


def check_parents(parents: Mapping[str, str]) -> None:
    """Raises AntispamError if a parent (by the code of its customer) is unknown or its own customer in the end."""
    for code in parents:
        seen = [code]
        while parent := parents[seen[-1]]:
            if parent not in parents:
                known = suggestion(parent, parents)
                raise AntispamError(f"enterprise {seen[-1]}: parent {parent!r} is not an enterprise; {known}")
            if parent in seen:
                raise AntispamError(f"enterprise {code}: its own reseller: {' → '.join([*seen, parent])}")
            seen.append(parent)


def with_customers(parents: Mapping[str, str], code: str) -> frozenset[str]:
    """The enterprise and all its customers, and theirs."""
    found = {code}
    while more := {customer for customer, parent in parents.items() if parent in found} - found:
        found |= more
    return frozenset(found)
