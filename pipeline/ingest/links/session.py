"""One link of a port, from its login to its end, as a state machine: frames and times in, actions out.

No sockets and no clock: the caller reads frames, carries out actions, and calls `tick`. A submission is answered only
by `answer`, after the broker has acknowledged it, so an answer never promises more than is durable. A submission beyond
the account's rate or the link's window is refused at once with the protocol's code for "send again later", and nothing
of it is taken.

A port that misses an answer sends the same frame again. While the submission has no answer yet, the repetition is
skipped; after it was accepted, it gets the same answer again.

What is delivered to the port waits for its answer, is sent again if none comes, and is given back (`Undelivered`) when
the link ends, so that another link can take it.

Both sides may ask whether the link is alive. An idle port is asked every `test_every`; without any frame from it, the
link is closed after `tries` questions.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from pipeline.ingest.links.account import Account, Refusal, Usage
from pipeline.ingest.links.attempts import Attempts
from pipeline.ingest.links.dialect import Dialect, Kind, Outcome
from pipeline.protocols.frames import FrameError, UnknownCommandError

_REMEMBERED = 64  # accepted submissions of a link whose repetition is known; more than a window
_MOST_SEQUENCE = 0x7FFF_FFFF  # SMPP's; CMPP's numbers may be larger but need not


class Send(NamedTuple):
    """Write this frame."""

    frame: bytes


class LoggedIn(NamedTuple):
    """The link belongs to this account now."""

    account: str


class LoginRefused(NamedTuple):
    """To be logged with the address; `account` is what the client says."""

    account: str
    refusal: Refusal


class Submitted(NamedTuple):
    """Take this submission, and call `answer` with its ticket."""

    ticket: int
    pdu: Any


class Delivered(NamedTuple):
    """The port has answered what was delivered under this token; `accepted`: it need not be sent again."""

    token: Any
    accepted: bool


class Undelivered(NamedTuple):
    """The link ended before the port answered; another link may take it."""

    token: Any


class Skipped(NamedTuple):
    """A frame was not read, or not expected."""

    cause: str


class Close(NamedTuple):
    """Close the connection, after what is to be sent."""

    cause: str


Action = Send | LoggedIn | LoginRefused | Submitted | Delivered | Undelivered | Skipped | Close


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, and how often: the carriers' usual values (CMPP 3.0)."""

    login: float = 10.0
    answer: float = 60.0
    test_every: float = 180.0
    tries: int = 3
    window: int = 16  # of what we deliver
    drain: float = 10.0


class State(Enum):
    """The life of a link."""

    NEW = "new"
    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"


class _Waiting(msgspec.Struct):
    token: Any
    frame: bytes
    tries: int
    until: float


