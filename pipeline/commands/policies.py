"""The policy and the rest of the configuration: checked, tested and published."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any

import typer

from pipeline.commands import context
from pipeline.errors import AntispamError
from pipeline.rules.policies.lifecycle import LivingKind

app = typer.Typer()
policy_app = typer.Typer(no_args_is_help=True, help="Check and publish the policy.")
KindOption = Annotated[LivingKind, typer.Option("--kind", help="Whose version, or of what kind FILE is.")]
NameOption = Annotated[str, typer.Option("--name", help="Of a list file, if not lists.csv; of templates, the port.")]
app.add_typer(policy_app, name="policy")
config_app = typer.Typer(no_args_is_help=True, help="Publish configuration.")
app.add_typer(config_app, name="config")


@policy_app.command("check")
def policy_check(
    file: Annotated[Path | None, typer.Argument(help="Default: the shipped policy.")] = None,
    replaces: Annotated[Path | None, typer.Option(help="Say which counters begin anew if FILE replaces it.")] = None,
    kind: KindOption = LivingKind.POLICY,
) -> None:
    """Check a policy, or another kind: point at the first fault, or print a summary."""
    from pipeline.decision.configuration import default_policy, read_text
    from pipeline.rules.counting.counters import reset
    from pipeline.rules.policies.formats import FORMATS
    from pipeline.rules.policies.policy import parse_policy

    form = FORMATS[kind]
    if kind is not LivingKind.POLICY:
        if file is None or replaces is not None:
            raise typer.BadParameter(f"a {kind} needs FILE, and has no counters that --replaces could tell of")
        text = read_text(file)
        summary = form.summary(form.parse(text, str(file)))
        from pipeline.store.registry import registry  # a fault above is told without its import

        registry.check([(kind, form.name, text)])  # the workers' parser may ask for more
        typer.echo(f"{kind}: {summary}")
        return
    policy = parse_policy(read_text(file) if file else default_policy(), str(file or form.name))
    typer.echo(f"policy {policy.version}: {form.summary(policy)}")
    if replaces is not None:
        names = reset(parse_policy(read_text(replaces), str(replaces)).counters, policy.counters)
        typer.echo(f"counters that begin at zero: {', '.join(names) or 'none but new ones'}")


@policy_app.command("test")
def policy_test(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Scenario files (yaml), or folders of them. Default: the shipped ones.")
    ] = None,
    policy: context.PolicyFile = None,
    config: context.ConfigDir = None,
) -> None:
    """Run scenarios under a policy, and compare their results with the expected ones."""
    from pipeline.actions.scenario_file import read, scenario_files, shipped_scenarios
    from pipeline.actions.scenarios import run
    from pipeline.decision.configuration import load_directory, read_text

    under_test = load_directory(config, policy)
    files = scenario_files(paths or [shipped_scenarios()])
    otherwise = unreadable = 0
    for file in files:
        try:
            told = read(read_text(file), str(file))
            mismatches = run(told, under_test)
        except AntispamError as error:
            unreadable += 1
            typer.echo(f"FAIL  cannot be told\n{indent(str(error), ' ' * 6)}")
            continue
        otherwise += bool(mismatches)
        typer.echo(f"{'FAIL' if mismatches else 'ok  '}  {told.scenario.title}")
        for mismatch in mismatches:
            typer.echo(f"      {mismatch}")
    if otherwise or unreadable:
        failed = {"came otherwise": otherwise, "cannot be told": unreadable}
        said = ", ".join(f"{count} {what}" for what, count in failed.items() if count)
        raise AntispamError(f"of {len(files)} scenarios {said}")
    typer.echo(f"all {len(files)} scenarios came as told")


@policy_app.command("signals")
def policy_signals(policy: context.PolicyFile = None) -> None:
    """Every name a rule may use."""
    from rich.console import Console
    from rich.table import Column, Table

    from pipeline.decision.configuration import default_policy, read_text
    from pipeline.rules.policies.policy import KINDS, known_signals, parse_policy

    counters = parse_policy(read_text(policy) if policy else default_policy(), str(policy or "policy.yaml")).counters
    table = Table(Column("signal", no_wrap=True), "type", "of", "cost µs", "meaning")
    known: dict[str, Any] = {}
    for on in KINDS:
        known |= known_signals(on, counters)
    for signal in known.values():
        table.add_row(signal.name, signal.type, ", ".join(signal.on), str(signal.cost), signal.meaning)
    Console().print(table)


@policy_app.command("publish")
def policy_publish(file: Path, kind: KindOption = LivingKind.POLICY, name: NameOption = "") -> None:
    """Check a policy, or another kind, and put it in force on all workers, by one person."""
    from pipeline.decision.configuration import read_text
    from pipeline.store.registry import policy_lifecycle

    text = read_text(file)
    with context.database() as db:
        user, now = context.administrator(), context.now()
        epoch = policy_lifecycle.publish(db, user, text, context.approval(), now, kind, name)
        context.await_relay(db, epoch)


@policy_app.command("rollback")
def policy_rollback(
    to: Annotated[str | None, typer.Option(help="A version; default: the one in force before.")] = None,
    kind: KindOption = LivingKind.POLICY,
    name: NameOption = "",
) -> None:
    """Put an earlier version in force again; a list file that was the first of its name goes."""
    from pipeline.rules.policies.formats import FORMATS
    from pipeline.store.registry import registry

    with context.database() as db:
        user, entry = context.administrator(), name or FORMATS[kind].name
        context.await_relay(db, registry.rollback(db, user, kind, entry, context.now(), to))


@policy_app.command("list")
def policy_list(kind: KindOption = LivingKind.POLICY) -> None:
    """List every version of the policy, or of another kind, with its state, the one changed last first."""
    from datetime import UTC, datetime

    from pipeline.store.registry import policy_lifecycle

    with context.database() as db:
        for row in policy_lifecycle.versions(db, context.administrator(), kind):
            when = datetime.fromtimestamp(row.changed_at / 1000, UTC).isoformat(timespec="seconds")
            state = f"{row.state} {row.share}%" if row.share else row.state
            approved = f", approved by {row.approver}" if row.approver else ""
            reason = f": {row.reason}" if row.reason else ""
            of = f"  {row.name}" if kind in (LivingKind.LIST, LivingKind.TEMPLATES) else ""
            typer.echo(f"{row.version}  {state:10}  {when}{of}  by {row.author}{approved}{reason}")


@policy_app.command("draft")
def policy_draft(
    file: Path,
    reason: Annotated[str, typer.Option(help="What the change is for; approvers read it.")] = "",
    kind: KindOption = LivingKind.POLICY,
    name: NameOption = "",
) -> None:
    """Store a policy, or another kind, as a draft, and print its version."""
    from pipeline.decision.configuration import read_text
    from pipeline.store.registry import policy_lifecycle

    text = read_text(file)
    with context.database() as db:
        typer.echo(policy_lifecycle.draft(db, context.administrator(), text, reason, context.now(), kind, name))


@policy_app.command("submit")
def policy_submit(version: str, kind: KindOption = LivingKind.POLICY) -> None:
    """Check a draft: point at its first fault, or make it ready for trial and approval."""
    from pipeline.store.registry import policy_lifecycle

    with context.database() as db:
        policy_lifecycle.submit(db, context.administrator(), version, context.now(), kind)


@policy_app.command("shadow")
def policy_shadow(version: str) -> None:
    """Let all workers evaluate a checked version of the policy beside the one in force, without effect."""
    from pipeline.store.registry import policy_lifecycle

    with context.database() as db:
        context.await_relay(db, policy_lifecycle.shadow(db, context.administrator(), version, context.now()))


@policy_app.command("share")
def policy_share(
    version: str, percent: Annotated[int, typer.Argument(min=0, max=100, help="Of the ports; 0: back into shadow.")]
) -> None:
    """Let a version of the policy decide for a share of the ports. Another person than its author does this."""
    from pipeline.store.registry import policy_lifecycle

    with context.database() as db:
        epoch = policy_lifecycle.share(db, context.administrator(), version, percent, context.approval(), context.now())
        context.await_relay(db, epoch)


@policy_app.command("approve")
def policy_approve(version: str, kind: KindOption = LivingKind.POLICY) -> None:
    """Put a checked version in force. Another person than its author does this."""
    from pipeline.store.registry import policy_lifecycle

    with context.database() as db:
        epoch = policy_lifecycle.approve(db, context.administrator(), version, context.approval(), context.now(), kind)
        context.await_relay(db, epoch)


@policy_app.command("withdraw")
def policy_withdraw(
    version: str,
    reason: Annotated[str, typer.Option(help="Why it is given up.")] = "",
    kind: KindOption = LivingKind.POLICY,
) -> None:
    """Give up a version that was never in force; its trial ends."""
    from pipeline.store.registry import policy_lifecycle

    with context.database() as db:
        policy_lifecycle.withdraw(db, context.administrator(), version, reason, context.now(), kind)


@policy_app.command("diff")
def policy_diff(
    new: Annotated[str, typer.Argument(help="A file, or a version of `policy list`.")],
    old: Annotated[str | None, typer.Argument(help="Likewise; default: the one in force.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Show the differing lines of the files instead.")] = False,
    kind: KindOption = LivingKind.POLICY,
    name: NameOption = "",
) -> None:
    """Say in words how two policies, or two of another kind, differ."""
    from difflib import unified_diff

    from pipeline.decision.configuration import read_text
    from pipeline.rules.policies.formats import FORMATS, name_of
    from pipeline.store.registry import policy_lifecycle, registry

    form = FORMATS[kind]
    with context.database() as db:
        named = {row.version: row.name for row in policy_lifecycle.versions(db, context.administrator(), kind)}

        def text_of(given: str) -> str:
            stored = registry.configuration(db, kind, named.get(given, ""), given)
            return read_text(Path(given)) if stored is None else stored

        after = text_of(new)
        entry = named.get(new) or name_of(kind, after, name)
        before = text_of(old) if old else registry.configuration(db, kind, entry)
        if before is None:
            raise AntispamError(f"{kind} {entry}: no version is in force")
    if lines:
        was, now = (text.splitlines(keepends=True) for text in (before, after))
        sys.stdout.writelines(unified_diff(was, now, old or "in force", new))
        return
    for difference in form.differences(form.parse(before, old or "in force"), form.parse(after, new)):
        typer.echo(difference["en"])


@config_app.command("publish")
def config_publish(folder: Path) -> None:
    """Put a configuration folder in force; list files that are not in it are removed, ports that are not are
    suspended."""
    from pipeline.decision.configuration import directory_entries
    from pipeline.store.registry import import_configuration

    entries = list(directory_entries(folder))
    with context.database() as db:
        user, now = context.administrator(), context.now()
        epoch, suspended = import_configuration.replace(db, user, entries, now, context.approval())
        if suspended:
            typer.echo(f"not in the folder, suspended: {', '.join(suspended)}")
        context.await_relay(db, epoch)
