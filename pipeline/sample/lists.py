"""The operator's lists of the demo: black, allowed, blocked and unsubscribed numbers.

Traffic takes its listed numbers from here, and the configuration has the same entries. Each list is long enough that
in a benchmark no number gets or sends so many messages that another rule applies.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.events import Kind
from pipeline.sample.enterprises import BLACK_PORT, ORDERLY, Port

BLACK_SENDERS = ("13400010001", "15900010002", "18600010003", "17700010004")
EXPIRED_SENDERS = tuple(f"1360002{n:04d}" for n in range(100))  # listed until 2020: must pass
ALLOWED_SENDER = "18900030001"  # a company's reception, with many recipients, known to the operator
BLOCKED_RECIPIENTS = tuple(f"1500004{n:04d}" for n in range(100))

_COMMERCIAL = tuple(port for port in ORDERLY if port.kind is Kind.COMMERCIAL)
UNSUBSCRIBED: tuple[tuple[Port, str], ...] = tuple(
    (_COMMERCIAL[n % len(_COMMERCIAL)], f"1370005{n:04d}") for n in range(200)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One list entry. `expires` is ISO 8601 with zone; empty for an entry that never expires."""

    list: str
    entity: str
    value: str
    reason: str
    expires: str = ""


ENTRIES: tuple[Entry, ...] = (
    *(Entry("black", "sender", sender, "多次群发违法内容") for sender in BLACK_SENDERS),
    Entry("black", "sender", BLACK_PORT, "运营商通报"),
    *(Entry("black", "sender", s, "群发广告", "2020-01-01T00:00:00+08:00") for s in EXPIRED_SENDERS),
    Entry("allow", "sender", ALLOWED_SENDER, "企业前台，已核实"),
    *(Entry("blocked", "recipient", recipient, "本人要求不接收") for recipient in BLOCKED_RECIPIENTS),
    *(Entry("unsubscribed", "port_recipient", f"{p.code}:{to}", "回复退订") for p, to in UNSUBSCRIBED),
)
