"""Conditions of queries that no column answers: asked of each record that the columns leave over."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from archive_api.supply.parameters import Moment, microseconds
from ledger.errors import MalformedError
from ledger.supply.times import instant

__all__ = ["Check", "bare", "record_check"]

Check = Callable[[Mapping[str, Any]], bool]
"""Whether a record is meant."""

_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "EQ": operator.eq,
    "GT": operator.gt,
    "GE": operator.ge,
    "LT": operator.lt,
    "LE": operator.le,
}
_QUANTITIES: Final = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
_REPORT_TEXTS: Final = ("type", "microorganism", "chemicalSubstance", "stringValue", "hexBinaryValue", "uriValue")
_MEASURES: Final = ("value", "minValue", "maxValue", "meanValue", "sDev", "percValue", "percRank")
_SENSOR_BOTH: Final = ("deviceID", "dataProcessingMethod", "bizRules")
_SENSOR_TIMES: Final = ("startTime", "endTime", "time")
_PAIRS: Final = {"bizTransaction": "bizTransactionList", "source": "sourceList", "destination": "destinationList"}


def record_check(name: str, value: Any) -> Check | None:
    """The condition of a parameter that has to look into records.

    Args:
        name: of a known parameter.
        value: as `parameters` read it.

    Returns:
        The condition; None for a parameter that columns answer.
    """
    word, _, rest = name.partition("_")
    if word == "EXISTS" and rest == "sensorElementList":
        return lambda record: bool(record.get("sensorElementList")) is value
    if rest.startswith("persistentDisposition_"):
        member, wanted = rest.removeprefix("persistentDisposition_"), {bare(item) for item in value}
        return lambda record: bool(wanted & {bare(v) for v in _texts(_object(record, "persistentDisposition"), member)})
    if rest == "transformationID":
        return lambda record: record.get("transformationID") in value
    found = _declaration(word, rest, value) or _quantity(word, rest, value) or _sensor(word, rest, value)
    if found is not None:
        return found
    part, _, kind = rest.partition("_")
    if part in _PAIRS and kind:
        return _pair(part, kind, frozenset(value))
    return _extension(word, rest, value) if any(sign in rest for sign in ":#/") else None


def bare(text: str) -> str:
    """A standard vocabulary value as the bare word that JSON-LD has; any other as it is."""
    for prefix in ("urn:epcglobal:cbv:", "https://ref.gs1.org/cbv/", "http://ref.gs1.org/cbv/"):
        if text.startswith(prefix):
            rest = text.removeprefix(prefix)
            return rest.rpartition(":")[2] if prefix.startswith("urn") else rest.partition("-")[2]
    return text


def _declaration(word: str, rest: str, value: Any) -> Check | None:
    if rest == "errorReason":
        wanted = {bare(item) for item in value}
        return lambda record: bare(str(_object(record, "errorDeclaration").get("reason", ""))) in wanted
    if rest == "correctiveEventID":
        return lambda record: any(
            item in value for item in _texts(_object(record, "errorDeclaration"), "correctiveEventIDs")
        )
    if rest in ("errorDeclarationTime", "errorDeclaration_Time"):
        compare = _COMPARE[word]
        return lambda record: _is(compare, _when(_object(record, "errorDeclaration").get("declarationTime")), value)
    return None


def _quantity(word: str, rest: str, value: Any) -> Check | None:
    if rest != "quantity" and not rest.startswith("quantity_"):
        return None
    unit = rest.partition("_")[2]
    compare = _COMPARE[word]
    wanted = value if isinstance(value, list) else [value]

    def check(record: Mapping[str, Any]) -> bool:
        return any(
            _is(compare, item.get("quantity"), limit)
            for name in _QUANTITIES
            for item in _objects(record, name)
            if not unit or item.get("uom") == unit
            for limit in wanted
        )

    return check


def _sensor(word: str, rest: str, value: Any) -> Check | None:
    compare = _COMPARE.get(word)
    if compare is None:
        return None
    if word == "EQ" and rest in (*_REPORT_TEXTS, *_SENSOR_BOTH):
        parts = _everywhere if rest in _SENSOR_BOTH else _reports
        return lambda record: any(part.get(rest) in value for part in parts(record))
    if word == "EQ" and rest == "booleanValue":
        return lambda record: any(report.get(rest) is value for report in _reports(record))
    if rest in _SENSOR_TIMES:
        return lambda record: any(_is(compare, _when(part.get(rest)), value) for part in _everywhere(record))
    return _measured(compare, rest, value)


def _measured(compare: Callable[[Any, Any], bool], rest: str, value: Any) -> Check | None:
    member, _, unit = rest.partition("_")
    if member not in _MEASURES:
        return None
    wanted = value if isinstance(value, list) else [value]
    return lambda record: any(
        _is(compare, report.get(member), limit)
        for report in _reports(record)
        if not unit or report.get("uom") == unit
        for limit in wanted
    )


def _pair(part: str, kind: str, wanted: frozenset[str]) -> Check:
    def check(record: Mapping[str, Any]) -> bool:
        return any(
            item.get(part) in wanted and bare(str(item.get("type", ""))) == bare(kind)
            for item in _objects(record, _PAIRS[part])
        )

    return check


def _extension(word: str, rest: str, value: Any) -> Check:
    is_inner = rest.startswith("INNER_")
    rest = rest.removeprefix("INNER_")
    place: tuple[str, ...] = ()
    for prefix, member in (("ILMD_", "ilmd"), ("ERROR_DECLARATION_", "errorDeclaration")):
        if rest.startswith(prefix):
            rest, place = rest.removeprefix(prefix), (member,)

    def check(record: Mapping[str, Any]) -> bool:
        inside: Any = _object(record, place[0]) if place else record
        found = list(_fields(inside, rest, _prefixes(record), inner=is_inner))
        if word == "EXISTS":
            return bool(found) is value
        return any(_matches(word, item, value) for item in found)

    return check


def _matches(word: str, found: Any, value: Any) -> bool:
    if isinstance(found, list):
        return any(_matches(word, item, value) for item in found)
    if isinstance(found, Mapping):
        return "@value" in found and _matches(word, found["@value"], value)
    if isinstance(value, list):
        return str(found) in value
    return _is(_COMPARE[word], _when(found) if isinstance(value, Moment) else _size(found), value)


def _fields(value: Any, name: str, prefixes: Mapping[str, str], *, inner: bool) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _fields(item, name, prefixes, inner=inner)
    elif isinstance(value, Mapping):
        for member, held in value.items():
            if not inner and _is_named(member, name, prefixes):
                yield held
            elif inner and ":" in member:
                yield from _within(held, name, prefixes)


def _within(value: Any, name: str, prefixes: Mapping[str, str]) -> Iterator[Any]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            for member, held in item.items():
                if _is_named(member, name, prefixes):
                    yield held
                yield from _within(held, name, prefixes)


def _is_named(member: str, name: str, prefixes: Mapping[str, str]) -> bool:
    if member == name:
        return True
    prefix, colon, local = member.partition(":")
    space = prefixes.get(prefix) if colon else None
    return space is not None and name in (space + local, f"{space}#{local}", f"{space.rstrip('#')}#{local}")


def _prefixes(record: Mapping[str, Any]) -> dict[str, str]:
    context = record.get("@context")
    found: dict[str, str] = {}
    for item in context if isinstance(context, list) else [context]:
        if isinstance(item, Mapping):
            found |= {name: space for name, space in item.items() if isinstance(space, str)}
    return found


def _reports(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for element in _objects(record, "sensorElementList"):
        yield from _objects(element, "sensorReport")


def _metadata(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for element in _objects(record, "sensorElementList"):
        yield _object(element, "sensorMetadata")


def _everywhere(record: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from _reports(record)
    yield from _metadata(record)


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def _objects(value: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = value.get(name)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def _texts(value: Mapping[str, Any], name: str) -> list[str]:
    found = value.get(name)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def _size(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _when(value: Any) -> int | None:
    try:
        return microseconds(instant(str(value)))
    except MalformedError:
        return None


def _is(compare: Callable[[Any, Any], bool], found: Any, limit: Any) -> bool:
    return found is not None and not isinstance(found, bool | str) and compare(found, limit)
