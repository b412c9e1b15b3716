"""The CEL engine, without its command line.

The package `cel` imports its command line with itself, and with it typer and prompt_toolkit: 0.3 s of CPU and 20 MB in
every process that reads a policy.
"""

from __future__ import annotations

import sys
from types import ModuleType

sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))

import cel  # noqa: E402 - after the line that it depends on

__all__ = ["cel"]
