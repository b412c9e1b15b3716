"""Commands that process files of submissions and texts, without a broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context

app = typer.Typer()
In = Annotated[Path, typer.Option("--in", help="Input file; - is stdin.")]
Out = Annotated[Path, typer.Option("--out", help="Output file; - is stdout.")]
RejectedFile = Annotated[Path | None, typer.Option(help="Bad lines go here (default: <out>.rejected.jsonl).")]


def _beside(out: Path, command: str) -> Path:
    return Path(f"{command if str(out) == '-' else out}.rejected.jsonl")


def _summary(count: int, what: str, bad: int, kept: Path) -> str:
    return f"{count} {what}" + (f", {bad} bad lines in {kept}" if bad else "")


@app.command()
def screen(
    source: In,
    out: Out,
    policy: context.PolicyFile = None,
    config: context.ConfigDir = None,
    rejected: RejectedFile = None,
    delimiter: context.Delimiter = None,
    header: context.Header = None,
    quotes: context.Quotes = True,
) -> None:
    """Decide a file of submissions or records offline; one decision a line."""
    from dataclasses import replace

    from pipeline.decision.configuration import load_directory

    settings = context.settings()
    kept = rejected or _beside(out, "screen")
    form = context.csv_form(delimiter, header, quotes)
    loaded = load_directory(config, policy)
    from pipeline.actions.console.consent_file import CONSENTS, offline_consents  # after a fault of the folder is told
    from pipeline.ingest.files.offline import screen_file

    if config is not None and (config / CONSENTS).exists():
        loaded = replace(loaded, consents=offline_consents(config / CONSENTS))
    decided, bad = screen_file(source, out, kept, loaded, settings, form)
    typer.echo(_summary(decided, "decisions", bad, kept), err=True)


@app.command()
def classify(
    source: In,
    out: Out,
    model: Annotated[Path | None, typer.Option(help="A model directory instead of the shipped one.")] = None,
    rejected: RejectedFile = None,
) -> None:
    """Score a file of texts ({id, text} a line): how much each looks like spam, and its category."""
    from pipeline.ingest.files.text_lines import classify_file
    from pipeline.models.classifier import WEIGHTS, Classifier

    kept = rejected or _beside(out, "classify")
    answered, bad = classify_file(source, out, kept, Classifier.load(model or WEIGHTS))
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="One text.")],
    policy: context.PolicyFile = None,
    config: context.ConfigDir = None,
) -> None:
    """Show what each part of the pipeline sees in a text: links, words, sender, and what its score is made of."""
    from pipeline.decision.configuration import load_directory
    from pipeline.decision.explain import explain as run

    context.print_json(run(text, load_directory(config, policy), context.now()))


@app.command()
def match(
    source: In,
    out: Out,
    dictionary: Annotated[Path | None, typer.Option(help="A dictionary (csv) instead of the shipped one.")] = None,
    rejected: RejectedFile = None,
) -> None:
    """Find dictionary words in a file of texts ({id, text} a line)."""
    from pipeline.decision.configuration import default_dictionary, read_text
    from pipeline.ingest.files.text_lines import match_file
    from pipeline.rules.words.dictionary import Dictionary

    kept = rejected or _beside(out, "match")
    words = Dictionary.parse(read_text(dictionary) if dictionary else default_dictionary())
    answered, bad = match_file(source, out, kept, words, context.now())
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def normalise(source: In, out: Out, rejected: RejectedFile = None) -> None:
    """Show the normal form and further views of a file of texts ({id, text} a line)."""
    from pipeline.ingest.files.text_lines import normalise_file

    kept = rejected or _beside(out, "normalise")
    answered, bad = normalise_file(source, out, kept)
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def campaigns(source: In, out: Out, rejected: RejectedFile = None) -> None:
    """Group a file of texts ({id, text} a line) into campaigns: variants of one text have one id."""
    from pipeline.campaigns.index import Campaigns
    from pipeline.ingest.files.text_lines import campaigns_file

    kept = rejected or _beside(out, "campaigns")
    answered, bad = campaigns_file(source, out, kept, Campaigns())
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def decode(
    kind: Annotated[str, typer.Argument(help="pdu, cmpp2, cmpp3, sgip, smgp, cngp, smpp, or guess.")],
    octets: Annotated[str, typer.Argument(metavar="HEX", help="One whole message, in hex.")],
) -> None:
    """Show a protocol message as json. `guess` shows it as each kind that fits it best."""
    from pipeline.protocols.kinds import decode as run

    context.print_json(run(kind, octets, context.settings().cngp_udhi_tag))
