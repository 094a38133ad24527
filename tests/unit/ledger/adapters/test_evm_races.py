"""A node asked in the moments in which it mines: what it says then is asked again, though not for ever."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ledger.adapters.evm import chain
from ledger.adapters.evm.chain import send_raw
from ledger.adapters.evm.connection import Connection
from ledger.adapters.evm.reader import EvmLedgerReader
from ledger.errors import PolicyError, TransportError
from ledger.trust import CONTRACT_NAMES

GONE = {"code": -32602, "message": "BlockOutOfRangeError: block height is 101 but requested was 100"}
NONCE_TOO_LOW = {"code": -32003, "message": "nonce too low"}
ADDRESSES = dict.fromkeys(CONTRACT_NAMES, b"\x11" * 20)
RECEIPT = {"blockHash": "0x" + "22" * 32}


class Node(ThreadingHTTPServer):
    """Gives each method's answers one after the other, the last for ever; {"error": …} is an error."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[dict[str, Any]]] = {"eth_chainId": [{"result": "0x1"}]}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, method: str) -> dict[str, Any]:
        self.asked.append(method)
        left = self.answers[method]
        return left.pop(0) if len(left) > 1 else left[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Node

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], **self.server.answer(request["method"])}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def node() -> Iterator[Node]:
    with Node() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def connection(node: Node) -> Iterator[Connection]:
    opened = Connection(node.url, chain_id=1)
    yield opened
    opened.close()


@pytest.mark.parametrize("times", [1, 3])
def test_a_block_that_is_gone_is_asked_for_anew(node: Node, connection: Connection, times: int) -> None:
    node.answers["eth_call"] = [{"error": GONE}] * times + [{"result": "0x05"}]
    assert connection.request("eth_call", {}, "latest") == "0x05"


def test_a_block_that_stays_gone_is_no_answer(node: Node) -> None:
    node.answers["eth_call"] = [{"error": GONE}]
    reader = EvmLedgerReader(node.url, chain_id=1, contracts=ADDRESSES)
    with pytest.raises(TransportError, match="BlockOutOfRange"):
        reader.submission(b"\x01" * 32)
    reader.close()
    assert node.asked.count("eth_call") == 4


def test_another_error_is_not_asked_again(node: Node) -> None:
    node.answers["eth_call"] = [{"error": {"code": 3, "message": "execution reverted"}}]
    reader = EvmLedgerReader(node.url, chain_id=1, contracts=ADDRESSES)
    with pytest.raises(PolicyError):
        reader.submission(b"\x01" * 32)
    reader.close()
    assert node.asked.count("eth_call") == 1


def test_a_nonce_too_low_just_before_the_receipt_is_no_stolen_nonce(node: Node, connection: Connection) -> None:
    node.answers["eth_sendRawTransaction"] = [{"error": NONCE_TOO_LOW}]
    node.answers["eth_getTransactionReceipt"] = [{"result": None}] * 3 + [{"result": RECEIPT}]
    send_raw(connection, b"\x01")


def test_a_nonce_too_low_without_a_receipt_is_a_stolen_nonce(
    node: Node, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "_RECEIPT_PAUSE_SECONDS", (0.0, 0.01))
    node.answers["eth_sendRawTransaction"] = [{"error": NONCE_TOO_LOW}]
    node.answers["eth_getTransactionReceipt"] = [{"result": None}]
    with pytest.raises(PolicyError) as caught:
        send_raw(connection, b"\x01")
    assert caught.value.code == "nonce_used"
    assert node.asked.count("eth_getTransactionReceipt") == 2
