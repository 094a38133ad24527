"""The unified social credit code (统一社会信用代码) of an organisation, GB 32100-2015."""

from __future__ import annotations

import re
from typing import Any

from ledger.errors import MalformedError

__all__ = ["ALPHABET", "check_digit", "validate_uscc"]

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUES = {sign: value for value, sign in enumerate(ALPHABET)}
_FORM = re.compile(f"[{ALPHABET}]{{18}}")
_WEIGHTS = tuple(pow(3, position, 31) for position in range(17))


def check_digit(prefix17: str) -> str:
    """Compute the 18th sign.

    Args:
        prefix17: the first 17 signs, of `ALPHABET`.

    Returns:
        One sign of `ALPHABET`: (31 − Σ CᵢWᵢ mod 31) mod 31 with Wᵢ = 3^(i−1) mod 31.

    Raises:
        MalformedError: another length, or a sign outside the alphabet.
    """
    if len(prefix17) != 17 or not all(sign in _VALUES for sign in prefix17):
        raise MalformedError(
            f"expected 17 signs of {ALPHABET}, got {prefix17!r}",
            code="organisation_code",
            actual=prefix17,
        )
    total = sum(_VALUES[sign] * weight for sign, weight in zip(prefix17, _WEIGHTS, strict=True))
    return ALPHABET[(31 - total % 31) % 31]


def validate_uscc(code: Any, where: str = "") -> str:
    """Check a code's form and check digit; the region and the registration are not checked.

    Args:
        code: 18 uppercase signs.
        where: place for the error text.

    Returns:
        The code unchanged.

    Raises:
        MalformedError: `organisation_code` for the form, `check_digit` for the last sign.
    """
    if not isinstance(code, str) or not _FORM.fullmatch(code):
        raise MalformedError(
            f"expected an organisation code of 18 signs of {ALPHABET}, got {code!r}",
            code="organisation_code",
            where=where,
            actual=code,
        )
    expected = check_digit(code[:17])
    if code[17] != expected:
        raise MalformedError(
            f"expected check digit {expected}, got {code[17]} in {code}",
            code="check_digit",
            where=where,
            expected=expected,
            actual=code[17],
        )
    return code
