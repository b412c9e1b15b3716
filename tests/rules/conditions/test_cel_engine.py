"""The CEL engine comes without its command line, and evaluates."""

from __future__ import annotations

import subprocess
import sys

from pipeline.rules.conditions.cel_engine import cel

SCRIPT = """
import sys, pipeline.rules.conditions.cel_engine
print([n for n in ("typer", "prompt_toolkit") if n in sys.modules])
"""


def test_the_libraries_of_its_command_line_stay_away() -> None:
    ran = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_it_evaluates() -> None:
    assert cel.compile("a > 1").execute({"a": 2}) is True
