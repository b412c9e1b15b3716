"""An owner's address leads to the public internet, whatever it is written as, or nothing is posted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.actions.status.public_address import ForbiddenAddressError, check_callback, is_public, resolve
from pipeline.actions.status.role import post
from pipeline.errors import AntispamError

SPELLINGS = (
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::127.0.0.1]",
    "0",
    "0.0.0.0",
    "[::]",
    "１２７.0.0.1",
    "127。0。0。1",
)
ADDRESSES = (
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "0.1.2.3",
    "127.255.255.254",
    "fe80::1",
    "fc00::1",
    "fd12:3456::1",
    "fec0::1",
    "ff02::1",
    "::",
    "::1",
    "100::1",
    "::ffff:10.0.0.1",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "2002:7f00:1::",
    "2002:808:808::1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::a00:1",
    "2001::1",
    "2001:0:4136:e378::",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
)
PUBLIC = ("8.8.8.8", "1.1.1.1", "202.96.128.86", "114.114.114.114", "2400:3200::1", "2606:4700:4700::1111")


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of all of this machine's addresses; a connection to it is a failure of the test that used it."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        server.settimeout(0)
        yield server.getsockname()[1]
        with pytest.raises(BlockingIOError):
            server.accept()


def posted(url: str, allowed: tuple[Any, ...] = ()) -> str:
    async def one() -> str:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await post(client, allowed, "0" * 64, 1, url, b"{}", 1)

    return asyncio.run(one())


@pytest.mark.parametrize("host", SPELLINGS)
def test_no_spelling_of_this_machine_is_posted_to(listening: int, host: str) -> None:
    assert posted(f"http://{host}:{listening}/") in ("forbidden", "unreachable")


@pytest.mark.parametrize("host", [host for host in SPELLINGS if host.isascii()])
def test_whoever_sets_it_is_told(host: str) -> None:
    with pytest.raises(AntispamError, match="callback address"):
        check_callback(f"https://{host}/told", ())


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_not_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(ForbiddenAddressError):
        asyncio.run(resolve(address, 80))


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_not(address: str) -> None:
    assert asyncio.run(resolve(address, 443)) == address


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_ipv6_is_never_public(address: IPv4Address) -> None:
    number = int(address)
    for inside in (number, 0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert not is_public(IPv6Address(inside))


def test_one_forbidden_address_of_a_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, [["8.8.8.8", "10.0.0.1"]])
    with pytest.raises(ForbiddenAddressError):
        asyncio.run(resolve("two.example", 80))


def test_the_address_that_was_looked_at_is_connected_to(monkeypatch: pytest.MonkeyPatch, listening: int) -> None:
    """The name's second answer would lead to this machine."""
    asked = answers(monkeypatch, [["192.0.2.1"], ["127.0.0.1"]])
    assert posted(f"http://rebinds.example:{listening}/", (ip_network("127.0.0.0/8"),)) == "forbidden"
    assert asked == ["rebinds.example"]


def test_the_name_is_asked_for_once_and_kept_in_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answers(monkeypatch, [["8.8.8.8"], ["127.0.0.1"]])
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    async def one() -> str:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await post(client, (), "0" * 64, 1, "https://owner.example:8443/told", b"{}", 1)

    assert asyncio.run(one()) == "delivered"
    assert asked == ["owner.example"]
    assert seen[0].url == "https://8.8.8.8:8443/told"
    assert seen[0].headers["Host"] == "owner.example:8443"
    assert seen[0].extensions["sni_hostname"] == "owner.example"


def answers(monkeypatch: pytest.MonkeyPatch, found: list[list[str]]) -> list[str]:
    """Names resolve to these addresses, one list a question; the names asked for."""
    asked: list[str] = []
    left = iter(found)

    async def getaddrinfo(_: object, host: str, port: int, **__: object) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(left)]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked
