"""The audit trail is signed under a key; triggers refuse whatever is not appended.

Until now each row held a bare hash, which whoever can write the table can compute. Existing rows are checked
by it once more and then signed. A row behind them says how many they were, the last hash, and the first row
that did not fit, if any: what they are worth is what the bare hash was worth.
"""

from __future__ import annotations

import hmac
import time
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_CHUNK = 1000
_FIRST = "0" * 64
# The rowid of SQLite is a second key: INSERT OR REPLACE would take away the row that has it.
_SQLITE = """
    CREATE TRIGGER audit_only_appended BEFORE INSERT ON audit
    WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM audit)
      OR EXISTS (SELECT 1 FROM audit WHERE rowid = NEW.rowid)
    BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END
    """
_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION audit_appended() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN
        IF NEW.id IS DISTINCT FROM (SELECT coalesce(max(id), 0) + 1 FROM audit) THEN
            RAISE EXCEPTION 'the audit trail is append-only';
        END IF;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER audit_only_appended BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_appended()",
)
_NO_CHANGE_SQLITE = tuple(
    f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
    "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
    for verb in ("UPDATE", "DELETE")
)
_NO_CHANGE_POSTGRESQL = (
    "CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
)
_json = sa.JSON(none_as_null=True)
_audit = sa.table(
    "audit",
    *(sa.column(name) for name in ("id", "at", "actor", "action", "subject")),
    sa.column("before", _json),
    sa.column("after", _json),
    sa.column("reason"),
    sa.column("mac"),
)
_encode = msgspec.json.Encoder(order="deterministic").encode


def upgrade() -> None:
    """Apply it."""
    bind = op.get_bind()
    sqlite = bind.dialect.name == "sqlite"
    for trigger in ("audit_no_update", "audit_no_delete") if sqlite else ("audit_append_only",):
        op.execute(f"DROP TRIGGER {trigger}" + ("" if sqlite else " ON audit"))
    op.execute("ALTER TABLE audit RENAME COLUMN hash TO mac")
    _sign(bind, bind.get_execution_options()["antispam_audit_secret"])
    for statement in (*_NO_CHANGE_SQLITE, _SQLITE) if sqlite else (_NO_CHANGE_POSTGRESQL, *_POSTGRESQL):
        op.execute(statement)


def _sign(bind: sa.Connection, secret: bytes) -> None:
    last, old, new, broken = 0, _FIRST, _FIRST, None
    while (
        rows := bind.execute(sa.select(_audit).where(_audit.c.id > last).order_by(_audit.c.id).limit(_CHUNK))
        .mappings()
        .all()
    ):
        for found in rows:
            row: dict[str, Any] = dict(found)
            given = row.pop("mac")
            if broken is None and (row["id"] != last + 1 or given != sha256(old.encode() + _encode(row)).hexdigest()):
                broken = row["id"]
            last, old, new = row["id"], given, hmac.digest(secret, new.encode() + _encode(row), "sha256").hex()
            bind.execute(sa.update(_audit).where(_audit.c.id == last).values(mac=new))
    if last == 0:
        return
    note = {
        "id": last + 1,
        "at": int(time.time() * 1000),
        "actor": "pipeline",
        "action": "sign",
        "subject": "audit",
        "before": {"rows": last, "hash": old, "first_broken": broken},
        "after": None,
        "reason": "the rows up to here were chained by a bare hash; the signatures begin now",
    }
    mac = hmac.digest(secret, new.encode() + _encode(note), "sha256").hex()
    bind.execute(sa.insert(_audit).values(**note, mac=mac))
