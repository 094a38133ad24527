"""One HTTP connection to the archive's API: JSON in and out, refusals and broken lines as errors of ours."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import httpx2

from archive_api.client.errors import raise_for_problem
from archive_api.errors import TransportError

__all__ = ["API_PREFIX", "Connection"]

API_PREFIX = "/api/v1"
_ATTEMPTS = 4
_PAGE_SIZE = 200


class Connection:
    """Requests against one archive.

    Reads are tried again when the line breaks; writes only where the caller says that repeating them is harmless.

    Args:
        base_url: address of the archive, such as `http://127.0.0.1:8460`.
        timeout_seconds: for each read or write on the socket.
        transport: another httpx2 transport, for tests.
    """

    def __init__(
        self, base_url: str, *, timeout_seconds: float = 300.0, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix(API_PREFIX)
        self._http = httpx2.Client(
            base_url=self.base_url,
            timeout=httpx2.Timeout(timeout_seconds, connect=10.0),
            transport=transport,
            trust_env=False,
            headers={"Accept": "application/json"},
        )

    def close(self) -> None:
        """Give the sockets back."""
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        content: bytes | Iterable[bytes] | None = None,
        files: Any = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> httpx2.Response:
        """Send one request and read its answer.

        Args:
            method: HTTP method.
            path: below `/api/v1`, or beginning with it.
            json: body as JSON.
            content: body as bytes, or as an iterable that is read once.
            files: multipart form fields.
            params: query.
            headers: further headers.
            repeatable: trying again after a broken line does no harm.

        Returns:
            The answer, status below 400.

        Raises:
            ProblemError: the API refused.
            TransportError: the API could not be reached.
        """
        attempts = _ATTEMPTS if repeatable or method in {"GET", "HEAD"} else 1
        for attempt in range(1, attempts + 1):
            try:
                response = self._http.request(
                    method,
                    self.url(path),
                    json=json,
                    content=content,
                    files=files,
                    params=params,
                    headers=headers,
                )
            except httpx2.TransportError as e:
                if attempt == attempts:
                    raise TransportError(f"expected an archive at {self.base_url}, got {_reason(e)}") from e
                time.sleep(0.2 * 2**attempt)
                continue
            raise_for_problem(response)
            return response
        raise TransportError(f"expected an archive at {self.base_url}, got no answer")

    def url(self, path: str) -> str:
        """The path below the API's prefix."""
        return path if path.startswith(API_PREFIX + "/") else API_PREFIX + path

    def get(self, path: str, **params: str | int | None) -> Any:
        """GET a JSON document; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self.request("GET", path, params=given).json()

    def get_bytes(self, path: str) -> bytes:
        """GET bytes as they are."""
        return self.request("GET", path).content

    def post(self, path: str, body: object, *, headers: Mapping[str, str] | None = None) -> Any:
        """POST a JSON document and read one back (None for an empty answer)."""
        response = self.request("POST", path, json=body, headers=headers)
        return response.json() if response.content else None

    def pages(self, path: str, **params: str | int | None) -> Iterator[dict[str, Any]]:
        """Walk a list page by page."""
        cursor: str | int | None = None
        while True:
            page = self.get(path, limit=_PAGE_SIZE, cursor=cursor, **params)
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    @contextmanager
    def _stream(self, path: str) -> Iterator[httpx2.Response]:
        try:
            with self._http.stream("GET", self.url(path)) as response:
                if response.status_code >= 400:
                    response.read()
                raise_for_problem(response)
                yield response
        except httpx2.TransportError as e:
            raise TransportError(f"expected an archive at {self.base_url}, got {_reason(e)}") from e

    def download(self, path: str, target: BinaryIO) -> int:
        """Write an answer's body to a file, in constant memory.

        Returns:
            Bytes written.
        """
        size = 0
        with self._stream(path) as response:
            for piece in response.iter_bytes(1 << 20):
                size += target.write(piece)
        return size

    def lines(self, path: str) -> Iterator[bytes]:
        """The lines of an answer, without their ends, as they arrive."""
        rest = b""
        with self._stream(path) as response:
            for piece in response.iter_bytes():
                *whole, rest = (rest + piece).split(b"\n")
                yield from whole
        if rest:
            yield rest


def _reason(error: httpx2.TransportError) -> str:
    return str(error) or type(error).__name__
