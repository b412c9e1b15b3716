"""What the tests of one page share: the page alone, in a session of somebody with a role."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import session
from pipeline.store.accounts.roles import Role
from pipeline.store.database import Database
from tests.harness.console_data import sign_up

Open = Callable[..., AppTest]
_SCRIPT = """
from dashboards import session
from dashboards.screens import {page}

with session.told():
    {page}.page()
"""


@pytest.fixture
def open_page(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Open]:
    """Opens the page that `PAGE` of the test's module names, over its `db`; keywords are the query of its address."""
    monkeypatch.setenv("ANTISPAM_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    session.services.clear()
    tokens: dict[str, str] = {}

    def run(
        role: Role = Role.OPERATOR, language: str = "en", scope: dict[str, str] | None = None, **query: str
    ) -> AppTest:
        if role.value not in tokens:
            tokens[role.value] = sign_up(db, role.value, role, int(time.time() * 1000), scope)
        monkeypatch.setattr(session, "token", lambda: tokens[role.value])
        monkeypatch.setattr(session, "chosen_language", lambda: language)
        app = AppTest.from_string(_SCRIPT.format(page=request.module.PAGE), default_timeout=30)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception
        return app

    yield run
    session.services().db.close()
    session.services.clear()
