"""One node's JSON-RPC: every failure becomes ours here, and a wrong chain is refused before anything is believed."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from ledger.adapters.plain_http import PlainHttp
from ledger.canonical import refuse_depth
from ledger.errors import MalformedError, MismatchError, TransportError
from ledger.ports.chain import BlockRef

__all__ = ["Connection", "NodeError", "block_of", "from_hex", "from_quantity", "newest_block", "to_hex"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANSWER_BYTES = 64 << 20
_PIECE_BYTES = 1 << 16
_THREADS = 64
_HEADERS = {"Content-Type": "application/json"}
_HTTP_PORT = 80
_QUANTITY_CHARACTERS = 2 + 64  # 256 bits
# anvil without history, asked for the newest block just when it mines the next: the block it had in mind is gone.
_BLOCK_GONE = "blockoutofrange"
_BLOCK_GONE_ATTEMPTS = 4

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class NodeError(Exception):
    """The node answered with an error; never leaves this package.

    Args:
        code: JSON-RPC error code, or None.
        message: the node's words.
        data: whatever it attached.
    """

    def __init__(self, code: object, message: str, data: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def to_hex(value: bytes | int) -> str:
    """Return 0x hex: bytes as they are, integers without leading zeros."""
    return hex(value) if isinstance(value, int) else "0x" + value.hex()


def from_hex(value: Any) -> bytes:
    """Return the bytes of 0x hex as a node gives it; raises TransportError where it is something else."""
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, TypeError, ValueError) as error:
        raise TransportError("expected 0x hex, got something else", where="rpc") from error


def from_quantity(value: Any) -> int:
    """Return an integer of at most 256 bits from 0x hex; raises TransportError where it is something else."""
    try:
        if len(value) <= _QUANTITY_CHARACTERS:
            return int(value, 16)
    except (TypeError, ValueError):
        pass
    raise TransportError("expected a number as 0x hex, got something else", where="rpc")


class Connection:
    """JSON-RPC over HTTP to a node of a known chain.

    Args:
        url: the node's address, or those of several: the first is asked until it does not answer, then the next one in
            turn. Never logged, they may hold credentials.
        chain_id: the chain it must be on; checked before the first answer counts, and again after a failure.
        genesis_hash: hash of its block 0, 32 bytes; None: not checked.
        timeout_seconds: for each request: to connect, to begin the answer, and to end it.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        chain_id: int,
        genesis_hash: bytes | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._urls = (url,) if isinstance(url, str) else tuple(url)
        self._url = self._urls[0]
        self._timeout_seconds = timeout_seconds
        self._session = requests.Session()
        keeping = HTTPAdapter(pool_maxsize=_THREADS)  # one socket for each thread, and none thrown away
        self._session.mount("http://", keeping)
        self._session.mount("https://", keeping)
        # A proxy from the environment must not see, or break, what stays on this machine.
        self._session.trust_env = any(urlsplit(address).hostname not in _LOOPBACK for address in self._urls)
        # requests looks for proxies, cookies and credentials each time; where there can be none, that is spared.
        self._near = {address: _Near(address, timeout_seconds) for address in self._urls if _is_near(address)}
        self.chain_id = chain_id
        self._genesis_hash = genesis_hash
        self._is_checked = False

    def close(self) -> None:
        """Give back the sockets."""
        self._session.close()
        for near in self._near.values():
            near.close()

    def request(self, method: str, *params: object) -> Any:
        """Return a method's result.

        Raises:
            NodeError: the node answered with an error.
            MismatchError: `chain_id` or `genesis_hash`: it is a node of another chain.
            TransportError: no answer, or none that is JSON-RPC.
        """
        return self._turning(lambda: self._request_one(method, *params))

    def _turning(self, ask: Callable[[], _T]) -> _T:
        """Ask one node after the other until one answers."""
        for _ in self._urls[1:]:
            asked = self._url
            try:
                return ask()
            except TransportError as error:
                if error.code != "rpc_unreachable":
                    raise
                if self._url == asked:  # else another thread has turned away from it already
                    self._url = self._urls[(self._urls.index(asked) + 1) % len(self._urls)]
                    _log.warning("a node does not answer, asking the next one of %d", len(self._urls))
        return ask()

    def _request_one(self, method: str, *params: object) -> Any:
        for _ in range(_BLOCK_GONE_ATTEMPTS - 1):
            try:
                return self._checked(lambda: self._request(method, *params))
            except NodeError as error:
                if _BLOCK_GONE not in error.message.lower():
                    raise
                _log.debug("%s met a block being mined", method)
        return self._checked(lambda: self._request(method, *params))

    def _checked(self, ask: Callable[[], _T]) -> _T:
        """Ask a node whose chain is known to be the right one."""
        if not self._is_checked:
            self._check_chain()
            self._is_checked = True
        return ask()

    def ask(self, method: str, *params: object) -> Any:
        """Like `request`, for methods whose errors mean that the node could not answer.

        Raises:
            MismatchError: it is a node of another chain.
            TransportError: no answer.
        """
        try:
            return self.request(method, *params)
        except NodeError as error:
            raise TransportError(f"expected an answer to {method}, got {error.message}", where="rpc") from error

    def ask_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """Like `ask`, for several methods in one request, which the node answers one after the other.

        Args:
            calls: methods with their parameters.

        Returns:
            Their results, in the order of `calls`.

        Raises:
            MismatchError: it is a node of another chain.
            TransportError: no answer, or an error as answer to one of them.
        """
        answers = self.request_all(calls)
        for (method, _), answer in zip(calls, answers, strict=True):
            if isinstance(answer, NodeError):
                raise TransportError(f"expected an answer to {method}, got {answer.message}", where="rpc") from answer
        return answers

    def request_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        """Like `request`, for several methods in one request; what the node answered with an error is a NodeError."""
        return self._turning(lambda: self._checked(lambda: self._request_all(calls)))

    def block(self, tag: str | int | bytes) -> BlockRef | None:
        """Return a block by tag, number or hash, or None where the node has none."""
        method = "eth_getBlockByHash" if isinstance(tag, bytes) else "eth_getBlockByNumber"
        return block_of(self.ask(method, tag if isinstance(tag, str) else to_hex(tag), False))

    def head(self) -> BlockRef:
        """Return the newest block.

        Raises:
            TransportError: no answer, or no block.
        """
        block = self.block("latest")
        if block is None:
            raise TransportError("expected a newest block, got none", where="rpc")
        return block

    def _check_chain(self) -> None:
        try:
            found = from_quantity(self._request("eth_chainId"))
            genesis = self._request("eth_getBlockByNumber", "0x0", False) if self._genesis_hash else None
        except NodeError as error:
            raise TransportError(f"expected a chain id, got {error.message}", where="rpc") from error
        if found != self.chain_id:
            raise MismatchError(
                f"expected a node of chain {self.chain_id}, got one of chain {found}",
                code="chain_id",
                where="rpc",
                expected=self.chain_id,
                actual=found,
            )
        if self._genesis_hash and (not genesis or from_hex(genesis["hash"]) != self._genesis_hash):
            raise MismatchError(
                "expected the ledger's genesis block, got another",
                code="genesis_hash",
                where="rpc",
                expected=to_hex(self._genesis_hash),
                actual=genesis and genesis["hash"],
            )

    def _request(self, method: str, *params: object) -> Any:
        answer = _result(method, self._answer(method, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        if isinstance(answer, NodeError):
            raise answer
        return answer

    def _request_all(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[Any]:
        numbered = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
            for number, (method, params) in enumerate(calls)
        ]
        answers = self._answer(calls[0][0], numbered)
        if not isinstance(answers, list):
            raise TransportError("expected an answer to each of several calls, got another", where="rpc")
        found = {
            answer["id"]: answer for answer in answers if isinstance(answer, dict) and type(answer.get("id")) is int
        }
        return [_result(method, found.get(number)) for number, (method, _) in enumerate(calls)]

    def _answer(self, method: str, request: object) -> Any:
        try:
            body = self._post(request)
            refuse_depth(body)  # else what stops nested JSON is the recursion limit, or the end of the stack
            return json.loads(body)
        except (
            *(requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError),
            *(MalformedError, TransportError),
        ) as error:
            self._is_checked = False
            # The error's text may hold the address; its type says enough.
            kind = type(error.__cause__ or error).__name__
            _log.debug("%s failed: %s", method, kind)
            raise TransportError(
                f"expected an answer to {method}, got {kind}", code="rpc_unreachable", where="rpc"
            ) from error

    def _post(self, request: object) -> bytes:
        """Return the answer's bytes: of this address, whole, in time and not without end."""
        deadline, url, data = time.monotonic() + self._timeout_seconds, self._url, json.dumps(request)
        near = self._near.get(url)
        if near is not None:
            return near.post(data.encode())
        with self._session.post(
            url, data=data, headers=_HEADERS, timeout=self._timeout_seconds, stream=True, allow_redirects=False
        ) as response:
            response.raise_for_status()
            return _whole(response.raw, deadline)


class _Near:
    """An address on this machine."""

    def __init__(self, url: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._http = PlainHttp(
            str(parts.hostname), _HTTP_PORT if parts.port is None else parts.port, timeout_seconds=timeout_seconds
        )

    def close(self) -> None:
        """Give back the sockets."""
        self._http.close()

    def post(self, body: bytes) -> bytes:
        """Return the answer's bytes."""
        answer = self._http.ask("POST", self._target, body=body, headers=_HEADERS, limit=_ANSWER_BYTES)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise requests.HTTPError(f"expected an answer, got status {answer.status}")
        if len(answer.content) > _ANSWER_BYTES:
            raise requests.Timeout("expected a shorter answer, got a longer one")
        return answer.content


def _is_near(url: str) -> bool:
    """Whether an address is on this machine, and holds no credentials."""
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:  # none: reported when it is asked
        return False
    return parts.scheme == "http" and parts.hostname in _LOOPBACK and "@" not in parts.netloc


def _whole(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    while piece := response.read1(_PIECE_BYTES, decode_content=True):
        body += piece
        if len(body) > _ANSWER_BYTES or time.monotonic() > deadline:
            raise requests.Timeout("expected a shorter answer, or a faster one")
    return bytes(body)


def block_of(answer: Any) -> BlockRef | None:
    """Return the block that a node answered with, or None where it answered that there is none."""
    if answer is None:
        return None
    try:
        return BlockRef(
            from_quantity(answer["number"]),
            from_hex(answer["hash"]),
            timestamp=from_quantity(answer["timestamp"]),
        )
    except (KeyError, TypeError) as error:
        raise TransportError("expected a block, got something else", where="rpc") from error


def _result(method: str, answer: Any) -> Any:
    """The result in an answer, or the error as a value."""
    if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
        raise TransportError(f"expected an answer to {method}, got no JSON-RPC", where="rpc")
    failure: Any = answer.get("error")
    if failure is None:
        return answer.get("result")
    if not isinstance(failure, dict):
        return NodeError(None, str(failure), None)
    return NodeError(failure.get("code"), str(failure.get("message", "")), failure.get("data"))


def newest_block(url: str | Sequence[str], *, chain_id: int) -> BlockRef:
    """Return the newest block of a network; see `Connection` for addresses and errors."""
    with closing(Connection(url, chain_id=chain_id)) as node:
        return node.head()
