"""The CBV 2.0 event hash id: what an event says, whatever its spelling, as one `ni:` URI.

For contexts that name prefixes this gives exactly what the reference generator (epcis-event-hash-generator 1.9) gives
for the event alone in a document; docs/supply.md section 5 says where and why it goes on when the reference stops.
Much is the reference's own reading of CBV 2.0 section 8.9 and is kept as it is, since a hash that differs is useless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from ledger.supply.context import EventContext
from ledger.supply.event_model import COMMENTS, EVENT_ORDER, PAIR_LISTS, Reading, generic, in_order, time_of
from ledger.supply.expansion import collect_vocabulary

__all__ = ["event_hash", "pre_hash"]

_LEFT_OUT: Final = frozenset({"recordTime", "eventID", "type", "errorDeclaration", "@context"}) | COMMENTS


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
    reading = _reading(frozenset(found), context)
    said = reading.said
    placed: list[tuple[int, str]] = []
    left: list[str] = []
    others: dict[str, Any] = {}
    for name, value in event.items():
        if name in _LEFT_OUT:
            continue
        quick = _QUICK.get(name)
        text = quick(name, value, said) if quick is not None else None
        if text is not None:
            if name in PAIR_LISTS:
                left.append(text)
            elif text:
                placed.append((EVENT_ORDER[name][0], text))
        elif name in EVENT_ORDER:
            text, nodes = in_order(reading.corrected(reading.children({name: value})), EVENT_ORDER, whole=True)
            placed.append((EVENT_ORDER[name][0], text))
            left += [generic([node]) for node in nodes]
        elif ":" in name and name[-4:] != "List" and (texts := _own_texts(value)) is not None:
            own = reading.name(name)
            left += [own + said(text) for text in texts]
        else:
            others[name] = value
    if others:
        left += [generic([node]) for node in reading.corrected(reading.children(others))]
    placed.sort()
    left.sort()
    kind = event["type"]
    return f"eventType={reading.words.get(kind) or kind}{''.join([text for _, text in placed])}{''.join(left)}"


# The usual shapes of the standard's members, written directly; None: another shape, left to the model.
_Said = Callable[[str], str]


def _text(name: str, value: Any, said: _Said) -> str | None:
    if type(value) is not str:
        return None
    text = said(value)
    return name + text if text else ""


def _event_time(name: str, value: Any, said: _Said) -> str | None:
    return name + time_of(value) if type(value) is str else None


def _epcs(name: str, value: Any, said: _Said) -> str | None:
    if type(value) is not list:
        return None
    texts = []
    for epc in value:
        if type(epc) is not str:
            return None
        text = said(epc)
        if text:
            texts.append("epc" + text)
    texts.sort()
    return name + "".join(texts) if texts else ""


def _quantities(name: str, value: Any, said: _Said) -> str | None:
    if type(value) is not list:
        return None
    texts = []
    for element in value:
        if type(element) is not dict or not _QUANTITY_ELEMENT.issuperset(element) or "epcClass" not in element:
            return None
        text = "quantityElementepcClass" + said(element["epcClass"])
        quantity = element.get("quantity")
        if quantity is not None:
            # A whole number is written as it is; others in the shortest way that reads back.
            text += f"quantity={quantity}" if type(quantity) is int else "quantity" + said(str(quantity))
        if "uom" in element:
            text += "uom" + said(element["uom"])
        texts.append(text)
    texts.sort()
    return name + "".join(texts) if texts else ""


def _location(name: str, value: Any, said: _Said) -> str | None:
    if type(value) is not dict or len(value) != 1 or type(value.get("id")) is not str:
        return None
    text = said(value["id"])
    return f"{name}id{text}" if text else ""


def _pairs(name: str, value: Any, said: _Said) -> str | None:
    item = name[:-4]
    if type(value) is not list or not value:
        return None
    texts = []
    for pair in value:
        if type(pair) is not dict or len(pair) != 2 or "type" not in pair or item not in pair:
            return None
        texts.append(f"type{said(pair['type'])}{item}{said(pair[item])}")
    texts.sort()
    return name + "".join(texts)


_QUANTITY_ELEMENT: Final = frozenset({"epcClass", "quantity", "uom"})
_QUICK: Final[Mapping[str, Callable[[str, Any, _Said], str | None]]] = {
    "eventTime": _event_time,
    **dict.fromkeys(("eventTimeZoneOffset", "certificationInfo", "parentID", "action", "transformationID"), _text),
    **dict.fromkeys(("bizStep", "disposition"), _text),
    **dict.fromkeys(("epcList", "inputEPCList", "outputEPCList", "childEPCs"), _epcs),
    **dict.fromkeys(("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"), _quantities),
    **dict.fromkeys(("readPoint", "bizLocation"), _location),
    **dict.fromkeys(PAIR_LISTS, _pairs),
}


def _own_texts(value: Any) -> Sequence[str] | None:
    """The texts that a member of one's own holds and nothing else, or None."""
    if type(value) is str:
        return (value,)
    if type(value) is not list:
        return None
    for member in value:
        if type(member) is not str:
            return None
    return value


_READINGS: Final[dict[tuple[int, frozenset[str]], tuple[EventContext, Reading]]] = {}
"""What words mean in events of one context with one vocabulary. The context is kept with it, so that its number stays
its own."""
_MAX_READINGS: Final = 32


def _reading(found: frozenset[str], context: EventContext) -> Reading:
    kept = _READINGS.get((id(context), found))
    if kept is not None:
        return kept[1]
    reading = Reading(_words(found), context.namespaces)
    if len(_READINGS) >= _MAX_READINGS:
        _READINGS.clear()
    _READINGS[id(context), found] = (context, reading)
    return reading


def _words(found: frozenset[str]) -> dict[str, str]:
    """The bare words that stand for vocabulary: what follows a hyphen or slash in exactly one of the IRIs."""
    words: dict[str, str] = {}
    for iri in found:
        for word in _endings(iri):
            words[word] = "" if word in words else iri
    return words


@lru_cache(1 << 10)
def _endings(iri: str) -> tuple[str, ...]:
    return tuple({iri[at + 1 :] for at, letter in enumerate(iri) if letter in "-/"})
