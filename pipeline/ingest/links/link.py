"""One connection of a port: it reads frames, carries out what the session says, and writes frames.

Its memory is bounded: a frame's length is checked before its octets are kept, unanswered submissions by the window, and
a port that does not read its answers is not read either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import structlog

from pipeline import metrics
from pipeline.actions.status.link_deliveries import Reply, Report
from pipeline.actions.tracing.recorder import Recorder, of_account
from pipeline.errors import AntispamError
from pipeline.ingest.links.account import Account, Refusal, Usage
from pipeline.ingest.links.attempts import Attempts
from pipeline.ingest.links.dialect import Dialect, Outcome
from pipeline.ingest.links.intake import Intake
from pipeline.ingest.links.session import (
    Action,
    Close,
    Delivered,
    LoggedIn,
    LoginRefused,
    Send,
    Session,
    Skipped,
    State,
    Submitted,
    Undelivered,
)
from pipeline.protocols.frames import StreamError

CLOSING = 5.0  # seconds to write the last answers to a port that does not read
_MOST_CAUSES = 20  # different causes of refusals that one link may log
_log = structlog.get_logger()


class Link(asyncio.Protocol):
    """See the module. `connected` and `ended` tell the server of this link; `connected` may refuse it."""

    _transport: asyncio.Transport
    _session: Session

    def __init__(
        self,
        protocol: str,
        dialect: Dialect,
        usages: Mapping[str, Usage],
        attempts: Attempts,
        intake: Intake,
        clock: Callable[[], float],
        connected: Callable[[Link], bool],
        ended: Callable[[Link], None],
        answered: Callable[[int, bool | None], None],
        number: int,
        recorder: Recorder,
    ) -> None:
        """`answered` tells whether the port has what was delivered; None: the link ended before its answer.

        `number` tells the links of a server apart; `recorder` notes the frames after the login.
        """
        self._answered = answered
        self._number, self._recorder = number, recorder
        self.protocol, self._dialect, self._intake = protocol, dialect, intake
        self._usages, self._attempts = usages, attempts
        self._clock, self._connected, self._ended = clock, connected, ended
        self._frames = dialect.codec.frames()
        self._admitted = False
        self.account = ""  # empty before the login
        self._closing_since: float | None = None
        self._causes: set[str] = set()
        self.address = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The port has connected."""
        self._transport = cast(asyncio.Transport, transport)
        self.address = str((transport.get_extra_info("peername") or ("0.0.0.0",))[0])  # noqa: S104 - nobody's address
        if not self._connected(self):
            self.abort()
            return
        self._admitted = True
        self._session = Session(self._dialect, self._usages.get, self._attempts, self.address, self._clock())

    def data_received(self, data: bytes) -> None:
        """The port has sent octets."""
        if not self._admitted:
            return
        try:
            for frame in self._frames.feed(data):
                self._trace(frame, outgoing=False)
                self._act(self._session.receive(frame, self._clock()))
        except StreamError as error:
            _log.warning("link_unreadable", **self._names(), cause=str(error))
            self._act([*self._session.lost(), Close("unreadable")])

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if not self._admitted:
            return
        self._act(self._session.lost())
        self._ended(self)
        if self.account:
            _log.info("link_ended", **self._names())

    def pause_writing(self) -> None:
        """The port does not read its answers."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The port reads again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def tick(self) -> None:
        """Do what is due."""
        self._act(self._session.tick(self._clock()))
        if self._closing_since is not None and self._clock() >= self._closing_since + CLOSING:
            self.abort()

    @property
    def owner(self) -> Account | None:
        """The account that has logged in."""
        return self._session.account if self._admitted else None

    @property
    def free(self) -> int:
        """How many reports and replies may be delivered now."""
        return self._session.free if self.account else 0

    @property
    def receives(self) -> bool:
        """Whether reports and replies may go over this link, now or later."""
        return bool(self.account) and self._session.receives and self._session.state is State.OPEN

    def deliver(self, token: int, content: Report | Reply) -> None:
        """Deliver a report or reply; `answered` gets the token."""
        try:
            pdu = self._dialect.delivery(content)
        except AntispamError as error:
            self._once("not_delivered", str(error))
            self._answered(token, False)
            return
        self._act(self._session.deliver(token, pdu, self._clock()))

    def drain(self) -> None:
        """Take nothing more, answer what was taken, and close."""
        self._act(self._session.drain(self._clock()))

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _act(self, actions: Sequence[Action]) -> None:
        """Carry out actions."""
        for action in actions:
            if isinstance(action, Send):
                self._trace(action.frame, outgoing=True)
                if not self._transport.is_closing():  # else asyncio warns of each answer to a port that is gone
                    self._transport.write(action.frame)
            elif isinstance(action, Submitted):
                self._take(action)
            elif isinstance(action, Delivered):
                self._answered(action.token, action.accepted)
            elif isinstance(action, Undelivered):
                self._answered(action.token, None)
            elif isinstance(action, LoggedIn):
                self.account = action.account
                _log.info("link_logged_in", **self._names())
            elif isinstance(action, LoginRefused):
                cause = action.refusal.value
                metrics.PORT_LOGINS_REFUSED.labels(self.protocol, cause).inc()
                if action.refusal is not Refusal.LOCKED:  # those that led to the lock are in the log
                    account = ascii(action.account)[1:-1]  # a stranger's, perhaps with control characters
                    locked = round(self._attempts.locked(action.account, self.address, self._clock()))
                    more = {"locked_s": locked} if locked else {}
                    _log.warning("login_refused", **self._names() | {"account": account}, cause=cause, **more)
            elif isinstance(action, Skipped):
                self._once("frame_skipped", action.cause)
            elif isinstance(action, Close):
                self._close()

    def _trace(self, frame: bytes, *, outgoing: bool) -> None:
        if self._recorder.traces and self.account:
            self._recorder.note(of_account(self.account), self._number, self._dialect.codec, frame, outgoing=outgoing)

    def _take(self, action: Submitted) -> None:
        account = self._session.account
        if account is None:
            raise AssertionError("a submission is taken after a login only")
        try:
            sent = self._intake.take(action.pdu, account, self._dialect)
        except AntispamError as error:
            self._once("submission_refused", str(error))
            self._answer(action.ticket, Outcome.REFUSED)
            return
        if sent is None:
            self._answer(action.ticket, Outcome.THROTTLED)
            return

        def heard(stored: asyncio.Future[bool]) -> None:
            # Not stored, for all we know: the port is to send it again.
            outcome = Outcome.ACCEPTED if not stored.cancelled() and stored.result() else Outcome.THROTTLED
            if outcome is Outcome.ACCEPTED:
                metrics.ACCEPTED.labels(self.protocol, sent.priority.value).inc()
            self._answer(action.ticket, outcome, sent.msg_id)

        sent.stored.add_done_callback(heard)

    def _answer(self, ticket: int, outcome: Outcome, msg_id: int = 0) -> None:
        metrics.PORT_SUBMISSIONS.labels(self.protocol, outcome.value).inc()
        self._act(self._session.answer(ticket, outcome, msg_id if outcome is Outcome.ACCEPTED else 0))

    def _close(self) -> None:
        if self._closing_since is None:
            self._closing_since = self._clock()
            self._transport.close()

    def _once(self, event: str, cause: str) -> None:
        """Log a cause the first time it occurs: a port that repeats a fault must not fill the log."""
        if cause not in self._causes and len(self._causes) < _MOST_CAUSES:
            self._causes.add(cause)
            _log.warning(event, **self._names(), cause=cause)

    def _names(self) -> dict[str, Any]:
        account = {"account": self.account} if self.account else {}
        return {"protocol": self.protocol, "address": self.address, **account}
