"""The validators of a home's chain, for the trust file that its first start writes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from ledger.chain_proof.genesis import genesis_validators
from ledger.errors import MismatchError, NotFoundError
from ledger.trust import TrustFile

__all__ = ["with_genesis_validators"]

_log = logging.getLogger(__name__)


def with_genesis_validators(trust: TrustFile, rpc_urls: str | Sequence[str]) -> TrustFile:
    """Return a trust file with the validators that the genesis block lists; the same one where none can be read.

    Args:
        trust: of the chain; its genesis hash says which block counts.
        rpc_urls: the chain's node, or nodes.

    Raises:
        TransportError: the node could not be asked.
    """
    from ledger.adapters.evm.proofs import genesis_header

    header = genesis_header(rpc_urls, trust)
    try:
        return replace(trust, validators=(genesis_validators(header, trust.genesis_hash),))
    except NotFoundError:  # a development chain, or one whose contract names the validators
        return trust
    except MismatchError as error:  # a header of a form that isn't known here: nothing can be proved on such a chain
        _log.warning("no validators are pinned: %s", error)
        return trust
