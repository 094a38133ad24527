"""The construction profile of EPCIS 2.0: which kind an event is of, and whether it fits.

The schema beside this module says what JSON Schema can say, `profile_rules` the rest. Source: docs/supply-profile.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from jsonschema_rs import Draft202012Validator, ValidationError

from ledger.errors import MalformedError
from ledger.identifiers import validate_uscc
from ledger.supply.profile_rules import RULES, pointer, refusal
from ledger.supply.terms import CONTEXT, NAMESPACE, PREFIX, EventKind, kind_of, many, party_code, step_of

__all__ = ["EventKind", "check_profile", "kind_of", "profile_schema"]

_NUMBER: Final = re.compile(r"urn:yunshang:[a-z]+:([0-9A-Z]{18}):")


@cache
def profile_schema() -> Mapping[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the profile; not to be changed."""
    text = files("ledger.supply").joinpath("profile_schema.json").read_text("utf-8")
    loaded: Mapping[str, Any] = MappingProxyType(json.loads(text))
    return loaded


@cache
def _validator(kind: EventKind) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{kind.value}", "$defs": profile_schema()["$defs"]})


def check_profile(record: Mapping[str, Any]) -> None:
    """Refuse an event that uses the profile's vocabulary without fitting one of its kinds.

    Args:
        record: an EPCIS 2.0 event (valid against the official schema, which is not asked again here), self-contained.

    Raises:
        MalformedError: `where` is a JSON pointer within the event (RFC 6901). Codes: `profile_context` (the prefix
            `yunshang` has another meaning, or another prefix has its meaning), `profile_step` (members of the profile
            without a step of it, or an unknown step), `profile_member` (missing or unknown), `profile_value` (another
            form), `profile_amount`, `profile_quantity`, `profile_code` (organisation code), `profile_reference` (two
            members that must agree do not).
    """
    kind = kind_of(record)
    marked = _check_names(record)
    if kind is None:
        _refuse_unknown_step(record, marked=marked)
        return
    _check_context(record)
    event = dict(record)
    validator = _validator(kind)
    if not validator.is_valid(event):
        error = next(iter(validator.iter_errors(event)))
        raise _schema_refusal(error, kind, event)
    for place, code in _codes(event):
        if not _is_code(code):
            where = pointer(*place)
            raise refusal("profile_code", where, "a valid organisation code", code[:40])
    for check in RULES.get(kind, ()):
        check(event)


def _check_names(record: Mapping[str, Any]) -> bool:
    """Refuse the vocabulary's other spellings; say whether the event has a member of it."""
    marked = False
    for name in record:
        if name[: len(PREFIX)] == PREFIX:
            marked = True
        elif name[: len(NAMESPACE)] == NAMESPACE:
            raise refusal("profile_context", pointer(name), f"the prefix {PREFIX}", f"the full name {name}")
    for index, item in enumerate(many(record.get("@context"))):
        if isinstance(item, dict) and item != CONTEXT:
            where = ("@context", index) if isinstance(record["@context"], list) else ("@context",)
            _check_prefixes(item, where)
    return marked


def _check_prefixes(context: Mapping[str, Any], where: tuple[str | int, ...]) -> None:
    for name, meaning in context.items():
        target = meaning.get("@id") if isinstance(meaning, dict) else meaning
        if name == "yunshang" or name.startswith(PREFIX):
            if name != "yunshang" or target != NAMESPACE or isinstance(meaning, dict):
                raise refusal(
                    "profile_context", pointer(*where, name), f'"yunshang": "{NAMESPACE}"', repr(meaning)[:80]
                )
        elif isinstance(target, str) and (
            target.startswith((NAMESPACE, PREFIX)) or (NAMESPACE.startswith(target) and target.count(":") > 0)
        ):
            raise refusal("profile_context", pointer(*where, name), "the prefix yunshang only", f"{name} as well")


def _check_context(record: Mapping[str, Any]) -> None:
    contexts = many(record.get("@context"))
    if not any(isinstance(item, dict) and item.get("yunshang") == NAMESPACE for item in contexts):
        raise refusal("profile_context", "/@context", f'"yunshang": "{NAMESPACE}" among the contexts', "none")


def _refuse_unknown_step(record: Mapping[str, Any], *, marked: bool) -> None:
    step = step_of(record)
    if marked or step.startswith((NAMESPACE, PREFIX)):
        raise refusal("profile_step", "/bizStep", "a step of the construction profile", step or "none")


def _schema_refusal(error: ValidationError, kind: EventKind, event: Mapping[str, Any]) -> MalformedError:
    path = list(error.instance_path)
    name = type(error.kind).__name__.rpartition("_")[2]
    rule = error.schema_path[-1] if error.schema_path else ""
    if rule == "required" and hasattr(error.kind, "property"):
        member = error.kind.property
        return refusal("profile_member", pointer(*path, member), f"member {member}", "none")
    if "propertyNames" in error.schema_path:
        known = profile_schema()["$defs"][kind.value]["properties"]
        member = next(name for name in event if name.startswith(PREFIX) and name not in known)
        return refusal("profile_member", pointer(member), f"a member of {kind.value}", member[:80])
    if rule == "additionalProperties" and getattr(error.kind, "unexpected", None):
        member = str(getattr(error.kind, "unexpected", ("",))[0])
        return refusal("profile_member", pointer(*path, member), "a member of the profile", "another")
    if not path:  # of several members, none is there
        path = ["quantityList"]
    last = path[-1]
    code = "profile_value"
    if last in (f"{PREFIX}amount", f"{PREFIX}advance", f"{PREFIX}unitPrice", f"{PREFIX}currency"):
        code = "profile_amount"
    elif last in ("quantity", f"{PREFIX}quantity"):
        code = "profile_quantity"
    return MalformedError(
        f"expected a value that fits the construction profile ({rule or name}), got: {error.message[:200]}",
        code=code,
        where=pointer(*path),
    )


# The members that hold organisation codes, wherever they stand at the top of an event.
_CODE_MEMBERS: Final = frozenset(
    PREFIX + name
    for name in (
        "acceptedBy",
        "approver",
        "buyer",
        "carrier",
        "laboratory",
        "payee",
        "payer",
        "producer",
        "sampler",
        "supplier",
        "witness",
    )
)


def _codes(event: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for name in event:
        if name in _CODE_MEMBERS:
            value = event[name]
            if isinstance(value, list):
                yield from (((name, index), code) for index, code in enumerate(value))
            else:
                yield (name,), value
    for index, party in enumerate(many(event.get("yunshang:parties"))):
        place = (index,) if isinstance(event["yunshang:parties"], list) else ()
        yield ("yunshang:parties", *place, "yunshang:code"), party["yunshang:code"]
    for index, item in enumerate(event.get("bizTransactionList") or ()):
        found = _NUMBER.match(item["bizTransaction"])
        if found:
            yield ("bizTransactionList", index, "bizTransaction"), found[1]
    for members, member in (("sourceList", "source"), ("destinationList", "destination")):
        for index, item in enumerate(event.get(members) or ()):
            code = party_code(item.get(member))
            if code is not None:
                yield (members, index, member), code


@lru_cache(maxsize=4096)
def _is_code(code: str) -> bool:
    try:
        validate_uscc(code)
    except MalformedError:
        return False
    return True
