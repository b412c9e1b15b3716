"""Who is asked about a number: our BOSS, or the network that it belongs to. From settings and number segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.actions.orders.order import Terms
from pipeline.actions.portability import load_segments
from pipeline.order_exchange import BOSS, HLR, OrderExchange
from pipeline.rules.numbering.segments import Segments
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Parties:
    """The exchanges by party. `own` are the carriers of our subscribers; empty: every mainland number is ours.

    `notice_port` tells subscribers `stopped` or `restored`; empty: nobody is told. `watch_days`: the probation of a
    number that BOSS restored by itself.
    """

    exchanges: Mapping[str, OrderExchange]
    own: frozenset[str]
    segments: Segments
    notice_port: str
    stopped: str
    restored: str
    watch_days: int

    def of_number(self, number: str) -> str | None:
        """The party that is asked about this number; None if there is no exchange with it, or it is no mobile number.

        A number that moved to another carrier belongs to that one.
        """
        carrier = self.segments.carrier_of(number)
        if carrier is None:
            return None
        party = BOSS if not self.own or carrier in self.own else carrier
        if party == BOSS and BOSS not in self.exchanges:
            party = HLR
        return party if party in self.exchanges else None

    def terms(self, party: str) -> Terms:
        """How often and how long a party is asked. Orders of a party that was taken out end with their next try."""
        exchange = self.exchanges.get(party)
        return Terms(exchange.tries, int(exchange.wait * 1000)) if exchange else Terms(1, 0)


def load_parties(settings: Settings) -> Parties:
    """The parties of these settings. Raises AntispamError for a bad portability table."""
    return Parties(
        {exchange.party: exchange for exchange in settings.order_exchanges},
        frozenset(settings.own_carriers),
        load_segments(settings),
        settings.stop_notice_port,
        settings.stop_notice,
        settings.restore_notice,
        settings.number_probation_days,
    )