class Session:
    """See the module. `usage_of` finds an account's usage by name; `address` is the client's."""

    def __init__(
        self,
        dialect: Dialect,
        usage_of: Callable[[str], Usage | None],
        attempts: Attempts,
        address: str,
        now: float,
        limits: Limits | None = None,
    ) -> None:
        self._attempts = attempts
        self._dialect, self._usage_of, self._address = dialect, usage_of, address
        self._limits = limits or Limits()
        self.state = State.NEW
        self.receives = False  # whether messages and reports may be delivered over this link
        self._usage: Usage | None = None
        self._until = now + self._limits.login  # the login, or the end of the drain, must come before
        self._heard, self._tests, self._next_test = now, 0, 0.0
        self._sequence, self._tickets = 0, 0
        self._ending: Any = None  # the port's wish to close
        self._open: dict[int, tuple[Any, bytes]] = {}  # submissions without an answer, by ticket, with their frames
        self._accepted: dict[bytes, Send] = {}  # the answers to the last accepted submissions, by frame
        self._delivering: dict[int, _Waiting] = {}  # by sequence number

    @property
    def account(self) -> Account | None:
        """The account that the link belongs to; None before its login."""
        return None if self._usage is None else self._usage.account

    @property
    def free(self) -> int:
        """How many messages and reports may be delivered now."""
        if self.state is not State.OPEN or not self.receives:
            return 0
        return max(0, self._limits.window - len(self._delivering))

    def receive(self, frame: bytes, now: float) -> list[Action]:
        """Take a frame."""
        if self.state is State.CLOSED:
            return []
        self._heard, self._tests = now, 0
        try:
            pdu = self._dialect.codec.decode(frame)
        except FrameError as error:
            return self._unreadable(frame, error)
        kind = self._dialect.kind(pdu)
        if kind is Kind.LOGIN:
            return self._login(pdu, now)
        if kind is Kind.TEST:
            return [self._send(self._dialect.test_answer(pdu))]
        if kind is Kind.END:
            return self._end(pdu, now)
        if kind is Kind.END_ANSWER:
            return self._close("drained")
        if kind is Kind.SUBMIT:
            return self._submit(pdu, frame, now)
        if kind is Kind.DELIVERED:
            waiting = self._delivering.pop(pdu.sequence, None)
            return [] if waiting is None else [Delivered(waiting.token, self._dialect.accepted(pdu))]
        return [] if kind is Kind.TEST_ANSWER else [Skipped(f"unexpected {type(pdu).__name__}")]

    def answer(self, ticket: int, outcome: Outcome, msg_id: int = 0) -> list[Action]:
        """Answer a submission. Without a link there is nobody to answer."""
        if ticket not in self._open:
            return []
        pdu, frame = self._open.pop(ticket)
        answer = self._send(self._dialect.submitted(pdu, outcome, msg_id))
        if outcome is Outcome.ACCEPTED:
            self._accepted[frame] = answer
            if len(self._accepted) > _REMEMBERED:
                del self._accepted[next(iter(self._accepted))]
        return [answer, *self._end_of_drain()]

    def deliver(self, token: Any, pdu: Any, now: float) -> list[Action]:
        """Deliver a message or report, whose sequence number is set here. If nothing is `free`, it comes back."""
        if self.free == 0:
            return [Undelivered(token)]
        sequence = self._next_sequence()
        frame = self._dialect.codec.encode(msgspec.structs.replace(pdu, sequence=sequence))
        self._delivering[sequence] = _Waiting(token, frame, 1, now + self._limits.answer)
        return [Send(frame)]

    def drain(self, now: float) -> list[Action]:
        """Take no further submission, answer those taken, and close."""
        if self.state is State.NEW:
            return self._close("the server stops")
        if self.state is State.OPEN:
            self.state, self._until = State.DRAINING, now + self._limits.drain
            return self._end_of_drain()
        return []

    def tick(self, now: float) -> list[Action]:
        """What is due by this time."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.NEW:
            return self._close("no login in time") if now >= self._until else []
        if self.state is State.DRAINING and now >= self._until:
            return self._close("drain ended")
        actions = self._repeat(now)
        if self.state is State.OPEN:
            actions += self._test(now)
        return actions

    def lost(self) -> list[Action]:
        """The connection is gone."""
        return [action for action in self._close("lost") if not isinstance(action, Close)]

    def _end(self, pdu: Any, now: float) -> list[Action]:
        """The port wants to close: it gets the answers to what it has submitted, and then this one."""
        self._ending = pdu
        if self.state is State.OPEN:
            self._until = now + self._limits.drain
        self.state = State.DRAINING
        return self._end_of_drain()

    def _login(self, pdu: Any, now: float) -> list[Action]:
        login = self._dialect.login(pdu)
        if self.state is not State.NEW:
            return [Skipped("a second login")]
        usage = self._usage_of(login.name)
        refusal: Refusal | None
        if self._attempts.locked(login.name, self._address, now):
            refusal = Refusal.LOCKED
        elif usage is None or not login.proves(usage.account.secret):
            refusal = Refusal.PROOF
        elif not login.version_known:
            refusal = Refusal.VERSION
        else:
            refusal = usage.refusal(self._address)
        if refusal is not None or usage is None:
            refusal = refusal or Refusal.PROOF
            if refusal is Refusal.PROOF:
                self._attempts.failed(login.name, self._address, now)
            answer = self._send(self._dialect.refused(pdu, refusal))
            return [LoginRefused(login.name, refusal), answer, *self._close("login refused")]
        self._attempts.succeeded(login.name, self._address)
        usage.links += 1
        self._usage, self.state, self.receives = usage, State.OPEN, login.receives
        self._next_test = now + self._limits.test_every
        return [self._send(self._dialect.admitted(pdu, usage.account.secret)), LoggedIn(login.name)]

    def _submit(self, pdu: Any, frame: bytes, now: float) -> list[Action]:
        usage = self._usage
        if usage is None:
            answer = self._send(self._dialect.submitted(pdu, Outcome.NOT_LOGGED_IN, 0))
            return [answer, *self._close("a submission before the login")]
        if frame in self._accepted:
            return [self._accepted[frame]]
        if any(frame == other for _, other in self._open.values()):
            return [Skipped("a submission again before its answer")]
        full = len(self._open) >= usage.account.window
        if full or self.state is not State.OPEN or not usage.take(self._dialect.parts(pdu), now):
            return [self._send(self._dialect.submitted(pdu, Outcome.THROTTLED, 0))]
        self._tickets += 1
        self._open[self._tickets] = pdu, frame
        return [Submitted(self._tickets, pdu)]

    def _unreadable(self, frame: bytes, error: FrameError) -> list[Action]:
        answer = self._dialect.unreadable(frame, isinstance(error, UnknownCommandError))
        actions: list[Action] = [Skipped(str(error)), *([] if answer is None else [self._send(answer)])]
        return actions if self.state is not State.NEW else [*actions, *self._close("no login in the first frame")]

    def _repeat(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for waiting in self._delivering.values():
            if now >= waiting.until:
                if waiting.tries >= self._limits.tries:
                    return [*actions, *self._close("the port does not answer")]
                waiting.tries += 1
                waiting.until = now + self._limits.answer
                actions.append(Send(waiting.frame))
        return actions

    def _test(self, now: float) -> list[Action]:
        due = max(self._next_test, self._heard + self._limits.test_every) if self._tests == 0 else self._next_test
        if now < due:
            return []
        if self._tests >= self._limits.tries:
            return self._close("the port is silent")
        question = self._dialect.test(self._next_sequence())
        if question is None:
            return self._close("idle")
        self._tests += 1
        self._next_test = now + self._limits.answer
        return [self._send(question)]

    def _end_of_drain(self) -> list[Action]:
        if self.state is not State.DRAINING or self._open:
            return []
        if self._ending is not None:
            return [self._send(self._dialect.end_answer(self._ending)), *self._close("closed by the port")]
        return [self._send(self._dialect.end(self._next_sequence()))]

    def _close(self, cause: str) -> list[Action]:
        if self.state is State.CLOSED:
            return []
        self.state = State.CLOSED
        if self._usage is not None:
            self._usage.links -= 1
        undelivered: list[Action] = [Undelivered(waiting.token) for waiting in self._delivering.values()]
        self._delivering.clear()
        self._open.clear()
        return [*undelivered, Close(cause)]

    def _send(self, pdu: Any) -> Send:
        return Send(self._dialect.codec.encode(pdu))

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % _MOST_SEQUENCE + 1
        return self._sequence
