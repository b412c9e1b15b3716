"""Notes the frames of running traces in one process. While no trace is on, a frame costs one comparison.

Frames are kept as the plain values of `antispam decode`, in which passwords are hidden. An answer belongs to the traces
of its request, which has the same sequence number on the same link. What is noted waits in a bounded buffer for the
database; frames beyond it are dropped and counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pipeline.actions.tracing.subject import Trace
from pipeline.protocols.codec import RESPONSE, Codec
from pipeline.protocols.frames import FrameError, ProtocolError
from pipeline.protocols.shown import plain

MOST_WAITING = 2_000  # frames
MOST_REQUESTS = 5_000  # traced requests whose answers are awaited
_PROOFS = ("authenticator", "authenticator_source", "authenticator_client", "authenticator_server")


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a trace. `outgoing`: from us. `body` has its fields, or the `fault` why it cannot be read.

    `channel` is the channel of a link to a carrier, or `of_account` of a link to a port.
    """

    trace: int
    at: int
    channel: str
    link: int
    outgoing: bool
    command: str
    body: dict[str, Any]


class Recorder:
    """The running traces of a process, set by its role, and what was noted. `wall` is epoch ms."""

    def __init__(self, wall: Callable[[], int]) -> None:
        self._wall = wall
        self.traces: Sequence[Trace] = ()
        self._noted: deque[Noted] = deque()
        self._asked: OrderedDict[tuple[str, int, bool, str], frozenset[int]] = OrderedDict()
        self.dropped = 0

    def note(self, channel: str, link: int, codec: Codec[Any], frame: bytes, *, outgoing: bool) -> None:
        """Note a frame for each trace that it is about."""
        now = self._wall()
        running = [trace for trace in self.traces if trace.until > now]
        if not running:
            return
        command, body, sequence = _read(codec, frame)
        answer = int.from_bytes(frame[4:8], "big") & RESPONSE
        about = {trace.id for trace in running if trace.is_about(channel, body)}
        if answer:
            about |= self._asked.pop((channel, link, not outgoing, sequence), frozenset())
        elif about:
            self._asked[channel, link, outgoing, sequence] = frozenset(about)
            if len(self._asked) > MOST_REQUESTS:
                self._asked.popitem(last=False)
        for trace in sorted(about):
            if len(self._noted) >= MOST_WAITING:
                self.dropped += 1
                continue
            self._noted.append(
                Noted(trace=trace, at=now, channel=channel, link=link, outgoing=outgoing, command=command, body=body)
            )

    def take(self) -> list[Noted]:
        """What was noted since the last call."""
        taken = []
        while self._noted:  # another thread may add to them
            taken.append(self._noted.popleft())
        return taken


def of_account(name: str) -> str:
    """Where the links of a port's account stand in place of a channel; no channel has such a name."""
    return f"account/{name}"


def _read(codec: Codec[Any], frame: bytes) -> tuple[str, dict[str, Any], str]:
    """Name of the command, plain values, sequence number. What cannot be read has no fields."""
    try:
        pdu = codec.read(frame).pdu
        body = plain(pdu, None)
    except (FrameError, ProtocolError) as error:
        head = codec.head(frame)
        return f"{head[0]:#010x}", {"fault": str(error), "octets": len(frame)}, str(head[1].sequence)
    for name in _PROOFS:
        if name in body:
            body[name] = "***"
    return type(pdu).__name__, _stored(body) | {"octets": len(frame)}, str(pdu.sequence)


def _stored(body: dict[str, Any]) -> dict[str, Any]:
    """The values as JSON has them."""
    found: dict[str, Any] = msgspec.to_builtins(body)
    return found
