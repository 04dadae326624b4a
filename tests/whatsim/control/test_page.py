"""A person uses the page of phones in a real browser: phones, texts, a picture, reading, linking, faults."""

from __future__ import annotations

import io
import shutil
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import segno
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.whatsim.companion import Companion
from tests.whatsim.control.helpers import picture
from whatsim.control import ControlServer
from whatsim.model import TextContent
from whatsim.network import Network

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    executable = next((path for name in NAMES if (path := shutil.which(name))), None)
    if executable is None:
        pytest.skip("no Chrome or Chromium is installed")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield started
        await started.close()


@pytest.fixture
async def page(browser: Browser, server: ControlServer) -> AsyncIterator[Page]:
    """The page, opened; a test that leaves errors in the browser's console fails."""
    opened = await browser.new_page(viewport={"width": 1440, "height": 900})
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # A refused request is logged by the browser itself; the page's answer to it is what counts.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    opened.on("console", note)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    await opened.goto(server.url)
    yield opened
    assert complaints == []
    await opened.close()


async def test_a_person_adds_a_phone(page: Page, network: Network) -> None:
    await page.get_by_role("button", name="Add a phone").click()
    await page.get_by_label("Name", exact=True).fill("Ana Wijaya")
    await page.get_by_role("dialog").get_by_role("button", name="Add phone").click()
    await expect(page.locator("#phone-list").get_by_text("Ana Wijaya")).to_be_visible()
    assert [phone.name for phone in network.list_phones()] == ["Ana Wijaya"]

    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.get_by_role("button", name="Add phone").click()
    await page.get_by_label("Number (7 to 15 digits)").fill("123")
    await page.get_by_role("dialog").get_by_role("button", name="Add phone").click()
    await expect(page.get_by_role("alert")).to_contain_text("7 to 15 digits")
    assert len(network.list_phones()) == 1


async def test_a_phone_that_comes_after_the_page_is_looked_at(
    page: Page, network: Network, server: ControlServer
) -> None:
    await page.goto("about:blank")
    async with page.expect_response("**/faults"):  # read last
        await page.goto(server.url)
    await network.create_phone(name="Ana")
    await expect(page.get_by_role("button", name="Link a device")).to_be_visible()


async def test_two_phones_talk_and_ticks_follow(page: Page, network: Network) -> None:
    ana = await network.create_phone(name="Ana Wijaya")
    budi = await network.create_phone(name="Budi Santoso")
    phones = page.locator("#phone-list")
    await phones.get_by_text("Ana Wijaya").click()
    await page.get_by_role("button", name="Start a chat").first.click()
    await page.get_by_label("Number", exact=True).fill(budi.number)
    await page.get_by_role("button", name="Open chat").click()
    await page.get_by_label("Message", exact=True).fill("Is the shop open?")
    await page.get_by_label("Message", exact=True).press("Enter")
    thread = page.get_by_role("log")
    await expect(thread.get_by_text("Is the shop open?")).to_be_visible()
    await expect(thread.get_by_role("button", name="delivered")).to_be_visible()

    # The other phone shows it as unread until its conversation is opened.
    await expect(phones.get_by_label("1 unread")).to_be_visible()
    await phones.get_by_text("Budi Santoso").click()
    await page.locator(".chat-list").get_by_text("Ana Wijaya").click()
    await expect(phones.get_by_label("1 unread")).to_have_count(0)
    await network.send_message(ana.number, budi.number, TextContent("Hello?"))
    await expect(thread.get_by_text("Hello?")).to_be_visible()

    await phones.get_by_text("Ana Wijaya").click()
    await page.locator(".chat-list").get_by_text("Budi Santoso").click()
    await expect(thread.get_by_role("button", name="read").first).to_be_visible()


