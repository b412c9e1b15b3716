"""The rate of an account is counted in parts, over all its links."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.links.account import Account, Refusal, Usage


def account(**fields: object) -> Account:
    values: dict[str, object] = {
        "name": "900001",
        "port": "10690001",
        "secret": b"secret",
        "addresses": (ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")),
        "rate": 50.0,
    }
    return Account(**(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "refusal"),
    [("10.1.2.3", None), ("2001:db8::1", None), ("10.2.0.1", Refusal.ADDRESS), ("::1", Refusal.ADDRESS)],
)
def test_addresses(address: str, refusal: Refusal | None) -> None:
    assert Usage(account(), 0.0).refusal(address) is refusal


def test_one_link_more_than_allowed_is_refused() -> None:
    usage = Usage(account(links=2), 0.0)
    for _ in range(2):
        assert usage.refusal("10.1.0.1") is None
        usage.links += 1
    assert usage.refusal("10.1.0.1") is Refusal.LINKS


def test_a_request_is_taken_whole_or_not_at_all() -> None:
    usage = Usage(account(rate=50.0), 0.0)
    assert not usage.take(51, 0.0)
    assert usage.take(50, 0.0)
    assert not usage.take(1, 0.0)
    assert not usage.take(100, 1.9)
    assert usage.take(100, 2.0)


@given(st.lists(st.tuples(st.integers(1, 254), st.floats(0, 3)), max_size=60))
def test_never_more_than_the_rate_and_the_largest_request(requests: list[tuple[int, float]]) -> None:
    usage, now, taken = Usage(account(rate=20.0), 0.0), 0.0, 0
    for parts, wait in requests:
        now += wait
        taken += parts * usage.take(parts, now)
        assert taken <= 254 + 20.0 * now + 1e-6
