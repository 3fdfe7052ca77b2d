"""What a forked process does before it is killed: it walks jobs, or it is a whole command.

Nothing of the house is replaced. The process is told at which border to die, and the clock of the
questions is as quick as the sandbox's models.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from omnihuman_blocks.domain import pacing
from omnihuman_blocks.domain.identity import job_key
from omnihuman_blocks.domain.job import Job, Media, MediaKind
from omnihuman_blocks.domain.pricing import upper_bound
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.walk import asking, buying, opening
from omnihuman_blocks.walk.borders import Border
from omnihuman_blocks.walk.house import House
from omnihuman_blocks.walk.walker import Ending, Errand, walk

PRICES = {"pixazo": Decimal("0.11"), "aimlapi": Decimal("0.168")}
"""Of the vendors that publish none."""
SEARCH_SECONDS = 0.2


class Death:
    """Kills this process at the nth crossing of a border, or some seconds later."""

    def __init__(self, wish: Mapping[str, Any] | None) -> None:
        self._border = None if wish is None else Border(wish["border"])
        self._left = 0 if wish is None else int(wish["nth"])
        self._after = 0.0 if wish is None else float(wish["after"])
        self._lock = threading.Lock()

    def __call__(self, border: Border) -> None:
        if border is not self._border:
            return
        with self._lock:
            self._left -= 1
            here = self._left == 0
        if here and self._after:
            threading.Timer(self._after, die).start()
        elif here:
            die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def quicken() -> None:
    """Questions at the pace of a sandbox whose models take a twentieth of a second."""
    pacing.FIRST_WAIT, pacing.SHORTEST_WAIT, pacing.LONGEST_WAIT = 0.08, 0.04, 0.3
    asking.GATHER_SECONDS = 0.02
    pacing.FEWEST = 10**9  # what is learnt would prolong the search for lost purchases
    buying.STAND_BY_SECONDS = 0.05


def run(plan: Mapping[str, Any]) -> int:
    """The whole life of the process."""
    os.environ.update(plan["environment"])
    _redirect(Path(plan["said"]))
    quicken()
    death = Death(plan["death"])
    if "command" in plan:
        return _command(plan, death)
    endings = asyncio.run(_walk(plan, death))
    Path(plan["endings"]).write_text(json.dumps(endings))
    return 0


async def _walk(plan: Mapping[str, Any], death: Death) -> list[dict[str, Any]]:
    setting = opening.Setting(
        invocation="fuzz",
        results=plan["folder"],
        ledger=str(Path(plan["folder"]) / "ledger.db"),
        provider="runware",
        prices=PRICES,
        max_in_flight=plan["in_flight"],
        patience_seconds=plan["patience"],
    )
    async with opening.open_house(setting, load_block=lambda _: None) as house:
        house.passing = death
        house.search_seconds = SEARCH_SECONDS
        errands = [errand_of(house, one) for one in plan["errands"]]
        endings: list[Ending] = await asyncio.gather(*(walk(house, each) for each in errands))
    return [
        {"key": one.key, "stage": one.stage, "bought": one.bought, "error": one.error_class}
        for one in endings
    ]


def errand_of(house: House, wish: Mapping[str, Any]) -> Errand:
    """A job from its vendor and its two media, which were examined once for all."""
    seller = house.desk(wish["vendor"]).seller
    model = PROVIDERS[wish["vendor"]].MODELS["1.5"]
    options, _ = model.options.understand(wish.get("wishes", {}))
    image, audio = medium(MediaKind.IMAGE, wish["image"]), medium(MediaKind.AUDIO, wish["audio"])
    variant = wish.get("variant", 1)
    job = Job(
        key=job_key(
            provider=seller.name,
            model=model.id,
            image=image.sha256,
            audio=audio.sha256,
            options=options,
            variant=variant,
        ),
        provider=seller.name,
        model=model.id,
        image=image,
        audio=audio,
        options=options,
        variant=variant,
    )
    bound = upper_bound(seller.price(model), audio.seconds or Decimal(0))
    return Errand(job=job, bound=bound)


def medium(kind: MediaKind, told: Mapping[str, Any]) -> Media:
    seconds = told.get("seconds")
    known: dict[str, Any] = {**told, "kind": kind, "seconds": seconds and Decimal(seconds)}
    return Media(**known)


def _command(plan: Mapping[str, Any], death: Death) -> int:
    """A command line, with Prefect and all; its house is told of the same death."""
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415 - slow, preloaded

    from omnihuman_blocks.cli import main  # noqa: PLC0415 - slow, preloaded

    furnish = opening._furnish

    def furnished(*arguments: Any, **named: Any) -> House:
        house = furnish(*arguments, **named)
        house.passing, house.search_seconds = death, SEARCH_SECONDS
        return house

    opening._furnish = furnished
    os.chdir(plan["folder"])
    refresh_global_settings_context()
    sys.argv = ["omnihuman", *plan["command"]]
    code = main(plan["command"])
    threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter ends
    atexit._run_exitfuncs()
    return code


def _redirect(said: Path) -> None:
    """Output into a file; and what the parent listens to is not this process's business."""
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, file), (2, file)):
        os.dup2(source, number)
    os.close(file)
    os.close(nothing)
