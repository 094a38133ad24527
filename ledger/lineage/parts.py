"""What the record of a data set's version is made of. Source: docs/data-chain.md section 2."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256 as digest_of
from itertools import pairwise
from typing import Any, Final, TypeVar

from ledger import fields
from ledger.errors import MalformedError
from ledger.identifiers.uscc import validate_uscc
from ledger.lineage import names

__all__ = [
    "ACTIVITY",
    "DATASET",
    "Activity",
    "Attribute",
    "DatasetRef",
    "DatasetSource",
    "ExternalSource",
    "Interval",
    "Software",
    "Source",
    "in_order",
    "matched",
    "read_ref",
    "read_source",
]

DATASET: Final = "dataset"
ACTIVITY: Final = "activity"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/?#\[\]!$&'()*+,;=%-]{0,127}\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{1,1999}\Z")
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*\Z")
_T = TypeVar("_T")


def matched(value: Any, pattern: re.Pattern[str], expected: str, where: str, *, code: str | None = None) -> str:
    """Read a text that a pattern matches, or raise MalformedError."""
    if not isinstance(value, str) or not pattern.match(value):
        shown = repr(value)[:80]
        raise MalformedError(f"expected {expected}, got {shown}", code=code, where=where, actual=value)
    return value


def _uri(value: Any, where: str) -> str:
    return matched(value, _URI, "an absolute URI", where, code="uri")


def in_order(items: tuple[_T, ...], keys: Sequence[Any], where: str) -> tuple[_T, ...]:
    """Refuse items that are not in the order of their keys, or twice there: one record has one writing."""
    if any(former >= later for former, later in pairwise(keys)):
        raise MalformedError("expected items in order, each once", code="not_in_order", where=where)
    return items


@dataclass(frozen=True, slots=True, order=True)
class DatasetRef:
    """A data set's version by name.

    Attributes:
        dataset: a URI or another name of 1 to 128 ASCII signs that URIs may have, without `@`.
        version: 1 to 64 letters, digits, `.`, `_`, `+`, `-`, beginning with a letter or digit.
    """

    dataset: str
    version: str

    def __post_init__(self) -> None:
        matched(self.dataset, _ID, "a data set's name: a URI without @", "dataset", code="dataset_name")
        matched(self.version, _VERSION, "a version: letters, digits, . _ + -", "version", code="dataset_version")

    @property
    def text(self) -> str:
        """`dataset@version`."""
        return f"{self.dataset}@{self.version}"

    @property
    def key(self) -> bytes:
        """The data set's key, 32 bytes: of its name, the same for every version."""
        return self.key_of(self.dataset)

    @staticmethod
    def key_of(dataset: str) -> bytes:
        """The key of a data set by its name. Source: docs/data-chain.md section 1.

        Raises:
            MalformedError: `dataset_name`: it is none.
        """
        matched(dataset, _ID, "a data set's name: a URI without @", "dataset", code="dataset_name")
        return digest_of(b"yunshang/dataset/v1\x00" + dataset.encode("ascii")).digest()

    @classmethod
    def parse(cls, text: str) -> DatasetRef:
        """Read `dataset@version`.

        Raises:
            MalformedError: it is not of that form.
        """
        dataset, at, version = text.partition("@")
        if not at:
            raise MalformedError(f"expected DATASET@VERSION, got {text[:80]!r}", code="dataset_name")
        return cls(dataset, version)


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A version of a registered data set, or of one to be registered.

    Attributes:
        ref: its name.
        sha256: of the bytes that were used, 32 bytes.
    """

    ref: DatasetRef
    sha256: bytes

    @property
    def order(self) -> tuple[int, str, str]:
        """Its place among sources: data sets by name and version, then others by URI."""
        return (0, self.ref.dataset, self.ref.version)

    def to_json(self) -> dict[str, Any]:
        """Return `{"dataset", "sha256", "version"}`."""
        return {"dataset": self.ref.dataset, "sha256": self.sha256.hex(), "version": self.ref.version}


@dataclass(frozen=True, slots=True)
class ExternalSource:
    """Something that no archive registers.

    Attributes:
        uri: absolute, scheme in lower case, at most 2,000 signs.
        sha256: of the bytes that were used, 32 bytes, or None: not known.
    """

    uri: str
    sha256: bytes | None

    def __post_init__(self) -> None:
        _uri(self.uri, "uri")
        if self.uri.startswith(names.DATASET_NAMESPACE):
            raise MalformedError("expected a data set under its name, got it as a URI", code="uri", where="uri")

    @property
    def order(self) -> tuple[int, str, str]:
        """Its place among sources; see `DatasetSource`."""
        return (1, self.uri, "")

    def to_json(self) -> dict[str, Any]:
        """Return `{"sha256", "uri"}`."""
        return {"sha256": None if self.sha256 is None else self.sha256.hex(), "uri": self.uri}


Source = DatasetSource | ExternalSource


@dataclass(frozen=True, slots=True)
class Interval:
    """A time from begin to end, both aware UTC in whole seconds, both included."""

    begin: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.end < self.begin:
            raise MalformedError("expected an end not before the begin, got one before it", code="interval")

    def to_json(self) -> dict[str, Any]:
        """Return `{"begin", "end"}`."""
        return {"begin": fields.utc_text(self.begin), "end": fields.utc_text(self.end)}

    @classmethod
    def from_json(cls, value: Any, where: str) -> Interval:
        """Read what `to_json` gave; raises MalformedError."""
        read = fields.members(value, ("begin", "end"), where)
        begin = fields.utc_time(read["begin"], f"{where}.begin")
        end = fields.utc_time(read["end"], f"{where}.end")
        if end < begin:
            raise MalformedError("expected an end not before the begin", code="interval", where=f"{where}.end")
        return cls(begin, end)


@dataclass(frozen=True, slots=True)
class Software:
    """A program that was used.

    Attributes:
        name: a text.
        version: a text, or None.
        uri: under which PROV of others knows it, or None.
    """

    name: str
    version: str | None = None
    uri: str | None = None

    @property
    def order(self) -> tuple[str, str, str]:
        """Its place among programs."""
        return (self.name, self.version or "", self.uri or "")

    def to_json(self) -> dict[str, Any]:
        """Return `{"name", "uri", "version"}`."""
        return {"name": self.name, "uri": self.uri, "version": self.version}


@dataclass(frozen=True, slots=True)
class Activity:
    """What made the version.

    Attributes:
        what: a text; it may have lines.
        period: when, or None.
        performed_by: code of the organisation that did it, or None.
        software: by name.
    """

    what: str
    period: Interval | None = field(default=None, kw_only=True)
    performed_by: str | None = field(default=None, kw_only=True)
    software: tuple[Software, ...] = field(default=(), kw_only=True)

    def to_json(self) -> dict[str, Any]:
        """Return `{"performed_by", "period", "software", "what"}`."""
        return {
            "performed_by": self.performed_by,
            "period": None if self.period is None else self.period.to_json(),
            "software": [item.to_json() for item in self.software],
            "what": self.what,
        }

    @classmethod
    def from_json(cls, value: Any, where: str) -> Activity:
        """Read what `to_json` gave; raises MalformedError."""
        read = fields.members(value, ("performed_by", "period", "software", "what"), where)
        software = tuple(
            _software(item, f"{where}.software[{index}]")
            for index, item in enumerate(fields.sequence_of(read["software"], f"{where}.software"))
        )
        return cls(
            fields.text(read["what"], f"{where}.what", lines=True),
            period=fields.optional(read["period"], Interval.from_json, f"{where}.period"),
            performed_by=fields.optional(read["performed_by"], validate_uscc, f"{where}.performed_by"),
            software=in_order(software, [item.order for item in software], f"{where}.software"),
        )


def _software(value: Any, where: str) -> Software:
    read = fields.members(value, ("name", "uri", "version"), where)
    return Software(
        fields.text(read["name"], f"{where}.name"),
        fields.optional(read["version"], fields.text, f"{where}.version"),
        fields.optional(read["uri"], _uri, f"{where}.uri"),
    )


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something said of the version that no member is for, such as its coordinate system.

    Attributes:
        of: what it is said of: `DATASET`, `ACTIVITY`, or the code of one of the record's organisations.
        name: absolute URI.
        value: a text; it may have lines, or be empty.
        type: absolute URI of its data type, or None: a string.
        language: of a string, a language tag, or None.
    """

    of: str
    name: str
    value: str
    type: str | None = None
    language: str | None = None

    @property
    def order(self) -> tuple[str, str, str, str, str]:
        """Its place among attributes."""
        return (self.of, self.name, self.value, self.type or "", self.language or "")

    def to_json(self) -> dict[str, Any]:
        """Return `{"language", "name", "of", "type", "value"}`."""
        return {
            "language": self.language,
            "name": self.name,
            "of": self.of,
            "type": self.type,
            "value": self.value,
        }

    @classmethod
    def from_json(cls, value: Any, where: str) -> Attribute:
        """Read what `to_json` gave; raises MalformedError."""
        read = fields.members(value, ("language", "name", "of", "type", "value"), where)
        text = read["value"] if read["value"] == "" else fields.text(read["value"], f"{where}.value", lines=True)
        kind = fields.optional(read["type"], _uri, f"{where}.type")
        language = read["language"]
        if language is not None:
            matched(language, _LANGUAGE, "a language tag", f"{where}.language")
            if kind is not None:
                raise MalformedError("expected a string with a language, got another type", where=f"{where}.type")
        if kind in (names.XSD + "string", names.XSD + "QName"):
            raise MalformedError("expected null for a string", code="attribute_type", where=f"{where}.type")
        if kind == names.QUALIFIED_NAME:
            _uri(text, f"{where}.value")
        found = cls(fields.text(read["of"], f"{where}.of"), _uri(read["name"], f"{where}.name"), text, kind, language)
        if names.is_reserved(found.of, found.name, found.value, language=language):
            raise MalformedError(
                f"expected a name that no member is for, got {found.name}",
                code="attribute_reserved",
                where=f"{where}.name",
            )
        return found


def read_ref(read: Any, where: str) -> DatasetRef:
    """Read the members `dataset` and `version` of an object; raises MalformedError."""
    return DatasetRef(
        matched(read["dataset"], _ID, "a data set's name: a URI without @", f"{where}.dataset", code="dataset_name"),
        matched(
            read["version"], _VERSION, "a version: letters, digits, . _ + -", f"{where}.version", code="dataset_version"
        ),
    )


def read_source(value: Any, where: str) -> Source:
    """Read one of `derived_from`; raises MalformedError."""
    if isinstance(value, dict) and "uri" in value:
        read = fields.members(value, ("sha256", "uri"), where)
        return ExternalSource(
            _uri(read["uri"], f"{where}.uri"), fields.optional(read["sha256"], fields.hex_bytes, f"{where}.sha256")
        )
    read = fields.members(value, ("dataset", "sha256", "version"), where)
    return DatasetSource(read_ref(read, where), fields.hex_bytes(read["sha256"], f"{where}.sha256"))
