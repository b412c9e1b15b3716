"""The page of consents: figures, the history of a number, one entry, a file; nothing happens unconfirmed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from pipeline.rules.consents import Consent, ConsentKind
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role
from pipeline.store.database import Database
from pipeline.store.registry import consents
from tests.dashboards.screens.conftest import Open
from tests.harness.console_data import CHIEF, PHONE, register_ports
from tests.harness.migrated import migrated_database

pytestmark = pytest.mark.long

SCOPE = "port/10690000"
MASKED = "138****8000"
PAGE = "consents"
NOW = int(time.time() * 1000)
AGREED = Consent(SCOPE, PHONE, ConsentKind.CONSENT, f"form of {PHONE}", NOW - 60_000)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = migrated_database(Settings(data_dir=tmp_path))
    register_ports(db, NOW)
    yield db
    db.close()


def told(app: AppTest) -> str:
    parts = [str(each.value) for kind in (app.markdown, app.caption, app.code, app.info, app.error) for each in kind]
    return "\n".join([*parts, *(frame.value.to_csv() for frame in app.dataframe)]).replace("\\", "")


def entries(db: Database) -> list[tuple[str, str]]:
    with db.read() as connection:
        rows = connection.execute(select(schema.consents).order_by(schema.consents.c.given_at)).all()
    return [(row.scope, row.kind) for row in rows]


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click().run()
    assert not app.exception
    return app


def test_without_consents_the_page_says_so(open_page: Open) -> None:
    app = open_page(section="figures")
    assert app.info[0].value == "No consents are recorded."
    assert not app.dataframe


def test_figures_count_each_recipient_by_the_last_answer(db: Database, open_page: Open) -> None:
    def entry(n: int, kind: ConsentKind, at: int, until: int | None = None) -> Consent:
        return Consent(SCOPE, f"1380000000{n}", kind, "x", at, until)

    consents.record(
        db,
        CHIEF,
        [
            entry(1, ConsentKind.ASKED, 1),
            entry(1, ConsentKind.CONSENT, 2),
            entry(2, ConsentKind.CONSENT, 1),
            entry(2, ConsentKind.REFUSED, 2),
            entry(3, ConsentKind.REQUEST, 1, until=2),
            entry(4, ConsentKind.ASKED, 1),
            entry(5, ConsentKind.CONSENT, 1),
            entry(5, ConsentKind.ASKED, 2),
        ],
        NOW,
    )
    app = open_page(section="figures", of="port", begins="1069")
    assert [list(row)[:5] for row in app.dataframe[0].value.to_numpy()] == [["10690000", "2", "1", "1", "1"]]
    assert "as of 20" in told(app)
    app.text_input[0].set_value("1070").run()
    assert "begins so" in app.info[0].value
    assert app.query_params["begins"] == "1070"


def test_figures_keep_to_the_scope_of_the_account(db: Database, open_page: Open) -> None:
    consents.record(db, CHIEF, [AGREED, Consent("port/10690001", PHONE, ConsentKind.CONSENT, "x", 1)], NOW)
    app = open_page(section="figures", scope={"enterprise": "e-south"})
    assert list(app.dataframe[0].value.iloc[:, 0]) == ["10690000"]


def test_a_number_in_another_spelling_is_found_and_masked(db: Database, open_page: Open) -> None:
    consents.record(db, CHIEF, [AGREED], NOW)
    app = open_page(section="number")
    app.text_input[0].set_value("+86 138-0013-8000")
    press(app, "Search")
    assert "form of " + MASKED in told(app)
    assert PHONE not in told(app)
    assert list(app.query_params) == ["section"]
    app.text_input[0].set_value("not a number")
    press(app, "Search")
    assert "one phone number" in app.error[0].value


def test_an_account_with_a_scope_is_told_why_it_cannot_search(open_page: Open) -> None:
    app = open_page(section="number", scope={"enterprise": "e-south"})
    assert "your account sees a part" in app.info[0].value
    assert not app.error
    assert not app.text_input


def test_full_numbers_take_a_right_a_reason_and_an_audit_row(db: Database, open_page: Open) -> None:
    consents.record(db, CHIEF, [AGREED], NOW)
    app = open_page(Role.SENIOR_REVIEWER, section="number")
    app.text_input[0].set_value(PHONE)
    press(app, "Search")
    press(app, "Show")
    assert "a reason" in app.error[0].value
    app.text_input(key="why_consent").set_value("complaint 4711")
    press(app, "Show")
    assert f"form of {PHONE}" in told(app)
    table = schema.audit
    with db.read() as connection:
        (row,) = connection.execute(select(table).where(table.c.action == "reveal")).all()
    assert (row.actor, row.subject, row.reason) == ("senior_reviewer", f"consents/{MASKED}", "complaint 4711")


def test_an_operator_is_not_offered_full_numbers(db: Database, open_page: Open) -> None:
    consents.record(db, CHIEF, [AGREED], NOW)
    app = open_page(Role.OPERATOR, section="number")
    app.text_input[0].set_value(PHONE)
    press(app, "Search")
    assert "Show" not in [button.label for button in app.button]


def filled(app: AppTest, code: str = "10690000", source: str = "form 7") -> AppTest:
    by_label = {field.label: field for field in app.text_input}
    by_label["Code of the port or enterprise"].set_value(code)
    by_label["Number"].set_value("+86 138 0013 8000")
    by_label["Source: where the proof is"].set_value(source)
    return press(app, "Continue")


def test_one_entry_is_recorded_after_its_confirmation(db: Database, open_page: Open) -> None:
    app = filled(open_page(section="record"))
    assert MASKED in told(app)
    assert entries(db) == []
    press(app, "Record")
    assert entries(db) == [(SCOPE, "consent")]


def test_a_faulty_entry_is_refused_before_it_is_asked_about(db: Database, open_page: Open) -> None:
    app = open_page(section="record")
    assert "not registered" in filled(app, code="10699999").error[0].value
    assert "where the proof" in filled(app, source="").error[0].value
    press(filled(app), "Back")
    assert entries(db) == []


def test_a_file_is_shown_first_and_then_recorded(db: Database, open_page: Open) -> None:
    text = "recipient,port,enterprise,kind,source,given_at,until\n"
    text += f"{PHONE},10690000,,consent,表,2026-03-01T10:00:00+08:00,\n"
    text += f"{PHONE},10699999,,consent,表,2026-03-01T10:00:00+08:00,\n"
    text += "1,10690000,,consent,表,2026-03-01T10:00:00+08:00,\n"
    app = open_page(section="file")
    app.file_uploader[0].set_value(("c.csv", text.encode(), "text/csv")).run()
    assert not app.exception
    assert "1 entries can be recorded; 2 lines are refused." in told(app)
    assert "line 3: port 10699999 is not registered" in told(app)
    assert "line 4: recipient:" in told(app)
    assert MASKED in told(app)
    assert entries(db) == []
    press(app, "Record 1 entries")
    assert "1 entries are recorded and in force; 2 lines were refused" in told(app)
    assert entries(db) == [(SCOPE, "consent")]
