"""Connections that die: closed or reset by the server without (the rest of) an answer.

ASGI has no word for it, so uvicorn's protocol is made to remember each connection's transport
by the address of its peer, which a request carries in its scope.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import weakref

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_open: weakref.WeakValueDictionary[tuple[str, int], asyncio.Transport] = (
    weakref.WeakValueDictionary()
)


class DroppableProtocol(H11Protocol):
    """uvicorn's HTTP over h11, whose connections `drop` can find."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            _open[self.client] = transport


async def drop(scope: Scope, receive: Receive, *, reset: bool = False) -> None:
    """Closes the connection now; with `reset` so that the peer sees a reset, not an end."""
    transport = _open.get(tuple(scope["client"]))
    if transport is None:  # it has gone already
        return
    if reset:
        _linger_not(transport)
    transport.abort()
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass


async def hang_up(scope: Scope, receive: Receive) -> None:
    """Closes the connection after what has been said has gone out."""
    transport = _open.get(tuple(scope["client"]))
    if transport is None:
        return
    transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _linger_not(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
