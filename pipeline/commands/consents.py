"""Consents of recipients to commercial messages: imported, and shown as proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context
from pipeline.errors import AntispamError

app = typer.Typer()
consent_app = typer.Typer(no_args_is_help=True, help="Consents of recipients to commercial messages.")
app.add_typer(consent_app, name="consent")


@consent_app.command("import")
def consent_import(
    file: Annotated[Path, typer.Argument(help="csv or jsonl: recipient, port or enterprise, kind, source, given_at.")],
    rejected: Annotated[Path | None, typer.Option(help="Bad lines; default: <file>.rejected.jsonl.")] = None,
    delimiter: context.Delimiter = None,
    header: context.Header = None,
    quotes: context.Quotes = True,
) -> None:
    """Record consents, requests, questions and refusals, and put them in force."""
    from pipeline.actions.console.consent_file import import_consents

    kept = rejected or file.with_name(f"{file.name}.rejected.jsonl")
    with context.database() as db:
        form = context.csv_form(delimiter, header, quotes)
        result = import_consents(db, context.administrator(), file, kept, form)
        bad = f", {result.rejected} bad lines in {kept}" if result.rejected else ""
        typer.echo(f"{file}: {result.recorded} consents{bad}")
        if result.epoch is not None:
            context.await_relay(db, result.epoch)


@consent_app.command("show")
def consent_show(number: Annotated[str, typer.Argument(help="A recipient's number.")]) -> None:
    """Every entry of a number, oldest first: the proof."""
    from datetime import UTC, datetime

    from pipeline.store.registry import consents
    from pipeline.text import numbers

    form = numbers.number(number)
    if form is None:
        raise AntispamError("one phone number expected")

    def day(at: int) -> str:
        return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")

    with context.database() as db:
        for row in consents.history(db, context.administrator(), form):
            until = f"  until {day(row.until)}" if row.until is not None else ""
            typer.echo(f"{day(row.given_at)}  {row.scope}  {row.kind}{until}  {row.source}  ({row.recorded_by})")
