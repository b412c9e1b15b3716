"""Enterprises: suspended and resumed with their customers."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()
enterprise_app = typer.Typer(no_args_is_help=True, help="Suspend and resume enterprises with their customers.")
app.add_typer(enterprise_app, name="enterprise")

Why = Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.")]


@enterprise_app.command("suspend")
def enterprise_suspend(code: str, reason: Why) -> None:
    """Stop the open ports of an enterprise, of its customers, and of theirs."""
    from pipeline.store.registry import registry

    with context.database() as db:
        ports = registry.suspend_enterprise(db, context.administrator(), code, reason, context.now())
        typer.echo(f"suspended: {', '.join(ports)}" if ports else f"enterprise {code} has no open port")


@enterprise_app.command("resume")
def enterprise_resume(code: str, reason: Why) -> None:
    """Open the ports that `enterprise suspend` stopped; a port that was stopped for another reason stays so."""
    from pipeline.store.registry import registry

    with context.database() as db:
        ports = registry.resume_enterprise(db, context.administrator(), code, reason, context.now())
        typer.echo(f"resumed: {', '.join(ports)}" if ports else f"no port was suspended with enterprise {code}")
