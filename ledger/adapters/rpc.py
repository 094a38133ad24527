"""A small JSON-RPC client for the embedded node's own administration; contracts go through `ledger.adapters.evm`."""

from __future__ import annotations

import http.client
import json
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
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                answer = json.loads(response.read())
            if "result" in answer:
                return answer["result"]
            if refusal is not None:
                return refusal
            raise TransportError(f"expected an answer to {method}, got {answer['error']['message']}", where=self.url)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            raise TransportError(
                f"expected an answer to {method}, got {type(error).__name__}", where=self.url
            ) from error
        finally:
            connection.close()
