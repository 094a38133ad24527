"""The model of an event that XML and JSON-LD share, and its text: names and values in the order that CBV hashes.

The general way, for whatever an event may hold; `event_hash` takes a shorter one for the usual members. Names, order
and the treatment of members of one's own are the reference generator's reading of CBV 2.0 section 8.9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from ledger.supply.identifiers import normalised
from ledger.supply.times import utc_milliseconds

__all__ = [
    "COMMENTS",
    "EVENT_ORDER",
    "PAIR_LISTS",
    "Node",
    "Reading",
    "generic",
    "in_order",
    "spelled",
    "time_of",
    "value_of",
]

# Name, text, children: the model that XML and JSON-LD share. Source: CBV 2.0 section 8.9.2.
Node = tuple[str, str, Any]
_Child = tuple[str, str, Any]
_Order = Mapping[str, tuple[int, Any]]

_CACHED_CHARACTERS = 200
_CACHED_TEXTS = 1 << 11
_NESTED: Final = (dict, list)
PAIR_LISTS: Final = frozenset({"sourceList", "destinationList", "bizTransactionList"})
COMMENTS: Final = frozenset({"#text", "rdfs:comment", "comment"})
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
EVENT_ORDER = _ordered(
    *("eventTime", "eventTimeZoneOffset", "certificationInfo", "parentID"),
    *(("epcList", _EPCS), ("inputEPCList", _EPCS), ("childEPCs", _EPCS)),
    *(("quantityList", _QUANTITIES), ("childQuantityList", _QUANTITIES), ("inputQuantityList", _QUANTITIES)),
    *(("outputEPCList", _EPCS), ("outputQuantityList", _QUANTITIES)),
    *("action", "transformationID", "bizStep", "disposition"),
    *(("persistentDisposition", _ordered("set", "unset")), ("readPoint", _ordered("id"))),
    *(("bizLocation", _ordered("id")), ("sensorElementList", _SENSORS)),
)
_TIMES: Final = frozenset({"eventTime", "time", "startTime", "endTime"})


class Reading:
    """One event's JSON turned into the model that JSON-LD and XML share."""

    __slots__ = ("_said", "namespaces", "words")

    def __init__(self, words: Mapping[str, str], namespaces: Mapping[str, str]) -> None:
        self.words = words
        self.namespaces = namespaces
        self._said: dict[str, str] = {}

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
            if key in COMMENTS:
                continue
            name = self.name(key) if ":" in key else key
            if type(value) is list:
                for member in value:
                    made.append((name, self._text(member), member if type(member) in _NESTED else None))
            else:
                made.append((name, self._text(value), value if type(value) is dict else None))
        return made

    def corrected(self, children: Iterable[_Child]) -> list[Node]:
        """Name what XML names and JSON-LD does not: the elements within lists."""
        nodes: list[Node] = []
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
            within = [self._pair(*member) for member in members] if name in PAIR_LISTS else self.corrected(members)
            nodes.append((name, "", within))
        return nodes

    def _pair(self, name: str, text: str, source: Any) -> str:
        """A business transaction, source or destination: its type first, as CBV 2.0 says."""
        if source is None:
            return name + value_of(text)
        members = sorted(self.children(source), key=lambda child: (child[0] != "type", child[0], child[1]))
        return "".join(
            name + value_of(text) + (generic(self.corrected(self.children(inner))) if inner is not None else "")
            for name, text, inner in members
        )

    def name(self, key: str) -> str:
        """A member's name with its prefix written out as `{namespace}`."""
        prefix, _, rest = key.partition(":")
        namespace = self.namespaces.get(prefix)
        return key if namespace is None else namespace + rest

    def said(self, text: str) -> str:
        """What is written of a text value: `=` and its one spelling; nothing where it is empty."""
        # Events of one document mostly name the same things.
        said = self._said.get(text)
        if said is None:
            said = value_of(self._resolved(text))
            if len(text) <= _CACHED_CHARACTERS:
                if len(self._said) >= _CACHED_TEXTS:
                    self._said.clear()
                self._said[text] = said
        return said

    def _resolved(self, text: str) -> str:
        """A text with a bare word of the vocabulary or a prefix written out."""
        if self.words:
            text = self.words.get(text) or text
        if ":" in text:
            prefix, _, rest = text.partition(":")
            namespace = self.namespaces.get(prefix)
            if namespace is not None:
                return namespace.replace("{", "").replace("}", "") + rest
        return text

    def _text(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            return self._resolved(value)
        if kind is dict:
            if "#text" not in value:
                return ""  # no text rather than an empty one, which may be a bare word: the end of an IRI
            text = value["#text"]
            return (self.words.get(text) or text) if isinstance(text, str) else self._text(text)
        return "" if kind is list else str(value)


def in_order(children: list[Node], order: _Order, *, whole: bool = False) -> tuple[str, list[Node]]:
    """Write what the standard orders; return it with the nodes that are not, or not wholly, written."""
    extensions: list[Node] = []
    if not whole and len(children) > 1:
        extensions = _extensions(children)
        if extensions:
            children = [node for node in children if node not in extensions]
    left: list[Node] = []
    places: dict[int, list[str]] = {}
    for node in children:
        name, text, inner = node
        place = order.get(name)
        if place is None:
            left.append(node)
            continue
        index, below = place
        if text:
            text = time_of(text) if name in _TIMES else value_of(text)
        if inner:
            within = ""
            if below is not None:
                within, inner = in_order(inner, below)
            if inner:
                left.append((name, node[1], inner))
            text += within
        if text:
            places.setdefault(index, []).append(name + text)
    parts: list[str] = []
    for index in sorted(places):
        parts += sorted(places[index])
    if extensions:
        parts.append(generic(extensions))
    return "".join(parts), left


def _extensions(children: list[Node]) -> list[Node]:
    """What is written right behind the standard's members rather than at the event's end: by the reference, members of
    namespaces that end in a slash, unless a name there has to do with times of events or actions."""
    if any("eventTime" in node[0] or "action" in node[0] for node in children):
        return []
    return [node for node in children if "{" in node[0] and "/}" in node[0]]


def time_of(text: str) -> str:
    text = text.strip()
    return "=" + utc_milliseconds(text) if text else ""


def generic(nodes: Iterable[Node | str]) -> str:
    """Write what no order names, sorted by what is written."""
    values = [
        node if type(node) is str else node[0] + value_of(node[1]) + (generic(node[2]) if node[2] else "")
        for node in nodes
    ]
    if len(values) > 1:
        values.sort()
    return "".join(values)


def value_of(text: str) -> str:
    text = text.strip()
    return "=" + spelled(text) if text else ""


def spelled(text: str) -> str:
    return _remembered(text) if len(text) <= _CACHED_CHARACTERS else _respelled(text)


def _respelled(text: str) -> str:
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


_remembered = lru_cache(1 << 15)(_respelled)
