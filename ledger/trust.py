"""The trust file `yunshang-trust/v1`: what a verifier believes before reading any bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from ledger import fields
from ledger.canonical import parse_json
from ledger.errors import MalformedError
from ledger.identifiers.uscc import validate_uscc
from ledger.log.keys import LogKey
from ledger.log.witness import WitnessKey, check_witnesses
from ledger.statement import LedgerDomain

__all__ = ["CONTRACT_NAMES", "TRUST_FORMAT", "Consensus", "ContractPin", "LogPin", "TrustFile", "ValidatorSet"]

TRUST_FORMAT = "yunshang-trust/v1"
_OPTIONAL = ("logs", "timestamp_authorities")
_WITNESSED = ("witnesses", "witness_quorum")
CONTRACT_NAMES = (
    *("archive_ledger", "project_registry", "seal_registry", "authority_registry", "p256_suite"),
    "checkpoint_log",
)


@dataclass(frozen=True, slots=True)
class ContractPin:
    """A contract as it must be found: address (20 bytes) and keccak256 of its code (32 bytes)."""

    address: bytes
    code_keccak256: bytes


class Consensus(StrEnum):
    """How validators seal blocks. Source: docs/formats.md section 15."""

    CLIQUE = "clique"
    QBFT = "qbft"


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Who may seal blocks in a range.

    Attributes:
        from_block: the first block that is theirs.
        to_block: the last one; None: to this day.
        addresses: 20 bytes each, at least one, each once; kept in ascending order.
        consensus: how they seal.

    Raises:
        MalformedError: no address, or one twice.
    """

    from_block: int
    to_block: int | None
    addresses: tuple[bytes, ...]
    consensus: Consensus = field(kw_only=True)

    def __post_init__(self) -> None:
        if not self.addresses or len(set(self.addresses)) != len(self.addresses):
            raise MalformedError("expected validators, each once, got none or one twice", where="trust.validators")
        object.__setattr__(self, "addresses", tuple(sorted(self.addresses)))

    def covers(self, number: int) -> bool:
        """Whether a block is theirs to seal."""
        return self.from_block <= number and (self.to_block is None or number <= self.to_block)

    @property
    def quorum(self) -> int:
        """How many of them it takes: more than half (Clique), at least two thirds (QBFT)."""
        count = len(self.addresses)
        return count // 2 + 1 if self.consensus is Consensus.CLIQUE else (2 * count + 2) // 3


@dataclass(frozen=True, slots=True)
class LogPin:
    """A log that is trusted. Source: docs/access-log.md section 7.

    Attributes:
        origin: a stream's origin line, or one that ends with a slash: every stream below it.
        key: Ed25519, 32 bytes.
        anchor_seconds: how often its head is to be anchored at least, while it grows.
        witnesses: those whose co-signatures count; none: checkpoints need none.
        witness_quorum: how many of them a checkpoint needs; 0 where there are none.

    Raises:
        MalformedError: see `check_witnesses`.
    """

    origin: str
    key: bytes
    anchor_seconds: int
    witnesses: tuple[WitnessKey, ...] = field(default=(), kw_only=True)
    witness_quorum: int = field(default=0, kw_only=True)

    def __post_init__(self) -> None:
        check_witnesses(self.witnesses, self.witness_quorum, log=LogKey(self.key), where="trust.logs.witnesses")

    def covers(self, origin: str) -> bool:
        """Whether it says how a stream is signed."""
        return origin == self.origin or (self.origin.endswith("/") and origin.startswith(self.origin))


