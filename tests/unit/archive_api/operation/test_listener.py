"""The listener of those who run the server."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from archive_api.errors import TransportError
from archive_api.operation.listener import operation_listener
from archive_api.operation.metrics import RequestMetrics, new_registry
from archive_api.operation.settings import ProcessSettings, split_address


def never() -> tuple[bool, Mapping[str, Any]]:
    return False, {"ready": False}


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0"])
def test_answers_metrics_health_and_readiness_and_nothing_else(address: str) -> None:
    registry = new_registry()
    RequestMetrics(registry).answered("GET", "/x/{y}", status=200, seconds=0.2)
    with operation_listener(address, registry, ready=never) as url, httpx2.Client(trust_env=False) as client:
        answer = client.get(f"{url}/metrics")
        names = {family.name for family in text_string_to_metric_families(answer.text)}
        assert {"yunshang_requests", "yunshang_request_seconds", "process_resident_memory_bytes"} <= names
        assert (
            "openmetrics"
            in client.get(f"{url}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).headers[
                "content-type"
            ]
        )
        assert client.get(f"{url}/health").json() == {"status": "ok"}
        readiness = client.get(f"{url}/readiness")
        assert (readiness.status_code, readiness.json()) == (503, {"ready": False})
        assert client.get(f"{url}/api/v1/buildings").status_code == 404
        assert client.post(f"{url}/metrics").status_code == 501
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{url}/health", trust_env=False)


def test_is_nowhere_unless_asked_for() -> None:
    with operation_listener(None, new_registry(), ready=never) as url:
        assert url is None


def test_says_that_a_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(TransportError) as caught,
            operation_listener(address, new_registry(), ready=never),
        ):
            pytest.fail("it listened")
    assert caught.value.code == "port_in_use"


def test_takes_addresses_of_loopback_and_private_networks() -> None:
    assert split_address("127.0.0.1:9464") == ("127.0.0.1", 9464)
    assert split_address("localhost:0") == ("127.0.0.1", 0)
    assert split_address("[::1]:9464") == ("::1", 9464)
    assert split_address("10.1.2.3:80") == ("10.1.2.3", 80)
    assert split_address("[fd00::5]:80") == ("fd00::5", 80)


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0:9464", "[::]:9464", "8.8.8.8:9464", "[2001:4860::1]:80", "224.0.0.1:80", "archive.example:80"),
        *("9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:１"),
    ],
)
def test_refuses_public_addresses_and_what_is_none(address: str) -> None:
    with pytest.raises(ValidationError, match="expected"):
        ProcessSettings(metrics_address=address)


@pytest.mark.parametrize("endpoint", ["collector:4318", "ftp://x", "http://u:p@x", "http://x?a=b", "http://"])
def test_refuses_endpoints_that_are_none(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="expected"):
        ProcessSettings(otlp_endpoint=endpoint)
