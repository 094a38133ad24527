#!/usr/bin/env python3
"""Measure a policy check: the rule of a request is found and the decision made, for every route and role.

Usage: bench_access.py. What the database is asked on top depends on the object, and is not part of it. The last line is
JSON. Exit 1: the figure was missed.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time

from fastapi import FastAPI
from starlette.routing import compile_path

from archive_api.access.decision import Target, decide
from archive_api.access.gate import Found, Gate
from archive_api.access.policy import POLICY, Rule
from archive_api.access.principal import ANONYMOUS, EVERYTHING, Grant, Place, Principal
from archive_api.access.roles import AccessRole
from archive_api.access.visibility import Visibility

ROUNDS = 60
MAX_MICROSECONDS = 50.0
CODE = "91440101MA5Y3K7TXY"
PLACE = Place(7, frozenset({CODE, "91440101MA5Y3K7TX1", "91440101MA5Y3K7TX2"}))


def application() -> FastAPI:
    """An application with a route for every line, in the table's order."""
    app = FastAPI(openapi_url=None)
    for rule in POLICY:
        path = re.sub(r"\{(path|global_id)\}", r"{\1:path}", rule.path)
        app.add_api_route(path, dict_of_nothing, methods=[rule.method], name=rule.action)
    return app


def dict_of_nothing() -> dict[str, str]:
    """Answer nothing."""
    return {}


def principals() -> list[Principal]:
    """Nobody, the desk, and somebody who works for many projects."""
    many = [Grant(AccessRole.PARTY_SEALER, number, CODE) for number in range(40, 0, -1)]
    return [
        ANONYMOUS,
        Principal(person_id="desk", grants=EVERYTHING),
        Principal(person_id="party", grants=tuple(many)),
    ]


def path_of(rule: Rule) -> str:
    """An address of a rule's route."""
    _, template, _ = compile_path(rule.path)
    return re.sub(r"\{\w+\}", "0x" + "5d" * 32, template)


def main() -> int:
    """Measure."""
    gate = Gate(application())
    requests = [(rule.method, path_of(rule)) for rule in POLICY]
    target = Target(place=PLACE, is_known=True)
    times: list[float] = []
    for principal in principals():
        for method, path in requests:
            best = min(_timed(gate, method, path, principal, target) for _ in range(ROUNDS))
            times.append(best * 1e6)
    figures = {
        "checks": len(times),
        "median_microseconds": round(statistics.median(times), 2),
        "slowest_microseconds": round(max(times), 2),
        "limit_microseconds": MAX_MICROSECONDS,
    }
    print(f"policy check: median {figures['median_microseconds']} µs, slowest {figures['slowest_microseconds']} µs")
    print(json.dumps(figures))
    return int(max(times) >= MAX_MICROSECONDS)


def _timed(gate: Gate, method: str, path: str, principal: Principal, target: Target) -> float:
    begun = time.perf_counter()
    found = gate.find(method, path)
    if not isinstance(found, Found):
        raise TypeError(f"expected a rule for {method} {path}, got none")
    decide(found.rule, principal, target)
    Visibility.of(principal).levels(PLACE, accepted=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
