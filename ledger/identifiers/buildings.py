"""Building identifiers: pairs of a scheme and a value, each scheme with its own validator.

The final structure of the standard building code (JGJ/T 496-2022) is not known to us, so no scheme
here claims it; a city adds its own with `SchemeRegistry.with_scheme`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from ledger.errors import MalformedError

__all__ = ["DEFAULT_SCHEMES", "BuildingScheme", "SchemeRegistry", "ValueValidator"]

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")


class ValueValidator(Protocol):
    """Checks a value of one scheme. MUST be pure and MUST raise MalformedError, never return."""

    def __call__(self, value: str) -> None:
        """Raise MalformedError unless the value is well-formed."""


@dataclass(frozen=True, slots=True)
class BuildingScheme:
    """One scheme of building identifiers.

    Attributes:
        name: lowercase ASCII, at most 32 signs; part of the building key's preimage.
        standard: the standard it follows, or None: a local convention, and shown as such.
        title_zh: Chinese name.
        title_en: English name.
        validate: check of a value.
    """

    name: str
    standard: str | None
    title_zh: str = field(kw_only=True)
    title_en: str = field(kw_only=True)
    validate: ValueValidator = field(kw_only=True)


def _pattern(expression: str) -> ValueValidator:
    compiled = re.compile(expression)

    def validate(value: str) -> None:
        if not compiled.fullmatch(value):
            raise MalformedError(
                f"expected a building identifier of the form {expression}, got {value!r}",
                code="building_identifier",
                actual=value,
            )

    return validate


@dataclass(frozen=True, slots=True)
class SchemeRegistry:
    """The schemes an installation knows, by name."""

    schemes: Mapping[str, BuildingScheme]

    def with_scheme(self, scheme: BuildingScheme) -> SchemeRegistry:
        """Return a registry with one more scheme.

        Raises:
            MalformedError: the name is taken or not lowercase ASCII.
        """
        if scheme.name in self.schemes or not _NAME.match(scheme.name):
            raise MalformedError(
                f"expected a new lowercase scheme name, got {scheme.name!r}",
                code="building_scheme",
                actual=scheme.name,
            )
        return SchemeRegistry(MappingProxyType({**self.schemes, scheme.name: scheme}))

    def validate(self, scheme: str, value: str) -> None:
        """Check a pair by its scheme's rules.

        Raises:
            MalformedError: `building_scheme` for an unknown scheme, `building_identifier` for a
                value it refuses.
        """
        known = self.schemes.get(scheme)
        if known is None:
            raise MalformedError(
                f"expected a scheme of {', '.join(sorted(self.schemes))}, got {scheme!r}",
                code="building_scheme",
                actual=scheme,
            )
        if value != unicodedata.normalize("NFC", value):
            raise MalformedError("expected a building identifier in NFC", code="building_identifier", actual=value)
        known.validate(value)


DEFAULT_SCHEMES = (
    SchemeRegistry(MappingProxyType({}))
    .with_scheme(
        BuildingScheme(
            "yunshang",
            None,
            title_zh="云上房屋建筑标识（自定，非标准）",
            title_en="Yunshang building identifier (our own, not a standard's)",
            # Region of 6 digits, then a local number: 440106-TH0001.
            validate=_pattern(r"[0-9]{6}-[A-Z0-9]{1,20}(-[A-Z0-9]{1,20})*"),
        )
    )
    .with_scheme(
        BuildingScheme(
            "real-estate-unit",
            "GB/T 37346-2019",
            title_zh="不动产单元代码",
            title_en="real estate unit code",
            validate=_pattern(r"[0-9]{12}[A-Z]{2}[0-9]{5}[A-Z][0-9]{8}"),
        )
    )
)
"""The schemes every installation starts with."""
