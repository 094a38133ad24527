"""Which ports are taken for what is to listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ledger.adapters import processes
from ledger.adapters.processes import free_ports


def test_ports_are_free_all_different_and_none_of_those_of_outgoing_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "range"
    said.write_text("10300\t60999\n")
    monkeypatch.setattr(processes, "_OUTGOING_PORTS", said)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = free_ports(40)
        assert taken.getsockname()[1] not in ports
    assert len(set(ports)) == 40
    assert all(not 10_300 <= port <= 60_999 for port in ports)
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("said", ["1024\t65535\n", "nonsense\n", None])
def test_where_there_are_no_others_any_port_is_taken(
    said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "range"
    if said is not None:
        path.write_text(said)
    monkeypatch.setattr(processes, "_OUTGOING_PORTS", path)
    assert len(set(free_ports(3))) == 3
