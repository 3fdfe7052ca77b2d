"""An order -> a catalogue, inside a Prefect flow: plan, map batches over the walk, write, tell."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias
from uuid import uuid4

from prefect import get_run_logger, unmapped
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from omnihuman_blocks.catalogue.batches import into_batches, walk_batch
from omnihuman_blocks.catalogue.concluding import Conclusion, conclude, join, write_beginning
from omnihuman_blocks.catalogue.events import Herald
from omnihuman_blocks.catalogue.loading import load_block
from omnihuman_blocks.catalogue.outcomes import read_outcomes, with_endings
from omnihuman_blocks.catalogue.preparing import Prepared, open_ledger, prepare
from omnihuman_blocks.catalogue.sharding import Company, company_of
from omnihuman_blocks.catalogue.telling import (
    Bar,
    tell_doubts,
    tell_end,
    tell_tags,
    told_in_vain,
)
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.planned import PlannedRow, Verdict
from omnihuman_blocks.domain.sharding import WHOLE
from omnihuman_blocks.domain.summary import (
    EXIT_CANNOT_START,
    EXIT_DONE,
    EXIT_IN_DOUBT,
    EXIT_ROWS_FAILED,
    EXIT_STOPPED,
    summarise_plan,
)
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.errors import BadDelivery, CannotStart, OmniHumanError
from omnihuman_blocks.runner import EventLoopTaskRunner
from omnihuman_blocks.walk.opening import Setting, stop_houses, stop_houses_here
from omnihuman_blocks.walk.order import Order, open_shop
from omnihuman_blocks.walk.progress import Board, onlooker, showing
from omnihuman_blocks.walk.walker import Ending, Errand

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
NOT_BOUGHT = (Stage.OPEN, Stage.FAILED, Stage.SPOILED)
"""Stages in which only a purchase would lead on."""

CANNOT_START = "CannotStart"
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
    return _begun(make_order, _made)


def settle_catalogue(make_order: Callable[[], Order]) -> State[Told]:
    """Finds out about doubts and brings home what was bought. Nothing new is bought."""
    return _begun(make_order, _settled)


def _begun(make_order: Callable[[], Order], go: Callable[[Order], State[Told]]) -> State[Told]:
    return or_cannot_start(lambda: go(make_order()))


def or_cannot_start(begin: Callable[[], State[Told]]) -> State[Told]:
    """What cannot start ends in a state that says why."""
    try:
        return begin()
    except CannotStart as error:
        get_run_logger().error("%s", error)
        told = {"exit_code": EXIT_CANNOT_START, "error": str(error)}
        return _failed(CANNOT_START, str(error), told)


def _made(order: Order) -> State[Told]:
    _, conclusion = _walked(order, buying=True)
    return _final_state(conclusion)


def _settled(order: Order) -> State[Told]:
    prepared, conclusion = _walked(order, buying=False)
    # A ledger of its own also knows the rows that have left the tables; a shared one, others'.
    mine = None if order.ledger is None else prepared.keys
    with open_ledger(order) as ledger:
        doubts = ledger.in_doubt(mine)
    told_in_vain(partial(tell_doubts, doubts))
    told = {**conclusion.told(), "exit_code": EXIT_IN_DOUBT if doubts else EXIT_DONE}
    if not doubts:
        return Completed(message="No purchase is in doubt.", data=told)
    return _failed(STATE_NAMES[EXIT_IN_DOUBT], SENTENCES[EXIT_IN_DOUBT], told)


def _walked(order: Order, *, buying: bool) -> tuple[Prepared, Conclusion]:
    began_at = datetime.now(UTC)
    setting = Setting.of(order, invocation=str(flow_run.id or uuid4()))
    with company_of(order) as company:
        prepared = _prepared(order, setting, company)
        endings: list[Ending] = []
        unjoined: dict[str, BadDelivery] = {}
        is_home = False
        try:
            _walk(prepared, setting, endings, buying=buying)
            unjoined.update(_join(prepared, order.shard.rows(prepared.plan.rows)))
            is_home = True
        finally:
            # Also where somebody stopped it: the catalogue tells what stands in the ledger now.
            with company.leaving() as is_last, open_ledger(order) as ledger:
                if is_last and is_home and order.shard != WHOLE:
                    unjoined.update(_join(prepared, prepared.plan.rows))
                conclusion = conclude(
                    prepared,
                    endings,
                    ledger,
                    began_at=began_at,
                    flow_run_id=flow_run.id,
                    unjoined=unjoined,
                    publishing=is_home,
                    is_last=is_last,
                )
    told_in_vain(partial(tell_end, conclusion, order, walked=bool(endings)))
    return prepared, conclusion


def _prepared(order: Order, setting: Setting, company: Company) -> Prepared:
    shop = open_shop(order, os.environ, with_keys=True, block=load_block(order.provider))
    with open_ledger(order) as ledger:
        prepared = prepare(order, shop, ledger, buying=True)
        if setting.budget is not None:
            ledger.set_budget(setting.budget, order.budget)
    with company.arriving() as is_first:
        if is_first:
            write_beginning(prepared)
    told_in_vain(partial(tell_tags, sorted({job.provider for job in prepared.plan.jobs.values()})))
    quoted = summarise_plan(prepared.plan)
    get_run_logger().info(
        "%d rows are done, %d jobs to walk, $%s quoted",
        prepared.plan.kept,
        len(prepared.errands()),
        quoted.quote_usd,
    )
    return prepared


def _join(prepared: Prepared, rows: Iterable[PlannedRow]) -> Mapping[str, BadDelivery]:
    """Rows of several parts become one video each, as far as their parts are here."""
    long = [row for row in rows if len(row.parts) > 1]
    if not long:
        return {}
    with open_ledger(prepared.order) as ledger:
        joining = join(prepared, ledger, long)
    for note in joining.notes:
        get_run_logger().warning("%s", note)
    return joining.failed


# --- walking ----------------------------------------------------------------------------------


def _walk(prepared: Prepared, setting: Setting, endings: list[Ending], *, buying: bool) -> None:
    errands = prepared.errands() if buying else _bought(prepared)
    if not errands:
        return
    walked = {errand.job.key for errand in errands}
    rows_of = Counter(
        keys
        for row in prepared.plan.rows
        if (keys := tuple(part.job.key for part in row.parts if part.job.key in walked))
    )
    quoted = summarise_plan(prepared.plan)
    board = Board(
        rows_of=rows_of,
        quote_usd=quoted.quote_usd,
        unpriced=quoted.unpriced,
    )
    herald = Herald(order=prepared.order, rows=prepared.plan.rows)
    until = () if buying else NOT_BOUGHT
    batches = into_batches(errands, until=until, batches=prepared.order.batches)
    with showing(setting.invocation, board), Ledger.open(setting.ledger) as ledger:
        futures = walk_batch.map(batches, unmapped(setting))
        ended = _counting(futures)
        try:
            _watch(board, ended, len(futures), partial(_tell_news, herald, ledger))
        except BaseException:
            # Ctrl-C, SIGTERM, Prefect's cancel: the gates first, then everybody comes home.
            stop_houses("It was stopped before this was bought. Run it again to go on.")
            _await(ended, len(futures), GRACE_SECONDS)
            raise
        finally:
            endings.extend(_endings(ended.home))


def _bought(prepared: Prepared) -> list[Errand]:
    """What was bought or may have been, and is not here."""
    new = {part.job.key for part in prepared.plan.first_parts() if part.verdict is Verdict.NEW}
    return [errand for errand in prepared.errands() if errand.job.key not in new]


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


def _watch(
    board: Board, ended: _Ended, total: int, tell_news: Callable[[PrefectFuture[Any]], None]
) -> None:
    """Shows what is going on until all batches are home, and tells of each that is."""
    bar = Bar()
    told_at = time.monotonic()
    heard = 0
    with onlooker(board) as look:
        while ended.count < total:
            look()
            ended.news.wait(TURN_SECONDS)
            ended.news.clear()
            for future in ended.home[heard:]:
                heard += 1
                told_in_vain(partial(tell_news, future))
            if time.monotonic() - told_at >= ARTIFACT_SECONDS:
                told_in_vain(partial(bar.tell, board.glance()))
                told_at = time.monotonic()
    told_in_vain(partial(bar.tell, board.glance()))


def _await(ended: _Ended, total: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while ended.count < total and time.monotonic() < deadline:
        ended.news.wait(TURN_SECONDS)
        ended.news.clear()


def _endings(futures: Sequence[PrefectFuture[Any]]) -> list[Ending]:
    """What the batches that are home have to tell. One that broke down tells nothing."""
    told: list[Ending] = []
    for future in futures:
        future.wait()  # it is home; Dask's only then knows its state without asking the server
        if future.state.is_completed():
            told.extend(future.result(raise_on_failure=False))
    return told


def _tell_news(herald: Herald, ledger: Ledger, future: PrefectFuture[Any]) -> None:
    """What a batch that is home has to tell, as events."""
    future.wait()
    if not future.state.is_completed():
        herald.tell_broken(future.state.message or repr(future.state))
        return
    endings: list[Ending] = future.result(raise_on_failure=False)
    known = read_outcomes(ledger, [ending.key for ending in endings])
    herald.tell(endings, with_endings(known, endings, flow_run.id))


# --- how it ended ---------------------------------------------------------------------------


def _final_state(conclusion: Conclusion) -> State[Told]:
    told = dict(conclusion.told())
    if conclusion.exit_code == EXIT_DONE:
        return Completed(message="Every row is done.", data=told)
    return _failed(STATE_NAMES[conclusion.exit_code], SENTENCES[conclusion.exit_code], told)


def _failed(name: str, message: str, told: Told) -> State[Told]:
    """A failed state whose result is raised by whoever asks for it, with all the facts."""
    return Failed(name=name, message=message, data=NotDone(message, told))
