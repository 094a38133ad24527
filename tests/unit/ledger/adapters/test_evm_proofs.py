"""Proofs made from what a node says: each hash is computed again, and what can't be proved is told by its code."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import rlp

from archive_api.validators import with_genesis_validators
from ledger.adapters.evm.proofs import EvmAnchorProofs, genesis_header
from ledger.chain_proof.check import ProvenBlock, prove
from ledger.chain_proof.events import ExpectedEvent, submission_event
from ledger.chain_proof.genesis import genesis_validators
from ledger.errors import LedgerError, TransportError
from ledger.ports.chain import NoProofError
from ledger.trust import Consensus, TrustFile
from scripts.sample_chain import LATER_FIELDS, VALIDATORS, Block, Clique, Qbft, pinning, submission_log, validator_set
from scripts.sample_evidence import BLOCK_NUMBER, NOW, Handover

BUNDLE = Handover().bundle(anchored=False)
EVENT = submission_event(
    pinning().domain.verifying_contract, BUNDLE.submission_id, BUNDLE.statement, seals_hash=BUNDLE.seals_hash
)
BLOCK = Block(submission_log(BUNDLE), later=LATER_FIELDS)
ALONE = VALIDATORS[:1]
CLIQUE = Clique(BLOCK, ALONE, count=2)
QBFT = Qbft(BLOCK, ALONE, ALONE, round=2)
GENESIS = Clique(Block([bytes(20), [], b""], number=0), ALONE, count=0, lists={0: ALONE})
NAMES = (
    *("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce"),
    *("baseFeePerGas", "withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash"),
)
NUMBERS = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas"}


def block_json(header: bytes, block_hash: bytes) -> dict[str, Any]:
    """A block as JSON-RPC gives it."""
    fields = dict(zip(NAMES, rlp.decode(header), strict=False))
    made = {
        name: hex(int.from_bytes(value, "big")) if name in NUMBERS else "0x" + value.hex()
        for name, value in fields.items()
    }
    return {**made, "hash": "0x" + block_hash.hex(), "size": "0x1", "transactions": [], "uncles": []}


def receipts_json(block: Block) -> list[dict[str, Any]]:
    """The receipts of a block as JSON-RPC gives them."""
    made = []
    for index in range(block.transactions):
        data = block.trie.get(rlp.encode(index))
        kind = data[0] if data[0] < 0xC0 else 0
        status, gas, bloom, logs = rlp.decode(data[1:] if kind else data)
        made.append(
            {
                "type": hex(kind),
                "status": hex(int.from_bytes(status, "big")),
                "cumulativeGasUsed": hex(int.from_bytes(gas, "big")),
                "logsBloom": "0x" + bloom.hex(),
                "logs": [
                    {
                        "address": "0x" + address.hex(),
                        "topics": ["0x" + topic.hex() for topic in topics],
                        "data": "0x" + content.hex(),
                    }
                    for address, topics, content in logs
                ],
            }
        )
    return made


class Node(ThreadingHTTPServer):
    """A node with one chain's blocks; any answer may be replaced."""

    daemon_threads = True

    def __init__(self, chain: Clique | Qbft) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.chain = chain
        headers = chain.headers if isinstance(chain, Clique) else (chain.header,)
        hashes = [chain.block_hash, *(rlp.decode(item)[0] for item in headers[2:]), bytes(32)]
        self.blocks = [block_json(*one) for one in zip(headers, hashes, strict=False)]
        self.receipts: Any = receipts_json(chain.block)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str, params: list[Any]) -> Any:
        self.asked.append(method)
        if method == "eth_chainId":
            return hex(TRUST.chain_id)
        if method == "eth_getBlockReceipts":
            return self.receipts
        if params[0] == "0x0":
            return {**block_json(GENESIS.headers[0], GENESIS.block_hash)}
        wanted = "number" if method == "eth_getBlockByNumber" else "hash"
        return next((block for block in self.blocks if block[wanted] == params[0]), None)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Node

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = self.server.answer(request["method"], request["params"])
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


