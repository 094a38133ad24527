"""Whether an anchor proof proves an event, by the validators that a trust file pins. Pure.

The steps; what contradicts itself is FAILED, what the pinned validators don't vouch for could not be checked:
 1. block      the header is one; the trust file pins validators for its number (else nothing is checked)
 2. receipt    nodes of the trie lead from the header's receipts root to the receipt of the transaction
 3. event      that receipt is of a transaction that succeeded, and its event at the given place is the expected one: by
               contract, topics and data
 4. chain      each descendant is a header, of the next number, and names the block before as its parent
 5. seals      Clique: every block, descendants included, is sealed by a validator pinned for its number, whose turn
               fits its difficulty, and who sealed none of the ⌊n/2⌋ blocks before; more than half of the block's
               validators sealed descendants; a list of validators in a header is the pinned one.
               QBFT: the validators in the header are the pinned ones (or a contract's: none); each committed seal is a
               different pinned validator's, and they are at least ⌈2n/3⌉; there are no descendants
 6. time       the block's time is not in the future
Nothing links the header to block 0: that the validators seal no other chain with the same keys is assumed, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from ledger import fields
from ledger.chain_proof import clique, qbft
from ledger.chain_proof.events import ExpectedEvent
from ledger.chain_proof.header import BlockHeader
from ledger.chain_proof.item import AnchorProof
from ledger.chain_proof.receipt import Receipt, verify_receipt
from ledger.errors import MalformedError, MismatchError
from ledger.levels import CLOCK_TOLERANCE, block_time
from ledger.report import Finding
from ledger.trust import Consensus, TrustFile, ValidatorSet

__all__ = ["ProvenBlock", "prove"]


@dataclass(frozen=True, slots=True)
class ProvenBlock:
    """What a proof that holds comes to.

    Attributes:
        finding: PASSED, with the assumption it rests on.
        number: of the block.
        block_hash: 32 bytes.
        timestamp: unix seconds.
        time: the same, aware UTC.
        event: which of the expected events it is.
    """

    finding: Finding
    number: int
    block_hash: bytes
    timestamp: int
    time: datetime
    event: int


@dataclass(frozen=True, slots=True)
class _Seals:
    """Whose seals vouch for a block, by the rules of its consensus."""

    block_hash: bytes
    validators: ValidatorSet
    sealers: tuple[bytes, ...]


def prove(
    proof: AnchorProof, events: Sequence[ExpectedEvent], *, trust: TrustFile, now: datetime
) -> ProvenBlock | Finding:
    """Check a proof; the steps are those of the module's docstring.

    Args:
        proof: the item.
        events: what the event may be; any one of them.
        trust: the verifier's own trust file.
        now: present time, aware UTC.

    Returns:
        The block where it is proved; else the finding that says why it isn't, `validators_not_pinned` where the trust
        file says nothing of the block.
    """
    try:
        header = BlockHeader.parse(proof.header)  # (1)
        validators = trust.validators_of(header.number)
        if validators is None:
            return Finding.of("validators_not_pinned", f"block {header.number}")
        receipt = Receipt.parse(verify_receipt(header.receipts_root, proof.transaction_index, proof.receipt_path))
        place = _event(receipt, proof.log_index, events)
        if isinstance(place, Finding):
            return place
        if validators.consensus is Consensus.CLIQUE:
            seals = _clique(header, proof.descendants, validators, trust)
        else:
            seals = _qbft(header, proof.descendants, validators)
    except (MalformedError, MismatchError) as error:
        return Finding.of("proof_refused", str(error))
    if isinstance(seals, Finding):
        return seals
    time = block_time(header.timestamp)
    if time is None or time > now + CLOCK_TOLERANCE:  # (6)
        return Finding.of("time_in_future", str(header.timestamp))
    finding = Finding.of(
        f"proved_{validators.consensus.value}",
        ", ".join(fields.prefixed_hex(address) for address in seals.sealers),
        block=header.number,
        time=fields.utc_text(time),
        count=len(seals.sealers),
        total=len(validators.addresses),
        quorum=validators.quorum,
    )
    return ProvenBlock(finding, header.number, seals.block_hash, header.timestamp, time, place)


def _event(receipt: Receipt, log_index: int, events: Sequence[ExpectedEvent]) -> int | Finding:  # (3)
    if not receipt.succeeded:
        return Finding.of("proof_event", "expected a transaction that succeeded, got one that did not")
    if log_index >= len(receipt.logs):
        return Finding.of("proof_event", f"expected an event at {log_index}, got {len(receipt.logs)} events")
    log = receipt.logs[log_index]
    for place, event in enumerate(events):
        if (log.address, log.topics) == (event.contract, event.topics) and log.data.startswith(event.data):
            return place
    return Finding.of("proof_event", f"got one of {fields.prefixed_hex(log.address)}")


def _clique(
    header: BlockHeader, descendants: Sequence[bytes], validators: ValidatorSet, trust: TrustFile
) -> _Seals | Finding:
    blocks = [header, *(BlockHeader.parse(item, f"descendants[{place}]") for place, item in enumerate(descendants))]
    for block in blocks:
        if not clique.is_sealed(block):
            return Finding.of("proof_refused", f"block {block.number}: expected a header sealed by Clique, got another")
    for parent, child in pairwise(blocks):  # (4)
        if child.number != parent.number + 1 or child.parent_hash != parent.keccak256:
            return Finding.of("proof_refused", f"block {child.number} does not follow block {parent.number}")
    last: dict[bytes, int] = {}
    vouching: dict[bytes, None] = {}
    # From the newest: the one before is bound by its hash, so what was changed shows at the first seal looked at.
    for block in reversed(blocks):
        own = trust.validators_of(block.number)
        if own is None or own.consensus is not Consensus.CLIQUE:
            return _differ(block, "nobody is pinned for it")
        sealer = _clique_sealer(block, own)
        if isinstance(sealer, Finding):
            return sealer
        again = last.get(sealer)
        if again is not None and again - block.number <= _rest(trust, again):
            return _differ(block, f"{fields.prefixed_hex(sealer)} sealed again in block {again}")
        last[sealer] = block.number
        if block is not header:
            vouching[sealer] = None
    counted = tuple(address for address in reversed(vouching) if address in validators.addresses)
    return _quorum(header.keccak256, validators, counted)


def _rest(trust: TrustFile, number: int) -> int:
    """How many blocks before this one its sealer may not have sealed."""
    own = trust.validators_of(number)
    return 0 if own is None else len(own.addresses) // 2


def _clique_sealer(block: BlockHeader, validators: ValidatorSet) -> bytes | Finding:
    sealer = clique.sealer(block)
    if sealer is None or sealer not in validators.addresses:
        return _unknown(block, sealer)
    turn = clique.in_turn(block.number, sealer, validators.addresses)
    if block.difficulty != (clique.IN_TURN if turn else clique.OUT_OF_TURN):
        return _differ(block, f"the turn of {fields.prefixed_hex(sealer)} does not fit its difficulty")
    listed = clique.listed_validators(block)
    if listed and listed != validators.addresses:
        return _differ(block, "it lists other validators")
    return sealer


def _qbft(header: BlockHeader, descendants: Sequence[bytes], validators: ValidatorSet) -> _Seals | Finding:
    if descendants:
        return Finding.of("proof_refused", f"expected no blocks after one of QBFT, got {len(descendants)}")
    extra = qbft.QbftExtraData.parse(header.extra_data)
    if extra.validators and tuple(sorted(extra.validators)) != validators.addresses:
        return _differ(header, "it names other validators")
    committers: dict[bytes, None] = {}
    for committer in qbft.committers(header, extra):
        if committer is None or committer not in validators.addresses or committer in committers:
            return _unknown(header, committer)
        committers[committer] = None
    return _quorum(qbft.block_hash(header, extra), validators, tuple(committers))


def _quorum(block_hash: bytes, validators: ValidatorSet, sealers: tuple[bytes, ...]) -> _Seals | Finding:
    if len(sealers) < validators.quorum:
        detail = f"expected {validators.quorum} of {len(validators.addresses)}, got {len(sealers)}"
        return Finding.of("validator_quorum", detail)
    return _Seals(block_hash, validators, sealers)


def _unknown(block: BlockHeader, address: bytes | None) -> Finding:
    whose = "nobody's" if address is None else fields.prefixed_hex(address)
    return Finding.of("validator_unknown", f"block {block.number}: {whose}")


def _differ(block: BlockHeader, detail: str) -> Finding:
    return Finding.of("validators_differ", f"block {block.number}: {detail}")
