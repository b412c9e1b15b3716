"""`antispam`: each command calls one function. Exit 0 on success, 2 on bad usage, 1 on failure with one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import AntispamError

# Imports of the work itself stand in the commands: `antispam --help` and a shell's completion must not
# wait for numpy, Faust and DuckDB.

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
policy_app = typer.Typer(no_args_is_help=True, help="Check and publish the policy.")
model_app = typer.Typer(no_args_is_help=True, help="Put models in force or on trial, and take them back.")
letters_app = typer.Typer(no_args_is_help=True, help="What could not be decoded or screened.")
broker_app = typer.Typer(no_args_is_help=True, help="Run a broker.")
bench_app = typer.Typer(no_args_is_help=True, help="Measure; json on stdout.")
simulate_app = typer.Typer(no_args_is_help=True, help="Stand in for others, for tests and evaluation.")
user_app = typer.Typer(no_args_is_help=True, help="Accounts of the console.")
config_app = typer.Typer(no_args_is_help=True, help="Publish configuration.")
port_app = typer.Typer(no_args_is_help=True, help="Show, suspend, resume and terminate ports.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
key_app = typer.Typer(no_args_is_help=True, help="API keys of ports.")
app.add_typer(policy_app, name="policy")
app.add_typer(model_app, name="model")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(broker_app, name="broker")
app.add_typer(bench_app, name="bench")
app.add_typer(config_app, name="config")
app.add_typer(port_app, name="port")
app.add_typer(audit_app, name="audit")

POLICY = "policy.yaml"  # the name of the one policy among the configurations
RELAY_WAIT = 5.0  # seconds
app.add_typer(key_app, name="api-key")
app.add_typer(simulate_app, name="simulate")
app.add_typer(user_app, name="user")

In = Annotated[Path, typer.Option("--in", help="Input file; - is stdin.")]
Out = Annotated[Path, typer.Option("--out", help="Output file; - is stdout.")]
RejectedFile = Annotated[Path | None, typer.Option(help="Bad lines go here (default: <out>.rejected.jsonl).")]
Policy = Annotated[Path | None, typer.Option(help="A policy file instead of the shipped one.")]
DataFiles = Annotated[list[Path], typer.Option(help="Labelled texts, jsonl; may be repeated.")]
ConfigDir = Annotated[Path | None, typer.Option(help="Folder of ports.jsonl, lists.csv, dictionary.csv, policy.yaml.")]


def _settings() -> Any:
    from pydantic import ValidationError

    from pipeline.logs import configure
    from pipeline.settings import Settings

    try:
        settings = Settings()
        configure(settings.log_level)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "settings"
        raise AntispamError(f"ANTISPAM_{name}: {first['msg']}") from None
    except KeyError:
        raise AntispamError("ANTISPAM_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR expected") from None
    except ValueError as error:  # JSON that is none, a .env file that is no UTF-8
        raise AntispamError(f"settings: {error}") from None
    return settings


@contextmanager
def _database() -> Iterator[Any]:
    from pipeline.store.migrate import open_database

    db = open_database(_settings())
    try:
        yield db
    finally:
        db.close()


def _shell() -> Any:
    """Whoever has a shell here and the database's address may do everything, under their login name."""
    from getpass import getuser

    from pipeline.store.roles import Role, User

    return User(f"cli:{getuser()}"[:64], Role.ADMINISTRATOR)


def _now() -> int:
    from time import time

    return int(time() * 1000)


def _await_relay(db: Any, epoch: int) -> None:
    """Say the epoch, and whether the relay has published it."""
    from time import monotonic, sleep

    from pipeline.store import outbox

    deadline = monotonic() + RELAY_WAIT
    while True:
        with db.read() as connection:
            published = outbox.is_published(connection, epoch)
        if published or monotonic() > deadline:
            break
        sleep(0.05)
    typer.echo(
        f"epoch {epoch}" if published else f"epoch {epoch}, to be published: no relay runs (antispam serve relay)"
    )


