"""Buckets of tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive_api.errors import TooManyError
from archive_api.protection.rates import Allowance, TokenBuckets, admit, network_of

TWO = Allowance(per_second=0.5, burst=2)


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_gives_a_burst_then_says_how_long_to_wait() -> None:
    time = Time()
    buckets = TokenBuckets(monotonic=time)
    assert [buckets.take("a", TWO) for _ in range(3)] == [0, 0, 2]
    time.now += 1
    assert buckets.take("a", TWO) == 1
    time.now += 1
    assert buckets.take("a", TWO) == 0
    assert buckets.take("a", TWO) > 0


def test_keys_do_not_share() -> None:
    buckets = TokenBuckets(monotonic=Time())
    assert [buckets.take(key, TWO) for key in "aabb"] == [0, 0, 0, 0]


def test_what_is_given_back_never_exceeds_the_burst() -> None:
    buckets = TokenBuckets(monotonic=Time())
    buckets.take("a", TWO)
    for _ in range(5):
        buckets.give_back("a")
    buckets.give_back("unknown")
    assert [buckets.take("a", TWO) > 0 for _ in range(3)] == [False, False, True]


def test_keeps_a_bounded_number_of_buckets() -> None:
    buckets = TokenBuckets(monotonic=Time(), max_buckets=10)
    for number in range(1000):
        buckets.take(f"{number}", TWO)
    assert len(buckets._buckets) == 10


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=200))
def test_never_gives_more_than_the_burst_and_what_time_brought(pauses: list[float]) -> None:
    time = Time()
    buckets = TokenBuckets(monotonic=time)
    given_, passed = 0, 0.0
    for pause in pauses:
        time.now += pause
        passed += pause
        given_ += buckets.take("a", TWO) == 0
        assert given_ <= TWO.burst + passed * TWO.per_second + 1e-6


def test_refuses_with_whole_seconds_of_at_least_one() -> None:
    buckets = TokenBuckets(monotonic=Time())
    allowance = Allowance(per_second=100, burst=1)
    admit(buckets, "a", allowance)
    with pytest.raises(TooManyError) as refused:
        admit(buckets, "a", allowance)
    assert refused.value.values == {"retry_after_seconds": 1}


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::9", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("a:b", "a:b"),
    ],
)
def test_an_ipv6_address_counts_for_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
