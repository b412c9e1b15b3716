"""The role `callbacks`: posts the queued events to the owners of ports.

A row is leased and posted, then deleted or rescheduled. If the process is killed in between, the lease expires and the
row is posted again; the receiver recognises it by `Antispam-Event`. A slow address delays only its own posts, because
only a few of them are in flight at a time.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import time

import httpx
import structlog
from sqlalchemy import Row, delete, or_, select, update

from pipeline import metrics
from pipeline.actions.status.public_address import ForbiddenAddressError, Network, resolve
from pipeline.durations import MINUTE_MS
from pipeline.errors import AntispamError, UnavailableError
from pipeline.process import readiness
from pipeline.process.backoff import Backoff
from pipeline.settings import Settings
from pipeline.store import schema
from pipeline.store.accounts import api_keys
from pipeline.store.database import Database
from pipeline.store.migrate import open_database

ANSWER_SECONDS = 10.0  # for one post in all
LEASE_MS = MINUTE_MS
# Pauses between tries of a post: 30 s, then 2, 8, 32 minutes, 2 hours, 6 hours, 6 hours.
POSTS = Backoff(first=30.0, longest=6 * 3600.0, factor=4, tries=8)
AT_ONCE = 32
AT_ONCE_TO_ONE = 4
THREADS = 4 * AT_ONCE  # a silent name server occupies a thread beyond the post's time limit
IDLE = 0.5  # seconds between polls of an empty table
# Retries while the database is unavailable; afterwards the process ends and is restarted.
DATABASE = Backoff(first=1.0, longest=1.0, tries=60)

_log = structlog.get_logger()


def run_callbacks(settings: Settings, stop: threading.Event) -> None:
    """Post until `stop` is set. Raises AntispamError if the database stays unavailable."""
    db = open_database(settings)
    try:
        asyncio.run(_run(db, settings.callback_networks, stop))
    finally:
        db.close()


async def _run(db: Database, allowed: Sequence[Network], stop: threading.Event) -> None:
    # One pool runs name look-ups and database calls. Its default size is too small: 6 threads on two cores.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "callbacks"))
    # No redirects and no proxies from the environment: posts go only to the address that an administrator set.
    # No keep-alive: the pool knows a connection by its address, but the certificate was checked for a name.
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(
        follow_redirects=False, trust_env=False, timeout=ANSWER_SECONDS, limits=limits
    ) as client:
        under_way: dict[asyncio.Task[None], str] = {}
        failures = 0
        while not stop.is_set():
            busy = Counter(under_way.values())
            full = [url for url, number in busy.items() if number >= AT_ONCE_TO_ONE]
            try:
                rows = await asyncio.to_thread(claim, db, int(time() * 1000), AT_ONCE - len(under_way), full)
                failures = 0
                readiness.say("callbacks", True)
            except UnavailableError as error:
                failures += 1
                readiness.say("callbacks", False, str(error))
                if DATABASE.exhausted(failures):
                    raise AntispamError(f"callbacks: given up after {failures} tries: {error}") from error
                _log.error("callbacks_not_read", cause=str(error), tries=failures)
                await asyncio.sleep(DATABASE.pause(failures))
                continue
            for row in rows:
                under_way[asyncio.create_task(_deliver(db, client, allowed, row))] = row.url
            if under_way:
                await asyncio.wait(under_way, timeout=IDLE, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(IDLE)
            for task in [task for task in under_way if task.done()]:
                del under_way[task]
                task.result()
        if under_way:
            await asyncio.wait(under_way, timeout=ANSWER_SECONDS)


def claim(db: Database, now: int, count: int, full: Sequence[str] = ()) -> list[Row[tuple[object, ...]]]:
    """Lease at most `count` due posts: at most AT_ONCE_TO_ONE of an address, and no post to an address in `full`."""
    if count <= 0:
        return []
    table = schema.callbacks
    with db.write() as connection:
        query = (
            select(table)
            .where(
                table.c.due_at <= now,
                or_(table.c.lease_until.is_(None), table.c.lease_until <= now),
                table.c.url.not_in(full),
            )
            .order_by(table.c.due_at, table.c.id)
            .limit(count * AT_ONCE_TO_ONE)
            .with_for_update(skip_locked=True)
        )
        taken: Counter[str] = Counter()
        rows: list[Row[tuple[object, ...]]] = []
        for row in connection.execute(query):
            if len(rows) < count and taken[row.url] < AT_ONCE_TO_ONE:
                taken[row.url] += 1
                rows.append(row)
        lease = secrets.token_hex(8)
        if rows:
            connection.execute(
                update(table)
                .where(table.c.id.in_([row.id for row in rows]))
                .values(lease=lease, lease_until=now + LEASE_MS)
            )
    return rows


async def _deliver(
    db: Database, client: httpx.AsyncClient, allowed: Sequence[Network], row: Row[tuple[object, ...]]
) -> None:
    try:
        key = await asyncio.to_thread(_signing_key, db, row.port, row.url)
        outcome = "no_key"
        if key is not None:
            outcome = await post(client, allowed, key, row.id, row.url, row.body, int(time() * 1000))
        await asyncio.to_thread(record_attempt, db, row.id, row.tries + 1, outcome, int(time() * 1000))
    except AntispamError as error:  # the lease expires, and the row is posted again
        _log.error("callback_attempt_not_recorded", cause=str(error))


async def post(
    client: httpx.AsyncClient, allowed: Sequence[Network], key: str, ident: int, url: str, body: bytes, now: int
) -> str:
    """Post one signed event; returns "delivered" or the cause of the failure. Does not read the response body.

    The connection goes to the checked address (public_address.py); the certificate is verified for the host name.
    """
    headers = {
        "Content-Type": "application/json",
        "Antispam-Event": str(ident),
        "Antispam-Signature": f"t={now},v1={signature(key, now, body)}",
    }
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            to = httpx.URL(url)
            port = to.port or (443 if to.scheme == "https" else 80)
            headers["Host"] = to.netloc.decode("ascii")
            there = to.copy_with(host=await resolve(to.host, port, allowed))
            named = {"sni_hostname": to.raw_host.decode("ascii")}
            async with client.stream(
                "POST", there, content=body, headers=headers, extensions=named, follow_redirects=False
            ) as answer:
                return "delivered" if answer.is_success else "redirected" if answer.is_redirect else "refused"
    except ForbiddenAddressError:
        _log.warning("callback_forbidden", callback=ident)
        return "forbidden"
    except (TimeoutError, httpx.TimeoutException):
        return "timed_out"
    except Exception as error:  # noqa: BLE001 - an error of one address must not stop all posts
        _log.warning("callback_unreachable", callback=ident, cause=type(error).__name__)
        return "unreachable"


def signature(key: str, now: int, body: bytes) -> str:
    """HMAC-SHA256 over `<epoch ms>.<body>`, in hex; `key` is the stored hash of an API key."""
    return hmac.new(api_keys.callback_secret(key), b"%d.%s" % (now, body), "sha256").hexdigest()


def record_attempt(db: Database, ident: int, tries: int, outcome: str, now: int) -> None:
    """Delete a delivered row; otherwise reschedule it, or give up after the last try or without a key."""
    table = schema.callbacks
    metrics.CALLBACKS.labels(outcome).inc()
    with db.write() as connection:
        if outcome == "delivered":
            connection.execute(delete(table).where(table.c.id == ident))
            return
        due: int | None = now + int(POSTS.pause(tries) * 1000)
        if outcome == "no_key" or POSTS.exhausted(tries):
            due = None
            metrics.CALLBACKS.labels("given_up").inc()
            _log.error("callback_given_up", callback=ident, tries=tries, cause=outcome)
        values = {"tries": tries, "due_at": due, "lease": None, "lease_until": None}
        connection.execute(update(table).where(table.c.id == ident).values(values))


def _signing_key(db: Database, port: str, url: str) -> str | None:
    with db.read() as connection:
        return api_keys.signing(connection, port, url)
