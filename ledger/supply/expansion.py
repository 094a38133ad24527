"""The part of JSON-LD expansion that the CBV hash needs: which texts of an event stand for GS1 web vocabulary.

Terms are looked up as JSON-LD 1.1 does, property-scoped contexts included, but only texts come out, and only those in
GS1's namespaces. Nothing is fetched: the one remote context is the package's copy. Source: JSON-LD 1.1 API section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Scope", "Term", "collect_vocabulary", "extend"]

_VOCABULARY: Final = ("https://ref.gs1.org/cbv", "https://gs1.org/voc")
_PREFIX_END: Final = frozenset(":/?#[]@")
_LISTS: Final = frozenset({"@set", "@list", "@graph", "@included"})


@dataclass(frozen=True, slots=True)
class Term:
    """What a context says about a word.

    Attributes:
        iri: what it stands for; may be a keyword such as `@type`.
        prefix: whether it may begin a compact IRI.
        coercion: `@id`, `@vocab`, or empty where values stay as they are.
        context: what holds below it, not yet read; None: nothing of its own.
    """

    iri: str
    prefix: bool
    coercion: str = ""
    context: Any = None


@dataclass(slots=True)
class Scope:
    """The words that hold at a place.

    Attributes:
        terms: by name.
        inner: the scopes below terms, once they were needed.
    """

    terms: Mapping[str, Term]
    inner: dict[str, Scope] = field(default_factory=dict)
    _beginnings: tuple[str, ...] | None = None
    _words: Mapping[str, Mapping[str, str]] | None = None

    @property
    def beginnings(self) -> tuple[str, ...]:
        """What a text begins with that may be, or be short for, an IRI of the vocabulary."""
        if self._beginnings is None:
            short = [
                f"{name}:"
                for name, term in self.terms.items()
                if term.prefix
                and (term.iri.startswith(_VOCABULARY) or any(v.startswith(term.iri) for v in _VOCABULARY))
            ]
            self._beginnings = (*_VOCABULARY, *short)
        return self._beginnings

    @property
    def words(self) -> Mapping[str, Mapping[str, str]]:
        """For each member whose values may be words: those words that stand for the vocabulary."""
        if self._words is None:
            own = {name: term.iri for name, term in self.terms.items() if term.iri.startswith(_VOCABULARY)}
            found = {"@type": own}
            for name, term in self.terms.items():
                if term.iri == "@type":
                    found[name] = own
                elif term.coercion == "@vocab":
                    below = self.below(name, term).terms
                    found[name] = {word: t.iri for word, t in below.items() if t.iri.startswith(_VOCABULARY)}
            self._words = found
        return self._words

    def below(self, name: str, term: Term) -> Scope:
        """Return what holds within a property's value."""
        if term.context is None:
            return self
        scope = self.inner.get(name)
        if scope is None:
            contexts = term.context if isinstance(term.context, list) else [term.context]
            scope = self.inner[name] = extend(self, contexts)
        return scope

    def iri(self, text: str, *, words: bool) -> str:
        """Expand a word or compact IRI; what nothing is known of stays.

        Args:
            text: the value or member name.
            words: whether terms count, beside compact IRIs.
        """
        if words:
            term = self.terms.get(text)
            if term is not None:
                return term.iri
        prefix, colon, rest = text.partition(":")
        if colon and not rest.startswith("//"):
            term = self.terms.get(prefix)
            if term is not None and term.prefix:
                return term.iri + rest
        return text


def extend(scope: Scope | None, contexts: Iterable[Mapping[str, Any]]) -> Scope:
    """Read contexts on top of a scope, each member once its prefixes are known.

    Args:
        scope: what holds already; None: nothing.
        contexts: objects, in order; keywords within them say nothing here.
    """
    terms = dict(scope.terms) if scope is not None else {}
    for context in contexts:
        made = Scope(terms)
        waiting = {name: value for name, value in context.items() if not name.startswith("@")}
        # Text before objects, and plain addresses before what is written with their prefixes.
        for name in sorted(waiting, key=lambda name: (not isinstance(waiting[name], str), _depends(waiting, name))):
            terms[name] = _term(made, name, waiting[name])
    return Scope(terms)


def _depends(waiting: Mapping[str, Any], name: str) -> bool:
    value = waiting[name]
    return isinstance(value, str) and value.partition(":")[0] in waiting


def _term(scope: Scope, name: str, value: Any) -> Term:
    if isinstance(value, str):
        iri = value if value.startswith("@") else scope.iri(value, words=True)
        return Term(iri, ":" not in name and iri[-1:] in _PREFIX_END)
    given = value.get("@id")
    iri = scope.iri(given, words=True) if isinstance(given, str) else scope.iri(name, words=False)
    kind = value.get("@type")
    coercion = kind if kind in ("@id", "@vocab") else ""
    return Term(iri, value.get("@prefix") is True, coercion, value.get("@context"))


def collect_vocabulary(scope: Scope, node: Mapping[str, Any], found: set[str]) -> None:
    """Collect the GS1 vocabulary that a node's values stand for.

    Args:
        scope: what holds at the node.
        node: an event, or an object within it.
        found: where the IRIs go.
    """
    beginnings, words = scope.beginnings, scope.words
    for name, value in node.items():
        kind = type(value)
        if kind is str:
            if value.startswith(beginnings):
                _member(scope, name, value, found)
            elif (known := words.get(name)) is not None and (iri := known.get(value)) is not None:
                found.add(iri)
        elif kind is dict or kind is list:
            _member(scope, name, value, found)


def _member(scope: Scope, name: str, value: Any, found: set[str]) -> None:
    term = scope.terms.get(name)
    if term is None:
        if name[:1] == "@":
            _keyword(scope, name, value, found)
        elif ":" in name:  # a word that no context knows is dropped with its value
            _collect(scope, "", value, found)
    elif term.iri[:1] == "@":
        _keyword(scope, term.iri, value, found)
    else:
        _collect(scope.below(name, term), term.coercion, value, found)


def _collect(scope: Scope, coercion: str, value: Any, found: set[str]) -> None:
    kind = type(value)
    if kind is str:
        iri = scope.iri(value, words=coercion == "@vocab") if coercion else value
        if iri.startswith(_VOCABULARY):
            found.add(iri)
    elif kind is dict:
        collect_vocabulary(scope, value, found)
    elif kind is list:
        beginnings = scope.beginnings
        for member in value:
            if type(member) is not str or coercion == "@vocab" or member.startswith(beginnings):
                _collect(scope, coercion, member, found)


def _keyword(scope: Scope, keyword: str, value: Any, found: set[str]) -> None:
    if keyword == "@id":
        if isinstance(value, str):
            _collect(scope, "@id", value, found)
    elif keyword == "@type":
        for kind in value if isinstance(value, list) else [value]:
            if isinstance(kind, str):
                _collect(scope, "@vocab", kind, found)
    elif keyword == "@value":
        if isinstance(value, str):
            _collect(scope, "", value, found)
    elif keyword in _LISTS:
        _collect(scope, "", value, found)