UNPINNED: TrustFile = replace(pinning(), genesis_hash=GENESIS.block_hash)
TRUST = pinning(validator_set(Consensus.CLIQUE, ALONE), trust=UNPINNED)
QBFT_TRUST = pinning(validator_set(Consensus.QBFT, ALONE), trust=UNPINNED)


@pytest.fixture
def serve() -> Iterator[Callable[[Clique | Qbft], Node]]:
    """Starts nodes that end with the test."""
    nodes: list[tuple[Node, threading.Thread]] = []

    def start(chain: Clique | Qbft) -> Node:
        server = Node(chain)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        nodes.append((server, thread))
        return server

    yield start
    for server, thread in nodes:
        server.shutdown()
        server.server_close()
        thread.join()


Serve = Callable[[Clique | Qbft], Node]


def ask(
    node: Node,
    *,
    trust: TrustFile = TRUST,
    event: ExpectedEvent = EVENT,
    block_hash: bytes | None = None,
    times: int = 1,
) -> Any:
    with closing(EvmAnchorProofs(node.url, trust)) as proofs:
        for _ in range(times):
            try:
                found: Any = proofs.anchor_proof(block_hash or node.chain.block_hash, event, now=NOW)
            except LedgerError as error:
                found = error
    return found


def code_of(found: Any) -> str:
    assert isinstance(found, LedgerError), found
    return found.code


def test_a_proof_by_clique_takes_as_many_blocks_as_it_needs(serve: Serve) -> None:
    proof = ask(serve(CLIQUE))
    assert proof == CLIQUE.proof(descendants=CLIQUE.headers[1:2])
    assert isinstance(prove(proof, [EVENT], trust=TRUST, now=NOW), ProvenBlock)


def test_a_proof_by_qbft_needs_no_others(serve: Serve) -> None:
    node = serve(QBFT)
    proof = ask(node, trust=QBFT_TRUST)
    assert proof == QBFT.proof()
    assert "eth_getBlockByNumber" not in node.asked[2:]


def test_what_was_proved_is_not_asked_again(serve: Serve) -> None:
    node = serve(CLIQUE)
    ask(node, times=3)
    assert node.asked.count("eth_getBlockReceipts") == 1


def test_a_chain_without_seals_is_asked_once(serve: Serve) -> None:
    plain = Clique(BLOCK, ALONE, count=0, difficulties={0: 0})
    node = serve(plain)
    assert code_of(ask(node, trust=UNPINNED, times=3)) == "unsealed_chain"
    assert node.asked.count("eth_getBlockByHash") == 1


@pytest.mark.parametrize("chain", [CLIQUE, QBFT])
def test_validators_that_nobody_pins(serve: Serve, chain: Clique | Qbft) -> None:
    assert code_of(ask(serve(chain), trust=UNPINNED)) == "validators_not_pinned"
    later = pinning(validator_set(Consensus.CLIQUE, ALONE, first=BLOCK_NUMBER + 1), trust=UNPINNED)
    assert code_of(ask(serve(chain), trust=later)) == "validators_not_pinned"


def test_too_few_blocks_and_then_enough(serve: Serve) -> None:
    node = serve(CLIQUE)
    blocks, node.blocks = node.blocks, node.blocks[:1]
    with closing(EvmAnchorProofs(node.url, TRUST)) as proofs:
        with pytest.raises(NoProofError) as caught:
            proofs.anchor_proof(CLIQUE.block_hash, EVENT, now=NOW)
        assert caught.value.code == "too_few_blocks"
        node.blocks = blocks
        assert proofs.anchor_proof(CLIQUE.block_hash, EVENT, now=NOW).descendants == CLIQUE.headers[1:2]


def test_a_block_that_is_gone_and_an_event_that_is_not_in_it(serve: Serve) -> None:
    assert code_of(ask(serve(CLIQUE), block_hash=b"\x22" * 32)) == "block_gone"
    other = replace(EVENT, data=bytes(32))
    assert code_of(ask(serve(CLIQUE), event=other)) == "event_gone"


