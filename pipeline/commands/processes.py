"""The processes of an installation: everything at once, or role by role."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context
from pipeline.durations import SECOND_MS, parse_duration
from pipeline.errors import AntispamError

app = typer.Typer()
broker_app = typer.Typer(no_args_is_help=True, help="Run a broker.")
app.add_typer(broker_app, name="broker")
simulate_app = typer.Typer(no_args_is_help=True, help="Simulate carriers, for tests and evaluation.")
app.add_typer(simulate_app, name="simulate")


def _seconds(text: str) -> float:
    try:
        return parse_duration(text) / SECOND_MS
    except AntispamError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="Replay the sample traffic.")] = False,
    seconds: Annotated[
        float | None, typer.Option("--for", parser=_seconds, help="End by itself, e.g. 60s from ready.")
    ] = None,
    config: context.ConfigDir = None,
) -> None:
    """Start broker, stream and lake on this machine; Ctrl-C ends cleanly."""
    from pipeline.run.up import up as run

    run(context.process_settings(), demo, seconds, config)


@app.command()
def worker(
    stream: Annotated[list[str] | None, typer.Option(help="submissions or records; default both.")] = None,
) -> None:
    """Run one worker until it is told to end."""
    from pipeline.kafka.streams import STREAMS
    from pipeline.stream.worker import run_worker

    for name in stream or ():
        if name not in STREAMS:
            raise typer.BadParameter(f"unknown stream {name!r}; one of {', '.join(STREAMS)}")
    raise typer.Exit(run_worker(context.process_settings(), stream or list(STREAMS)))


@app.command()
def sink() -> None:
    """Run the lake's sink until it is told to end."""
    from pipeline.lake.sink_process import run_lake_sink

    raise typer.Exit(run_lake_sink(context.process_settings()))


@app.command()
def serve(
    roles: Annotated[list[str], typer.Argument(help="What this process does; several share it as threads.")],
) -> None:
    """Run roles: relay, projector, timers, releaser, callbacks, retention, campaigns, api, sender, files."""
    from pipeline.run.roles import run_roles

    raise typer.Exit(run_roles(context.process_settings(), roles))


@app.command()
def console() -> None:
    """Run the console for reviewers, operators and analysts until it is told to end."""
    from dashboards.serve import run_console

    run_console(context.process_settings())


@app.command()
def topics() -> None:
    """Create the topics, or check those that exist. Safe to repeat."""
    from pipeline.kafka.address import bootstrap
    from pipeline.kafka.admin import ensure_topics

    settings = context.settings()
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
def doctor() -> None:
    """Check what this machine and installation can do."""
    from pipeline.run.doctor import examine

    checks = examine(context.settings())
    for check in checks:
        typer.echo(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
    raise typer.Exit(0 if all(check.ok for check in checks) else 1)


@broker_app.command("kafka")
def broker_kafka(port: Annotated[int, typer.Option(help="Port of 127.0.0.1.")] = 9092) -> None:
    """One durable Apache Kafka node (KRaft) in the foreground; needs a JDK 17+ and Maven.

    With ANTISPAM_KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT it lets in users only, ANTISPAM_KAFKA_USERNAME as superuser.
    """
    from pipeline.run.brokers.kafka_node import serve

    serve(context.process_settings(), port)


@broker_app.command("acls")
def broker_acls(
    roles: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    user: Annotated[str | None, typer.Option(help="One user for all of them, who runs these roles together.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Give the rights instead of printing them.")] = False,
) -> None:
    """The rights of each role on the brokers, as lines of kafka-acls.sh."""
    from pipeline.kafka import acls as kafka_acls
    from pipeline.kafka.broker_rights import grant

    settings = context.settings()
    known = kafka_acls.roles()
    for role in roles or ():
        if role not in known:
            raise typer.BadParameter(f"unknown role {role!r}; one of {', '.join(known)}")
    acls = [
        acl
        for role in roles or known
        for name, rights in kafka_acls.rights(role, settings.channels).items()
        for acl in kafka_acls.acls(user or name, rights)
    ]
    if apply:
        typer.echo(f"{grant(settings, acls)} rights given")
    else:
        typer.echo("\n".join(dict.fromkeys(acl.line() for acl in acls)))


@broker_app.command("user")
def broker_user(name: Annotated[str, typer.Argument(help="Such as antispam-worker.")]) -> None:
    """Create a broker user (SCRAM-SHA-512) or change its password, from ANTISPAM_NEW_PASSWORD or asked for."""
    import os

    from pipeline.kafka.broker_rights import set_password

    settings = context.settings()
    password = os.environ.get("ANTISPAM_NEW_PASSWORD") or typer.prompt("password", hide_input=True)
    set_password(settings, name, password)
    typer.echo(f"{name} may sign in")


@simulate_app.callback()
def simulate() -> None:
    """Simulate carriers, for tests and evaluation."""


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

    context.settings()
    conduct = Conduct(
        rate=rate,
        delay=delay,
        report_delay=report_delay,
        report_fail=report_fail,
        drop=drop,
        disconnect=disconnect,
        seed=seed,
    )
    serve(account, conduct, port, journal)
