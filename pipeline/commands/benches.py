"""Measurements; json on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()
bench_app = typer.Typer(no_args_is_help=True, help="Measure; json on stdout.")
app.add_typer(bench_app, name="bench")


@bench_app.command("engine")
def bench_engine(count: Annotated[int, typer.Option(help="Submissions.")] = 50_000) -> None:
    """The decision function alone, by stage."""
    from pipeline.bench.engine import run

    context.print_json(run(context.settings(), count))


@bench_app.command("stream")
def bench_stream(count: Annotated[int, typer.Option(help="Submissions.")] = 200_000) -> None:
    """Broker to decision, beside the engine in the same run."""
    from pipeline.bench.stream import run

    context.print_json(run(context.settings(), count))


@bench_app.command("senders")
def bench_senders(count: Annotated[int, typer.Option(help="Released messages.")] = 20_000) -> None:
    """Sender agents to a simulated carrier, and the whole journey from the API on."""
    from pipeline.bench.senders import run

    context.print_json(run(context.settings(), count))


@bench_app.command("backtest")
def bench_backtest(count: Annotated[int, typer.Option(help="Submissions and records.")] = 180_000) -> None:
    """Backtests of a lake of invented traffic: unchanged, and with one number changed."""
    from pipeline.bench.backtest import run

    context.print_json(run(count))


@bench_app.command("lake")
def bench_lake(
    messages: Annotated[int, typer.Option(help="Messages in the lake.")] = 2_000_000,
    kept: Annotated[Path | None, typer.Option("--keep", help="Folder to keep the lake in, and to ask again.")] = None,
) -> None:
    """A lake of invented traffic: size, compaction, and the questions of analysts, pages and reports."""
    from pipeline.bench.lake import run

    context.print_json(run(messages, kept))
