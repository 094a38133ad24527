"""Anchor proofs for evidence bundles; where there is none the answer's header says why."""

from __future__ import annotations

import logging
from typing import Final

from archive_api.services import Services
from ledger.chain_proof.events import ExpectedEvent
from ledger.chain_proof.item import AnchorProof
from ledger.errors import LedgerError
from ledger.ports.chain import NoProofError

__all__ = ["PROOF_HEADER", "anchor_proof"]

PROOF_HEADER: Final = "Yunshang-Anchor-Proof"
_INCLUDED: Final = "included"

_log = logging.getLogger(__name__)


def anchor_proof(
    services: Services, block_hash: bytes | None, event: ExpectedEvent
) -> tuple[AnchorProof | None, dict[str, str]]:
    """A proof that an event is in a block, and the header that says so.

    Evidence is given out without one rather than not at all: it can be asked for again. No session should be open,
    since a node is asked.

    Args:
        services: of the request.
        block_hash: of the block, 32 bytes; None: it is in no block.
        event: what is proved.

    Returns:
        The proof or None, and the header: `included`, or the code of `NoProofError`, `not_recorded`,
        `chain_unreachable`, or `not_configured` where this server has no source of proofs.
    """
    proof, status = _asked(services, block_hash, event)
    return proof, {PROOF_HEADER: status}


def _asked(services: Services, block_hash: bytes | None, event: ExpectedEvent) -> tuple[AnchorProof | None, str]:
    if block_hash is None:
        return None, "not_recorded"
    if services.proofs is None:
        return None, "not_configured"
    try:
        return services.proofs.anchor_proof(block_hash, event, now=services.now()), _INCLUDED
    except NoProofError as error:
        _log.debug("no anchor proof: %s", error)
        return None, error.code
    except LedgerError as error:
        _log.warning("no anchor proof: %s", error)
        return None, "chain_unreachable"
