"""Data sets as responsible parties register them."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient

from archive_api.streams.sequencer import Sequencer
from ledger.canonical import canonical_bytes
from ledger.capture import capture_statement
from ledger.lineage.record import DatasetRef, DatasetSource, DatasetVersion, Source
from ledger.types import Role
from signing.keystore import InMemoryKeyStore

from .world import JSON, World

_NUMBERS = itertools.count(1)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def source(record: DatasetVersion) -> DatasetSource:
    return DatasetSource(record.ref, record.sha256)


@dataclass
class City:
    """An archive whose parties register data sets."""

    world: World
    sequencer: Sequencer = field(init=False)

    def __post_init__(self) -> None:
        self.sequencer = Sequencer(self.world.services)

    def party(self, role: Role = Role.OWNER) -> InMemoryKeyStore:
        return self.world.parties[role]

    def version(self, name: str | None = None, number: str = "1", **members: Any) -> DatasetVersion:
        """A record; a new data set where no name is given."""
        name = name or f"urn:test:set-{next(_NUMBERS)}"
        sources: Sequence[Source] = members.pop("derived_from", ())
        own = self.party().certificate.organisation_code
        given = {
            "title": "道路中心线",
            "producer": own,
            "responsible_party": own,
            "level": "public",
            "media_type": "application/geo+json",
            "size": 100,
            "sha256": digest(f"{name}@{number}"),
            "derived_from": tuple(sorted(sources, key=lambda item: item.order)),
        }
        return DatasetVersion(DatasetRef(name, number), **(given | members))

    def seal(self, data: bytes, key: InMemoryKeyStore | None = None) -> str:
        """The header's value."""
        payload = capture_statement(None, "datasets", [data]).payload(self.world.services.trust.domain)
        seal = self.world.seal_value(payload, key or self.party())
        return base64.b64encode(canonical_bytes(seal)).decode()

    def send(
        self,
        record: DatasetVersion | bytes,
        status: int = 201,
        *,
        key: InMemoryKeyStore | None = None,
        client: TestClient | None = None,
    ) -> Any:
        data = record if isinstance(record, bytes) else record.canonical()
        headers = {"Content-Type": "application/json", "Yunshang-Capture-Seal": self.seal(data, key)}
        response = (client or self.world.client).post("/api/v1/datasets", content=data, headers=headers)
        assert response.status_code == status, response.text
        return response.json()

    def registered(self, *records: DatasetVersion) -> DatasetVersion:
        """Register records; returns the last one."""
        for record in records:
            self.send(record)
        return records[-1]

    def publish(self) -> None:
        """Give what was registered its place under a checkpoint."""
        self.sequencer.round(publish=True)

    def path(self, record: DatasetVersion) -> str:
        return f"/datasets/0x{record.ref.key.hex()}/versions/{record.ref.version}"

    def lineage(self, record: DatasetVersion, client: TestClient | None = None, **query: Any) -> JSON:
        address = f"/api/v1{self.path(record)}/lineage"
        response = (client or self.world.client).get(address, params=query)
        assert response.status_code == 200, response.text
        return dict(response.json())
