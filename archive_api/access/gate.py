"""The routes of an application with their rules: what has none is no route."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, Mount

from archive_api.access.policy import POLICY, Rule

__all__ = ["Found", "Gate", "PolicyGapError"]

_READING: Final = frozenset({"GET", "HEAD"})


def _feature(path: str) -> str:
    """What a path begins with, which no template leaves open: the routes to try are those that begin so too."""
    segments = path.split("/", 4)
    return segments[3] if segments[1:3] == ["api", "v1"] and len(segments) > 3 else segments[1]


class PolicyGapError(Exception):
    """A route without a line in the policy table; the server must not start."""


@dataclass(frozen=True, slots=True)
class Found:
    """The rule of a request, the parameters of its path, and the router among the application's that has its route.

    No router: the route is the application's own.
    """

    rule: Rule
    names: Mapping[str, str]
    router: BaseRoute | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    pattern: re.Pattern[str]
    rules: Mapping[str, Rule]
    router: BaseRoute | None


class Gate:
    """Finds the rule of a request, as the application finds its route.

    Args:
        app: with all its routes.
        policy: the table.

    Raises:
        PolicyGapError: a route has no line.
    """

    def __init__(self, app: FastAPI, policy: Sequence[Rule] = POLICY) -> None:
        rules = {(rule.method, rule.path): rule for rule in policy}
        self._entries: dict[str, list[_Entry]] = {}
        gaps: list[str] = []
        self.used: set[tuple[str, str]] = set()
        """Method and template of every line that has a route."""
        for router, route in ((one, route) for one in app.routes for route in iter_route_contexts([one])):
            found: dict[str, Rule] = {}
            is_mount = isinstance(route.original_route, Mount)
            path = str(route.path if is_mount else route.path_format)
            for method in {"GET"} if is_mount else sorted(route.methods or {"GET"}):
                rule = rules.get((method, path))
                if rule is None and method == "HEAD" and "GET" in (route.methods or ()):
                    rule = rules.get(("GET", path))
                if rule is None:
                    gaps.append(f"{method} {path}")
                    continue
                found[method] = rule
                self.used.add((rule.method, rule.path))
            if "{" in _feature(path):
                gaps.append(f"{path} (expected its first part without a parameter)")
            if is_mount and found:
                found |= dict.fromkeys(_READING, found["GET"])
            entry = _Entry(route.path_regex, found, None if route.original_route is router else router)
            self._entries.setdefault(_feature(path), []).append(entry)
        if gaps:
            raise PolicyGapError(f"expected a line of the policy table for every route, got none for {gaps}")

    def find(self, method: str, path: str) -> Found | frozenset[str]:
        """The rule of a request.

        Args:
            method: of HTTP.
            path: decoded.

        Returns:
            The rule, or the methods that this path has: none where there is no such path.
        """
        methods: set[str] = set()
        for entry in self._entries.get(_feature(path), ()):
            matched = entry.pattern.match(path)
            if matched is None:
                continue
            rule = entry.rules.get(method)
            if rule is not None:
                names: dict[str, Any] = matched.groupdict()
                return Found(rule, names, entry.router)
            methods |= entry.rules.keys()
        return frozenset(methods)
