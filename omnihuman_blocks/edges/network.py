"""Which hosts may be connected to, judged at the moment of connecting.

An address that a vendor hands out could point into our own network. Its name is resolved here and
the very address that was judged is the one connected to, so that a name that answers differently
the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from omnihuman_blocks.domain.addresses import is_public_number


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Connects to public addresses over https; to any address where `local` is true."""

    def __init__(self, *, limits: httpx.Limits, trust: ssl.SSLContext, local: bool) -> None:
        super().__init__(limits=limits, verify=trust)
        self._local = local
        if not local:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=trust,
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_keepalive_connections,
                keepalive_expiry=limits.keepalive_expiry,
                network_backend=_PublicOnly(),
            )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._local and request.url.scheme != "https":
            raise httpx.UnsupportedProtocol(
                "only https is followed where a public vendor hands out the address"
            )
        return await super().handle_async_request(request)


class _PublicOnly(httpcore.AsyncNetworkBackend):
    """Resolves a name, refuses it if any of its addresses is not public, connects to the first."""

    def __init__(self) -> None:
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                address = await _public_address(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not found within {timeout:g} s") from error
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("a socket file is no address of a video")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def _public_address(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(f"{host} is not known: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(_is_public(address) for address in addresses):
        raise httpcore.UnsupportedProtocol(
            f"{host} lies in this machine's own network, where a public vendor has no videos; "
            "it is not followed"
        )
    return addresses[0]


def _is_public(address: str) -> bool:
    return is_public_number(ipaddress.ip_address(address.partition("%")[0]))
