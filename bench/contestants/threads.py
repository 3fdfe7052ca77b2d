"""The script that many people write first: a thread for every row, and a look every ten seconds."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from entry import FAL_MODEL, Race

POLL_SECONDS = 10.0


def run(race: Race) -> float:
    """When the last video was there."""
    queue = race.environment["OMNIHUMAN_FAL_URL"]
    headers = {"Authorization": f"Key {race.environment['FAL_KEY']}"}
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    with httpx.Client(headers=headers, limits=limits, timeout=60) as http:

        def make(number: int) -> None:
            body = race.fal_input(race.jobs[number])
            bought = http.post(f"{queue}/{FAL_MODEL}", json=body).json()
            while http.get(bought["status_url"]).json()["status"] != "COMPLETED":
                time.sleep(POLL_SECONDS)
            made = http.get(bought["response_url"]).raise_for_status().json()
            film = http.get(made["video"]["url"]).raise_for_status().content
            (race.out / f"{number}.mp4").write_bytes(film)

        with ThreadPoolExecutor(race.at_once) as pool:
            list(pool.map(make, range(len(race.jobs))))
    return time.time()


if __name__ == "__main__":
    here = Race.read()
    here.ended(run(here))