def _duration(text: str) -> float:
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    for unit, seconds in units.items():
        number = text.removesuffix(unit)
        if text.endswith(unit) and number.isascii() and number.isdigit():
            return int(number) * seconds
    raise typer.BadParameter("a duration such as 60s or 5m expected")


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Replay the sample traffic.")] = False,
    seconds: Annotated[float | None, typer.Option("--for", parser=_duration, help="End by itself, e.g. 60s.")] = None,
    config: ConfigDir = None,
) -> None:
    """Start broker, stream and lake on this machine; Ctrl-C ends cleanly."""
    from pipeline.stream.up import up as run

    run(_settings(), demo, seconds, config)


@app.command()
def worker(
    stream: Annotated[list[str] | None, typer.Option(help="submissions or records; default both.")] = None,
) -> None:
    """Run one worker until it is told to end."""
    from pipeline.stream.processor import STREAMS
    from pipeline.stream.service import run_worker

    for name in stream or ():
        if name not in STREAMS:
            raise typer.BadParameter(f"unknown stream {name!r}; one of {', '.join(STREAMS)}")
    raise typer.Exit(run_worker(_settings(), stream or list(STREAMS)))


@app.command()
def sink() -> None:
    """Run the lake's sink until it is told to end."""
    from pipeline.stream.service import run_lake_sink

    raise typer.Exit(run_lake_sink(_settings()))


@app.command()
def topics() -> None:
    """Create the topics, or check those that exist. Safe to repeat."""
    from pipeline.stream.address import bootstrap
    from pipeline.stream.admin import ensure_topics

    settings = _settings()
    changes = ensure_topics(bootstrap(settings), settings)
    for word, names in (
        ("created", changes.created),
        ("updated", changes.updated),
        ("warning:", changes.warnings),
    ):
        for name in names:
            typer.echo(f"{word} {name}")
    if not (changes.created or changes.updated or changes.warnings):
        typer.echo("all topics are as they should be")


@app.command()
def serve(
    roles: Annotated[list[str], typer.Argument(help="What this process does; several share it as threads.")],
) -> None:
    """Run roles: relay, projector, timers, releaser, callbacks, retention, campaigns, api, sender, files."""
    from pipeline.stream.serve import run_roles

    raise typer.Exit(run_roles(_settings(), roles))


@app.command()
def screen(
    source: In, out: Out, policy: Policy = None, config: ConfigDir = None, rejected: RejectedFile = None
) -> None:
    """Decide a file of submissions or records offline; one decision a line."""
    from pipeline.configuration import load_directory
    from pipeline.ingest.offline import screen_file

    settings = _settings()
    kept = rejected or _beside(out, "screen")
    decided, bad = screen_file(source, out, kept, load_directory(config, policy), settings)
    typer.echo(_summary(decided, "decisions", bad, kept), err=True)


@app.command()
def classify(
    source: In,
    out: Out,
    model: Annotated[Path | None, typer.Option(help="A model directory instead of the shipped one.")] = None,
    rejected: RejectedFile = None,
) -> None:
    """Score a file of texts ({id, text} a line): how much each looks like spam, and what about."""
    from pipeline.ingest.text_lines import classify_file
    from pipeline.models.classifier import WEIGHTS, Classifier

    kept = rejected or _beside(out, "classify")
    answered, bad = classify_file(source, out, kept, Classifier.load(model or WEIGHTS))
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def match(
    source: In,
    out: Out,
    dictionary: Annotated[Path | None, typer.Option(help="A dictionary (csv) instead of the shipped one.")] = None,
    rejected: RejectedFile = None,
) -> None:
    """Find dictionary words in a file of texts ({id, text} a line)."""
    from time import time

    from pipeline.configuration import default_dictionary
    from pipeline.ingest.text_lines import match_file
    from pipeline.rules.dictionary import Dictionary

    kept = rejected or _beside(out, "match")
    words = Dictionary.parse(_text(dictionary) if dictionary else default_dictionary())
    answered, bad = match_file(source, out, kept, words, int(time() * 1000))
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def normalise(source: In, out: Out, rejected: RejectedFile = None) -> None:
    """Show what is really written in a file of texts ({id, text} a line), and in further views."""
    from pipeline.ingest.text_lines import normalise_file

    kept = rejected or _beside(out, "normalise")
    answered, bad = normalise_file(source, out, kept)
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def campaigns(source: In, out: Out, rejected: RejectedFile = None) -> None:
    """Group a file of texts ({id, text} a line) into campaigns: variants of one text have one id."""
    from pipeline.ingest.text_lines import campaigns_file
    from pipeline.models.campaigns import Campaigns

    kept = rejected or _beside(out, "campaigns")
    answered, bad = campaigns_file(source, out, kept, Campaigns())
    typer.echo(_summary(answered, "texts", bad, kept), err=True)


