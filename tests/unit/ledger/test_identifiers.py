"""Organisation codes and building schemes."""

from __future__ import annotations

import pytest

from ledger.errors import MalformedError
from ledger.identifiers import DEFAULT_SCHEMES, BuildingScheme, check_digit, validate_uscc
from ledger.identifiers.uscc import ALPHABET


def test_check_digit_of_the_published_example() -> None:
    assert check_digit("91350100M000100Y4") == "3"
    assert validate_uscc("91350100M000100Y43") == "91350100M000100Y43"


def test_every_wrong_sign_is_noticed() -> None:
    code = "91350100M000100Y43"
    for position in range(18):
        for sign in ALPHABET:
            if sign != code[position]:
                with pytest.raises(MalformedError) as caught:
                    validate_uscc(code[:position] + sign + code[position + 1 :])
                assert caught.value.code == "check_digit"


@pytest.mark.parametrize(
    "code", ["", "91350100M000100Y4", "91350100M000100Y433", "91350100I000100Y43", "９1350100M000100Y43", None, 18]
)
def test_rejects_another_form(code: object) -> None:
    with pytest.raises(MalformedError) as caught:
        validate_uscc(code)
    assert caught.value.code == "organisation_code"


def test_own_scheme_is_labelled_as_no_standard() -> None:
    scheme = DEFAULT_SCHEMES.schemes["yunshang"]
    assert scheme.standard is None
    assert "非标准" in scheme.title_zh


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        ("yunshang", "440106-TH0001"),
        ("yunshang", "440106-TH-0001"),
        ("real-estate-unit", "440106001001GB00001F00010001"),
    ],
)
def test_accepts_identifiers(scheme: str, value: str) -> None:
    DEFAULT_SCHEMES.validate(scheme, value)


@pytest.mark.parametrize(
    ("scheme", "value", "code"),
    [
        ("jgj-496", "x", "building_scheme"),
        ("yunshang", "440106", "building_identifier"),
        ("yunshang", "440106-TH0001\n", "building_identifier"),
        ("real-estate-unit", "440106001001GB00001W0000000", "building_identifier"),
    ],
)
def test_rejects_identifiers(scheme: str, value: str, code: str) -> None:
    with pytest.raises(MalformedError) as caught:
        DEFAULT_SCHEMES.validate(scheme, value)
    assert caught.value.code == code


def test_schemes_can_be_added_once() -> None:
    scheme = BuildingScheme("local", None, title_zh="本地", title_en="local", validate=lambda value: None)
    registry = DEFAULT_SCHEMES.with_scheme(scheme)
    registry.validate("local", "anything")
    with pytest.raises(MalformedError):
        registry.with_scheme(scheme)
    with pytest.raises(MalformedError):
        DEFAULT_SCHEMES.validate("local", "anything")
