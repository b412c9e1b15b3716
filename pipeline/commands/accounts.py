"""Accounts of the console."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()
user_app = typer.Typer(no_args_is_help=True, help="Accounts of the console.")
app.add_typer(user_app, name="user")


@user_app.command("add")
def user_add(
    name: str,
    role: Annotated[str, typer.Option(help="viewer, reviewer, senior_reviewer, operator, analyst, …")],
    scope: Annotated[str | None, typer.Option(help="province=…, city=… or enterprise=…; default all.")] = None,
) -> None:
    """Create an account; prints its one-time password, which is shown once."""
    from pipeline.store.accounts.roles import Role
    from pipeline.store.accounts.users import add_user

    if role not in list(Role):
        raise typer.BadParameter(f"unknown role {role!r}; one of {', '.join(Role)}")
    kind, _, value = (scope or "").partition("=")
    with context.database() as db:
        typer.echo(
            add_user(db, context.administrator(), name, Role(role), {kind: value} if scope else {}, context.now())
        )


@user_app.command("list")
def user_list() -> None:
    """List all accounts."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.store.accounts.users import list_users

    table = Table("name", "role", "scope", "queues", "state")
    with context.database() as db:
        for account in list_users(db, context.administrator(), context.now()):
            scope = ", ".join(f"{kind}={value}" for kind, value in account.scope.items()) or "all"
            queues = ", ".join(account.queues) or "all"
            table.add_row(account.name, account.role, scope, queues, account.state(context.now()))
    Console().print(table)


@user_app.command("disable")
def user_disable(name: str) -> None:
    """End an account's sessions and block its sign-in."""
    from pipeline.store.accounts.users import set_active

    with context.database() as db:
        set_active(db, context.administrator(), name, False, context.now())
    typer.echo(f"{name} is disabled")


@user_app.command("queues")
def user_queues(
    name: str, queues: Annotated[list[str] | None, typer.Argument(help="Queues of the policy; none: all cases.")] = None
) -> None:
    """Limit a reviewer to some queues."""
    from pipeline.actions.review.queue_access import set_queues

    with context.database() as db:
        set_queues(db, context.administrator(), name, queues or [], context.now())
    typer.echo(f"{name} reviews {', '.join(sorted(set(queues or []))) or 'all cases'}")


@user_app.command("reset")
def user_reset(name: str) -> None:
    """Set a new one-time password, printed once; the sessions end."""
    from pipeline.store.accounts.users import reset_password

    with context.database() as db:
        typer.echo(reset_password(db, context.administrator(), name, context.now()))


@user_app.command("let-in")
def user_let_in(name: str) -> None:
    """Unlock an account after too many failed sign-ins; its password and sessions stay."""
    from pipeline.store.accounts.users import let_in

    with context.database() as db:
        let_in(db, context.administrator(), name, context.now())
    typer.echo(f"{name} may try again")
