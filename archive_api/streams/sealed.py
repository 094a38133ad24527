"""Sealed captures as proofs need them: read and judged as a whole once, then single records by their place.

A proof of one record is over all records of its capture, so somebody has to read them; what is kept of that are the
hashes, and where each record stands in the file.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from archive_api.errors import MismatchError
from archive_api.recent import Recent
from archive_api.services import Services
from archive_api.streams.models import CaptureRow
from ledger.capture import SealedCapture
from ledger.cid import parse_cid
from ledger.merkle import InclusionProof, MerkleTree, leaf_hash
from ledger.ports.blobs import BlobStore
from ledger.statement import Capture, LedgerDomain
from ledger.types import Seal

__all__ = ["CaptureRecords", "capture_records"]

_LEAVES_KEPT: Final = 100_000
_BEGIN: Final = b'"records":['


@dataclass(frozen=True, slots=True)
class CaptureRecords:
    """A sealed capture without its records, which are read from the store by their places.

    Attributes:
        content_cid: of the capture.
        domain, statement, seal, certificate: as `SealedCapture`.
        leaves: leaf hash of each record, 32 bytes.
    """

    content_cid: str
    domain: LedgerDomain
    statement: Capture
    seal: Seal
    certificate: bytes
    leaves: tuple[bytes, ...]
    _tree: MerkleTree
    _begins: array[int]

    @classmethod
    def of(cls, capture: SealedCapture, data: bytes, content_cid: str) -> CaptureRecords:
        """Make them of a capture.

        Args:
            capture: of `SealedCapture.parse`.
            data: that it was read from.
            content_cid: of the data.
        """
        first = data.index(_BEGIN) + len(_BEGIN)  # before it come the domain and the format alone
        begins = array("L", accumulate((len(record) + 1 for record in capture.records), initial=first))
        leaves = tuple(map(leaf_hash, capture.records))
        sealed = (capture.domain, capture.statement, capture.seal, capture.certificate)
        return cls(content_cid, *sealed, leaves, MerkleTree(leaves), begins)

    def record(self, store: BlobStore, index: int) -> bytes:
        """Canonical JSON of one record.

        Raises:
            MismatchError: the store has another record there than when the capture was read (code `record_changed`).
            LedgerError: the store lost it.
        """
        begin = self._begins[index]
        length = self._begins[index + 1] - 1 - begin  # without the comma
        found = b"".join(store.open(parse_cid(self.content_cid)).iter_range(begin, length))
        if leaf_hash(found) != self.leaves[index]:
            raise MismatchError(f"expected the record that was sealed at {index}, got another", code="record_changed")
        return found

    def proof(self, index: int) -> InclusionProof:
        """One record's proof under the statement's `records_root`."""
        return self._tree.proof(index)


_KEPT: Final = Recent[CaptureRecords](room=_LEAVES_KEPT)
"""By content address, so whatever server they are of."""


def capture_records(services: Services, row: CaptureRow) -> CaptureRecords:
    """The records of a capture.

    Args:
        services: the server's.
        row: the capture's.

    Raises:
        NotFoundError, MismatchError, MalformedError: the store has lost or damaged it (`ledger.errors`).
    """
    found = _KEPT.find(row.content_cid)
    if found is None:
        data = b"".join(services.store.open(parse_cid(row.content_cid)).iter_range())
        found = CaptureRecords.of(SealedCapture.parse(data), data, row.content_cid)
        _KEPT.keep(row.content_cid, found, weight=len(found.leaves))
    return found
