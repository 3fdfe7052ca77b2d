"""The parts in which contestants run: races, large tables, starts and restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from course import Ground, begin, moment, run

MARGIN = 1.22
"""The slowest of many jobs takes so much longer than the usual one."""


@dataclass(frozen=True, kw_only=True)
class Heat:
    """One contestant, once."""

    label: str
    script: str
    jobs: int
    seconds: float
    """How long a video takes to be made."""
    cap: int | None = None
    prefect: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.label}|{self.jobs}|{self.cap or 'no cap'}"

    @property
    def expected(self) -> float:
        """About how long it takes on a quiet machine with two cores."""
        rounds = -(-self.jobs // (self.cap or self.jobs))
        start = 12.0 if self.prefect else 3.0
        return start + rounds * self.seconds * MARGIN + 0.02 * self.jobs


FLOOR = ("floor", "floor", False, {})
DECODING = ("floor, decoding", "floor", False, {"decode": True})
OURS = ("ours at fal", "ours", True, {"provider": "fal"})
OURS_RUNWARE = ("ours at Runware", "ours", True, {"provider": "runware"})
OTHERS = (
    ("fal-client", "fal_sdk", False, {}),
    ("runware-sdk", "runware_sdk", False, {}),
    ("threads, 10 s", "threads", False, {}),
    ("plain Prefect .map", "prefect_map", True, {}),
)


def heats(small: int, large: int, cap: int, seconds: float) -> Iterator[Heat]:
    """All of a race, the most telling first: what does not fit the time is left out at the end."""

    def heat(who: tuple[Any, ...], jobs: int, **more: Any) -> Heat:
        label, script, prefect, options = who
        known = {"label": label, "script": script, "prefect": prefect, "options": options}
        return Heat(**{**known, "jobs": jobs, "seconds": seconds, **more})

    for who in (FLOOR, DECODING, OURS, OURS_RUNWARE):
        yield heat(who, small)
    for who in (FLOOR, OURS_RUNWARE, DECODING):
        yield heat(who, large)
    for who in OTHERS:
        yield heat(who, small)
    for who in (FLOOR, OURS):
        yield heat(who, small, cap=cap, seconds=seconds / 2)
    yield heat(OURS, large)


def race(ground: Ground, heat: Heat) -> dict[str, Any]:
    """One heat."""
    ground.vendor.pace(heat.seconds)
    before = ground.server.settle() if heat.prefect else 0.0
    found = run(
        heat.script,
        ground.vendor,
        jobs=heat.jobs,
        folder=ground.folder / "race",
        cap=heat.cap,
        api_url=ground.server.url if heat.prefect else None,
        environment=ground.home(f"home {time.time()}") if heat.prefect else None,
        **heat.options,
    )
    if heat.prefect:
        found["server_ms_per_row"] = 1000 * (ground.server.settle() - before) / heat.jobs
    return found


def large_tables(ground: Ground, jobs: int) -> dict[str, Any]:
    """Memory and processor time of a tenth of the rows and of all of them, with as many jobs out.

    Each video is looked into once and then known, so that what is left is not work on media.
    """
    out = max(10, jobs // 10)
    found = {}
    for rows in (out, jobs):
        heat = Heat(
            label="ours at Runware",
            script="ours",
            jobs=rows,
            seconds=2.0,
            cap=out,
            prefect=True,
            options={"provider": "runware", "without_media": True},
        )
        found[str(rows)] = race(ground, heat)
    return {"out": out, "runs": found}


def starts(ground: Ground) -> dict[str, Any]:
    """From the command to the first purchase, with a running server and with a temporary one."""
    ground.vendor.pace(0.5)
    found = {}
    for name, url in (("running", ground.server.url), ("temporary", None)):
        one = run(
            "ours",
            ground.vendor,
            jobs=1,
            folder=ground.folder / "start",
            api_url=url,
            environment=ground.home(f"start {name}"),
            provider="fal",
        )
        found[name] = one["start_seconds"]
    return found


def restart(ground: Ground, jobs: int) -> dict[str, Any]:
    """A run is killed when all is bought; its videos are made; the command is given again.

    What is measured is when the vendor first told of each finished video: the moment at which
    its ticket was picked up.
    """
    vendor = ground.vendor
    vendor.reset()
    vendor.pace(max(5.0, jobs / 40))
    folder, environment = ground.folder / "restart", ground.home("restart")

    def start() -> Any:
        url = ground.server.url
        return begin(
            "ours",
            vendor,
            jobs=jobs,
            folder=folder,
            api_url=url,
            environment=environment,
            provider="runware",
        )

    first = start()
    try:
        _until(lambda: len(vendor.counts()["purchases"]) >= jobs, "all purchases")
    finally:
        first.kill()
        first.wait()
    _until(lambda: all(one["finished_at"] for one in vendor.counts()["purchases"]), "all videos")
    unseen = {one["ticket"] for one in vendor.counts()["purchases"] if not one["seen_at"]}
    began = time.time()
    second = start()
    try:
        _until(lambda: all(one["seen_at"] for one in vendor.counts()["purchases"]), "all tickets")
        bought = vendor.counts()["purchases"]
    finally:
        second.kill()
        second.wait()
    seen = [moment(one["seen_at"]) for one in bought if one["ticket"] in unseen]
    return {
        "jobs": jobs,
        "waiting": len(unseen),
        "purchases": len(bought),
        "start_seconds": min(seen) - began,
        "pick_up_seconds": max(seen) - min(seen),
    }


def _until(condition: Callable[[], bool], what: str, within: float = 240.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not come about within {within:g} s")
        time.sleep(0.5)
