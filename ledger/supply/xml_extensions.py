"""Members of other namespaces in EPCIS XML, as JSON-LD: `prefix:name`, with the prefixes in the event's context."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ledger.supply.context import GS1_CONTEXT, standard_context
from ledger.supply.refusal import DocumentError, DocumentFinding, pointer_of
from ledger.supply.xml_names import RESERVED_PREFIXES

if TYPE_CHECKING:
    from lxml.etree import _Element

__all__ = [
    "MAX_XML_DEPTH",
    "Path",
    "Prefixes",
    "add_member",
    "attribute_name",
    "extension",
    "refusal",
    "split_name",
    "text_of",
]

MAX_XML_DEPTH: Final = 32
_MAX_NAMESPACES: Final = 200
"""Of one event: each is looked for among those before it, and stands in the record's context."""
Path = tuple[str | int, ...]


def refusal(path: Path, code: str, text: str) -> DocumentError:
    """What is wrong at a place of the document that the XML is converted to."""
    return DocumentError([DocumentFinding(pointer_of(path), code, text)])


class Prefixes:
    """The prefixes of one event: those of the XML where JSON-LD can have them, others where it cannot."""

    __slots__ = ("_by_namespace",)

    def __init__(self) -> None:
        self._by_namespace: dict[str, str] = {}

    @property
    def context(self) -> list[Any]:
        """The event's context: GS1's and the prefixes that were used."""
        own = {prefix: namespace for namespace, prefix in self._by_namespace.items()}
        return [GS1_CONTEXT, own] if own else [GS1_CONTEXT]

    def name(self, namespace: str, local: str, prefix: str | None) -> str:
        """Return `prefix:local`, remembering the prefix.

        Args:
            namespace: not empty.
            local: the name within it.
            prefix: the XML's; None: the default namespace.

        Raises:
            DocumentError: too many namespaces (code `too_large`).
        """
        known = self._by_namespace.get(namespace)
        if known is None:
            _require_few(len(self._by_namespace))
            known = self._by_namespace[namespace] = self._free(prefix, namespace)
        return f"{known}:{local}"

    def _free(self, prefix: str | None, namespace: str) -> str:
        taken = set(self._by_namespace.values())
        standard = standard_context(GS1_CONTEXT)
        if prefix and prefix not in taken | RESERVED_PREFIXES and standard.get(prefix, namespace) == namespace:
            return prefix
        number = 1
        while f"ns{number}" in taken:
            number += 1
        return f"ns{number}"


def _require_few(count: int) -> None:
    if count >= _MAX_NAMESPACES:
        raise refusal((), "too_large", f"expected fewer than {_MAX_NAMESPACES} namespaces in an event, got more")


def split_name(tag: str) -> tuple[str, str]:
    """Return namespace (empty: none) and local name of a tag or attribute."""
    namespace, brace, local = tag.rpartition("}")
    return namespace[1:] if brace else "", local


def text_of(element: _Element) -> str:
    """The text before an element's first child, without white space around it."""
    return (element.text or "").strip()


def add_member(members: dict[str, Any], name: str, value: Any) -> None:
    """Add a member; one that comes again makes a list."""
    if name not in members:
        members[name] = value
    elif isinstance(members[name], list):
        members[name].append(value)
    else:
        members[name] = [members[name], value]


def extension(element: _Element, prefixes: Prefixes, path: Path, depth: int = 0) -> tuple[str, Any]:
    """Convert an element of another namespace, or one within such.

    Attributes become members, text beside members `#text`; an element `…List` of nothing but its own items becomes a
    list, which is how the hash reads lists of JSON-LD.

    Args:
        element: the element.
        prefixes: of its event.
        path: of the object it stands in.
        depth: how far below the event's member it stands.

    Returns:
        The member's name and value.

    Raises:
        DocumentError: too deep (code `too_deep`).
    """
    if depth > MAX_XML_DEPTH:
        raise refusal(path, "too_deep", f"expected XML at most {MAX_XML_DEPTH} deep, got more")
    name = _name(element, prefixes)
    path = (*path, name)
    text = text_of(element)
    members: dict[str, Any] = {}
    for key, value in _attributes(element, prefixes):
        add_member(members, key, value)
    children = [extension(child, prefixes, path, depth + 1) for child in element]
    if name.endswith("List") and children and not members and not text:
        item = name.removesuffix("List")
        if all(child == item for child, _ in children):
            return name, [value for _, value in children]
    for key, value in children:
        # A list stays one member, however often it comes.
        add_member(members, key, [value] if key in members and isinstance(value, list) else value)
    if not members:
        return name, text
    return name, {"#text": text, **members} if text else members


def _name(element: _Element, prefixes: Prefixes) -> str:
    namespace, local = split_name(str(element.tag))
    return prefixes.name(namespace, local, element.prefix) if namespace else local


def _attributes(element: _Element, prefixes: Prefixes) -> Iterator[tuple[str, str]]:
    for key, value in element.attrib.items():
        yield attribute_name(element, str(key), prefixes), str(value).strip()


def attribute_name(element: _Element, key: str, prefixes: Prefixes) -> str:
    """The member that an attribute becomes: `prefix:local`, or the bare name."""
    namespace, local = split_name(key)
    if not namespace:
        return local
    known = element.nsmap  # collected anew for every element
    _require_few(len(known))
    found = next((prefix for prefix, bound in known.items() if prefix and bound == namespace), None)
    return prefixes.name(namespace, local, found)
