"""The dialect of a channel, by its `kind`."""

from __future__ import annotations

from pipeline.actions.senders.channels import Channel
from pipeline.actions.senders.dialects.cmpp import CmppDialect
from pipeline.actions.senders.dialects.dialect import Account, Dialect
from pipeline.actions.senders.dialects.sgip import SgipDialect
from pipeline.actions.senders.dialects.smgp import SmgpDialect
from pipeline.actions.senders.dialects.smpp import SmppDialect
from pipeline.protocols.cmpp import CMPP2, CMPP3


def dialect_of(channel: Channel, secret: bytes = b"") -> Dialect:
    """The dialect of a channel. Who does not log in needs no secret."""
    account = Account(channel.account, secret, channel.service, channel.system_type)
    match channel.kind:
        case "smgp":
            return SmgpDialect(account)
        case "sgip":
            return SgipDialect(account, channel.node)
        case "smpp":
            return SmppDialect(account, ascii_text=channel.smpp_ascii, decimal_receipts=channel.decimal_receipts)
        case _:
            return CmppDialect(account, CMPP2 if channel.kind == "cmpp2" else CMPP3)
