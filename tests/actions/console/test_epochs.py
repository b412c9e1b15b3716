"""How far each process has applied the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.actions.console.epochs import Applied, epochs
from pipeline.process import pages, readiness
from pipeline.process.page import Page
from pipeline.run.child import free_port
from pipeline.store.accounts.roles import Forbidden, Role, User


def test_each_process_says_what_it_has_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "_epochs", {})
    readiness.applied("submissions-w0", 7)
    readiness.applied("submissions-w0", 9)
    readiness.applied("records-w0", 8)
    pages.write(pages.note(tmp_path, "gone", ["timers", "releaser"]), "127.0.0.1", free_port(), ["timers", "releaser"])
    page = Page("127.0.0.1", 0, ["submissions"])
    try:
        port = page.port(10)
        assert port is not None
        pages.write(pages.note(tmp_path, "w0", ["submissions"]), "127.0.0.1", port, ["submissions"])
        assert epochs(tmp_path, User("anna", Role.ANALYST)) == [
            Applied("records-w0", 8),
            Applied("submissions-w0", 9),
            Applied("timers, releaser", None),
        ]
    finally:
        page.close()


def test_without_notes_nothing_is_known(tmp_path: Path) -> None:
    assert epochs(tmp_path, User("anna", Role.ANALYST)) == []
    with pytest.raises(Forbidden):
        epochs(tmp_path, User("vic", Role.VIEWER))
