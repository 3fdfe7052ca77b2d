"""Whole processes that walk jobs on one ledger without Prefect, forked from one that has imported
everything: a wish per line comes in, and each process says in lines what it does and how it ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import Job, MediaKind
from omnihuman_blocks.domain.pricing import upper_bound
from omnihuman_blocks.edges.ledger import ledger as book
from omnihuman_blocks.edges.media import Examiner
from omnihuman_blocks.walk import asking, buying, opening
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.house import House
from omnihuman_blocks.walk.walker import Errand, walk


def say(**words: Any) -> None:
    """One write, so that lines of several processes do not mix."""
    os.write(1, json.dumps({"pid": os.getpid(), **words}).encode() + b"\n")


class Crossing:
    """What a process does at a border: waits for all the others before its first purchase and for
    another buyer after it, so that no quick one empties the table alone; or stops.
    """

    def __init__(self, wish: dict[str, Any]) -> None:
        self._wish = wish
        self._met: set[Border] = set()
        self._stopped = False

    def __call__(self, border: Border) -> None:
        if "meet" in self._wish and border not in self._met:
            self._met.add(border)
            if border is Border.BEFORE_INTENT:
                self._meet(Path(self._wish["meet"]), self._wish["of"])
            elif border is Border.AFTER_TICKET:
                self._meet(Path(self._wish["meet"] + " of buyers"), 2)
        if border.value == self._wish.get("stop_at") and not self._stopped:
            self._stopped = True
            say(stopped=border.value)
            os.kill(os.getpid(), signal.SIGSTOP)

    @staticmethod
    def _meet(place: Path, number: int) -> None:
        place.mkdir(exist_ok=True)
        (place / str(os.getpid())).touch()
        deadline = time.monotonic() + 60
        while len(list(place.iterdir())) < number and time.monotonic() < deadline:
            time.sleep(0.01)


async def _walked(wish: dict[str, Any]) -> dict[str, Any]:
    setting = opening.Setting(
        invocation=f"process {os.getpid()}",
        results=wish["folder"],
        ledger=wish["ledger"],
        provider="runware",
        max_in_flight=wish.get("most", 1),
        patience_seconds=60.0,
    )
    async with opening.open_house(setting, load_block=lambda _: None) as house:
        house.passing = Crossing(wish)
        house.ledger._leases.seconds = wish.get("lease", book.LEASE_SECONDS)
        errands = [await _errand(house, *row) for row in wish["rows"]]
        endings = await asyncio.gather(*(walk(house, each) for each in errands))
    return {
        "stages": [ending.stage.value for ending in endings],
        "errors": [ending.error_class for ending in endings],
        "bought": sum(ending.bought for ending in endings),
    }


async def _errand(house: House, vendor: str, image: str, audio: str) -> Errand:
    def read(url: str) -> Any:
        return house.http.read(url, local=True, most=10_000_000)

    seller = house.desk(vendor).seller
    model = seller.model(None)
    examiner = Examiner(read=read, pool=house.pool)
    seen = await examiner.examine(image, MediaKind.IMAGE, "")
    heard = await examiner.examine(audio, MediaKind.AUDIO, "")
    options, _ = model.options.understand({})
    key = job_key(
        provider=vendor, model=model.id, image=seen.sha256, audio=heard.sha256, options=options
    )
    job = Job(key=key, provider=vendor, model=model.id, image=seen, audio=heard, options=options)
    return Errand(job=job, bound=upper_bound(seller.price(model), heard.seconds or Decimal(0)))


def _live(wish: dict[str, Any]) -> None:
    os.environ.update(wish["environment"])
    pacing.FIRST_WAIT, pacing.SHORTEST_WAIT, pacing.LONGEST_WAIT = 0.05, 0.02, 0.3
    asking.GATHER_SECONDS, buying.STAND_BY_SECONDS = 0.02, 0.05
    buying.LEASE_MARGIN = 0.2
    try:
        say(ended=True, **asyncio.run(_walked(wish)))
    except BaseException as error:  # noqa: BLE001 - a fork must never go on as its parent
        say(ended=True, broke=repr(error))


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    say(ready=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _live(json.loads(line))
            os._exit(0)
        say(began=pid)


if __name__ == "__main__":
    main()
