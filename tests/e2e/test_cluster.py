"""The cluster page as the person who runs the installation uses it; here on one process with one instance."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.axe import violations
from tests.e2e.conftest import new_context
from tests.e2e.pictures import screenshot
from tests.e2e.support import Demo

pytestmark = [pytest.mark.browser, pytest.mark.engine]
TABS = ("Instances", "Workspaces", "Moves", "Operations", "Capacity planner", "Events")


@pytest.fixture
def cluster(page: Page, demo: Demo) -> Page:
    """The open page."""
    page.goto(demo.url + "/inbox")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Cluster").click()
    expect(page.get_by_role("heading", name="Cluster", level=1)).to_be_visible()
    expect(page.get_by_text("Live", exact=True).first).to_be_visible()
    return page


def test_the_instance_is_shown_with_its_load_and_a_fresh_heartbeat(cluster: Page) -> None:
    instance = cluster.get_by_test_id("instance")
    expect(instance).to_have_count(1)
    expect(instance.get_by_test_id("instance-state")).to_have_text("Healthy")
    expect(instance.get_by_role("meter", name="Sessions")).to_have_attribute(
        "aria-valuetext", re.compile(r"^[1-9]\d* of 500$")
    )
    expect(instance.get_by_text(re.compile(r"^[0-5](\.\d)?s ago$"))).to_be_visible()
    expect(instance.get_by_text("running")).to_be_visible()
    expect(cluster.get_by_test_id("banner-single")).to_contain_text("blazz up --instances 4")
    screenshot(cluster, "cluster")


def test_a_drain_that_cannot_work_says_why_and_changes_nothing(cluster: Page) -> None:
    cluster.get_by_role("button", name=re.compile("^Drain instance-0")).click()
    dialog = cluster.get_by_role("dialog", name="Drain instance-0?")
    expect(dialog.get_by_test_id("drain-count")).to_have_text(re.compile(r"^\d+ sessions? moves? away\.$"))
    expect(dialog).to_contain_text("No other instance takes sessions now.")
    assert violations(cluster) == []
    dialog.get_by_role("button", name="Drain").click()
    expect(dialog.get_by_role("alert")).to_contain_text("No other instance runs that could take")
    dialog.get_by_role("button", name="Cancel").click()
    expect(cluster.get_by_test_id("instance-state")).to_have_text("Healthy")


def test_a_rebalance_is_previewed(cluster: Page) -> None:
    cluster.get_by_role("button", name="Rebalance").click()
    dialog = cluster.get_by_role("dialog", name="Rebalance the instances")
    expect(dialog.get_by_test_id("rebalance-result")).to_have_text("Nothing would move: the instances are balanced.")
    expect(dialog.get_by_role("row", name=re.compile("^instance-0"))).to_be_visible()
    expect(dialog.get_by_role("button", name="Rebalance")).to_be_disabled()
    dialog.get_by_role("radio", name=re.compile("^Where each belongs")).check()
    expect(dialog.get_by_test_id("rebalance-result")).to_contain_text("Nothing would move")
    assert violations(cluster) == []


def test_workspaces_tell_where_they_live_and_cannot_move_nowhere(cluster: Page) -> None:
    cluster.get_by_role("tab", name="Workspaces").click()
    workspace = cluster.get_by_test_id("workspace").first
    expect(workspace).to_contain_text("instance-0: ")
    workspace.get_by_role("button", name=re.compile("^Move ")).click()
    dialog = cluster.get_by_role("dialog", name=re.compile("^Move "))
    expect(dialog).to_contain_text("No other instance takes sessions now.")
    expect(dialog.get_by_role("button", name="Move")).to_be_disabled()
    cluster.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_planner_answers_beside_the_originals_figures(cluster: Page) -> None:
    cluster.get_by_role("tab", name="Capacity planner").click()
    plan = cluster.get_by_test_id("plan")
    expect(plan.get_by_role("status")).to_contain_text("1,000 sessions: 4 instances, $")
    cluster.get_by_label("Sessions", exact=True).fill("3000")
    cluster.get_by_role("button", name="Calculate").click()
    expect(plan.get_by_role("status")).to_contain_text("3,000 sessions: 8 instances, $")
    expect(plan.get_by_role("region", name="Beside the original's figures")).to_contain_text("$1,305")
    expect(plan.get_by_role("region", name="How each figure was measured")).to_contain_text("benchmarks")
    cluster.get_by_label("Months of storage").fill("0")
    cluster.get_by_role("button", name="Calculate").click()
    expect(cluster.get_by_text("must be between 1 and 120")).to_be_visible()
    expect(cluster.get_by_label("Sessions", exact=True)).to_have_value("3000")
    expect(cluster).to_have_url(re.compile(r"/cluster\?tab=planner$"))


def test_what_happened_is_told_in_sentences(cluster: Page) -> None:
    cluster.get_by_role("tab", name="Events").click()
    event = cluster.get_by_test_id("platform-event").filter(has_text="instance-0 started")
    event.first.locator("summary").click()
    expect(event.first.locator("pre")).to_contain_text('"name": "instance.up"')


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_can_be_used_by_everybody(cluster: Page, tab: str) -> None:
    cluster.get_by_role("tab", name=tab).click()
    expect(cluster.get_by_role("status", name="Loading")).to_have_count(0)
    assert violations(cluster) == []


def test_it_is_reached_and_used_by_keyboard(page: Page, demo: Demo) -> None:
    page.goto(demo.url + "/settings")
    expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name="Cluster", level=1)).to_be_visible()
    page.get_by_role("tab", name="Instances").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Workspaces")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_test_id("workspace").first).to_be_visible()


@pytest.fixture
def phone(browser: Browser, signed_in: BrowserContext) -> Iterator[Page]:
    """The page on a phone."""
    context = new_context(browser, width=390, height=844, person=signed_in)
    yield context.new_page()
    context.close()


def test_it_fits_a_phone(phone: Page, demo: Demo) -> None:
    phone.goto(demo.url + "/cluster")
    expect(phone.get_by_test_id("instance")).to_be_visible()
    for tab in TABS:
        phone.get_by_role("tab", name=tab).click()
        expect(phone.get_by_role("status", name="Loading")).to_have_count(0)
        wide = phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{tab} is wider than the phone"


def test_who_does_not_run_the_installation_neither_sees_nor_opens_it(page: Page, stranger: Page, demo: Demo) -> None:
    page.goto(f"{demo.url}/settings/people?invite=1")
    dialog = page.get_by_role("dialog", name="Invite a person")
    dialog.get_by_label("E-mail").fill("not-the-operator@demo.example")
    dialog.get_by_role("button", name="Make the link").click()
    stranger.goto(dialog.get_by_role("textbox", name="Invitation link").input_value())
    stranger.get_by_label("Your name").fill("Dewi")
    stranger.get_by_label("Password").fill("a password of dewi")
    stranger.get_by_role("button", name="Join").click()
    stranger.wait_for_url("**/inbox")
    rail = stranger.get_by_role("navigation", name="Main")
    expect(rail.get_by_role("link", name="People")).to_be_visible()
    expect(rail.get_by_role("link", name="Cluster")).to_have_count(0)
    stranger.goto(f"{demo.url}/cluster")
    stranger.wait_for_url("**/inbox")
