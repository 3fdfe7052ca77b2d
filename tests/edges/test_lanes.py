"""Many small pools together are one large pool: as many connections, each used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from omnihuman_blocks.edges.lanes import LANE, Lanes

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@dataclass
class Counter:
    """A server that holds its answers back until it may give them, and counts who waits."""

    port: int = 0
    connections: int = 0
    waiting: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await self._count(1)
                await self.may_answer.wait()
                await self._count(-1)
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    async def _count(self, more: int) -> None:
        async with self.changed:
            self.waiting += more
            self.changed.notify_all()

    async def are_waiting(self, number: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: self.waiting == number)


@pytest.fixture
async def counter() -> AsyncIterator[Counter]:
    counter = Counter()
    server = await asyncio.start_server(counter.serve, "127.0.0.1", 0)
    counter.port = server.sockets[0].getsockname()[1]
    yield counter
    server.close()


async def ask(lanes: Lanes, counter: Counter) -> None:
    request = lanes.request("GET", f"http://127.0.0.1:{counter.port}/")
    async with lanes.lane() as client:
        assert (await client.send(request)).text == "hi"


def clients(limits: httpx.Limits) -> httpx.AsyncClient:
    return httpx.AsyncClient(limits=limits, timeout=60, trust_env=False)


async def test_all_connections_are_there_at_once_and_no_more(counter: Counter) -> None:
    """More requests than connections: the rest waits, and all are answered."""
    lanes = Lanes(clients, connections=2 * LANE)
    asking = [asyncio.create_task(ask(lanes, counter)) for _ in range(3 * LANE)]
    await counter.are_waiting(2 * LANE)
    counter.may_answer.set()
    await asyncio.gather(*asking)
    assert counter.connections == 2 * LANE
    await lanes.aclose()


async def test_little_work_stays_on_one_connection(counter: Counter) -> None:
    """One request after the other finds the connection of the last one open."""
    counter.may_answer.set()
    lanes = Lanes(clients, connections=8 * LANE)
    for _ in range(5):
        await ask(lanes, counter)
    assert counter.connections == 1
    await lanes.aclose()


async def test_a_single_connection_may_be_all(counter: Counter) -> None:
    """Fewer connections than a lane has room for."""
    lanes = Lanes(clients, connections=1)
    asking = [asyncio.create_task(ask(lanes, counter)) for _ in range(3)]
    await counter.are_waiting(1)
    counter.may_answer.set()
    await asyncio.gather(*asking)
    assert counter.connections == 1
    await lanes.aclose()
