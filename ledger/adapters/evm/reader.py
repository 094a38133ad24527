"""Reading the ledger's contracts at any node, for verifiers and for the archive alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from ledger.adapters.evm.abi import ARTIFACTS, ContractInterface, interface
from ledger.adapters.evm.connection import Connection, NodeError, from_hex, from_quantity, to_hex
from ledger.adapters.evm.reverts import refusal
from ledger.errors import MalformedError, PolicyError, TransportError
from ledger.hashing import keccak256
from ledger.ports.chain import (
    AnchoredCheckpoint,
    BlockRef,
    CertificateRecord,
    ChainIdentity,
    ContractIdentity,
    DocumentStatus,
    LedgerEvent,
    RecordedSubmission,
    SubmissionStatus,
)

__all__ = ["EvmLedgerReader"]

_LOG_BLOCKS = 2_000
_ATTEMPTS = 3


class EvmLedgerReader:
    """Implements `LedgerReader` over JSON-RPC.

    Args:
        url: a node's address, or those of several, see `Connection`.
        chain_id: the chain it must be on.
        contracts: addresses (20 bytes) by the names of `ARTIFACTS`.
        genesis_hash: hash of block 0 that the node must have, 32 bytes; None: not checked.
        timeout_seconds: for each request.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        chain_id: int,
        contracts: Mapping[str, bytes],
        genesis_hash: bytes | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._node = Connection(url, chain_id=chain_id, genesis_hash=genesis_hash, timeout_seconds=timeout_seconds)
        self._contracts = dict(contracts)
        self._interfaces: dict[str, ContractInterface] = {name: interface(name) for name in ARTIFACTS}

    def close(self) -> None:
        """Give back the sockets."""
        self._node.close()

    def identity(self) -> ChainIdentity:
        """See `LedgerReader.identity`; the code's digest of an address without code is that of no bytes."""
        genesis = self._node.block(0)
        if genesis is None:
            raise TransportError("expected block 0, got none", where="rpc")
        contracts = {
            name: ContractIdentity(
                address, keccak256(from_hex(self._node.ask("eth_getCode", to_hex(address), "latest")))
            )
            for name, address in self._contracts.items()
        }
        return ChainIdentity(self._node.chain_id, genesis.block_hash, contracts=contracts)

    def head(self) -> BlockRef:
        """See `LedgerReader.head`."""
        return self._node.head()

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        """See `LedgerReader.submission`."""
        for _ in range(_ATTEMPTS):  # between two requests the chain may be reorganised
            record = cast(Mapping[str, Any], self._read("archive_ledger", "submission", submission_id)[0])
            try:
                status = SubmissionStatus(record["status"])
            except ValueError as error:
                raise TransportError("expected a known status, got another", where="rpc") from error
            if status is SubmissionStatus.NONE:
                return None
            found = self._anchoring(submission_id, record, status)
            if found is not None:
                return found
        raise TransportError("expected a submission's record and event in one block, got them apart", where="rpc")

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        """See `LedgerReader.certificate`."""
        try:
            record: Any = self._read("seal_registry", "certificate", certificate_id)[0]
        except PolicyError as error:
            if error.code == "UnknownCertificate":
                return None
            raise
        revocation: Any = self._read("seal_registry", "revocation", certificate_id)[0]
        is_revoked, is_stopped = revocation["revokedAt"] != 0, revocation["stoppedAt"] != 0
        return CertificateRecord(
            certificate_id,
            record["organisation"].decode("ascii", "replace"),
            not_before=_time(record["notBefore"]),
            not_after=_time(record["notAfter"]),
            suite_id=record["suiteId"],
            revoked_at=_time(revocation["revokedAt"]) if is_revoked else None,
            invalidity_time=_time(revocation["invalidityTime"]) if revocation["invalidityTime"] else None,
            reason=revocation["reason"] if is_revoked else None,
            stopped_at=_time(revocation["stoppedAt"]) if is_stopped else None,
            stop_reason=revocation["stopReason"] if is_stopped else None,
        )

    def verify_document(
        self, submission_id: bytes, leaf_hash: bytes, *, leaf_index: int, path: tuple[bytes, ...]
    ) -> DocumentStatus:
        """See `LedgerReader.verify_document`.

        Raises:
            PolicyError: the proof is not one for this index and tree, by the contract's own rules.
        """
        included, status = self._read(
            "archive_ledger", "verifyDocument", submission_id, leaf_hash, leaf_index, list(path)
        )
        return DocumentStatus(included, SubmissionStatus(status))

    def checkpoint_head(self, origin: bytes) -> AnchoredCheckpoint | None:
        """See `LedgerReader.checkpoint_head`."""
        head: Any = self._read("checkpoint_log", "head", origin)[0]
        if head["size"] == 0:
            return None
        return AnchoredCheckpoint(
            head["size"], head["root"], block_number=head["blockNumber"], block_time=head["blockTime"]
        )

    def checkpoints(self, origin: bytes) -> tuple[AnchoredCheckpoint, ...]:
        """See `LedgerReader.checkpoints`."""
        topics = [to_hex(self._interfaces["checkpoint_log"].topic("CheckpointAppended")), to_hex(origin)]
        last = self._node.head().number
        times: dict[bytes, int] = {}
        found = []
        for first in range(0, last + 1, _LOG_BLOCKS):
            end = min(first + _LOG_BLOCKS - 1, last)
            for log in sorted(self._logs(first, end, [self._contracts["checkpoint_log"]], topics), key=_place):
                event = self._event(log, times)
                if event is not None:
                    found.append(_checkpoint(event))
        return tuple(found)

    def events(self, *, from_block: int = 0, to_block: int | None = None) -> Iterator[LedgerEvent]:
        """See `LedgerReader.events`."""
        last = self._node.head().number if to_block is None else to_block
        times: dict[bytes, int] = {}
        for first in range(from_block, last + 1, _LOG_BLOCKS):
            logs = self._logs(first, min(first + _LOG_BLOCKS - 1, last), list(self._contracts.values()))
            for log in sorted(logs, key=_place):
                event = self._event(log, times)
                if event is not None:
                    yield event

    def _anchoring(
        self, submission_id: bytes, record: Mapping[str, Any], status: SubmissionStatus
    ) -> RecordedSubmission | None:
        is_withdrawn = status is SubmissionStatus.WITHDRAWN
        name = "SubmissionWithdrawn" if is_withdrawn else "SubmissionAnchored"
        topics = [to_hex(self._interfaces["archive_ledger"].topic(name)), to_hex(submission_id)]
        number = record["blockNumber"]
        logs = self._logs(number, number, [self._contracts["archive_ledger"]], topics)
        event = self._event(logs[0], {}) if len(logs) == 1 else None
        if event is None or event.block.timestamp != record["blockTime"]:
            return None
        return RecordedSubmission(
            submission_id,
            status,
            documents_root=record["documentsRoot"],
            document_count=record["documentCount"],
            sequence=record["sequence"],
            seals_hash=None if is_withdrawn else cast(bytes, event.values["sealsHash"]),
            block=event.block,
            transaction_hash=event.transaction_hash,
        )

    def _read(self, contract: str, function: str, *arguments: object) -> tuple[Any, ...]:
        known = self._interfaces[contract]
        call = {"to": to_hex(self._contracts[contract]), "data": to_hex(known.encode_call(function, *arguments))}
        try:
            answer = self._node.request("eth_call", call, "latest")
            return known.decode_answer(function, from_hex(answer))
        except NodeError as error:
            raise refusal(error, self._interfaces.values()) from error
        except (MalformedError, TypeError, ValueError, AttributeError) as error:
            # No code, or other code, at the address: the node can't tell us about this ledger.
            raise TransportError(
                f"expected an answer of {contract}.{function}, got something else", code="no_contract", where="rpc"
            ) from error

    def _logs(
        self, first: int, last: int, addresses: list[bytes], topics: list[str] | None = None
    ) -> list[Mapping[str, Any]]:
        query: dict[str, object] = {
            "fromBlock": to_hex(first),
            "toBlock": to_hex(last),
            "address": [to_hex(address) for address in addresses],
        }
        if topics is not None:
            query["topics"] = topics
        logs = self._node.ask("eth_getLogs", query)
        if not isinstance(logs, list):
            raise TransportError("expected a list of events, got something else", where="rpc")
        return cast(list[Mapping[str, Any]], logs)

    def _event(self, log: Mapping[str, Any], times: dict[bytes, int]) -> LedgerEvent | None:
        try:
            address, block_hash = from_hex(log["address"]), from_hex(log["blockHash"])
            contract = next(name for name, known in self._contracts.items() if known == address)
            decoded = self._interfaces[contract].decode_event(
                [from_hex(topic) for topic in log["topics"]], from_hex(log["data"])
            )
            number, index = from_quantity(log["blockNumber"]), from_quantity(log["logIndex"])
            transaction_hash = from_hex(log["transactionHash"])
        except (KeyError, TypeError, ValueError, StopIteration, MalformedError) as error:
            raise TransportError("expected an event of the ledger, got something else", where="rpc") from error
        if block_hash not in times:
            block = self._node.block(block_hash)
            if block is None:
                raise TransportError("expected an event's block, got none: the chain was reorganised", where="rpc")
            times[block_hash] = block.timestamp
        if decoded is None:
            return None
        return LedgerEvent(
            decoded[0],
            contract,
            values=decoded[1],
            block=BlockRef(number, block_hash, timestamp=times[block_hash]),
            transaction_hash=transaction_hash,
            log_index=index,
        )


def _place(log: Mapping[str, Any]) -> tuple[int, int]:
    return from_quantity(log["blockNumber"]), from_quantity(log["logIndex"])


def _checkpoint(event: LedgerEvent) -> AnchoredCheckpoint:
    values = cast(Mapping[str, Any], event.values)
    return AnchoredCheckpoint(
        values["size"], values["root"], block_number=event.block.number, block_time=values["blockTime"]
    )


def _time(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise TransportError("expected a time of the calendar, got another", where="rpc") from error
