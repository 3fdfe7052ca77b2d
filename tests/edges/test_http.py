"""The one door: what leaves, what comes back, and what a lost answer means."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from omnihuman_blocks.domain import wire
from omnihuman_blocks.domain.wire import Flow, HttpCall, HttpReply
from omnihuman_blocks.edges.http import Account, Http
from omnihuman_blocks.errors import InDoubt, Refused, Transient, Unreadable

PUBLIC = "https://api.vendor.example"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Vendor:
    """A raw socket that answers as it is told and remembers what it was sent."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not reader.at_eof():
                self.heard.append(await _request(reader))
                assert self.answer is not None
                await self.answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head + await reader.readexactly(length)


def says(status: str, body: bytes = b"", *headers: str) -> Answer:
    """An answer with this status line, body and headers."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return answer


def breaks(after: bytes = b"") -> Answer:
    """A connection that is cut after these bytes."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.drain()
        writer.close()

    return answer


async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No answer, for longer than anybody waits."""
    await asyncio.sleep(60)


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.port = server.sockets[0].getsockname()[1]
    yield vendor
    server.close()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as http:
        yield http


def account(address: str) -> Account:
    return Account(
        name="vendor",
        credentials={"authorization": "Bearer very-secret"},
        addresses={PUBLIC: address},
    )


BUY = HttpCall(method="POST", url=f"{PUBLIC}/v1/buy", json={"x": 1}, spends=True)
ASK = HttpCall(method="GET", url=f"{PUBLIC}/v1/ask")


def understood(reply: HttpReply) -> str:
    wire.check_purchase(reply)
    return wire.text(reply.record(), "id")


async def test_a_purchase_is_sent_once_to_the_replaced_address_with_its_prefix_and_key(
    vendor: Vendor, http: Http
) -> None:
    """The public address is replaced, the path in the replacement kept, the key added."""
    vendor.answer = says("200 OK", b'{"id": "t1"}')
    assert await http.buy(account(vendor.url + "/prefix"), BUY, understood) == "t1"
    assert len(vendor.heard) == 1
    assert vendor.heard[0].startswith(b"POST /prefix/v1/buy HTTP/1.1")
    assert b"authorization: bearer very-secret" in vendor.heard[0].lower()


@pytest.mark.parametrize(
    "answer",
    [
        breaks(),
        breaks(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"),
        breaks(b"rubbish\r\n\r\n"),
        says("200 OK", b"<html>busy</html>"),
        says("200 OK", b'{"other": 1}'),
        says("302 Found", b"", "Location: https://elsewhere.example/"),
        says("500 Internal Server Error", b"{}"),
        says("502 Bad Gateway", b"<html></html>"),
        says("408 Request Timeout"),
        says("200 OK", gzip.compress(b" " * (17 * 1024 * 1024)), "Content-Encoding: gzip"),
        says("200 OK", b"not gzip", "Content-Encoding: gzip"),
    ],
)
async def test_a_lost_answer_to_a_purchase_is_in_doubt(
    vendor: Vendor, http: Http, answer: Answer
) -> None:
    """Whatever becomes of the answer after the request has left: it may have been bought."""
    vendor.answer = answer
    with pytest.raises(InDoubt):
        await http.buy(account(vendor.url), BUY, understood)
    assert len(vendor.heard) == 1


async def test_a_purchase_without_an_answer_in_time_is_in_doubt(vendor: Vendor, http: Http) -> None:
    """The whole exchange is bounded, so that it ends before its lease does."""
    vendor.answer = never
    with pytest.raises(InDoubt):
        await http.buy(account(vendor.url), BUY, understood, within=0.2)


async def test_the_last_look_is_after_connecting_and_before_sending(
    vendor: Vendor, http: Http
) -> None:
    """Whoever may no longer buy by then sends not one byte."""
    vendor.answer = says("200 OK", b'{"id": "t1"}')

    def too_late() -> None:
        raise Transient("the claim ran out")

    with pytest.raises(Transient, match="the claim ran out"):
        await http.buy(account(vendor.url), BUY, understood, last_look=too_late)
    assert vendor.heard == []
    looks: list[int] = []
    await http.buy(account(vendor.url), BUY, understood, last_look=lambda: looks.append(1))
    assert looks == [1]


async def test_a_vendor_that_cannot_be_reached_has_sold_nothing(
    http: Http, unused_tcp_port: int
) -> None:
    """A refused connection is known not to have bought."""
    with pytest.raises(Transient, match="nothing was bought"):
        await http.buy(account(f"http://127.0.0.1:{unused_tcp_port}"), BUY, understood)


async def test_an_unusable_address_has_sold_nothing(http: Http) -> None:
    """A typing error in an address is no purchase and no riddle."""
    with pytest.raises(Refused):
        await http.buy(account("ftp://127.0.0.1"), BUY, understood)


@pytest.mark.parametrize(
    ("status", "error"), [("429 Too Many Requests", Transient), ("400 Bad Request", Refused)]
)
async def test_a_clear_no_is_not_in_doubt(
    vendor: Vendor, http: Http, status: str, error: type[Exception]
) -> None:
    """An answer that says that nothing was accepted is believed."""
    vendor.answer = says(status, b"{}")
    with pytest.raises(error):
        await http.buy(account(vendor.url), BUY, understood)


async def test_a_purchase_never_travels_on_a_used_connection(vendor: Vendor, http: Http) -> None:
    """Two purchases make two connections, so that a hang-up cannot be mistaken for a loss."""
    connections = 0
    said = says("200 OK", b'{"id": "t"}')

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await said(reader, writer)
        await reader.read()  # until the other side closes: a second request here would hang

    vendor.answer = answer
    for _ in range(2):
        await asyncio.wait_for(http.buy(account(vendor.url), BUY, understood), 5)
    assert connections == 2


@pytest.mark.parametrize(
    "answer", [breaks(), says("200 OK", b"not gzip", "Content-Encoding: gzip")]
)
async def test_a_lost_answer_to_a_question_is_only_not_now(
    vendor: Vendor, http: Http, answer: Answer
) -> None:
    """Asking again costs nothing."""
    vendor.answer = answer
    with pytest.raises(Transient):
        await http.ask(account(vendor.url), ASK)


async def test_a_purchase_cannot_be_asked_and_a_question_cannot_be_bought(http: Http) -> None:
    """The two doors do not take each other's calls."""
    with pytest.raises(ValueError, match="purchase"):
        await http.ask(account("http://127.0.0.1:1"), BUY)
    with pytest.raises(ValueError, match="purchase"):
        await http.buy(account("http://127.0.0.1:1"), ASK, understood)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.vendor.example.evil.example/v1",
        "https://evil.example/api.vendor.example",
        "http://api.vendor.example/v1",
        "https://api.vendor.example@evil.example/",
    ],
)
async def test_a_key_goes_to_the_vendors_own_address_only(http: Http, url: str) -> None:
    """An address that only looks like the vendor's gets no key: the call is not even made."""
    with pytest.raises(ValueError, match="not an address"):
        await http.ask(account("http://127.0.0.1:1"), HttpCall(method="GET", url=url))


