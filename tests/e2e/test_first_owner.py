"""A fresh `blazz up`: the one-time code makes the first owner, who then signs out and in with a password."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.engine]
_PASSWORD = "a password for the tests"


@dataclass(frozen=True, slots=True)
class Fresh:
    """A product that nobody has used."""

    url: str
    setup_code: str


@contextlib.contextmanager
def _running(*command: str) -> Iterator[dict[str, str]]:
    """Run a program that says in one line of JSON that it is ready, and end it with its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command, "--parent-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        lines = (json.loads(line) for line in process.stdout if line.startswith("{"))
        yield next(said for said in lines if said.get("ready"))
    finally:
        process.stdin.close()
        process.wait(timeout=40)
        process.stdout.close()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fresh]:
    """`blazz up` with a new directory, in front of an empty simulated network."""
    directory: Path = tmp_path_factory.mktemp("fresh")
    network = ["whatsim", "serve", "--state", str(directory / "network"), "--port", "0", "--wire-port", "0"]
    with _running(*network) as said:
        product = ["blazz", "up", "--ready-json", "--data-dir", str(directory / "data"), "--port", "0"]
        product += ["--network", "simulated", "--network-address", said["wire"], "--network-ca", said["ca"]]
        product += ["--network-root-key", said["root_key"], "--network-id", said["network_id"]]
        with _running(*product) as ready:
            yield Fresh(ready["url"], ready["setup_code"])


def _fill(page: Page, code: str) -> None:
    page.get_by_label("One-time code").fill(code)
    page.get_by_label("Your name").fill("Dewi")
    page.get_by_label("E-mail").fill("dewi@example.com")
    page.get_by_label("Password").fill(_PASSWORD)
    page.get_by_label("Workspace name").fill("Warung Dewi")
    page.get_by_role("button", name="Create owner and workspace").click()


def test_the_first_owner_is_made_with_the_code_and_comes_back_by_password(stranger: Page, fresh: Fresh) -> None:
    page = stranger
    page.goto(fresh.url)
    expect(page.get_by_role("heading", name="Set up Blazz")).to_be_visible()

    _fill(page, "NOT-THE-CODE")
    expect(page.get_by_role("alert")).to_contain_text("This code is wrong.")
    expect(page.get_by_label("E-mail")).to_have_value("dewi@example.com")
    _fill(page, fresh.setup_code)
    expect(page.get_by_role("dialog", name="Add a number")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("navigation", name="Places").get_by_role("link", name="Inbox").click()
    expect(page.get_by_role("heading", name="No number is linked yet")).to_be_visible()
    expect(page.get_by_role("link", name="Add a number")).to_be_visible()

    page.get_by_role("button", name="Dewi", exact=True).click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail").fill("dewi@example.com")
    page.get_by_label("Password").fill("not her password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("E-mail or password is wrong.")
    page.get_by_label("Password").fill(_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="No number is linked yet")).to_be_visible()


def test_a_set_up_installation_makes_no_second_owner(stranger: Page, fresh: Fresh) -> None:
    stranger.goto(f"{fresh.url}/setup#code={fresh.setup_code}")

    expect(stranger.get_by_text("This installation already has an owner. Sign in instead.")).to_be_visible()
    expect(stranger.get_by_label("One-time code")).to_have_count(0)
