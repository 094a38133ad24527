"""EPCIS XML, 2.0 and 1.2, converted to the JSON-LD document that says the same.

Strict: what the standard's XML does not have is refused, so nothing is lost on the way. No DTD, no entity, no network.
The result is judged like any JSON-LD document. Source: EPCIS 2.0 sections 9.5 and 10; docs/supply.md section 6.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ledger.canonical import MAX_SAFE_INTEGER
from ledger.supply.context import GS1_CONTEXT
from ledger.supply.vocabulary import Words, bare_word
from ledger.supply.xml_extensions import (
    Path,
    Prefixes,
    add_member,
    attribute_name,
    extension,
    refusal,
    split_name,
    text_of,
)
from ledger.supply.xml_names import (
    BOOLEANS,
    EPC_LISTS,
    EPCIS_NAMESPACES,
    LOCATIONS,
    METADATA,
    NUMBERS,
    PAIR_LISTS,
    QUANTITY_LISTS,
    REPORT,
    TEXTS,
    WORD_ATTRIBUTES,
    WORD_MEMBERS,
    WRAPPERS,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

__all__ = ["read_xml"]

_MAX_MARKS = 2_000_000
_TYPES: Final = frozenset(
    {"ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent"}
)
_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_MAX_NUMBER_CHARACTERS = 320


def read_xml(data: bytes, *, max_events: int) -> dict[str, Any]:
    """Convert an EPCISDocument, or one event whose element is the root.

    Args:
        data: XML in UTF-8.
        max_events: how many events are taken.

    Returns:
        An EPCISDocument or a bare event, not yet validated. Each event has a context of its own with the prefixes that
        it uses.

    Raises:
        DocumentError: codes `not_xml`, `xml_dtd`, `too_large`, `too_deep`, `too_many_events`, `document_type`,
            `event_type`, `xml_element`, `xml_attribute`, `xml_value`. Pointers are into what would be returned.
    """
    root = _parse(data)
    namespace, local = split_name(str(root.tag))
    if local in _TYPES and (not namespace or namespace in EPCIS_NAMESPACES):
        return _event(root, ())
    if local != "EPCISDocument" or namespace not in EPCIS_NAMESPACES:
        raise refusal(("type",), "document_type", "expected an EPCISDocument of EPCIS 2.0 or 1.2, got another document")
    document: dict[str, Any] = {"@context": [GS1_CONTEXT], "type": "EPCISDocument"}
    for name in ("schemaVersion", "creationDate"):
        if name in root.attrib:
            document[name] = str(root.attrib[name])
    document["epcisBody"] = {"eventList": _events(root, max_events)}
    return document


def _parse(data: bytes) -> _Element:
    from lxml import etree

    if data.count(b"<") + data.count(b"=") > _MAX_MARKS:
        raise refusal((), "too_large", f"expected at most {_MAX_MARKS} tags and attributes, got more")
    encoding = _ENCODING.match(data.removeprefix(b"\xef\xbb\xbf"))
    if encoding and encoding.group(1).upper() not in (b"UTF-8", b"US-ASCII"):
        raise refusal((), "not_xml", f"expected XML in UTF-8, got {encoding.group(1).decode()}")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusal((), "not_xml", f"expected XML in UTF-8, got {error.reason}") from error
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise refusal((), "xml_dtd", "expected XML without a document type, got one")
    parser = etree.XMLParser(
        encoding="utf-8",  # whatever a declaration says: the checks above read it as UTF-8
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise refusal((), "not_xml", f"expected well-formed XML, got {str(error)[:200]}") from error


def _events(root: _Element, max_events: int) -> list[dict[str, Any]]:
    bodies = [child for child in root if split_name(str(child.tag))[1] == "EPCISBody"]
    lists = [child for body in bodies for child in body if split_name(str(child.tag))[1] == "EventList"]
    if len(bodies) != 1 or len(lists) != 1:
        raise refusal(("epcisBody", "eventList"), "xml_element", "expected one EPCISBody with one EventList")
    elements = list(_unwrapped(lists[0]))
    if len(elements) > max_events:
        text = f"expected at most {max_events} events, got {len(elements)}"
        raise refusal(("epcisBody", "eventList"), "too_many_events", text)
    return [_event(element, ("epcisBody", "eventList", index)) for index, element in enumerate(elements)]


def _unwrapped(element: _Element) -> Iterator[_Element]:
    """The children, those within wrappers in their place."""
    for child in element:
        if child.tag in WRAPPERS:
            yield from _unwrapped(child)
        else:
            yield child


def _event(element: _Element, path: Path) -> dict[str, Any]:
    kind = split_name(str(element.tag))[1]
    if kind not in _TYPES:
        raise refusal((*path, "type"), "event_type", f"expected one of {', '.join(sorted(_TYPES))}, got {kind[:80]!r}")
    prefixes = Prefixes()
    members = _members(element, _EVENT, prefixes, path)
    return {"@context": prefixes.context, "type": kind, **members}


_Reader = Callable[["_Element", Prefixes, Path], Any]


def _members(element: _Element, readers: Mapping[str, _Reader], prefixes: Prefixes, path: Path) -> dict[str, Any]:
    """The members of an object: the standard's, each once, and those of other namespaces."""
    _refuse_attributes(element, path)
    if text_of(element):
        raise refusal(path, "xml_value", "expected elements, got text")
    members: dict[str, Any] = {}
    for child in _unwrapped(element):
        name = str(child.tag)
        if name.startswith("{"):
            add_member(members, *extension(child, prefixes, path))
            continue
        reader = readers.get(name)
        if reader is None:
            raise refusal((*path, name), "xml_element", f"expected an element of EPCIS, got {name[:80]!r}")
        value = reader(child, prefixes, (*path, name))
        if name in _REPEATED:
            members.setdefault(name, []).append(value)
        elif name == "certificationInfo":
            add_member(members, name, value)
        elif name in members:
            raise refusal((*path, name), "xml_element", f"expected {name} once, got it twice")
        else:
            members[name] = value
    return members


