"""A command of `antispam` in the test's own process: starting Python and importing the pipeline takes a second."""

from __future__ import annotations

import logging
from pathlib import Path

import structlog
from typer.testing import CliRunner, Result

from pipeline.cli import app


def command(*arguments: str | Path) -> Result:
    """Run the command; errors that `antispam` tells in one line are raised."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    finally:  # the command set up logging to streams that have ended with it
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
