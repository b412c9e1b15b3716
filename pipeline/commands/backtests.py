"""Backtests: what another policy would have decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context
from pipeline.rules.policies.lifecycle import LivingKind

app = typer.Typer()
_SLACK_MS = 24 * 3600 * 1000  # a case may get a member later than its decision


@app.command()
def backtest(
    since: Annotated[str, typer.Option(help="Begin of the period: ISO 8601 with zone, or epoch ms.")],
    until: Annotated[str, typer.Option(help="End of the period, exclusive.")],
    policy: Annotated[
        Path | None, typer.Option(help="A policy file. Default: the policies that were in force.")
    ] = None,
    sweep: Annotated[
        str | None, typer.Option(help="NAME=a,b,c: also with these values of one number; NAME is RULE or RULE.SIGNAL.")
    ] = None,
    change: Annotated[
        Path | None, typer.Option(help="Another file in place of the one of each decision's time; see --kind.")
    ] = None,
    kind: Annotated[LivingKind | None, typer.Option(help="What --change is.")] = None,
    name: Annotated[str, typer.Option(help="Of a list file, if not lists.csv.")] = "",
) -> None:
    """Replay a period of the lake under a policy or another file; json on stdout, a summary on stderr.

    A killed run goes on.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from pipeline import door
    from pipeline.actions.review.judged import judged_members
    from pipeline.decision.configuration import read_text
    from pipeline.lake.backtest.change import Change
    from pipeline.lake.backtest.run import Question
    from pipeline.lake.backtest.run import backtest as run
    from pipeline.lake.backtest.sweep import parse_sweep
    from pipeline.lake.backtest.text import render
    from pipeline.rules.policies.formats import name_of

    if (change is None) != (kind is None):
        raise typer.BadParameter("--change and --kind go together")
    tested = None
    if change is not None and kind is not None:
        text = read_text(change)
        tested = Change(kind, name_of(kind, text, name), text)
    question = Question(
        since=door.time(since, "--since"),
        until=door.time(until, "--until"),
        policy=None if policy is None else read_text(policy),
        file=str(policy or "policy.yaml"),
        sweep=None if sweep is None else parse_sweep(sweep),
        change=tested,
    )
    with context.database() as db:
        judged = judged_members(db, question.since, question.until + _SLACK_MS, context.now())
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task("decisions", total=None)
        report = run(
            context.settings(),
            question,
            judged,
            context.now(),
            lambda done, rows: bars.update(task, completed=done, total=rows),
        )
    typer.echo(render(report), err=True)
    context.print_json(report)
