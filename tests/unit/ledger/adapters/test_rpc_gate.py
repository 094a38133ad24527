"""What the embedded node's public address lets through."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ledger.adapters.rpc_gate import RpcGate
from ledger.errors import TransportError

ANSWER = {"jsonrpc": "2.0", "id": 1, "result": "0x1"}


class Node(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Says when a connection has been closed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Node)
        self.closed = threading.Event()

    def shutdown_request(self, request: object) -> None:
        super().shutdown_request(request)  # type: ignore[arg-type]
        self.closed.set()


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as node:
        thread = threading.Thread(target=node.serve_forever, args=(0.01,))
        thread.start()
        yield node
        node.shutdown()
        thread.join()


@pytest.fixture
def gate() -> Iterator[RpcGate]:
    with serving() as node:
        opened = RpcGate("127.0.0.1", 0)
        opened.admit(int(node.server_address[1]))
        yield opened
        opened.close()


def post(gate: RpcGate, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(gate.host, gate.port, timeout=10)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/", body, {"Content-Type": "application/json", **given})
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def call(method: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).encode()


def test_forwards_what_clients_need(gate: RpcGate) -> None:
    status, body = post(gate, call("eth_chainId"))
    assert (status, json.loads(body)) == (200, ANSWER)


@pytest.mark.parametrize(
    "body",
    [
        *(call(method) for method in ("anvil_setCode", "evm_mine", "eth_sendTransaction", "hardhat_reset", None, 5)),
        b"[" + call("eth_chainId") + b"," + call("anvil_dumpState") + b"]",
        b"[[]]",
        b"not json",
        b"[" * 100_000,
    ],
)
def test_refuses_every_other_method_alone_or_in_a_batch(gate: RpcGate, body: bytes) -> None:
    status, answer = post(gate, body)
    assert status == 200
    assert json.loads(answer)["error"]["code"] in (-32601, -32700)


def test_refuses_another_name_for_this_address(gate: RpcGate) -> None:
    assert post(gate, call("eth_chainId"), Host="attacker.example")[0] == 421


def test_refuses_what_a_web_page_may_send_unasked(gate: RpcGate) -> None:
    assert post(gate, call("eth_chainId"), Content_Type="text/plain")[0] == 415


@pytest.mark.parametrize("length", ["99999999999", "-1", "x", ""])
def test_refuses_a_length_that_is_none_or_too_much(gate: RpcGate, length: str) -> None:
    assert post(gate, b"", Content_Length=length)[0] == 413


def test_answers_nothing_while_the_node_is_not_ready(gate: RpcGate) -> None:
    gate.admit(None)
    assert post(gate, call("eth_chainId"))[0] == 503


def test_a_node_that_is_gone_is_unavailable(gate: RpcGate) -> None:
    gate.admit(1)
    assert post(gate, call("eth_chainId"))[0] == 503


def test_a_port_in_use_is_named(gate: RpcGate) -> None:
    with pytest.raises(TransportError) as caught:
        RpcGate("127.0.0.1", gate.port)
    assert caught.value.code == "port_in_use"


def test_gives_back_the_connection_to_a_node_that_was_started_again_elsewhere(gate: RpcGate) -> None:
    client = http.client.HTTPConnection(gate.host, gate.port, timeout=10)
    with serving() as former, serving() as present:
        for node in (former, present):
            gate.admit(int(node.server_address[1]))
            client.request("POST", "/", call("eth_chainId"), {"Content-Type": "application/json"})
            assert json.loads(client.getresponse().read()) == ANSWER
        assert former.closed.wait(10)
        assert not present.closed.is_set()
        client.close()
        assert present.closed.wait(10)
