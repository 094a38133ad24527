"""Large documents that wait to be read leave threads to everybody else."""

from __future__ import annotations

import pytest

from archive_api.errors import TooManyError
from archive_api.supply import readers
from archive_api.supply.judging import Refusal


def test_only_so_many_large_documents_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_WAITING", 1)
    reading = readers.DocumentReaders(processes=1, small_bytes=10)
    monkeypatch.setattr(reading, "_read", lambda data, *_, **__: Refusal(f"{len(data)} bytes", "", []))
    large = (b"x" * 11, "application/json", "supply")
    with reading._room:  # another one is read
        with pytest.raises(TooManyError):
            reading.read(*large)
        small = reading.read(b"[]", "application/json", "supply")
        assert isinstance(small, Refusal)
    assert reading.read(*large) == Refusal("11 bytes", "", [])
    reading.close()
