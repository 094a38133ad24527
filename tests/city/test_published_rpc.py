"""What of a validator's RPC is published: asked through a real nginx with the configuration of deploy/nginx."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from city_engines import require_engine

from ledger.adapters.processes import free_ports
from ledger.adapters.rpc_gate import METHODS
from scripts.network.geth import Validator, running_validators
from scripts.network.nginx import DEPLOY, PublishedRpc, running_published_rpc

CHAIN_ID = 4_711_001


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validator]:
    folder = tmp_path_factory.mktemp("validator")
    with running_validators(folder, require_engine("geth"), chain_id=CHAIN_ID, count=1) as (running,):
        yield running


@pytest.fixture(scope="module")
def published(validator: Validator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PublishedRpc]:
    """Before a validator that is there and one that is not."""
    folder = tmp_path_factory.mktemp("nginx") / "nginx"
    with running_published_rpc(folder, require_engine("nginx"), [*free_ports(1), validator.rpc_port]) as running:
        yield running


def send(published: PublishedRpc, body: str, *, method: str = "POST", path: str = "/rpc") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", published.port, timeout=30)
    try:
        connection.request(method, path, body.encode(), {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            return response.status, response.read().decode()
    finally:
        connection.close()


def ask(published: PublishedRpc, request: object) -> Any:
    status, text = send(published, json.dumps(request))
    assert status == 200, text
    return json.loads(text)


def call(method: str, *params: object, identifier: int = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": identifier, "method": method, "params": params}


def listed() -> set[str]:
    source = (DEPLOY / "rpc.js").read_text("utf-8").partition("METHODS = [")[2].partition("]")[0]
    return set(re.findall(r"'(\w+)'", source))


def test_only_reading_is_listed() -> None:
    assert len(listed()) > 15
    writing = {"eth_sendRawTransaction", "eth_accounts"}
    counting = {"eth_getBlockTransactionCountByHash", "eth_getBlockTransactionCountByNumber"}
    assert listed() <= (METHODS - writing) | counting


def test_every_listed_method_reaches_the_validator(published: PublishedRpc) -> None:
    assert int(ask(published, call("eth_chainId"))["result"], 16) == CHAIN_ID
    block = ask(published, call("eth_getBlockByNumber", "latest", False))["result"]
    assert int(block["number"], 16) >= 1
    for name in listed():
        answer = ask(published, call(name))
        message = answer.get("error", {}).get("message", "")
        assert "not served" not in message
        assert "does not exist" not in message, name


@pytest.mark.parametrize(
    "method",
    [
        *("miner_setGasPrice", "miner_stop", "admin_addPeer", "admin_nodeInfo", "clique_propose", "txpool_content"),
        *("eth_sendTransaction", "eth_sign", "eth_signTransaction", "eth_accounts", "eth_sendRawTransaction"),
        *(
            "personal_unlockAccount",
            "debug_setHead",
            "engine_newPayloadV3",
            "eth_chainid",
            "ETH_CHAINID",
            "",
            "__proto__",
        ),
    ],
)
def test_other_methods_are_not_served(published: PublishedRpc, method: str) -> None:
    answer = ask(published, call(method))
    assert "result" not in answer
    assert answer["error"]["code"] == -32601


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","METHOD":"admin_nodeInfo","params":[]}',
        '{"jsonrpc":"2.0","id":1,"METHOD":"admin_nodeInfo","method":"eth_chainId","params":[]}',
        '{"jsonrpc":"2.0","id":1,"method":"admin_nodeInfo","method":"eth_chainId","params":[]}',
        '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","Method":"admin_nodeInfo","params":[]}',
    ],
)
def test_a_second_method_in_one_request_does_not_get_through(published: PublishedRpc, body: str) -> None:
    status, text = send(published, body)
    assert status == 200
    assert int(json.loads(text)["result"], 16) == CHAIN_ID
    assert "enode" not in text


def test_a_batch_is_published_whole_or_not_at_all(published: PublishedRpc) -> None:
    answers = ask(published, [call("eth_chainId", identifier=7), call("net_version", identifier=8)])
    assert {answer["id"]: answer["result"] for answer in answers} == {7: hex(CHAIN_ID), 8: str(CHAIN_ID)}
    refused = ask(published, [call("eth_chainId"), call("admin_nodeInfo")])
    assert refused["error"]["code"] == -32601
    assert ask(published, [call("eth_chainId")] * 51)["error"]["code"] == -32600
    assert ask(published, [])["error"]["code"] == -32600


@pytest.mark.parametrize(
    "body",
    ["", "{", "null", "[null]", '"eth_chainId"', '{"method":7}', '{"method":"eth_call","params":{}}', "[" * 9000],
)
def test_what_is_no_request_gets_an_error(published: PublishedRpc, body: str) -> None:
    status, text = send(published, body)
    assert status == 200
    assert json.loads(text)["error"]["code"] in (-32700, -32600)


def test_nothing_else_is_reached(published: PublishedRpc) -> None:
    good = json.dumps(call("eth_chainId"))
    assert send(published, good, path="/")[0] == 404
    assert send(published, good, path="/validators")[0] == 404
    assert send(published, good, path="/rpc/../validators")[0] == 404
    assert send(published, good, method="GET")[0] == 403
    assert send(published, "x" * ((1 << 20) + 1))[0] == 413


def test_the_validator_itself_listens_on_loopback_alone(validator: Validator) -> None:
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    places = {line.split()[1] for line in listening if line.split()[3] == "0A"}
    for port in (validator.rpc_port, validator.peer_port, validator.auth_port):
        assert [place for place in places if place.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
