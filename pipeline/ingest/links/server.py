"""Listens for ports: one listening port of ours a protocol, links bounded by address and in all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from time import monotonic
from types import MappingProxyType

from pipeline import metrics
from pipeline.actions.tracing.recorder import Recorder
from pipeline.errors import AntispamError
from pipeline.ingest.links.account import Account, Usage
from pipeline.ingest.links.attempts import Attempts
from pipeline.ingest.links.cmpp_dialect import CmppDialect
from pipeline.ingest.links.deliveries import Deliveries
from pipeline.ingest.links.dialect import Dialect
from pipeline.ingest.links.intake import Intake
from pipeline.ingest.links.link import Link
from pipeline.ingest.links.sgip_caller import SgipCaller
from pipeline.ingest.links.sgip_dialect import SgipDialect
from pipeline.ingest.links.smgp_dialect import SmgpDialect
from pipeline.ingest.links.smpp_dialect import SmppDialect

MOST = 1024  # links at once, also those that have not logged in
MOST_OF_ADDRESS = 256
TICK = 0.5  # seconds between looks at what is due
DRAIN = 15.0  # seconds until links that do not end are closed: the session's own limit comes first
DIALECTS: Mapping[str, Callable[[], Dialect]] = MappingProxyType(
    {"cmpp": CmppDialect, "smpp": SmppDialect, "smgp": SmgpDialect, "sgip": SgipDialect}
)


class LinkServer:
    """All links. Its methods run in the event loop."""

    def __init__(
        self,
        accounts: Iterable[Account],
        intake: Intake,
        deliveries: Deliveries,
        clock: Callable[[], float] = monotonic,
        most: int = MOST,
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder or Recorder(lambda: 0)
        self._numbers = count(1)
        self._deliveries = deliveries
        self._usages = {account.name: Usage(account, clock()) for account in accounts}
        self._intake, self._clock, self._most = intake, clock, most
        self._attempts = Attempts()
        self._links: set[Link] = set()
        self._of_address: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._listening: set[str] = set()
        self._callers: dict[str, tuple[SgipCaller, asyncio.Task[None]]] = {}

    async def listen(self, protocol: str, host: str, port: int) -> int:
        """Accept links of a protocol; returns the port, which the system chooses for 0. Raises AntispamError."""
        try:
            server = await asyncio.get_running_loop().create_server(lambda: self._link(protocol), host, port)
        except OSError as error:
            raise AntispamError(f"links: cannot listen on {host}:{port}: {error.strerror}") from None
        self._servers.append(server)
        self._listening.add(protocol)
        number: int = server.sockets[0].getsockname()[1]
        return number

    async def run(self, closing: asyncio.Event) -> None:
        """Do what is due until `closing` is set; then drain the links and close."""
        self._call()
        delivering = asyncio.create_task(self._deliveries.run(self, closing))
        while not closing.is_set():
            self.tick()
            await _wait(closing, TICK)
            if delivering.done():
                delivering.result()  # raises what it has failed with
        for server in self._servers:
            server.close()
        for link in tuple(self._links):
            link.drain()
        deadline = self._clock() + DRAIN
        while self._links and self._clock() < deadline:
            await asyncio.sleep(0.05)
            self.tick()
        for link in tuple(self._links):
            link.abort()
        while self._links:
            await asyncio.sleep(0)
        await delivering
        for name in list(self._callers):
            await self._hang_up(name)
        await self._deliveries.finish()

    def logged_in(self) -> list[tuple[Link | SgipCaller, Account]]:
        """The links that have logged in, and our own to SGIP ports, with their accounts."""
        links: list[tuple[Link | SgipCaller, Account]] = [
            (link, link.owner) for link in self._links if link.owner is not None
        ]
        return links + [(caller, caller.owner) for caller, _ in self._callers.values()]

    def _call(self) -> None:
        """Open our own connections to SGIP ports."""
        for name, usage in self._usages.items():
            if "sgip" in self._listening and usage.account.sgip_deliver and name not in self._callers:
                caller = SgipCaller(usage.account, self._deliveries.answered, self._clock, self._recorder)
                self._callers[name] = caller, asyncio.create_task(caller.run())

    async def _hang_up(self, name: str) -> None:
        _, task = self._callers.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def reload(self, accounts: Mapping[str, Account]) -> None:
        """Take these accounts from now on. Links that their accounts no longer allow are drained."""
        for name, account in accounts.items():
            if name in self._usages:
                self._usages[name].account = account
            else:
                self._usages[name] = Usage(account, self._clock())
        for name in self._usages.keys() - accounts.keys():
            del self._usages[name]
        for link in self._links:
            if link.owner is not None:
                known = accounts.get(link.owner.name)
                if known is None or not known.allows(link.address):
                    link.drain()
        for name, (caller, _) in list(self._callers.items()):
            if accounts.get(name) != caller.owner:
                _, task = self._callers.pop(name)
                task.cancel()
        self._call()

    def tick(self) -> None:
        """Do what is due on every link."""
        for link in tuple(self._links):
            link.tick()
        for caller, _ in self._callers.values():
            caller.tick()

    def _link(self, protocol: str) -> Link:
        dialect = DIALECTS[protocol]()
        return Link(
            protocol,
            dialect,
            self._usages,
            self._attempts,
            self._intake,
            self._clock,
            self._connected,
            self._ended,
            self._deliveries.answered,
            next(self._numbers),
            self._recorder,
        )

    def _connected(self, link: Link) -> bool:
        if len(self._links) >= self._most or self._of_address[link.address] >= MOST_OF_ADDRESS:
            metrics.PORT_LINKS_REFUSED.inc()
            return False
        self._links.add(link)
        self._of_address[link.address] += 1
        metrics.PORT_LINKS.set(len(self._links))
        return True

    def _ended(self, link: Link) -> None:
        self._links.discard(link)
        self._of_address[link.address] -= 1
        if not self._of_address[link.address]:
            del self._of_address[link.address]
        metrics.PORT_LINKS.set(len(self._links))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
