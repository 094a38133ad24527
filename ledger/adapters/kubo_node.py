"""One Kubo node over its RPC API, by ipfshttpclient: the only place that imports it, and where its errors end.

Every request is for what this node has itself (`offline`), save a pin that may fetch from the node's peers.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

# The library would hand urllib3 a parameter, for Unix sockets, that urllib3 2 warns of and 3 refuses.
os.environ.setdefault("PY_IPFS_HTTP_CLIENT_PATCH_REQUESTS", "no")

import ipfshttpclient
from ipfshttpclient import exceptions, multipart
from ipfshttpclient.client import base, block, pin

from ledger.adapters.block_archive import block_archive
from ledger.adapters.kubo_address import kubo_address
from ledger.cid import Cid, parse_cid
from ledger.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError

__all__ = ["PIN_BUNDLE", "KuboNode"]

PIN_BUNDLE: Final = "yunshang-bundle"
"""The name of pins of directories that only keep others pinned."""

_ARCHIVE_TYPE: Final = "application/vnd.ipld.car"
_ARGUMENTS: Final = 100  # of 59 characters each, in a request's query
_MISSING: Final = ("could not find", "not found", "merkledag: not found")
_NOT_PINNED: Final = "is not pinned"
_OTHER_CID: Final = "mismatch in content integrity"
_FULL: Final = ("no space left", "disk quota", "storagemax")


class _Archive(multipart.StreamBase, multipart.StreamFileMixin):  # type: ignore[misc]
    """The body of a request with one file, of a length known beforehand and sent as it is: the library's own copies a
    file twice, and lays it into numbered chunks that the node copies once more.

    Args:
        pieces: of the file.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__("files")
        self._pieces = pieces
        self._parts = list(self._body())

    def _body(self) -> Iterator[bytes]:
        yield b"".join(self._gen_file_start("", content_type=_ARCHIVE_TYPE))
        yield from self._pieces
        yield b"".join((*self._gen_file_end(), *self._gen_end()))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))


class _Blocks(block.Section):  # type: ignore[misc]
    """Blocks, many in one request; the library's own `put` takes one."""

    def put_many(self, archive: Sequence[bytes], **details: Any) -> list[dict[str, Any]]:
        """Import an archive of blocks (CAR): the node writes and syncs them together, as `ipfs add` has it do, where
        `/block/put` syncs one after the other."""
        body = _Archive(archive)
        options = {"pin-roots": "false", "stats": "true", "fast-provide-root": "false"}
        answer: list[dict[str, Any]] = self._client.request(
            "/dag/import", decoder="json", data=body, headers=body.headers(), opts=options, **details
        )
        return answer


class _Pins(pin.Section):  # type: ignore[misc]
    """Pins, one line of the answer at a time: the library's own `ls` wants all of them in one."""

    def stream(self, kind: str, **details: Any) -> Any:
        options = {"type": kind, "stream": "true", "names": "true"}
        return self._client.request("/pin/ls", decoder="json", stream=True, opts=options, **details)


class _Client(ipfshttpclient.Client):  # type: ignore[misc]
    block = base.SectionProperty(_Blocks)
    pin = base.SectionProperty(_Pins)


