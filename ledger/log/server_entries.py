"""Entries that a server writes into logs of its own, without a party's seal: checks of fixity, facts of the catalogue.

Source: docs/recovery.md sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import LedgerError, MalformedError
from ledger.log.record_audit import RecordFacts
from ledger.log.verify import Finding

__all__ = [
    "CATALOGUE_FORMAT",
    "CHALLENGE_BLOCKS",
    "FIXITY_FORMAT",
    "CatalogueEntry",
    "FixityEntry",
    "challenge_digest",
    "challenge_order",
    "examine_server_entries",
]

FIXITY_FORMAT: Final = "yunshang-fixity/v1"
CATALOGUE_FORMAT: Final = "yunshang-catalogue/v1"
CHALLENGE_BLOCKS: Final = 32
"""How many blocks an entry proves that the checker had at hand."""
FINDINGS_LIMIT: Final = 40
_OUTCOMES: Final = ("passed", "failed", "indeterminate")
_CATALOGUE_MEMBERS: Final = ("cid", "count", "format", "time")
_FIXITY_MEMBERS: Final = (
    "blocks",
    "catalogue",
    "chain",
    "challenge",
    "finding_count",
    "findings",
    "format",
    "logs",
    "outcome",
    "repaired",
    "started",
    "time",
)


def challenge_order(key: bytes, digest: bytes) -> bytes:
    """Where a block stands in a challenge: the lowest `CHALLENGE_BLOCKS` values are chosen.

    Args:
        key: hash of a block of the chain that nobody knew before it was made, 32 bytes.
        digest: SHA-256 of the store's block, 32 bytes.
    """
    return sha256(b"yunshang/fixity-order/v1\0" + key + digest).digest()


def challenge_digest(key: bytes, block: bytes) -> bytes:
    """What only who has the block's bytes can say after the key is known, 32 bytes."""
    return sha256(b"yunshang/fixity/v1\0" + key + block).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class FixityEntry:
    """What a check of everything came to, `yunshang-fixity/v1`.

    Attributes:
        started, time: when the check began and when it was entered, aware UTC, whole seconds.
        outcome: `passed`, `failed` or `indeterminate`.
        block_number, block_hash: of the chain, at the beginning; the hash is the challenge's key; None: no node.
        block_count, block_bytes: what was read of the store.
        blocks_root: SHA-256 over the sorted digests of all blocks that were whole, 32 bytes.
        challenge: CID and `challenge_digest` of the chosen blocks.
        log_count: how many logs were read.
        logs_root: SHA-256 over canonical JSON of `[origin, size, root]` of each, by origin, 32 bytes.
        rows, differences: rows of the catalogue compared with chain and content, and how many differ; None: not done.
        finding_count: how many things are wrong.
        findings: code and place of the first ones.
        repaired: how many blocks were mended from a replica in this run.

    Raises:
        MalformedError: a value of another form.
    """

    started: datetime
    time: datetime
    outcome: str
    block_number: int | None
    block_hash: bytes | None
    block_count: int
    block_bytes: int
    blocks_root: bytes
    challenge: tuple[tuple[str, bytes], ...]
    log_count: int
    logs_root: bytes
    rows: int | None
    differences: int | None
    finding_count: int
    findings: tuple[tuple[str, str], ...]
    repaired: int = 0

    def __post_init__(self) -> None:
        fields.one_of(self.outcome, _OUTCOMES, "fixity.outcome")
        if len(self.findings) > FINDINGS_LIMIT or len(self.challenge) > CHALLENGE_BLOCKS:
            raise MalformedError(f"expected at most {FINDINGS_LIMIT} findings in an entry, got more")
        if (self.finding_count == 0) != (not self.findings) or (self.outcome == "failed") != bool(self.finding_count):
            raise MalformedError("expected findings where a check failed and only there, got others")

    def to_json(self) -> dict[str, Any]:
        """Return the members as they are hashed."""
        chain = None
        if self.block_hash is not None:
            chain = {"block_hash": fields.prefixed_hex(self.block_hash), "block_number": self.block_number}
        return {
            "blocks": {"bytes": self.block_bytes, "count": self.block_count, "root": self.blocks_root.hex()},
            "catalogue": None if self.rows is None else {"differences": self.differences, "rows": self.rows},
            "chain": chain,
            "challenge": [{"cid": cid, "digest": digest.hex()} for cid, digest in self.challenge],
            "finding_count": self.finding_count,
            "findings": [{"code": code, "where": where} for code, where in self.findings],
            "format": FIXITY_FORMAT,
            "logs": {"count": self.log_count, "root": self.logs_root.hex()},
            "outcome": self.outcome,
            "repaired": self.repaired,
            "started": fields.utc_text(self.started),
            "time": fields.utc_text(self.time),
        }

    def canonical(self) -> bytes:
        """Return the entry's bytes."""
        return canonical_bytes(self.to_json())

    @classmethod
    def parse(cls, data: bytes) -> FixityEntry:
        """Read an entry strictly.

        Raises:
            MalformedError: not canonical, or a member missing, unknown or of another form.
        """
        read = fields.members(parse_canonical(data), _FIXITY_MEMBERS, "fixity")
        if read["format"] != FIXITY_FORMAT:
            raise MalformedError(f"expected {FIXITY_FORMAT}, got another format", where="fixity.format")
        blocks = fields.members(read["blocks"], ("bytes", "count", "root"), "fixity.blocks")
        logs = fields.members(read["logs"], ("count", "root"), "fixity.logs")
        chain = _optional(read["chain"], ("block_hash", "block_number"), "fixity.chain")
        catalogue = _optional(read["catalogue"], ("differences", "rows"), "fixity.catalogue")
        return cls(
            started=fields.utc_time(read["started"], "fixity.started"),
            time=fields.utc_time(read["time"], "fixity.time"),
            outcome=fields.text(read["outcome"], "fixity.outcome"),
            block_number=chain and fields.integer(chain["block_number"], "fixity.chain.block_number"),
            block_hash=chain and fields.prefixed_bytes(chain["block_hash"], "fixity.chain.block_hash", length=32),
            block_count=fields.integer(blocks["count"], "fixity.blocks.count"),
            block_bytes=fields.integer(blocks["bytes"], "fixity.blocks.bytes"),
            blocks_root=fields.hex_bytes(blocks["root"], "fixity.blocks.root"),
            challenge=tuple(_challenge(item) for item in fields.sequence_of(read["challenge"], "fixity.challenge")),
            log_count=fields.integer(logs["count"], "fixity.logs.count"),
            logs_root=fields.hex_bytes(logs["root"], "fixity.logs.root"),
            rows=catalogue and fields.integer(catalogue["rows"], "fixity.catalogue.rows"),
            differences=catalogue and fields.integer(catalogue["differences"], "fixity.catalogue.differences"),
            finding_count=fields.integer(read["finding_count"], "fixity.finding_count"),
            findings=tuple(_finding(item) for item in fields.sequence_of(read["findings"], "fixity.findings")),
            repaired=fields.integer(read["repaired"], "fixity.repaired"),
        )


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """Where further facts of the catalogue lie, `yunshang-catalogue/v1`.

    Attributes:
        time: when they were entered, aware UTC, whole seconds.
        cid: of the file with the facts.
        count: how many there are.
    """

    time: datetime
    cid: str
    count: int

    def canonical(self) -> bytes:
        """Return the entry's bytes."""
        return canonical_bytes(
            {"cid": self.cid, "count": self.count, "format": CATALOGUE_FORMAT, "time": fields.utc_text(self.time)}
        )

    @classmethod
    def parse(cls, data: bytes) -> CatalogueEntry:
        """Read an entry strictly; raises as `FixityEntry.parse`."""
        read = fields.members(parse_canonical(data), _CATALOGUE_MEMBERS, "entry")
        if read["format"] != CATALOGUE_FORMAT:
            raise MalformedError(f"expected {CATALOGUE_FORMAT}, got another format", where="entry.format")
        return cls(
            fields.utc_time(read["time"], "entry.time"),
            fields.cid_text(read["cid"], "entry.cid"),
            fields.integer(read["count"], "entry.count"),
        )


