"""`HttpCall` out, `HttpReply` back. The only file that speaks HTTP, and the only door for money.

What a lost answer means is decided by where it was lost. Before the request has left this machine
nothing can have been bought. After that a purchase is in doubt, whatever the error is called.

A purchase travels on a connection of its own: on a kept-alive one the vendor may have just hung
up, and "closed before it was read" could not be told from "closed after it was accepted".
An account's credentials are added here, to calls for that account's own addresses, nowhere else.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import NoReturn, Self, TypeVar
from urllib.parse import urljoin

import httpx

from omnihuman_blocks.domain.addresses import is_public
from omnihuman_blocks.domain.wire import Flow, HttpCall, HttpReply, check_status
from omnihuman_blocks.edges import unpacking
from omnihuman_blocks.edges.lanes import Lanes
from omnihuman_blocks.edges.marks import condition, mark_of
from omnihuman_blocks.edges.network import GuardedTransport
from omnihuman_blocks.edges.unpacking import Unpackable, unpacked
from omnihuman_blocks.errors import InDoubt, OmniHumanError, Refused, Transient, Unreadable

T = TypeVar("T")

ANSWER_BYTES = 16 * 1024 * 1024
"""An answer of a vendor is a few kilobytes; what is longer than this is not one."""
REDIRECTS = 5
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
UNUSABLE = (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError)
LOST = (httpx.TransportError, Unpackable, TimeoutError)
"""The request was sent, and what came back was no answer."""
QUESTION_SECONDS = 60.0
SLOWEST_UPLOAD = 50_000.0
"""Bytes per second. An answer that trickles would else keep a job waiting for ever."""
PACE_SECONDS = 60.0
PACE_BYTES = 64 * 1024
"""Less than this in that time is no download: somebody keeps us busy."""
ASKING = httpx.Timeout(30.0, connect=10.0, pool=60.0)
FETCHING = httpx.Timeout(60.0, connect=10.0, pool=600.0)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who asks, and where: credentials as headers, the vendor's addresses and ours for each."""

    name: str
    credentials: Mapping[str, str] = field(repr=False)
    addresses: Mapping[str, str]
    """The vendor's public address -> the address to use instead, or the same."""

    @property
    def is_local(self) -> bool:
        """The vendor itself is reached on this machine or network: a sandbox, or a stand-in."""
        return not all(is_public(address) for address in self.addresses.values())

    @property
    def fingerprint(self) -> str:
        """Stands for the account where something is remembered about it; tells no key."""
        return hashlib.sha256(repr(sorted(self.credentials.items())).encode()).hexdigest()[:16]

    def locate(self, url: str) -> str | None:
        """The address to use for a public one; None where it is not this vendor's."""
        for public, own in self.addresses.items():
            rest = url.removeprefix(public)
            if rest != url and (not rest or rest[0] in "/?"):
                return own.rstrip("/") + rest
        return None


@dataclass(frozen=True, kw_only=True)
class Download:
    """An open file at somebody's address. `size` is what the sender announces."""

    size: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A file at somebody's address, as it is now."""

    mark: str | None
    """Changes when its content does; None where the server tells nothing that would."""
    content: bytes | None
    """None where it is still the file whose mark was known."""


