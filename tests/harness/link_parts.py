"""Parts of long messages as the role `links` writes them."""

from __future__ import annotations

from typing import Any

from pipeline.events import Origin, Part, Submission
from pipeline.protocols.sms.alphabet import of_chinese_coding
from pipeline.protocols.sms.short_message import short_message
from pipeline.protocols.sms.text import parts

PORT = "10690001"
NOW = 1_796_000_000_000


def parts_of(text: str, ident: str, reference: int = 7, at: int = NOW, **fields: Any) -> list[Part]:
    """The parts of a text. The one with number n has the id `<ident>.<n>` and wants a report under it."""
    made = []
    for piece in parts(text, reference):
        name = f"{ident}.{piece.number}"
        message = short_message(piece.content, of_chinese_coding(piece.coding), headed=True)
        values: dict[str, Any] = {
            "id": name,
            "port": PORT,
            "recipients": ("13800000001",),
            "content": message.text or "",
            "accepted_at": at,
            "origin": Origin(account="900001", protocol="cmpp", ids=(name,)),
        }
        made.append(
            Part(
                submission=Submission(**(values | fields)),
                code=PORT,
                reference=reference,
                width=1,
                total=piece.total,
                number=piece.number,
                alphabet=message.alphabet.name,
                octets=message.content,
            )
        )
    return made
