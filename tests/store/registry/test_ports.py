"""Ports in the registry: saved as they come back, suspended once, refused with the fault."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from pipeline.errors import AntispamError
from pipeline.events import PortState
from pipeline.rules.ports import PortEntry, TemplateEntry
from pipeline.store import audit
from pipeline.store.database import Database
from pipeline.store.registry import ports, registry
from tests.store.registry.registered import ADMIN, PORT, audited, followed, in_force, published


def test_a_port_comes_back_as_it_was_saved(any_db: Database) -> None:
    epoch = registry.save_port(any_db, ADMIN, PORT, 5, "new customer")
    assert registry.port(any_db, "10690001") == PORT
    assert registry.ports(any_db, ADMIN, "青屿") == [PORT]
    assert registry.ports(any_db, ADMIN, "9") == []
    (change,) = published(any_db)
    assert (change.epoch, change.kind, change.name) == (epoch, "port", "10690001")
    assert msgspec.json.decode(change.value or "", type=PortEntry) == PORT
    (row,) = audited(any_db)
    assert (row.actor, row.action, row.subject, row.reason) == ("admin", "save", "port/10690001", "new customer")
    assert "验证码" not in str(row.after)


def test_saving_the_same_again_changes_nothing(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PORT, 5)
    assert registry.save_port(any_db, ADMIN, PORT, 6) is None
    assert len(published(any_db)) == len(audited(any_db)) == 1


def test_saving_a_suspended_port_does_not_open_it(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PORT, 5)
    registry.suspend_port(any_db, ADMIN, PORT.code, "complaints", "", 6)
    registry.save_port(any_db, ADMIN, msgspec.structs.replace(PORT, name="又名"), 7)
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert (found.name, found.state) == ("又名", PortState.SUSPENDED)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (PortEntry(code="12"), "3 to 21 digits"),
        (msgspec.structs.replace(PORT, signatures=("长" * 65,)), "signature"),
        (msgspec.structs.replace(PORT, signatures=("a", "a")), "duplicate signature"),
        (msgspec.structs.replace(PORT, extensions=("01", "x")), "extension 'x': 1 to 18 digits"),
        (msgspec.structs.replace(PORT, extensions=("",)), "extension '': 1 to 18 digits"),
        (msgspec.structs.replace(PORT, templates=(TemplateEntry("t", "{a}"),)), "nothing but placeholders"),
        (
            msgspec.structs.replace(PORT, templates=(TemplateEntry("t", "码@code@"),)),
            "not a known placeholder; write {name}",
        ),
        (msgspec.structs.replace(PORT, templates=(TemplateEntry("t", "看{a:link(t.cn)}"),)), "is a link shortener"),
        (
            msgspec.structs.replace(PORT, templates=(TemplateEntry("t", "a"), TemplateEntry("t", "b"))),
            "duplicate template id",
        ),
        (msgspec.structs.replace(PORT, volume_5m=-1), "volume_5m"),
        (msgspec.structs.replace(PORT, signatures=(), filings=()), "carrier_signs: no signature is registered"),
        (
            msgspec.structs.replace(PORT, zone="Asia/Urumki"),
            "unknown time zone 'Asia/Urumki'; did you mean 'Asia/Urumqi'",
        ),
        (msgspec.structs.replace(PORT, unsubscribe=("T" * 9,)), "unsubscribe"),
        (msgspec.structs.replace(PORT, volume_5m=1 << 40), "volume_5m"),
        (msgspec.structs.replace(PORT, enterprise="e" * 65), "enterprise"),
        (msgspec.structs.replace(PORT, name="a\0b"), "NUL"),
    ],
)
def test_a_bad_port_is_refused_before_anything_is_written(any_db: Database, entry: PortEntry, fault: str) -> None:
    with pytest.raises(AntispamError, match=fault):
        registry.save_port(any_db, ADMIN, entry, 5)
    assert published(any_db) == audited(any_db) == []


def test_suspension_is_once_per_state_and_once_per_evidence(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PORT, 1)

    def suspend(evidence: str) -> bool:
        with any_db.write() as connection:
            day, actor = date(2026, 3, 10), audit.PIPELINE
            return ports.change_state(
                connection, 2, actor, "suspend", PORT.code, "5 refused", day, "bulk-refused", evidence
            )

    assert suspend("d-1")
    assert not suspend("d-1")  # met again
    assert not suspend("d-2")  # already suspended
    assert registry.resume_port(any_db, ADMIN, PORT.code, "talked to them", "", 3)
    assert not suspend("d-1")  # old evidence does not stop it again
    assert not suspend("d-2")
    assert suspend("d-3")
    assert [r.action for r in audited(any_db)] == ["save", "suspend", "resume", "suspend"]
    assert followed(any_db) == in_force(any_db)
    states = [msgspec.json.decode(c.value or "", type=PortEntry).state for c in published(any_db)]
    assert states == [PortState.OPEN, PortState.SUSPENDED, PortState.OPEN, PortState.SUSPENDED]


def test_a_resumed_port_may_be_on_probation(any_db: Database) -> None:
    resumed = 1_773_115_200_000  # 2026-03-10 12:00 in Shanghai
    registry.save_port(any_db, ADMIN, msgspec.structs.replace(PORT, probation_until=""), 1)
    registry.suspend_port(any_db, ADMIN, PORT.code, "", "", 2)
    with pytest.raises(AntispamError, match="0 to 3650 days"):
        registry.resume_port(any_db, ADMIN, PORT.code, "undertaking", "", resumed, 3651)
    assert registry.resume_port(any_db, ADMIN, PORT.code, "undertaking", "", resumed, 30)
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert (found.state, found.probation_until) == (PortState.OPEN, "2026-04-09")
    assert audited(any_db)[-1].after["probation_until"] == "2026-04-09"
    assert followed(any_db) == in_force(any_db)


def test_after_an_undertaking_a_port_comes_back_limited_and_a_limit_can_be_lifted(any_db: Database) -> None:
    at = 1_773_115_200_000  # 2026-03-10 12:00 in Shanghai
    registry.save_port(any_db, ADMIN, msgspec.structs.replace(PORT, probation_until=""), 1)
    assert not registry.record_undertaking(any_db, ADMIN, PORT.code, "no more of it", at)  # it is not suspended
    registry.suspend_port(any_db, ADMIN, PORT.code, "", "", at)
    with pytest.raises(AntispamError, match="undertaking: what"):
        registry.record_undertaking(any_db, ADMIN, PORT.code, " ", at)
    assert registry.record_undertaking(any_db, ADMIN, PORT.code, "no more of it", at)
    assert not registry.record_undertaking(any_db, ADMIN, PORT.code, "again", at)
    registry.save_port(any_db, ADMIN, msgspec.structs.replace(PORT, name="又名", probation_until=""), at)
    assert registry.resume_port(any_db, ADMIN, PORT.code, "", "", at)
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert (found.state, found.probation_until) == (PortState.OPEN, "2026-04-09")
    assert registry.lift_limit(any_db, ADMIN, PORT.code, "all is well", at)
    assert not registry.lift_limit(any_db, ADMIN, PORT.code, "", at)
    assert registry.limit_port(any_db, ADMIN, PORT.code, "watch it", 7, at)
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert found.probation_until == "2026-03-17"
    steps = ["save", "suspend", "undertake", "save", "resume", "lift", "limit"]
    assert [r.action for r in audited(any_db)] == steps
    assert registry.terminate(any_db, ADMIN, PORT.code, "", "", at)
    with pytest.raises(AntispamError, match="10690001: a terminated port stays terminated"):
        registry.resume_port(any_db, ADMIN, PORT.code, "", "", at)
    assert followed(any_db) == in_force(any_db)


FILINGS = "port,signature,carrier,state,applied,decided,until\n"


def test_filings_of_a_file_are_added_to_those_there_and_published(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PORT, 1)
    rows = "10690001,青屿银行,China Unicom,filed,2026-03-01,2026-03-08,2027-03-07\n"
    rows += "10690001,Aoyu,China Telecom,refused,,,\n"
    assert registry.save_filings(any_db, ADMIN, FILINGS + rows, "f.csv", 2) == 1
    entry = registry.port(any_db, PORT.code)
    assert entry is not None
    assert {(f.signature, f.carrier): (f.state.value, f.until) for f in entry.filings} == {
        ("青屿银行", "China Unicom"): ("filed", date(2027, 3, 7)),
        ("Aoyu", "China Mobile"): ("filed", date(2027, 2, 28)),
        ("Aoyu", "China Telecom"): ("refused", None),
    }
    assert followed(any_db) == in_force(any_db)
    assert audited(any_db)[-1].action == "file"
    assert registry.save_filings(any_db, ADMIN, FILINGS + rows, "f.csv", 3) == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("10690009,Aoyu,China Mobile,filed,,,", "f.csv:3: unknown port '10690009'"),
        ("10690001,别人,China Mobile,filed,,,", "f.csv:3: port 10690001: filing: '别人' is not a signature"),
        ("10690001,Aoyu,移动,filed,,,", "f.csv:3: port 10690001: filing: unknown carrier '移动'; one of China"),
        ("10690001,Aoyu,China Mobile,filde,,,", "f.csv:3: column state: unknown state 'filde'; did you mean 'filed'"),
        ("10690001,Aoyu,China Mobile,filed,,,2027-02-30", "f.csv:3: column until: a day such as"),
        ("10690001,Aoyu,China Mobile", "f.csv:3: another number of fields; 7 expected"),
    ],
)
def test_a_file_with_a_bad_filing_changes_nothing(operational_db: Database, row: str, message: str) -> None:
    registry.save_port(operational_db, ADMIN, PORT, 1)
    text = f"{FILINGS}10690001,Aoyu,China Telecom,refused,,,\n{row}\n"
    with pytest.raises(AntispamError, match=message):
        registry.save_filings(operational_db, ADMIN, text, "f.csv", 2)
    assert registry.port(operational_db, PORT.code) == PORT


def test_a_terminated_port_stays_so(any_db: Database) -> None:
    registry.save_port(any_db, ADMIN, PORT, 1)
    assert registry.terminate(any_db, ADMIN, PORT.code, "fraud", "case-1", 2)
    assert not registry.suspend_port(any_db, ADMIN, PORT.code, "late", "", 3)
    with pytest.raises(AntispamError, match="terminated"):
        registry.resume_port(any_db, ADMIN, PORT.code, "please", "", 4)
    with pytest.raises(AntispamError, match="unknown port 999"):
        registry.suspend_port(any_db, ADMIN, "999", "?", "", 5)


def test_a_port_is_registered_under_the_one_form_of_its_code(operational_db: Database) -> None:
    registry.save_port(operational_db, ADMIN, PortEntry(code="8610690001", name="a"), 1)
    assert [port.code for port in registry.ports(operational_db, ADMIN)] == ["10690001"]
    assert registry.suspend_port(operational_db, ADMIN, "+86 10690001", "", "", 2)
    found = registry.port(operational_db, "8610690001")
    assert found is not None
    assert found.state == PortState.SUSPENDED
