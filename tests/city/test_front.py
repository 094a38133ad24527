"""nginx before an archive's processes: what is handed on to the next one, and what never is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from city_engines import require_engine

from ledger.adapters.processes import free_ports
from scripts.network.nginx import make_front
from scripts.network.processes import daemon, wait_for

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
CLIENT = "203.0.113.9"


@dataclass
class Process:
    """Takes connections, keeps what it was asked, and answers or breaks."""

    breaks: bool = False
    asked: list[bytes] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                data = b""
                while b"\r\n\r\n" not in data:
                    data += connection.recv(65536)
                self.asked.append(data)
                if not self.breaks:
                    connection.sendall(ANSWER)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    made = [Process(), Process()]
    threads = [threading.Thread(target=process.run, daemon=True) for process in made]
    for thread in threads:
        thread.start()
    yield made
    for process in made:
        if process.listener.fileno() >= 0:
            process.close()
    for thread in threads:
        thread.join(10)


@pytest.fixture
def client(processes: list[Process], tmp_path: Path) -> Iterator[httpx2.Client]:
    ports = [process.port for process in processes]
    with ExitStack() as stack:
        front = make_front(tmp_path / "front", ports, port=free_ports(1)[0])
        server = stack.enter_context(daemon(front.command(require_engine("nginx")), log=front.log))
        wait_for(front.is_up, server, log=front.log, name="nginx")
        yield stack.enter_context(httpx2.Client(base_url=front.url, trust_env=False, timeout=30))


def test_asks_them_in_turn_and_says_who_asked(processes: list[Process], client: httpx2.Client) -> None:
    for _ in range(10):
        assert client.get("/api/v1/health", headers={"X-Forwarded-For": CLIENT}).text == "ok"
    assert [len(process.asked) for process in processes] == [5, 5]
    told = processes[0].asked[0].lower()
    assert b"x-forwarded-for: 127.0.0.1\r\n" in told
    assert CLIENT.encode() not in told, "a client says whose address it comes from"
    assert f"host: {client.base_url.netloc.decode()}".encode() in told


def test_one_that_takes_no_connection_is_passed_over(processes: list[Process], client: httpx2.Client) -> None:
    processes[0].close()
    for _ in range(6):
        assert client.get("/").status_code == 200
        assert client.post("/api/v1/buildings", json={}).status_code == 200
    assert len(processes[1].asked) == 12


def test_what_may_be_asked_twice_is_handed_on_and_an_act_never(processes: list[Process], client: httpx2.Client) -> None:
    processes[0].breaks = processes[1].breaks = True
    assert client.get("/").json()["code"] == "no_server"
    assert [len(process.asked) for process in processes] == [1, 1]
    for method in ("POST", "PATCH"):
        for process in processes:
            process.asked.clear()
        # Both may be set aside for a moment after they broke: then nobody is asked at all.
        answer = client.request(method, "/api/v1/buildings", json={})
        assert (answer.status_code, answer.json()["code"]) == (503, "no_server")
        assert answer.headers["content-type"] == "application/problem+json"
        assert sum(len(process.asked) for process in processes) <= 1, f"{method} was handed on"


@pytest.mark.parametrize("body", [b"", b"{}"], ids=["without a body", "with one"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_act_that_broke_is_not_done_by_the_other(
    processes: list[Process], client: httpx2.Client, method: str, body: bytes
) -> None:
    processes[0].breaks = True
    answers = [client.request(method, "/api/v1/buildings", content=body).status_code for _ in range(2)]
    assert sorted(answers) == [200, 503]
    assert [len(process.asked) for process in processes] == [1, 1]
