"""The worst filing of a text's signatures with the carriers of its recipients."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.errors import AntispamError
from pipeline.rules.filings import Filing, Filings, FilingState, check_filings, parse_filings
from pipeline.text.signatures import Signature

DAY = date(2026, 3, 10)
MOBILE, UNICOM, TELECOM, ABROAD = "13800000001", "13000000001", "13300000001", "+447700900001"


def _filing(carrier: str, state: FilingState, signature: str = "示例", until: date | None = None) -> Filing:
    return Filing(signature=signature, carrier=carrier, state=state, until=until)


FILINGS = Filings(
    [
        _filing("China Mobile", FilingState.FILED, until=DAY),
        _filing("China Unicom", FilingState.APPLIED),
        _filing("China Unicom", FilingState.REFUSED, "Shili 2"),
    ]
)


@pytest.mark.parametrize(
    ("names", "recipients", "state"),
    [
        (["示例"], [MOBILE], "filed"),
        (["示例"], [UNICOM], "applied"),
        (["示例"], [MOBILE, UNICOM, MOBILE], "applied"),
        (["shili2"], [UNICOM], "refused"),
        (["shili2"], [MOBILE], "missing"),
        (["示例", "shili2"], [UNICOM], "refused"),
        (["示例"], [TELECOM], ""),
        (["示例"], [ABROAD], ""),
        ([], [MOBILE], ""),
    ],
)
def test_the_worst_state_counts(names: list[str], recipients: list[str], state: str) -> None:
    signatures = [Signature(name, 0, 1) for name in names]
    assert FILINGS.worst(signatures, recipients, DAY) == state


def test_a_filing_expires_after_its_last_day() -> None:
    signature = [Signature("示例", 0, 1)]
    assert FILINGS.worst(signature, [MOBILE], date(2026, 3, 11)) == "expired"
    assert Filings([]).worst(signature, [MOBILE], DAY) == ""


def test_filings_are_those_of_a_ports_signatures_with_known_carriers() -> None:
    filed = _filing("China Mobile", FilingState.FILED)
    check_filings([filed], ["示例"])
    for bad, message in (
        ([_filing("China Moblie", FilingState.FILED)], "unknown carrier"),
        ([_filing("China Mobile", FilingState.FILED, "别人")], "not a signature of the port"),
        ([filed, filed], "twice"),
    ):
        with pytest.raises(AntispamError, match=message):
            check_filings(bad, ["示例"])


def test_a_file_is_read_with_its_lines() -> None:
    text = (
        "port,signature,carrier,state,applied,decided,until\n"
        + " 10690001 ,示例,China Mobile,filed,2026-01-01,,2027-01-01\n"
    )
    assert parse_filings(text, "f") == [
        (
            2,
            "10690001",
            Filing(
                signature="示例",
                carrier="China Mobile",
                state=FilingState.FILED,
                applied=date(2026, 1, 1),
                until=date(2027, 1, 1),
            ),
        )
    ]
    with pytest.raises(AntispamError, match="f:1: header must be port,signature"):
        parse_filings("signature,port\n", "f")
