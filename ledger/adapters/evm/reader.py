"""Reading the ledger's contracts at any node, for verifiers and for the archive alike."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from ledger.adapters.evm.abi import ARTIFACTS, ContractInterface, interface
from ledger.adapters.evm.connection import Connection, NodeError, block_of, from_hex, from_quantity, to_hex
from ledger.adapters.evm.gathering import CallAnswer, gathering_code, parse_gathered
from ledger.adapters.evm.reverts import refusal
from ledger.errors import MalformedError, PolicyError, TransportError
from ledger.hashing import keccak256
from ledger.levels import ChainWitness
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
_REMEMBERED = 4_096
_NO_ACCOUNT = bytes(32)


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
        self._anchored = _Anchored(_REMEMBERED)

    def close(self) -> None:
        """Give back the sockets."""
        self._node.close()

    def identity(self) -> ChainIdentity:
        """See `LedgerReader.identity`; the code's digest of an address without code is that of no bytes."""
        codes = [("eth_getCode", (to_hex(address), "latest")) for address in self._contracts.values()]
        genesis, *found = self._node.ask_all([("eth_getBlockByNumber", ("0x0", False)), *codes])
        return self._identity(
            genesis, {name: keccak256(from_hex(code)) for name, code in zip(self._contracts, found, strict=True)}
        )

    def _identity(self, block: Any, codes: Mapping[str, bytes]) -> ChainIdentity:
        genesis = block_of(block)
        if genesis is None or genesis.number != 0:
            raise TransportError("expected block 0, got none", where="rpc")
        contracts = {
            name: ContractIdentity(address, keccak256(b"") if codes[name] == _NO_ACCOUNT else codes[name])
            for name, address in self._contracts.items()
        }
        return ChainIdentity(self._node.chain_id, genesis.block_hash, contracts=contracts)

    def gathered(self, submission_id: bytes, certificate_ids: Collection[bytes]) -> ChainWitness:
        """See `ledger.levels.GatheringWitness`: one request, and what it reads is of one block.

        Which contracts there are, what they say of the submission and of the certificates is asked every time. What is
        remembered is a submission's event by the hash of its block, which commits to it; whether the block still is in
        the chain is asked in the same request. A node that can't do it in one call is asked one by one.
        """
        asked = tuple(dict.fromkeys(certificate_ids))
        names = tuple(self._contracts)
        code = gathering_code([self._contracts[name] for name in names], self._questions(submission_id, asked))
        remembered = self._anchored.get(submission_id)
        requests: list[tuple[str, Sequence[object]]] = [
            ("eth_getBlockByNumber", ("0x0", False)),
            ("eth_call", ({"data": to_hex(code)}, "latest")),
        ]
        if remembered is not None:
            requests.append(("eth_getBlockByNumber", (to_hex(remembered.block.number), False)))
        try:
            genesis, data, *block = self._node.ask_all(requests)
            found = parse_gathered(from_hex(data), addresses=len(names), calls=1 + 2 * len(asked))
        except (MalformedError, TransportError) as error:
            if error.code == "rpc_unreachable":
                raise
            return self
        if remembered is not None and block_of(block[0]) != remembered.block:
            remembered = None
        identity = self._identity(genesis, dict(zip(names, found.code_hashes, strict=True)))
        return _Gathered(self, identity, submission_id, asked, found.answers, remembered)

    def head(self) -> BlockRef:
        """See `LedgerReader.head`."""
        return self._node.head()

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        """See `LedgerReader.submission`."""
        for _ in range(_ATTEMPTS):  # between two requests the chain may be reorganised
            record = cast(Mapping[str, Any], self._read("archive_ledger", "submission", submission_id)[0])
            status = _status(record)
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
        return _certificate(certificate_id, record, self._read("seal_registry", "revocation", certificate_id)[0])

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

    def _questions(self, submission_id: bytes, certificate_ids: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        ledger, seals = self._interfaces["archive_ledger"], self._interfaces["seal_registry"]
        questions = [(self._contracts["archive_ledger"], ledger.encode_call("submission", submission_id))]
        for certificate_id in certificate_ids:
            for function in ("certificate", "revocation"):
                questions.append((self._contracts["seal_registry"], seals.encode_call(function, certificate_id)))
        return questions

    def gathered_submission(
        self, submission_id: bytes, answer: CallAnswer, remembered: LedgerEvent | None
    ) -> RecordedSubmission | None:
        """A submission from the contract's answer and, where it is known, from the event that goes with it."""
        record = cast(Mapping[str, Any], self._judged("archive_ledger", "submission", answer)[0])
        status = _status(record)
        if status is SubmissionStatus.NONE:
            return None
        is_same = remembered is not None and remembered.name == _event_name(status)
        if is_same and remembered is not None and remembered.block.number == record["blockNumber"]:
            return _recorded(submission_id, record, status, remembered)
        return self._anchoring(submission_id, record, status) or self.submission(submission_id)

    def gathered_certificate(
        self, certificate_id: bytes, certificate: CallAnswer, revocation: CallAnswer
    ) -> CertificateRecord | None:
        """A certificate from the contract's two answers."""
        try:
            record = self._judged("seal_registry", "certificate", certificate)[0]
        except PolicyError as error:
            if error.code == "UnknownCertificate":
                return None
            raise
        return _certificate(certificate_id, record, self._judged("seal_registry", "revocation", revocation)[0])

    def _judged(self, contract: str, function: str, answer: CallAnswer) -> tuple[Any, ...]:
        if not answer.agreed:
            raise refusal(NodeError(3, "execution reverted", to_hex(answer.data)), self._interfaces.values())
        return self._decoded(contract, function, answer.data)

    def _decoded(self, contract: str, function: str, data: bytes) -> tuple[Any, ...]:
        try:
            return self._interfaces[contract].decode_answer(function, data)
        except (MalformedError, TypeError, ValueError, AttributeError) as error:
            # No code, or other code, at the address: the node can't tell us about this ledger.
            raise TransportError(
                f"expected an answer of {contract}.{function}, got something else", code="no_contract", where="rpc"
            ) from error

    def _anchoring(
        self, submission_id: bytes, record: Mapping[str, Any], status: SubmissionStatus
    ) -> RecordedSubmission | None:
        name = _event_name(status)
        topics = [to_hex(self._interfaces["archive_ledger"].topic(name)), to_hex(submission_id)]
        number = record["blockNumber"]
        logs = self._logs(number, number, [self._contracts["archive_ledger"]], topics)
        event = self._event(logs[0], {}) if len(logs) == 1 else None
        if event is None or event.block.timestamp != record["blockTime"]:
            return None
        self._anchored.keep(submission_id, event)
        return _recorded(submission_id, record, status, event)

    def _read(self, contract: str, function: str, *arguments: object) -> tuple[Any, ...]:
        known = self._interfaces[contract]
        call = {"to": to_hex(self._contracts[contract]), "data": to_hex(known.encode_call(function, *arguments))}
        try:
            answer = self._node.request("eth_call", call, "latest")
        except NodeError as error:
            raise refusal(error, self._interfaces.values()) from error
        return self._decoded(contract, function, from_hex(answer))

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


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What was gathered, as a witness of it; an answer is read when it is asked for."""

    _reader: EvmLedgerReader
    _identity: ChainIdentity
    _submission_id: bytes
    _certificate_ids: tuple[bytes, ...]
    _answers: tuple[CallAnswer, ...]
    _remembered: LedgerEvent | None

    def identity(self) -> ChainIdentity:
        """See `LedgerReader.identity`."""
        return self._identity

    def submission(self, submission_id: bytes) -> RecordedSubmission | None:
        """See `LedgerReader.submission`."""
        if submission_id != self._submission_id:
            return self._reader.submission(submission_id)
        return self._reader.gathered_submission(submission_id, self._answers[0], self._remembered)

    def certificate(self, certificate_id: bytes) -> CertificateRecord | None:
        """See `LedgerReader.certificate`."""
        if certificate_id not in self._certificate_ids:
            return self._reader.certificate(certificate_id)
        place = 1 + 2 * self._certificate_ids.index(certificate_id)
        return self._reader.gathered_certificate(certificate_id, *self._answers[place : place + 2])


class _Anchored:
    """Events that recorded submissions, by submission: each with the block whose hash commits to it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._events: OrderedDict[bytes, LedgerEvent] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, submission_id: bytes) -> LedgerEvent | None:
        with self._lock:
            event = self._events.get(submission_id)
            if event is not None:
                self._events.move_to_end(submission_id)
            return event

    def keep(self, submission_id: bytes, event: LedgerEvent) -> None:
        with self._lock:
            self._events[submission_id] = event
            self._events.move_to_end(submission_id)
            while len(self._events) > self._size:
                self._events.popitem(last=False)


def _status(record: Mapping[str, Any]) -> SubmissionStatus:
    try:
        return SubmissionStatus(record["status"])
    except ValueError as error:
        raise TransportError("expected a known status, got another", where="rpc") from error


def _event_name(status: SubmissionStatus) -> str:
    return "SubmissionWithdrawn" if status is SubmissionStatus.WITHDRAWN else "SubmissionAnchored"


def _recorded(
    submission_id: bytes, record: Mapping[str, Any], status: SubmissionStatus, event: LedgerEvent
) -> RecordedSubmission:
    is_withdrawn = status is SubmissionStatus.WITHDRAWN
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


def _certificate(certificate_id: bytes, record: Any, revocation: Any) -> CertificateRecord:
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
