"""Identifiers of organisations and buildings."""

from ledger.identifiers.buildings import DEFAULT_SCHEMES, BuildingScheme, SchemeRegistry
from ledger.identifiers.uscc import check_digit, validate_uscc

__all__ = [
    "DEFAULT_SCHEMES",
    "BuildingScheme",
    "SchemeRegistry",
    "check_digit",
    "validate_uscc",
]
