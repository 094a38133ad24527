"""Entries of streams of sealed records, `yunshang-record/v1`: which record of which capture, by digest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from ledger import fields
from ledger.canonical import canonical_bytes, parse_canonical
from ledger.errors import MalformedError

__all__ = ["RECORD_FORMAT", "RecordEntry"]

RECORD_FORMAT: Final = "yunshang-record/v1"
_MEMBERS: Final = (
    "capture",
    "capture_cid",
    "format",
    "record_id",
    "record_index",
    "record_sha256",
    "reporter",
    "time",
)


_quoted = json.encoder.encode_basestring
_time_text = lru_cache(maxsize=64)(fields.utc_text)  # many entries are of one second


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """One entry. Source: docs/streams.md section 4.

    Attributes:
        time: when it was entered, aware UTC, whole seconds; never before that of the entry before it.
        capture: the capture's id, 32 bytes.
        capture_cid: where the sealed capture lies on IPFS, CIDv1 in base32.
        record_index: the record's place in the capture, from 0.
        record_sha256: SHA-256 of the record's canonical bytes, 32 bytes.
        record_id: what the record is called in its own standard: an event's hash id, a data set's version.
        reporter: organisation code of the capture's seal.
    """

    time: datetime
    capture: bytes = field(kw_only=True)
    capture_cid: str = field(kw_only=True)
    record_index: int = field(kw_only=True)
    record_sha256: bytes = field(kw_only=True)
    record_id: str = field(kw_only=True)
    reporter: str = field(kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """Return the members as they are hashed."""
        return {
            "capture": fields.prefixed_hex(self.capture),
            "capture_cid": self.capture_cid,
            "format": RECORD_FORMAT,
            "record_id": self.record_id,
            "record_index": self.record_index,
            "record_sha256": self.record_sha256.hex(),
            "reporter": self.reporter,
            "time": fields.utc_text(self.time),
        }

    def canonical(self) -> bytes:
        """Return the entry's bytes.

        Raises:
            MalformedError: a value that canonical JSON does not have.
        """
        # As `canonical_bytes` of `to_json` writes it, in a fifth of the time: every captured record comes by here.
        try:
            return (
                f'{{"capture":"0x{self.capture.hex()}","capture_cid":{_quoted(self.capture_cid)},'
                f'"format":"{RECORD_FORMAT}","record_id":{_quoted(self.record_id)},'
                f'"record_index":{self.record_index:d},"record_sha256":"{self.record_sha256.hex()}",'
                f'"reporter":{_quoted(self.reporter)},"time":"{_time_text(self.time)}"}}'
            ).encode()
        except UnicodeEncodeError:
            return canonical_bytes(self.to_json())  # which says what is wrong

    @staticmethod
    def canonical_of(
        time: datetime, *, capture: bytes, capture_cid: str, record_ids: Sequence[str], sha256s: str, reporter: str
    ) -> list[bytes]:
        """The bytes of the entries of a whole capture, as `canonical` of each would write them.

        Args:
            time, capture, capture_cid, reporter: of each.
            record_ids: in order, without lone surrogates.
            sha256s: the records' digests, hex, one after another.
        """
        # Thousands a second come by here, and most of each is the same.
        head = (
            f'{{"capture":"0x{capture.hex()}","capture_cid":{_quoted(capture_cid)},"format":"{RECORD_FORMAT}",'
            '"record_id":'
        )
        tail = f'","reporter":{_quoted(reporter)},"time":"{_time_text(time)}"}}'
        return [
            (
                f'{head}{_quoted(name)},"record_index":{index},'
                f'"record_sha256":"{sha256s[64 * index : 64 * index + 64]}{tail}'
            ).encode()
            for index, name in enumerate(record_ids)
        ]

    @classmethod
    def parse(cls, data: bytes) -> RecordEntry:
        """Read an entry strictly.

        Raises:
            MalformedError: not canonical, or a member missing, unknown or of another form.
        """
        read = fields.members(parse_canonical(data), _MEMBERS, "entry")
        if read["format"] != RECORD_FORMAT:
            raise MalformedError(f"expected {RECORD_FORMAT}, got another format", where="entry.format")
        return cls(
            fields.utc_time(read["time"], "entry.time"),
            capture=fields.prefixed_bytes(read["capture"], "entry.capture", length=32),
            capture_cid=fields.cid_text(read["capture_cid"], "entry.capture_cid"),
            record_index=fields.integer(read["record_index"], "entry.record_index"),
            record_sha256=fields.hex_bytes(read["record_sha256"], "entry.record_sha256"),
            record_id=fields.text(read["record_id"], "entry.record_id"),
            reporter=fields.text(read["reporter"], "entry.reporter"),
        )
