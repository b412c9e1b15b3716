"""Snoozes of rules: made, listed and lifted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pipeline.commands import context
from pipeline.errors import AntispamError

app = typer.Typer()  # a part of `antispam policy`

Rule = Annotated[str, typer.Argument(help="The id of a rule of the policy in force.")]
For = Annotated[str, typer.Option("--for", help="KIND:VALUE with KIND port, enterprise, signature or link.")]


@app.command("snooze")
def policy_snooze(
    rule: Rule,
    for_: For,
    reason: Annotated[str, typer.Option(help="Why; the audit trail keeps it.")],
    ends: Annotated[str, typer.Option(help="A length such as 12h or 7d, or an ISO 8601 time with zone.")],
) -> None:
    """Let a rule not count for one port, enterprise, signature or link until a time, at most 30 days ahead."""
    from pipeline.durations import parse_duration
    from pipeline.rules.expiry import parse_expiry
    from pipeline.store.registry import snoozes

    kind, value = _scope(for_)
    now = context.now()
    until = parse_expiry(ends) if "-" in ends else now + parse_duration(ends)
    with context.database() as db:
        epoch = snoozes.snooze(db, context.administrator(), rule, kind, value, reason, until, now)
        if epoch is None:
            typer.echo("it is snoozed like this already")
        else:
            context.await_relay(db, epoch)


@app.command("unsnooze")
def policy_unsnooze(
    rule: Rule, for_: For, reason: Annotated[str, typer.Option(help="Why; the audit trail keeps it.")] = ""
) -> None:
    """End a snooze at once."""
    from pipeline.store.registry import snoozes

    kind, value = _scope(for_)
    with context.database() as db:
        epoch = snoozes.unsnooze(db, context.administrator(), rule, kind, value, reason, context.now())
        if epoch is None:
            raise AntispamError(f"rule {rule} is not snoozed for {kind} {value}")
        context.await_relay(db, epoch)


@app.command("snoozes")
def policy_snoozes() -> None:
    """List the snoozes in force, the next to end first."""
    from pipeline.store.registry import snoozes

    with context.database() as db:
        rows = snoozes.snoozes(db, context.administrator(), context.now())
    for row in rows:
        ends = datetime.fromtimestamp(row.until / 1000, UTC).isoformat(timespec="seconds")
        typer.echo(f"{row.rule}  {row.kind}:{row.value}  until {ends}  {row.made_by}  {row.reason}")
    if not rows:
        typer.echo("no rule is snoozed")


def _scope(written: str) -> tuple[Any, str]:
    from pipeline.rules.snoozes import parse_scope

    try:
        return parse_scope(written)
    except AntispamError as error:
        raise AntispamError(f"--for {error}") from None
