"""What `antispam up` puts into a new database, and what it leaves alone in an old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import AntispamError
from pipeline.run.first_configuration import configure
from pipeline.settings import Settings
from pipeline.store.migrate import open_database
from pipeline.store.registry import configurations


@pytest.mark.long
def test_a_second_start_gives_no_password_and_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert configure(settings, demo=False, config=None)
    db = open_database(settings)
    with db.read() as connection:
        first = configurations.everything(connection)
    assert configure(settings, demo=False, config=None) is None
    with db.read() as connection:
        assert configurations.everything(connection) == first
    db.close()
    assert {kind for kind, _, _ in first} >= {"policy", "dictionary", "model"}


def test_a_faulty_folder_is_refused_with_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "ports.jsonl").write_text("{}\n")
    with pytest.raises(AntispamError, match=r"ports\.jsonl:1"):
        configure(Settings(data_dir=tmp_path / "var"), demo=False, config=folder)