async def test_a_picture_is_sent_and_shown(page: Page, network: Network) -> None:
    ana, budi = await network.create_phone(name="Ana"), await network.create_phone(name="Budi")
    await network.send_message(budi.number, ana.number, TextContent("Show me"))
    await page.locator("#phone-list").get_by_text("Ana").click()
    await page.locator(".chat-list").get_by_text("Budi").click()
    await page.locator(".composer input[type=file]").set_input_files(
        {"name": "shirt.png", "mimeType": "image/png", "buffer": picture()}
    )
    await page.get_by_label("Message", exact=True).fill("the shirt")
    await page.get_by_role("button", name="Send", exact=True).click()
    image = page.get_by_role("log").get_by_role("img", name="the shirt")
    await expect(image).to_be_visible()
    await expect(image).to_have_js_property("naturalWidth", 48)


async def test_reading_can_be_switched_off(page: Page, network: Network) -> None:
    ana, budi = await network.create_phone(name="Ana"), await network.create_phone(name="Budi")
    await page.locator("#phone-list").get_by_text("Ana").click()
    await page.get_by_text("Mark as read while a chat is open").click()
    await network.send_message(budi.number, ana.number, TextContent("Secretly read"))
    await page.locator(".chat-list").get_by_text("Budi").click()
    await expect(page.get_by_role("log").get_by_text("Secretly read")).to_be_visible()
    assert network.get_phone(ana.number).unread == 1
    await page.get_by_text("Mark as read while a chat is open").click()
    await expect(page.locator("#phone-list .unread")).to_have_count(0)
    assert network.get_phone(ana.number).unread == 0


async def test_faults_are_added_and_cleared(page: Page, network: Network) -> None:
    await page.get_by_label("Fault", exact=True).select_option("lose_acks")
    await page.get_by_label("How many").fill("2")
    await page.get_by_role("button", name="Add fault").click()
    await expect(page.locator("#fault-list").get_by_text("The next 2 acknowledgements get lost")).to_be_visible()
    assert [fault.spec.kind for fault in network.list_faults()] == ["lose_acks"]
    await page.get_by_role("button", name="Clear all").click()
    await expect(page.locator("#fault-list li")).to_have_count(0)
    assert network.list_faults() == []


async def test_a_link_from_the_product_fills_the_dialog_in(page: Page, network: Network, server: ControlServer) -> None:
    await network.create_phone(name="Ana")
    await page.goto(f"{server.url}/#link=2%40nobody%2Ckey%2Bplus%2Cb%2Cc")
    await expect(page.get_by_label("Text of the QR code")).to_have_value("2@nobody,key+plus,b,c")
    assert page.url == f"{server.url}/"
    await page.get_by_role("button", name="Link device").click()
    await expect(page.get_by_role("alert")).to_be_visible()


async def test_a_client_is_linked_written_to_and_unlinked(page: Page, network: Network, server: ControlServer) -> None:
    shop, customer = await network.create_phone(name="Shop"), await network.create_phone(name="Budi")
    client = Companion.of(network)
    await client.connect()
    await page.goto(f"{server.url}/#link={quote(await client.qr(), safe='')}")
    await page.get_by_label("Phone that links it").select_option(shop.number)
    await page.get_by_role("button", name="Link device").click()
    await client.confirm_pairing()
    await client.node("stream:error", code="515")
    await client.close()
    await client.login()
    devices = page.get_by_role("region", name="Linked devices")
    await expect(devices.get_by_text("connected", exact=True)).to_be_visible()

    await page.locator("#phone-list").get_by_text("Budi").click()
    await page.get_by_role("button", name="Start a chat").first.click()
    await page.get_by_label("Number", exact=True).fill(shop.number)
    await page.get_by_role("button", name="Open chat").click()
    await page.get_by_label("Message", exact=True).fill("Anybody there?")
    await page.get_by_label("Message", exact=True).press("Enter")
    await client.text("Anybody there?")
    await client.send_text(f"{customer.number}@s.whatsapp.net", "Yes, good morning.", "3EB0ANSWER")
    await expect(page.get_by_role("log").get_by_text("Yes, good morning.")).to_be_visible()

    await page.locator("#phone-list").get_by_text("Shop").click()
    await devices.get_by_role("button", name="Unlink").click()
    await expect(devices.get_by_text("None.")).to_be_visible()
    await client.ended()
    await client.close()


