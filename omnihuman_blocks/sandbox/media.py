"""Files that clients bring, kept by path, and addresses -> bytes.

What this sandbox hosts itself (`/media`, the vendors' uploads) is taken from memory; `data:` URIs
are decoded; any other http(s) address is fetched in a thread.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import unquote, unquote_to_bytes, urlsplit
from weakref import WeakValueDictionary

from omnihuman_blocks.sandbox.network import is_web, opener

LARGEST_MEDIUM = 200 * 1024 * 1024
FETCH_SECONDS = 60.0
MUCH = 256 * 1024


class Unreachable(Exception):
    """An address from which no bytes can be had."""


@dataclass(frozen=True)
class Medium:
    """Bytes with their digest."""

    data: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    digest: str = ""

    @classmethod
    async def hashed(cls, data: bytes, content_type: str) -> Medium:
        """Bytes, hashed where they do not hold up anybody."""
        if len(data) < MUCH:
            return cls.of(data, content_type)
        return await asyncio.to_thread(cls.of, data, content_type)

    @classmethod
    def of(cls, data: bytes, content_type: str = "application/octet-stream") -> Medium:
        """Bytes, hashed."""
        return cls(data, content_type, hashlib.sha256(data).hexdigest())


class Library:
    """The files that this sandbox hosts, by the path of their address."""

    def __init__(self, *, is_own: Callable[[str], bool] = lambda _host: False) -> None:
        self._files: dict[str, Medium] = {}
        self._known: WeakValueDictionary[tuple[str, str], Medium] = WeakValueDictionary()
        self._is_own = is_own

    def keep(self, path: str, medium: Medium) -> None:
        """Hosts a file."""
        self._files[path] = self._once(medium)

    def _once(self, medium: Medium) -> Medium:
        """Equal bytes are held in memory once."""
        return self._known.setdefault((medium.digest, medium.content_type), medium)

    def find(self, path: str) -> Medium | None:
        """The file under a path."""
        return self._files.get(path)

    def remove(self, path: str) -> bool:
        """Whether there was such a file; there is none now."""
        return self._files.pop(path, None) is not None

    def at_hand(self, address: str, base: str) -> Medium | None:
        """What an address names, if that can be told without asking anybody."""
        if address.startswith("data:"):
            return self._once(read_data_uri(address))
        if not self._hosts(address, base):
            return None
        return self._files.get(unquote(urlsplit(address).path))

    async def fetch(self, address: str, base: str) -> Medium:
        """What an address names, from wherever it is."""
        if address.startswith("data:") and len(address) > MUCH:
            return self._once(await asyncio.to_thread(read_data_uri, address))
        known = self.at_hand(address, base)
        if known is not None:
            return known
        if self._hosts(address, base):
            raise Unreachable(f"HTTP 404 from {address}")
        return self._once(await asyncio.to_thread(_download, address))

    def _hosts(self, address: str, base: str) -> bool:
        if not is_web(address):
            raise Unreachable(f"not an http(s) address: {address[:200]}")
        return address.startswith(f"{base}/") or self._is_own(urlsplit(address).netloc)


def read_data_uri(address: str) -> Medium:
    """The bytes inside a `data:` URI."""
    head, comma, payload = address[len("data:") :].partition(",")
    if not comma:
        raise Unreachable("a data URI without a comma")
    content_type, *parameters = head.split(";")
    if "base64" not in parameters:
        return Medium.of(unquote_to_bytes(payload), content_type or "text/plain")
    return Medium.of(read_base64(payload), content_type or "text/plain")


def read_base64(payload: str) -> bytes:
    """The bytes that were encoded; Unreachable where it is not base64."""
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unreachable(f"not base64: {error}") from error


def _download(address: str) -> Medium:
    try:
        request = urllib.request.Request(  # noqa: S310 - is_web
            address, headers={"User-Agent": "omnihuman-sandbox"}
        )
        with opener(address, follows=True).open(request, timeout=FETCH_SECONDS) as reply:
            data: bytes = reply.read(LARGEST_MEDIUM + 1)
            content_type = reply.headers.get_content_type()
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        raise Unreachable(f"{error} from {address[:200]}") from error
    if len(data) > LARGEST_MEDIUM:
        raise Unreachable(f"more than {LARGEST_MEDIUM} bytes at {address[:200]}")
    return Medium.of(data, content_type)
