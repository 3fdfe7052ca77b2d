"""The public keys with which one vendor signs its callbacks, kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from omnihuman_blocks.edges.http import Account, Http
from omnihuman_blocks.providers.base import Seal, Signing

KEPT_SECONDS = 12 * 3600.0
"""Vendors ask for at most a day."""
ANEW_SECONDS = 60.0
"""A signature that fits no key may be one of a new key, or a forgery: the vendor is not asked more
often than this, however many forgeries come."""


@dataclass(kw_only=True)
class KeyRing:
    """Asked for when the first callback comes, and again when none of them fits any more."""

    account: Account
    signing: Signing
    clock: Callable[[], float] = time.monotonic
    _keys: tuple[bytes, ...] = ()
    _read_at: float = field(default=float("-inf"))
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def judge(self, headers: Mapping[str, str], body: bytes) -> Seal:
        """What the signature under a callback is worth. Raises where the keys cannot be had."""
        keys = await self._fresh(KEPT_SECONDS)
        seal = self._judge(headers, body, keys)
        if seal is Seal.FORGED and self.clock() - self._read_at >= ANEW_SECONDS:
            seal = self._judge(headers, body, await self._fresh(ANEW_SECONDS))
        return seal

    def _judge(self, headers: Mapping[str, str], body: bytes, keys: tuple[bytes, ...]) -> Seal:
        return self.signing.judge(headers, body, keys, datetime.now(UTC))

    async def _fresh(self, seconds: float) -> tuple[bytes, ...]:
        async with self._turn:
            if self.clock() - self._read_at >= seconds:
                async with Http() as http:
                    self._keys = await http.follow(self.account, self.signing.publishing())
                self._read_at = self.clock()
            return self._keys
