"""Groups in the browser: made, written in by several people, read by some of them, managed, left."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.support import BUDI, BUSINESS, CITRA, Demo, Inbox, bubble, menu_of, tick, until

pytestmark = [pytest.mark.browser, pytest.mark.engine]


def address_of(demo: Demo, subject: str) -> str:
    """Return a group's address on the simulated network."""

    def find() -> str | None:
        answer = demo.phones.get("/groups").raise_for_status()
        groups: list[dict[str, Any]] = answer.json()["data"]
        return next((group["jid"] for group in groups if group["subject"] == subject), None)

    found = until(f"the group {subject}", find)
    assert found is not None
    return found


@pytest.mark.kind("group", "page")
def test_a_group_is_made_talked_in_managed_and_left(inbox: Inbox, demo: Demo) -> None:
    page = inbox.page
    page.get_by_role("button", name="Groups").click()
    page.get_by_role("menuitem", name="New group").click()
    dialog = page.get_by_role("dialog", name="New group")
    dialog.get_by_label("Name", exact=True).fill("Order team")
    for person in ("Budi Santoso", "Citra Dewi"):
        dialog.get_by_placeholder("Name or number").fill(person)
        dialog.get_by_role("button", name=person).click()
    dialog.get_by_role("button", name="Make group").click()
    conversation = inbox.conversation("Order team")
    expect(conversation).to_contain_text("The group “Order team” was made.")
    expect(page.get_by_text("3 members").first).to_be_visible()

    group = address_of(demo, "Order team")
    budi, citra = demo.phone(BUDI), demo.phone(CITRA)
    budi.write("I can pack tomorrow", to=group)
    offered = citra.send("text", {"body": "And I deliver"}, to=group)
    named = bubble(conversation, "I can pack tomorrow").get_by_test_id("sender")
    expect(named).to_have_text("Budi Santoso")
    expect(bubble(conversation, "And I deliver").get_by_test_id("sender")).to_have_text("Citra Dewi")
    inbox.reply("Thank you both")
    budi.sees("Thank you both")
    citra.sees("Thank you both")
    budi.read(group)
    expect(bubble(conversation, "Thank you both").get_by_test_id("read-count")).to_have_text("read by 1 of 2")

    menu_of(bubble(conversation, "And I deliver"), "Delete")
    dialog = page.get_by_role("dialog", name="Delete this message?")
    expect(dialog).to_contain_text("as an admin of the group you remove what Citra Dewi wrote")
    dialog.get_by_role("button", name="Delete for everyone").click()
    expect(conversation.get_by_text("This message was deleted")).to_be_visible()
    budi.shows(offered, "nothing any more", lambda message: message["deleted"])

    if not page.get_by_test_id("group-panel").is_visible():
        page.get_by_role("button", name="Details").click()
    panel = page.get_by_test_id("group-panel")
    members = panel.get_by_test_id("group-members")
    expect(members.get_by_role("listitem")).to_have_count(3)
    members.get_by_role("button", name="Actions for Citra Dewi").click()
    page.get_by_role("menuitem", name="Make admin").click()
    expect(members.get_by_role("listitem").filter(has_text="Citra Dewi")).to_contain_text("Admin")
    panel.get_by_role("button", name="Show link").click()
    expect(panel.get_by_test_id("invite-link")).to_contain_text("https://chat.whatsapp.com/")
    panel.get_by_role("button", name="Leave group").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave group").click()
    expect(page.get_by_test_id("group-closed")).to_have_text("This number has left the group.")


def test_somebody_is_named_by_typing_at(inbox: Inbox, demo: Demo) -> None:
    members = {"number": BUDI, "subject": "Weekend shift", "members": [BUSINESS, CITRA]}
    group: str = demo.phones.post("/groups", json=members).raise_for_status().json()["jid"]
    budi, citra = demo.phone(BUDI), demo.phone(CITRA)
    budi.write("Who is on duty?", to=group)
    conversation = inbox.open_chat("Weekend shift")
    expect(bubble(conversation, "Who is on duty?")).to_be_visible()
    composer, page = inbox.composer, inbox.page

    composer.press_sequentially("Can @")
    people = page.get_by_role("listbox", name="People to mention").get_by_role("option")
    expect(people).to_contain_text(["Budi Santoso", "Citra Dewi"])
    composer.press_sequentially("ci")
    expect(people).to_contain_text(["Citra Dewi"])
    composer.press("Enter")
    expect(people).to_have_count(0)
    expect(composer).to_have_value("Can @Citra Dewi ")
    composer.press_sequentially("come on Sunday?")
    inbox.open_chat("Budi Santoso")  # a draft keeps whom it names
    inbox.open_chat("Weekend shift")
    expect(composer).to_have_value("Can @Citra Dewi come on Sunday?")
    composer.press("Enter")

    named = conversation.get_by_role("article").filter(has_text="Can @Citra Dewi come on Sunday?")
    expect(tick(named, "Delivered")).to_be_visible()
    expect(inbox.chat("Weekend shift")).to_contain_text("Can @Citra Dewi come on Sunday?")
    arrived = until(
        "the message on Citra's phone", lambda: [one for one in citra.shown() if "come on Sunday?" in one["body"]]
    )
    (address,) = arrived[0]["details"]["mentions"]
    assert arrived[0]["body"] == f"Can @{address.partition('@')[0]} come on Sunday?"

    composer.press("ArrowUp")
    expect(composer).to_have_value("Can @Citra Dewi come on Sunday?")
    inbox.reply("Can @Citra Dewi come on Monday?")
    expect(conversation.get_by_role("article").filter(has_text="Can @Citra Dewi come on Monday?")).to_be_visible()

    citra.send("text", {"body": f"@{BUSINESS} I can", "mentions": [BUSINESS]}, to=group)
    expect(conversation.get_by_role("article").filter(has_text="@You I can")).to_be_visible()
    expect(inbox.chat("Weekend shift")).to_contain_text("@You I can")


