"""Numbers of persons: reported, restored, and the orders about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pipeline.commands import context

app = typer.Typer()
number_app = typer.Typer(no_args_is_help=True, help="Numbers of persons that send spam, and the orders about them.")
app.add_typer(number_app, name="number")

Number = Annotated[str, typer.Argument(help="A mobile number, in any spelling.")]
Ident = Annotated[int, typer.Argument(help="The number of an order, as `antispam number orders` shows it.")]


@number_app.command("stop")
def number_stop(
    number: Number, reason: Annotated[str, typer.Option(help="Why; the audit trail and the subscriber get it.")]
) -> None:
    """Put a number on the black list, and report it to BOSS or to its network."""
    from pipeline.actions.orders import desk

    with context.database() as db:
        asked = desk.stop_number(db, context.administrator(), _parties(), number, reason, context.now())
    typer.echo("listed; nobody is to be asked about it" if asked is None else f"listed; order {asked}")


@number_app.command("restore")
def number_restore(
    number: Number,
    undertaking: Annotated[str, typer.Option(help="Where the subscriber's undertaking is.")],
    watch_days: Annotated[int, typer.Option(help="Days of its probation.")] = 30,
) -> None:
    """Restore a number after an undertaking; BOSS is asked first, if it stopped the number."""
    from pipeline.actions.orders import desk

    with context.database() as db:
        who, now = context.administrator(), context.now()
        asked = desk.restore_number(db, who, _parties(), number, undertaking, watch_days, now)
    typer.echo("restored, and on probation" if asked is None else f"BOSS is asked: order {asked}")


@number_app.command("orders")
def number_orders(
    state: Annotated[list[str] | None, typer.Option(help="open, sent, confirmed, refused, given_up…")] = None,
    party: Annotated[str, typer.Option(help="boss, hlr, or a carrier.")] = "",
    number: Annotated[str, typer.Option(help="A number, or its beginning.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
) -> None:
    """List orders, the newest change first."""
    from pipeline.actions.orders import desk

    with context.database() as db:
        who = context.administrator()
        wanted = desk.Wanted(tuple(state or ()), (), party, number)
        rows, counts = desk.orders(db, who, wanted, limit), desk.counts(db, who, wanted)
    for row in rows:
        typer.echo(_line(row))
    typer.echo(", ".join(f"{name} {orders:,}" for name, orders in sorted(counts.items())) or "no order is like that")


@number_app.command("history")
def number_history(number: Number) -> None:
    """All orders about one number, oldest first."""
    from pipeline.actions.orders import desk

    with context.database() as db:
        rows = desk.history(db, context.administrator(), number)
    for row in rows:
        typer.echo(_line(row))
    if not rows:
        typer.echo("no order is about this number")


@number_app.command("retry")
def number_retry(order: Ident) -> None:
    """Send an order again that was given up or refused."""
    from pipeline.actions.orders import desk

    with context.database() as db:
        desk.retry(db, context.administrator(), _parties(), order, context.now())


@number_app.command("cancel")
def number_cancel(order: Ident, reason: Annotated[str, typer.Option(help="Why; the audit trail keeps it.")]) -> None:
    """Withdraw an order that was not sent yet, or was given up."""
    from pipeline.actions.orders import desk

    with context.database() as db:
        desk.cancel(db, context.administrator(), _parties(), order, reason, context.now())


@number_app.command("reconciliations")
def number_reconciliations() -> None:
    """The latest comparisons with the daily lists of BOSS and HLR."""
    from pipeline.actions.orders import desk

    with context.database() as db:
        rows = desk.reconciliations(db, context.administrator())
    for row in rows:
        told = f"ours {row.ours:,}  theirs {row.theirs:,}  missing {row.missing:,}  extra {row.extra:,}"
        typer.echo(f"{_time(row.at)}  {row.party}  {told}")
    if not rows:
        typer.echo("no list was compared yet")


def _line(row: Any) -> str:
    answer = f"  {row.answer} {row.answer_reason}".rstrip() if row.answer else ""
    tries = f"try {row.tries}" if row.tries else "not sent"
    return f"{row.id}  {_time(row.changed_at)}  {row.kind} {row.number} → {row.party}  {row.state}, {tries}{answer}"


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")


def _parties() -> Any:
    from pipeline.actions.orders.parties import load_parties

    return load_parties(context.settings())