@app.command()
def train(
    data: DataFiles,
    out: Annotated[Path, typer.Option(help="The model directory to write.")],
    held_out: Annotated[list[Path] | None, typer.Option(help="Labelled texts to measure on, for the card.")] = None,
) -> None:
    """Make a model directory (weights, card, thresholds) of labelled texts."""
    from pipeline.models.train import train as run

    card = run(data, out, held_out or ())
    limits = ", ".join(f"{name} {by.review:.4f} and {by.reject:.4f}" for name, by in card.thresholds.items())
    typer.echo(f"model {card.version} in {out}: review and reject from {limits}")


@app.command()
def labels(
    out: Annotated[Path, typer.Option(help="jsonl for `antispam train --data`; full texts: keep it to yourself.")],
    days: Annotated[int, typer.Option(min=1, help="Verdicts of the last so many days.")] = 160,
) -> None:
    """What reviewers decided, as labelled texts to train on; leaves an audit row."""
    import os

    import msgspec

    from pipeline.actions.labels import labels as find

    now = _now()
    with _database() as db:
        found = find(db, _shell(), now - days * 86_400_000, now)
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # a file that was there keeps its mode otherwise
        file.writelines(msgspec.json.encode(sample) + b"\n" for sample in found)
    typer.echo(f"{len(found)} labelled texts in {out}")


