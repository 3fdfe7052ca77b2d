"""An order -> a catalogue, inside a Prefect flow: plan, map batches over the walk, write, tell.

What is told to Prefect (task runs, artifacts, the state at the end) is told here. Nothing is
decided by it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, cast
from uuid import UUID, uuid4

from prefect import get_run_logger, unmapped
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from omnihuman_blocks.catalogue.batches import into_batches, walk_batch
from omnihuman_blocks.catalogue.concluding import Conclusion, conclude, write_beginning
from omnihuman_blocks.catalogue.loading import load_block
from omnihuman_blocks.catalogue.preparing import Prepared, open_ledger, prepare
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.summary import (
    EXIT_CANNOT_START,
    EXIT_DONE,
    EXIT_IN_DOUBT,
    EXIT_ROWS_FAILED,
    EXIT_STOPPED,
    markdown,
    summarise_plan,
)
from omnihuman_blocks.errors import CannotStart, OmniHumanError
from omnihuman_blocks.runner import EventLoopTaskRunner
from omnihuman_blocks.walk.opening import Setting, stop_houses, stop_houses_here
from omnihuman_blocks.walk.order import Order, open_shop
from omnihuman_blocks.walk.progress import Board, Glance, onlooker, showing
from omnihuman_blocks.walk.walker import Ending

Told: TypeAlias = dict[str, Any]
"""What a flow returns: the summary, and `exit_code`."""


class NotDone(OmniHumanError):
    """Not every row is done. `told` is the summary, `exit_code` among it."""

    def __init__(self, message: str, told: Told) -> None:
        super().__init__(message)
        self.args = (message, told)
        self.told = told


ARTIFACT_SECONDS = 5.0
GRACE_SECONDS = 12.0
"""Spent once on letting walks come home and once, by the runner, on what is left: together less
than the 30 seconds after which Prefect's workers and Kubernetes kill."""
TURN_SECONDS = 0.25

STATE_NAMES = {EXIT_ROWS_FAILED: "RowsFailed", EXIT_STOPPED: "Stopped", EXIT_IN_DOUBT: "InDoubt"}
"""What automations key on, by the exit code of the same end."""
SENTENCES = {
    EXIT_ROWS_FAILED: "Some rows failed or were rejected; the rest is done.",
    EXIT_STOPPED: "It was stopped: a budget, the account, or videos still on their way. "
    "Run it again.",
    EXIT_IN_DOUBT: "Some purchases are in doubt and need a person.",
}


def runner() -> EventLoopTaskRunner:
    """One event loop for all batches. They all start at once; their jobs queue at the gates."""
    return EventLoopTaskRunner(
        max_concurrency=100_000, grace_seconds=GRACE_SECONDS, on_stop=stop_houses_here
    )


def make_catalogue(make_order: Callable[[], Order]) -> State[Told]:
    """Everything, in order. Ends in the state that tells how it went."""
    try:
        order = make_order()
        return _made(order)
    except CannotStart as error:
        get_run_logger().error("%s", error)
        told = {"exit_code": EXIT_CANNOT_START, "error": str(error)}
        return _failed("CannotStart", str(error), told)


def _made(order: Order) -> State[Told]:
    began_at = datetime.now(UTC)
    setting = Setting.of(order, invocation=str(flow_run.id or uuid4()))
    prepared = _prepared(order, setting)
    endings: list[Ending] = []
    try:
        _walk(prepared, setting, endings)
    finally:
        # Also where somebody stopped it: the catalogue tells what stands in the ledger now.
        with open_ledger(order) as ledger:
            conclusion = conclude(
                prepared, endings, ledger, began_at=began_at, flow_run_id=flow_run.id
            )
    _tell(conclusion, order)
    return _final_state(conclusion)


def _prepared(order: Order, setting: Setting) -> Prepared:
    shop = open_shop(order, os.environ, with_keys=True, block=load_block(order.provider))
    with open_ledger(order) as ledger:
        prepared = prepare(order, shop, ledger, buying=True)
        if order.budget is not None:
            ledger.set_budget(setting.invocation, order.budget)
    write_beginning(prepared)
    quoted = summarise_plan(prepared.plan)
    get_run_logger().info(
        "%d rows are done, %d jobs to walk, $%s quoted",
        prepared.plan.kept,
        len(prepared.errands()),
        quoted.quote_usd,
    )
    return prepared


