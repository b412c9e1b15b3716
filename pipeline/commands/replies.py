"""Subscribers' messages that a rule stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()
reply_app = typer.Typer(no_args_is_help=True, help="Messages of subscribers that a rule stopped.")
app.add_typer(reply_app, name="reply")


@reply_app.command("stopped")
def reply_stopped() -> None:
    """Id, time, port, rule and masked number of stopped messages, newest first."""
    from datetime import UTC, datetime

    from pipeline.actions.replies import stopped

    with context.database() as db:
        for one in stopped.stopped(db, context.administrator()):
            at = datetime.fromtimestamp(one.received_at / 1000, UTC).isoformat(timespec="seconds")
            typer.echo(f"{one.id}\t{at}\t{one.port or 'no port'}\t{one.rule or ''}\t{one.subscriber}")


@reply_app.command("bring")
def reply_bring(ident: int, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")]) -> None:
    """Bring a stopped message to its port."""
    from pipeline.actions.replies import stopped

    with context.database() as db:
        stopped.bring_stopped(db, context.administrator(), ident, reason, context.now())
        typer.echo(f"reply {ident} brought to its port")
