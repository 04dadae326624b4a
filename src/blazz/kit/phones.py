"""Phone numbers: what people type, E.164 for storage, WhatsApp addresses."""

from __future__ import annotations

import functools
import re

import phonenumbers

from blazz.kit.errors import FieldError, invalid

PHONE_SERVER = "@s.whatsapp.net"
LID_SERVER = "@lid"


def parse_phone(text: str, default_country: str, *, field: str = "phone") -> str:
    """Return E.164 with plus. A number without country code is read as one of `default_country` (ISO 3166).

    Digits that are no number of that country, but one with their own country code, are that (WhatsApp writes numbers
    without the plus). Raises BlazzError `invalid_phone` (422) with an error for `field`.
    """
    phone = _e164(text, default_country)
    if phone is None:
        raise _wrong(field)
    return phone


@functools.lru_cache(maxsize=10_000)  # the same few numbers are written to again and again
def _e164(text: str, default_country: str) -> str | None:
    text = _MEXICAN_MOBILE.sub("+52", text)
    try:
        number = phonenumbers.parse(text, default_country or None)
    except phonenumbers.NumberParseException:
        return None
    if "+" not in text and not phonenumbers.is_valid_number(number):
        number = _international(text) or number
    # "possible", not "valid": numbering plans change faster than the library's tables
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _international(text: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(f"+{text}", None)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def phone_forms(phone: str) -> tuple[str, ...]:
    """Return every form (E.164) under which WhatsApp may know an E.164 number, the given one first.

    Accounts keep the form that they were made with: Brazil gave mobile numbers a leading 9 (2012-2016), Argentina's
    carry a 9 after the country code when called from abroad, Mexico's carried a 1 until 2019. In each plan the two
    forms belong to one subscriber, never to two.
    """
    for pattern, other in _FORMS:
        match = pattern.fullmatch(phone)
        if match is not None:
            return phone, other.format(*match.groups())
    return (phone,)


# Eight-digit Brazilian numbers that begin with 2 to 5 are landlines, which got no 9.
_FORMS = (
    (re.compile(r"\+55([1-9][1-9])9([6-9]\d{7})"), "+55{}{}"),
    (re.compile(r"\+55([1-9][1-9])([6-9]\d{7})"), "+55{}9{}"),
    (re.compile(r"\+549(\d{10})"), "+54{}"),
    (re.compile(r"\+54([1-8]\d{9})"), "+549{}"),
    (re.compile(r"\+521(\d{10})"), "+52{}"),
    (re.compile(r"\+52([2-9]\d{9})"), "+521{}"),
)
# WhatsApp still writes the old 1, which no valid number has any more.
_MEXICAN_MOBILE = re.compile(r"^\s*\+\s*52[\s.()-]*1(?=(?:[\s.()-]*\d){10}\s*$)")


def phone_address(phone: str) -> str:
    """Return the WhatsApp address of an E.164 number."""
    return phone.removeprefix("+") + PHONE_SERVER


def lid_address(lid: str) -> str:
    """Return the WhatsApp address of a LID (digits)."""
    return lid + LID_SERVER


def _wrong(field: str) -> Exception:
    text = "Not a phone number. Write it with its country code, e.g. +6281234567890."
    return invalid(text, code="invalid_phone", errors=[FieldError(field, text, "invalid_phone")])
