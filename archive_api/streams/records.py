"""Records about to be captured, with everything that needs no more than their bytes worked out once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from ledger import fields
from ledger.capture import records_root
from ledger.errors import MalformedError

__all__ = ["NewRecord", "NewRecords", "new_records"]

_MAX_ID_CHARACTERS: Final = 200


class NewRecord(NamedTuple):
    """A record to be captured.

    Attributes:
        canonical: `ledger.canonical.canonical_record` of it; at most 65,536 bytes.
        record_id: what it is called in its own standard; 1 to 200 characters on one line.
    """

    canonical: bytes
    record_id: str


class NewRecords(NamedTuple):
    """The records of one capture. A tuple of few plain values, since it may cross from process to process.

    Attributes:
        size: how many there are.
        root: RFC 9162 root over their canonical bytes, 32 bytes.
        joined: their canonical bytes with commas between.
        ids: JSON array of their ids.
        sha256s: digests of the canonical bytes, hex, one after another.
    """

    size: int
    root: bytes
    joined: bytes
    ids: str
    sha256s: str


def new_records(records: Sequence[NewRecord]) -> NewRecords:
    """Work out what is captured.

    Args:
        records: 1 to 10,000, in the order that was sealed.

    Raises:
        MalformedError: see `ledger.capture.records_root`; or an id is none.
    """
    for record in records:
        if len(fields.text(record.record_id, "record_id")) > _MAX_ID_CHARACTERS:
            raise MalformedError(f"expected a record id of at most {_MAX_ID_CHARACTERS} characters, got more")
    canonical = [record.canonical for record in records]
    return NewRecords(
        len(records),
        records_root(canonical),
        b",".join(canonical),
        json.dumps([record.record_id for record in records], ensure_ascii=False),
        "".join([sha256(record).hexdigest() for record in canonical]),
    )
