"""Real IPFS nodes that are stopped, lose their disk, damage blocks, or acknowledge too soon."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.adapters.kubo import KuboStore
from ledger.adapters.kubo_node import KuboNode
from ledger.cid import Cid, build_directory, file_content
from ledger.errors import MismatchError, NotFoundError, PolicyError, TransportError

from .swarm import Swarm


@pytest.fixture
def store(swarm: Swarm) -> Iterator[KuboStore]:
    with KuboStore.connect([node.address for node in swarm.nodes], timeout_seconds=20.0) as opened:
        yield opened


def put(store: KuboStore, text: str) -> Cid:
    return store.put_file(io.BytesIO(text.encode())).cid


def test_both_nodes_have_a_handover_by_their_own_word(swarm: Swarm, store: KuboStore) -> None:
    large = bytes(range(256)) * 20_000
    files = [store.put_file(io.BytesIO(data)).tree for data in (b"", "隐蔽工程验收".encode(), large)]
    root = build_directory(zip(("空.txt", "验收.txt", "模型.ifc"), files, strict=True), store.put_block).cid
    store.flush()
    for node in swarm.nodes:
        assert str(root) in swarm.cli(node, "pin", "ls", "--type=recursive", "--quiet", str(root))
        assert sorted(swarm.cli(node, "ls", "--size=false", str(root)).split()[1::2]) == [
            "模型.ifc",
            "空.txt",
            "验收.txt",
        ]
        assert swarm.cli(node, "cat", f"{root}/验收.txt") == "隐蔽工程验收"
    assert store.open(files[2].cid).read() == large


def test_a_node_refuses_a_block_under_the_cid_of_another(swarm: Swarm) -> None:
    sound, other = file_content(b"sound"), file_content(b"other")
    node = KuboNode(swarm.nodes[0].address)
    with pytest.raises(MismatchError) as caught:
        node.put_blocks([(sound.cid, b"sound"), (other.cid, b"something else")])
    assert caught.value.code == "ipfs_cid"
    with pytest.raises(NotFoundError):
        node.get_block(other.cid)
    node.close()


def test_nothing_leaves_the_private_swarm(swarm: Swarm) -> None:
    first, second = swarm.nodes
    peers = swarm.cli(first, "swarm", "peers").split()
    assert {peer.rpartition("/")[2] for peer in peers} == {second.peer_id}
    assert {peer.split("/")[2] for peer in peers} == {"127.0.0.1"}
    assert swarm.cli(first, "bootstrap", "list").strip() == ""
    config = json.loads((first.folder / "config").read_bytes())
    assert config["Addresses"]["Swarm"] == [first.peer_address]
    assert config["Routing"]["Type"] == "none"
    assert not config["AutoConf"]["Enabled"]


def test_one_node_down_is_no_acknowledgement_and_reading_goes_on(swarm: Swarm, store: KuboStore) -> None:
    before = put(store, "封存之前")
    store.flush()
    swarm.stop(swarm.nodes[0])
    try:
        assert store.open(before).read() == "封存之前".encode()
        cid = put(store, "停机期间")
        with pytest.raises(TransportError) as caught:
            store.flush()
        assert caught.value.code == "ipfs_pins"
    finally:
        swarm.start(swarm.nodes[0])
    store.flush()
    for node in swarm.nodes:
        assert swarm.cli(node, "cat", str(cid)) == "停机期间"


def test_a_node_that_lost_its_disk_is_filled_again_from_the_other(swarm: Swarm, store: KuboStore) -> None:
    cids = [put(store, f"第{number}册") for number in range(30)]
    store.flush()
    first = swarm.nodes[0]
    swarm.lose_disk(0)
    with pytest.raises(NotFoundError):
        store.nodes[0].get_block(cids[7])
    assert store.open(cids[7]).read() == "第7册".encode()  # from the other
    made = store.level()
    assert made[first.address] > 0
    assert made[swarm.nodes[1].address] == 0
    for cid in cids:
        assert store.nodes[0].get_block(cid)
    assert set(store.nodes[0].pins(roots_only=False)) == set(store.nodes[1].pins(roots_only=False))


def test_a_damaged_block_is_told_of_and_read_from_the_other(swarm: Swarm, store: KuboStore) -> None:
    cid = put(store, "完好的字节")
    store.flush()
    swarm.block_file(swarm.nodes[0], cid).write_bytes("损坏的字节".encode())
    with pytest.raises(MismatchError):
        store.nodes[0].get_block(cid)
    assert store.get_block(cid) == "完好的字节".encode()
    assert swarm.nodes[0].address in store.troubles


def test_a_node_that_acknowledges_before_its_disk_does_is_refused(tmp_path: Path) -> None:
    swarm = Swarm(tmp_path)
    node = swarm.nodes[0]
    path = node.folder / "config"
    path.write_text(path.read_text().replace('"sync": true', '"sync": false'))
    swarm.start(node)
    try:
        with pytest.raises(PolicyError) as caught:
            KuboStore.connect([node.address], replicas=1)
        assert caught.value.code == "ipfs_not_durable"
    finally:
        swarm.close()