class Http:
    """One set of connections for all vendors and all jobs of an event loop."""

    def __init__(self, *, connections: int = 200) -> None:
        # One for all: reading the certificates costs 20 ms and most of a megabyte each time.
        trust = httpx.create_ssl_context()

        def asking(limits: httpx.Limits) -> httpx.AsyncClient:
            return httpx.AsyncClient(timeout=ASKING, limits=limits, verify=trust)

        def fetching(limits: httpx.Limits, *, local: bool) -> httpx.AsyncClient:
            transport = GuardedTransport(limits=limits, trust=trust, local=local)
            return httpx.AsyncClient(timeout=FETCHING, transport=transport)

        def never_kept(limits: httpx.Limits) -> httpx.AsyncClient:
            return asking(
                httpx.Limits(max_connections=limits.max_connections, max_keepalive_connections=0)
            )

        self._asking = Lanes(asking, connections=connections)
        self._buying = Lanes(never_kept, connections=connections)
        self._fetching = Lanes(partial(fetching, local=False), connections=connections)
        self._fetching_locally = Lanes(partial(fetching, local=True), connections=connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes every connection."""
        for lanes in (self._asking, self._buying, self._fetching, self._fetching_locally):
            await lanes.aclose()

    async def ask(self, account: Account, call: HttpCall) -> HttpReply:
        """One question that costs nothing, once. Whatever loses its answer is `Transient`."""
        if call.spends:
            raise ValueError("A purchase goes through `buy`, which knows what a lost answer means.")
        lanes, request = self._prepare(account, call)
        try:
            async with asyncio.timeout(_patience(call)):
                return await _exchange(lanes, request)
        except UNUSABLE as error:
            raise Refused(f"{account.name}: {_why(error)}", "address") from error
        except (*NEVER_SENT, *LOST) as error:
            raise Transient(f"No answer from {account.name}: {_why(error)}") from error

    async def ask_for_file(
        self, account: Account, call: HttpCall, *, within: float
    ) -> tuple[HttpReply, bytes]:
        """A question that is answered with a file, at first perhaps with a long silence."""
        lanes, request = self._prepare(account, call)
        request.extensions["timeout"] = httpx.Timeout(within, connect=10.0, pool=60.0).as_dict()
        try:
            async with asyncio.timeout(within):
                response, content = await _answer(lanes, request)
        except UNUSABLE as error:
            raise Refused(f"{account.name}: {_why(error)}", "address") from error
        except (*NEVER_SENT, *LOST, Unreadable) as error:
            raise Transient(f"No answer from {account.name}: {_why(error)}") from error
        return _reply(response, content if response.status_code != 200 else b""), content

    async def follow(self, account: Account, flow: Flow[T]) -> T:
        """Asks everything that a flow wants to know, in order, and returns what it made of it."""
        try:
            call = next(flow)
            while True:
                call = flow.send(await self.ask(account, call))
        except StopIteration as end:
            meaning: T = end.value
            return meaning
        except Unreadable as error:
            raise Unreadable(f"{account.name} answered something unknown: {error}") from error
        finally:
            flow.close()

    async def buy(
        self,
        account: Account,
        call: HttpCall,
        read: Callable[[HttpReply], T],
        *,
        within: float = 60.0,
        last_look: Callable[[], None] = lambda: None,
    ) -> T:
        """Sends a purchase once and reads its answer. Never call it again for the same attempt.

        `within` bounds the whole exchange in seconds. `last_look` is called when the connection
        stands and the first byte is about to leave: what it raises is raised here, and nothing was
        sent. Raises `Transient`, `Refused` or
        `AccountBlocked` where nothing was bought, and `InDoubt` wherever that is not certain.
        """
        if not call.spends:
            raise ValueError("Only a purchase goes through `buy`.")
        lanes, request = self._prepare(account, call)
        request.extensions["trace"] = _before_the_first_byte(last_look)
        try:
            async with asyncio.timeout(within):
                reply = await _exchange(lanes, request)
        except UNUSABLE as error:
            raise Refused(f"{account.name}: {_why(error)}", "address") from error
        except NEVER_SENT as error:
            raise Transient(
                f"{account.name} could not be reached, so nothing was bought: {_why(error)}"
            ) from error
        except (*LOST, Unreadable) as error:
            raise InDoubt(
                f"The purchase was sent to {account.name} and its answer was lost: {_why(error)}"
            ) from error
        try:
            return read(reply)
        except Unreadable as error:
            raise InDoubt(
                f"The purchase was sent to {account.name}, which answered something unknown "
                f"(HTTP {reply.status}): {error}"
            ) from error

    @asynccontextmanager
    async def download(self, url: str, *, local: bool) -> AsyncGenerator[Download, None]:
        """Opens a file. Never carries a key. `local`: this machine and network are allowed.

        Redirects are followed a few times, each target judged like the first address.
        A final "no" for this address is `Refused` with the status as its code: it may have
        expired, and its vendor may know another one.
        """
        async with self._opened(url, local=local) as response:
            yield _download(response)

    async def read(self, url: str, *, local: bool, most: int) -> bytes:
        """A whole file of at most `most` bytes."""
        async with self.download(url, local=local) as download:
            return await _whole(download, url, most)

    async def look(
        self, url: str, *, local: bool, known: str | None = None, most: int | None = None
    ) -> Seen:
        """A file, unless it is still the one whose mark is known. Without `most` it is not read."""
        async with self._opened(url, local=local, known=known) as response:
            mark = known if response.status_code == 304 else mark_of(response.headers)
            if most is None or (mark is not None and mark == known):
                return Seen(mark=mark, content=None)
            return Seen(mark=mark, content=await _whole(_download(response), url, most))

    @asynccontextmanager
    async def _opened(
        self, url: str, *, local: bool, known: str | None = None
    ) -> AsyncGenerator[httpx.Response, None]:
        lanes = self._fetching_locally if local else self._fetching
        async with lanes.lane() as client:
            response = await _open(client, url, condition(known))
            try:
                yield response
            finally:
                await response.aclose()

    def _prepare(self, account: Account, call: HttpCall) -> tuple[Lanes, httpx.Request]:
        """The request with its credentials, and the connections that suit it."""
        accepted = {"accept": "application/json", "accept-encoding": unpacking.ACCEPTED}
        headers = {**accepted, **call.headers}
        own = account.locate(call.url)
        if call.signed:
            if own is None:
                raise ValueError(f"{call.url} is not an address of {account.name}: no key for it.")
            headers |= account.credentials
        if own is not None:
            lanes = self._buying if call.spends else self._asking
        else:
            lanes = self._fetching_locally if account.is_local else self._fetching
        content = call.content
        if content is None and call.json is not None:
            content = json.dumps(call.json, default=float, allow_nan=False).encode()
            headers.setdefault("content-type", "application/json")
        try:
            url = httpx.URL(own or call.url).copy_merge_params(dict(call.params))
            request = lanes.request(call.method, url, headers=headers, content=content)
        except UNUSABLE as error:
            raise Refused(f"{account.name}: no usable address ({error})", "address") from error
        return lanes, request


def _before_the_first_byte(look: Callable[[], None]) -> Callable[..., Awaitable[None]]:
    """Tells httpcore to call it between connecting, which takes seconds, and sending."""

    async def trace(event: str, _: object) -> None:
        if event.endswith("send_request_headers.started"):
            look()

    return trace


def _patience(call: HttpCall) -> float:
    """Seconds for a question from its first byte to the last of its answer."""
    return QUESTION_SECONDS + len(call.content or b"") / SLOWEST_UPLOAD


async def _exchange(lanes: Lanes, request: httpx.Request) -> HttpReply:
    """Sends one request and reads its answer to the end, within bounds. Follows no redirect."""
    return _reply(*await _answer(lanes, request))


async def _answer(lanes: Lanes, request: httpx.Request) -> tuple[httpx.Response, bytes]:
    async with lanes.lane() as client:
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            return response, await _read_out(response)
        finally:
            await response.aclose()


async def _read_out(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in _plain(response):
        content += chunk
        if len(content) > ANSWER_BYTES:
            raise Unreadable(f"The answer has more than {ANSWER_BYTES:,} bytes")
    return bytes(content)


def _reply(response: httpx.Response, content: bytes) -> HttpReply:
    return HttpReply(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        text=content.decode("utf-8", errors="replace"),
        received_at=datetime.now(UTC),
    )


def _download(response: httpx.Response) -> Download:
    announced = response.headers.get("content-length", "")
    packed = unpacking.is_packed(response.headers.get("content-encoding", ""))
    size = int(announced) if announced.isdecimal() and not packed else None
    return Download(size=size, chunks=_chunks(response))


async def _whole(download: Download, url: str, most: int) -> bytes:
    content = bytearray()
    async for chunk in download.chunks:
        content += chunk
        if len(content) > most:
            raise Refused(f"{url} has more than {most:,} bytes", "too_large")
    if download.size is not None and len(content) != download.size:
        raise Transient(f"{url} broke off after {len(content):,} of {download.size:,} bytes")
    return bytes(content)


async def _open(
    client: httpx.AsyncClient, url: str, conditions: Mapping[str, str]
) -> httpx.Response:
    for _ in range(REDIRECTS + 1):
        response = await _get(client, url, conditions)
        if not response.has_redirect_location:
            if response.status_code == 200 or (conditions and response.status_code == 304):
                return response
            await _raise_unavailable(response, url)
        await response.aclose()
        url = urljoin(url, response.headers["location"])
    raise Refused(f"{_bare(url)} redirects more than {REDIRECTS} times", "redirects")


async def _get(
    client: httpx.AsyncClient, url: str, conditions: Mapping[str, str]
) -> httpx.Response:
    try:
        # Sent plain, so that the announced length is the length of the file.
        headers = {"accept-encoding": "identity", **conditions}
        request = client.build_request("GET", url, headers=headers)
        return await client.send(request, stream=True, follow_redirects=False)
    except UNUSABLE as error:
        raise Refused(f"{_bare(url)} is no usable address ({error})", "address") from error
    except httpx.TransportError as error:
        raise Transient(f"{_bare(url)} cannot be read now: {_why(error)}") from error


async def _raise_unavailable(response: httpx.Response, url: str) -> NoReturn:
    """A file has no account: what a vendor's 401 to 403 would mean is here an expired address."""
    await response.aclose()
    reply = HttpReply(
        status=response.status_code,
        headers={name.lower(): value for name, value in response.headers.items()},
        received_at=datetime.now(UTC),
    )
    if response.status_code in (401, 402, 403) or not 400 <= response.status_code < 600:
        raise Refused(
            f"{_bare(url)} is not there (HTTP {response.status_code})",
            f"http_{response.status_code}",
        )
    check_status(reply, f"reading {_bare(url)}")
    raise AssertionError(response.status_code)  # pragma: no cover - check_status raised


def _plain(response: httpx.Response) -> AsyncIterator[bytes]:
    return unpacked(response.aiter_raw(), response.headers.get("content-encoding", ""))


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    where = _bare(str(response.url))
    try:
        async for chunk in unpacked(
            _at_a_pace(response.aiter_raw(), where), response.headers.get("content-encoding", "")
        ):
            yield chunk
    except httpx.TransportError as error:
        raise Transient(f"{where} broke off while it was read: {_why(error)}") from error
    except Unpackable as error:
        raise Refused(f"{where} is no plain file: {error}", "encoding") from error


async def _at_a_pace(chunks: AsyncIterator[bytes], where: str) -> AsyncIterator[bytes]:
    """What comes, as long as enough of it comes. Only the time spent waiting for it counts."""
    waited, came = 0.0, 0
    began = time.monotonic()
    async for chunk in chunks:
        waited += time.monotonic() - began
        came += len(chunk)
        if waited >= PACE_SECONDS:
            if came < PACE_BYTES:
                raise Transient(
                    f"{where} trickles: {came:,} bytes in {waited:.0f} s. It was given up, and is "
                    "asked for again."
                )
            waited, came = 0.0, 0
        yield chunk
        began = time.monotonic()


def _bare(url: str) -> str:
    """An address fit for a message: what follows `?` is often a signature."""
    return url.partition("?")[0].partition("#")[0][:300]


def _why(error: Exception) -> str:
    if isinstance(error, OmniHumanError):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")
