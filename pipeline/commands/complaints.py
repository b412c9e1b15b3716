"""Complaints of recipients: files of the channels, matching, rates, answers."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands import context
from pipeline.errors import AntispamError

app = typer.Typer()
complaint_app = typer.Typer(no_args_is_help=True, help="Complaints of recipients.")
app.add_typer(complaint_app, name="complaint")

Source = Annotated[str, typer.Argument(help="12321, hotline, mo, 7726, or a shape of ANTISPAM_COMPLAINT_SHAPES.")]


@complaint_app.command("import")
def complaint_import(
    source: Source,
    files: Annotated[list[Path], typer.Argument(help="Files of this channel, UTF-8 or GBK, plain or gzip.")],
) -> None:
    """Take the complaints of a channel's files; a complaint that is known changes nothing."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from pipeline.actions.complaints.complaint_file import import_complaints

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with context.database() as db, Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for file in files:
            task = bars.add_task(file.name, total=None)
            kept = file.with_name(f"{file.name}.rejected.jsonl")
            result = import_complaints(
                db,
                context.administrator(),
                file,
                kept,
                source,
                context.settings(),
                partial(_show, bars, task),
            )
            taken = result.taken
            bad = f", {result.rejected} bad lines in {kept}" if result.rejected else ""
            typer.echo(
                f"{file}: {taken.new} new complaints, {taken.strange} of them about no registered port, "
                f"{taken.doubles} known{bad}"
            )


def _show(bars: Any, task: Any, done: int, size: int) -> None:
    bars.update(task, completed=done, total=size)


@complaint_app.command("match")
def complaint_match() -> None:
    """Find the messages of waiting complaints in the lake, and count the messages of this month and the last."""
    from pipeline.actions.complaints.lake_matches import match_waiting
    from pipeline.actions.complaints.rates import count_months
    from pipeline.lake.reader import LakeReader

    settings = context.settings()
    with context.database() as db:
        lake = LakeReader(settings).cursor()
        done = match_waiting(db, lake, settings, context.now())
        ports = count_months(db, lake, settings.console_zone, context.now())
    typer.echo(f"{', '.join(f'{number} {found}' for found, number in done.items())}; {ports} ports counted by month")


@complaint_app.command("rates")
def complaint_rates(
    by: Annotated[str, typer.Option(help="port, enterprise or month.")] = "port",
    month: Annotated[str | None, typer.Option(help="A month such as 2026-07; unset: this one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")] = False,
) -> None:
    """Complaints of a month per million messages that left in it, the worst first."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.actions.complaints.matching import Found
    from pipeline.actions.complaints.rates import rates
    from pipeline.rules.clock.months import month_of

    if by not in ("port", "enterprise", "month"):
        raise typer.BadParameter(f"unknown {by!r}; one of port, enterprise, month")
    zone = context.settings().console_zone
    wanted = month or month_of(context.now(), zone)
    with context.database() as db:
        found = rates(db, context.administrator(), by, wanted, zone)  # type: ignore[arg-type]
    if as_json:
        rows = [
            {
                "name": r.name,
                "messages": r.messages,
                "complaints": r.total,
                "per_million": r.per_million,
                **r.complaints,
            }
            for r in found
        ]
        context.print_json({"month": wanted, "by": by, "rates": rows})
        return
    states = [state.value for state in Found]
    table = Table(by, "messages", "complaints", "per million", *states, title=f"{wanted}, {zone}")
    for rate in found:
        per_million = "–" if rate.per_million is None else f"{rate.per_million:,.2f}"
        parts = [f"{rate.complaints.get(state, 0):,}" for state in states]
        table.add_row(rate.name or "–", f"{rate.messages:,}", f"{rate.total:,}", per_million, *parts)
    Console().print(table if found else "no complaints")


@complaint_app.command("answers")
def complaint_answers(
    source: Source,
    out: Annotated[Path, typer.Option(help="Where the answer file goes.")],
    again: Annotated[str | None, typer.Option(help="The time of an earlier file (ISO 8601), to make it again.")] = None,
) -> None:
    """Answer what is matched, doubtful or unmatched, and write the answer file of the channel."""
    from pipeline.actions.complaints.answers import answer, answer_file
    from pipeline.door import time

    with context.database() as db:
        user, settings = context.administrator(), context.settings()
        at = context.now() if again is None else time(again, "again")
        if again is None and answer(db, user, source, settings, at) == 0:
            typer.echo(f"{source}: nothing to answer")
            return
        data = answer_file(db, user, source, settings, at)
    if data.count(b"\n") == 1:
        raise AntispamError(f"{source}: nothing was answered at this time")
    fresh = out.with_name(f".{out.name}.new")
    given = data.count(b"\n") - 1
    told = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    try:
        fresh.touch(mode=0o600)
        fresh.write_bytes(data)
        fresh.replace(out)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        cause = f"{out}: {error.strerror}; the {given} answers of {told} are given"
        raise AntispamError(f"{cause}: make their file with --again {told}") from None
    typer.echo(f"{out}: {given} answers of {told}; make it again with --again {told}")