class KuboNode:
    """One node. Methods may be called from several threads.

    Args:
        address: a multiaddr such as `/ip4/127.0.0.1/tcp/5001`.
        timeout_seconds: for each request, to connect and between the parts of an answer.

    Attributes:
        address: as given.

    Raises:
        MalformedError: the address is not one (code `ipfs_address`).
    """

    def __init__(self, address: str, *, timeout_seconds: float = 30.0) -> None:
        self.address = kubo_address(address)
        self._timeout = timeout_seconds
        # Not `ipfshttpclient.connect`: it refuses every node since 0.8.0. `base` is the API's own path.
        self._client = _Client(self.address, timeout=timeout_seconds)
        # A proxy from the environment must not see, or break, what stays on this machine.
        if _is_here(self.address):
            self._client._client._session_props["trust_env"] = False
        self._client._client.open_session()

    def close(self) -> None:
        """Give back the sockets."""
        self._client.close()

    def version(self) -> str:
        """Return the node's version, such as `0.42.0`.

        Raises:
            TransportError: no answer.
        """
        with self._translated():
            return str(self._client.version()["Version"])

    def require_durable(self) -> None:
        """Refuse a node that acknowledges blocks before they are on its disk, which Kubo does unless told otherwise.

        Raises:
            PolicyError: its flatfs datastore has `sync: false` (code `ipfs_not_durable`).
            TransportError: no answer.
        """
        with self._translated():
            answer = self._client._client.request("/config/show", decoder="json")
        if _has_unsynced_flatfs(answer):
            raise PolicyError(
                'expected an IPFS node whose flatfs datastore has "sync": true in Datastore.Spec, got one with false: '
                "it would acknowledge blocks that a loss of power takes away",
                code="ipfs_not_durable",
                where=self.address,
            )

    def put_blocks(self, blocks: Sequence[tuple[Cid, bytes]]) -> None:
        """Store blocks; the node compares each with its CID.

        Raises:
            MismatchError: the node computes another CID of one (code `ipfs_cid`).
            TransportError: they could not be stored.
        """
        if not blocks:
            return
        with self._translated():
            answer = self._client.block.put_many(block_archive(blocks))
        taken = sum(item["Stats"]["BlockCount"] for item in answer if item.get("Stats"))
        if taken != len(blocks):
            raise TransportError(
                f"expected the node to store {len(blocks)} blocks, got {taken}", code="ipfs_refused", where=self.address
            )

    def get_block(self, cid: Cid) -> bytes:
        """Return a block's bytes after comparing them with the CID.

        Raises:
            NotFoundError: this node does not have it.
            MismatchError: its bytes are others (code `damaged_block`).
            TransportError: no answer.
        """
        data = self.read_block(cid)
        if Cid.of(data, codec=cid.codec) != cid:
            raise MismatchError(
                f"expected the bytes of the CID, got others from {self.address}",
                code="damaged_block",
                where=str(cid),
            )
        return data

    def read_block(self, cid: Cid) -> bytes:
        """Return what this node has under a CID, whatever it is: for whoever looks at what is wrong with it.

        Raises:
            NotFoundError: this node does not have it.
            TransportError: no answer.
        """
        with self._translated(cid):
            return bytes(self._client.block.get(str(cid), offline=True))

    def drop_damaged(self, *, seconds: float) -> None:
        """Have the node read all its blocks, and drop those whose bytes are not those of their CID.

        A block that is there already, damaged or not, is not written again by this node.

        Args:
            seconds: how long it may be silent.

        Raises:
            TransportError: no answer, or one could not be dropped.
        """
        options = {"drop": "true"}
        verify = self._client._client.request
        with (
            self._translated(),
            verify("/repo/verify", decoder="json", stream=True, opts=options, timeout=seconds) as told,
        ):
            for _ in told:
                pass

    def has(self, cid: Cid) -> bool:
        """Return whether this node has the block.

        Raises:
            TransportError: no answer.
        """
        try:
            with self._translated(cid):
                self._client.block.stat(str(cid), offline=True)
        except NotFoundError:
            return False
        return True

    def pin(self, roots: Sequence[Cid], *, seconds: float, fetch: bool, name: str | None = None) -> None:
        """Pin trees, and look that they are pinned.

        Args:
            roots: of the trees.
            seconds: how long each hundred of them may take.
            fetch: get what is missing from the node's peers.
            name: of the pins.

        Raises:
            NotFoundError: a block is missing (or, with `fetch`, did not come in time).
            TransportError: no answer, or not pinned afterwards.
        """
        options = ({} if fetch else {"offline": "true"}) | ({} if name is None else {"name": name})
        for start in range(0, len(roots), _ARGUMENTS):
            names = [str(cid) for cid in roots[start : start + _ARGUMENTS]]
            with self._translated(roots[start]):
                # The node ends it first, so that it does not go on without us.
                self._client.pin.add(
                    *names, opts={**options, "timeout": f"{int(seconds * 1000)}ms"}, timeout=seconds + self._timeout
                )
                found = self._client.pin.ls(*names, type="recursive").as_json()["Keys"]
            left = sorted(set(names) - set(found))
            if left:
                raise TransportError(f"expected {left[0]} to be pinned, got it not", code="ipfs", where=self.address)

    def pins(self, *, roots_only: bool, bundles: bool = False) -> Iterator[Cid]:
        """Yield what is pinned: roots, or every block below them too. CIDs that we would not make are left out.

        Args:
            roots_only: without what is below.
            bundles: directories that only keep others pinned, and (with `roots_only`) nothing else.

        Raises:
            TransportError: no answer, or one cut short.
        """
        with self._translated(), self._client.pin.stream("recursive" if roots_only else "all") as lines:
            for line in lines:
                is_bundle = line.get("Name") == PIN_BUNDLE
                if is_bundle is not bundles and (is_bundle or roots_only):
                    continue
                try:
                    yield parse_cid(str(line["Cid"]))
                except (KeyError, MalformedError):
                    continue

    @contextmanager
    def _translated(self, cid: Cid | None = None) -> Iterator[None]:
        try:
            yield
        except exceptions.ErrorResponse as error:
            raise self._refusal(str(error), cid) from error
        except exceptions.Error as error:
            raise TransportError(
                f"expected an answer of the IPFS node, got {type(error).__name__}",
                code="ipfs_unreachable",
                where=self.address,
            ) from error
        except (OSError, json.JSONDecodeError, AssertionError, KeyError, TypeError) as error:
            # The library asserts what a node's answer looks like, and lets some errors of sockets through.
            raise TransportError(
                f"expected an answer of an IPFS node, got {type(error).__name__}",
                code="ipfs_unreachable",
                where=self.address,
            ) from error

    def _refusal(self, text: str, cid: Cid | None) -> NotFoundError | MismatchError | TransportError:
        lowered = text.lower()
        if _OTHER_CID in lowered:
            return MismatchError(
                f"expected the node to compute our CIDs, got: {text[:300]}", code="ipfs_cid", where=self.address
            )
        if cid is not None and any(words in lowered for words in _MISSING):
            return NotFoundError(f"expected the block on {self.address}, got nothing", where=str(cid))
        if any(words in lowered for words in _FULL):
            return TransportError("expected room on the IPFS node, got none", code="store_full", where=self.address)
        return TransportError(
            f"expected the IPFS node to agree, got: {text[:200]}", code="ipfs_refused", where=self.address
        )


def _is_here(address: str) -> bool:
    kind, _, rest = address.removeprefix("/").partition("/")
    host = rest.partition("/")[0]
    if kind in ("ip4", "ip6"):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _has_unsynced_flatfs(value: object) -> bool:
    if isinstance(value, dict):
        if value.get("type") == "flatfs":
            return value.get("sync") is not True
        return any(_has_unsynced_flatfs(item) for item in value.values())
    return isinstance(value, list) and any(_has_unsynced_flatfs(item) for item in value)
