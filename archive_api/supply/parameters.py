"""Query parameters of the EPCIS 2.0 query language: their names, and their values out of an address or out of JSON.

Source: EPCIS 2.0 section 8.2.7.1, and the parameters of its OpenAPI document.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NoReturn

from archive_api.errors import MalformedError
from ledger.errors import MalformedError as CoreMalformedError
from ledger.supply.times import instant

__all__ = ["FIXED", "Form", "Moment", "form_of", "from_address", "from_json", "microseconds", "refuse_parameter"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_VALUES: Final = 200
_MAX_CHARACTERS: Final = 4_000
_MAX_NAME_CHARACTERS: Final = 500
"""The patterns below try every place in a name."""
_MAX_PARAMETERS: Final = 50


class Form(StrEnum):
    """What a parameter's value is."""

    LIST = "a list of texts"
    TIME = "a time with its zone, such as 2026-01-31T08:00:00+08:00"
    NUMBER = "a number"
    NUMBERS = "a list of numbers"
    COUNT = "a whole number from 1"
    FLAG = "true or false"
    TEXT = "a text"
    ANY = "a list of texts, a number or a time"
    SIZE = "a number or a time"


def _named(form: Form, names: str) -> dict[str, Form]:
    return dict.fromkeys(names.split(), form)


FIXED: Final[Mapping[str, Form]] = {
    **_named(
        Form.LIST,
        "eventType EQ_action EQ_bizStep EQ_disposition EQ_persistentDisposition_set EQ_persistentDisposition_unset"
        " EQ_readPoint WD_readPoint EQ_bizLocation WD_bizLocation EQ_transformationID MATCH_epc MATCH_parentID"
        " MATCH_inputEPC MATCH_outputEPC MATCH_anyEPC MATCH_epcClass MATCH_inputEPCClass MATCH_outputEPCClass"
        " MATCH_anyEPCClass EQ_eventID EQ_errorReason EQ_correctiveEventID EQ_type EQ_deviceID EQ_dataProcessingMethod"
        " EQ_microorganism EQ_chemicalSubstance EQ_bizRules EQ_stringValue EQ_hexBinaryValue EQ_uriValue",
    ),
    **_named(
        Form.TIME,
        "GE_eventTime LT_eventTime GE_recordTime LT_recordTime GE_errorDeclarationTime LT_errorDeclarationTime"
        " GE_errorDeclaration_Time LT_errorDeclaration_Time GE_startTime LT_startTime GE_endTime LT_endTime"
        " GE_time LT_time",
    ),
    **_named(
        Form.NUMBER, "GT_quantity GE_quantity LT_quantity LE_quantity GE_percRank GT_percRank LT_percRank LE_percRank"
    ),
    "EQ_quantity": Form.NUMBERS,
    **_named(Form.FLAG, "EXISTS_errorDeclaration EXISTS_sensorElementList EQ_booleanValue"),
    **_named(Form.COUNT, "eventCountLimit maxEventCount"),
    **_named(Form.TEXT, "orderBy orderDirection"),
}
"""Parameters whose names are fixed."""

_FLEXIBLE: Final = (
    (re.compile(r"EQ_(bizTransaction|source|destination)_.+"), Form.LIST),
    (re.compile(r"EQ_(quantity|value)_[A-Z0-9]{2,4}"), Form.NUMBERS),
    (re.compile(r"(GT|GE|LT|LE)_(quantity|(min|max|mean|perc)?[vV]alue|sDev)_[A-Z0-9]{2,4}"), Form.NUMBER),
    (re.compile(r"EXISTS_(INNER_)?((ILMD|ERROR_DECLARATION)_)?[^_]*[:#/].+"), Form.FLAG),
    (re.compile(r"EQ_(INNER_)?((ILMD|ERROR_DECLARATION)_)?[^_]*[:#/].+"), Form.ANY),
    (re.compile(r"(GT|GE|LT|LE)_(INNER_)?((ILMD|ERROR_DECLARATION)_)?[^_]*[:#/].+"), Form.SIZE),
)


def form_of(name: str) -> Form:
    """What a parameter's value has to be.

    Raises:
        MalformedError: no parameter, or one that is not supported (code `query_parameter`).
    """
    if len(name) > _MAX_NAME_CHARACTERS:
        return refuse_parameter(name, f"a name of at most {_MAX_NAME_CHARACTERS} characters", "a longer one")
    form = FIXED.get(name) or next((form for pattern, form in _FLEXIBLE if pattern.fullmatch(name)), None)
    if form is not None:
        return form
    if name.startswith(("HASATTR_", "EQ_ATTR_")):
        return refuse_parameter(name, "a parameter that needs no master data", "one about attributes of master data")
    return refuse_parameter(name, "a parameter of the EPCIS query language", "another one")


