"""`antispam`: each command calls one function. Exit 0 on success, 2 on bad usage, 1 on failure with one line."""

from __future__ import annotations

import faulthandler
import os
import sys

import typer

from pipeline.commands import (
    accounts,
    backtests,
    benches,
    complaints,
    consents,
    enterprises,
    models,
    numbers,
    policies,
    ports,
    processes,
    replies,
    reports,
    snoozes,
    texts,
    traces,
    traffic,
    upkeep,
    watch,
)
from pipeline.errors import AntispamError, UnavailableError

# The commands import their work themselves: `antispam --help` and the shell's completion must not wait for numpy,
# Faust and DuckDB.

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
for subject in (
    processes,
    traffic,
    traces,
    reports,
    texts,
    policies,
    backtests,
    ports,
    enterprises,
    complaints,
    consents,
    replies,
    models,
    numbers,
    accounts,
    upkeep,
    benches,
):
    app.add_typer(subject.app)
for part in (snoozes, watch):
    policies.policy_app.add_typer(part.app)


def main() -> None:
    """Entry point. An error that the user can fix is printed as one line on stderr, with exit code 1."""
    faulthandler.enable(file=2)  # a crash inside a library prints the stack of every thread
    os.umask(0o077)  # only the owner may read our files (permissions.py)
    try:
        app(prog_name="antispam")
    except UnavailableError as error:
        print(f"antispam: {error} (away just now, so try again later)", file=sys.stderr)
        sys.exit(1)
    except AntispamError as error:
        print(f"antispam: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # for example a folder without write access, or a full disk
        where = f"{error.filename}: " if error.filename else ""
        print(f"antispam: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
