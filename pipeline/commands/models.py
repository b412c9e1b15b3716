"""Making, measuring and publishing models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.commands import context
from pipeline.durations import DAY_MS

app = typer.Typer()
model_app = typer.Typer(no_args_is_help=True, help="Put models in force or on trial, and take them back.")
app.add_typer(model_app, name="model")

DataFiles = Annotated[list[Path], typer.Option(help="Labelled texts, jsonl; may be repeated.")]


@app.command()
def train(
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="The model directory to write.")],
    held_out: Annotated[list[Path] | None, typer.Option(help="Labelled texts to measure on, for the card.")] = None,
    field_days: Annotated[
        int | None, typer.Option(min=1, help="Also teach verdicts and complaints of so many days; as `labels`.")
    ] = None,
) -> None:
    """Make a model directory (weights, card, thresholds) from labelled texts."""
    from pipeline.models.train import train as run

    field = _labels(field_days) if field_days else []
    if field:
        typer.echo(f"{len(field)} labelled texts from the field", err=True)
    card = run(data, out, held_out or (), field)
    limits = ", ".join(f"{name} {by.review:.4f} and {by.reject:.4f}" for name, by in card.thresholds.items())
    typer.echo(f"model {card.version} in {out}: review and reject from {limits}")


@app.command()
def labels(
    out: Annotated[Path, typer.Option(help="jsonl for `train --data`, - is stdout; full texts: keep it to yourself.")],
    days: Annotated[int, typer.Option(min=1, help="Verdicts of the last so many days.")] = 160,
) -> None:
    """What reviewers decided, as labelled texts to train on; leaves an audit row."""
    import os

    import msgspec

    found = _labels(days)
    lines = (msgspec.json.encode(sample) + b"\n" for sample in found)
    if str(out) == "-":
        sys.stdout.buffer.writelines(lines)
    else:  # do not follow a foreign link: the file holds full texts
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            os.fchmod(file.fileno(), 0o600)  # an existing file keeps its mode otherwise
            file.writelines(lines)
    typer.echo(f"{len(found)} labelled texts in {out}", err=True)


def _labels(days: int) -> Any:
    """The labelled texts of the last so many days; leaves an audit row."""
    from pipeline.actions.review.labels import labels as find

    now = context.now()
    with context.database() as db:
        return find(db, context.administrator(), now - days * DAY_MS, now)


@app.command()
def evaluate(
    data: DataFiles, model: Annotated[Path, typer.Option(help="The model directory; takes the report.")]
) -> None:
    """Measure a model: json on stdout, and evaluation.json and evaluation.md in its directory."""
    import msgspec

    from pipeline.models.classifier import Classifier
    from pipeline.models.evaluate import evaluate as run
    from pipeline.models.evaluate import read_samples

    classifier = Classifier.load(model)
    report = run(classifier, read_samples(data))
    named = f"on {', '.join(path.name for path in data)}"
    measured = msgspec.structs.replace(classifier.card, metrics={named: report})
    context.print_json(report)
    (model / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    (model / "evaluation.md").write_text(measured.markdown(), encoding="utf-8")


Reason = Annotated[str, typer.Option(help="Why it is put in force without evidence, or with worse figures.")]


@model_app.command("publish")
def model_publish(
    folder: Path,
    on_trial: Annotated[bool, typer.Option(help="Score beside the model in force, for rules in shadow mode.")] = False,
    reason: Reason = "",
) -> None:
    """Keep a model directory under its version and put it in force on all workers, by one person, or on trial."""
    from pipeline.actions.model_versions import publish, try_out

    settings, user = context.settings(), context.administrator()
    with context.database() as db:
        if on_trial:
            version, epoch = try_out(db, settings, user, folder, context.now())
        else:
            version, epoch = publish(db, settings, user, folder, context.approval(), context.now(), reason)
        typer.echo(f"model {version} {'on trial' if on_trial else 'in force'}")
        context.await_relay(db, epoch)


@model_app.command("compare")
def model_compare(
    data: DataFiles,
    model: Annotated[Path | None, typer.Option(help="A model directory; without it, the model on trial.")] = None,
) -> None:
    """Measure a model and the one in force on the same texts: the evidence for `promote`; leaves an audit row."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.actions.model_comparison import compare
    from pipeline.actions.model_versions import folder_in_force, folder_on_trial

    with context.database() as db:
        folder, in_force = model or folder_on_trial(db), folder_in_force(db)
        found = compare(db, context.administrator(), folder, in_force, data, context.now())
    table = Table("", "texts", f"over strict: {found.against}", found.version)
    for group, after in found.after.items():
        for part, texts, figure in (
            ("spam", "spam", "spam_over_reject"),
            ("honest", "ham", "ham_over_reject"),
            ("", "messages", "over_reject"),
        ):
            if texts in after:
                shown = (f"{each[group][figure]:.4f}" for each in (found.before, found.after))
                table.add_row(f"{group} {part}".strip(), f"{after[texts]:,}", *shown)
    Console().print(table)
    for line in found.worse or ["nothing is worse"]:
        typer.echo(line)


