"""The page of complaints: the list with its doubts, rates, a file, answers; nothing happens unconfirmed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts.roles import Role
from pipeline.store.database import Database
from tests.dashboards.screens.conftest import Open
from tests.harness.case_events import rows
from tests.harness.console_data import fill_rest, register_ports
from tests.harness.migrated import migrated_database

pytestmark = pytest.mark.long

PAGE = "complaints"
NOW = int(time.time() * 1000)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = migrated_database(Settings(data_dir=tmp_path))
    register_ports(db, NOW)
    fill_rest(db, NOW)
    yield db
    db.close()


def told(app: AppTest) -> str:
    parts = [
        str(each.value)
        for kind in (app.markdown, app.caption, app.code, app.info, app.warning, app.error)
        for each in kind
    ]
    return "\n".join([*parts, *(frame.value.to_csv() for frame in app.dataframe)]).replace("\\", "")


def test_the_list_is_masked(open_page: Open) -> None:
    app = open_page()
    assert "4 complaints at" in told(app)
    assert "138****8000" in told(app)
    assert "13800138000" not in told(app)


def test_the_address_keeps_filters_and_the_chosen_row(open_page: Open) -> None:
    app = open_page(found="doubtful", complaint="c1@10690000")
    assert "1 complaints at" in told(app)
    assert "digits of the number are hidden" in told(app)
    assert app.query_params["found"] == "doubtful"
    app.selectbox(key="choice_found").select("").run()
    app.selectbox(key="choice_answer").select("overdue").run()
    assert "2 complaints at" in told(app)
    assert "found" not in app.query_params
    assert app.query_params["answer"] == "overdue"


def test_a_person_settles_what_a_doubtful_complaint_is_about(open_page: Open) -> None:
    app = open_page(complaint="c1@10690000")
    assert [option.rpartition("·")[2].strip() for option in app.radio[0].options] == [
        "text alike 100 %", "text alike 25 %", "none of them",
    ]  # fmt: skip
    assert app.radio[0].value == 1  # what the pipeline takes for the likeliest
    app.radio[0].set_value(0)
    app.button[0].click().run()
    assert not app.exception
    assert "Settled by: operator" in told(app)
    assert app.header[0].value == "unmatched"
    assert app.radio  # until it is answered


def test_who_may_only_search_settles_nothing(open_page: Open) -> None:
    assert not open_page(Role.ANALYST, complaint="c1@10690000").radio


def test_an_empty_list_says_so(open_page: Open) -> None:
    assert "No complaint fits." in told(open_page(port="99"))


def test_a_scope_hides_other_ports_and_the_files(open_page: Open) -> None:
    app = open_page(scope={"enterprise": "e-north"}, section="file")
    assert "1 complaints at" in told(app)
    assert app.segmented_control[0].options == ["Complaints", "Rates"]


def test_rates_are_shown_per_million(open_page: Open) -> None:
    text = told(open_page(role=Role.ANALYST, section="rates", by="enterprise"))
    assert "1,234,567" in text
    assert "e-south" in text


def test_a_file_is_taken_after_a_confirmation(open_page: Open, db: Database) -> None:
    app = open_page(section="file", source="mo")
    lines = "13900139000|10086999|20251125093000|10690001*中奖\n13900139000|x\n".encode("gbk")
    app.file_uploader(key="complaint_file").set_value(("mo.txt", lines, "text/plain")).run()
    assert "1 complaints can be taken; 1 lines are refused" in told(app)
    assert "line 2: a line like" in told(app)
    assert len(rows(db, schema.complaints)) == 4
    app.button(key="complaint_take").click().run()
    assert not app.exception
    assert "1 new complaints" in told(app)
    assert len(rows(db, schema.complaints)) == 5


def test_answers_are_given_after_a_confirmation(open_page: Open, db: Database) -> None:
    app = open_page(section="answers", source="hotline")
    assert "1 can be answered, 0 wait for their message" in told(app)
    app.button(key="answer_now").click().run()
    assert not app.exception
    assert "0 can be answered" in told(app)
    assert [row.source for row in rows(db, schema.complaints) if row.answered_at is not None] == ["hotline"]
