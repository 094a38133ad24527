"""Asking validators, and waiting for what comes true in their own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scripts.network.geth import Validator

_SECONDS = 120.0
_PATIENCE = 0.2


def ask(validator: Validator, method: str, *arguments: object) -> Any:
    """One question to one validator's own RPC."""
    return validator.rpc.call(method, *arguments, timeout=30.0)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + _SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(_PATIENCE)
