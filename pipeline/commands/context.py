"""What every command runs in: settings, database, the person at the shell; and how it answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.errors import AntispamError

PolicyFile = Annotated[Path | None, typer.Option(help="A policy file instead of the shipped one.")]
ConfigDir = Annotated[Path | None, typer.Option(help="Folder of ports.jsonl, lists.csv, dictionary.csv, policy.yaml.")]
Delimiter = Annotated[str | None, typer.Option(help="Of a csv: one of , ; | tab. Default: as its first line tells.")]
Header = Annotated[
    bool | None, typer.Option("--header/--no-header", help="Whether a csv names its columns. Default: as it tells.")
]
Quotes = Annotated[
    bool, typer.Option("--quotes/--no-quotes", help="Whether a csv's cells may stand in quotation marks.")
]

RELAY_WAIT = 5.0  # seconds


def settings() -> Any:
    """The settings, with logs set up by them. Raises AntispamError that names what is wrong."""
    from pydantic import ValidationError

    from pipeline.logs import configure
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
    except ValueError as error:  # JSON that is none, a .env file that is no UTF-8
        raise AntispamError(f"settings: {error}") from None
    return settings


def csv_form(delimiter: str | None, header: bool | None, quotes: bool) -> Any:
    """How the csv of these options is written."""
    from pipeline.file_exchange import DELIMITERS, CsvForm

    wanted = "\t" if delimiter in ("tab", "\\t") else delimiter
    if wanted is not None and wanted not in DELIMITERS:
        raise typer.BadParameter("--delimiter: one of , ; | tab expected")
    return CsvForm(delimiter=wanted, header=header, quotes=quotes)


def process_settings() -> Any:
    """The settings of a long-running process, which puts the modes of its data directory right first."""
    from pipeline.permissions import repair

    found = settings()
    repair(found)
    return found


@contextmanager
def database() -> Iterator[Any]:
    """The operational database, migrated; closed behind the command."""
    from pipeline.store.migrate import open_database

    db = open_database(settings())
    try:
        yield db
    finally:
        db.close()


def administrator() -> Any:
    """Whoever has a shell here and the database's address may do everything, under their login name."""
    from getpass import getuser

    from pipeline.store.roles import Role, User

    return User(f"cli:{getuser()}"[:64], Role.ADMINISTRATOR)


def now() -> int:
    """Milliseconds since 1970."""
    from time import time

    return int(time() * 1000)


def await_relay(db: Any, epoch: int) -> None:
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


def print_json(report: Any) -> None:
    """A report on stdout."""
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
