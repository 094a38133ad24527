"""A small JSON-RPC client for the embedded node's own administration; contracts go through `ledger.adapters.evm`."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from typing import Any

from ledger.errors import TransportError

__all__ = ["JsonRpc"]


class JsonRpc:
    """JSON-RPC over HTTP to one loopback address, one connection a call.

    Args:
        host: a loopback address.
        port: the port.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    @property
    def url(self) -> str:
        """The address for other clients."""
        return f"http://{self.host}:{self.port}"

    def call(self, method: str, *params: object, timeout: float, refusal: object = None) -> Any:
        """Return a method's result.

        Args:
            method: the method's name.
            params: its arguments.
            timeout: seconds for connecting and for each read.
            refusal: returned instead of raising where the node answers with an error, unless None.

        Raises:
            TransportError: no answer, not JSON, or an error as answer.
        """
        answer = self._answer({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, method, timeout)
        try:
            return _result(answer, method, self.url)
        except TransportError:
            if refusal is None:
                raise
            return refusal

    def call_all(self, calls: Sequence[tuple[str, Sequence[object]]], *, timeout: float) -> list[Any]:
        """Return the results of several calls, asked together and answered in order.

        Args:
            calls: methods and their arguments.
            timeout: see `call`.

        Raises:
            TransportError: no answer, not JSON, not as many as were asked for, or an error as one of them.
        """
        if not calls:
            return []
        asked = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}
            for number, (method, params) in enumerate(calls)
        ]
        answers = self._answer(asked, calls[0][0], timeout)
        try:
            by_number = {answer["id"]: answer for answer in answers}
            return [_result(by_number[number], method, self.url) for number, (method, _) in enumerate(calls)]
        except (KeyError, TypeError) as error:
            raise TransportError(
                f"expected {len(calls)} answers to {calls[0][0]}, got something else", where=self.url
            ) from error

    def _answer(self, asked: object, method: str, timeout: float) -> Any:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request("POST", "/", json.dumps(asked), {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                return json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise TransportError(
                f"expected an answer to {method}, got {type(error).__name__}", where=self.url
            ) from error
        finally:
            connection.close()


def _result(answer: Any, method: str, url: str) -> Any:
    try:
        if "result" in answer:
            return answer["result"]
        message = answer["error"]["message"]
    except (KeyError, TypeError) as error:
        raise TransportError(f"expected an answer to {method}, got {type(error).__name__}", where=url) from error
    raise TransportError(f"expected an answer to {method}, got {message}", where=url)
