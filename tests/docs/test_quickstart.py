"""The examples of the API quick start run as they are printed, against a real product."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.stand import poll, stand

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "api" / "quickstart.md"
_EXAMPLE = re.compile(r"<!-- example: (?P<name>[a-z-]+) -->\n```bash\n(?P<script>.*?)```", re.DOTALL)
pytestmark = [pytest.mark.anyio, pytest.mark.engine]


def _examples() -> dict[str, str]:
    return {match["name"]: match["script"] for match in _EXAMPLE.finditer(_PAGE.read_text(encoding="utf-8"))}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_every_example_of_the_quick_start_does_what_the_page_says(tmp_path: Path) -> None:
    examples = _examples()
    assert list(examples) == ["accounts", "send", "events", "chats", "upload", "send-image", "error"]
    from PIL import Image

    Image.new("RGB", (320, 200), "#10b981").save(tmp_path / "picture.png")
    async with stand() as built:
        for number in ("628110000100", "628110000101"):
            await built.phones.json("POST", "/phones", {"number": number})
        account = await built.link("628110000100")
        environment = {**os.environ, "BLAZZ_URL": built.url, "BLAZZ_API_KEY": built.api_key, "no_proxy": "127.0.0.1"}

        def run(name: str, **extra: str) -> Any:
            done = subprocess.run(
                ["bash", "-euc", examples[name]],
                cwd=tmp_path,
                env={**environment, **extra},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            return json.loads(done.stdout)

        assert [found["id"] for found in run("accounts")["data"]] == [account]
        first, again = run("send"), run("send")
        assert first["id"] == again["id"]

        async def shown() -> list[str]:
            page = await built.phones.json("GET", "/phones/628110000101/messages")
            return [message["body"] for message in page["data"]]

        async def arrived() -> bool:
            return await shown() != []

        await poll(arrived, 20)
        assert await shown() == ["Your order 1042 is on its way."]
        names = [event["name"] for event in run("events")["data"]]
        assert "message.sent" in names
        assert run("chats")["data"][0]["last_message"]["id"] == first["id"]
        media = run("upload")
        run("send-image", MEDIA_ID=media["id"])

        async def picture_arrived() -> bool:
            return "The new menu" in await shown()

        await poll(picture_arrived, 20)
        problem = run("error")
        assert (problem["status"], problem["code"]) == (422, "invalid_phone")
        assert problem["request_id"]