async def test_a_picture_of_a_qr_code_is_read(page: Page, network: Network) -> None:
    await network.create_phone(name="Ana")
    text = "2@" + "aB3+/=," * 30
    drawn = io.BytesIO()
    segno.make(text, error="m").save(drawn, kind="png", scale=4)
    await page.get_by_role("button", name="Link a device").click()
    await page.locator("#dialog input[type=file]").set_input_files(
        {"name": "qr.png", "mimeType": "image/png", "buffer": drawn.getvalue()}
    )
    await expect(page.get_by_label("Text of the QR code")).to_have_value(text)


async def test_the_page_says_when_the_network_is_gone(page: Page, server: ControlServer) -> None:
    await expect(page.locator("#stats")).to_contain_text("Logins")
    await server.close()
    await expect(page.locator("#connection")).to_be_visible(timeout=8000)


async def test_on_a_narrow_screen_everything_is_reachable(page: Page, network: Network) -> None:
    await network.create_phone(name="Ana")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.get_by_role("button", name="Phones", exact=True).click()
    await page.locator("#phone-list").get_by_text("Ana").click()
    await expect(page.get_by_text("No chats yet")).to_be_visible()
    await page.get_by_role("button", name="Tools", exact=True).click()
    await expect(page.get_by_role("button", name="Link a device")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await expect(page.get_by_text("Simulated network", exact=False).first).to_be_visible()


async def test_a_person_sends_votes_reacts_edits_and_deletes(page: Page, network: Network) -> None:
    ana, budi = await network.create_phone(name="Ana"), await network.create_phone(name="Budi")
    sent = await network.send_message(budi.number, ana.number, TextContent("Show me"))
    await page.locator("#phone-list").get_by_text("Ana").click()
    await page.locator(".chat-list").get_by_text("Budi").click()
    thread, dialog = page.get_by_role("log"), page.get_by_role("dialog")

    async def choose(kind: str) -> None:
        await page.get_by_role("button", name="Send something else").click()
        await dialog.get_by_role("button", name=kind).click()

    await choose("Location")
    await dialog.get_by_role("button", name="Send", exact=True).click()
    await expect(thread.get_by_text("-6.17540, 106.82720")).to_be_visible()
    await choose("Contact card")
    await dialog.get_by_label("Name").fill("Siti")
    await dialog.get_by_label("Number (7 to 15 digits)").fill("+62 811 000 0102")
    await dialog.get_by_role("button", name="Send", exact=True).click()
    await expect(thread.get_by_text("628110000102")).to_be_visible()
    await choose("Poll")
    await dialog.get_by_label("Question").fill("Tea?")
    await dialog.get_by_role("button", name="Send", exact=True).click()
    await thread.get_by_role("button", name="Yes 0").click()
    await expect(thread.get_by_role("button", name="Yes 1")).to_have_attribute("aria-pressed", "true")

    await thread.get_by_role("button", name="Delivery details").first.click()
    await thread.get_by_role("button", name="React with 👍").click()
    await expect(thread.get_by_label("Reactions: 👍 Ana")).to_be_visible()
    assert next(one for one in network.messages(budi.number) if one.id == sent.id).reactions == {ana.number: "👍"}
    await page.get_by_label("Message", exact=True).fill("tpyo")
    await page.get_by_label("Message", exact=True).press("Enter")
    await expect(thread.get_by_text("tpyo")).to_be_visible()
    await thread.get_by_role("button", name="Delivery details").last.click()
    await thread.get_by_role("button", name="Edit").click()
    await dialog.get_by_label("Text").fill("typo")
    await dialog.get_by_role("button", name="Save").click()
    await expect(thread.get_by_text("typo", exact=True)).to_be_visible()
    await thread.get_by_role("button", name="Delete").last.click()
    await expect(thread.get_by_text("This message was deleted.")).to_be_visible()
