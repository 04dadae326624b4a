"""Numbers that WhatsApp knows under another form than the one that people type."""

from __future__ import annotations

import pytest

from blazz.kit.errors import BlazzError
from blazz.kit.phones import parse_phone, phone_forms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+5511987654321", "+551187654321"),
        ("+5491155551234", "+541155551234"),
        ("+5215512345678", "+525512345678"),
    ],
    ids=["brazil", "argentina", "mexico"],
)
def test_both_forms_lead_to_each_other(one: str, other: str) -> None:
    assert phone_forms(one) == (one, other)
    assert phone_forms(other) == (other, one)


@pytest.mark.parametrize(
    "phone", ["+6281234567890", "+551132345678", "+5511323456789", "+52155123456", "+5491155", "+15512345678"]
)
def test_other_numbers_have_one_form(phone: str) -> None:
    assert phone_forms(phone) == (phone,)


@pytest.mark.parametrize("typed", ["+5215512345678", "+52 1 55 1234 5678", "+52 (1) 55-1234-5678", "+525512345678"])
def test_the_old_mexican_one_is_taken_as_the_number_without_it(typed: str) -> None:
    assert parse_phone(typed, "") == "+525512345678"


def test_a_short_mexican_number_stays_wrong() -> None:
    with pytest.raises(BlazzError, match="invalid_phone"):
        parse_phone("+521551234567890123", "")
