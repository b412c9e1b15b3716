"""The traffic of the running pipeline: files to ingest, queries of the lake, dead letters."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()
letters_app = typer.Typer(no_args_is_help=True, help="What could not be decoded or screened.")
app.add_typer(letters_app, name="dead-letters")


@app.command()
def ingest(
    what: Annotated[str, typer.Argument(help="submissions, records or complaints.")],
    paths: Annotated[list[Path], typer.Argument(help="Files: jsonl or csv, plain or gzip, UTF-8 or GBK.")],
    delimiter: context.Delimiter = None,
    header: context.Header = None,
    quotes: context.Quotes = True,
) -> None:
    """Ingest files into the running pipeline, each exactly once, even after interruptions."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from pipeline.ingest.files.ingester import ingest as run
    from pipeline.ingest.files.line_kinds import KINDS

    if what not in KINDS:
        raise typer.BadParameter(f"unknown kind {what!r}; one of {', '.join(KINDS)}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {path: bars.add_task(path.name, total=None) for path in paths}
        results = run(
            what,
            paths,
            context.settings(),
            lambda path, done, size: bars.update(tasks[path], completed=done, total=size),
            context.csv_form(delimiter, header, quotes),
        )
    for result in results:
        skipped = f", {result.skipped} lines done before" if result.skipped else ""
        bad = f", {result.rejected} bad lines in {result.path}.rejected.jsonl" if result.rejected else ""
        again = f", {result.duplicates} accepted before" if result.duplicates else ""
        typer.echo(f"{result.path}: {result.accepted} {what}{bad}{again}{skipped}")


@app.command()
def query(
    sql: Annotated[
        str | None, typer.Argument(help="One SELECT over the lake's views; with --describe, a view.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    told: Annotated[bool, typer.Option("--describe", help="List the views, or the columns of one.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most rows of the answer.")] = 100_000,
    timeout: Annotated[float, typer.Option(min=0.1, help="Longest time of the answer, seconds.")] = 300.0,
) -> None:
    """DuckDB over the lake: numbers are hashed and texts masked in every view."""
    from pipeline.lake.query import FORMATS, describe, render
    from pipeline.lake.query import query as run

    if form not in FORMATS:
        raise typer.BadParameter(f"unknown format {form!r}; one of {', '.join(FORMATS)}")
    if told:
        render(describe(sql), form, sys.stdout)
        return
    if sql is None:
        raise typer.BadParameter("one SELECT is wanted, or --describe")
    rows = run(sql, context.settings(), limit + 1, timeout)
    render(rows.slice(0, limit), form, sys.stdout)
    if rows.num_rows > limit:
        typer.echo(f"query: only the first {limit:,} rows; --limit asks for more", err=True)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="A file that ends in .duckdb, or a folder for Parquet files.")],
    views: Annotated[list[str] | None, typer.Option("--view", help="A view; may be repeated. Default: all.")] = None,
    since: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC).")] = None,
) -> None:
    """Copy the lake's views for BI tools: numbers are hashed and texts masked, as in the views."""
    from pipeline.lake.export import export as run

    days = [moment.date() if moment else None for moment in (since, until)]
    for view, rows in run(context.settings(), target, views or (), *days).items():
        typer.echo(f"{view}: {rows} rows")


@letters_app.command("list")
def letters_list() -> None:
    """List the dead letters not yet sent back, oldest first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pipeline.kafka.dead_letters import dead_letters

    letters = dead_letters(context.settings())
    table = Table("id", "time", "tries", "bytes", "cause", caption=f"{len(letters)} dead letters")
    for name, letter in letters.items():
        at = datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(timespec="seconds")
        # Other programs may write both values: no markup, and no control characters for the terminal.
        key, cause = (
            Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in written))
            for written in (name, letter.cause)
        )
        table.add_row(key, at, str(letter.attempts), str(len(letter.value or b"")), cause)
    Console().print(table if letters else "no dead letters")


@letters_app.command("retry")
def letters_retry(
    names: Annotated[list[str] | None, typer.Argument(help="Ids from `list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Send dead letters back to the topic they came from."""
    from pipeline.kafka.dead_letters import retry

    if bool(names) == every:
        raise typer.BadParameter("name letters, or give --all")
    typer.echo(f"{retry(context.settings(), None if every else names)} sent round again")