def _refuse_attributes(element: _Element, path: Path, allowed: frozenset[str] = frozenset()) -> None:
    for name in element.attrib:
        if name not in allowed:
            raise refusal((*path, str(name)), "xml_attribute", f"expected no attribute {str(name)[:80]!r}, got one")


def _text(element: _Element, prefixes: Prefixes, path: Path) -> str:
    del prefixes
    _refuse_attributes(element, path)
    if len(element):
        raise refusal(path, "xml_element", "expected text, got elements")
    return text_of(element)


def _word(place: Words) -> _Reader:
    return lambda element, prefixes, path: bare_word(place, _text(element, prefixes, path))


def _listed(item: str, reader: _Reader) -> _Reader:
    def read(element: _Element, prefixes: Prefixes, path: Path) -> list[Any]:
        _refuse_attributes(element, path)
        for index, child in enumerate(element):
            if child.tag != item:
                name = str(child.tag)[:80]
                raise refusal((*path, index), "xml_element", f"expected {item}, got {name!r}")
        return [reader(child, prefixes, (*path, index)) for index, child in enumerate(element)]

    return read


def _object(readers: Mapping[str, _Reader]) -> _Reader:
    return lambda element, prefixes, path: _members(element, readers, prefixes, path)


def _pair(item: str, place: Words) -> _Reader:
    def read(element: _Element, prefixes: Prefixes, path: Path) -> dict[str, str]:
        del prefixes
        _refuse_attributes(element, path, frozenset({"type"}))
        if len(element):
            raise refusal((*path, item), "xml_element", "expected text, got elements")
        kind = element.attrib.get("type")
        typed = {} if kind is None else {"type": bare_word(place, str(kind).strip())}
        return {**typed, item: text_of(element)}

    return read


def _number(text: str, path: Path) -> int | float:
    text = text.strip()
    if not _NUMBER.fullmatch(text) or len(text) > _MAX_NUMBER_CHARACTERS:
        raise refusal(path, "xml_value", f"expected a number, got {text[:40]!r}")
    number = float(text)
    if not math.isfinite(number) or (text.lstrip("+-").isdigit() and abs(number) > MAX_SAFE_INTEGER):
        raise refusal(path, "number_out_of_range", f"expected an integer within ±(2^53−1), got {text[:40]}")
    return int(number) if number.is_integer() and abs(number) <= MAX_SAFE_INTEGER else number


def _quantity(element: _Element, prefixes: Prefixes, path: Path) -> int | float:
    return _number(_text(element, prefixes, path), path)


def _boolean(text: str, path: Path) -> bool:
    known = {"true": True, "1": True, "false": False, "0": False}
    if text.strip() not in known:
        raise refusal(path, "xml_value", f"expected true or false, got {text[:40]!r}")
    return known[text.strip()]


def _sensed(known: frozenset[str]) -> _Reader:
    """Metadata or report of a sensor, whose members are attributes."""

    def read(element: _Element, prefixes: Prefixes, path: Path) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, given in element.attrib.items():
            name, text = str(key), str(given).strip()
            place = (*path, name)
            if name.startswith("{"):
                add_member(members, attribute_name(element, name, prefixes), text)
            elif name not in known:
                raise refusal(place, "xml_attribute", f"expected no attribute {name[:80]!r}, got one")
            elif name in NUMBERS:
                members[name] = _number(text, place)
            elif name in BOOLEANS:
                members[name] = _boolean(text, place)
            else:
                word = WORD_ATTRIBUTES.get(name)
                members[name] = bare_word(word, text) if word else text
        for child in element:
            if not str(child.tag).startswith("{"):
                raise refusal((*path, str(child.tag)), "xml_element", "expected an element of one's own, got another")
            add_member(members, *extension(child, prefixes, path))
        return members

    return read


_REPEATED: Final = frozenset({"set", "unset", "sensorReport"})
_QUANTITY_ELEMENT = _object({"epcClass": _text, "quantity": _quantity, "uom": _text})
_SENSOR_ELEMENT = _object({"sensorMetadata": _sensed(METADATA), "sensorReport": _sensed(REPORT)})
_EVENT: Final[Mapping[str, _Reader]] = {
    **dict.fromkeys(TEXTS, _text),
    **{name: _word(place) for name, place in WORD_MEMBERS.items()},
    **dict.fromkeys(EPC_LISTS, _listed("epc", _text)),
    **dict.fromkeys(QUANTITY_LISTS, _listed("quantityElement", _QUANTITY_ELEMENT)),
    **dict.fromkeys(LOCATIONS, _object({"id": _text})),
    **{name: _listed(item, _pair(item, place)) for name, (item, place) in PAIR_LISTS.items()},
    "certificationInfo": _text,
    "persistentDisposition": _object({"set": _word(Words.DISPOSITION), "unset": _word(Words.DISPOSITION)}),
    "sensorElementList": _listed("sensorElement", _SENSOR_ELEMENT),
    "ilmd": _object({}),
    "errorDeclaration": _object(
        {
            "declarationTime": _text,
            "reason": _word(Words.REASON),
            "correctiveEventIDs": _listed("correctiveEventID", _text),
        }
    ),
}
