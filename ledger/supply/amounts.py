"""Money and quantities as decimals: amounts are text with two places, quantities the shortest decimal of their number.

Source: docs/supply-profile.md section 3. No sum of the supply chain is ever made with floats.
"""

from __future__ import annotations

import re
from decimal import Context, Decimal
from typing import Any, Final

from ledger.errors import MalformedError

__all__ = ["CURRENCY", "EXACT", "PIECES", "amount_text", "parse_amount", "parse_quantity", "quantity_text", "unit_of"]

CURRENCY: Final = "CNY"
PIECES: Final = ""
"""The unit of things that are counted: no uom, or one of the codes that say the same."""
EXACT: Final = Context(prec=60)
"""Wide enough that no sum or product of the profile's numbers is ever rounded."""

_AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,14})\.[0-9]{2}\Z")
_DECIMAL: Final = re.compile(r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?\Z")
_COUNTS: Final = frozenset({"", "C62", "EA", "H87"})


def parse_amount(value: Any, where: str = "") -> Decimal:
    """Read an amount of money.

    Args:
        value: decimal text in yuan, such as `1234.50`: exactly two places, no sign, no exponent, at most 15 digits
            before the point.
        where: place for the error text.

    Raises:
        MalformedError: anything else, a JSON number included (code `profile_amount`).
    """
    if not isinstance(value, str) or not _AMOUNT.match(value):
        raise MalformedError(
            f"expected an amount such as 1234.50 (text, two decimal places), got {value!r:.80}",
            code="profile_amount",
            where=where,
            actual=value,
        )
    return Decimal(value)


def amount_text(amount: Decimal) -> str:
    """Write an amount of money with exactly two places.

    Raises:
        MalformedError: it is negative, not finite or has more places than two.
    """
    if not amount.is_finite() or amount < 0 or amount != amount.quantize(Decimal("0.01"), context=EXACT):
        raise MalformedError(
            f"expected an amount of whole fen, got {amount}", code="profile_amount", actual=str(amount)
        )
    return f"{amount:.2f}"


def parse_quantity(value: Any, where: str = "") -> Decimal:
    """Read a quantity.

    Args:
        value: a number above zero, as EPCIS has it, or decimal text, as the profile's own members have it. A float
            is taken for the shortest decimal that reads back as it: 0.1 is one tenth.
        where: place for the error text.

    Raises:
        MalformedError: not a finite number above zero (code `profile_quantity`).
    """
    if (isinstance(value, str) and _DECIMAL.match(value)) or type(value) in (int, float):
        found = Decimal(value if isinstance(value, str) else repr(value))
        if found.is_finite() and found > 0:
            return found
    raise MalformedError(
        f"expected a quantity above zero, got {value!r:.80}", code="profile_quantity", where=where, actual=value
    )


def quantity_text(quantity: Decimal) -> str:
    """Write a quantity without exponent and without zeros at the end."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_of(uom: str | None) -> str:
    """Return the unit that quantities are added in: `PIECES` for none, C62, EA and H87; else the code itself.

    Args:
        uom: UN/ECE Recommendation 20 code, such as `TNE`, or None.
    """
    return PIECES if uom is None or uom in _COUNTS else uom