@app.command()
def evaluate(
    data: DataFiles, model: Annotated[Path, typer.Option(help="The model directory; takes the report.")]
) -> None:  # fmt: skip
    """Measure a model: json on stdout, and evaluation.json and evaluation.md in its directory."""
    import msgspec

    from pipeline.models.classifier import Classifier
    from pipeline.models.evaluate import evaluate as run
    from pipeline.models.evaluate import read_samples

    classifier = Classifier.load(model)
    report = run(classifier, read_samples(data))
    named = f"on {', '.join(path.name for path in data)}"
    measured = msgspec.structs.replace(classifier.card, metrics={named: report})
    _json(report)
    (model / "evaluation.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    (model / "evaluation.md").write_text(measured.markdown(), encoding="utf-8")


@app.command()
def ingest(
    what: Annotated[str, typer.Argument(help="submissions, records or complaints.")],
    paths: Annotated[list[Path], typer.Argument(help="Files: jsonl or csv, plain or gzip, UTF-8 or GBK.")],
) -> None:
    """Files into the running pipeline; each exactly once, however often it is interrupted."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from pipeline.stream.ingest_files import WHAT
    from pipeline.stream.ingest_files import ingest as run

    if what not in WHAT:
        raise typer.BadParameter(f"unknown kind {what!r}; one of {', '.join(WHAT)}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        tasks = {path: bars.add_task(path.name, total=None) for path in paths}
        results = run(
            what,
            paths,
            _settings(),
            lambda path, done, size: bars.update(tasks[path], completed=done, total=size),
        )
    for result in results:
        skipped = f", {result.skipped} lines done before" if result.skipped else ""
        bad = f", {result.rejected} bad lines in {result.path}.rejected.jsonl" if result.rejected else ""
        again = f", {result.duplicates} accepted before" if result.duplicates else ""
        typer.echo(f"{result.path}: {result.accepted} {what}{bad}{again}{skipped}")


@app.command()
def decode(
    kind: Annotated[str, typer.Argument(help="cmpp3.")],
    octets: Annotated[str, typer.Argument(metavar="HEX", help="One whole message, in hex.")],
) -> None:
    """Show a protocol message as json."""
    from pipeline.protocols.kinds import decode as run

    _json(run(kind, octets))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT over the lake's views.")],
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
) -> None:
    """DuckDB over the lake."""
    from pipeline.lake.query import FORMATS, render
    from pipeline.lake.query import query as run

    if form not in FORMATS:
        raise typer.BadParameter(f"unknown format {form!r}; one of {', '.join(FORMATS)}")
    render(run(sql, _settings()), form, sys.stdout)


@app.command()
def doctor() -> None:
    """Check what this machine and installation can do."""
    from pipeline.stream.doctor import examine

    checks = examine(_settings())
    for check in checks:
        typer.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


@policy_app.command("check")
def policy_check(
    file: Annotated[Path | None, typer.Argument(help="Default: the shipped policy.")] = None,
) -> None:
    """Refuse what cannot work, pointing at it; then say what the policy holds."""
    from pipeline.configuration import default_policy
    from pipeline.rules.policy import parse_policy

    policy = parse_policy(_text(file) if file else default_policy(), str(file or "policy.yaml"))
    by_mode = {mode: sum(rule.mode == mode for rule in policy.rules) for mode in ("enforce", "shadow", "off")}
    modes = ", ".join(f"{count} {mode}" for mode, count in by_mode.items() if count)
    typer.echo(f"policy {policy.version}: {len(policy.rules)} rules ({modes}), {len(policy.counters)} counters")


@policy_app.command("test")
def policy_test(
    paths: Annotated[list[Path], typer.Argument(help="Scenario files (yaml), or folders of them.")],
    policy: Policy = None,
) -> None:
    """Tell scenarios under a policy: do they end as written?"""
    from pipeline.actions.scenarios import read, run, scenario_files
    from pipeline.configuration import load_directory

    config = load_directory(None, policy)
    files, failed = scenario_files(paths), 0
    for file in files:
        told = read(_text(file), str(file))
        mismatches = run(told, config)
        failed += bool(mismatches)
        typer.echo(f"{'FAIL' if mismatches else 'ok  '}  {told.scenario.title}")
        for mismatch in mismatches:
            typer.echo(f"      {mismatch}")
    if failed:
        raise AntispamError(f"{failed} of {len(files)} scenarios came otherwise")


@policy_app.command("signals")
def policy_signals(policy: Policy = None) -> None:
    """Every name a rule may use."""
    from rich.console import Console
    from rich.table import Column, Table

    from pipeline.configuration import default_policy
    from pipeline.rules.policy import KINDS, known_signals, parse_policy

    counters = parse_policy(_text(policy) if policy else default_policy(), str(policy or "policy.yaml")).counters
    table = Table(Column("signal", no_wrap=True), "type", "of", "cost µs", "meaning")
    known: dict[str, Any] = {}
    for on in KINDS:
        known |= known_signals(on, counters)
    for signal in known.values():
        table.add_row(signal.name, signal.type, ", ".join(signal.on), str(signal.cost), signal.meaning)
    Console().print(table)


@policy_app.command("publish")
def policy_publish(file: Path) -> None:
    """Check a policy and put it in force on all workers."""
    from pipeline.store import registry

    text = _text(file)
    with _database() as db:
        _await_relay(db, registry.publish_configuration(db, _shell(), "policy", POLICY, text, _now()))


@policy_app.command("rollback")
def policy_rollback(
    to: Annotated[str | None, typer.Option(help="A version; default: the one in force before.")] = None,
) -> None:
    """Put an earlier policy in force again."""
    from pipeline.store import registry

    with _database() as db:
        _await_relay(db, registry.rollback(db, _shell(), "policy", POLICY, _now(), to))


@policy_app.command("versions")
def policy_versions() -> None:
    """Every policy ever published, newest first."""
    from datetime import UTC, datetime

    from pipeline.store import registry

    with _database() as db:
        for version, author, at, current in registry.versions(db, "policy", POLICY):
            when = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
            typer.echo(f"{version}  {when}  {author}{'  in force' if current else ''}")


@policy_app.command("diff")
def policy_diff(
    new: Annotated[str, typer.Argument(help="A file, or a version of `policy versions`.")],
    old: Annotated[str | None, typer.Argument(help="Likewise; default: the policy in force.")] = None,
) -> None:
    """What differs between two policies, as a unified diff; nothing when they are equal."""
    from difflib import unified_diff

    from pipeline.store import registry

    with _database() as db:
        texts = []
        for name in (old, new):
            stored = registry.configuration(db, "policy", POLICY, name)
            if stored is None and name is None:
                raise AntispamError("no policy is in force")
            texts.append(_text(Path(name)) if stored is None and name else stored or "")
    before, after = (text.splitlines(keepends=True) for text in texts)
    sys.stdout.writelines(unified_diff(before, after, old or "in force", new))


@model_app.command("publish")
def model_publish(
    folder: Path,
    on_trial: Annotated[bool, typer.Option(help="Score beside the model in force, for rules in shadow mode.")] = False,
) -> None:
    """Keep a model directory under its version and put it in force on all workers."""
    from pipeline.actions.model_versions import publish

    with _database() as db:
        version, epoch = publish(db, _settings(), _shell(), folder, _now(), on_trial=on_trial)
        typer.echo(f"model {version} {'on trial' if on_trial else 'in force'}")
        _await_relay(db, epoch)


@model_app.command("rollback")
def model_rollback() -> None:
    """Put the model that was in force before in force again."""
    from pipeline.actions.model_versions import ACTIVE
    from pipeline.store import registry

    with _database() as db:
        _await_relay(db, registry.rollback(db, _shell(), "model", ACTIVE, _now()))


@model_app.command("versions")
def model_versions() -> None:
    """Every model that was in force or on trial, newest first."""
    from datetime import UTC, datetime

    from pipeline.actions.model_versions import ACTIVE
    from pipeline.configuration import CHALLENGER
    from pipeline.store import registry

    with _database() as db:
        for name in (ACTIVE, CHALLENGER):
            for version, author, at, current in registry.versions(db, "model", name):
                when = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds")
                folder = registry.configuration(db, "model", name, version)
                typer.echo(f"{name}  {when}  {author}  {folder}{'  now' if current else ''}")


@config_app.command("publish")
def config_publish(folder: Path) -> None:
    """Put a configuration folder in force; list files that are not in it are removed, ports that are not are
    suspended."""
    from pipeline.configuration import directory_entries
    from pipeline.store import import_configuration

    entries = list(directory_entries(folder))
    with _database() as db:
        epoch, suspended = import_configuration.replace(db, _shell(), entries, _now())
        if suspended:
            typer.echo(f"not in the folder, suspended: {', '.join(suspended)}")
        _await_relay(db, epoch)


@port_app.command("show")
def port_show(
    code: Annotated[str | None, typer.Argument(help="A port's code; default: all, one a line.")] = None,
) -> None:
    """A port as registered, in json; or all ports with tier and state."""
    from pipeline.store import registry

    with _database() as db:
        if code is not None:
            entry = registry.port(db, code)
            if entry is None:
                raise AntispamError(f"unknown port {code}")
            _json(entry)
            return
        offset = 0
        while found := registry.ports(db, _shell(), limit=1000, offset=offset):
            for entry in found:
                typer.echo(f"{entry.code}\t{entry.state.value}\t{entry.tier.value}\t{entry.kind.value}\t{entry.name}")
            offset += len(found)


@port_app.command("suspend")
def port_suspend(code: str, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")]) -> None:
    """Stop an open port."""
    from pipeline.store import registry

    with _database() as db:
        changed = registry.suspend_port(db, _shell(), code, reason, "", _now())
        typer.echo(f"port {code} suspended" if changed else f"port {code} was not open")


@port_app.command("resume")
def port_resume(code: str, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")]) -> None:
    """Open a suspended port again."""
    from pipeline.store import registry

    with _database() as db:
        changed = registry.resume_port(db, _shell(), code, reason, "", _now())
        typer.echo(f"port {code} resumed" if changed else f"port {code} was not suspended")


@port_app.command("terminate")
def port_terminate(code: str, reason: Annotated[str, typer.Option(help="Why; kept in the audit trail.")]) -> None:
    """Stop a port for good: that cannot be taken back."""
    from pipeline.store import registry

    with _database() as db:
        changed = registry.terminate(db, _shell(), code, reason, "", _now())
        typer.echo(f"port {code} terminated" if changed else f"port {code} was terminated already")


@app.command()
def backup(file: Path) -> None:
    """A consistent copy of the operational database, while everything runs."""
    from pipeline.store.backup import backup as run

    with _database() as db:
        rows = run(db, file)
    typer.echo(
        f"{rows} rows in {file}; it holds texts and numbers. Not in it: the lake, and privacy.key (keep it apart)"
    )


@app.command()
def expire(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The lake's bytes too, now; running queries over old days may fail.")
    ] = False,
) -> None:
    """Delete everywhere what is over its time, as the role `retention` does every hour."""
    from pipeline.actions.expiry import expire as run
    from pipeline.lake.delta import READER_GRACE_HOURS

    settings = _settings()
    with _database() as db:
        gone = run(db, settings, _now(), 0 if at_once else READER_GRACE_HOURS)
    typer.echo("\n".join(f"{place}: {count}" for place, count in gone.items()) or "nothing is over its time")


@app.command()
def restore(
    file: Path,
    replace: Annotated[bool, typer.Option("--replace", help="Discard what the database holds.")] = False,
) -> None:
    """Read a backup into the operational database; stop everything else first."""
    from pipeline.store.backup import restore as run

    with _database() as db:
        rows = run(db, file, replace=replace)
    typer.echo(f"{rows} rows restored, audit trail verified; the relay will publish the whole configuration anew")


@audit_app.command("verify")
def audit_verify() -> None:
    """Follow the chain of hashes from the first row to the last."""
    from pipeline.store import audit

    with _database() as db, db.read() as connection:
        broken = audit.first_broken(connection)
        if broken is not None:
            raise AntispamError(f"the audit trail is broken at row {broken}: a row was changed, removed or put in")
        typer.echo(f"the audit trail is whole: {audit.length(connection)} rows")


@user_app.command("add")
def user_add(
    name: str,
    role: Annotated[str, typer.Option(help="viewer, reviewer, senior_reviewer, operator, analyst, …")],
    scope: Annotated[str | None, typer.Option(help="province=…, city=… or enterprise=…; default all.")] = None,
) -> None:
    """Create an account; prints its one-time password, which is shown once."""
    from pipeline.store.roles import Role
    from pipeline.store.users import add_user

    if role not in list(Role):
        raise typer.BadParameter(f"unknown role {role!r}; one of {', '.join(Role)}")
    kind, _, value = (scope or "").partition("=")
    with _database() as db:
        typer.echo(add_user(db, _shell(), name, Role(role), {kind: value} if scope else {}, _now()))


@user_app.command("list")
def user_list() -> None:
    """All accounts."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.store.users import list_users

    table = Table("name", "role", "scope", "state")
    with _database() as db:
        for account in list_users(db, _shell()):
            scope = ", ".join(f"{kind}={value}" for kind, value in account.scope.items()) or "all"
            table.add_row(account.name, account.role, scope, account.state(_now()))
    Console().print(table)


@user_app.command("disable")
def user_disable(name: str) -> None:
    """End an account's sessions and let it sign in no more."""
    from pipeline.store.users import set_active

    with _database() as db:
        set_active(db, _shell(), name, False, _now())
    typer.echo(f"{name} is disabled")


@user_app.command("reset")
def user_reset(name: str) -> None:
    """A new one-time password, printed once; lifts a lock."""
    from pipeline.store.users import reset_password

    with _database() as db:
        typer.echo(reset_password(db, _shell(), name, _now()))


@app.command()
def console() -> None:
    """Run the console for reviewers, operators and analysts until it is told to end."""
    from dashboards.serve import run_console

    run_console(_settings())


@letters_app.command("list")
def letters_list() -> None:
    """The letters not yet sent round again, oldest first."""
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Table

    from pipeline.stream.dead_letters import dead_letters

    letters = dead_letters(_settings())
    table = Table("id", "time", "tries", "bytes", "cause", caption=f"{len(letters)} dead letters")
    for name, letter in letters.items():
        at = datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(timespec="seconds")
        table.add_row(name, at, str(letter.attempts), str(len(letter.value or b"")), letter.cause)
    Console().print(table if letters else "no dead letters")


@letters_app.command("retry")
def letters_retry(
    names: Annotated[list[str] | None, typer.Argument(help="Ids from `list`.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Send letters back to the topic they came from."""
    from pipeline.stream.dead_letters import retry

    if bool(names) == every:
        raise typer.BadParameter("name letters, or give --all")
    typer.echo(f"{retry(_settings(), None if every else names)} sent round again")


@key_app.command("add")
def api_key_add(
    port: str,
    callback: Annotated[str, typer.Option(help="http(s) address that is told of refusals.")] = "",
) -> None:
    """A new key for a registered port; it is shown this once."""
    from time import time

    from pipeline.store.api_keys import create

    with _database() as db:
        typer.echo(create(db, _shell(), port, callback, int(time() * 1000)))


@key_app.command("list")
def api_key_list() -> None:
    """All keys by the beginning of their hash, oldest first."""
    from pipeline.store.api_keys import keys

    with _database() as db:
        for key in keys(db, _shell()):
            state = "revoked" if key.revoked_at else "active"
            typer.echo("  ".join(filter(None, (key.name, key.port, state, key.callback_url))))


@key_app.command("revoke")
def api_key_revoke(name: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """End a key: it is refused within 5 seconds."""
    from time import time

    from pipeline.store.api_keys import revoke

    with _database() as db:
        revoke(db, _shell(), name, int(time() * 1000))
    typer.echo(f"{name} revoked")


@broker_app.command("kafka")
def broker_kafka(port: Annotated[int, typer.Option(help="Port of 127.0.0.1.")] = 9092) -> None:
    """One durable Apache Kafka node (KRaft) in the foreground; needs a JDK 17+ and Maven."""
    from pipeline.stream.kafka_node import serve

    serve(_settings().data_dir, port)


@simulate_app.callback()
def simulate() -> None:
    """Stand in for others, for tests and evaluation."""


@simulate_app.command("carrier")
def simulate_carrier(
    port: Annotated[int, typer.Option(help="Port of 127.0.0.1; 0 takes a free one.")] = 7890,
    account: Annotated[str, typer.Option(help="The SP id that may log in.")] = "900001",
    rate: Annotated[float, typer.Option(help="Parts a second, throttled above; 0: no limit.")] = 0.0,
    delay: Annotated[float, typer.Option(help="Seconds before an answer.")] = 0.0,
    report_delay: Annotated[float, typer.Option(help="Seconds from answer to status report.")] = 1.0,
    report_fail: Annotated[float, typer.Option(help="Share of reports that say UNDELIV.")] = 0.0,
    drop: Annotated[float, typer.Option(help="Share of SUBMITs left unanswered.")] = 0.0,
    disconnect: Annotated[float, typer.Option(help="Share of SUBMITs that end the connection.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 0,
    journal: Annotated[Path | None, typer.Option(help="Write every SUBMIT here (jsonl, with its text).")] = None,
) -> None:
    """A CMPP 3.0 gateway; the account's password is ANTISPAM_SIMULATOR_SECRET."""
    from pipeline.actions.senders.simulator import Conduct, serve

    _settings()
    conduct = Conduct(
        rate=rate, delay=delay, report_delay=report_delay, report_fail=report_fail, drop=drop,
        disconnect=disconnect, seed=seed,
    )  # fmt: skip
    serve(account, conduct, port, journal)


@bench_app.command("engine")
def bench_engine(count: Annotated[int, typer.Option(help="Submissions.")] = 50_000) -> None:
    """The decision function alone, by stage."""
    from pipeline.stream.bench_engine import run

    _json(run(_settings(), count))


@bench_app.command("stream")
def bench_stream(count: Annotated[int, typer.Option(help="Submissions.")] = 200_000) -> None:
    """Broker to decision, beside the engine in the same run."""
    from pipeline.stream.bench_stream import run

    _json(run(_settings(), count))


@bench_app.command("senders")
def bench_senders(count: Annotated[int, typer.Option(help="Released messages.")] = 20_000) -> None:
    """Sender agents to a simulated carrier, and the whole journey from the API on."""
    from pipeline.stream.bench_senders import run

    _json(run(_settings(), count))


def _beside(out: Path, command: str) -> Path:
    return Path(f"{command if str(out) == '-' else out}.rejected.jsonl")


def _summary(count: int, what: str, bad: int, kept: Path) -> str:
    return f"{count} {what}" + (f", {bad} bad lines in {kept}" if bad else "")


def _json(report: Any) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise AntispamError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise AntispamError(f"{path}: not UTF-8") from None


def main() -> None:
    """Entry point: what a user can put right is one line on stderr and exit 1."""
    try:
        app(prog_name="antispam")
    except AntispamError as error:
        print(f"antispam: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # a folder that cannot be written, a full disk
        where = f"{error.filename}: " if error.filename else ""
        print(f"antispam: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
