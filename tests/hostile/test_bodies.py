"""Bodies that swell, never end, trickle or lie about their length: bounded in bytes and time."""

from __future__ import annotations

import asyncio
import gzip
import io
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from omnihuman_blocks.domain.wire import HttpCall
from omnihuman_blocks.edges import delivery
from omnihuman_blocks.edges import http as door
from omnihuman_blocks.edges.http import Account, Http
from omnihuman_blocks.edges.unpacking import Unpackable, unpacked
from omnihuman_blocks.errors import BadDelivery, InDoubt, Refused, Transient

KEY = "c" * 64
MEGABYTE = 1024 * 1024
BUY = HttpCall(method="POST", url="https://vendor.test/buy", json={}, spends=True)
ASK = HttpCall(method="GET", url="https://vendor.test/ask")


def bomb(megabytes: int, layers: int = 1) -> bytes:
    """Zeros, packed as often as that."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb") as file:
        for _ in range(megabytes):
            file.write(b"\0" * MEGABYTE)
    content = packed.getvalue()
    for _ in range(layers - 1):
        content = gzip.compress(content)
    return content


def answers(body: bytes, *headers: str) -> Callable[..., Any]:
    """One answer, and the connection ends."""

    async def serve(_: str, writer: asyncio.StreamWriter) -> None:
        head = "\r\n".join(["HTTP/1.1 200 OK", "connection: close", *headers])
        writer.write(head.encode() + b"\r\n\r\n" + body)

    return serve


async def for_ever(_: str, writer: asyncio.StreamWriter) -> None:
    """As fast as it is read."""
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def drop_by_drop(_: str, writer: asyncio.StreamWriter) -> None:
    """A byte now and then, so that no time-out for silence ever strikes."""
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def bring(http: Http, stranger: Any, tmp_path: Path) -> Callable[..., Any]:
    """The whole way of a clip from a public address to this test's folder."""

    async def bring(serve: Callable[..., Any], most: int = 5 * MEGABYTE) -> delivery.Delivered:
        stranger.serve = serve
        with ThreadPoolExecutor(1) as pool:
            return await delivery.fetch(
                stranger.url("/clip.mp4?sig=hush"),
                folder=tmp_path,
                key=KEY,
                open_address=partial(http.download, local=False),
                pool=pool,
                most=most,
            )

    return bring


@pytest.mark.parametrize(
    ("serve", "error", "words"),
    [
        (answers(bomb(64), "content-encoding: gzip"), BadDelivery, "more than 5,242,880 bytes"),
        (answers(bomb(64, 2), "content-encoding: gzip, gzip"), Refused, "was not asked for"),
        (answers(b"x", "content-encoding: br"), Refused, "was not asked for"),
        (answers(b"plain", "content-encoding: gzip"), Refused, "says that it is packed, and is"),
        (answers(gzip.compress(b"x" * 99)[:-9], "content-encoding: gzip"), Refused, "breaks off"),
        (for_ever, BadDelivery, "more than 5,242,880 bytes"),
        (answers(b"x", f"content-length: {6 * MEGABYTE}"), BadDelivery, "has 6,291,456 bytes"),
        (answers(b"x" * 5, "content-length: 9"), Transient, "broke off"),
        (answers(b"x", "content-length: much"), Transient, "cannot be read now"),
        (answers(b"x", "content-length: -1"), Transient, "cannot be read now"),
        (answers(b"x", "content-length: 1", "content-length: 7"), Transient, "cannot be read now"),
        (answers(b"", "content-length: 0"), BadDelivery, "empty"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:30]),
)
async def test_a_body_that_misbehaves_is_bounded_and_leaves_nothing(
    bring: Callable[..., Any],
    tmp_path: Path,
    serve: Callable[..., Any],
    error: type[Exception],
    words: str,
) -> None:
    """No part of a file, no signature in the message, and the class says what is done next."""
    with pytest.raises(error, match=words) as caught:
        await bring(serve)
    assert "hush" not in str(caught.value)
    assert left_in(tmp_path) == []


async def test_what_lies_behind_the_announced_end_is_not_read(bring: Callable[..., Any]) -> None:
    """The announced length counts; rubbish behind it is nobody's file."""
    delivered = await bring(answers(b"video and rubbish", "content-length: 5"))
    assert (delivered.size, delivered.path.read_bytes()) == (5, b"video")


async def test_an_honest_packing_is_unpacked(bring: Callable[..., Any]) -> None:
    """Some servers pack whatever they send; the file is the same."""
    content = bytes(range(256)) * 9000
    delivered = await bring(answers(gzip.compress(content), "content-encoding: x-gzip"))
    assert delivered.path.read_bytes() == content


async def test_unpacking_never_holds_more_than_a_block() -> None:
    """All of it comes in one piece, and is read on in blocks, with the memory of a few."""

    async def raw() -> AsyncIterator[bytes]:
        yield content

    content = bomb(64)
    tracemalloc.start()
    seen = 0
    async for block in unpacked(raw(), "gzip"):
        seen += len(block)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen == 64 * MEGABYTE
    assert most < 5 * MEGABYTE


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,identity,gzip", "deflate", "br", "x"])
async def test_only_what_was_asked_for_is_unpacked(encoding: str) -> None:
    """One packing inside another multiplies, so there is one at most."""

    async def raw() -> AsyncIterator[bytes]:
        yield zlib.compress(b"x")

    with pytest.raises(Unpackable, match="not asked for"):
        await anext(unpacked(raw(), encoding))


async def test_a_file_that_trickles_is_given_up(
    bring: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then would keep a place for ever; it is tried again later instead."""
    monkeypatch.setattr(door, "PACE_SECONDS", 0.3)
    with pytest.raises(Transient, match="trickles"):
        async with asyncio.timeout(20):
            await bring(drop_by_drop)


async def test_an_answer_that_trickles_is_no_answer(
    http: Http, stranger: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a question: asked again. To a purchase: in doubt, while the claim still holds."""
    monkeypatch.setattr(door, "QUESTION_SECONDS", 0.3)
    account = Account(
        name="vendor", credentials={}, addresses={"https://vendor.test": stranger.url("")}
    )
    stranger.serve = drop_by_drop
    with pytest.raises(Transient, match="No answer from vendor"):
        await http.ask(account, ASK)
    with pytest.raises(InDoubt, match="answer was lost"):
        await http.buy(account, BUY, lambda reply: reply, within=0.3)


async def test_an_answer_cannot_fill_the_memory(http: Http, stranger: Any) -> None:
    """Neither by its length nor by its packing."""
    account = Account(
        name="vendor", credentials={}, addresses={"https://vendor.test": stranger.url("")}
    )
    for serve in (
        answers(bomb(64), "content-encoding: gzip"),
        answers(bomb(64, 2), "content-encoding: gzip, gzip"),
        for_ever,
    ):
        stranger.serve = serve
        with pytest.raises(InDoubt):
            await http.buy(account, BUY, lambda reply: reply)


@pytest.mark.parametrize(
    ("seconds", "most"), [(None, 2048), (Decimal(2), 128), (Decimal(30), 1024), (Decimal(90), 2048)]
)
def test_a_clip_may_be_as_long_as_its_audio_asks_for(seconds: Decimal | None, most: int) -> None:
    """Two gigabytes for two seconds are no clip."""
    assert delivery.largest(seconds) == most * MEGABYTE
