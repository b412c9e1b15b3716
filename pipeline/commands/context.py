"""The common part of all commands: settings, database, the user of the shell, and the output of reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import AntispamError

PolicyFile = Annotated[Path | None, typer.Option(help="A policy file instead of the shipped one.")]
ConfigDir = Annotated[
    Path | None, typer.Option(help="Folder of ports.jsonl, lists.csv, dictionary.csv, calendar.yaml, policy.yaml.")
]
Delimiter = Annotated[str | None, typer.Option(help="Of a csv: one of , ; | tab. Default: as its first line tells.")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether a csv names its columns. Default: as it tells.")
]
Quotes = Annotated[
    bool, typer.Option("--quotes/--no-quotes", help="Whether a csv's cells may stand in quotation marks.")
]

RELAY_WAIT = 5.0  # seconds; a publication usually takes less
RELAY_PATIENCE = 60.0  # seconds to wait for a relay that is known to run


def settings() -> Any:
    """The settings; sets up logging, too. Raises AntispamError that names the wrong setting."""
    from pydantic import ValidationError

    from pipeline.process.logs import configure
    from pipeline.settings import Settings

    try:
        settings = Settings()
        configure(settings.log_level)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"ANTISPAM_{str(first['loc'][0]).upper()}" if first["loc"] else "settings"
        raise AntispamError(f"{name}: {first['msg']}") from None
    except KeyError:
        raise AntispamError("ANTISPAM_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR expected") from None
    except ValueError as error:  # invalid JSON, or a .env file that is not UTF-8
        raise AntispamError(f"settings: {error}") from None
    return settings


def csv_form(delimiter: str | None, header: bool | None, quotes: bool) -> Any:
    """How a csv with these options is written."""
    from pipeline.file_exchange import DELIMITERS, CsvForm

    wanted = "\t" if delimiter in ("tab", "\\t") else delimiter
    if wanted is not None and wanted not in DELIMITERS:
        raise typer.BadParameter("--delimiter: one of , ; | tab expected")
    return CsvForm(delimiter=wanted, header=header, quotes=quotes)


def process_settings() -> Any:
    """The settings of a long-running process. It first corrects the file modes in its data directory."""
    from pipeline.process.permissions import repair

    found = settings()
    repair(found)
    return found


@contextmanager
def database() -> Iterator[Any]:
    """The operational database, migrated. It is closed after the command."""
    from pipeline.store.migrate import open_database

    db = open_database(settings())
    try:
        yield db
    finally:
        db.close()


def administrator() -> Any:
    """An administrator with the login name: a user with a shell and the database's address may do everything."""
    from getpass import getuser
    from os import getuid

    from pipeline.store.accounts.roles import Role, User

    try:
        name = getuser()
    except (KeyError, OSError):  # a user id without an account, as in a container
        name = f"uid-{getuid()}"
    return User(f"cli:{name}"[:64], Role.ADMINISTRATOR)


def approval() -> Any:
    """Who may let a version decide traffic, by the settings."""
    from pipeline.rules.policies.lifecycle import Approval

    return Approval(settings().policy_approval)


def now() -> int:
    """Milliseconds since 1970."""
    from time import time

    return int(time() * 1000)


def await_relay(db: Any, epoch: int) -> None:
    """Print the epoch and whether it is published. A running relay is waited for; the reason for a wait is printed."""
    from time import monotonic, sleep

    from pipeline.store import outbox

    begun, told, known = monotonic(), "", ""
    while True:
        with db.read() as connection:
            published = outbox.is_published(connection, epoch)
        waited = monotonic() - begun
        if published or waited > (RELAY_PATIENCE if known else RELAY_WAIT):
            break
        if waited > 1:
            known = _relay()
        if known and known != told:
            told = known
            typer.echo(f"epoch {epoch} is stored; {known}", err=True)
        sleep(0.05 if waited < 1 else 0.5)
    if published:
        typer.echo(f"epoch {epoch}")
    else:
        reason = known or "no relay is known on this data folder (antispam serve relay)"
        typer.echo(f"epoch {epoch}, stored and to be published: {reason}")


def _relay() -> str:
    """What is known of a relay on this data folder, or an empty text. A relay's answer counts more than an old note."""
    from pipeline.process import pages

    known = ""
    for note in pages.noted(settings().data_dir):
        if "relay" in note.roles:
            answer = pages.ask(f"{note.address}/ready")
            if answer is not None:
                works = answer.works or answer.parts.get("relay", False)
                return f"the relay runs ({note.address})" if works else f"the relay waits for {answer.reason}"
            known = f"the relay at {note.address} does not answer: it starts, or was killed"
    return known


def print_json(report: Any) -> None:
    """Print a report on stdout."""
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
