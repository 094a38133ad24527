"""What a chain can be asked for many jobs at once; `ledger.anchoring` still decides about each of them by itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, Protocol, cast

from ledger.errors import PolicyError
from ledger.ports.calls import LedgerCall
from ledger.ports.chain import SignedTransaction, TransactionReceipt

__all__ = ["FEW", "MANY", "GroupedChain", "grouped"]

FEW: Final = 4
"""Below so many jobs each is looked after by itself: nothing is gained by asking for them together."""

MANY: Final = 64
"""So many jobs are prepared together at most: until they are stored nothing of them is sent."""


class GroupedChain(Protocol):
    """The questions of `AnchorChain` for several at once; same MUSTs, same errors, one answer for each in order."""

    def receipts(self, transaction_hashes: Sequence[bytes]) -> list[TransactionReceipt | None]:
        """`AnchorChain.receipt` of each."""
        ...

    def recorded_among(self, submission_ids: Sequence[bytes]) -> Collection[bytes]:
        """Those that `LedgerReader.submission` would have found in any state."""
        ...

    def prepare_all(self, calls: Sequence[LedgerCall], nonces: Iterator[int]) -> list[SignedTransaction | None]:
        """`AnchorChain.prepare` of each; the nonces are used up in order; None: prepare it by itself."""
        ...

    def broadcast_all(self, raws: Sequence[bytes]) -> list[PolicyError | None]:
        """`AnchorChain.broadcast` of each: None, or the refusal. TransportError: of none it is known."""
        ...


def grouped(chain: object) -> GroupedChain | None:
    """A chain that takes such questions; None: it takes them one by one.

    It is asked by names, since what records its calls answers for it by `__getattr__`.
    """
    names = ("receipts", "recorded_among", "prepare_all", "broadcast_all")
    return cast(GroupedChain, chain) if all(hasattr(chain, name) for name in names) else None
