"""Several small pools of connections where one large pool would do, but slowly.

For every request httpcore looks at each connection of its pool, and asks the kernel about each one
that rests. With two hundred of them that cost more time than everything else in a job together.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

LANE = 25
"""Connections in a lane: few to look through, enough that most work needs only the first lanes."""


@dataclass(kw_only=True)
class _Lane:
    client: httpx.AsyncClient
    busy: int = 0


class Lanes:
    """At most `connections` at a time, opened when they are needed.

    The first lane with room is taken, so that little work stays on few connections and finds them
    open. Where no lane has room, the request waits in the one with the least to do.
    """

    def __init__(
        self, open_lane: Callable[[httpx.Limits], httpx.AsyncClient], *, connections: int
    ) -> None:
        width = min(connections, LANE)
        self._limits = httpx.Limits(max_connections=width, max_keepalive_connections=width)
        self._open_lane = open_lane
        self._width = width
        self._most = connections // width
        self._lanes = [self._another()]

    def request(self, method: str, url: httpx.URL | str, **what: Any) -> httpx.Request:
        """A request with all that these clients add to one, to be sent through any lane."""
        return self._lanes[0].client.build_request(method, url, **what)

    @asynccontextmanager
    async def lane(self) -> AsyncGenerator[httpx.AsyncClient, None]:
        """A client for one request, from its first byte to the last of its answer."""
        lane = self._next()
        lane.busy += 1
        try:
            yield lane.client
        finally:
            lane.busy -= 1

    async def aclose(self) -> None:
        """Closes every connection."""
        for lane in self._lanes:
            await lane.client.aclose()

    def _next(self) -> _Lane:
        for lane in self._lanes:
            if lane.busy < self._width:
                return lane
        if len(self._lanes) < self._most:
            self._lanes.append(self._another())
            return self._lanes[-1]
        return min(self._lanes, key=lambda lane: lane.busy)

    def _another(self) -> _Lane:
        return _Lane(client=self._open_lane(self._limits))
