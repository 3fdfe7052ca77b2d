"""`runware-sdk`: one `run` for every row over REST, with the SDK's own polling, then the file."""

from __future__ import annotations

import asyncio
import time

import httpx
from entry import RUNWARE_MODEL, Race
from runware import Runware


async def run(race: Race) -> float:
    """When the last video was there."""
    places = asyncio.Semaphore(race.at_once)
    client = Runware(
        api_key=race.environment["RUNWARE_API_KEY"],
        transport="rest",
        http_base_url=f"{race.environment['OMNIHUMAN_RUNWARE_URL']}/v1",
    )
    async with client, httpx.AsyncClient(timeout=60) as http:

        async def make(number: int) -> None:
            job = race.jobs[number]
            inputs = {"image": job["image"], "audio": job["audio"]}
            task = {"taskType": "videoInference", "model": RUNWARE_MODEL, "inputs": inputs}
            async with places:
                (made,) = await client.run({**task, "positivePrompt": job["prompt"]})
                film = (await http.get(made["videoURL"])).raise_for_status().content
                (race.out / f"{number}.mp4").write_bytes(film)

        await asyncio.gather(*map(make, range(len(race.jobs))))
    return time.time()


if __name__ == "__main__":
    here = Race.read()
    here.ended(asyncio.run(run(here)))
