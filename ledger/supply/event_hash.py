"""The CBV 2.0 event hash id: what an event says, whatever its spelling, as one `ni:` URI.

For contexts that name prefixes this gives exactly what the reference generator (epcis-event-hash-generator 1.9) gives
for the event alone in a document; docs/supply.md section 5 says where and why it goes on when the reference stops.
Much is the reference's own reading of CBV 2.0 section 8.9 and is kept as it is, since a hash that differs is useless.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from ledger.supply.context import EventContext
from ledger.supply.expansion import collect_vocabulary
from ledger.supply.identifiers import normalised
from ledger.supply.times import utc_milliseconds

__all__ = ["event_hash", "pre_hash"]

# Name, text, children: the model that XML and JSON-LD share. Source: CBV 2.0 section 8.9.2.
_Node = tuple[str, str, Any]
_Child = tuple[str, str, Any]
_Order = Mapping[str, tuple[int, Any]]

_CACHED_CHARACTERS = 200
_NESTED: Final = (dict, list)
_PAIRS: Final = frozenset({"sourceList", "destinationList", "bizTransactionList"})
_COMMENTS: Final = frozenset({"#text", "rdfs:comment", "comment"})
_LEFT_OUT: Final = frozenset({"recordTime", "eventID", "type", "errorDeclaration", "@context"})
_OWN_NAMES: Final = {
    "inputEPC": "epc",
    "outputEPC": "epc",
    "inputQuantity": "quantityElement",
    "outputQuantity": "quantityElement",
    "childQuantity": "quantityElement",
}
_URN_WORDS: Final = (
    ("urn:epcglobal:cbv:bizstep:", "https://ref.gs1.org/cbv/BizStep-"),
    ("urn:epcglobal:cbv:disp:", "https://ref.gs1.org/cbv/Disp-"),
    ("urn:epcglobal:cbv:btt:", "https://ref.gs1.org/cbv/BTT-"),
    ("urn:epcglobal:cbv:sdt:", "https://ref.gs1.org/cbv/SDT-"),
    ("urn:epcglobal:cbv:er:", "https://ref.gs1.org/cbv/ER-"),
)
# What a text can begin with that Python reads as a number; beyond ASCII there are more digits.
_NUMBER_STARTS: Final = frozenset("0123456789+-.nN")


def _ordered(*names: str | tuple[str, _Order]) -> _Order:
    order: dict[str, tuple[int, Any]] = {}
    for index, name in enumerate(names):
        if isinstance(name, str):
            order[name] = (index, None)
        else:
            order[name[0]] = (index, name[1])
    return order


_EPCS = _ordered("epc")
_QUANTITIES = _ordered(("quantityElement", _ordered("epcClass", "quantity", "uom")))
_SENSOR_METADATA = _ordered(
    *("time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules")
)
_SENSOR_REPORT = _ordered(
    *("type", "exception", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "time", "microorganism"),
    *("chemicalSubstance", "value", "component", "stringValue", "booleanValue", "hexBinaryValue", "uriValue"),
    *("minValue", "maxValue", "meanValue", "sDev", "percRank", "percValue", "uom", "coordinateReferenceSystem"),
)
_SENSORS = _ordered(("sensorElement", _ordered(("sensorMetadata", _SENSOR_METADATA), ("sensorReport", _SENSOR_REPORT))))
_EVENT = _ordered(
    *("eventTime", "eventTimeZoneOffset", "certificationInfo", "parentID"),
    *(("epcList", _EPCS), ("inputEPCList", _EPCS), ("childEPCs", _EPCS)),
    *(("quantityList", _QUANTITIES), ("childQuantityList", _QUANTITIES), ("inputQuantityList", _QUANTITIES)),
    *(("outputEPCList", _EPCS), ("outputQuantityList", _QUANTITIES)),
    *("action", "transformationID", "bizStep", "disposition"),
    *(("persistentDisposition", _ordered("set", "unset")), ("readPoint", _ordered("id"))),
    *(("bizLocation", _ordered("id")), ("sensorElementList", _SENSORS)),
)
_TIMES: Final = frozenset({"eventTime", "time", "startTime", "endTime"})


def event_hash(event: Mapping[str, Any], context: EventContext) -> str:
    """Compute an event's hash id.

    Args:
        event: validated; member order does not matter, and its own `@context` is not looked at.
        context: what its words and prefixes mean.

    Returns:
        `ni:///sha-256;<64 hex digits>?ver=CBV2.0`. Source: CBV 2.0 section 8.9.

    Raises:
        MalformedError: a time that no clock shows (code `time_range`).
    """
    digest = sha256(pre_hash(event, context).encode("utf-8")).hexdigest()
    return f"ni:///sha-256;{digest}?ver=CBV2.0"


def pre_hash(event: Mapping[str, Any], context: EventContext) -> str:
    """Write the text that is hashed; arguments and errors as for `event_hash`."""
    found: set[str] = set()
    collect_vocabulary(context.scope, event, found)
    reading = _Reading(_words(found) if found else {}, context.namespaces)
    told = {name: value for name, value in event.items() if name not in _LEFT_OUT}
    text, left = _in_order(reading.corrected(reading.children(told)), _EVENT, whole=True)
    kind = event["type"]
    return f"eventType={reading.words.get(kind) or kind}{text}{_generic(left)}"


class _Reading:
    """One event's JSON turned into the model that JSON-LD and XML share."""

    __slots__ = ("namespaces", "words")

    def __init__(self, words: Mapping[str, str], namespaces: Mapping[str, str]) -> None:
        self.words = words
        self.namespaces = namespaces

    def children(self, source: Any) -> list[_Child]:
        """The members of an object, those of a list one by one; of a list within a list its members without a name."""
        made: list[_Child] = []
        if type(source) is list:
            for value in source:
                kind = value.get("type") if type(value) is dict else None
                name = (self.words.get(kind) or kind) if isinstance(kind, str) else ""
                made.append((name, self._text(value), value if type(value) in _NESTED else None))
            return made
        for key, value in source.items():
            if key in _COMMENTS:
                continue
            name = key
            if ":" in key:
                prefix, _, rest = key.partition(":")
                namespace = self.namespaces.get(prefix)
                if namespace is not None:
                    name = namespace + rest
            if type(value) is list:
                for member in value:
                    made.append((name, self._text(member), member if type(member) in _NESTED else None))
            else:
                made.append((name, self._text(value), value if type(value) is dict else None))
        return made

    def corrected(self, children: Iterable[_Child]) -> list[_Node]:
        """Name what XML names and JSON-LD does not: the elements within lists."""
        nodes: list[_Node] = []
        lists: dict[str, list[_Child]] = {}
        for name, text, source in children:
            if name[-4:] == "List":
                lists.setdefault(name, []).append((name[:-4], text, source))
            elif name == "childEPCs":
                lists.setdefault(name, []).append(("epc", text, None))
            elif source is None:
                nodes.append((_OWN_NAMES.get(name, name), text, ()))
            else:
                inner = self.corrected(self.children(source))
                own = "quantityElement" if name == "quantity" and inner else _OWN_NAMES.get(name, name)
                nodes.append((own, text, inner))
        for name, members in lists.items():
            within = [self._pair(*member) for member in members] if name in _PAIRS else self.corrected(members)
            nodes.append((name, "", within))
        return nodes

    def _pair(self, name: str, text: str, source: Any) -> str:
        """A business transaction, source or destination: its type first, as CBV 2.0 says."""
        if source is None:
            return name + _value(text)
        members = sorted(self.children(source), key=lambda child: (child[0] != "type", child[0], child[1]))
        return "".join(
            name + _value(text) + (_generic(self.corrected(self.children(inner))) if inner is not None else "")
            for name, text, inner in members
        )

    def _text(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            text: str = self.words.get(value) or value
            if ":" in text:
                prefix, _, rest = text.partition(":")
                namespace = self.namespaces.get(prefix)
                if namespace is not None:
                    return namespace.replace("{", "").replace("}", "") + rest
            return text
        if kind is dict:
            text = value.get("#text", "")
            return (self.words.get(text) or text) if isinstance(text, str) else self._text(text)
        return "" if kind is list else str(value)


def _in_order(children: list[_Node], order: _Order, *, whole: bool = False) -> tuple[str, list[_Node]]:
    """Write what the standard orders; return it with the nodes that are not, or not wholly, written."""
    extensions: list[_Node] = []
    if not whole and len(children) > 1:
        extensions = _extensions(children)
        if extensions:
            children = [node for node in children if node not in extensions]
    left: list[_Node] = []
    places: dict[int, list[str]] = {}
    for node in children:
        name, text, inner = node
        place = order.get(name)
        if place is None:
            left.append(node)
            continue
        index, below = place
        if text:
            text = _time(text) if name in _TIMES else _value(text)
        if inner:
            within = ""
            if below is not None:
                within, inner = _in_order(inner, below)
            if inner:
                left.append((name, node[1], inner))
            text += within
        if text:
            places.setdefault(index, []).append(name + text)
    parts: list[str] = []
    for index in sorted(places):
        parts += sorted(places[index])
    if extensions:
        parts.append(_generic(extensions))
    return "".join(parts), left


def _extensions(children: list[_Node]) -> list[_Node]:
    """What is written right behind the standard's members rather than at the event's end: by the reference, members of
    namespaces that end in a slash, unless a name there has to do with times of events or actions."""
    if any("eventTime" in node[0] or "action" in node[0] for node in children):
        return []
    return [node for node in children if "{" in node[0] and "/}" in node[0]]


def _time(text: str) -> str:
    text = text.strip()
    return "=" + utc_milliseconds(text) if text else ""


def _generic(nodes: Iterable[_Node | str]) -> str:
    """Write what no order names, sorted by what is written."""
    values = [
        node if type(node) is str else node[0] + _value(node[1]) + (_generic(node[2]) if node[2] else "")
        for node in nodes
    ]
    if len(values) > 1:
        values.sort()
    return "".join(values)


def _value(text: str) -> str:
    text = text.strip()
    return "=" + _canonized(text) if text else ""


def _canonized(text: str) -> str:
    return _remembered(text) if len(text) <= _CACHED_CHARACTERS else _spelled(text)


def _spelled(text: str) -> str:
    """One spelling of a value: web vocabulary, numbers, identifiers."""
    if "urn:epcglobal:cbv:" in text:
        for urn, address in _URN_WORDS:
            text = text.replace(urn, address)
    if text[0] in _NUMBER_STARTS or text[0] > "~":
        try:
            number = float(text)
            # Infinity has no whole part: left as it is written.
            text = str(int(number) if number == int(number) else number)
        except (ValueError, OverflowError):
            pass
    return normalised(text) or text


_remembered = lru_cache(1 << 15)(_spelled)


def _words(found: set[str]) -> dict[str, str]:
    """The bare words that stand for vocabulary: what follows a hyphen or slash in exactly one of the IRIs."""
    words: dict[str, str] = {}
    for iri in found:
        for word in _endings(iri):
            words[word] = "" if word in words else iri
    return words


@lru_cache(1 << 10)
def _endings(iri: str) -> tuple[str, ...]:
    return tuple({iri[at + 1 :] for at, letter in enumerate(iri) if letter in "-/"})
