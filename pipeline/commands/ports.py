"""Ports and their API keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context
from pipeline.errors import AntispamError

app = typer.Typer()
port_app = typer.Typer(no_args_is_help=True, help="Show, suspend, resume and terminate ports; file their signatures.")
app.add_typer(port_app, name="port")
key_app = typer.Typer(no_args_is_help=True, help="API keys of ports.")
app.add_typer(key_app, name="api-key")


@port_app.command("show")
def port_show(
    code: Annotated[str | None, typer.Argument(help="A port's code; default: all, one a line.")] = None,
) -> None:
    """A port as registered, in json; or all ports with tier and state."""
    from pipeline.store.registry import registry

    with context.database() as db:
        if code is not None:
            entry = registry.port(db, code)
            if entry is None:
                raise AntispamError(f"unknown port {code}")
            context.print_json(entry)
            return
        offset = 0
        while found := registry.ports(db, context.administrator(), limit=1000, offset=offset):
            for entry in found:
                typer.echo(f"{entry.code}\t{entry.state.value}\t{entry.tier.value}\t{entry.kind.value}\t{entry.name}")
            offset += len(found)


@port_app.command("suspend")
def port_suspend(code: str, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")]) -> None:
    """Stop an open port."""
    from pipeline.store.registry import registry

    with context.database() as db:
        changed = registry.suspend_port(db, context.administrator(), code, reason, "", context.now())
        typer.echo(f"port {code} suspended" if changed else f"port {code} was not open")


@port_app.command("resume")
def port_resume(
    code: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    probation_days: Annotated[
        int | None,
        typer.Option(help="Judge it as tier high today and so many days more; unset: 30 after an undertaking."),
    ] = None,
) -> None:
    """Open a suspended port again."""
    from pipeline.store.registry import registry

    with context.database() as db:
        changed = registry.resume_port(db, context.administrator(), code, reason, "", context.now(), probation_days)
        typer.echo(f"port {code} resumed" if changed else f"port {code} was not suspended")


@port_app.command("undertake")
def port_undertake(
    code: str, text: Annotated[str, typer.Argument(help="What its owner has undertaken; kept in the audit trail.")]
) -> None:
    """Record the undertaking of a suspended port; resumed after it, the port is on probation."""
    from pipeline.store.registry import registry

    with context.database() as db:
        done = registry.record_undertaking(db, context.administrator(), code, text, context.now())
        typer.echo(f"port {code}: recorded" if done else f"port {code} is not suspended, or has given an undertaking")


@port_app.command("limit")
def port_limit(
    code: str,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")],
    days: Annotated[int | None, typer.Option(help="Today and so many days more; unset: 30.")] = None,
    lift: Annotated[bool, typer.Option("--lift", help="End the limit instead.")] = False,
) -> None:
    """Judge an open port by the stricter limits of a probation, until the end of a day."""
    from pipeline.store.registry import registry

    with context.database() as db:
        user, now = context.administrator(), context.now()
        if lift:
            changed = registry.lift_limit(db, user, code, reason, now)
            typer.echo(f"port {code}: the limit is lifted" if changed else f"port {code} was not limited")
            return
        changed = registry.limit_port(db, user, code, reason, days, now)
        typer.echo(f"port {code} limited" if changed else f"port {code} is not open")


@port_app.command("terminate")
def port_terminate(code: str, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")]) -> None:
    """Stop a port for good. This cannot be undone."""
    from pipeline.store.registry import registry

    with context.database() as db:
        changed = registry.terminate(db, context.administrator(), code, reason, "", context.now())
        typer.echo(f"port {code} terminated" if changed else f"port {code} was terminated already")


@port_app.command("filings")
def port_filings(
    file: Annotated[Path, typer.Argument(help="csv: port,signature,carrier,state,applied,decided,until.")],
) -> None:
    """Add or change what carriers said about the signatures of ports (applied, filed, refused, expired)."""
    from pipeline.decision.configuration import read_text
    from pipeline.store.registry import registry

    with context.database() as db:
        text = read_text(file)
        changed = registry.save_filings(db, context.administrator(), text, str(file), context.now())
        typer.echo(f"{changed} ports changed")


@key_app.command("add")
def api_key_add(
    port: str,
    callback: Annotated[str, typer.Option(help="http(s) address that is told of refusals.")] = "",
) -> None:
    """A new key for a registered port; it is shown this once."""
    from pipeline.actions.status.public_address import check_callback
    from pipeline.store.accounts.api_keys import create

    if callback:
        check_callback(callback, context.settings().callback_networks)
    with context.database() as db:
        typer.echo(create(db, context.administrator(), port, callback, context.now()))


@key_app.command("list")
def api_key_list() -> None:
    """All keys by the beginning of their hash, oldest first."""
    from pipeline.store.accounts.api_keys import keys

    with context.database() as db:
        for key in keys(db, context.administrator()):
            state = "revoked" if key.revoked_at else "active"
            typer.echo("  ".join(filter(None, (key.name, key.port, state, key.callback_url))))


@key_app.command("revoke")
def api_key_revoke(name: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """End a key: it is refused within 5 seconds."""
    from pipeline.store.accounts.api_keys import revoke

    with context.database() as db:
        revoke(db, context.administrator(), name, context.now())
    typer.echo(f"{name} revoked")
