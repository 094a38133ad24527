"""The same bytecode on a chain without the P-256 precompile and without PUSH0, as Clique networks are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from chain_harness import P256_ORDER, Anvil, Deployment, refused


@pytest.fixture(scope="module")
def chain() -> Iterator[Deployment]:
    """The contracts on a chain of the Paris fork."""
    with Anvil(hardfork="paris") as node:
        yield Deployment(node)


def test_there_is_no_precompile(chain: Deployment) -> None:
    # Any valid signature would be answered with 32 bytes; the test below makes one.
    statement = chain.statement()
    receipt = chain.send(chain.submit_call(statement))
    assert receipt["gasUsed"] > 1_000_000  # five signatures in Solidity


def test_a_bad_seal_is_refused_in_solidity_too(chain: Deployment) -> None:
    statement = chain.statement()
    seals = chain.seal_all(chain.payload("Submission", statement))
    certificate, time, r, s = seals[3]
    seals[3] = (certificate, time, r, (P256_ORDER - int.from_bytes(s, "big")).to_bytes(32, "big"))
    refused(chain, chain.submit_call(statement, seals), "InvalidSeal", index=3)
    seals[3] = (certificate, time, s, r)
    refused(chain, chain.submit_call(statement, seals), "InvalidSeal", index=3)
