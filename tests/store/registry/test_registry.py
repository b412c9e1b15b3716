"""Changes of configuration: checked first, then written with audit and publication, or not at all."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pipeline import topics
from pipeline.actions.senders.clock import Clock
from pipeline.actions.senders.gate import Gate
from pipeline.actions.senders.part import DeliveryState, Part
from pipeline.decision.configuration import ConfigEntries, default_policy, directory_entries
from pipeline.errors import AntispamError
from pipeline.events import ConfigChange, Kind, PortState, Tier
from pipeline.rules.clock.calendar import shipped_calendar
from pipeline.rules.enterprises import EnterpriseEntry
from pipeline.rules.expiry import NEVER
from pipeline.rules.filings import Filing, FilingState
from pipeline.rules.ports import PortEntry, TemplateEntry
from pipeline.rules.versions import version_of
from pipeline.store import audit, outbox, schema
from pipeline.store.accounts.roles import Forbidden, Role, User
from pipeline.store.accounts.users import add_user
from pipeline.store.database import Database
from pipeline.store.registry import configurations, enterprises, import_configuration, list_entries, ports, registry

ADMIN = User("admin", Role.ADMINISTRATOR)
VIEWER = User("viewer", Role.VIEWER)
PORT = PortEntry(
    code="10690001",
    name="青屿银行",
    enterprise="ent-1",
    tier=Tier.TRUSTED,
    signatures=("青屿银行", "Aoyu"),
    volume_5m=100,
    unsubscribe=("T", "TD"),
    zone="Asia/Urumqi",
    extensions=("01", "7"),
    filings=(
        Filing(signature="青屿银行", carrier="China Unicom", state=FilingState.APPLIED, applied=date(2026, 3, 1)),
        Filing(signature="Aoyu", carrier="China Mobile", state=FilingState.FILED, until=date(2027, 2, 28)),
    ),
    templates=(TemplateEntry("t2", "验证码{code}", Kind.ONE_TIME_CODE), TemplateEntry("t1", "您好{name}")),
)
POLICY = default_policy()
OTHER = POLICY.replace("title:", "title: 改 ", 1) if "title:" in POLICY else POLICY + "\n# 改\n"


def published(db: Database) -> list[ConfigChange]:
    """Every change in the outbox, in order."""
    with db.read() as connection:
        rows = outbox.unpublished(connection, 100_000)
    return [
        msgspec.json.decode(message.value or b"", type=ConfigChange)
        for _, publication in rows
        for message in publication.messages
        if message.topic == topics.CONFIG.name
    ]


def audited(db: Database) -> list[Any]:
    with db.read() as connection:
        assert audit.first_broken(connection) is None
        return list(connection.execute(select(schema.audit).order_by(schema.audit.c.id)))


def in_force(db: Database) -> dict[tuple[str, str], str]:
    with db.read() as connection:
        return {(kind, name): value for kind, name, value in configurations.everything(connection)}


def followed(db: Database) -> dict[tuple[str, str], str]:
    """What a follower of the outbox ends with."""
    found: dict[tuple[str, str], str] = {}
    for change in published(db):
        found.pop((change.kind, change.name), None)
        if change.value is not None:
            found[change.kind, change.name] = change.value
    return found


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
            return ports.change_state(
                connection, 2, audit.PIPELINE, "suspend", PORT.code, "5 refused", "bulk-refused", evidence
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


def test_list_entries_come_and_go(any_db: Database) -> None:
    assert registry.add_list_entry(any_db, ADMIN, "black", " 13800138000 ", 'said "no", twice\n', 9_000, 1)
    assert not registry.add_list_entry(any_db, ADMIN, "black", "13800138000", 'said "no", twice\n', 9_000, 2)
    assert registry.add_list_entry(any_db, ADMIN, "black", "13800138000", "for good", None, 3)
    (row,) = registry.list_entries(any_db, ADMIN, "black", "138")
    assert (row.value, row.reason, row.expires_at, row.added_by) == ("13800138000", "for good", None, "admin")
    worker = ConfigEntries()
    assert worker.apply(published(any_db)) == []
    assert worker.config.lists.black["13800138000"].expires == NEVER
    assert registry.remove_list_entry(any_db, ADMIN, "black", "13800138000", "mistake", 4)
    assert not registry.remove_list_entry(any_db, ADMIN, "black", "13800138000", "mistake", 5)
    assert followed(any_db) == in_force(any_db) == {}
    assert [r.action for r in audited(any_db)] == ["list", "list", "unlist"]
    assert "13800138000" not in str(audited(any_db))


def test_evidence_lists_once_even_after_somebody_took_it_off(any_db: Database) -> None:
    item = list_entries.entry("black", "13800138000", "probing", None)

    def put() -> bool:
        with any_db.write() as connection:
            return list_entries.put(connection, 1, audit.PIPELINE, item, "probe", "d-1") is not None

    assert put()
    assert not put()
    registry.remove_list_entry(any_db, ADMIN, "black", "13800138000", "mistake", 2)
    assert not put()
    assert in_force(any_db) == {}


def test_an_entry_is_found_and_removed_by_any_spelling_of_its_number(any_db: Database) -> None:
    assert registry.add_list_entry(any_db, ADMIN, "blocked", "+86 138-0013-8000", "asked", None, 1)
    assert not registry.add_list_entry(any_db, ADMIN, "blocked", "13800138000", "asked", None, 2)
    assert registry.add_list_entry(any_db, ADMIN, "unsubscribed", "8610690001：0086 13800138000", "TD", None, 3)
    for search in ("1380", "008613800138000", "138 0013 8000"):
        (row,) = registry.list_entries(any_db, ADMIN, "blocked", search)
        assert row.value == "13800138000"
    worker = ConfigEntries()
    assert worker.apply(published(any_db)) == []
    assert set(worker.config.lists.unsubscribed["10690001"]) == set(worker.config.lists.blocked) == {"13800138000"}
    assert registry.remove_list_entry(any_db, ADMIN, "blocked", "8613800138000", "mistake", 4)
    assert registry.remove_list_entry(any_db, ADMIN, "unsubscribed", "10690001:+8613800138000", "mistake", 5)
    assert followed(any_db) == in_force(any_db) == {}


def test_a_list_file_with_a_value_that_is_no_number_is_refused_and_an_old_one_holds_the_others(
    operational_db: Database,
) -> None:
    value = "list,entity,value,reason,expires\nblocked,recipient,+8613800138000,,\nblocked,recipient,none,,\n"
    with pytest.raises(AntispamError, match=r"lists.csv:3: column value: bad value 'none'"):
        registry.publish_configuration(operational_db, ADMIN, "list", "lists.csv", value, 1)
    worker = ConfigEntries()
    assert worker.apply([ConfigChange(epoch=1, kind="list", name="lists.csv", value=value)]) == []
    assert "13800138000" in worker.config.lists.blocked


def test_a_port_is_registered_under_the_one_form_of_its_code(operational_db: Database) -> None:
    registry.save_port(operational_db, ADMIN, PortEntry(code="8610690001", name="a"), 1)
    assert [port.code for port in registry.ports(operational_db, ADMIN)] == ["10690001"]
    assert registry.suspend_port(operational_db, ADMIN, "+86 10690001", "", "", 2)
    found = registry.port(operational_db, "8610690001")
    assert found is not None
    assert found.state == PortState.SUSPENDED


@pytest.mark.parametrize(
    ("name", "value", "expires", "fault"),
    [
        ("grey", "1", None, "unknown list"),
        ("black", "", None, "one number expected"),
        ("black", "1" * 51, None, "one number expected"),
        ("black", "1380013\n8000", None, "one number expected"),
        ("blocked", "138001380000", None, "one number expected"),
        ("unsubscribed", "13800138000", None, "port:number expected"),
        ("unsubscribed", "10690001:138", None, "port:number expected"),
        ("black", "10086", -1, "expires_at"),
    ],
)
def test_a_bad_list_entry_is_refused(
    operational_db: Database, name: str, value: str, expires: int | None, fault: str
) -> None:
    with pytest.raises(AntispamError, match=fault):
        registry.add_list_entry(operational_db, ADMIN, name, value, "", expires, 1)
    assert published(operational_db) == audited(operational_db) == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    reason=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60),
    expires=st.none() | st.integers(0, 253_402_300_799_999),
)
def test_what_the_parser_reads_of_an_entry_is_the_entry(reason: str, expires: int | None) -> None:
    item = list_entries.entry("allow", "13800138000", reason, expires)
    assert (item.reason, item.expires) == (reason, NEVER if expires is None else expires)


def test_the_calendar_in_force_is_the_published_or_the_shipped_one(any_db: Database) -> None:
    mine = "zone: UTC\nyears: {2031: {source: law, holidays: {a: 2031-01-01}}}\n"
    registry.publish_configuration(any_db, ADMIN, "calendar", "calendar.yaml", mine, 1)
    with any_db.read() as connection:
        assert configurations.calendar(connection).years == {2031}
    registry.withdraw(any_db, ADMIN, "calendar", "calendar.yaml", 2)
    with any_db.read() as connection:
        assert configurations.calendar(connection) is shipped_calendar()


def test_versions_and_rollback(any_db: Database) -> None:
    assert registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", POLICY, 1) == 2  # 1: the audit row
    second = registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", OTHER, 2)
    assert registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", OTHER, 3) == second
    third = registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 4)
    assert third > second
    assert in_force(any_db) == {("policy", "policy.yaml"): POLICY}
    assert followed(any_db) == in_force(any_db)
    assert [(v, c) for v, _, _, c in registry.versions(any_db, "policy", "policy.yaml")] == [
        (version_of(OTHER), False),
        (version_of(POLICY), True),
    ]
    registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 5, version_of(OTHER))
    assert in_force(any_db) == {("policy", "policy.yaml"): OTHER}
    with pytest.raises(AntispamError, match="unknown version"):
        registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 6, "nonesuch")
    with pytest.raises(AntispamError, match="no version was in force"):
        registry.rollback(any_db, ADMIN, "dictionary", "dictionary.csv", 6)
    assert [r.action for r in audited(any_db)] == ["publish", "publish", "rollback", "rollback"]


@pytest.mark.parametrize(
    ("kind", "name", "value", "fault"),
    [
        ("policy", "policy.yaml", "rules: [{id: a, when: nonesuch > 1}]", "policy.yaml"),
        ("dictionary", "dictionary.csv", "nonsense", "dictionary"),
        ("calendar", "calendar.yaml", "zone: Nowhere", "calendar.yaml:1:7"),
        ("model", "active", "/nonexistent", "model"),
        ("list", "lists.csv", "a,b\n", "header"),
        ("list", "black/1", "list,entity,value,reason,expires\n", "without /"),
        ("port", "10690001", "{}", "unknown kind"),
    ],
)
def test_a_bad_value_is_refused_with_the_parsers_words(
    operational_db: Database, kind: str, name: str, value: str, fault: str
) -> None:
    with pytest.raises(AntispamError, match=fault):
        registry.publish_configuration(operational_db, ADMIN, kind, name, value, 1)
    assert published(operational_db) == audited(operational_db) == []


def test_only_those_with_the_right_change_anything(operational_db: Database) -> None:
    db = operational_db
    registry.save_port(db, ADMIN, PORT, 1)
    attempts: list[Any] = [
        lambda: registry.save_port(db, VIEWER, PORT, 2),
        lambda: registry.suspend_port(db, VIEWER, PORT.code, "", "", 2),
        lambda: registry.resume_port(db, VIEWER, PORT.code, "", "", 2),
        lambda: registry.terminate(db, VIEWER, PORT.code, "", "", 2),
        lambda: registry.add_list_entry(db, VIEWER, "black", "1", "", None, 2),
        lambda: registry.remove_list_entry(db, VIEWER, "black", "1", "", 2),
        lambda: registry.publish_configuration(db, VIEWER, "policy", "policy.yaml", POLICY, 2),
        lambda: registry.rollback(db, VIEWER, "policy", "policy.yaml", 2),
        lambda: registry.publish_configuration(
            db, User("author", Role.POLICY_AUTHOR), "policy", "policy.yaml", POLICY, 2
        ),
        lambda: import_configuration.replace(db, VIEWER, [], 2),
    ]
    for attempt in attempts:
        with pytest.raises(Forbidden):
            attempt()
    assert len(audited(db)) == 1


def _three_levels(db: Database) -> None:
    """A reseller, its customer, the customer of that, each with a port; and a stranger."""
    with db.write() as connection:
        chain = [("reseller", ""), ("shop", "reseller"), ("branch", "shop"), ("stranger", "")]
        companies = [EnterpriseEntry(code=code, parent=parent) for code, parent in reversed(chain)]
        enterprises.put(connection, 1, "admin", companies)
    for n, (code, _) in enumerate(chain):
        registry.save_port(db, ADMIN, PortEntry(code=f"1069000{n}", enterprise=code), 1)


def test_a_reseller_is_suspended_and_resumed_with_its_customers(any_db: Database) -> None:
    _three_levels(any_db)
    registry.suspend_port(any_db, ADMIN, "10690001", "complaints", "", 2)
    assert registry.suspend_enterprise(any_db, ADMIN, "reseller", "contract ended", 3) == ["10690000", "10690002"]
    assert registry.suspend_enterprise(any_db, ADMIN, "reseller", "contract ended", 4) == []
    assert {entry.code: entry.state.value for entry in registry.ports(any_db, ADMIN)} == {
        **dict.fromkeys(("10690000", "10690001", "10690002"), "suspended"),
        "10690003": "open",
    }
    assert followed(any_db) == in_force(any_db)
    # The port with complaints stays suspended; a second suspension works like the first.
    assert registry.resume_enterprise(any_db, ADMIN, "shop", "", 5) == []
    assert registry.resume_enterprise(any_db, ADMIN, "reseller", "", 5) == ["10690000", "10690002"]
    assert registry.suspend_enterprise(any_db, ADMIN, "shop", "", 6) == ["10690002"]
    assert registry.resume_enterprise(any_db, ADMIN, "shop", "", 7) == ["10690002"]


def test_an_unknown_reseller_and_a_circle_of_resellers_are_refused(operational_db: Database) -> None:
    _three_levels(operational_db)
    for entry, message in (
        (
            EnterpriseEntry(code="stranger", parent="nobody"),
            "stranger: parent 'nobody' is not an enterprise",
        ),
        (EnterpriseEntry(code="reseller", parent="branch"), "its own reseller: .* → reseller"),
    ):
        with pytest.raises(AntispamError, match=message), operational_db.write() as connection:
            enterprises.put(connection, 2, "admin", [entry])
    with pytest.raises(AntispamError, match="unknown enterprise 'nobody'"):
        registry.suspend_enterprise(operational_db, ADMIN, "nobody", "", 2)
    with operational_db.read() as connection:
        assert enterprises.parents(connection)["reseller"] == ""


def test_a_scope_bounds_the_suspension_of_an_enterprise(operational_db: Database) -> None:
    _three_levels(operational_db)
    own = User("own", Role.OPERATOR, {"enterprise": "shop"})
    with pytest.raises(Forbidden):  # the branch is an enterprise of its own
        registry.suspend_enterprise(operational_db, own, "shop", "", 2)
    branch = User("branch", Role.OPERATOR, {"enterprise": "branch"})
    assert registry.suspend_enterprise(operational_db, branch, "branch", "", 3) == ["10690002"]


def test_a_scope_bounds_ports_and_lists(operational_db: Database) -> None:
    db = operational_db
    registry.save_port(db, ADMIN, PORT, 1)
    other = PortEntry(code="10690002", enterprise="ent-2")
    registry.save_port(db, ADMIN, other, 1)
    with db.write() as connection:
        two = EnterpriseEntry(code="ent-2", name="Two", province="浙江", city="杭州")
        enterprises.put(connection, 1, "admin", [two])
    local = User("local", Role.OPERATOR, {"province": "浙江"})
    assert registry.ports(db, local) == [other]
    assert registry.suspend_port(db, local, "10690002", "", "", 2)
    with pytest.raises(Forbidden):
        registry.suspend_port(db, local, PORT.code, "", "", 2)
    with pytest.raises(Forbidden):
        registry.save_port(db, local, msgspec.structs.replace(other, enterprise="ent-1"), 2)
    with pytest.raises(Forbidden):
        registry.add_list_entry(db, local, "black", "13800138000", "", None, 2)
    assert registry.add_list_entry(db, local, "unsubscribed", "10690002:13800138000", "", None, 2)


def test_a_folder_replaces_ports_and_list_files_but_no_state_and_no_single_entry(any_db: Database) -> None:
    lists = "list,entity,value,reason,expires\nblack,sender,13900139000,x,\n"
    port = msgspec.json.encode(PORT).decode()
    first = [("policy", "policy.yaml", POLICY), ("list", "lists.csv", lists), ("port", PORT.code, port)]
    epoch, _ = import_configuration.replace(any_db, ADMIN, first, 1)
    assert {change.epoch for change in published(any_db)} == {epoch}
    assert import_configuration.replace(any_db, ADMIN, first, 2) == (epoch, [])
    registry.suspend_port(any_db, ADMIN, PORT.code, "", "", 3)
    registry.add_list_entry(any_db, ADMIN, "black", "13800138000", "", None, 3)
    import_configuration.replace(any_db, ADMIN, first, 4)
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert found.state == PortState.SUSPENDED
    import_configuration.replace(
        any_db, ADMIN, [("policy", "policy.yaml", OTHER), ("port", "123", '{"code":"123"}')], 5
    )
    assert in_force(any_db).keys() == {
        ("policy", "policy.yaml"),
        ("port", "123"),
        ("port", PORT.code),
        ("list", "black/13800138000"),
    }
    assert followed(any_db) == in_force(any_db)


def test_a_folder_says_where_enterprises_are_and_scopes_go_by_it(operational_db: Database, tmp_path: Path) -> None:
    db = operational_db
    (tmp_path / "ports.jsonl").write_text('{"code": "10690001", "enterprise": "e-1"}\n{"code": "10690002"}\n')
    (tmp_path / "enterprises.jsonl").write_text('{"code": "e-1", "name": "甲", "province": "广东", "city": "深圳"}\n')
    with pytest.raises(AntispamError, match="no enterprise with province '广东'"):
        add_user(db, ADMIN, "anna", Role.REVIEWER, {"province": "广东"}, 1)
    import_configuration.replace(db, ADMIN, directory_entries(tmp_path), 1)
    for scope in ({"province": "广东"}, {"city": "深圳"}, {"enterprise": "e-1"}):
        assert add_user(db, ADMIN, f"anna.{next(iter(scope))}", Role.REVIEWER, scope, 2)
        assert [port.code for port in registry.ports(db, User("anna", Role.REVIEWER, scope))] == ["10690001"]
    (tmp_path / "enterprises.jsonl").write_text('{"code": "e-2"}\n')
    with pytest.raises(AntispamError, match=r"port 10690001: enterprise 'e-1' is not in enterprises\.jsonl"):
        list(directory_entries(tmp_path))
    (tmp_path / "enterprises.jsonl").write_text('{"code": "e-1", "town": "x"}\n')
    with pytest.raises(AntispamError, match=r"enterprises\.jsonl:1: .*town"):
        list(directory_entries(tmp_path))


def test_a_port_that_a_folder_lacks_is_suspended_and_no_folder_opens_it_again(any_db: Database) -> None:
    port = [("port", PORT.code, msgspec.json.encode(PORT).decode())]
    import_configuration.replace(any_db, ADMIN, port, 1)
    assert import_configuration.replace(any_db, ADMIN, [], 2)[1] == [], "a folder without ports says nothing of them"
    other = ("port", "123", '{"code":"123"}')
    epoch, suspended = import_configuration.replace(any_db, ADMIN, [other], 2)
    assert suspended == [PORT.code]
    gate = Gate(any_db, Clock(lambda: 0.0, lambda: 0))
    gate.look()
    part = Part(PORT.code, PORT.code, "s", 1, 1, "13800138000", b"", None)
    assert gate.refusal(part) is DeliveryState.STOPPED
    assert import_configuration.replace(any_db, ADMIN, [*port, other], 3) == (epoch, [])
    found = registry.port(any_db, PORT.code)
    assert found is not None
    assert found.state == PortState.SUSPENDED
    with any_db.read() as connection:
        opened = select(schema.ports.c.opened_at).where(schema.ports.c.code == PORT.code)
        assert connection.execute(opened).scalar_one() == 1


def test_a_start_brings_what_is_new_and_leaves_what_people_changed(any_db: Database) -> None:
    start = User("up", Role.ADMINISTRATOR)
    port = msgspec.json.encode(PORT).decode()
    first = import_configuration.add(any_db, start, [("policy", "policy.yaml", POLICY), ("port", PORT.code, port)], 1)
    assert import_configuration.add(any_db, start, [("policy", "policy.yaml", POLICY)], 2) == first
    import_configuration.add(any_db, start, [("policy", "policy.yaml", OTHER)], 3)  # the file was edited
    assert in_force(any_db)["policy", "policy.yaml"] == OTHER
    registry.rollback(any_db, ADMIN, "policy", "policy.yaml", 4)
    renamed = msgspec.structs.replace(PORT, name="又名")
    registry.save_port(any_db, ADMIN, renamed, 4)
    import_configuration.add(any_db, start, [("policy", "policy.yaml", OTHER), ("port", PORT.code, port)], 5)
    assert in_force(any_db)["policy", "policy.yaml"] == POLICY
    assert registry.port(any_db, PORT.code) == renamed
    registry.publish_configuration(any_db, ADMIN, "policy", "policy.yaml", OTHER + "\n# by hand\n", 6)
    import_configuration.add(any_db, start, [("policy", "policy.yaml", POLICY + "\n# a new release\n")], 7)
    assert in_force(any_db)["policy", "policy.yaml"] == OTHER + "\n# by hand\n"


def test_a_folder_with_one_bad_entry_changes_nothing(operational_db: Database) -> None:
    entries = [("policy", "policy.yaml", POLICY), ("port", "10690001", '{"code": "10690002"}')]
    with pytest.raises(AntispamError, match="holds port 10690002"):
        import_configuration.replace(operational_db, ADMIN, entries, 1)
    assert in_force(operational_db) == {}
    assert published(operational_db) == audited(operational_db) == []
