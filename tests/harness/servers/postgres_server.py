"""A temporary PostgreSQL server for tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from pipeline.store.database import Database
from tests.harness.migrated import AUDIT_SECRET


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl; None if PostgreSQL is not installed."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "pg_ctl").exists()), None)


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """The URL of the `postgres` database of a running server, which listens on a unix socket only.

    PostgreSQL refuses to run as root. Under root, the server runs as postgres or nobody, in its own folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="antispam-pg-"))
    who: dict[str, Any] = {"cwd": folder, "check": True, "stdin": subprocess.DEVNULL, "timeout": 120}
    if os.geteuid() == 0:
        user = _unprivileged()
        os.chown(folder, user.pw_uid, user.pw_gid)
        who |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data, log = folder / "data", folder / "log"
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            **who,
            stdout=subprocess.DEVNULL,
        )
        options = f"-c listen_addresses='' -k {folder} -c fsync=off -c max_connections=50"
        # The server keeps its standard output open, so `-l` sends the output to the log.
        subprocess.run(
            [programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start"],
            **who,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            subprocess.run(
                [programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **who, stdout=subprocess.DEVNULL
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_database(server_url: str, template: str = "template1") -> Iterator[Database]:
    """A database on this server, copied from the template and dropped at the end."""
    server = create_engine(make_url(server_url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = f"antispam_test_{token_hex(6)}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    db = Database(make_url(server_url).set(database=name).render_as_string(hide_password=False), AUDIT_SECRET)
    try:
        yield db
    finally:
        db.close()
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        server.dispose()


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")
