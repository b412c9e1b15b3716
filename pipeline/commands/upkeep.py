"""Backup, restoring, deletion in time, the audit trail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands import context
from pipeline.errors import AntispamError

app = typer.Typer()
audit_app = typer.Typer(no_args_is_help=True, help="The audit trail.")
app.add_typer(audit_app, name="audit")


@app.command()
def backup(file: Path) -> None:
    """A consistent copy of the operational database, while everything runs."""
    from pipeline.store.backup import backup as run

    with context.database() as db:
        rows = run(db, file)
    typer.echo(
        f"{rows} rows in {file}; it holds texts and numbers. Not in it: the lake, and the keys (keep them apart)"
    )


@app.command()
def restore(
    file: Path,
    replace: Annotated[bool, typer.Option("--replace", help="Discard what the database holds.")] = False,
) -> None:
    """Read a backup into the operational database; stop everything else first."""
    from pipeline.store.backup import restore as run

    with context.database() as db:
        rows = run(db, file, context.administrator().name, context.now(), replace=replace)
    typer.echo(f"{rows} rows restored, audit trail verified; the relay will publish the whole configuration anew")


@app.command()
def expire(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="The lake's bytes too, now; running queries over old days may fail.")
    ] = False,
) -> None:
    """Delete expired data everywhere, as the role `retention` does every hour."""
    from pipeline.actions.retention.expiry import expire as run
    from pipeline.lake.delta import READER_GRACE_HOURS

    settings = context.settings()
    with context.database() as db:
        gone = run(db, settings, context.now(), 0 if at_once else READER_GRACE_HOURS)
    typer.echo("\n".join(f"{place}: {count}" for place, count in gone.items()) or "nothing is over its time")


@audit_app.command("verify")
def audit_verify() -> None:
    """Check every row's signature, and that the trail has every head that was published."""
    from pipeline.store import audit
    from pipeline.store.audit_heads import ForeignHeadError, published

    settings = context.settings()
    with context.database() as db, db.read() as connection:
        broken = audit.first_broken(connection)
        if broken is not None:
            raise AntispamError(
                f"the audit trail is broken at row {broken}: a row was changed, removed or put in, "
                "or ANTISPAM_AUDIT_KEY is not the key it was signed with"
            )
        whole = f"the audit trail is whole: {audit.length(connection)} rows"
        try:
            heads = published(settings)
        except ForeignHeadError:
            raise
        except AntispamError as error:
            typer.echo(f"{whole}; not compared with what was published, so its end may be missing: {error}")
            return
        differing = audit.differing(connection, heads)
        if differing:
            first = min(differing, key=lambda head: head.row)
            at = datetime.fromtimestamp(first.at / 1000, UTC).isoformat(timespec="seconds")
            raise AntispamError(
                f"the audit trail is not what was published: row {first.row} of {at} was cut off or written anew "
                f"({len(differing)} of {len(heads)} published heads differ)"
            )
        typer.echo(f"{whole}, as published {len(heads)} times")
