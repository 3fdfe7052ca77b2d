"""`fal-client`, as its documentation shows it: `subscribe_async` for every row, then the file."""

from __future__ import annotations

import asyncio
import time

import fal_client
import fal_client.client as module
import httpx
from entry import FAL_MODEL, Race


async def run(race: Race) -> float:
    """When the last video was there."""
    module.QUEUE_URL_FORMAT = f"{race.environment['OMNIHUMAN_FAL_URL']}/"
    module.REST_URL = race.environment["OMNIHUMAN_FAL_REST_URL"]
    client = fal_client.AsyncClient(key=race.environment["FAL_KEY"])
    places = asyncio.Semaphore(race.at_once)
    async with httpx.AsyncClient(timeout=60) as http:

        async def make(number: int) -> None:
            async with places:
                made = await client.subscribe(FAL_MODEL, race.fal_input(race.jobs[number]))
                film = (await http.get(made["video"]["url"])).raise_for_status().content
                (race.out / f"{number}.mp4").write_bytes(film)

        await asyncio.gather(*map(make, range(len(race.jobs))))
    return time.time()


if __name__ == "__main__":
    here = Race.read()
    here.ended(asyncio.run(run(here)))
