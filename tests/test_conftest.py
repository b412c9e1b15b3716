"""Where tests run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.settings import Settings


def test_the_env_file_of_the_folder_where_pytest_starts_is_not_read(pytestconfig: pytest.Config) -> None:
    name = Settings.model_config["env_file"]
    assert isinstance(name, str)
    assert Path(name).resolve().parent != pytestconfig.invocation_params.dir
    assert not Path(name).exists()