@model_app.command("promote")
def model_promote(reason: Reason = "") -> None:
    """Put the model on trial in force, with the evidence of `compare`. Another person than who put it on trial."""
    from pipeline.actions.model_versions import promote

    with context.database() as db:
        version, epoch = promote(db, context.administrator(), context.approval(), context.now(), reason)
        typer.echo(f"model {version} in force")
        context.await_relay(db, epoch)


@model_app.command("rollback")
def model_rollback() -> None:
    """Put the previous model in force again."""
    from pipeline.actions.model_versions import ACTIVE
    from pipeline.store.registry import registry

    with context.database() as db:
        context.await_relay(db, registry.rollback(db, context.administrator(), "model", ACTIVE, context.now()))


@model_app.command("withdraw")
def model_withdraw() -> None:
    """Put the shipped model in force, whatever was published or taught from labels."""
    from pipeline.actions.model_versions import ACTIVE
    from pipeline.decision.configuration import SHIPPED
    from pipeline.store.registry import registry

    with context.database() as db:
        user = context.administrator()
        context.await_relay(db, registry.publish_configuration(db, user, "model", ACTIVE, SHIPPED, context.now()))


@model_app.command("end-trial")
def model_end_trial() -> None:
    """Stop scoring with the model on trial."""
    from pipeline.decision.configuration import CHALLENGER
    from pipeline.store.registry import registry

    with context.database() as db:
        context.await_relay(db, registry.withdraw(db, context.administrator(), "model", CHALLENGER, context.now()))


@model_app.command("versions")
def model_versions() -> None:
    """List every model ever in force or on trial, newest first."""
    from datetime import UTC, datetime

    from pipeline.actions.model_versions import ACTIVE
    from pipeline.decision.configuration import CHALLENGER
    from pipeline.store.registry import registry

    with context.database() as db:
        for name in (ACTIVE, CHALLENGER):
            for version, author, at, current in registry.versions(db, "model", name):
                when = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
                folder = registry.configuration(db, "model", name, version)
                typer.echo(f"{name}  {when}  {author}  {folder}{'  now' if current else ''}")


@model_app.command("drift")
def model_drift(
    weeks: Annotated[int, typer.Option(min=1, max=52, help="Weeks back from today.")] = 8,
    model: Annotated[Path | None, typer.Option(help="The model directory; without it, the model in force.")] = None,
    ports: Annotated[bool, typer.Option("--ports", help="The ports with the largest shares over strict.")] = False,
) -> None:
    """Shares of the traffic over strict and over 0.5 by week, kind and script, beside what the card says."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.actions.drift import drift
    from pipeline.actions.model_versions import folder_in_force
    from pipeline.lake.reader import LakeReader
    from pipeline.models.card import Card

    with context.database() as db:
        folder = model or folder_in_force(db)
    card = Card.load(folder / "card.json")
    cursor = LakeReader(context.settings()).cursor()
    found = drift(cursor, context.administrator(), card, weeks, context.now(), by_port=ports)
    shares = ("decisions", "over strict", "honest, by the card", "over 0.5")
    table = Table("week", *(["port"] if ports else []), "kind", "script", *shares)
    for each in found:
        table.add_row(
            each.week.isoformat(),
            *([each.port] if ports else []),
            each.kind,
            each.script,
            f"{each.decisions:,}",
            f"{each.over_strict:.2%}",
            "–" if each.expected is None else f"{each.expected:.1%}",
            f"{each.over_half:.2%}",
        )
    Console().print(table if found else f"no decision of model {card.version} in the last {weeks} weeks")
