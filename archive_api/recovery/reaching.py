"""Walks from what the chain names down to the last block, and says what is missing and whose it is.

Directories and inner nodes are read; of leaves it is enough that the store has them, since every block it has is
compared with its CID by the check of blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

from archive_api.recovery.findings import Wrong
from archive_api.recovery.rows import hex_text
from ledger.cid import CODEC_RAW, Cid, parse_cid
from ledger.errors import LedgerError, NotFoundError, TransportError
from ledger.ports.blobs import BlobStore
from ledger.ports.chain import LedgerEvent
from ledger.unixfs import TYPE_FILE, decode_node

__all__ = ["Reaching", "Root", "anchored_roots"]


class Root(NamedTuple):
    """A tree that the chain names, and what it is."""

    cid: Cid
    what: str


def anchored_roots(events: list[LedgerEvent]) -> Iterator[Root]:
    """Yield every tree that an event of the chain names."""
    for event in events:
        values = cast(Mapping[str, Any], event.values)
        if event.name == "SubmissionAnchored":
            identifier = hex_text(values["submissionId"])
            yield Root(Cid.from_bytes(values["statement"]["contentCid"]), f"submission {identifier}")
        elif event.name == "SubmissionAccepted":
            yield Root(Cid.from_bytes(values["receiptCid"]), f"receipt of {hex_text(values['submissionId'])}")
        elif event.name == "SubmissionReturned":
            yield Root(Cid.from_bytes(values["reasonsCid"]), f"reasons of {hex_text(values['submissionId'])}")


class Reaching:
    """Walks trees; a block that was reached once is not walked again.

    Args:
        store: the content.
        damaged: digests of blocks that the check of blocks found damaged: they are not read again.
        named: digests of blocks whose owners are wanted too.
    """

    def __init__(self, store: BlobStore, damaged: frozenset[bytes], *, named: frozenset[bytes] = frozenset()) -> None:
        self._store = store
        self._named = named
        self._damaged = damaged
        self._seen: set[bytes] = set()
        self.owners: dict[bytes, str] = {}

    def walk(self, root: Root, progress: Callable[[int], None] = lambda count: None) -> Iterator[Wrong]:
        """Yield what is missing below a root; damaged blocks get the name of what they belong to (`owners`).

        Raises:
            TransportError: the store cannot be read.
        """
        waiting: list[tuple[Cid, str]] = [(root.cid, "")]
        while waiting:
            cid, path = waiting.pop()
            if cid.digest in self._seen:
                continue
            self._seen.add(cid.digest)
            progress(1)
            place = f"{root.what}/{path}" if path else root.what
            if cid.digest in self._named:
                self.owners[cid.digest] = place
            if cid.digest in self._damaged:
                self.owners[cid.digest] = place
                continue
            if cid.codec == CODEC_RAW:
                if not self._store.has(cid):
                    yield self._missing(cid, place)
                continue
            try:
                node = decode_node(self._store.get_block(cid))
            except NotFoundError:
                yield self._missing(cid, place)
                continue
            except TransportError:
                raise
            except LedgerError as error:
                yield Wrong("content", "damaged_block", place, str(error), str(cid))
                continue
            for number, link in enumerate(node.links):
                name = f"part {number}" if node.kind == TYPE_FILE else link.name.decode("utf-8", "replace")
                below = f"{path}/{name}" if path else name
                waiting.append((Cid.from_bytes(link.cid), below))

    def again(self, cid_text: str) -> Reaching:
        """The same, ready to walk a block that was missing and is there now."""
        self._seen.discard(parse_cid(cid_text).digest)
        return self

    def _missing(self, cid: Cid, place: str) -> Wrong:
        self.owners[cid.digest] = place
        return Wrong("content", "missing_block", place, "expected the block in the store, got nothing", str(cid))
