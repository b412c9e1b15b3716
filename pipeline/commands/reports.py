"""Reports for departments, regulators and billing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="daily, weekly, monthly or usage.")],
    of: Annotated[
        str | None, typer.Option("--for", help="A day of the period: 2026-11-22. Default: the last complete period.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. Default: reports in the data folder.")] = None,
) -> None:
    """Write a report as HTML and csv, in Chinese and English; prints the files."""
    from datetime import date

    from pipeline.actions.reports.period import containing, last_complete
    from pipeline.actions.reports.report import find, folder, make, write

    settings, span = context.settings(), find(name).span
    try:
        day = None if of is None else date.fromisoformat(of)
    except ValueError:
        raise typer.BadParameter(f"--for: a day such as 2026-11-22 expected, not {of!r}") from None
    zone = settings.console_zone
    period = last_complete(span, context.now(), zone) if day is None else containing(span, day, zone)
    with context.database() as db:
        made = make(db, settings, context.administrator(), name, period)
    for path in write(made, out or folder(settings)):
        typer.echo(path)
