"""Where a request comes from."""

from __future__ import annotations

from typing import Any

import pytest

from archive_api.protection.addresses import FORWARDING_HEADERS, source_address, without_forwarding


def scope(*forwarded: str, peer: str | None = "10.0.0.1") -> dict[str, Any]:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    return {"type": "http", "client": (peer, 1) if peer else None, "headers": headers}


PROXIES = ("10.0.0.1", "10.0.0.2")


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ((), "10.0.0.1"),
        (("192.0.2.1",), "192.0.2.1"),
        (("203.0.113.9, 192.0.2.1",), "192.0.2.1"),  # what the client itself wrote stands before
        (("203.0.113.9", "192.0.2.1"), "192.0.2.1"),
        (("192.0.2.1, 10.0.0.2",), "192.0.2.1"),
        (("2001:DB8:0::1",), "2001:db8::1"),
        (("nonsense",), "10.0.0.1"),
        (("192.0.2.1, nonsense",), "10.0.0.1"),
        (("\xff",), "10.0.0.1"),
        (("",), "10.0.0.1"),
    ],
)
def test_believes_its_own_proxy_and_what_it_added(forwarded: tuple[str, ...], expected: str) -> None:
    assert source_address(scope(*forwarded), PROXIES) == expected


def test_believes_nobody_else() -> None:
    assert source_address(scope("192.0.2.1", peer="198.51.100.1"), PROXIES) == "198.51.100.1"
    assert source_address(scope("192.0.2.1"), ()) == "10.0.0.1"
    assert source_address(scope("192.0.2.1", peer=None), PROXIES) == "unknown"


def test_takes_away_what_only_a_proxy_says() -> None:
    headers = [(name, b"evil.example") for name in FORWARDING_HEADERS]
    kept = (b"host", b"x")
    assert without_forwarding({"type": "http", "headers": [*headers, kept]})["headers"] == [kept]
    untouched = {"type": "http", "headers": [kept]}
    assert without_forwarding(untouched) is untouched
