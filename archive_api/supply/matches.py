"""What the parameters MATCH_… compare, member by member, and with what.

Source: EPCIS 2.0 sections 8.2.7.1 and 8.2.7.1.1; EPC Tag Data Standard 2.0 section 8, for patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from archive_api.errors import MalformedError

__all__ = ["MATCHES", "PATTERN", "Match", "begin_of", "match_check"]

PATTERN: Final = "urn:epc:idpat:"
_MIXED: Final = frozenset({"child", "class"})
"""Kinds of mentions that other members make too: children of both sorts, classes of the profile."""


@dataclass(frozen=True, slots=True)
class Match:
    """What one parameter compares.

    Attributes:
        kinds: of the mentions that these members make (`ledger.supply.mentions`).
        members: EPCs, listed or single.
        quantities: lists of quantities, whose classes count.
    """

    kinds: frozenset[str]
    members: tuple[str, ...] = field(default=(), kw_only=True)
    quantities: tuple[str, ...] = field(default=(), kw_only=True)


def _epcs(kinds: str, members: str) -> Match:
    return Match(frozenset(kinds.split()), members=tuple(members.split()))


def _classes(kinds: str, quantities: str) -> Match:
    return Match(frozenset(kinds.split()), quantities=tuple(quantities.split()))


MATCHES: Final[Mapping[str, Match]] = MappingProxyType(
    {
        "MATCH_epc": _epcs("epc child", "epcList childEPCs"),
        "MATCH_parentID": _epcs("parent", "parentID"),
        "MATCH_inputEPC": _epcs("input", "inputEPCList"),
        "MATCH_outputEPC": _epcs("output", "outputEPCList"),
        "MATCH_anyEPC": _epcs("epc child parent input output", "epcList childEPCs parentID inputEPCList outputEPCList"),
        "MATCH_epcClass": _classes("class child", "quantityList childQuantityList"),
        "MATCH_inputEPCClass": _classes("input_class", "inputQuantityList"),
        "MATCH_outputEPCClass": _classes("output_class", "outputQuantityList"),
        "MATCH_anyEPCClass": _classes(
            "class child input_class output_class",
            "quantityList childQuantityList inputQuantityList outputQuantityList",
        ),
    }
)


def begin_of(pattern: str) -> tuple[str, bool]:
    """What the EPCs begin with that a pure identity pattern means.

    Returns:
        The text, and whether something follows it: else it is the EPC itself.

    Raises:
        MalformedError: a star that others follow, or a range (code `query_parameter`).
    """
    fixed = pattern.removeprefix(PATTERN)
    while fixed.endswith(".*"):
        fixed = fixed[:-2]
    if "*" in fixed or "[" in fixed:
        raise MalformedError(
            f"expected a pattern whose stars are its last fields, got {pattern[:80]!r}", code="query_parameter"
        )
    is_begin = f"{PATTERN}{fixed}" != pattern
    return f"urn:epc:id:{fixed}{'.' if is_begin else ''}", is_begin


@dataclass(frozen=True, slots=True)
class _Compared:
    match: Match
    exact: frozenset[str]
    begins: tuple[str, ...]

    def __call__(self, record: Mapping[str, Any]) -> bool:
        return any(thing in self.exact or thing.startswith(self.begins) for thing in self._things(record))

    def _things(self, record: Mapping[str, Any]) -> Iterator[str]:
        for name in self.match.members:
            value = record.get(name)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, str):
                    yield item
        for name in self.match.quantities:
            value = record.get(name)
            for item in value if isinstance(value, list) else []:
                if isinstance(item, Mapping) and isinstance(item.get("epcClass"), str):
                    yield item["epcClass"]


def match_check(name: str, values: Iterable[str]) -> _Compared | None:
    """The condition on records, where mentions alone would mean more than the parameter does.

    Args:
        name: of `MATCHES`.
        values: EPCs, classes and patterns.

    Returns:
        The condition; None: mentions of its kinds are enough.

    Raises:
        MalformedError: as `begin_of`.
    """
    match = MATCHES[name]
    if not match.kinds & _MIXED:
        return None
    given = list(values)
    meant = [begin_of(value) for value in given if value.startswith(PATTERN)]
    exact = frozenset(given) | {text for text, is_begin in meant if not is_begin}
    return _Compared(match, exact, tuple(text for text, is_begin in meant if is_begin))
