"""Traces of frames: started, stopped, listed and shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()
trace_app = typer.Typer(no_args_is_help=True, help="Note the frames of a channel, a port or a number for some minutes.")
app.add_typer(trace_app, name="trace")


@trace_app.command("start")
def trace_start(
    subject: Annotated[str, typer.Argument(help="channel, port or number.")],
    value: Annotated[str, typer.Argument(help="Its name, code or number.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    minutes: Annotated[int, typer.Option(help="How long, 1 to 60.")] = 10,
) -> None:
    """Note frames from now on; prints the id of the trace."""
    from pipeline.actions.tracing import traces
    from pipeline.actions.tracing.subject import Subject

    if subject not in set(Subject):
        raise typer.BadParameter(f"unknown subject {subject!r}; one of {', '.join(Subject)}")
    with context.database() as db:
        typer.echo(traces.start(db, context.administrator(), Subject(subject), value, minutes, reason, context.now()))


@trace_app.command("stop")
def trace_stop(trace: Annotated[int, typer.Argument(help="Its id.")]) -> None:
    """End a trace at once; its frames stay."""
    from pipeline.actions.tracing import traces

    with context.database() as db:
        ended = traces.stop(db, context.administrator(), trace, context.now())
    typer.echo(f"trace {trace} ended" if ended else f"trace {trace} did not run")


@trace_app.command("list")
def trace_list() -> None:
    """All traces, the newest first; numbers are masked."""
    from pipeline.actions.tracing import traces

    with context.database() as db:
        for row in traces.traces(db, context.administrator()):
            until = datetime.fromtimestamp(row.until / 1000, UTC).isoformat(timespec="seconds")
            typer.echo(f"{row.id}\t{row.subject}\t{row.value}\tuntil {until}\t{row.frames} frames")


@trace_app.command("show")
def trace_show(
    trace: Annotated[int, typer.Argument(help="Its id.")],
    full_reason: Annotated[
        str | None, typer.Option(help="Show numbers and texts, for this reason; kept in the audit trail.")
    ] = None,
) -> None:
    """The frames of a trace in their order, one json object a line; without numbers and texts."""
    import msgspec

    from pipeline.actions.tracing import traces

    with context.database() as db:
        user = context.administrator()
        if full_reason is None:
            found = traces.frames(db, user, trace)
        else:
            found = traces.full_frames(db, user, trace, full_reason, context.now())
    for noted in found:
        typer.echo(msgspec.json.encode(noted).decode())
