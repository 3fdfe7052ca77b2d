"""Names and addresses -> an open house, once per event loop. No key is among what is handed over:

keys are read where the house stands, from the environment or from the block that Prefect stores.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from omnihuman_blocks.domain.checks import understand_checks
from omnihuman_blocks.edges.delivery import sweep
from omnihuman_blocks.edges.depot import Depot
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.media import LARGEST, Examiner
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.store import MediaStore
from omnihuman_blocks.loop.shared import shared
from omnihuman_blocks.walk.calls import listening
from omnihuman_blocks.walk.house import House, desk_for
from omnihuman_blocks.walk.order import Order, Shop, open_shop
from omnihuman_blocks.walk.progress import board_of

VIDEOS = "videos"
MOST_BYTES = max(LARGEST.values())

LoadBlock = Callable[[str], Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a house is opened with. Plain data without keys; may travel to another machine."""

    invocation: str
    results: str
    ledger: str
    provider: str
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    max_in_flight: int | None = None
    budget: str | None = None
    """Whose budget purchases count against."""
    checks: Mapping[str, str] = field(default_factory=dict)
    media_store: str | None = None
    media_store_public: str | None = None
    webhook_url: str | None = None
    patience_seconds: float

    @classmethod
    def of(cls, order: Order, invocation: str) -> Setting:
        """What of an order matters to those who walk."""
        return cls(
            invocation=invocation,
            results=order.results,
            ledger=order.ledger_address,
            provider=order.provider,
            prices=dict(order.prices),
            max_in_flight=order.max_in_flight,
            budget=None if order.budget is None else order.budget_name or invocation,
            checks=dict(order.checks),
            media_store=order.media_store,
            media_store_public=order.media_store_public,
            webhook_url=order.callback_base,
            patience_seconds=order.patience_seconds,
        )


async def house_for(setting: Setting, load_block: LoadBlock) -> House:
    """The house of an invocation on this event loop, opened by whoever comes first."""
    return await shared(
        ("house", setting.invocation), partial(open_house, setting, load_block=load_block)
    )


@asynccontextmanager
async def open_house(setting: Setting, *, load_block: LoadBlock) -> AsyncGenerator[House, None]:
    """Opens connections, ledger and desks, and closes them in the reverse order."""
    order = Order(
        scripts="",
        avatars="",
        results=setting.results,
        provider=setting.provider,
        prices=setting.prices,
        max_in_flight=setting.max_in_flight,
        media_store=setting.media_store,
        media_store_public=setting.media_store_public,
    )
    block = await asyncio.to_thread(load_block, setting.provider)
    shop = open_shop(order, os.environ, with_keys=True, block=block)
    store = None if shop.store is None else await asyncio.to_thread(MediaStore, shop.store)
    pool = ThreadPoolExecutor(max_workers=os.cpu_count(), thread_name_prefix="media")
    depot, folder = _place_of(setting)
    await asyncio.to_thread(sweep, folder)
    ledger = await asyncio.to_thread(Ledger.open, setting.ledger)
    try:
        async with Http() as http:
            house = _furnish(setting, shop, folder, http=http, ledger=ledger, pool=pool)
            house.store = store
            house.depot = depot
            _open.append((asyncio.get_running_loop(), house))
            try:
                async with listening(house):
                    yield house
            finally:
                _open.remove((asyncio.get_running_loop(), house))
    finally:
        await asyncio.to_thread(ledger.close)
        pool.shutdown(wait=False)
        if depot is not None:
            await asyncio.to_thread(rmtree, folder, ignore_errors=True)


def _furnish(
    setting: Setting,
    shop: Shop,
    folder: Path,
    *,
    http: Http,
    ledger: Ledger,
    pool: ThreadPoolExecutor,
) -> House:
    nearby = any(seller.account.is_local for seller in shop.sellers.values())
    examiner = Examiner(read=partial(http.read, local=nearby, most=MOST_BYTES), pool=pool)
    return House(
        http=http,
        ledger=ledger,
        desks={name: desk_for(seller, http, ledger) for name, seller in shop.sellers.items()},
        folder=folder,
        pool=pool,
        read_upload=examiner.read_upload,
        board=board_of(setting.invocation),
        invocation=setting.budget,
        thresholds=understand_checks(setting.checks),
        webhook_url=setting.webhook_url,
        patience_seconds=setting.patience_seconds,
    )


def _place_of(setting: Setting) -> tuple[Depot | None, Path]:
    """Where videos end, if not on a disk of this machine, and where they are received."""
    results = ResultsFolder.at(setting.results)
    if results.is_local:
        return None, Path(results.root) / VIDEOS
    return Depot(results=results, folder=VIDEOS), Path(mkdtemp(prefix="omnihuman-videos-"))


_open: list[tuple[asyncio.AbstractEventLoop, House]] = []
"""Every house of this process, with its loop, so that a signal can reach them."""


def stop_houses(why: str) -> None:
    """From any thread: nothing more is bought in this process, and nobody waits any longer."""
    for loop, house in _open.copy():
        with suppress(RuntimeError):  # that loop has ended, and its house with it
            asyncio.run_coroutine_threadsafe(house.stop(why), loop)


async def stop_houses_here() -> None:
    """On an event loop that is being stopped."""
    for loop, house in _open.copy():
        if loop is asyncio.get_running_loop():
            await house.stop("The flow was stopped before this was bought.")
