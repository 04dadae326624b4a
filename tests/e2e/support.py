"""What browser tests share: a running demo, people with simulated phones, and what stands on the pages."""

from __future__ import annotations

import base64
import io
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

ROOT = Path(__file__).resolve().parents[2]
BUSINESS = "628110000001"
AYU, BUDI, CITRA, ECHO = "628110000101", "628110000102", "628110000103", "628110000104"
PATIENCE_S = 30.0
PATIENCE_MS = PATIENCE_S * 1000
_MOVED_MS = 3_000  # of clicking in vain before the list is looked through from its top again
T = TypeVar("T")


def until(what: str, ask: Callable[[], T], within_s: float = PATIENCE_S) -> T:
    """Return the first answer of `ask` that is neither empty nor false. Raises AssertionError with `what`."""
    deadline = time.monotonic() + within_s
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.05)
    return answer


class Phone:
    """A person with a simulated phone, driven by its control API."""

    def __init__(self, api: httpx.Client, number: str) -> None:
        self._api = api
        self.number = number

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._api.post(f"/phones/{self.number}/{path}", json=body).raise_for_status()
        return answer.json() if answer.content else None

    def write(self, text: str, to: str = BUSINESS) -> None:
        """Send a text."""
        self._post("messages", {"to": to, "type": "text", "text": {"body": text}})

    def send_picture(self, picture: bytes, caption: str, to: str = BUSINESS) -> None:
        """Send a picture."""
        image = {"base64": base64.b64encode(picture).decode(), "caption": caption}
        self._post("messages", {"to": to, "type": "image", "image": image})

    def send(self, kind: str, content: dict[str, Any], to: str = BUSINESS) -> str:
        """Send a message of any kind, or a change of one; returns its WhatsApp id."""
        return str(self._post("messages", {"to": to, "type": kind, kind: content})["message_id"])

    def typing(self, composing: bool, to: str = BUSINESS) -> None:
        """Begin or stop to type."""
        self._post("typing", {"to": to, "composing": composing})

    def read(self, chat: str = BUSINESS) -> None:
        """Open the chat: everything in it becomes read."""
        self._post("read", {"chat": chat})

    def make_past(self, chats: int, messages_each: int, days: int = 20) -> list[str]:
        """Have chats with a past before any device is linked; returns the numbers of the people in them."""
        body = {"chats": chats, "messages_each": messages_each, "days": days}
        return list(self._post("past", body)["numbers"])

    def settings(self, chat: str) -> dict[str, Any]:
        """What is set for a chat, by the phone or one of its devices."""
        answer = self._api.get(f"/phones/{self.number}/chat-settings", params={"chat": chat}).raise_for_status()
        return dict(answer.json())

    def silence(self) -> None:
        """Stop answering by itself."""
        self._post("behaviour", {"kind": "silent"})

    def online(self, online: bool) -> None:
        """Switch the phone's own connection."""
        self._post("online", {"online": online})

    def scan(self, qr: str) -> None:
        """Link the device whose code this is."""
        self._post("link", {"qr": qr})

    def type_code(self, code: str) -> None:
        """Link the device that asked for this eight-character code."""
        self._post("link", {"code": code})

    def shown(self) -> list[dict[str, Any]]:
        """What the phone shows, in the order of arrival."""
        answer = self._api.get(f"/phones/{self.number}/messages", params={"limit": 1000}).raise_for_status()
        return list(answer.json()["data"])

    def sees(self, text: str) -> dict[str, Any]:
        """Wait until a message with this text arrived, and return it: the phone shows it once."""

        def arrived() -> list[dict[str, Any]]:
            return [message for message in self.shown() if message["direction"] == "in" and message["body"] == text]

        found = until(f"{self.number} shows {text!r}", arrived)
        assert len(found) == 1
        return found[0]

    def shows(self, message_id: str, what: str, ask: Callable[[dict[str, Any]], object]) -> None:
        """Wait until the phone shows a message in such a way; `what` says it in words."""

        def shown() -> bool:
            found = [message for message in self.shown() if message["message_id"] == message_id]
            return bool(found and ask(found[0]))

        until(f"{self.number} shows {what}", shown)

    def picture(self, message_id: str) -> bytes:
        """Return the bytes of a received picture."""
        return self._api.get(f"/phones/{self.number}/messages/{message_id}/media").raise_for_status().content