def from_address(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Read parameters out of an address; the values of a list are divided by `|`.

    Args:
        pairs: names with texts, decoded.

    Returns:
        Values by name: list of str, datetime as µs (`int`), float, bool, or str; see `Form`.

    Raises:
        MalformedError: one that is none, given twice, or with another value (code `query_parameter`).
    """
    read: dict[str, Any] = {}
    for name, text in pairs:
        _require_room(len(read))
        if name in read:
            refuse_parameter(name, "each parameter once", "it twice")
        form = form_of(name)
        match form:
            case Form.LIST:
                value: Any = text.split("|")
            case Form.NUMBERS:
                value = [_number(name, part) for part in text.split("|")]
            case Form.NUMBER:
                value = _number(name, text)
            case Form.COUNT:
                value = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text
            case Form.FLAG:
                value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
            case Form.ANY | Form.SIZE:
                value = _guessed(text, many=form is Form.ANY)
            case _:
                value = text
        read[name] = _checked(name, form, value)
    return read


def from_json(query: Mapping[str, Any]) -> dict[str, Any]:
    """Read parameters of a named query; values as `from_address` gives them.

    Raises:
        MalformedError: as `from_address`.
    """
    given = {name: value for name, value in query.items() if name != "@context"}
    _require_room(len(given) - 1)
    return {name: _checked(name, form_of(name), value) for name, value in given.items()}


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware time."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def refuse_parameter(name: str, expected: str, got: object) -> NoReturn:
    """Refuse a parameter by its name."""
    raise MalformedError(
        f"expected {expected}, got {str(got)[:80]} in {name[:80]}", code="query_parameter", parameter=name[:200]
    )


def _require_room(count: int) -> None:
    """Refuse more parameters than are asked of every record that is looked at."""
    if count >= _MAX_PARAMETERS:
        raise MalformedError(f"expected at most {_MAX_PARAMETERS} parameters, got more", code="query_too_complex")


def _checked(name: str, form: Form, value: Any) -> Any:
    read = _READERS[form](value)
    return refuse_parameter(name, form.value, repr(value)) if read is None else read


class Moment(int):
    """A time among values that may be numbers too: microseconds since 1970."""


def _guessed(text: str, *, many: bool) -> Any:
    if _time(text) is not None:
        return text
    try:
        return float(text)
    except ValueError:
        return text.split("|") if many else text


def _is_texts(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= _MAX_VALUES
        and all(isinstance(item, str) and 0 < len(item) <= _MAX_CHARACTERS and "\0" not in item for item in value)
    )


def _is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _texts(value: Any) -> list[str] | None:
    return value if _is_texts(value) else None


def _sizes(value: Any) -> list[float] | None:
    if isinstance(value, list) and 0 < len(value) <= _MAX_VALUES and all(map(_is_size, value)):
        return [float(item) for item in value]
    return None


def _size(value: Any) -> float | None:
    return float(value) if _is_size(value) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def _flag(value: Any) -> bool | None:
    """`null` stands for true: in the schema of JSON queries the presence of `EXISTS_…` is what counts."""
    if value is None or (isinstance(value, bool | int) and value in (0, 1)):
        return value is None or bool(value)
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_CHARACTERS else None


def _moment(value: Any) -> Moment | None:
    moment = _time(value) if isinstance(value, str) else None
    return None if moment is None else Moment(moment)


def _size_or_moment(value: Any) -> Any:
    size = _size(value)
    return _moment(value) if size is None else size


def _anything(value: Any) -> Any:
    found = _size_or_moment(value)
    return _texts(value) if found is None else found


_READERS: Final[Mapping[Form, Callable[[Any], Any]]] = {
    Form.LIST: _texts,
    Form.NUMBERS: _sizes,
    Form.NUMBER: _size,
    Form.COUNT: _count,
    Form.FLAG: _flag,
    Form.TEXT: _text,
    Form.TIME: _moment,
    Form.SIZE: _size_or_moment,
    Form.ANY: _anything,
}


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        refuse_parameter(name, "a number", repr(text))


def _time(text: str) -> int | None:
    try:
        return microseconds(instant(text))
    except CoreMalformedError:
        return None
