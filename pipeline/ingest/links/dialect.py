"""What a session needs to know of a protocol: which message is what, and how answers look."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, Protocol

from pipeline.actions.status.link_deliveries import Reply, Report
from pipeline.ingest.links.account import Refusal
from pipeline.protocols.codec import Codec


class Kind(Enum):
    """What a message means to a session."""

    LOGIN = "login"
    SUBMIT = "submit"
    DELIVERED = "delivered"  # the answer to a DELIVER
    TEST = "test"
    TEST_ANSWER = "test answer"
    END = "end"
    END_ANSWER = "end answer"
    OTHER = "other"


class Outcome(Enum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    THROTTLED = "throttled"
    MALFORMED = "malformed"
    NOT_LOGGED_IN = "not logged in"
    REFUSED = "refused"


class Login(NamedTuple):
    """A login: the account's name, and whether a secret is the one it was made with."""

    name: str
    proves: Callable[[bytes], bool]
    version_known: bool
    receives: bool


class Dialect(Protocol):
    """One protocol on one connection."""

    name: str  # cmpp, smpp, smgp, sgip

    @property
    def codec(self) -> Codec[Any]:
        """The codec; a login may change it to the version that the client speaks."""

    def kind(self, pdu: Any) -> Kind:
        """What the message means."""

    def login(self, pdu: Any) -> Login:
        """The login in a message of this kind."""

    def admitted(self, pdu: Any, secret: bytes) -> Any:
        """The answer to an accepted login."""

    def refused(self, pdu: Any, refusal: Refusal) -> Any:
        """The answer to a refused login."""

    def parts(self, pdu: Any) -> int:
        """How many parts a submission puts on the way: one a recipient."""

    def submitted(self, pdu: Any, outcome: Outcome, msg_id: int) -> Any:
        """The answer to a submission; `msg_id` (64 bits) is ours for it, 0 if it was not accepted."""

    def report_id(self, pdu: Any, msg_id: int) -> str:
        """The id under which a report names this submission, in hex; `msg_id` is ours for it."""

    def delivery(self, content: Report | Reply) -> Any:
        """A report or reply for the port; its sequence number is set later. Raises ProtocolError if it does not fit."""

    def unreadable(self, frame: bytes, unknown: bool) -> Any | None:
        """The answer to a frame that cannot be read, if the protocol has one."""

    def test(self, sequence: int) -> Any | None:
        """A question whether the link is alive; None if the protocol has none: then an idle link is closed."""

    def test_answer(self, pdu: Any) -> Any:
        """The answer to such a question."""

    def end(self, sequence: int) -> Any:
        """A wish to close."""

    def end_answer(self, pdu: Any) -> Any:
        """The answer to such a wish."""

    def accepted(self, pdu: Any) -> bool:
        """Whether the answer to a DELIVER says that the client has it."""
