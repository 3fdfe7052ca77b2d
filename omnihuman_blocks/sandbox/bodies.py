"""Bodies that are not simply sent: they stop, drip, swell, or never end."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from omnihuman_blocks.sandbox.answers import Answer
from omnihuman_blocks.sandbox.dropping import hang_up
from omnihuman_blocks.sandbox.effects import Endless, GzipBomb, Oversized, Truncated
from omnihuman_blocks.sandbox.strike import Strike

MEGABYTE = 1024 * 1024


def misbehaving(answer: Answer, strike: Strike) -> ASGIApp | None:
    """Who sends this body as the switchboard wants it; None where it is sent as usual."""
    raw = answer.raw
    truncated, bomb = strike.get(Truncated), strike.get(GzipBomb)
    oversized, endless = strike.get(Oversized), strike.get(Endless)
    if truncated is not None and not truncated.honest:
        return Stopping(answer, keep=int(len(raw) * truncated.keep))
    if bomb is not None:
        chunks = _compressed_zeros(bomb.megabytes)
        return Streaming(answer, chunks, {"content-encoding": "gzip"})
    if oversized is not None:
        size = max(oversized.megabytes * MEGABYTE, len(raw))
        announced = {"content-length": str(size)} if oversized.announced else {}
        return Streaming(answer, _padded(raw, size), announced)
    if endless is not None:
        return Streaming(answer, _dripping(raw, endless), {})
    return None


@dataclass
class Stopping:
    """Announces the whole, sends a part, and hangs up."""

    answer: Answer
    keep: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = self.answer.raw
        await _begin(self.answer, send, {"content-length": str(len(raw))})
        await send({"type": "http.response.body", "body": raw[: self.keep], "more_body": True})
        await hang_up(scope, receive)


@dataclass
class Streaming:
    """Sends chunks until there are none or nobody listens."""

    answer: Answer
    chunks: AsyncIterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await _begin(self.answer, send, self.headers)
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async for chunk in self.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await asyncio.sleep(0)
                if gone.done():
                    return
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


async def _begin(answer: Answer, send: Send, headers: dict[str, str]) -> None:
    every = {"content-type": answer.media_type, **headers}
    pairs = [(name.encode(), value.encode()) for name, value in every.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _padded(film: bytes, size: int) -> AsyncIterator[bytes]:
    yield film
    rubbish, left = bytes(MEGABYTE), size - len(film)
    while left > 0:
        yield rubbish[:left]
        left -= MEGABYTE


async def _dripping(film: bytes, endless: Endless) -> AsyncIterator[bytes]:
    yield film
    zeros = bytes(endless.kilobytes * 1024)
    while True:
        yield zeros
        await asyncio.sleep(endless.pause_seconds)


async def _compressed_zeros(megabytes: int) -> AsyncIterator[bytes]:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MEGABYTE)
    for _ in range(megabytes):
        yield squeeze.compress(zeros) or squeeze.flush(zlib.Z_SYNC_FLUSH)
    yield squeeze.flush()
