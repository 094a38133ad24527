"""The P-256 suite by itself: it answers no to whatever is not exactly of its form, and reverts for none of it."""

from __future__ import annotations

import pytest
from chain_harness import P256_ORDER, Deployment, refused, sha256

TIME = 1_800_000_000


def verify(
    chain: Deployment,
    *,
    payload: bytes | None = None,
    attributes: bytes | None = None,
    signature: bytes | None = None,
    handle: int = 1,
    certificate: bytes | None = None,
) -> bool:
    """Ask the suite about the owner's seal over a payload, with some arguments replaced."""
    party = chain.parties[0]
    sealed = b"\x19\x01" + bytes(64)
    _, _, r, s = party.seal(sealed, TIME)
    arguments = (
        handle,
        party.certificate.id if certificate is None else certificate,
        sealed if payload is None else payload,
        TIME.to_bytes(8, "big") if attributes is None else attributes,
        r + s if signature is None else signature,
    )
    return bool(chain.suite.functions.verifySeal(*arguments).call())


def test_accepts_its_own_form(chain: Deployment) -> None:
    assert verify(chain)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 70, 72, 128])
def test_refuses_signatures_of_another_length(chain: Deployment, length: int) -> None:
    _, _, r, s = chain.parties[0].seal(b"\x19\x01" + bytes(64), TIME)
    assert not verify(chain, signature=(r + s + bytes(64))[:length])


@pytest.mark.parametrize("r", [0, 1, P256_ORDER - 1, P256_ORDER, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, P256_ORDER // 2, P256_ORDER // 2 + 1, P256_ORDER, 2**256 - 1])
def test_refuses_edge_values(chain: Deployment, r: int, s: int) -> None:
    assert not verify(chain, signature=r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(b"", id="none"),
        pytest.param(TIME.to_bytes(7, "big"), id="7 bytes"),
        pytest.param(TIME.to_bytes(9, "big"), id="9 bytes"),
        pytest.param(TIME.to_bytes(32, "big"), id="a word"),
        pytest.param((TIME + 1).to_bytes(8, "big"), id="a second later"),
        pytest.param((2_524_608_000).to_bytes(8, "big"), id="2050"),
        pytest.param(b"\xff" * 8, id="the end of time"),
    ],
)
def test_refuses_other_attributes(chain: Deployment, attributes: bytes) -> None:
    assert not verify(chain, attributes=attributes)


def test_refuses_other_payloads_certificates_and_keys(chain: Deployment) -> None:
    assert not verify(chain, payload=b"")
    assert not verify(chain, payload=b"\x19\x01" + bytes(63) + b"\x01")
    assert not verify(chain, payload=b"\x19\x01" + bytes(65))
    assert not verify(chain, certificate=sha256(b"other"))
    assert not verify(chain, handle=2)
    assert not verify(chain, handle=0)
    assert not verify(chain, handle=2**24 - 1)


def test_unknown_handles_have_no_key(chain: Deployment) -> None:
    refused(chain, chain.suite.functions.key(0), "UnknownHandle", handle=0)
