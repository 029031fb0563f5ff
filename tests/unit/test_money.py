"""Amounts keep every digit on the way in and out, and nothing that is not an amount gets in."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambist.money import AmountInvalid, BetweenSteps, TooPrecise, format_atoms, parse_atoms, parse_steps

scales = st.integers(0, 18)
digits = st.text("0123456789", min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "scale", "atoms"),
    [
        ("0", 8, 0),
        ("1", 0, 1),
        ("0.5", 8, 50_000_000),
        ("0.00000001", 8, 1),
        ("007.50", 2, 750),
        ("50000.00000000", 2, 5_000_000),
        ("99999999999999999999.99999999", 8, 9_999_999_999_999_999_999_999_999_999),
    ],
)
def test_an_amount_is_read_exactly(text, scale, atoms):
    assert parse_atoms(text, scale) == atoms


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".5",
        "1.2.3",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1\n",
        "1_000",
        "1,5",
        "1e5",
        "1e1000000",
        "0x10",
        "NaN",
        "inf",
        "Infinity",
        "١٢",
        "１２",
        "1.５",
        "²",
        "1" * 21,
        "1" * 40,
        "0." + "0" * 21,
        "9" * 1_000_000,
        "1\x00",
    ],
)
def test_what_is_no_decimal_number_is_refused(text):
    with pytest.raises(AmountInvalid) as refusal:
        parse_atoms(text, 8)
    assert not isinstance(refusal.value, TooPrecise)
    assert len(str(refusal.value)) < 150


def test_one_decimal_more_than_the_scale_is_too_precise_unless_it_is_zero():
    assert parse_atoms("1.23456789", 8) == 123_456_789
    assert parse_atoms("1.234567890", 8) == 123_456_789
    with pytest.raises(TooPrecise):
        parse_atoms("1.234567891", 8)


def test_a_price_between_two_ticks_is_refused_and_its_neighbours_are_not():
    assert parse_steps("100.05", 8, 5_000_000) == 2001
    assert parse_steps("100.10", 8, 5_000_000) == 2002
    with pytest.raises(BetweenSteps):
        parse_steps("100.06", 8, 5_000_000)


@pytest.mark.parametrize(
    ("atoms", "scale", "text"),
    [
        (0, 8, "0.00000000"),
        (1, 8, "0.00000001"),
        (100_000_000, 8, "1.00000000"),
        (12_345, 2, "123.45"),
        (12, 2, "0.12"),
        (7, 0, "7"),
        (-150, 2, "-1.50"),
        (-1, 8, "-0.00000001"),
    ],
)
def test_an_amount_is_written_with_all_decimals_of_its_scale(atoms, scale, text):
    assert format_atoms(atoms, scale) == text


@given(atoms=st.integers(0, 10**20 - 1), scale=scales)
def test_what_was_written_reads_back_as_the_same_amount(atoms, scale):
    assert parse_atoms(format_atoms(atoms, scale), scale) == atoms


@given(whole=digits, decimals=digits, scale=scales)
def test_reading_agrees_with_exact_arithmetic(whole, decimals, scale):
    text = f"{whole}.{decimals}"
    exact = Fraction(text) * 10**scale
    try:
        assert parse_atoms(text, scale) == exact
    except TooPrecise:
        assert exact.denominator > 1


@given(st.text(max_size=60))
def test_any_text_is_either_read_or_refused(text):
    with contextlib.suppress(AmountInvalid):
        assert parse_atoms(text, 18) >= 0


@given(steps=st.integers(0, 10**12), step_atoms=st.integers(1, 10**7), scale=scales)
def test_whole_steps_come_back_as_their_number(steps, step_atoms, scale):
    assert parse_steps(format_atoms(steps * step_atoms, scale), scale, step_atoms) == steps
