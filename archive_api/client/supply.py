"""Supply and money events for clients: what a capture will seal, computed here, and the EPCIS routes of a building."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from archive_api.client.connection import Connection
from ledger.canonical import canonical_bytes
from ledger.capture import capture_id, capture_statement
from ledger.statement import Capture, LedgerDomain
from ledger.supply.document import EpcisEvent, read_document

__all__ = ["SEAL_HEADER", "STREAM_HEADER", "PreparedCapture", "SupplyClient", "prepare_capture", "seal_header"]

SEAL_HEADER: Final = "Yunshang-Capture-Seal"
STREAM_HEADER: Final = "Yunshang-Stream"
_PAGE: Final = 1_000


@dataclass(frozen=True, slots=True)
class PreparedCapture:
    """A document as its reporter computed it, ready to be sealed.

    Attributes:
        data: the document's bytes, as they will be sent.
        media_type: `application/ld+json` or `application/xml`.
        events: its events.
        statement: what is sealed over their records.
    """

    data: bytes
    media_type: str
    events: tuple[EpcisEvent, ...]
    statement: Capture

    def payload(self, domain: LedgerDomain) -> bytes:
        """The 66 bytes to seal."""
        return self.statement.payload(domain)

    def capture_id(self, domain: LedgerDomain) -> str:
        """The capture's id, 0x-hex."""
        return "0x" + capture_id(self.payload(domain)).hex()

    @property
    def hash_ids(self) -> Sequence[str]:
        """The events' hash ids, in order."""
        return [event.hash_id for event in self.events]


def prepare_capture(data: bytes, *, building_key: str, stream: str = "supply") -> PreparedCapture:
    """Compute what a capture of a document seals.

    Args:
        data: an EPCIS document or one event, JSON-LD or XML.
        building_key: 0x-hex.
        stream: `supply` or `funds`.

    Raises:
        DocumentError: the document breaks a rule.
        MalformedError: too many events, or one too large.
    """
    document = read_document(data)
    records = [event.canonical for event in document.events]
    statement = capture_statement(bytes.fromhex(building_key.removeprefix("0x")), stream, records)
    return PreparedCapture(data, document.media_type, document.events, statement)


def seal_header(seal: Mapping[str, str]) -> str:
    """The header's value for a seal with the members `certificate`, `signature` and `signing_time`."""
    return base64.b64encode(canonical_bytes(dict(seal))).decode("ascii")


class SupplyClient:
    """The EPCIS routes of one building.

    Args:
        connection: where the archive is.
        building_key: 0x-hex.
        stream: `supply` or `funds`.
    """

    def __init__(self, connection: Connection, building_key: str, *, stream: str = "supply") -> None:
        self._connection = connection
        self._root = f"/buildings/{building_key}/epcis"
        self._headers = {STREAM_HEADER: stream}

    def capture(self, prepared: PreparedCapture, seal: Mapping[str, str]) -> dict[str, Any]:
        """Send a document with its seal; returns the capture job.

        Raises:
            ProblemError: it was refused; nothing of it is kept.
            TransportError: the archive could not be reached; whether it was captured, `job` tells.
        """
        headers = {**self._headers, "Content-Type": prepared.media_type, SEAL_HEADER: seal_header(seal)}
        is_bare = prepared.events[0].pointer == ""
        path = f"{self._root}/{'events' if is_bare else 'capture'}"
        response = self._connection.request("POST", path, content=prepared.data, headers=headers)
        return dict(response.json())

    def job(self, capture_id: str) -> dict[str, Any]:
        """A capture job by its id; `firstIndex` is set once its events have their places in the log."""
        return dict(self._get(f"{self._root}/capture/{capture_id}", {}).json())

    def event(self, event_id: str) -> list[dict[str, Any]]:
        """An event by eventID or hash id, with the declarations about it."""
        return _events(self._get(f"{self._root}/events/{quote(event_id, safe='')}", {}).json())

    def events(self, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Events of a query, page by page.

        Args:
            parameters: of SimpleEventQuery, as in an address.
        """
        wanted = {**parameters, "perPage": str(_PAGE)}
        while True:
            response = self._get(f"{self._root}/events", wanted)
            yield from _events(response.json())
            link = response.headers.get("link", "")
            if 'rel="next"' not in link:
                return
            token = parse_qs(urlsplit(link[link.index("<") + 1 : link.index(">")]).query)["nextPageToken"][0]
            wanted = {**parameters, "perPage": str(_PAGE), "nextPageToken": token}

    def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        return self._connection.request("GET", path, params=dict(parameters), headers=self._headers)


def _events(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = document["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return [dict(event) for event in found]
