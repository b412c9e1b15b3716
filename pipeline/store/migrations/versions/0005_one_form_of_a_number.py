"""List entries are kept under the one form of their number, and republished under it.

Entries of `+86138…` blocked nobody. Workers read any spelling from now on, but an entry can only be
found and removed under the form that everything else uses.

The form of a number and the records of a publication are copied here as they were at this revision. So the migration
does the same to every database, whatever the code becomes later.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_entries = sa.table("list_entries", *(sa.column(name) for name in ("list", "value", "reason", "expires_at")))
_epochs = sa.table("epochs", sa.column("last"))
_outbox = sa.table("outbox", *(sa.column(name) for name in ("id", "payload", "created_at")))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = ("list", "entity", "value", "reason", "expires")
_ENTITIES = {
    "black": "sender",
    "allow": "sender",
    "blocked": "recipient",
    "unsubscribed": "port_recipient",
}

_PLAIN: dict[int, int | str | None] = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys((0xA0, *range(0x2000, 0x200B), 0x202F, 0x3000), " "),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-"),
    **dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF)),
}
_WRITTEN = re.compile(r"[( ]{0,2}(?P<plus>\+)?[( ]{0,2}(?P<digits>[0-9](?:[ \-()]{0,3}[0-9]){2,24})\)?")
_BETWEEN = re.compile(r"[ \-()]+")
_COUNTRY = re.compile(r"86[ \-()]*")
_TRUNK_ZERO = re.compile(r"\( ?0 ?\)")
_CODE = re.compile(r"[0-9]{3,21}")
_MOBILE = re.compile(r"0?(1[3-9][0-9]{9})")
_SUBSCRIBER = re.compile(
    r"14[0-9]{11}|1064[0-9]{9}"
    r"|0(?:10|2[0-9])[2-9][0-9]{7}|0[3-9][0-9]{2}[2-9][0-9]{6,7}"
    r"|[48]00[0-9]{7}"
)
_SERVICE = re.compile(r"1(?:0[016]|[12][0-9])[0-9]{0,18}|9[56][0-9]{3,19}|179[0-9]{2}(?:1[3-9][0-9]{9})?")
_FOREIGN = re.compile(r"[2-9][0-9]{6,14}|1[2-9][0-9]{2}[2-9][0-9]{6}")
_OTHER = re.compile(r"(?!86|9[56])[2-9][0-9]{2,20}")


def upgrade() -> None:
    """Apply it. Of two entries that are one number the one that lasts longer stays."""
    connection = op.get_bind()
    now = int(time() * 1000)
    changes: list[dict[str, str]] = []
    for row in connection.execute(sa.select(_entries)).all():
        form = _one_form(row.list, row.value)
        if form is None or form == row.value:
            continue
        is_old = (_entries.c.list == row.list) & (_entries.c.value == row.value)
        is_new = (_entries.c.list == row.list) & (_entries.c.value == form)
        changes.append({"name": f"{row.list}/{row.value}"})
        there = connection.execute(sa.select(_entries).where(is_new)).first()
        if there is not None and not _outlasts(row.expires_at, there.expires_at):
            connection.execute(sa.delete(_entries).where(is_old))
            continue
        connection.execute(sa.delete(_entries).where(is_new))
        connection.execute(sa.update(_entries).where(is_old).values(value=form))
        changes.append({"name": f"{row.list}/{form}", "value": _text(row, form)})
    if changes:
        epoch = connection.execute(
            sa.update(_epochs).values(last=_epochs.c.last + 1).returning(_epochs.c.last)
        ).scalar_one()
        payload = _publication(epoch, now, changes)
        connection.execute(sa.insert(_outbox).values(id=epoch, payload=payload, created_at=now))


def _outlasts(expires_at: int | None, other: int | None) -> bool:
    """Whether an entry ends later than another; None is no end."""
    return other is not None and (expires_at is None or expires_at > other)


def _text(row: Any, form: str) -> str:
    """The entry on the config topic: a `lists.csv` of one row."""
    expires = "" if row.expires_at is None else (_EPOCH + timedelta(milliseconds=row.expires_at)).isoformat()
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_ALL)
    rows.writerows([_COLUMNS, (row.list, _ENTITIES[row.list], form, row.reason, expires)])
    return table.getvalue()


def _publication(epoch: int, now: int, changes: list[dict[str, str]]) -> bytes:
    """The payload of an outbox row: messages of topic, key, value and partition. A change without value removes."""
    messages = []
    for i, change in enumerate(changes):
        record: dict[str, Any] = {"epoch": epoch, "kind": "list", **change, "changed_at": now}
        if i < len(changes) - 1:
            record["more"] = True
        messages.append(("config", f"list/{change['name']}", msgspec.json.encode(record), 0))
    return msgspec.msgpack.encode((messages,))


def _one_form(name: str, value: str) -> str | None:
    if name == "blocked":
        return _number(value)
    if _ENTITIES.get(name) != "port_recipient":
        return _service_code(value)
    port, _, recipient = value.replace("：", ":").partition(":")
    forms = _service_code(port), _number(recipient)
    return None if None in forms else f"{forms[0]}:{forms[1]}"


def _number(text: str) -> str | None:
    written = _written(text)
    if written is None:
        return None
    digits, international = written
    if mainland := _COUNTRY.match(digits):
        rest = digits[mainland.end() :]
        return _national(rest) or _national(f"0{rest}")
    form = _national(digits)
    if not international:
        return form or (digits if _OTHER.fullmatch(digits) else None)
    plain = _BETWEEN.sub("", digits)
    if _FOREIGN.fullmatch(plain):
        return f"00{plain}" if plain[0] == "1" or _national(plain) else plain
    return digits if _SERVICE.fullmatch(digits) else None


def _service_code(text: str) -> str | None:
    form = _number(text)
    if form is None and (written := _written(text)) and not written[1] and _CODE.fullmatch(written[0]):
        return written[0]
    return form


def _written(text: str) -> tuple[str, bool] | None:
    if len(text) > 64:
        return None
    found = _WRITTEN.fullmatch(text.translate(_PLAIN).strip())
    if not found:
        return None
    digits = found["digits"]
    if not found["plus"] and not digits.startswith("00"):
        return digits, False
    return _TRUNK_ZERO.sub("", digits if found["plus"] else digits[2:].lstrip("( )-"), count=1), True


def _national(digits: str) -> str | None:
    plain = _BETWEEN.sub("", digits)
    if mobile := _MOBILE.fullmatch(plain):
        return mobile[1]
    return plain if _SUBSCRIBER.fullmatch(plain) or _SERVICE.fullmatch(digits) else None