async def test_an_unsigned_call_carries_no_key(vendor: Vendor, http: Http) -> None:
    """A storage host is asked without the account's key."""
    vendor.answer = says("200 OK", b"{}")
    call = HttpCall(method="PUT", url=f"{vendor.url}/storage?sig=1", content=b"x", signed=False)
    await http.ask(account(vendor.url), call)
    assert vendor.heard[0].startswith(b"PUT /storage?sig=1 ")
    assert b"secret" not in vendor.heard[0]


async def test_parameters_are_added_to_those_of_the_address(vendor: Vendor, http: Http) -> None:
    """A query in the address survives."""
    vendor.answer = says("200 OK", b"{}")
    call = HttpCall(method="GET", url=f"{PUBLIC}/v1?a=1", params={"b": "x/y:z"})
    await http.ask(account(vendor.url), call)
    assert vendor.heard[0].startswith(b"GET /v1?a=1&b=x%2Fy%3Az ")


async def test_a_flow_is_followed_to_its_end(vendor: Vendor, http: Http) -> None:
    """Each answer is sent into the flow, and what it returns is what comes out."""
    vendor.answer = says("200 OK", b'{"id": "a"}')

    def flow() -> Flow[str]:
        first = yield ASK
        second = yield ASK
        return wire.text(first.record(), "id") + wire.text(second.record(), "id")

    assert await http.follow(account(vendor.url), flow()) == "aa"
    vendor.answer = says("200 OK", b"[]")
    with pytest.raises(Unreadable, match="vendor answered"):
        await http.follow(account(vendor.url), flow())


