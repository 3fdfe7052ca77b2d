"""The floor: nothing but asyncio and httpx at fal's queue. It remembers nothing and checks nothing.

With the option `decode` it is the second floor, which also decodes each file in two threads.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from entry import FAL_MODEL, Race, decode

AT_ONCE = 50
"""Requests. More than httpx has connections would queue inside it, which it does slowly."""


def write(file: Path, film: bytes) -> None:
    """Some kilobytes; nobody starts a thread for that."""
    file.write_bytes(film)


async def run(race: Race) -> float:
    """When the last video was there."""
    queue = race.environment["OMNIHUMAN_FAL_URL"]
    headers = {"Authorization": f"Key {race.environment['FAL_KEY']}"}
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    places, pool = asyncio.Semaphore(race.at_once), ThreadPoolExecutor(2)
    lines = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=60) as http:

        async def make(number: int) -> None:
            async with places:
                body = race.fal_input(race.jobs[number])
                bought = (await ask("POST", f"{queue}/{FAL_MODEL}", json=body)).json()
                while True:
                    await asyncio.sleep(race.poll_seconds)
                    if (await ask("GET", bought["status_url"])).json()["status"] == "COMPLETED":
                        break
                made = (await ask("GET", bought["response_url"])).json()
                film = (await ask("GET", made["video"]["url"])).content
            await keep(race.out / f"{number}.mp4", film)

        async def ask(method: str, url: str, **more: Any) -> httpx.Response:
            async with lines:
                return (await http.request(method, url, **more)).raise_for_status()

        async def keep(file: Path, film: bytes) -> None:
            write(file, film)
            if race.options.get("decode"):
                await asyncio.get_running_loop().run_in_executor(pool, decode, file)

        await asyncio.gather(*map(make, range(len(race.jobs))))
    return time.time()


if __name__ == "__main__":
    here = Race.read()
    here.ended(asyncio.run(run(here)))
