"""What lies under the data directory is its owner's, whatever modes it had; a named group reads the lake's tables."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path

import pytest

from pipeline.errors import AntispamError
from pipeline.process.permissions import repair
from pipeline.settings import Settings
from tests.harness.processes.forked import run

pytestmark = pytest.mark.long

OURS = grp.getgrgid(os.getegid()).gr_name


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A data directory of a version that left its modes to the umask, which was the loosest."""
    data = tmp_path / "var"
    for name in (
        "operational.db",
        "operational.db-wal",
        "api.log",
        "blobs/a",
        "lake/decisions/x.parquet",
        "lake/decisions/_delta_log/0.json",
        "lake/full/texts/x.parquet",
        "kafka/node/log/00.log",
    ):
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("13800000001")
        path.chmod(0o666)
    for folder in (data, *(path for path in data.rglob("*") if path.is_dir())):
        folder.chmod(0o777)
    return data


def test_an_old_data_directory_is_closed(old: Path) -> None:
    repair(Settings(data_dir=old, _env_file=None))
    assert not [path for path in (old, *old.rglob("*")) if mode(path) & 0o077]
    assert (old / "operational.db").read_text() == "13800000001"


def test_the_lakes_group_reads_the_tables_only(old: Path) -> None:
    repair(Settings(data_dir=old, lake_group=OURS, _env_file=None))
    assert mode(old) == 0o710
    assert mode(old / "lake") == mode(old / "lake/decisions/_delta_log") == 0o2750
    assert mode(old / "lake/decisions/x.parquet") == 0o640
    assert mode(old / "lake/full") == 0o700
    lake = old / "lake"
    rest = [path for path in old.rglob("*") if not path.is_relative_to(lake) or path.is_relative_to(lake / "full")]
    assert not [path for path in rest if mode(path) & 0o077]
    repair(Settings(data_dir=old, _env_file=None))
    assert not [path for path in (old, *old.rglob("*")) if mode(path) & 0o077], "the group was taken away"


def test_links_are_not_followed(old: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    (old / "link").symlink_to(outside)
    (old / "folder").symlink_to(tmp_path)
    repair(Settings(data_dir=old, _env_file=None))
    assert mode(outside) == 0o644


def test_an_unknown_group_is_named(old: Path) -> None:
    with pytest.raises(AntispamError, match=r"ANTISPAM_LAKE_GROUP: .* 'no-such-group'"):
        repair(Settings(data_dir=old, lake_group="no-such-group", _env_file=None))


@pytest.mark.parametrize("umask", [0o022, 0o000])
def test_commands_close_what_they_write(tmp_path: Path, umask: int) -> None:
    """A backup, and what a command refuses, hold numbers and texts too."""
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "a", "text": "x"}\n13800000001\n')
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTISPAM_")}
    environment["ANTISPAM_DATA_DIR"] = str(tmp_path / "var")
    for command in (["backup", "out.gz"], ["normalise", "--in", "in.jsonl", "--out", "out.jsonl"]):
        code, _, errors = run(*command, cwd=tmp_path, env=environment, umask=umask)
        assert code == 0, errors
    written = [path for path in tmp_path.rglob("*") if path != source]
    assert {"out.gz", "out.jsonl", "out.jsonl.rejected.jsonl", "operational.db"} <= {path.name for path in written}
    assert not [path for path in written if mode(path) & 0o077]