# --- walking ----------------------------------------------------------------------------------


def _walk(prepared: Prepared, setting: Setting, endings: list[Ending]) -> None:
    errands = prepared.errands()
    if not errands:
        return
    rows_of: Counter[JobKey] = Counter(
        part.job.key for row in prepared.plan.rows for part in row.parts
    )
    quoted = summarise_plan(prepared.plan)
    board = Board(
        rows_of={errand.job.key: rows_of[errand.job.key] for errand in errands},
        quote_usd=quoted.quote_usd,
        unpriced=quoted.unpriced,
    )
    with showing(setting.invocation, board):
        futures = walk_batch.map(into_batches(errands), unmapped(setting))
        ended = _counting(futures)
        try:
            _watch(board, ended, len(futures))
        except BaseException:
            # Ctrl-C, SIGTERM, Prefect's cancel: the gates first, then everybody comes home.
            stop_houses("It was stopped before this was bought. Run it again to go on.")
            _await(ended, len(futures), GRACE_SECONDS)
            raise
        finally:
            endings.extend(_endings(ended.home))


class _Ended:
    """Which batches have come home, told from the event loop's thread."""

    def __init__(self) -> None:
        self.home: list[PrefectFuture[Any]] = []
        self.news = threading.Event()

    @property
    def count(self) -> int:
        return len(self.home)

    def one_more(self, future: PrefectFuture[Any]) -> None:
        self.home.append(future)
        self.news.set()


def _counting(futures: Sequence[PrefectFuture[Any]]) -> _Ended:
    ended = _Ended()
    for future in futures:
        future.add_done_callback(ended.one_more)
    return ended


def _watch(board: Board, ended: _Ended, total: int) -> None:
    """Shows what is going on until all batches are home."""
    artifact: UUID | None = None
    told_at = time.monotonic()
    with onlooker(board) as look:
        while ended.count < total:
            look()
            ended.news.wait(TURN_SECONDS)
            ended.news.clear()
            if time.monotonic() - told_at >= ARTIFACT_SECONDS:
                artifact = _tell_progress(artifact, board.glance())
                told_at = time.monotonic()
    _tell_progress(artifact, board.glance())


def _await(ended: _Ended, total: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while ended.count < total and time.monotonic() < deadline:
        ended.news.wait(TURN_SECONDS)
        ended.news.clear()


def _endings(futures: Sequence[PrefectFuture[Any]]) -> list[Ending]:
    """What the batches that are home have to tell. One that broke down tells nothing."""
    told: list[Ending] = []
    for future in futures:
        if future.state.is_completed():
            told.extend(future.result(raise_on_failure=False))
    return told


# --- telling ----------------------------------------------------------------------------------


def _tell_progress(artifact: UUID | None, glance: Glance) -> UUID:
    share = 100 * glance.ended / max(glance.total, 1)
    if artifact is None:
        made = create_progress_artifact(share, key="omnihuman-progress", description=glance.line)
        return cast("UUID", made)
    update_progress_artifact(artifact, share, description=glance.line)
    return artifact


def _tell(conclusion: Conclusion, order: Order) -> None:
    create_markdown_artifact(
        markdown(conclusion.summary), key="omnihuman-summary", description=order.results
    )
    if conclusion.failures:
        table = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in conclusion.failures
        ]
        create_table_artifact(table, key="omnihuman-not-done", description="Rows that are not done")
    gallery = Path(order.results.removeprefix("file://")) / "index.html"
    if gallery.is_file():
        create_link_artifact(gallery.absolute().as_uri(), "Gallery", key="omnihuman-gallery")


def _final_state(conclusion: Conclusion) -> State[Told]:
    told = dict(conclusion.told())
    if conclusion.exit_code == EXIT_DONE:
        return Completed(message="Every row is done.", data=told)
    return _failed(STATE_NAMES[conclusion.exit_code], SENTENCES[conclusion.exit_code], told)


def _failed(name: str, message: str, told: Told) -> State[Told]:
    """A failed state whose result is raised by whoever asks for it, with all the facts."""
    return Failed(name=name, message=message, data=NotDone(message, told))
