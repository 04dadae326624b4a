"""Fetching by URL: what is public is had within its limits; nothing leads to an address that is not."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from pathlib import Path

import pytest

from blazz.kit.errors import BlazzError
from blazz.kit.fetch import Fetcher, Guard, Limits
from blazz.kit.fetch.addresses import is_public
from tests.support.certificates import Authority
from tests.support.hosting import hosting, local, reply

pytestmark = pytest.mark.anyio
SMALL = Limits(max_bytes=1000, total_s=5.0)


async def fetched(fetcher: Fetcher, url: str, limits: Limits = SMALL) -> bytes:
    async with fetcher.get(url, limits) as response:
        return b"".join([chunk async for chunk in response.content()])


async def refused(fetcher: Fetcher, url: str, limits: Limits = SMALL) -> str:
    with pytest.raises(BlazzError) as caught:
        await fetched(fetcher, url, limits)
    return caught.value.code


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "255.255.255.255", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "fec0::1"),
    ],
)
def test_an_address_that_is_not_public_is_known_as_such(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_a_public_address_may_be_reached(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


async def test_a_file_comes_with_its_type_and_name() -> None:
    async with hosting(lambda _: reply(b"abc", Content_Type="Image/PNG")) as host:
        async with local().get(host.url("/cats/tom%20cat.png?x=1#f"), SMALL) as response:
            assert b"".join([chunk async for chunk in response.content()]) == b"abc"
            assert (response.mime_type, response.filename) == ("image/png", "tom cat.png")
        assert host.asked[0].startswith("GET /cats/tom%20cat.png?x=1 HTTP/1.1")
        assert f"Host: files.example:{host.port}" in host.asked[0]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename*=UTF-8''r%C3%A9sum%C3%A9.pdf", "r\u00e9sum\u00e9.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("nonsense; filename=", "x"),
    ],
)
async def test_the_host_may_name_the_file(header: str, name: str) -> None:
    async with (
        hosting(lambda _: reply(Content_Disposition=header)) as host,
        local().get(host.url("/x"), SMALL) as response,
    ):
        assert response.filename == name


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/"),
        *("http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://0/"),
        *("http://10.0.0.1/", "https://192.168.0.1/", "http://[fe80::1]/", "http://93.184.215.14:25/"),
        *("http://93.184.215.14:6379/",),
    ],
)
async def test_the_real_guard_refuses_what_is_inside(url: str) -> None:
    assert await refused(Fetcher(), url) == "url_forbidden"


async def test_a_host_with_one_forbidden_address_among_public_ones_is_refused() -> None:
    fetcher = local({"mixed.example": ["127.0.0.1", "10.0.0.7"], "none.example": [], "zone.example": ["fe80::1%eth0"]})
    async with hosting(lambda _: reply()) as host:
        for name in ("mixed.example", "none.example", "zone.example"):
            assert await refused(fetcher, host.url(host=name)) == "url_forbidden"
        assert host.asked == []
        assert await refused(fetcher, host.url(host="unknown.example")) == "url_unreachable"


async def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    """A name server that gives another answer at every question gets one question only."""
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])

    async def rebinding(host: str, port: int) -> list[str]:
        return next(answers)

    fetcher = Fetcher(Guard(lambda address: str(address) == "127.0.0.1", None, rebinding))
    async with hosting(lambda _: reply(b"once")) as host:
        assert await fetched(fetcher, host.url()) == b"once"
        assert await refused(fetcher, host.url()) == "url_forbidden"


async def test_redirects_are_followed_and_each_is_checked() -> None:
    async with hosting(lambda _: reply(b"there")) as end:
        targets = {"/ok": end.url("/end", "other.example"), "/in": "http://10.0.0.1/", "/relative": "/ok"}
        targets |= {"/file": "file:///etc/passwd", "/loop": "/loop", "/user": "http://a:b@other.example/"}

        def answer(path: str) -> bytes:
            return reply(b"", "302 Found", Location=targets[path]) if path in targets else reply(b"", "301 Moved")

        async with hosting(answer) as host:
            fetcher = local({"10.0.0.1": ["10.0.0.1"]})
            assert await fetched(fetcher, host.url("/ok")) == b"there"
            assert await fetched(fetcher, host.url("/relative")) == b"there"
            assert await refused(fetcher, host.url("/in")) == "url_forbidden"
            assert await refused(fetcher, host.url("/file")) == "url_invalid"
            assert await refused(fetcher, host.url("/user")) == "url_invalid"
            assert await refused(fetcher, host.url("/nowhere")) == "url_refused"
            host.asked.clear()
            assert await refused(fetcher, host.url("/loop")) == "url_refused"
            assert len(host.asked) == 6


async def test_a_body_above_the_limit_is_refused_announced_or_not() -> None:
    async with hosting(lambda path: reply(b"x" * 1001) if path == "/told" else _endless()) as host:
        assert await refused(local(), host.url("/told")) == "url_too_large"
        assert await refused(local(), host.url("/endless")) == "url_too_large"
        assert len(await fetched(local(), host.url("/endless"), Limits(1000, 5.0, cut=True))) == 1000
    async with hosting(lambda _: reply(b"x" * 1000)) as host:
        assert len(await fetched(local(), host.url())) == 1000


def _endless() -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b"y" * 1024 + b"\r\n") * 50


async def test_a_host_that_says_nothing_ends_at_the_time_limit() -> None:
    quick = Limits(1000, 0.3)
    async with hosting(lambda _: b"") as host:
        assert await refused(local(), host.url(), quick) == "url_unreachable"
    slow = await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), "127.0.0.1", 0)
    async with slow:
        port = slow.sockets[0].getsockname()[1]
        assert await refused(local(), f"http://files.example:{port}/", quick) == "url_timeout"
        slow.close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(status="404 Not Found"), "url_refused"),
        (reply(status="206 Partial Content"), "url_refused"),
        (reply(status="500 Oops"), "url_unreachable"),
        (reply(status="429 Slow Down"), "url_unreachable"),
        (reply(Content_Encoding="gzip"), "url_refused"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "url_unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "url_unreachable"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, "url_unreachable"),
    ],
    ids=range(8),
)
async def test_an_answer_that_is_no_file_is_told_apart(answer: bytes, code: str) -> None:
    async with hosting(lambda _: answer) as host:
        assert await refused(local(), host.url()) == code


@pytest.mark.parametrize(
    "url",
    [
        *("", "nonsense", "ftp://files.example/", "file:///etc/passwd", "javascript:alert(1)", "http://", "http:///x"),
        *("http://user@files.example/", "http://u:p@files.example/", "https://files.example/" + "x" * 2050),
        *("gopher://files.example", "http://files.example:99999/", "http://exa mple/", "data:text/plain,x"),
    ],
)
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    assert await refused(local(), url) == "url_invalid"


async def test_encryption_is_verified_against_the_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("files", host="files.example")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pair.cert, pair.key)
    trusting = ssl.create_default_context(cafile=str(authority.cert))
    base = local()
    async with hosting(lambda _: reply(b"sealed"), server) as host:
        trusted = Fetcher(base._backend._guard, trusting)
        url = f"https://files.example:{host.port}/"
        assert await fetched(trusted, url) == b"sealed"
        assert await refused(trusted, f"https://other.example:{host.port}/") == "url_unreachable"
        assert await refused(base, url) == "url_unreachable"
    target = {"url": ""}
    async with hosting(lambda _: reply(b"plain")) as plain:
        target["url"] = plain.url()
        async with hosting(lambda _: reply(b"", "302 Found", Location=target["url"]), server) as host:
            assert await refused(trusted, f"https://files.example:{host.port}/") == "url_refused"