@pytest.mark.kind("group_invite", "page")
def test_an_invitation_is_joined_by_a_button(inbox: Inbox, demo: Demo) -> None:
    made = {"number": CITRA, "subject": "Tasting club", "members": []}
    group: str = demo.phones.post("/groups", json=made).raise_for_status().json()["jid"]
    for _ in range(2):  # the first one is used up by joining
        body = {"number": CITRA, "to": BUSINESS}
        demo.phones.post(f"/groups/{group}/invitations", json=body).raise_for_status()
    conversation = inbox.open_chat("Citra Dewi")
    invitations = conversation.get_by_test_id("group-invite")
    expect(invitations).to_have_count(2)
    expect(invitations.first).to_contain_text("Tasting club")
    invitations.first.get_by_role("button", name="Join", exact=True).click()
    expect(inbox.conversation("Tasting club")).to_contain_text("Tasting club")
    expect(inbox.page.get_by_text("2 members").first).to_be_visible()


def test_somebody_who_lets_nobody_add_them_is_invited(inbox: Inbox, demo: Demo) -> None:
    page = inbox.page
    shy = demo.phone("628110000407", "Gilang Ramadhan")
    profile = {"privacy": {"groupadd": "none"}}
    demo.phones.patch(f"/phones/{shy.number}/profile", json=profile).raise_for_status()
    page.get_by_role("button", name="Groups").click()
    page.get_by_role("menuitem", name="New group").click()
    dialog = page.get_by_role("dialog", name="New group")
    dialog.get_by_label("Name", exact=True).fill("Roasters")
    dialog.get_by_placeholder("Name or number").fill(f"+{shy.number}")
    dialog.get_by_placeholder("Name or number").press("Enter")
    dialog.get_by_role("button", name="Make group").click()
    expect(dialog.get_by_test_id("not-added")).to_contain_text("lets nobody add them")
    dialog.get_by_role("button", name="Send invitation").click()
    expect(dialog.get_by_test_id("not-added")).to_contain_text("they were sent an invitation")
    until("the invitation", lambda: [one for one in shy.shown() if one["type"] == "group_invite"])
    dialog.get_by_role("button", name="Close").last.click()
    expect(inbox.conversation("Roasters")).to_contain_text("The group “Roasters” was made.")


def test_status_posts_and_channels_are_shown_where_they_are_wanted(inbox: Inbox, demo: Demo) -> None:
    page = inbox.page
    page.get_by_role("link", name="Settings", exact=True).click()
    settings = page.get_by_test_id("inbound-settings")
    settings.get_by_role("switch", name="Show status posts").click()
    settings.get_by_role("switch", name="Show channels").click()
    settings.get_by_role("button", name="Save").click()
    expect(settings.get_by_role("button", name="Save")).to_be_disabled()
    demo.phones.post(f"/phones/{CITRA}/status", json={"body": "Roasting today"}).raise_for_status()
    posted = {"body": "Harvest report", "followers": [BUSINESS], "name": "Green beans"}
    demo.phones.post("/channels/120363000000000002@newsletter/messages", json=posted).raise_for_status()
    page.get_by_role("link", name="Inbox").first.click()
    status = inbox.open_chat("Status updates")
    expect(bubble(status, "Roasting today").get_by_test_id("sender")).to_have_text("Citra Dewi")
    expect(page.get_by_test_id("group-closed")).to_have_text("Posts can be read here, but not answered.")
    channel = inbox.open_chat("Green beans")
    expect(bubble(channel, "Harvest report")).to_be_visible()
    expect(page.get_by_role("button", name="Attach", exact=True)).to_have_count(0)
