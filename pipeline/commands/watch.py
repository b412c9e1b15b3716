"""The watch of the rules, as text or JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pipeline.commands import context

app = typer.Typer()  # a part of `antispam policy`


@app.command("watch")
def policy_watch(
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout instead of a table.")] = False,
) -> None:
    """Hit rates against their own history, precision by verdicts, rules and signals without use."""
    from pipeline.actions.watch.report import report
    from pipeline.lake.reader import LakeReader

    with context.database() as db:
        told = report(db, LakeReader(context.settings()).cursor(), context.administrator(), context.now())
    if as_json:
        context.print_json(told)
    else:
        _print(told)


def _print(told: Any) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    until = datetime.fromtimestamp(told.until / 1000, UTC).isoformat(timespec="minutes")
    table = Table(
        Column("rule", no_wrap=True), "mode", "last hour", "usual", "course", f"hits, {told.days} d", "counted",
        "precision (95 %)", "alarm since",
        title=f"complete hours until {until}",
    )  # fmt: skip
    for each in told.rules:
        found = each.precision
        table.add_row(
            each.rule,
            each.mode,
            _percent(each.hour.rate),
            _percent(each.hour.usual),
            each.hour.course.value.replace("_", " "),
            f"{each.hits.hits:,}",
            f"{each.hits.counted:,}",
            f"{found.hits}/{found.of} ({found.low:.2f}–{found.high:.2f})" if found else "–",
            datetime.fromtimestamp(each.alarm / 1000, UTC).isoformat(timespec="minutes") if each.alarm else "",
        )
    Console().print(table)
    for title, names in (
        ("never hit", [each.rule for each in told.rules if each.never_hit]),
        ("hit, never counted", [each.rule for each in told.rules if each.never_counted]),
        ("counters that no rule reads", told.unused.counters),
        ("signals that no rule reads", told.unused.signals),
    ):
        typer.echo(f"{title}: {', '.join(names) or 'none'}")


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f} %"
