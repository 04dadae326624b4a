"""`blazz up --instances N` as a child of the test, and a person who uses it through its one address."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx

from benchmarks.stand import Child
from tests.support.product import text
from tests.support.waiting import eventually
from whatsim.network import Network

PASSWORD = "correct horse battery"


class Up:
    """A fleet that is started, killed and started again on the same directory."""

    def __init__(self, directory: Path, network: Network, *options: str) -> None:
        self.directory = directory
        self._network = network
        self._key = ""
        command = [sys.executable, "-m", "blazz", "up", "--ready-json", "--parent-stdin", "--port", "0"]
        command += ["--data-dir", str(directory / "data"), "--network", "simulated"]
        command += ["--network-address", network.wire_address, "--network-ca", str(network.ca_path)]
        command += ["--network-root-key", str(network.root_key_path), "--network-id", network.network_id]
        self.child = Child([*command, *options], log=directory / "up.log")

    async def start(self) -> None:
        """Start, and create the owner at the first time."""
        try:
            await self.child.start()
        except BaseException as error:
            error.add_note(self.log())
            raise
        if not self._key:
            self._key = await self._set_up()

    def role(self, name: str) -> dict[str, Any]:
        """Return what a role said of itself when the fleet became ready."""
        return dict(self.child.ready["roles"][name])

    async def serving(self) -> str:
        """Return the instance that runs a session, by what the instances say of themselves."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            for name, role in self.child.ready["roles"].items():
                if "internal_url" in role:
                    health = (await client.get(f"{role['internal_url']}/health")).json()
                    if health["sessions"]["total"]:
                        return str(name)
        raise AssertionError("no instance runs a session")

    def log(self) -> str:
        """Return the log of all roles."""
        return (self.directory / "up.log").read_text(errors="replace")

    async def told(self, words: str, times: int = 1) -> None:
        """Wait until the log of the parent or of a role has these words so many times."""
        await eventually(lambda: self.log().count(words) >= times, within_s=60, every_s=0.1, what=words)

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask with the API key. One connection per call: whichever gateway takes it."""
        async with httpx.AsyncClient(timeout=35, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {self._key}"}
            return await client.request(method, f"{self.child.ready['url']}/api/v1{path}", json=body, headers=headers)

    async def link(self, phone: str) -> str:
        """Link a new account to a phone; returns its id once it is connected."""
        account = (await self.call("POST", "/accounts", {"name": phone})).json()["id"]
        answer = await self.call("POST", f"/accounts/{account}/connect", {})
        assert answer.is_success, answer.text

        async def code() -> str | None:
            answer = await self.call("GET", f"/accounts/{account}/qr")
            return str(answer.json()["code"]) if answer.status_code == 200 else None

        shown = await eventually(code, within_s=30, every_s=0.1, what="a QR code")
        assert shown is not None
        await self._network.link_qr(phone, shown)
        await self.connected(account, phone)
        return str(account)

    async def connected(self, account: str, phone: str) -> None:
        """Wait until a number is connected, for us and for the network."""

        async def now() -> bool:
            answer = await self.call("GET", f"/accounts/{account}")
            online = any(device.connected for device in self._network.get_phone(phone).devices)
            return bool(online and answer.is_success and answer.json()["status"] == "connected")

        await eventually(now, within_s=60, every_s=0.1, what="the number is connected")

    async def converses(self, account: str, phone: str, customer: str, word: str) -> None:
        """A text each way arrives, once."""
        await self._network.send_message(customer, phone, text(f"in {word}"))
        body = {"account_id": account, "to": f"+{customer}", "type": "text", "text": {"body": f"out {word}"}}
        answer = await self.call("POST", "/messages", body)
        assert answer.status_code == 202, answer.text
        chat = answer.json()["chat_id"]

        async def both() -> bool:
            seen = [view.body for view in self._network.messages(customer) if view.direction == "in"]
            page = (await self.call("GET", f"/chats/{chat}/messages")).json()["data"]
            stored = [row["text"]["body"] for row in page]
            return seen.count(f"out {word}") == 1 and stored.count(f"in {word}") == 1

        await eventually(both, within_s=60, every_s=0.1, what="a text each way")

    async def _set_up(self) -> str:
        async with httpx.AsyncClient(
            base_url=f"{self.child.ready['url']}/api/v1", timeout=30, trust_env=False
        ) as browser:
            code = self.child.ready["setup_code"]
            owner = {"email": "owner@example.org", "password": PASSWORD, "name": "Owner", "workspace_name": "Shop"}
            answer = await browser.post("/auth/setup", json={"code": code, **owner})
            assert answer.status_code == 201, answer.text
            token = (await browser.get("/me")).json()["csrf_token"]
            scopes = [f"{what}:{right}" for what in ("accounts", "messages") for right in ("read", "write")]
            body = {"name": "test", "scopes": scopes}
            answer = await browser.post("/api-keys", json=body, headers={"X-CSRF-Token": token})
            return str(answer.json()["key"])