@dataclass(frozen=True, slots=True)
class TrustFile:
    """Roots, ledger and archive that a verifier trusts. Source: docs/formats.md section 8.

    Attributes:
        ca_roots: certificates, DER; not parsed here.
        chain_id: the ledger's chain id.
        genesis_hash: hash of block 0, 32 bytes.
        contracts: by name, exactly `CONTRACT_NAMES`.
        archive_organisation: organisation code of the archive.
        archive_certificates: pinned sealing certificates of the archive, DER.
        validators: by block range, ascending and without overlap, for the level `proved`; gaps are allowed.
        logs: keys of logs.
        timestamp_authorities: of those who issue to believed timestamp authorities, certificates, DER; not parsed.
    """

    ca_roots: tuple[bytes, ...] = field(kw_only=True)
    chain_id: int = field(kw_only=True)
    genesis_hash: bytes = field(kw_only=True)
    contracts: Mapping[str, ContractPin] = field(kw_only=True)
    archive_organisation: str = field(kw_only=True)
    archive_certificates: tuple[bytes, ...] = field(kw_only=True)
    validators: tuple[ValidatorSet, ...] = field(default=(), kw_only=True)
    logs: tuple[LogPin, ...] = field(default=(), kw_only=True)
    timestamp_authorities: tuple[bytes, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if set(self.contracts) != set(CONTRACT_NAMES):
            raise MalformedError(
                f"expected the contracts {', '.join(CONTRACT_NAMES)}, got {', '.join(sorted(self.contracts))}",
                where="trust.ledger.contracts",
            )
        if not self.ca_roots:
            raise MalformedError("expected at least one root, got none", where="trust.ca_roots")
        for earlier, later in pairwise(self.validators):
            if earlier.to_block is None or earlier.to_block >= later.from_block:
                raise MalformedError(
                    f"expected block ranges in order without overlap, got one from {later.from_block} after one to "
                    f"{'this day' if earlier.to_block is None else earlier.to_block}",
                    where="trust.ledger.validators",
                )
        object.__setattr__(self, "contracts", MappingProxyType(dict(self.contracts)))

    @property
    def domain(self) -> LedgerDomain:
        """The domain in which everything of this ledger is sealed."""
        return LedgerDomain(self.chain_id, self.contracts["archive_ledger"].address)

    def validators_of(self, number: int) -> ValidatorSet | None:
        """Return who may seal a block, or None where nobody is pinned for it."""
        return next((item for item in self.validators if item.covers(number)), None)

    def origin(self, owner: str, stream: str) -> str:
        """The origin line of a stream of this ledger. Source: docs/access-log.md section 2.

        Args:
            owner: `archive`, or a building key as 0x-hex.
            stream: the stream's name.
        """
        contract = fields.prefixed_hex(self.contracts["checkpoint_log"].address)
        return f"yunshang/{self.chain_id}/{contract}/{owner}/{stream}"

    def log(self, origin: str) -> LogPin | None:
        """Return what is pinned about a stream; the longest origin that covers it, or None."""
        pins = [pin for pin in self.logs if pin.covers(origin)]
        return max(pins, key=lambda pin: len(pin.origin), default=None)

    def to_bytes(self) -> bytes:
        """Return the file: indented JSON in UTF-8, for people to read and compare."""
        document: dict[str, Any] = {
            "format": TRUST_FORMAT,
            "ca_roots": [fields.base64_text(der) for der in self.ca_roots],
            "ledger": {
                "chain_id": self.chain_id,
                "genesis_hash": fields.prefixed_hex(self.genesis_hash),
                "contracts": {
                    name: {
                        "address": fields.prefixed_hex(self.contracts[name].address),
                        "code_keccak256": fields.prefixed_hex(self.contracts[name].code_keccak256),
                    }
                    for name in CONTRACT_NAMES
                },
                "archive": {
                    "organisation": self.archive_organisation,
                    "certificates": [fields.base64_text(der) for der in self.archive_certificates],
                },
                "validators": [
                    {
                        "from_block": item.from_block,
                        "to_block": item.to_block,
                        "consensus": item.consensus.value,
                        "addresses": [fields.prefixed_hex(address) for address in item.addresses],
                    }
                    for item in self.validators
                ],
            },
        }
        if self.logs:
            document["logs"] = [_log_json(pin) for pin in self.logs]
        if self.timestamp_authorities:
            document["timestamp_authorities"] = [fields.base64_text(der) for der in self.timestamp_authorities]
        return (json.dumps(document, indent=2) + "\n").encode("ascii")

    @classmethod
    def parse(cls, data: bytes) -> TrustFile:
        """Read a trust file strictly; white space and member order are free.

        Raises:
            MalformedError: not JSON, or a member missing, unknown or of another form.
        """
        document = parse_json(data)
        optional = tuple(name for name in _OPTIONAL if isinstance(document, dict) and name in document)
        root = fields.members(document, ("format", "ca_roots", "ledger", *optional), "trust")
        fields.one_of(root["format"], (TRUST_FORMAT,), "trust.format")
        where = "trust.ledger"
        ledger = fields.members(
            root["ledger"], ("chain_id", "genesis_hash", "contracts", "archive", "validators"), where
        )
        contracts = fields.members(ledger["contracts"], CONTRACT_NAMES, f"{where}.contracts")
        archive = fields.members(ledger["archive"], ("organisation", "certificates"), f"{where}.archive")
        return cls(
            ca_roots=_certificates(root["ca_roots"], "trust.ca_roots"),
            chain_id=fields.integer(ledger["chain_id"], f"{where}.chain_id", low=1),
            genesis_hash=fields.prefixed_bytes(ledger["genesis_hash"], f"{where}.genesis_hash"),
            contracts={name: _pin(contracts[name], f"{where}.contracts.{name}") for name in CONTRACT_NAMES},
            archive_organisation=validate_uscc(archive["organisation"], f"{where}.archive.organisation"),
            archive_certificates=_certificates(archive["certificates"], f"{where}.archive.certificates"),
            validators=tuple(
                _validator_set(item, f"{where}.validators[{index}]")
                for index, item in enumerate(fields.sequence_of(ledger["validators"], f"{where}.validators"))
            ),
            logs=tuple(
                _log_pin(item, f"trust.logs[{index}]")
                for index, item in enumerate(fields.sequence_of(root.get("logs", []), "trust.logs"))
            ),
            timestamp_authorities=_certificates(root.get("timestamp_authorities", []), "trust.timestamp_authorities"),
        )


def _certificates(value: Any, where: str) -> tuple[bytes, ...]:
    return tuple(
        fields.base64_bytes(item, f"{where}[{index}]") for index, item in enumerate(fields.sequence_of(value, where))
    )


def _pin(value: Any, where: str) -> ContractPin:
    pin = fields.members(value, ("address", "code_keccak256"), where)
    return ContractPin(
        fields.prefixed_bytes(pin["address"], f"{where}.address", length=20),
        fields.prefixed_bytes(pin["code_keccak256"], f"{where}.code_keccak256"),
    )


def _validator_set(value: Any, where: str) -> ValidatorSet:
    item = fields.members(value, ("from_block", "to_block", "consensus", "addresses"), where)
    first = fields.integer(item["from_block"], f"{where}.from_block")
    last = item["to_block"]
    return ValidatorSet(
        first,
        None if last is None else fields.integer(last, f"{where}.to_block", low=first),
        tuple(
            fields.prefixed_bytes(address, f"{where}.addresses[{index}]", length=20)
            for index, address in enumerate(fields.sequence_of(item["addresses"], f"{where}.addresses"))
        ),
        consensus=Consensus(fields.one_of(item["consensus"], [one.value for one in Consensus], f"{where}.consensus")),
    )


def _log_json(pin: LogPin) -> dict[str, Any]:
    item: dict[str, Any] = {
        "origin": pin.origin,
        "key": fields.base64_text(pin.key),
        "anchor_seconds": pin.anchor_seconds,
    }
    if pin.witnesses:
        item |= {
            "witnesses": [witness.verifier_key for witness in pin.witnesses],
            "witness_quorum": pin.witness_quorum,
        }
    return item


def _log_pin(value: Any, where: str) -> LogPin:
    witnessed = isinstance(value, dict) and not value.keys().isdisjoint(_WITNESSED)
    item = fields.members(value, ("origin", "key", "anchor_seconds", *(_WITNESSED if witnessed else ())), where)
    keys = fields.sequence_of(item["witnesses"], f"{where}.witnesses") if witnessed else []
    return LogPin(
        fields.text(item["origin"], f"{where}.origin"),
        fields.base64_bytes(item["key"], f"{where}.key", length=32),
        fields.integer(item["anchor_seconds"], f"{where}.anchor_seconds", low=1),
        witnesses=tuple(WitnessKey.parse(key, f"{where}.witnesses[{index}]") for index, key in enumerate(keys)),
        # Named at all, witnesses are wanted: a list without any would say nothing.
        witness_quorum=fields.integer(item["witness_quorum"], f"{where}.witness_quorum", low=1) if witnessed else 0,
    )
