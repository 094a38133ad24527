"""Money and quantities: exact decimals, and nothing else taken."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.supply.amounts import PIECES, amount_text, parse_amount, parse_quantity, quantity_text, unit_of


@given(st.integers(0, 10**17 - 1))
def test_amounts_read_back_as_written(fen: int) -> None:
    amount = Decimal(fen).scaleb(-2)
    assert parse_amount(amount_text(amount)) == amount


@pytest.mark.parametrize(
    "value",
    [
        *(
            "1e3",
            "1E3",
            "1.5",
            "1.234",
            "100",
            "-1.00",
            "+1.00",
            "01.00",
            ".50",
            "1,000.00",
            "NaN",
            "",
            " 1.00",
            "1.00\n",
        ),
        *(1, 1.25, None, True, "1" * 16 + ".00", "１.００"),
    ],
)
def test_refuses_an_amount_of_another_form(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_amount(value, "/yunshang:amount")
    assert (caught.value.code, caught.value.where) == ("profile_amount", "/yunshang:amount")


@pytest.mark.parametrize("value", ["-0.01", "0.001", "NaN", "Infinity"])
def test_writes_no_amount_that_is_not_whole_fen(value: str) -> None:
    with pytest.raises(MalformedError):
        amount_text(Decimal(value))


@given(st.floats(min_value=1e-6, max_value=1e12, allow_nan=False))
def test_a_quantity_is_the_shortest_decimal_of_its_number(number: float) -> None:
    quantity = parse_quantity(number)
    assert float(quantity) == number
    assert quantity == Decimal(repr(number))
    assert Decimal(quantity_text(quantity)) == quantity


def test_a_tenth_three_times_is_exactly_three_tenths() -> None:
    assert sum((parse_quantity(0.1) for _ in range(3)), Decimal(0)) == parse_quantity(0.3)


@pytest.mark.parametrize("value", [0, -1, -0.5, float("nan"), float("inf"), "0", "1e3", "-1", True, None, [1]])
def test_refuses_a_quantity_that_is_not_above_zero(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_quantity(value)
    assert caught.value.code == "profile_quantity"


def test_pieces_have_several_codes_and_other_units_one() -> None:
    assert {unit_of(code) for code in (None, "C62", "EA", "H87")} == {PIECES}
    assert unit_of("KGM") != unit_of("TNE")


def test_quantities_are_shown_without_exponent() -> None:
    assert quantity_text(Decimal("1E+3")) == "1000"
    assert quantity_text(Decimal("12.500")) == "12.5"