@dataclass(slots=True)
class Demo:
    """A running `blazz demo`."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    directory: Path
    phones: httpx.Client
    """The control API of the simulated phones."""

    @property
    def url(self) -> str:
        """The product."""
        return str(self.ready["url"])

    def phone(self, number: str, name: str | None = None) -> Phone:
        """A person of the demo; with a name, a new one."""
        if name is not None:
            self.phones.post("/phones", json={"number": number, "name": name}).raise_for_status()
        return Phone(self.phones, number)

    def product(self, action: str) -> None:
        """Press the button on the phones page that stops or starts Blazz."""
        self.phones.post("/product", json={"action": action}, timeout=90).raise_for_status()

    def product_state(self) -> str:
        """What the phones page shows about Blazz."""
        return str(self.phones.get("/product").raise_for_status().json()["state"])

    def devices(self, number: str) -> list[dict[str, Any]]:
        """The linked devices of a phone."""
        return list(self.phones.get(f"/phones/{number}").raise_for_status().json()["devices"])

    def connected(self, number: str) -> bool:
        """Whether Blazz is connected as a linked device of the phone."""
        return any(device["connected"] for device in self.devices(number))


def start_demo(directory: Path) -> Demo:
    """Start the demo in `directory` on free ports and wait until it is ready."""
    command = [sys.executable, "-m", "blazz", "demo", "--data-dir", str(directory), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--phones-port", "0", "--ready-json"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{") and (said := json.loads(line)).get("ready"):
            # The phones are on this machine; a proxy from the environment must not see them.
            phones = httpx.Client(base_url=said["phones_url"], timeout=30, trust_env=False)
            return Demo(process, said, directory, phones)
    raise RuntimeError(f"the demo ended while starting (exit code {process.wait()})")


def stop_demo(demo: Demo) -> None:
    """Press Ctrl-C and wait for the clean end."""
    demo.phones.close()
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(timeout=40) == 0


class Inbox:
    """The inbox as a person sees and uses it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self.chats = page.get_by_role("list", name="Chats")
        self.composer = page.get_by_role("textbox", name="Write a message")

    def open(self) -> Inbox:
        """Go to the inbox and wait until it hears the server."""
        self.page.goto(f"{self._url}/inbox")
        expect(self.page.get_by_test_id("connection-state")).to_have_text("Live", timeout=PATIENCE_MS)
        return self

    def chat(self, name: str) -> Locator:
        """A chat in the list."""
        return self.chats.get_by_role("link").filter(has_text=name)

    def open_chat(self, name: str) -> Locator:
        """Open a chat; returns the conversation."""
        self.press_chat(name)
        log = self.conversation(name)
        expect(log).to_be_visible()
        return log

    def press_chat(self, name: str) -> None:
        """Click a chat in the list, wherever it is by then.

        A message that arrives lifts its chat to the top: out of the drawn part of a list that was scrolled to it.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.chat(name).click(timeout=_MOVED_MS)
            except PlaywrightTimeout:
                if time.monotonic() > deadline:
                    raise
                self.page.get_by_test_id("chat-list").evaluate("list => list.scrollTo(0, 0)")

    def conversation(self, name: str) -> Locator:
        """The open conversation."""
        return self.page.get_by_role("log", name=f"Conversation with {name}", exact=True)

    def reply(self, text: str) -> None:
        """Write and send."""
        self.composer.fill(text)
        self.composer.press("Enter")


def add_number(page: Page, demo: Demo, name: str) -> str:
    """Add a number and go on to linking; returns the account's id."""
    page.goto(f"{demo.url}/numbers")
    page.get_by_role("button", name="Add a number").first.click()
    dialog = page.get_by_role("dialog", name="Add a number")
    expect(dialog).to_contain_text("this is not an official WhatsApp client")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Continue to linking").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    return page.url.rpartition("/")[2].partition("?")[0]


def bubble(conversation: Locator, text: str) -> Locator:
    """The message with this text."""
    return conversation.get_by_role("article").filter(has=conversation.page.get_by_text(text, exact=True))


def menu_of(message: Locator, action: str) -> None:
    """Choose an action from a message's menu."""
    message.hover()
    message.locator("xpath=..").get_by_role("button", name="More actions", exact=True).click()
    message.page.get_by_role("menuitem", name=action, exact=True).click()


def tick(message: Locator, state: str) -> Locator:
    """The mark that tells how far a message got, e.g. "Delivered"."""
    return message.get_by_role("img", name=state, exact=True)


def starts_with(text: str) -> re.Pattern[str]:
    """A pattern for names that begin with the text."""
    return re.compile(f"^{re.escape(text)}")


def coffee_picture(width: int = 640, height: int = 480) -> bytes:
    """A drawn bag of beans as JPEG; drawn here, so that nobody else's picture is in the repository."""
    scale = width / 640
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        share = y / height
        draw.line([(0, y), (width, y)], fill=(int(236 - 40 * share), int(222 - 52 * share), int(200 - 64 * share)))
    draw.rectangle([0, height * 0.8, width, height], fill=(122, 84, 56))

    def box(*corners: float) -> list[float]:
        return [corner * scale for corner in corners]

    draw.rounded_rectangle(box(220, 90, 420, 420), radius=18 * scale, fill=(40, 54, 48))
    draw.polygon(box(220, 110, 420, 110, 404, 70, 236, 70), fill=(30, 42, 37))
    draw.rounded_rectangle(box(248, 190, 392, 330), radius=10 * scale, fill=(240, 230, 210))
    draw.ellipse(box(284, 212, 356, 308), fill=(96, 60, 36))
    draw.arc(box(300, 196, 380, 324), 120, 240, fill=(60, 36, 20), width=max(1, int(6 * scale)))
    for index in range(14):
        x, y = 60 + index * 41, 408 + (index * 37) % 44
        draw.ellipse(box(x, y, x + 30, y + 20), fill=(84, 52, 30))
        draw.arc(box(x + 2, y - 6, x + 28, y + 14), 30, 150, fill=(48, 28, 14), width=max(1, int(2 * scale)))
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=88)
    return stream.getvalue()