_PARSERS: Final[Mapping[str, Callable[[bytes], FixityEntry | CatalogueEntry]]] = {
    FIXITY_FORMAT: FixityEntry.parse,
    CATALOGUE_FORMAT: CatalogueEntry.parse,
}


def examine_server_entries(
    first: int, entries: Sequence[bytes], _beside: Any, /
) -> tuple[Sequence[Finding], RecordFacts]:
    """Check the entries of a bundle of a log of the server's own.

    Args:
        first: index of the first entry.
        entries: of one bundle.
    """
    findings: list[Finding] = []
    times: list[int] = []
    for index, data in enumerate(entries, first):
        try:
            time = int(_parsed(data).time.timestamp())
        except LedgerError as error:
            findings.append(Finding("entry_malformed", str(error), index=index))
            continue
        if times and time < times[-1]:
            findings.append(Finding("time_goes_back", "expected a time not before the entry before", index=index))
        times.append(time)
    return findings, RecordFacts(first, tuple(times), ())


def _parsed(data: bytes) -> FixityEntry | CatalogueEntry:
    value = parse_canonical(data)
    parser = _PARSERS.get(str(value.get("format"))) if isinstance(value, dict) else None
    if parser is None:
        raise MalformedError("expected an entry of a log of the server's own, got another format")
    return parser(data)


def _optional(value: Any, names: tuple[str, ...], where: str) -> Any:
    return None if value is None else fields.members(value, names, where)


def _challenge(value: Any) -> tuple[str, bytes]:
    read = fields.members(value, ("cid", "digest"), "fixity.challenge")
    return fields.cid_text(read["cid"], "challenge.cid"), fields.hex_bytes(read["digest"], "challenge.digest")


def _finding(value: Any) -> tuple[str, str]:
    read = fields.members(value, ("code", "where"), "fixity.findings")
    return fields.text(read["code"], "findings.code"), fields.text(read["where"], "findings.where")
