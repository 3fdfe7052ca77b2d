"""The receiver as an ASGI application: `POST …/VENDOR/TOKEN`, and `GET …/health` with the counts.

Mounted anywhere, behind any prefix: only the last two pieces of a path count. An address is judged
before its body is read, and a body is read up to a limit of size and time.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.webhooks.receiving import STATUS, Receiver, Verdict

MOST_BYTES = 1024 * 1024
"""A callback is a few kilobytes. A failed fal job repeats what it was given, which may be media."""
BODY_SECONDS = 10.0
HEALTH = "health"
LEDGER_SECONDS = 10.0
"""For a busy ledger. Vendors wait five to fifteen seconds, and call again."""


class Webhooks:
    """Hears callbacks for one ledger."""

    def __init__(self, receiver: Receiver, *, owns_ledger: bool = False) -> None:
        self._receiver = receiver
        self._owns_ledger = owns_ledger

    @property
    def counts(self) -> dict[str, int]:
        """How many callbacks came to what, since this was started."""
        return {verdict.value: self._receiver.counts[verdict] for verdict in Verdict}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            response = await self._answer(Request(scope, receive))
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close"})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            word = (await receive())["type"].removeprefix("lifespan.")
            if word == "shutdown" and self._owns_ledger:
                self._receiver.ledger.close()
            await send({"type": f"lifespan.{word}.complete"})
            if word == "shutdown":
                return

    async def _answer(self, request: Request) -> Response:
        path: str = request.scope["path"]
        place, _, token = path.rpartition("/")
        vendor = place.rpartition("/")[2]
        if token == HEALTH:
            return JSONResponse({"ok": True, "callbacks": self.counts})
        if request.method != "POST":
            return _told(Verdict.UNKNOWN if request.method in ("GET", "HEAD") else 405)
        purchase = await self._receiver.find(vendor, token)
        if isinstance(purchase, Verdict):
            return _told(purchase)
        body = await _body(request)
        if isinstance(body, Verdict):
            return _told(self._receiver.count(body, vendor, key=purchase.key))
        headers = {name.lower(): value for name, value in request.headers.items()}
        return _told(await self._receiver.hear(purchase, headers, body))


def app_for(
    ledger: Ledger | str | Path, *, environment: Mapping[str, str] | None = None
) -> Webhooks:
    """An ASGI application that hears callbacks for a ledger, to be served or mounted.

    An address is opened here and closed when the application is shut down; a mounted one is closed
    with the process.

    Args:
        ledger: The ledger, or its address: a file or a PostgreSQL database.
        environment: Where the vendors' addresses may be replaced; this process's own by default.
    """
    opened = ledger if isinstance(ledger, Ledger) else _open(ledger)
    receiver = Receiver.at(opened, os.environ if environment is None else environment)
    return Webhooks(receiver, owns_ledger=opened is not ledger)


def _open(address: str | Path) -> Ledger:
    return Ledger.open(address, must_exist=True, patience_seconds=LEDGER_SECONDS)


async def _body(request: Request) -> bytes | Verdict:
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MOST_BYTES:
                    return Verdict.OVERSIZED
    except (TimeoutError, ClientDisconnect):
        return Verdict.MALFORMED
    return bytes(content)


def _told(verdict: Verdict | int) -> Response:
    """As little as possible: whoever guesses learns nothing."""
    return Response(status_code=verdict if isinstance(verdict, int) else STATUS[verdict])
