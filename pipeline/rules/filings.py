"""Filings (实名报备): may a signature be used from a port, according to a carrier?

A carrier refuses messages whose signature was not filed with it. The state is the worst among the carriers of the
recipients, by number segment; the pipeline's table of ported numbers is not used. A carrier for which the port has no
filings at all does not count: then the operator keeps none for it.

Source of the states: the carriers' registration of signatures by real name.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from functools import cache

import msgspec

from pipeline.errors import AntispamError
from pipeline.rules.numbering.segments import Segments, shipped_segments
from pipeline.text.faults.csv_faults import said
from pipeline.text.faults.form_faults import form_fault
from pipeline.text.faults.suggestion import suggestion
from pipeline.text.signatures import Signature, signature_name

COLUMNS = ("port", "signature", "carrier", "state", "applied", "decided", "until")
MISSING = "missing"  # the carrier has filings of the port, but none of this signature


class FilingState(StrEnum):
    """What a carrier said about a signature."""

    FILED = "filed"
    APPLIED = "applied"
    EXPIRED = "expired"
    REFUSED = "refused"


# From the best to the worst.
_ORDER = ("", FilingState.FILED, FilingState.APPLIED, FilingState.EXPIRED, FilingState.REFUSED, MISSING)


class Filing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One signature of a port with one carrier (a name as in the number segments).

    `until` is the last day in force. A filing whose `until` has passed is expired, whatever its state says.
    """

    signature: str
    carrier: str
    state: FilingState
    applied: date | None = None
    decided: date | None = None
    until: date | None = None

    def on(self, day: date) -> FilingState:
        """The state on a day."""
        if self.state is FilingState.FILED and self.until is not None and self.until < day:
            return FilingState.EXPIRED
        return self.state


class Filings:
    """The filings of one port, made for look-up. Immutable."""

    def __init__(self, filings: Iterable[Filing]) -> None:
        by_carrier: dict[str, dict[str, Filing]] = {}
        for filing in filings:
            by_carrier.setdefault(filing.carrier, {})[signature_name(filing.signature)] = filing
        self._by_carrier: Mapping[str, Mapping[str, Filing]] = by_carrier

    def worst(self, signatures: Sequence[Signature], recipients: Sequence[str], day: date) -> str:
        """The worst state of these signatures with the recipients' carriers; empty if none is kept for them."""
        if not self._by_carrier or not signatures:
            return ""
        reached = set(map(_segments().carrier_of, recipients))
        states = {
            filing.on(day) if (filing := of_carrier.get(signature.name)) else MISSING
            for carrier, of_carrier in self._by_carrier.items()
            if carrier in reached
            for signature in signatures
        }
        return str(max(states, key=_ORDER.index, default=""))


@cache
def _segments() -> Segments:
    return Segments(shipped_segments())


@cache
def carriers() -> tuple[str, ...]:
    """The carriers of the number segments, which filings name."""
    return tuple(sorted(set(shipped_segments().values()) - {"Other"}))


def check_filings(filings: Sequence[Filing], signatures: Sequence[str]) -> None:
    """Raises AntispamError for a filing of an unknown carrier, of another signature, or for a second one of both."""
    seen = set()
    for filing in filings:
        if filing.carrier not in carriers():
            raise AntispamError(
                f"filing: unknown carrier {filing.carrier[:32]!r}; {suggestion(filing.carrier, carriers())}"
            )
        if filing.signature not in signatures:
            known = suggestion(filing.signature, signatures) if signatures else "it has none"
            raise AntispamError(f"filing: {filing.signature[:32]!r} is not a signature of the port; {known}")
        if (filing.signature, filing.carrier) in seen:
            raise AntispamError(f"filing: {filing.signature!r} with {filing.carrier} is there twice")
        seen.add((filing.signature, filing.carrier))


def parse_filings(text: str, source: str) -> list[tuple[int, str, Filing]]:
    """(line, port, filing) of a csv with the header of COLUMNS. Raises AntispamError naming the line of a fault."""
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found = []
    try:
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise AntispamError(f"{source}:1: header must be {','.join(COLUMNS)}")
        for row in rows:
            if None in row or None in row.values():
                raise AntispamError(
                    f"{source}:{rows.line_num}: another number of fields; {len(COLUMNS)} expected: {','.join(COLUMNS)}"
                )
            fields = {name: value.strip() for name, value in row.items() if name != "port" and value.strip()}
            try:
                filing = msgspec.convert(fields, Filing, strict=False)
            except msgspec.ValidationError as error:
                raise AntispamError(f"{source}:{rows.line_num}: column {form_fault(error, Filing)}") from None
            found.append((rows.line_num, row["port"].strip(), filing))
    except csv.Error as error:
        raise AntispamError(f"{source}:{rows.line_num}: {said(error)}") from None
    return found
