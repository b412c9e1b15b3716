"""The role `links`: listens for ports over CMPP, SMPP, SMGP and SGIP.

The event loop serves the links. Threads beside it poll the producer, follow the configuration and measure the lag. None
of them queues: while the broker does not answer, submissions are answered "send again later".
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from time import monotonic, time

import structlog

from pipeline.actions.tracing import traces
from pipeline.actions.tracing.recorder import Recorder
from pipeline.errors import AntispamError
from pipeline.ingest.beside import beside
from pipeline.ingest.lag import OF_PARTS, LagMeter
from pipeline.ingest.links.account import Account
from pipeline.ingest.links.account_file import AccountFile
from pipeline.ingest.links.deliveries import Deliveries, DeliveryStore
from pipeline.ingest.links.intake import Intake
from pipeline.ingest.links.server import LinkServer
from pipeline.ingest.producer import SubmissionProducer
from pipeline.ingest.serving import serve
from pipeline.kafka.config_topic import ConfigFollower
from pipeline.kafka.streams import PARTS
from pipeline.process import readiness
from pipeline.process.http_connections import allow_descriptors
from pipeline.settings import Settings

CONFIG_EVERY = 0.2  # seconds
ACCOUNTS_EVERY = 2.0
LAG_EVERY = 0.5
LAG_STALE = 15.0  # seconds without a lag reading until the role is no longer ready
_log = structlog.get_logger()


def run_links(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises AntispamError for wrong settings, and when an address is taken."""
    ports = {
        "cmpp": settings.cmpp_port,
        "smpp": settings.smpp_port,
        "smgp": settings.smgp_port,
        "sgip": settings.sgip_port,
    }
    if settings.link_accounts is None or not any(port is not None for port in ports.values()):
        raise AntispamError(
            "links: ANTISPAM_LINK_ACCOUNTS and one of ANTISPAM_CMPP_PORT, ANTISPAM_SMPP_PORT, "
            "ANTISPAM_SMGP_PORT, ANTISPAM_SGIP_PORT needed"
        )
    accounts = AccountFile(settings.link_accounts)
    reload: list[Callable[[Mapping[str, Account]], object]] = []  # once the server listens
    with ExitStack() as stack:
        follower = ConfigFollower(settings, "links")
        stack.callback(follower.close)
        follower.catch_up()
        lag = LagMeter(settings)
        stack.callback(lag.close)
        parts = LagMeter(settings, PARTS.name, OF_PARTS)
        stack.callback(parts.close)
        producer = SubmissionProducer(settings, lag, parts)
        store = DeliveryStore(settings)
        stack.callback(store.close)
        recorder = Recorder(_now)

        def read_accounts() -> None:
            if reload and (changed := accounts.changed()) is not None:
                reload[0](changed)

        def ready() -> None:
            missing = {
                "configuration": follower.config.epoch == 0,
                "broker": monotonic() - min(lag.read_at, parts.read_at) > LAG_STALE,
            }
            waits = ", ".join(name for name, absent in missing.items() if absent)
            readiness.say("links", not waits, waits)

        async def work(closing: asyncio.Event) -> None:
            server = LinkServer(
                accounts.accounts.values(),
                Intake(producer, lambda: follower.config.ports, settings),
                Deliveries(store.turn),
                recorder=recorder,
            )
            for protocol, port in ports.items():
                if port is not None:
                    taken = await server.listen(protocol, settings.links_host, port)
                    _log.info("links_listening", protocol=protocol, host=settings.links_host, port=taken)
            loop = asyncio.get_running_loop()
            reload.append(lambda found: loop.call_soon_threadsafe(server.reload, found))
            await server.run(closing)

        allow_descriptors()
        works = (
            (CONFIG_EVERY, "configuration", follower.poll),
            (ACCOUNTS_EVERY, "accounts", read_accounts),
            (LAG_EVERY, "lag", lag.read),
            (LAG_EVERY, "parts_lag", parts.read),
            (0.0, "producer", producer.poll),
            (LAG_EVERY, "readiness", ready),
            (traces.LOOK, "traces", lambda: traces.exchange(store.db, recorder, _now())),
        )
        with beside("links", works):
            serve("links", work, stop, producer)


def _now() -> int:
    return int(time() * 1000)