def test_a_header_whose_hash_is_not_the_one_said_is_not_used(serve: Serve) -> None:
    for chain, trust in ((CLIQUE, TRUST), (QBFT, QBFT_TRUST)):
        node = serve(chain)
        node.blocks[0] = {**node.blocks[0], "gasUsed": "0x1"}
        assert code_of(ask(node, trust=trust)) == "unknown_header"
    node = serve(CLIQUE)
    node.blocks[0] = {name: value for name, value in node.blocks[0].items() if name != "requestsHash"}
    assert code_of(ask(node)) == "unknown_header"
    assert code_of(ask(serve(CLIQUE), trust=QBFT_TRUST)) == "unknown_header"


def test_a_follower_of_another_block_is_not_used(serve: Serve) -> None:
    node = serve(CLIQUE)
    node.blocks[1] = {**node.blocks[1], "parentHash": "0x" + "11" * 32}
    assert code_of(ask(node)) == "block_gone"


@pytest.mark.parametrize(
    "edit",
    [
        lambda receipts: receipts[0].update(cumulativeGasUsed="0x1"),
        lambda receipts: receipts[0].update(status="0x0"),
        lambda receipts: receipts.pop(),
        lambda receipts: receipts[17].update(type="0x1"),
        lambda receipts: receipts[17]["logs"].pop(0),
        lambda receipts: receipts[3].pop("logsBloom"),
        lambda receipts: receipts[3].pop("logs"),
        lambda receipts: receipts[3].update(logs=[{}]),
        lambda receipts: receipts.__setitem__(3, None),
        lambda receipts: receipts[3].update(status="x"),
    ],
)
def test_receipts_that_are_not_the_blocks_are_no_answer(serve: Serve, edit: Callable[[Any], object]) -> None:
    node = serve(CLIQUE)
    edit(node.receipts)
    assert isinstance(ask(node), TransportError)


@pytest.mark.parametrize("answer", [None, {}, "0x", 1])
def test_what_are_no_receipts_is_no_answer(serve: Serve, answer: Any) -> None:
    node = serve(CLIQUE)
    node.receipts = answer
    assert isinstance(ask(node), TransportError)


@pytest.mark.parametrize("edit", [{"extraData": None}, {"number": "x"}, {"logsBloom": "0x00"}, {"nonce": 7}])
def test_what_is_no_block_is_no_answer(serve: Serve, edit: dict[str, Any]) -> None:
    node = serve(CLIQUE)
    node.blocks[0] = {**node.blocks[0], **edit}
    assert isinstance(ask(node), TransportError)


def test_a_proof_that_would_not_hold_is_not_given_out(serve: Serve) -> None:
    strangers = pinning(validator_set(Consensus.QBFT, ("stranger",)), trust=UNPINNED)
    assert code_of(ask(serve(QBFT), trust=strangers)) == "validators_differ"
    early = datetime(2020, 1, 1, tzinfo=UTC)
    with closing(EvmAnchorProofs(serve(QBFT).url, QBFT_TRUST)) as proofs, pytest.raises(NoProofError) as caught:
        proofs.anchor_proof(QBFT.block_hash, EVENT, now=early)
    assert caught.value.code == "time_in_future"


def test_a_node_that_does_not_answer(serve: Serve) -> None:
    node = serve(CLIQUE)
    url = node.url
    node.shutdown()
    node.server_close()
    with closing(EvmAnchorProofs(url, TRUST)) as proofs, pytest.raises(TransportError):
        proofs.anchor_proof(CLIQUE.block_hash, EVENT, now=NOW)


def test_validators_of_the_genesis_block(serve: Serve) -> None:
    header = genesis_header(serve(CLIQUE).url, UNPINNED)
    assert genesis_validators(header, UNPINNED.genesis_hash) == validator_set(Consensus.CLIQUE, ALONE, first=1)


def test_a_genesis_block_that_is_not_understood_pins_nobody(serve: Serve) -> None:
    url = serve(CLIQUE).url
    assert with_genesis_validators(UNPINNED, url).validators == (validator_set(Consensus.CLIQUE, ALONE, first=1),)
    other = replace(UNPINNED, genesis_hash=bytes(32))
    assert with_genesis_validators(other, url) == other
