"""A file of consents: good lines are in force, bad lines are kept with their number and fault."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pipeline.actions.console.consent_file import (
    MAX_LINES,
    MAX_UPLOAD,
    Imported,
    import_consents,
    offline_consents,
    read_upload,
)
from pipeline.errors import AntispamError
from pipeline.rules.ports import PortEntry
from pipeline.store.accounts.roles import Role, User
from pipeline.store.database import Database
from pipeline.store.registry import consents, registry

ADMIN = User("admin", Role.ADMINISTRATOR)
HEAD = "recipient,port,enterprise,kind,source,given_at,until\n"
AT = "2026-03-01T10:00:00+08:00"


@pytest.fixture
def db(operational_db: Database) -> Database:
    registry.save_port(operational_db, ADMIN, PortEntry(code="10690001", enterprise="shop"), 1)
    return operational_db


def imported(db: Database, folder: Path, text: str, name: str = "c.csv") -> tuple[Imported, list[tuple[int, str]]]:
    (folder / name).write_text(text, encoding="utf-8")
    kept = folder / "bad.jsonl"
    result = import_consents(db, ADMIN, folder / name, kept)
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    return result, [(line["line"], line["error"]) for line in map(msgspec.json.decode, lines)]


def test_good_lines_are_recorded_and_published(db: Database, tmp_path: Path) -> None:
    text = f"{HEAD}+86 138 0000 0001,,shop,consent,表,{AT},2028-03-01T00:00:00+08:00\n"
    text += f"13800000002,8610690001,,refused,,{AT},\n"
    result, bad = imported(db, tmp_path, text)
    assert (result.recorded, result.rejected, bad) == (2, 0, [])
    assert result.epoch is not None
    (row,) = consents.history(db, ADMIN, "13800000001")
    assert (row.scope, row.kind, row.source, row.until) == ("enterprise/shop", "consent", "表", 1835452800000)
    again, _ = imported(db, tmp_path, text)
    assert (again.recorded, again.rejected) == (2, 0)
    assert len(consents.history(db, ADMIN, "13800000001")) == 1


def test_jsonl_is_read_too(db: Database, tmp_path: Path) -> None:
    line = {"recipient": "13800000001", "port": "10690001", "kind": "request", "source": "MO", "given_at": AT}
    result, bad = imported(db, tmp_path, msgspec.json.encode(line).decode() + "\n", "c.jsonl")
    assert (result.recorded, bad) == (1, [])


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (f"138000000011,,shop,consent,表,{AT},", "recipient: one phone number or service code expected"),
        (f"13800000001,,,consent,表,{AT},", "port, enterprise: one of the two expected"),
        (f"13800000001,10690001,shop,consent,表,{AT},", "port, enterprise: one of the two expected"),
        (f"13800000001,12,,consent,表,{AT},", "port: 3 to 21 digits expected"),
        (f"13800000001,,shop,yes,表,{AT},", "kind: unknown value; one of consent, request, asked, refused"),
        (f"13800000001,,shop,consent,,{AT},", "source: where the proof of a consent or a request is"),
        ("13800000001,,shop,consent,表,yesterday,", "given_at: neither ISO 8601 nor epoch milliseconds"),
        ("13800000001,,shop,consent,表,2090-01-01T00:00:00Z,", "given_at: more than a day ahead of our clock"),
        (f"13800000001,,shop,consent,表,{AT},{AT}", "until: only a consent or a request ends, and after given_at"),
        (f"13800000001,,shop,refused,表,{AT},2028-01-01T00:00:00Z", "until: only a consent or a request ends"),
        (f"13800000001,,nobody,consent,表,{AT},", "enterprise nobody is not registered"),
        (f"13800000009,,shop,asked,,{AT},", "the recipient refused on 2026-01-01: a second request is not allowed"),
    ],
)
def test_a_bad_line_is_kept_and_spoils_no_other(db: Database, tmp_path: Path, line: str, fault: str) -> None:
    before = "13800000009,,shop,refused,,2026-01-01T00:00:00Z,\n"
    result, bad = imported(db, tmp_path, f"{HEAD}{before}{line}\n13800000002,,shop,consent,表,{AT},\n")
    assert result.recorded == 2
    ((number, error),) = bad
    assert number == 3
    assert error.startswith(fault)


def test_offline_the_last_entry_of_a_number_counts(tmp_path: Path) -> None:
    path = tmp_path / "consents.csv"
    path.write_text(
        f"{HEAD}13800000001,,shop,consent,表,{AT},\n13800000001,,shop,refused,,2026-03-02T00:00:00Z,\n"
        f"13800000002,,shop,request,MO,{AT},\n"
    )
    found = offline_consents(path)
    scopes = found.scopes("10690001", "shop")
    assert scopes == ("enterprise/shop",)
    assert found.missing(["13800000001", "13800000002"], scopes, 1_775_000_000_000) == ("13800000001",)
    path.write_text(f"{HEAD}13800000001,,shop,consent,,{AT},\n")
    with pytest.raises(AntispamError, match=r"^consents.csv:2: source: where the proof"):
        offline_consents(path)


def test_a_file_with_other_columns_is_refused_whole(db: Database, tmp_path: Path) -> None:
    with pytest.raises(AntispamError, match="header: no column `recipient`"):
        imported(db, tmp_path, f"phone,port,kind,source,given_at\n13800000001,10690001,consent,表,{AT}\n")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x1f\x8b" + bytes(20), "not gzip"),
        (b"x" * (MAX_UPLOAD + 1), "at most"),
        (HEAD.encode() + b"a\n" * (MAX_LINES + 1), "at most"),
        (b"a,b\n1,2\n", "^header: no column"),
    ],
)
def test_an_upload_that_is_too_large_or_no_csv_is_refused(db: Database, data: bytes, fault: str) -> None:
    with pytest.raises(AntispamError, match=fault):
        read_upload(db, ADMIN, data)
