"""Commands that talk to a running Blazz by its API: list and link numbers, send a message."""

from __future__ import annotations

import time
from typing import Annotated, Any

import httpx
import typer

from blazz.cli.console import fail, line
from blazz.kit.ids import random_token

accounts_app = typer.Typer(help="WhatsApp numbers of a workspace, by API key.", no_args_is_help=True)

Url = Annotated[str, typer.Option(envvar="BLAZZ_URL", help="Address of the running Blazz.")]
Key = Annotated[
    str | None,
    typer.Option(envvar="BLAZZ_API_KEY", help="An API key (page Developers > API keys).", show_default=False),
]
_DEFAULT_URL = "http://127.0.0.1:7080"
_TIMEOUT_S = 30.0


class ApiClient:
    """A small client of our own API that turns refusals into sentences."""

    def __init__(self, url: str, key: str | None) -> None:
        if not key:
            fail("An API key is needed: create one on the page Developers > API keys, then set BLAZZ_API_KEY.")
        self._http = httpx.Client(
            base_url=url.rstrip("/") + "/api/v1", headers={"Authorization": f"Bearer {key}"}, timeout=_TIMEOUT_S
        )
        self._url = url

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Return the answer; ends the program on a refusal other than 404."""
        try:
            response = self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            fail(f"No Blazz answers at {self._url} ({type(error).__name__}). Start it with: blazz up")
        if not response.is_success and response.status_code != 404:
            fail(f"{response.status_code}: {_detail(response)}")
        return response


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


@accounts_app.command("list")
def list_accounts(url: Url = _DEFAULT_URL, key: Key = None) -> None:
    """List the workspace's numbers with their state."""
    accounts = ApiClient(url, key).call("GET", "/accounts").json()["data"]
    if not accounts:
        line("No numbers yet. Add one with: blazz accounts connect --name Sales")
    for account in accounts:
        line(f"{account['id']}  {account['phone'] or '-':<16} {account['status']:<14} {account['name']}")


@accounts_app.command("connect")
def connect(
    account: Annotated[str | None, typer.Argument(help="Id of a number; a new one is added if left out.")] = None,
    name: Annotated[str, typer.Option(help="Name of the new number.")] = "WhatsApp",
    timeout: Annotated[float, typer.Option(min=5, help="Seconds to wait for the link.")] = 180,
    url: Url = _DEFAULT_URL,
    key: Key = None,
) -> None:
    """Link a number: draws each QR code in this terminal until the phone has scanned one."""
    api = ApiClient(url, key)
    if account is None:
        account = api.call("POST", "/accounts", {"name": name}).json()["id"]
        line(f"Added {account}.")
    if api.call("POST", f"/accounts/{account}/connect").status_code == 404:
        fail("There is no such number in this workspace.")
    shown = ""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        state = api.call("GET", f"/accounts/{account}").json()
        if state["status"] == "connected":
            line(f"Linked: {state['phone']} is connected.")
            return
        if state["status"] in ("failed", "logged_out") or state["disconnect_reason"] == "qr_expired":
            fail(f"Not linked: {state['status_detail'] or state['disconnect_reason'] or state['status']}.")
        answer = api.call("GET", f"/accounts/{account}/qr.txt")
        if answer.status_code == 200 and answer.text != shown:
            shown = answer.text
            line(shown)
            line("On the phone: Settings > Linked devices > Link a device. The next code follows by itself.")
        time.sleep(0.5)
    fail(f"Not linked within {timeout:.0f} s.")


def send(
    to: Annotated[str, typer.Argument(help="Phone number with country code, e.g. +6281234567890.")],
    text: Annotated[str, typer.Argument(help="The text.")],
    account: Annotated[str | None, typer.Option(help="Id of the sending number (default: the primary one).")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for WhatsApp's acknowledgement.")] = 10,
    url: Url = _DEFAULT_URL,
    key: Key = None,
) -> None:
    """Send a text message through a running Blazz and print its id and state."""
    api = ApiClient(url, key)
    body: dict[str, Any] = {"to": to, "type": "text", "text": {"body": text}}
    if account:
        body["account_id"] = account
    message = api.call("POST", "/messages", body, {"Idempotency-Key": random_token(16)}).json()
    deadline = time.monotonic() + wait
    while message["state"] == "pending" and time.monotonic() < deadline:
        time.sleep(0.2)
        message = api.call("GET", f"/messages/{message['id']}").json()
    line(f"{message['id']}  {message['state']}")
    if message["state"] == "failed":
        fail((message.get("error") or {}).get("message") or "The message failed.")
