"""The official EPCIS 2.0 JSON Schema, and its complaints as findings that name the field.

The schema is a resource that `make epcis` puts into the package; validation is jsonschema-rs, with formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import NotFoundError
from ledger.supply.refusal import DocumentFinding, pointer_of

if TYPE_CHECKING:
    from jsonschema_rs import Draft7Validator, ValidationError

__all__ = ["epcis_schema", "schema_findings"]

_MAX_FINDINGS = 20
_MAX_ERRORS = 200
_SHOWN_CHARACTERS = 80
_SHOWN_WORDS = 6
_MAX_VALUES = 1 << 15
"""A record of 65,536 bytes has fewer. The validator makes all complaints at once, some KB for each."""
_LIST: Final = "/epcisBody/eventList"
_CHOICES: Final = frozenset({"anyOf", "oneOf"})
_FORMATS: Final = {"uri": "a URI", "date-time": "a time by RFC 3339 with an offset"}
_CODES: Final = {"enum": "schema_word", "type": "schema_type", "format": "schema_format", "pattern": "schema_format"}


_TOP: Final[dict[str, Any]] = {
    "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    "type": "EPCISDocument",
    "schemaVersion": "2.0",
    "creationDate": "2026-01-01T00:00:00Z",
    "epcisBody": {},
}
"""What an event stands in where what is around it was looked at already."""


@cache
def epcis_schema() -> dict[str, Any]:
    """The schema as published by GS1.

    Raises:
        NotFoundError: the package lacks it (code `epcis_schema_missing`): `make epcis` was not run.
    """
    resource = files("ledger.supply") / "standard" / "EPCIS-JSON-Schema.json"
    if not resource.is_file():
        raise NotFoundError("expected the EPCIS JSON Schema, got none; run make epcis", code="epcis_schema_missing")
    schema: dict[str, Any] = json.loads(resource.read_bytes())
    return schema


@cache
def _validator() -> Draft7Validator:
    from jsonschema_rs import Draft7Validator

    return Draft7Validator(epcis_schema(), validate_formats=True)


def schema_findings(document: Any) -> tuple[DocumentFinding, ...]:
    """Judge a document or a bare event by the schema.

    Args:
        document: JSON, as `parse_record` gives it.

    Returns:
        Nothing where it is valid; otherwise at most twenty findings, each place once.

    Raises:
        NotFoundError: see `epcis_schema`.
    """
    if _validator().is_valid(document):
        return ()
    events = _events(document)
    if events is None:
        return _wide(document, "") or _findings(document)
    found: list[DocumentFinding] = []
    top: dict[str, Any] = document
    for index, event in enumerate(events):
        # One event at a time, so that a few complaints are made of many; what is around them is looked at once.
        alone = {**top, "epcisBody": {**top["epcisBody"], "eventList": [event]}}
        if not _validator().is_valid(alone):
            wide = _wide(event, f"{_LIST}/{index}") or (_wide(alone, "") if index == 0 else ())
            found += wide or (_moved(finding, index) for finding in _findings(alone))
        if len(found) >= _MAX_FINDINGS:
            break
        top = _TOP
    return tuple(found[:_MAX_FINDINGS]) or _findings(document)


def _events(document: Any) -> list[Any] | None:
    body = document.get("epcisBody") if isinstance(document, dict) else None
    events = body.get("eventList") if isinstance(body, dict) else None
    return events if isinstance(events, list) and events else None


def _wide(value: Any, pointer: str) -> tuple[DocumentFinding, ...]:
    count, left = 0, [value] if isinstance(value, dict | list) else []
    while left:
        item = left.pop()
        count += len(item)
        if count > _MAX_VALUES:
            text = f"expected at most {_MAX_VALUES} values, got more"
            return (DocumentFinding(pointer, "record_too_large", text),)
        members = item.values() if isinstance(item, dict) else item
        left += [member for member in members if isinstance(member, dict | list)]
    return ()


def _moved(finding: DocumentFinding, index: int) -> DocumentFinding:
    first = f"{_LIST}/0"
    if finding.pointer != first and not finding.pointer.startswith(first + "/"):
        return finding
    return DocumentFinding(f"{_LIST}/{index}{finding.pointer[len(first) :]}", finding.code, finding.text)


def _findings(document: Any) -> tuple[DocumentFinding, ...]:
    found: dict[str, DocumentFinding] = {}
    choices: list[ValidationError] = []
    for number, error in enumerate(_validator().iter_errors(document)):
        if error.kind.name in _CHOICES:
            choices.append(error)
        else:
            finding = _told(error)
            found.setdefault(finding.pointer, finding)
        if len(found) >= _MAX_FINDINGS or number >= _MAX_ERRORS:
            break
    for error in choices:
        for finding in _chosen(error, found):
            found.setdefault(finding.pointer, finding)
    return tuple(found.values())[:_MAX_FINDINGS]


def _told(error: ValidationError) -> DocumentFinding:
    path = list(error.instance_path)
    kind: Any = error.kind
    match kind.name:
        case "required":
            return _finding([*path, _lacking(error)], "schema_required", "expected this member, got none")
        case "additionalProperties":
            name = str(kind.unexpected[0])
            return _finding([*path, name], "schema_member", "expected a member that EPCIS 2.0 has, got another")
        case "propertyNames":
            name = str(kind.error.instance)
            text = "expected a member that EPCIS 2.0 has, or a URI, got another"
            return _finding([*path, name], "schema_member", text)
        case name:
            return _finding(path, _CODES.get(name, "schema"), _text(error))


def _chosen(error: ValidationError, known: Mapping[str, DocumentFinding]) -> list[DocumentFinding]:
    """Say why no branch of a choice fits, unless a place within it is known to be wrong already."""
    kind: Any = error.kind
    branches = [list(_leaves(branch)) for branch in kind.context]
    path = list(error.instance_path)
    leaves = [leaf for branch in branches for leaf in branch]
    if any(len(leaf.instance_path) > len(path) and _told(leaf).pointer in known for leaf in leaves):
        return []
    lacking = [_lacking(leaf) for leaf in leaves if leaf.kind.name == "required" and leaf.instance_path == path]
    if lacking:
        names = ", ".join(dict.fromkeys(lacking))
        return [_finding(path, "schema_required", f"expected at least one of the members {names}, got too few")]
    # The branch whose complaints lie deepest came closest; of several the last, which lists the standard's words.
    depths = [min((len(leaf.instance_path) for leaf in branch), default=0) for branch in branches]
    best = max(range(len(branches)), key=lambda index: (depths[index], index))
    return [_told(leaf) for leaf in branches[best]] or [_finding(path, "schema", _text(error))]


def _leaves(errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    for error in errors:
        kind: Any = error.kind
        if kind.name in _CHOICES:
            for branch in kind.context:
                yield from _leaves(branch)
        else:
            yield error


def _lacking(error: ValidationError) -> str:
    kind: Any = error.kind
    return str(kind.property)


def _text(error: ValidationError) -> str:
    kind: Any = error.kind
    match kind.name:
        case "enum":
            words = [str(word) for word in kind.options]
            wanted = "one of " + ", ".join(words[:_SHOWN_WORDS]) + (" …" if len(words) > _SHOWN_WORDS else "")
        case "type":
            wanted = f"a value of type {', '.join(map(str, kind.types))}"
        case "format":
            wanted = _FORMATS.get(kind.format, kind.format)
        case "pattern":
            wanted = f"text that matches {kind.pattern}"
        case "minItems":
            wanted = f"at least {kind.limit} of them"
        case "uniqueItems":
            wanted = "each of them once"
        case "not":
            wanted = "no such member here"
        case name:
            wanted = f"what the schema says ({name})"
    met = json.dumps(error.instance, ensure_ascii=False, default=str)
    if len(met) > _SHOWN_CHARACTERS:
        met = met[: _SHOWN_CHARACTERS - 1] + "…"
    return f"expected {wanted}, got {met}"


def _finding(path: list[str | int], code: str, text: str) -> DocumentFinding:
    return DocumentFinding(pointer_of(path), code, text)
