"""The store on IPFS nodes, where nodes fail: with nodes in memory. Real ones: tests/ports and tests/city."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from email import message_from_bytes
from email.message import Message
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, cast

import pytest

from ledger.adapters.block_archive import block_archive
from ledger.adapters.kubo import KuboStore
from ledger.adapters.kubo_address import kubo_address
from ledger.adapters.kubo_node import KuboNode
from ledger.adapters.processes import free_port
from ledger.cid import Cid, build_directory, file_content
from ledger.dag import walk
from ledger.errors import MalformedError, MismatchError, NotFoundError, PolicyError, TransportError

UNREACHABLE = TransportError("expected an answer of the IPFS node, got none", code="ipfs_unreachable")


class Node:
    """A node in memory that can be down, forget, damage and compute other CIDs."""

    def __init__(self, address: str, swarm: list[Node]) -> None:
        self.address = address
        self.blocks: dict[Cid, bytes] = {}
        self.roots: dict[Cid, str | None] = {}
        self.requests: list[str] = []
        self.sizes: list[int] = []
        self.is_down = False
        self.has_other_cids = False
        self._swarm = swarm
        swarm.append(self)

    def _answer(self, request: str) -> None:
        self.requests.append(request)
        if self.is_down:
            raise UNREACHABLE

    def close(self) -> None:
        self.requests.append("close")

    def put_blocks(self, blocks: Sequence[tuple[Cid, bytes]]) -> None:
        if blocks:
            self._answer("put")
            self.sizes.append(sum(len(data) for _, data in blocks))
        if self.has_other_cids and blocks:
            raise MismatchError("expected the node to store one CID, got another", code="ipfs_cid")
        for cid, data in blocks:
            if Cid.of(data, codec=cid.codec) != cid:
                raise MismatchError("expected the node to store one CID, got another", code="ipfs_cid")
            self.blocks[cid] = data

    def get_block(self, cid: Cid) -> bytes:
        self._answer("get")
        if cid not in self.blocks:
            raise NotFoundError("expected the block, got nothing")
        if Cid.of(self.blocks[cid], codec=cid.codec) != cid:
            raise MismatchError("expected the bytes of the CID, got others", code="damaged_block")
        return self.blocks[cid]

    def has(self, cid: Cid) -> bool:
        self._answer("has")
        return cid in self.blocks

    def pin(self, roots: Sequence[Cid], *, seconds: float, fetch: bool, name: str | None = None) -> None:
        self._answer("pin")
        for root in roots:
            for cid, data in walk(lambda cid: self._found(cid, fetch=fetch), root):
                self.blocks[cid] = data
            self.roots[root] = name

    def _found(self, cid: Cid, *, fetch: bool) -> bytes:
        for node in self._swarm if fetch else [self]:
            if not node.is_down and cid in node.blocks:
                return node.blocks[cid]
        raise NotFoundError("expected the block, got nothing")

    def pins(self, *, roots_only: bool, bundles: bool = False) -> Iterator[Cid]:
        self._answer("pins")
        for root, name in self.roots.items():
            if (name is not None) is bundles:
                yield root
            if not roots_only:
                yield from (cid for cid, _ in walk(self.get_block, root) if cid != root)


@pytest.fixture
def nodes() -> list[Node]:
    swarm: list[Node] = []
    for number in (1, 2):
        Node(f"/ip4/127.0.0.1/tcp/{number}", swarm)
    return swarm


def store_on(nodes: Sequence[Node], *, replicas: int = 2) -> KuboStore:
    return KuboStore(cast(Sequence[KuboNode], nodes), replicas=replicas)


@pytest.fixture
def store(nodes: list[Node]) -> Iterator[KuboStore]:
    opened = store_on(nodes)
    yield opened
    with suppress(TransportError, MismatchError):
        opened.close()


def put(store: KuboStore, data: bytes) -> Cid:
    return store.put_file(io.BytesIO(data)).cid


def test_a_flush_leaves_everything_pinned_on_every_node(store: KuboStore, nodes: list[Node]) -> None:
    trees = [file_content(b"%d" % number, store.put_block).tree for number in range(3)]
    folder = build_directory([(str(n), tree) for n, tree in enumerate(trees)], store.put_block).cid
    store.flush()
    for node in nodes:
        assert list(node.roots) == [folder]  # the files are pinned by the folder alone
        assert set(node.blocks) >= {tree.cid for tree in trees}


def test_many_tops_are_one_pin(store: KuboStore, nodes: list[Node]) -> None:
    files = {put(store, b"%d" % number) for number in range(100)}
    store.flush()
    for node in nodes:
        assert list(node.roots.values()) == ["yunshang-bundle"]
    assert set(store.cids()) == files


def test_batches_are_sent_side_by_side_and_blocks_are_not_copied(nodes: list[Node]) -> None:
    blocks = [bytes([number]) * (1 << 20) for number in range(32)]
    together = threading.Barrier(4)
    put_blocks = nodes[0].put_blocks

    def wait_for_others(batch: Sequence[tuple[Cid, bytes]]) -> None:
        together.wait(timeout=20)  # raises where no four are under way at once
        put_blocks(batch)

    nodes[0].put_blocks = wait_for_others  # type: ignore[method-assign]
    with store_on(nodes[:1], replicas=1) as store:
        cids = [Cid.of(block) for block in blocks]
        for cid, block in zip(cids, blocks, strict=True):
            store.put_block(cid, block)
        store._send_all()
        assert all(nodes[0].blocks[cid] is block for cid, block in zip(cids, blocks, strict=True))
        nodes[0].put_blocks = put_blocks  # type: ignore[method-assign]


def test_nothing_is_acknowledged_while_too_few_nodes_have_it(store: KuboStore, nodes: list[Node]) -> None:
    nodes[1].is_down = True
    cid = put(store, b"sealed")
    for _ in range(2):
        with pytest.raises(TransportError) as caught:
            store.flush()
        assert caught.value.code == "ipfs_pins"
    assert nodes[1].address in store.troubles
    nodes[1].is_down = False
    store.flush()
    assert cid in nodes[1].roots
    assert store.troubles == {}


def test_with_one_of_three_down_two_are_enough(nodes: list[Node]) -> None:
    Node("/ip4/127.0.0.1/tcp/3", nodes)
    nodes[0].is_down = True
    with store_on(nodes) as store:
        cid = put(store, b"sealed")
        store.flush()
        assert [cid in node.roots for node in nodes] == [False, True, True]
        nodes[0].is_down = False
        assert store.level() == {node.address: int(node is nodes[0]) for node in nodes}
        assert cid in nodes[0].blocks


def test_what_no_node_took_is_sent_again_and_readable_meanwhile(store: KuboStore, nodes: list[Node]) -> None:
    for node in nodes:
        node.is_down = True
    files = [put(store, bytes([number]) * 100_000) for number in range(100)]  # more than a batch
    with pytest.raises(TransportError):
        store.flush()
    assert store.get_block(files[0]) == bytes(100_000)
    assert store.has(files[99])
    assert all(future.exception() is None for future in store._under_way)
    for node in nodes:
        node.is_down, node.sizes = False, []
    store.flush()
    for node in nodes:
        assert set(node.blocks) >= set(files)
        assert max(node.sizes, default=0) <= (8 << 20) + 100_000  # what came back goes out in many requests


def test_without_any_node_blocks_are_not_gathered_for_ever(store: KuboStore, nodes: list[Node]) -> None:
    for node in nodes:
        node.is_down = True
    with pytest.raises(TransportError, match="takes blocks"):
        for number in range(200):
            store.put_block(Cid.of(bytes([number]) * (1 << 20)), bytes([number]) * (1 << 20))


def test_a_request_that_failed_is_not_held_by_why(store: KuboStore, nodes: list[Node]) -> None:
    for node in nodes:
        node.is_down = True
    blocks = [bytes([number]) * (1 << 20) for number in range(24)]
    for data in blocks:
        store.put_block(Cid.of(data), data)
    wait(store._under_way)
    failures = [future.result() for future in store._under_way]
    assert failures and all(failures)
    for failure in failures:
        assert isinstance(failure, TransportError)
        assert (failure.__traceback__, failure.__context__, failure.__cause__) == (None, None, None)


def test_a_node_with_other_cids_is_refused(store: KuboStore, nodes: list[Node]) -> None:
    nodes[0].has_other_cids = True
    put(store, b"sealed")
    for _ in range(2):
        with pytest.raises(MismatchError) as caught:
            store.flush()
        assert caught.value.code == "ipfs_cid"
    assert nodes[1].roots == {}


def test_lost_before_it_was_pinned_is_not_acknowledged(store: KuboStore, nodes: list[Node]) -> None:
    cid = put(store, b"x" * (5 << 20))  # more than a batch: part of it is stored already
    with ThreadPoolExecutor(1) as pool:
        pool.submit(store._send_all).result()
    for node in nodes:
        node.blocks.clear()
    with pytest.raises(TransportError):
        store.flush()
    with pytest.raises(TransportError):  # whoever else's flush it is, too
        store.flush()
    put(store, b"x" * (5 << 20))
    store.flush()
    assert all(cid in node.roots for node in nodes)


def test_reads_from_the_other_node_where_one_has_lost_or_damaged_it(store: KuboStore, nodes: list[Node]) -> None:
    cids = [put(store, b"%d" % number) for number in range(3)]
    store.flush()
    del nodes[0].blocks[cids[0]]
    nodes[0].blocks[cids[1]] = b"damaged"
    assert [store.get_block(cid) for cid in cids] == [b"0", b"1", b"2"]
    assert "others" in store.troubles[nodes[0].address]
    nodes[1].blocks[cids[1]] = b"damaged"
    with pytest.raises(MismatchError):
        store.get_block(cids[1])


def test_missing_is_not_unreachable(store: KuboStore, nodes: list[Node]) -> None:
    absent = Cid.of(b"nowhere")
    with pytest.raises(NotFoundError):
        store.get_block(absent)
    assert not store.has(absent)
    nodes[1].is_down = True
    with pytest.raises(TransportError):
        store.get_block(absent)
    with pytest.raises(TransportError):
        store.has(absent)


def test_an_empty_file_is_on_every_node(store: KuboStore, nodes: list[Node]) -> None:
    empty = put(store, b"")
    assert store.get_block(empty) == b""
    store.flush()
    assert all(node.blocks[empty] == b"" for node in nodes)


def test_blocks_of_many_threads_are_all_there_when_each_has_flushed(store: KuboStore, nodes: list[Node]) -> None:
    started = threading.Barrier(8)

    def handover(number: int) -> list[Cid]:
        started.wait()
        cids = [put(store, b"%d/%d" % (number, place) + bytes(30_000)) for place in range(40)]
        store.flush()
        assert all(cid in node.blocks for node in nodes for cid in cids)
        return cids

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(handover, range(8)))
    assert len({cid for cids in found for cid in cids}) == 320
    assert set(store.cids()) == {cid for cids in found for cid in cids}


@pytest.mark.parametrize("replicas", [0, 3])
def test_as_many_nodes_as_pins_are_needed(nodes: list[Node], replicas: int) -> None:
    with pytest.raises(PolicyError) as caught:
        store_on(nodes, replicas=replicas)
    assert caught.value.code == "ipfs_replicas"


@pytest.mark.parametrize(
    "address",
    [
        *("/ip4/127.0.0.1/tcp/5001", "/ip6/::1/tcp/5001", "/dns/ipfs-1.example/tcp/443/https"),
        *("/dns4/localhost/tcp/1/http", "/ip4/10.0.0.7/tcp/65535"),
    ],
)
def test_takes_addresses_of_nodes(address: str) -> None:
    assert kubo_address(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *("", "/", "http://127.0.0.1:5001", "127.0.0.1:5001", "/ip4/127.0.0.1", "/ip4/127.0.0.1/tcp", "/ip4/x/tcp/1"),
        *("/ip4/127.0.0.1/udp/5001", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/65536", "/ip4/127.0.0.1/tcp/5001/"),
        *("/ip4/127.0.0.1/tcp/5001/ws", "/ip4/::1/tcp/5001", "/dns/UPPER/tcp/1", "/dns/a b/tcp/1", "/dns//tcp/1"),
        *("/ip4/127.0.0.1/tcp/５００１", "/unix/run/ipfs.sock", "/ip4/127.0.0.1/tcp/5001/http/http", "/ip4/1/tcp/1"),
    ],
)
def test_refuses_what_is_no_address_of_a_node(address: str) -> None:
    with pytest.raises(MalformedError) as caught:
        kubo_address(address)
    assert caught.value.code == "ipfs_address"


class Api(BaseHTTPRequestHandler):
    """A node's API that takes every archive, and keeps what it was sent."""

    protocol_version = "HTTP/1.1"
    requests: ClassVar[list[tuple[Message, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((self.headers, body))
        answer = b'{"Stats":{"BlockCount":3}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_blocks_go_to_a_node_in_a_body_of_known_length() -> None:
    blocks = [(Cid.of(data), data) for data in (b"", b"small", bytes(300_000))]
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever).start()
        node = KuboNode(f"/ip4/127.0.0.1/tcp/{server.server_port}")
        try:
            node.put_blocks(blocks)
            node.put_blocks(blocks)  # on the same connection: nothing of the first is left over
        finally:
            node.close()
            server.shutdown()
    for headers, body in Api.requests:
        assert "Transfer-Encoding" not in headers
        kind = b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n"
        (part,) = cast(list[Message], message_from_bytes(kind + body, policy=HTTP).get_payload())
        assert part.get_content_type() == "application/vnd.ipld.car"
        assert part.get_payload(decode=True) == b"".join(block_archive(blocks))
    assert len(Api.requests) == 2


def test_a_node_that_is_down_is_a_transport_error() -> None:
    node = KuboNode(f"/ip4/127.0.0.1/tcp/{free_port('127.0.0.1')}", timeout_seconds=2.0)
    try:
        for ask in (
            node.version,
            node.require_durable,
            lambda: node.put_blocks([(Cid.of(b"1"), b"1")]),
            lambda: node.get_block(Cid.of(b"1")),
            lambda: node.has(Cid.of(b"1")),
            lambda: node.pin([Cid.of(b"1")], seconds=1.0, fetch=False),
            lambda: list(node.pins(roots_only=True)),
        ):
            with pytest.raises(TransportError) as caught:
                ask()
            assert caught.value.code == "ipfs_unreachable"
    finally:
        node.close()
