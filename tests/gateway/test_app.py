"""What every answer has in common: problems, request ids, limits, headers; the site, the document, operations."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from blazz.events import service as events
from blazz.gateway import site
from blazz.gateway.app import openapi_document
from blazz.identity import service as identity
from blazz.kit.errors import unavailable
from blazz.kit.health import HealthChecks
from tests.support.app import PASSWORD, Person, Running, problem, run_app

pytestmark = pytest.mark.anyio


async def test_every_answer_has_a_request_id_and_security_headers(running: Running) -> None:
    browser = await running.browser()
    for path in ("/healthz", "/api/v1/me", "/api/v1/nothing", "/api/docs", "/inbox"):
        answer = await browser.get(path)
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"])
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    given = await browser.get("/healthz", headers={"X-Request-Id": "trace-1234"})
    assert given.headers["x-request-id"] == "trace-1234"
    for bad in ("x", "a" * 65, "new line", "<script>"):
        answer = await browser.get("/healthz", headers={"X-Request-Id": bad})
        assert answer.headers["x-request-id"] != bad


async def test_unknown_addresses_and_methods_are_problems(running: Running) -> None:
    browser = await running.browser()
    problem(await browser.get("/api/v1/nothing"), 404, "not_found")
    problem(await browser.get("/api"), 404, "not_found")
    problem(await browser.post("/anything"), 404, "not_found")
    answer = await browser.put("/api/v1/events")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b"[" * 90_000, None),
        (b'{"name": "\\ud800"}', 422),
        (b"\xff\xfe", None),
        (b"null", 422),
        (b"", 422),
    ],
)
async def test_bodies_that_are_no_json_are_problems(owner: Person, content: bytes, status: int | None) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await owner.browser.patch("/api/v1/me", content=content, headers=headers)
    assert answer.status_code in ((status,) if status else (400, 422))
    problem(answer, answer.status_code)


async def test_huge_bodies_are_refused_declared_or_streamed(owner: Person) -> None:
    content = b'{"name": "' + b"x" * (1024 * 1024) + b'"}'
    headers = {"Content-Type": "application/json"}
    answer = await owner.browser.patch("/api/v1/me", content=content, headers=headers)
    problem(answer, 413, "body_too_large")

    async def stream() -> object:
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]

    answer = await owner.browser.patch("/api/v1/me", content=stream(), headers=headers)  # type: ignore[arg-type]
    problem(answer, 413, "body_too_large")


async def test_an_unexpected_failure_tells_nothing_but_the_request_id(
    owner: Person, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the secret is Rumpelstiltskin")

    monkeypatch.setattr(owner.running.database, "read", broken)
    answer = await owner.get("/api-keys")
    document = problem(answer, 500, "internal_error")
    assert "Rumpelstiltskin" not in answer.text
    assert document["request_id"] in capfd.readouterr().out


async def test_a_database_that_is_away_is_503_with_retry_after(owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*args: object, **kwargs: object) -> None:
        raise unavailable("database_unavailable", "The database refused.")

    monkeypatch.setattr(owner.running.database, "read", away)
    answer = await owner.get("/api-keys")
    problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"]
    ready = await owner.browser.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] == "database_unavailable"
    assert (await owner.browser.get("/healthz")).status_code == 200


async def test_readiness_asks_every_part(running: Running) -> None:
    browser = await running.browser()
    assert (await browser.get("/readyz")).json() == {"status": "ready", "checks": {"database": "ok"}}

    async def down() -> str:
        return "restarting"

    end = HealthChecks.shared().add("engine", down)
    answer = await browser.get("/readyz")
    end()
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "engine": "restarting"}


async def test_metrics_count_by_route_template(owner: Person) -> None:
    await owner.get(f"/workspaces/{owner.workspace_id}")
    await owner.browser.get("/some/page")
    text = (await owner.browser.get("/metrics")).text
    assert 'route="/api/v1/workspaces/{workspace_id}",status="200"' in text
    assert str(owner.workspace_id) not in text
    assert 'route="other"' in text
    assert re.search(r"^blazz_websocket_subscribers 0\.0$", text, re.MULTILINE)
    assert re.search(
        rf"^blazz_event_log_positions {await events.count(owner.running.database)}\.0$", text, re.MULTILINE
    )


async def test_logs_hold_neither_bodies_nor_secrets_of_the_query(
    owner: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    await owner.patch("/me", {"name": "Confidential"})
    await owner.get("/invitations/lookup", token="hidden-token")
    await owner.get("/events", after=0)
    printed = capfd.readouterr().out
    assert "/api/v1/invitations/lookup" in printed
    assert "after=0" in printed
    assert "Confidential" not in printed
    assert "hidden-token" not in printed


async def test_site_answers_pages_assets_and_nothing_outside(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html>app")
    (built / "assets" / "index-Ab12_xYz.js").write_text("1")
    (built / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    (built / "link").symlink_to(tmp_path / "secret.txt")
    running.app.router.default = site.Site(built)
    browser = await running.browser()
    for path in ("/", "/inbox", "/inbox/0190", "/sign-in", "/index.html"):
        page = await browser.get(path)
        assert (page.status_code, page.text) == (200, "<!doctype html>app")
        assert page.headers["cache-control"] == "no-store"
    asset = await browser.get("/assets/index-Ab12_xYz.js")
    assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in asset.headers["content-type"]
    assert (await browser.get("/favicon.svg")).headers["cache-control"] == "no-cache"
    problem(await browser.get("/assets/old-12345678.js"), 404)
    for path in (
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/link",
        "/assets/..%2f..%2fsecret.txt",
        "/%00",
        "/" + "a" * 5000,
    ):
        answer = await browser.get(path)
        assert "secret" not in answer.text
        assert answer.status_code in (200, 404)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.targets: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "link", "img", "iframe"):
            self.loaded.append(tag)
        if named.get("id"):
            self.anchors.add(str(named["id"]))
        if (href := named.get("href") or "").startswith("#"):
            self.targets.add(href[1:])


async def test_docs_page_is_whole_and_loads_nothing(running: Running) -> None:
    page = await (await running.browser()).get("/api/docs")
    links = _Links()
    links.feed(page.text)
    assert links.loaded == []
    assert links.targets <= links.anchors
    for path in openapi_document()["paths"]:
        assert path in page.text


async def test_document_needs_no_database_and_is_consistent(running: Running) -> None:
    served = (await (await running.browser()).get("/api/openapi.json")).json()
    assert served == openapi_document()
    assert served["openapi"].startswith("3.1")
    ids = [operation["operationId"] for methods in served["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    public = {path for path, methods in served["paths"].items() for item in methods.values() if "security" not in item}
    assert public == {
        "/api/v1/auth/status",
        "/api/v1/auth/setup",
        "/api/v1/auth/sign-up",
        "/api/v1/auth/login",
        "/api/v1/auth/login-link",
        "/api/v1/invitations/lookup",
        "/api/v1/invitations/accept",
        "/api/v1/schemas/message.json",
        "/api/v1/files/{token}",  # the token is the permission
    }
    for methods in served["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"]


async def test_https_installations_have_secure_cookies_and_hsts(tmp_path: Path) -> None:
    async with run_app(tmp_path, public_url="https://chat.example.org") as running:
        await identity.sign_up(running.database, identity.NewAccount("a@example.org", "A", PASSWORD, "Shop"), "test")
        browser = await running.browser(Origin="https://chat.example.org")
        login = {"email": "a@example.org", "password": PASSWORD}
        answer = await browser.post("/api/v1/auth/login", json=login)
        assert answer.status_code == 200
        cookies = answer.headers.get_list("set-cookie")
        assert len(cookies) == 2
        assert all("secure" in cookie.lower() for cookie in cookies)
        assert "max-age" in answer.headers["strict-transport-security"]
