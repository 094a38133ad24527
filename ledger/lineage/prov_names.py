"""Qualified names of PROV-JSON: a prefix, a colon and the rest of a URI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger import fields
from ledger.errors import MalformedError
from ledger.lineage import names

__all__ = ["BUILT_IN", "Names", "Prefixes", "literal_of", "pointer"]

BUILT_IN: Final = {"prov": names.PROV, "xsd": names.XSD}


def pointer(*parts: str) -> str:
    """A JSON pointer of some member names. Source: RFC 6901 section 3."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


class Prefixes:
    """Writes URIs as qualified names, and gathers the prefixes that were needed.

    A URI outside our namespaces gets its own scheme as the prefix, bound to `scheme:`, so that the name reads like the
    URI and is one to any reader that splits at the first colon.
    """

    def __init__(self) -> None:
        self.used: dict[str, str] = {}

    def name(self, uri: str) -> str:
        """The qualified name of an absolute URI."""
        for prefix, namespace in (*BUILT_IN.items(), ("yunshang", names.OWN)):
            if uri.startswith(namespace) and len(uri) > len(namespace):
                return self._with(prefix, namespace, uri)
        scheme = uri.partition(":")[0]
        taken = scheme in BUILT_IN or scheme in ("yunshang", "default")
        return self._with(scheme + "-scheme" if taken else scheme, scheme + ":", uri)

    def _with(self, prefix: str, namespace: str, uri: str) -> str:
        if prefix not in BUILT_IN:
            self.used[prefix] = namespace
        return f"{prefix}:{uri[len(namespace) :]}"


class Names:
    """Reads the qualified names of one document.

    Args:
        declared: its member `prefix`.

    Raises:
        MalformedError: `prov_prefix`: a namespace that is no text, or `prov` or `xsd` bound to something else.
    """

    def __init__(self, declared: Any) -> None:
        if not isinstance(declared, dict):
            raise MalformedError("expected prefixes as an object, got something else", code="prov", where="/prefix")
        self._default: str | None = None
        self._prefixes: dict[str, str] = dict(BUILT_IN)
        for prefix, namespace in declared.items():
            where = pointer("prefix", prefix)
            fields.text(namespace, where)
            if BUILT_IN.get(prefix, namespace) != namespace:
                raise MalformedError(
                    f"expected {BUILT_IN[prefix]} for {prefix}, got {namespace[:80]}", code="prov_prefix", where=where
                )
            if prefix == "default":
                self._default = namespace
            else:
                self._prefixes[prefix] = namespace

    def uri(self, name: Any, where: str) -> str:
        """The URI of a qualified name; a blank one (`_:x`) stays as it is.

        Raises:
            MalformedError: no text, or a prefix that was not declared (`prov_prefix`).
        """
        text = fields.text(name, where)
        prefix, colon, local = text.partition(":")
        if colon and prefix == "_":
            return text
        namespace = self._prefixes.get(prefix) if colon else self._default
        if namespace is None:
            raise MalformedError(
                f"expected a name with a declared prefix, got {text[:80]!r}", code="prov_prefix", where=where
            )
        return namespace + (local if colon else text)

    def literal(self, value: Any, where: str) -> tuple[str, str | None, str | None]:
        """Read an attribute's value.

        Args:
            value: text, number, truth value, or an object with `$` and `type` or `lang`.
            where: JSON pointer.

        Returns:
            Text, URI of its type (None: a string), language (None: none). Of a qualified name the text is its URI.

        Raises:
            MalformedError: another form.
        """
        if isinstance(value, str):
            return value, None, None
        if isinstance(value, bool):
            return ("true" if value else "false"), names.XSD + "boolean", None
        if isinstance(value, int | float):
            return repr(value), names.XSD + ("int" if isinstance(value, int) else "double"), None
        return self._typed(value, where)

    def _typed(self, value: Any, where: str) -> tuple[str, str | None, str | None]:
        if not isinstance(value, dict) or not value.keys() <= {"$", "type", "lang"} or len(value) > 2:
            raise MalformedError(
                "expected a value, or an object with $ and type or lang, got something else", code="prov", where=where
            )
        text = value.get("$")
        if not isinstance(text, str):
            raise MalformedError("expected a text in $, got something else", code="prov", where=where)
        if "lang" in value:
            return text, None, fields.text(value["lang"], where)
        kind = self.uri(value["type"], where) if "type" in value else names.XSD + "string"
        if kind == names.XSD + "string":
            return text, None, None
        if kind in (names.QUALIFIED_NAME, names.XSD + "QName"):
            return self.uri(text, where), names.QUALIFIED_NAME, None
        return text, kind, None


def literal_of(prefixes: Prefixes, value: str, kind: str | None, language: str | None) -> str | Mapping[str, str]:
    """Write an attribute's value; the inverse of `Names.literal`."""
    if language is not None:
        return {"$": value, "lang": language}
    if kind is None:
        return value
    if kind == names.QUALIFIED_NAME:
        return {"$": prefixes.name(value), "type": "prov:QUALIFIED_NAME"}
    return {"$": value, "type": prefixes.name(kind)}