async def test_a_flow_cannot_buy(http: Http) -> None:
    """No purchase hides between questions."""

    def flow() -> Flow[None]:
        yield BUY

    with pytest.raises(ValueError, match="purchase"):
        await http.follow(account("http://127.0.0.1:1"), flow())


async def test_a_file_is_read_whole_without_a_key(vendor: Vendor, http: Http) -> None:
    """Downloads are plain, and their length is the announced one."""
    vendor.answer = says("200 OK", b"abcdef")
    assert await http.read(f"{vendor.url}/v.mp4?sig=1", local=True, most=10) == b"abcdef"
    assert b"secret" not in vendor.heard[0]
    with pytest.raises(Refused, match="more than 3"):
        await http.read(f"{vendor.url}/v.mp4", local=True, most=3)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says("404 Not Found"), Refused),
        (says("403 Forbidden"), Refused),
        (says("410 Gone"), Refused),
        (says("304 Not Modified"), Refused),
        (says("206 Partial Content", b"ab"), Refused),
        (says("429 Too Many Requests"), Transient),
        (says("503 Service Unavailable"), Transient),
        (breaks(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nab"), Transient),
        (breaks(), Transient),
    ],
)
async def test_a_file_that_cannot_be_read_says_whether_to_try_again(
    vendor: Vendor, http: Http, answer: Answer, error: type[Exception]
) -> None:
    """An expired address is final for this address; a stumble is not."""
    vendor.answer = answer
    with pytest.raises(error) as caught:
        await http.read(f"{vendor.url}/v.mp4?signature=abc", local=True, most=1000)
    assert "signature" not in str(caught.value)


async def test_redirects_are_followed_a_few_times(vendor: Vendor, http: Http) -> None:
    """A content network may send us on, but not for ever."""
    vendor.answer = says("302 Found", b"", "Location: /again")
    with pytest.raises(Refused, match="redirects"):
        await http.read(f"{vendor.url}/v.mp4", local=True, most=10)
    assert len(vendor.heard) == 6


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/v.mp4",
        "https://127.0.0.1:{port}/v.mp4",
        "https://localhost:{port}/v.mp4",
        "https://[::1]:{port}/v.mp4",
        "https://[::ffff:127.0.0.1]:{port}/v.mp4",
        "https://10.0.0.1/v.mp4",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433:{port}/v.mp4",
        "file:///etc/passwd",
        "http://[bad/v.mp4",
        "no address at all",
    ],
)
async def test_an_address_in_our_own_network_is_not_followed(
    vendor: Vendor, http: Http, url: str
) -> None:
    """A public vendor cannot make us read from our own machine or network."""
    vendor.answer = says("200 OK", b"secret of this machine")
    with pytest.raises(Refused):
        await http.read(url.format(port=vendor.port), local=False, most=1000)
    assert vendor.heard == []


async def test_a_redirect_into_our_own_network_is_not_followed(vendor: Vendor, http: Http) -> None:
    """Each hop is judged like the first: here a local vendor may, a public one may not."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[bytes]:
        async with http.download(f"{vendor.url}/a", local=True) as download:
            yield b"".join([chunk async for chunk in download.chunks])

    vendor.answer = says("200 OK", b"ok")
    async with opened() as content:
        assert content == b"ok"
    with pytest.raises(Refused):
        await http.read(f"{vendor.url}/a", local=False, most=10)


def test_an_account_shows_no_credentials() -> None:
    """What is printed or logged of an account has no key in it."""
    assert "secret" not in repr(account(PUBLIC))


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("https://api.vendor.example", False),
        ("https://8.8.8.8", False),
        ("http://api.vendor.example", True),
        ("https://127.0.0.1:8443", True),
        ("https://192.168.1.5", True),
        ("https://localhost", True),
    ],
)
def test_a_vendor_is_local_when_its_address_is(address: str, local: bool) -> None:  # noqa: FBT001
    """Only a vendor on this machine or network may hand out addresses there."""
    assert account(address).is_local is local
