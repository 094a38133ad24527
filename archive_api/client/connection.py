"""One HTTP connection to the archive's API: JSON in and out, refusals and broken lines as errors of ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

import httpx2

from archive_api.client.errors import raise_for_problem
from archive_api.client.sign_in import Token, sign_in
from archive_api.errors import TransportError
from signing.personal import PersonalKey, origin_of_url

__all__ = ["API_PREFIX", "Connection"]

API_PREFIX = "/api/v1"
_ATTEMPTS = 4
_PATIENCE_SECONDS = 120.0
_PAGE_SIZE = 200


class Connection:
    """Requests against one archive.

    Reads are tried again when the line breaks; writes only where the caller says that repeating them is harmless.
    With a key it signs in before the first request, again when the session is about to end, and once more where a
    session turns out to be over. An archive that asks to wait (429) is asked again after that.

    Args:
        base_url: address of the archive, such as `http://127.0.0.1:8460`.
        key: one's own personal key; None: nobody in particular asks.
        timeout_seconds: for each read or write on the socket.
        transport: another httpx2 transport, for tests.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: PersonalKey | None = None,
        timeout_seconds: float = 300.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/").removesuffix(API_PREFIX)
        self._http = httpx2.Client(
            base_url=self.base_url,
            timeout=httpx2.Timeout(timeout_seconds, connect=10.0),
            transport=transport,
            trust_env=False,
            headers={"Accept": "application/json"},
        )
        self._key = key
        self._token: Token | None = None
        self._signing_in = threading.Lock()

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
        can_repeat = files is None and (content is None or isinstance(content, bytes))
        for attempt in range(1, attempts + 1):
            try:
                response = self._signed_in_request(
                    method,
                    self.url(path),
                    json=json,
                    content=content,
                    files=files,
                    params=params,
                    headers=dict(headers or {}),
                    can_repeat=can_repeat,
                )
            except httpx2.TransportError as e:
                if attempt == attempts:
                    raise TransportError(f"expected an archive at {self.base_url}, got {_reason(e)}") from e
                time.sleep(0.2 * 2**attempt)
                continue
            raise_for_problem(response)
            return response
        raise TransportError(f"expected an archive at {self.base_url}, got no answer")

    def _signed_in_request(
        self, method: str, url: str, *, headers: dict[str, str], can_repeat: bool, **body: Any
    ) -> httpx2.Response:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            response = self._http.request(method, url, headers=headers | self._authorization(), **body)
            wait = _asked_to_wait(response) if can_repeat else None
            if wait is None or time.monotonic() + wait > deadline:
                break
            time.sleep(wait)  # a request that was one too many did nothing
        if response.status_code == httpx2.codes.UNAUTHORIZED and self._key is not None and can_repeat:
            # A refused request did nothing: it may be sent again with a session that is open.
            self._token = None
            response = self._http.request(method, url, headers=headers | self._authorization(), **body)
        return response

    def _authorization(self) -> dict[str, str]:
        """The header that says who asks; signs in where there is no session, or one about to end."""
        if self._key is None:
            return {}
        with self._signing_in:
            if self._token is None or not self._token.is_fresh:
                self._token = sign_in(self._post_unsigned, self._key, origin=origin_of_url(self.base_url))
            return {"Authorization": f"Bearer {self._token.text}"}

    def _post_unsigned(self, path: str, body: Mapping[str, Any], /) -> Mapping[str, Any]:
        response = self._http.post(self.url(path), json=dict(body))
        raise_for_problem(response)
        document = response.json()
        return document if isinstance(document, dict) else {}

    def sign_out(self) -> None:
        """End the session, if there is one."""
        if self._token is not None:
            self._http.delete(self.url("/sessions/current"), headers={"Authorization": f"Bearer {self._token.text}"})
            self._token = None

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
            request = self._http.build_request("GET", self.url(path), headers=self._authorization())
            response = self._http.send(request, stream=True)
            if response.status_code == httpx2.codes.UNAUTHORIZED and self._key is not None:
                response.close()
                self._token = None
                request.headers.update(self._authorization())
                response = self._http.send(request, stream=True)
            with closing(response):
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


def _asked_to_wait(response: httpx2.Response) -> float | None:
    """Seconds after which an archive that has been asked too much wants to be asked again; None: it answered."""
    if response.status_code != httpx2.codes.TOO_MANY_REQUESTS:
        return None
    said = response.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdecimal() and len(said) <= 4 else 1.0
