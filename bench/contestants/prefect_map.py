"""Prefect without this package: a sync flow with one `.map`ped task for every row."""

from __future__ import annotations

import time

import httpx
from entry import FAL_MODEL, Race
from prefect import flow, task, unmapped
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

POLL_SECONDS = 2.0


@task(cache_policy=NO_CACHE, persist_result=False)
def make(number: int, race: Race) -> None:
    """Buys one row, looks every two seconds, fetches."""
    queue = race.environment["OMNIHUMAN_FAL_URL"]
    headers = {"Authorization": f"Key {race.environment['FAL_KEY']}"}
    with httpx.Client(headers=headers, timeout=60) as http:
        bought = http.post(f"{queue}/{FAL_MODEL}", json=race.fal_input(race.jobs[number])).json()
        while http.get(bought["status_url"]).json()["status"] != "COMPLETED":
            time.sleep(POLL_SECONDS)
        made = http.get(bought["response_url"]).raise_for_status().json()
        film = http.get(made["video"]["url"]).raise_for_status().content
        (race.out / f"{number}.mp4").write_bytes(film)


@flow(validate_parameters=False, persist_result=False)
def catalogue(race: Race) -> None:
    """All rows at once, or as many as may be out."""
    make.map(range(len(race.jobs)), unmapped(race)).result()


if __name__ == "__main__":
    here = Race.read()
    catalogue.with_options(task_runner=ThreadPoolTaskRunner(max_workers=here.at_once))(here)
    here.ended()
