"""Messages with buttons and lists, and what people answer to them, as Meta's webhooks show them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from blazz._generated.wa.waE2E.WAWebProtobufsE2E_pb2 import Message
from blazz.kit.http import Model, RequestModel
from blazz.messaging.kinds.base import Content, Decoded, Draft, Kind, Lookup, Row, refuse

_ITEMS_MAX = 100  # buttons or rows that are read of one message
_TEXT_MAX = 4096  # characters of one text
_ANSWER_MAX = 32_768  # characters of a form's answer
Reply = Literal["button_reply", "list_reply", "nfm_reply"]


class InteractiveBody(RequestModel):
    """A message with buttons or a list. Not sent by linked numbers: WhatsApp wants its Business Platform for it."""

    type: Annotated[str, Field(min_length=1, max_length=32)]
    header: dict[str, Any] | None = None
    body: dict[str, Any] | None = None
    footer: dict[str, Any] | None = None
    action: dict[str, Any] | None = None


class Choice(Model):
    """Something to tap: a button, or a row of a list. `url` and `phone` are where it leads."""

    id: str | None = None
    title: str
    description: str | None = None
    url: str | None = None
    phone: str | None = None


class Section(Model):
    """Rows of a list under one title."""

    title: str | None = None
    rows: list[Choice]


class FormReply(Model):
    """What somebody entered in a form or another native flow."""

    name: str
    body: str | None = None
    response_json: str


class InteractivePart(Model):
    """Buttons or a list (`type` button, list, other), or what was answered (`button_reply`, `list_reply`,
    `nfm_reply`)."""

    type: Literal["button", "list", "other", "button_reply", "list_reply", "nfm_reply"]
    header: str | None = None
    body: str | None = None
    footer: str | None = None
    button: str | None = Field(None, description="What opens the list.")
    buttons: list[Choice] = Field(default_factory=list)
    sections: list[Section] = Field(default_factory=list)
    button_reply: Choice | None = None
    list_reply: Choice | None = None
    nfm_reply: FormReply | None = None


class Interactive(Kind):
    """Four ways of asking and three of answering that WhatsApp has had over the years."""

    name = "interactive"
    fields = (
        "buttonsMessage",
        "listMessage",
        "interactiveMessage",
        "templateMessage",
        "buttonsResponseMessage",
        "listResponseMessage",
        "interactiveResponseMessage",
    )
    request = InteractiveBody
    view = InteractivePart

    def decode(self, message: Message, field: str) -> Decoded:
        return _READERS[field](getattr(message, field))

    def draft(self, content: InteractiveBody, lookup: Lookup) -> Draft:
        text = (
            "A linked number cannot send buttons or lists: WhatsApp refuses them or does not show them. "
            "Ask with a poll, or with numbered options in a text."
        )
        raise refuse("not_supported_by_provider", text, "interactive")

    def show(self, row: Row, file: Any) -> InteractivePart:
        return InteractivePart.model_validate({**row["content"], "body": row["body"]})

    def preview(self, body: str | None, content: Content) -> str:
        return body or content.get("header") or ""


class ButtonPart(Model):
    """A quick reply of a template that was tapped."""

    text: str
    payload: str | None = None


class Button(Kind):
    """`templateButtonReplyMessage`."""

    name = "button"
    fields = ("templateButtonReplyMessage",)
    view = ButtonPart

    def decode(self, message: Message, field: str) -> Decoded:
        part = message.templateButtonReplyMessage
        return Decoded("button", _cut(part.selectedDisplayText), {"payload": _cut(part.selectedID)})

    def show(self, row: Row, file: Any) -> ButtonPart:
        return ButtonPart.model_construct(text=row["body"] or "", payload=row["content"].get("payload"))


def _buttons(part: Any) -> Decoded:
    choices = (_choice(one.buttonText.displayText, one.buttonID) for one in part.buttons[:_ITEMS_MAX])
    return _asked("button", part.contentText, part.text, part.footerText, buttons=list(choices))


def _list(part: Any) -> Decoded:
    sections = [
        {
            "title": _cut(section.title),
            "rows": [_choice(row.title, row.rowID, row.description) for row in section.rows[:_ITEMS_MAX]],
        }
        for section in part.sections[:_ITEMS_MAX]
    ]
    asked = _asked("list", part.description, part.title, part.footerText, sections=sections)
    return Decoded("interactive", asked.body, {**asked.content, "button": _cut(part.buttonText)})


def _native(part: Any) -> Decoded:
    choices: list[dict[str, Any]] = []
    sections: list[dict[str, Any]] = []
    for one in part.nativeFlowMessage.buttons[:_ITEMS_MAX]:
        parameters = _parameters(one.buttonParamsJSON)
        title = parameters.get("display_text") or parameters.get("title") or one.name
        choices.append(_choice(title, parameters.get("id"), url=parameters.get("url"), phone=_number(parameters)))
        sections += _flow_sections(parameters)
    cards = [card.body.text for card in part.carouselMessage.cards[:_ITEMS_MAX]]
    body = "\n".join([part.body.text, *cards]).strip()
    kind = "list" if sections else "button" if choices else "other"
    return _asked(kind, body, part.header.title, part.footer.text, buttons=choices, sections=sections)


def _template(part: Any) -> Decoded:
    if part.HasField("interactiveMessageTemplate"):
        return _native(part.interactiveMessageTemplate)
    shown = part.hydratedTemplate if part.HasField("hydratedTemplate") else part.hydratedFourRowTemplate
    choices: list[dict[str, Any]] = []
    for one in shown.hydratedButtons[:_ITEMS_MAX]:
        if one.HasField("urlButton"):
            choices.append(_choice(one.urlButton.displayText, url=one.urlButton.URL))
        elif one.HasField("callButton"):
            choices.append(_choice(one.callButton.displayText, phone=one.callButton.phoneNumber))
        else:
            choices.append(_choice(one.quickReplyButton.displayText, one.quickReplyButton.ID))
    kind = "button" if choices else "other"
    texts = shown.hydratedContentText, shown.hydratedTitleText, shown.hydratedFooterText
    return _asked(kind, *texts, buttons=choices)


def _button_reply(part: Any) -> Decoded:
    picked = _choice(part.selectedDisplayText, part.selectedButtonID)
    return Decoded("interactive", _cut(part.selectedDisplayText), {"type": "button_reply", "button_reply": picked})


def _list_reply(part: Any) -> Decoded:
    picked = _choice(part.title, part.singleSelectReply.selectedRowID, part.description)
    return Decoded("interactive", _cut(part.title), {"type": "list_reply", "list_reply": picked})


def _form_reply(part: Any) -> Decoded:
    flow = part.nativeFlowResponseMessage
    body = _cut(part.body.text)
    if flow.name in ("quick_reply", "menu_options", "single_select"):
        picked = _choice(body or "", _parameters(flow.paramsJSON).get("id"))
        return Decoded("interactive", body, {"type": "button_reply", "button_reply": picked})
    reply = {"name": _cut(flow.name) or "flow", "body": body, "response_json": flow.paramsJSON[:_ANSWER_MAX]}
    return Decoded("interactive", body, {"type": "nfm_reply", "nfm_reply": reply})


_READERS = {
    "buttonsMessage": _buttons,
    "listMessage": _list,
    "interactiveMessage": _native,
    "templateMessage": _template,
    "buttonsResponseMessage": _button_reply,
    "listResponseMessage": _list_reply,
    "interactiveResponseMessage": _form_reply,
}


def _asked(kind: str, body: str, header: str, footer: str, **items: list[dict[str, Any]]) -> Decoded:
    content = {"type": kind, "header": _cut(header), "footer": _cut(footer), **items}
    return Decoded("interactive", _cut(body), {key: value for key, value in content.items() if value})


def _choice(
    title: str, choice_id: Any = None, description: str = "", *, url: Any = None, phone: Any = None
) -> dict[str, Any]:
    values = {"id": choice_id, "title": title, "description": description, "url": url, "phone": phone}
    return {"title": ""} | {key: str(value)[:_TEXT_MAX] for key, value in values.items() if value}


def _flow_sections(parameters: dict[str, Any]) -> Iterable[dict[str, Any]]:
    given = parameters.get("sections")
    for section in given[:_ITEMS_MAX] if isinstance(given, list) else ():
        if isinstance(section, dict):
            rows = section.get("rows")
            yield {
                "title": _cut(str(section.get("title") or "")),
                "rows": [
                    _choice(str(row.get("title") or ""), row.get("id"), str(row.get("description") or ""))
                    for row in (rows if isinstance(rows, list) else ())[:_ITEMS_MAX]
                    if isinstance(row, dict)
                ],
            }


def _parameters(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text[:_ANSWER_MAX]) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(parameters: dict[str, Any]) -> Any:
    return parameters.get("phone_number")


def _cut(text: str) -> str | None:
    return text[:_TEXT_MAX] or None
