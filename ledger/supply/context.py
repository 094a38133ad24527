"""The `@context` of a document or event: GS1's own, by address, and objects that name prefixes.

No address is ever fetched; the two that GS1 publishes the context at are known and read from the package
epcis-event-hash-generator. Source: docs/supply.md section 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

from ledger.canonical import canonical_record
from ledger.supply.expansion import Scope, extend
from ledger.supply.refusal import DocumentError, DocumentFinding, pointer_of

__all__ = ["GS1_CONTEXT", "KNOWN_CONTEXTS", "EventContext", "merged_context", "read_context", "standard_context"]

GS1_CONTEXT: Final = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
"""What this project's own documents name."""

KNOWN_CONTEXTS: Final[Mapping[str, str]] = {
    GS1_CONTEXT: "e532647e8eb371379b8b0e8602d8981c8566bc60f7351f22c76a5bc865962008.jsonld",
    "https://gs1.github.io/EPCIS/epcis-context.jsonld": (
        "14b10c9d3e92d35f577bfc610fe5ec15aa2941124987919389d7cd9998516861.jsonld"
    ),
}
"""Addresses that are taken, and the resource of epcis-event-hash-generator that each stands for."""

_MAX_MEMBERS = 64
_CACHED_BYTES = 4096
_PREFIXES: Final = frozenset({"epcis", "cbv", "cbvmda", "gs1", "rdfs", "owl", "xsd", "dcterms"})
_DEFINITION: Final = frozenset({"@id", "@type", "@container", "@prefix", "@protected"})


@dataclass(frozen=True, slots=True)
class EventContext:
    """A context that was read.

    Attributes:
        members: as a list, for a record of its own.
        namespaces: `{namespace}` by prefix, as the hash writes them.
        scope: what the words mean.
    """

    members: tuple[Any, ...]
    namespaces: Mapping[str, str]
    scope: Scope


def merged_context(*contexts: tuple[Any, str]) -> EventContext:
    """Put contexts behind one another, an event's behind its document's; what is there already is left out.

    Args:
        contexts: each as written (a text, object or list; None: none), with its JSON Pointer.

    Raises:
        DocumentError: as `read_context`.
    """
    merged: list[Any] = []
    places: list[str] = []
    for given, pointer in contexts:
        listed = isinstance(given, list)
        for index, member in enumerate(given if listed else [] if given is None else [given]):
            if member not in merged:
                merged.append(member)
                places.append(f"{pointer}/{index}" if listed else pointer)
    return read_context(merged, pointer=contexts[-1][1], places=places)


def read_context(members: Sequence[Any], *, pointer: str = "/@context", places: Sequence[str] = ()) -> EventContext:
    """Read a context.

    Args:
        members: GS1's address and objects, in any order.
        pointer: its place, for the refusal.
        places: that of each member, where they do not stand in one list there.

    Raises:
        DocumentError: codes `unknown_context` (another address, or not GS1's), `context_keyword` (an `@` member),
            `context_term` (a definition that is not taken, or one of GS1's words defined anew).
    """
    listed = list(members)
    try:
        written = canonical_record(listed)
        made = _read(written) if len(written) <= _CACHED_BYTES else _parse(listed)
    except _ContextError as error:
        place = pointer + error.member
        if error.index is not None:
            place = (places[error.index] if places else f"{pointer}/{error.index}") + error.member
        raise DocumentError([DocumentFinding(place, error.code, error.text)]) from error
    return made


@cache
def standard_context(address: str) -> Mapping[str, Any]:
    """GS1's context, one of `KNOWN_CONTEXTS`."""
    resource = files("epcis_event_hash_generator") / KNOWN_CONTEXTS[address]
    context: dict[str, Any] = json.loads(resource.read_bytes())["@context"]
    return context


class _ContextError(Exception):
    def __init__(self, index: int | None, member: str, code: str, text: str) -> None:
        super().__init__(text)
        self.index = index
        self.member = member
        self.code = code
        self.text = text


@lru_cache(1024)
def _read(written: bytes) -> EventContext:
    return _parse(json.loads(written))


def _parse(members: list[Any]) -> EventContext:
    if len(members) > _MAX_MEMBERS:
        raise _ContextError(None, "", "context_term", f"expected a context of at most {_MAX_MEMBERS} parts")
    addresses = [member for member in members if isinstance(member, str)]
    for index, member in enumerate(members):
        if isinstance(member, str) and member not in KNOWN_CONTEXTS:
            raise _ContextError(index, "", "unknown_context", f"expected the address of GS1's context, got {member!r}")
        if not isinstance(member, (str, dict)):
            raise _ContextError(index, "", "context_term", "expected an address or an object")
    if not addresses:
        raise _ContextError(None, "", "unknown_context", f"expected GS1's context {GS1_CONTEXT}, got none")
    protected = standard_context(addresses[0])
    namespaces: dict[str, str] = {}
    for index, member in enumerate(members):
        if isinstance(member, dict):
            for name, value in member.items():
                _check(name, value, protected, index)
                if (address := _namespace(name, value)) is not None:
                    namespaces[name] = "{" + address + "}"
    contexts = [standard_context(member) if isinstance(member, str) else member for member in members]
    return EventContext(tuple(members), namespaces, _scope(contexts))


def _scope(contexts: list[Any]) -> Scope:
    return extend(None, contexts)


def _namespace(name: str, value: Any) -> str | None:
    """The namespace that a definition makes; one keyed `prefix:name` only says of what type that member is."""
    if name.startswith("@") or ":" in name:
        return None
    if isinstance(value, str):
        return value
    address = value.get("@id")
    return address if isinstance(address, str) else None


def _check(name: str, value: Any, protected: Mapping[str, Any], index: int) -> None:
    place = pointer_of([name])
    if name.startswith("@"):
        if not ((name == "@version" and value == 1.1) or (name == "@protected" and isinstance(value, bool))):
            raise _ContextError(index, place, "context_keyword", f"expected prefixes only, got {name!r}")
        return
    if not name or (name in protected and name not in _PREFIXES and protected[name] != value):
        raise _ContextError(index, place, "context_term", f"expected a word of one's own, got {name!r}")
    if isinstance(value, dict):
        texts = all(isinstance(value[key], (str, bool, list)) for key in value)
        address = value.get("@id", "x:")
        if set(value) <= _DEFINITION and texts and isinstance(address, str) and ":" in address:
            return
    elif isinstance(value, str) and ":" in value and ":" not in name:
        return
    raise _ContextError(index, place, "context_term", "expected a prefix with its address, or the type of a member")
