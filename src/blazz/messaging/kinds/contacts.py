"""Cards of people. The API has Meta's contact objects, WhatsApp has vCards; a row keeps the vCards."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import ContactMessage, Message
from blazz.kit.http import RequestModel
from blazz.messaging.kinds import vcard
from blazz.messaging.kinds.base import Content, Decoded, Draft, Kind, Lookup, Outgoing, Row

CARDS_MAX = 100  # cards in one message of ours; WhatsApp's apps send at most 257
_READ_MAX = 257
# The components of N and ADR, in their order; the first two of an address are post box and extension.
_NAME_PARTS = ("last_name", "first_name", "middle_name", "prefix", "suffix")
_ADDRESS_PARTS = ("", "", "street", "city", "state", "zip", "country")
Short = Annotated[str, Field(max_length=256)]


class CardName(RequestModel):
    """A person's name; `formatted_name` is how it is shown."""

    formatted_name: str = Field(min_length=1, max_length=256)
    first_name: Short | None = None
    last_name: Short | None = None
    middle_name: Short | None = None
    prefix: Short | None = None
    suffix: Short | None = None


class CardPhone(RequestModel):
    """A number; `wa_id` are its digits where it is on WhatsApp."""

    phone: Short | None = None
    type: Short | None = None
    wa_id: str | None = Field(None, pattern=r"^[0-9]{5,20}$")


class CardEmail(RequestModel):
    """An e-mail address."""

    email: Short | None = None
    type: Short | None = None


class CardUrl(RequestModel):
    """A web address."""

    url: str | None = Field(None, max_length=2048)
    type: Short | None = None


class CardAddress(RequestModel):
    """A postal address."""

    street: Short | None = None
    city: Short | None = None
    state: Short | None = None
    zip: Short | None = None
    country: Short | None = None
    country_code: Short | None = None
    type: Short | None = None


class CardCompany(RequestModel):
    """Where the person works."""

    company: Short | None = None
    department: Short | None = None
    title: Short | None = None


class ContactCard(RequestModel):
    """A person's card."""

    name: CardName
    phones: list[CardPhone] = Field(default_factory=list, max_length=20)
    emails: list[CardEmail] = Field(default_factory=list, max_length=20)
    urls: list[CardUrl] = Field(default_factory=list, max_length=20)
    addresses: list[CardAddress] = Field(default_factory=list, max_length=20)
    org: CardCompany | None = None
    birthday: str | None = Field(None, pattern=r"^\d{4}-\d{2}-\d{2}$")


Cards = Annotated[list[ContactCard], Field(min_length=1, max_length=CARDS_MAX)]


class Contacts(Kind):
    """`contactMessage` is one card, `contactsArrayMessage` several."""

    name = "contacts"
    fields = ("contactMessage", "contactsArrayMessage")
    request = Cards
    view = list[ContactCard]
    forwards = True

    def decode(self, message: Message, field: str) -> Decoded:
        parts = [message.contactMessage] if field == "contactMessage" else message.contactsArrayMessage.contacts
        cards = [{"name": part.displayName, "vcard": vcard.without_picture(part.vcard)} for part in parts[:_READ_MAX]]
        return Decoded("contacts", ", ".join(item["name"] for item in cards) or None, {"cards": cards})

    def draft(self, content: list[ContactCard], lookup: Lookup) -> Draft:
        cards = [{"name": one.name.formatted_name, "vcard": write(one)} for one in content]
        return Draft(", ".join(item["name"] for item in cards), {"cards": cards})

    def encode(self, outgoing: Outgoing) -> Message:
        parts = [ContactMessage(displayName=one["name"], vcard=one["vcard"]) for one in outgoing.content["cards"]]
        if len(parts) == 1:
            return Message(contactMessage=parts[0])
        return Message(contactsArrayMessage={"displayName": f"{len(parts)} contacts", "contacts": parts})

    def show(self, row: Row, file: Any) -> list[ContactCard]:
        return [read(one["vcard"], one["name"]) for one in row["content"].get("cards", ())]

    def preview(self, body: str | None, content: Content) -> str:
        return body or ""


def write(contact: ContactCard) -> str:
    """Return a contact as vCard."""
    name = contact.name
    parts = (name.last_name, name.first_name, name.middle_name, name.prefix, name.suffix)
    lines = [vcard.line("N", *(part or "" for part in parts)), vcard.line("FN", name.formatted_name)]
    if contact.org is not None:
        lines.append(vcard.line("ORG", contact.org.company or "", contact.org.department or ""))
        if contact.org.title:
            lines.append(vcard.line("TITLE", contact.org.title))
    if contact.birthday:
        lines.append(vcard.line("BDAY", contact.birthday))
    for phone in contact.phones:
        digits = phone.wa_id or ""
        lines.append(vcard.line("TEL", phone.phone or f"+{digits}", type=_type(phone.type, "CELL"), waid=digits))
    lines += [vcard.line("EMAIL", one.email, type=_type(one.type, "HOME")) for one in contact.emails if one.email]
    lines += [vcard.line("URL", one.url, type=_type(one.type, "HOME")) for one in contact.urls if one.url]
    for place in contact.addresses:
        values = ("", "", place.street, place.city, place.state, place.zip, place.country)
        lines.append(vcard.line("ADR", *(value or "" for value in values), type=_type(place.type, "HOME")))
    return vcard.card(lines)


def read(card: str, shown: str) -> ContactCard:
    """Return a vCard as contact, named `shown` where it does not say; what is no part of such a contact is left out."""
    found: dict[str, Any] = {"phones": [], "emails": [], "urls": [], "addresses": []}
    name: dict[str, Any] = {"formatted_name": shown}
    company: dict[str, Any] = {}
    for item in vcard.read(card):
        match item.name:
            case "FN" if item.text:
                name["formatted_name"] = item.text
            case "N":
                name |= _named(_NAME_PARTS, item.parts())
            case "ORG":
                company |= _named(("company", "department"), item.parts())
            case "TITLE" if item.text:
                company["title"] = item.text
            case "BDAY" if re.fullmatch(r"\d{4}-?\d{2}-?\d{2}.*", item.value):
                digits = item.value.replace("-", "")[:8]
                found["birthday"] = f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
            case "TEL":
                waid = next((d for d in item.parameters.get("WAID", ()) if re.fullmatch(r"[0-9]{5,20}", d)), None)
                kind = item.kind("CELL", "MAIN", "IPHONE", "HOME", "WORK")
                found["phones"].append(CardPhone.model_construct(phone=item.text, type=kind, wa_id=waid))
            case "EMAIL":
                found["emails"].append(CardEmail.model_construct(email=item.text, type=item.kind("HOME", "WORK")))
            case "URL":
                found["urls"].append(CardUrl.model_construct(url=item.text, type=item.kind("HOME", "WORK")))
            case "ADR":
                values: dict[str, Any] = _named(_ADDRESS_PARTS, item.parts())
                found["addresses"].append(CardAddress.model_construct(type=item.kind("HOME", "WORK"), **values))
    org = CardCompany.model_construct(**company) if company else None
    return ContactCard.model_construct(name=CardName.model_construct(**name), org=org, **found)


def _named(keys: tuple[str, ...], values: list[str]) -> dict[str, str]:
    return {key: value for key, value in zip(keys, values, strict=False) if key and value}


def _type(given: str | None, otherwise: str) -> str:
    kept = re.sub(r"[^A-Za-z0-9-]", "", given or "")
    return kept.upper() or otherwise
