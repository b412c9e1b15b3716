"""The processes of an installation: everything at once, or role by role."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context
from pipeline.durations import SECOND_MS, parse_duration
from pipeline.errors import AntispamError

app = typer.Typer()
broker_app = typer.Typer(no_args_is_help=True, help="Run a broker.")
app.add_typer(broker_app, name="broker")
simulate_app = typer.Typer(no_args_is_help=True, help="Simulate carriers, ports and days, for tests and evaluation.")
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
    """Run roles, such as relay and api, until they are told to end. An unknown role is answered with all names."""
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


_NODE = 3_010_099_999  # our number at an SGIP gateway: provider, area 0100, company 99999


@simulate_app.callback()
def simulate() -> None:
    """Simulate carriers, ports and days, for tests and evaluation."""


@simulate_app.command("carrier")
def simulate_carrier(
    protocol: Annotated[str, typer.Argument(help="cmpp (2.0 and 3.0), sgip, smgp or smpp.")] = "cmpp",
    port: Annotated[int, typer.Option(help="Port of 127.0.0.1; 0 takes a free one.")] = 7890,
    account: Annotated[str, typer.Option(help="The account that may log in.")] = "900001",
    provider: Annotated[str, typer.Option(help="SGIP: HOST:PORT where reports go, the `listen` of the channel.")] = "",
    rate: Annotated[float, typer.Option(help="Parts a second, throttled above; 0: no limit.")] = 0.0,
    delay: Annotated[float, typer.Option(help="Seconds before an answer.")] = 0.0,
    jitter: Annotated[float, typer.Option(help="Most seconds more before an answer or report.")] = 0.0,
    report_delay: Annotated[float, typer.Option(help="Seconds from answer to status report.")] = 1.0,
    report_fail: Annotated[float, typer.Option(help="Share of reports that say UNDELIV.")] = 0.0,
    report_first: Annotated[float, typer.Option(help="Share of reports before the answer with their id.")] = 0.0,
    report_twice: Annotated[float, typer.Option(help="Share of reports that come again.")] = 0.0,
    report_lost: Annotated[float, typer.Option(help="Share of reports that never come.")] = 0.0,
    drop: Annotated[float, typer.Option(help="Share of SUBMITs left unanswered.")] = 0.0,
    refuse: Annotated[float, typer.Option(help="Share of SUBMITs that are refused.")] = 0.0,
    disconnect: Annotated[float, typer.Option(help="Share of SUBMITs that end the connection.")] = 0.0,
    split: Annotated[float, typer.Option(help="Share of frames that come in two pieces.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the faults.")] = 0,
    journal: Annotated[Path | None, typer.Option(help="Write every SUBMIT here (jsonl, with its text).")] = None,
) -> None:
    """A carrier's gateway; the account's password is ANTISPAM_SIMULATOR_SECRET."""
    from pipeline.simulators.carrier import PROTOCOLS, Conduct, serve

    if protocol not in PROTOCOLS:
        raise AntispamError(f"unknown protocol {protocol!r}; one of {', '.join(PROTOCOLS)}")
    context.settings()
    conduct = Conduct(
        rate=rate,
        delay=delay,
        jitter=jitter,
        report_delay=report_delay,
        report_fail=report_fail,
        report_first=report_first,
        report_twice=report_twice,
        report_lost=report_lost,
        drop=drop,
        refuse=refuse,
        disconnect=disconnect,
        split=split,
        seed=seed,
    )
    serve(account, conduct, port, journal, protocol, provider)


@simulate_app.command("port")
def simulate_port(
    protocol: Annotated[str, typer.Argument(help="cmpp2, cmpp3, sgip, smgp or smpp.")],
    port: Annotated[int, typer.Option(help="Where our server listens for this protocol, on 127.0.0.1.")],
    sender: Annotated[str, typer.Option(help="The number that it sends from.")],
    account: Annotated[str, typer.Option(help="The account to log in with.")] = "900001",
    links: Annotated[int, typer.Option(help="Connections.")] = 1,
    window: Annotated[int, typer.Option(help="Unanswered requests of a link.")] = 16,
    listen: Annotated[str, typer.Option(help="SGIP: our HOST:PORT for reports, the account's `sgip_deliver`.")] = "",
    messages: Annotated[int, typer.Option(help="How many, one in three of them long.")] = 100,
    rate: Annotated[float, typer.Option(help="Parts a second over all links.")] = 50.0,
    split: Annotated[float, typer.Option(help="Share of frames that come in two pieces.")] = 0.0,
    again: Annotated[float, typer.Option(help="Share of frames that are sent again before their answer.")] = 0.0,
    shuffle: Annotated[bool, typer.Option(help="Send parts over any link in any order.")] = False,
    disconnect: Annotated[float, typer.Option(help="Share of frames after which the connection is lost.")] = 0.0,
    wait: Annotated[float, typer.Option(help="Most seconds to wait for answers and reports.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of texts and faults.")] = 0,
) -> None:
    """A port that submits invented texts; prints as JSON what was answered and reported.

    Its password is ANTISPAM_SIMULATOR_SECRET.
    """
    from pipeline.actions.senders.channels import parse_channels
    from pipeline.simulators.port import Behaviour, serve

    context.settings()
    fields = {"kind": protocol, "host": "127.0.0.1", "port": port, "account": account, "links": links, "window": window}
    if listen:
        fields |= {"listen": listen, "node": _NODE}
    channel = parse_channels(json.dumps({"port": fields}), "simulate port", ("port",))["port"]
    behaviour = Behaviour(
        messages=messages,
        rate=rate,
        split=split,
        again=again,
        shuffle=shuffle,
        disconnect=disconnect,
        wait=wait,
        seed=seed,
    )
    typer.echo(json.dumps(serve(channel, sender, behaviour), ensure_ascii=False))


@simulate_app.command("days")
def simulate_days(
    first: Annotated[str, typer.Option(help="The first day: 2026-11-16.")],
    days: Annotated[int, typer.Option(min=1, max=60, help="Days; from 4 on a campaign drifts on two of them.")] = 6,
    samples: Annotated[int, typer.Option(min=1, max=100_000, help="Samples of traffic a day.")] = 1300,
) -> None:
    """Fill the data folder with days of sample traffic and what follows from it, for notebooks and reports."""
    from datetime import date

    from pipeline.bench.simulated_days import simulate_days as run

    try:
        day = date.fromisoformat(first)
    except ValueError:
        raise typer.BadParameter(f"--first: a day such as 2026-11-16 expected, not {first!r}") from None
    run(context.settings(), day, days, samples)
