"""How often somebody may ask: token buckets, in this process.

A bucket holds `burst` tokens and gets `per_second` back. Whoever finds it empty is told how long to wait.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from archive_api.errors import TooManyError

__all__ = ["Allowance", "RateLimiter", "TokenBuckets", "admit", "network_of"]

_MAX_BUCKETS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How much a bucket holds and how fast it fills."""

    per_second: float
    burst: float


class RateLimiter(Protocol):
    """Counts requests by key.

    Implementations MUST be safe to call from several threads, MUST bound what they keep whatever keys are asked for,
    and MUST NOT wait.
    """

    def take(self, key: str, allowance: Allowance) -> float:
        """Take a token.

        Args:
            key: whose bucket.
            allowance: its size; the same for a key every time.

        Returns:
            0 where there was one, else the seconds until there is one; then nothing was taken.
        """

    def give_back(self, key: str) -> None:
        """Put a token back that should not have counted."""


class TokenBuckets:
    """Buckets in memory; of too many the longest unused one is forgotten, which fills it.

    Args:
        monotonic: a clock in seconds.
        max_buckets: how many are kept.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic, max_buckets: int = _MAX_BUCKETS) -> None:
        self._monotonic = monotonic
        self._max_buckets = max_buckets
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, allowance: Allowance) -> float:
        """See `RateLimiter.take`."""
        now = self._monotonic()
        with self._lock:
            tokens, then = self._buckets.get(key, (allowance.burst, now))
            tokens = min(allowance.burst, tokens + (now - then) * allowance.per_second)
            wait = 0.0 if tokens >= 1 else (1 - tokens) / allowance.per_second
            self._buckets[key] = (tokens if wait else tokens - 1, now)
            self._buckets.move_to_end(key)
            if len(self._buckets) > self._max_buckets:
                self._buckets.popitem(last=False)
        return wait

    def give_back(self, key: str) -> None:
        """See `RateLimiter.give_back`."""
        with self._lock:
            if key in self._buckets:
                tokens, then = self._buckets[key]
                self._buckets[key] = (tokens + 1, then)  # above the burst is cut off at the next take


def admit(limiter: RateLimiter, key: str, allowance: Allowance) -> None:
    """Take a token, or refuse.

    Raises:
        TooManyError: none is left; `retry_after_seconds` says when there is one.
    """
    if wait := limiter.take(key, allowance):
        raise TooManyError(
            "expected fewer requests at a time; wait and ask again",
            retry_after_seconds=max(1, math.ceil(wait)),
        )


def network_of(address: str) -> str:
    """Whom an address counts for: an IPv4 address for itself, an IPv6 address for its /64, which one person has."""
    if ":" not in address:
        return address
    import ipaddress

    try:
        return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
