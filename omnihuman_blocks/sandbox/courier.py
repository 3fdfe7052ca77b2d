"""Deliveries to the client: webhooks and uploads, sent by threads, tried again when they fail."""

from __future__ import annotations

import asyncio
import random
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Literal

from omnihuman_blocks.sandbox.network import opener
from omnihuman_blocks.sandbox.settings import Settings

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One request that the sandbox makes. `sign` adds headers at the moment of sending."""

    method: Literal["POST", "PUT"] = "POST"
    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    sign: Callable[[bytes], Mapping[str, str]] | None = None


class Courier:
    """Sends parcels. A redirect, a 4xx and a 5xx are failures; each is tried a few times."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="courier")
        self._under_way: set[asyncio.Task[None]] = set()
        self.delivered = 0
        self.undelivered = 0

    def send(self, parcel: Parcel) -> None:
        """Delivers it in the background."""
        self.watch(asyncio.get_running_loop().create_task(self._send(parcel)))

    def watch(self, task: asyncio.Task[None]) -> None:
        """Keeps a delivery until it is done, or stopped."""
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def deliver(self, parcel: Parcel) -> bool:
        """Whether it arrived."""
        pause = FIRST_PAUSE
        for attempt in range(self._settings.webhook_attempts):
            if attempt:
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))
                pause = min(pause * 2, LONGEST_PAUSE)
            loop = asyncio.get_running_loop()
            if await loop.run_in_executor(self._threads, self._post, parcel):
                self.delivered += 1
                return True
        self.undelivered += 1
        return False

    async def _send(self, parcel: Parcel) -> None:
        await self.deliver(parcel)

    def _post(self, parcel: Parcel) -> bool:
        signed = parcel.sign(parcel.body) if parcel.sign else {}
        headers = {"Content-Type": "application/json", **parcel.headers, **signed}
        try:
            request = urllib.request.Request(  # noqa: S310 - the wires check the address
                parcel.url, data=parcel.body, method=parcel.method, headers=headers
            )
            seconds = self._settings.webhook_timeout_seconds
            with opener(parcel.url, follows=False).open(request, timeout=seconds):
                return True
        except (urllib.error.URLError, HTTPException, OSError, ValueError):
            return False

    async def close(self) -> None:
        """Stops delivering."""
        for task in list(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
