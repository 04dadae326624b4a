"""Phone numbers: what people type, E.164 for storage, WhatsApp addresses."""

from __future__ import annotations

import phonenumbers

from blazz.kit.errors import FieldError, invalid

PHONE_SERVER = "@s.whatsapp.net"
LID_SERVER = "@lid"


def parse_phone(text: str, default_country: str, *, field: str = "phone") -> str:
    """Return E.164 with plus. A number without country code is read as one of `default_country` (ISO 3166).

    Digits that are no number of that country, but one with their own country code, are that (WhatsApp writes numbers
    without the plus). Raises BlazzError `invalid_phone` (422) with an error for `field`.
    """
    try:
        number = phonenumbers.parse(text, default_country or None)
    except phonenumbers.NumberParseException:
        raise _wrong(field) from None
    if "+" not in text and not phonenumbers.is_valid_number(number):
        number = _international(text) or number
    # "possible", not "valid": numbering plans change faster than the library's tables
    if not phonenumbers.is_possible_number(number):
        raise _wrong(field)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _international(text: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(f"+{text}", None)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def phone_address(phone: str) -> str:
    """Return the WhatsApp address of an E.164 number."""
    return phone.removeprefix("+") + PHONE_SERVER


def lid_address(lid: str) -> str:
    """Return the WhatsApp address of a LID (digits)."""
    return lid + LID_SERVER


def _wrong(field: str) -> Exception:
    text = "Not a phone number. Write it with its country code, e.g. +6281234567890."
    return invalid(text, code="invalid_phone", errors=[FieldError(field, text, "invalid_phone")])
