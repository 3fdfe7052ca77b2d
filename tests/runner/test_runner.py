"""The task runner under real flows on a real Prefect server."""

from __future__ import annotations

import asyncio
import pickle
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest
from prefect import flow, get_client, task, unmapped
from prefect.cache_policies import INPUTS, NO_CACHE
from prefect.context import AsyncClientContext
from prefect.exceptions import CancelledRun, CrashedRun
from prefect.futures import as_completed
from prefect.utilities.annotations import allow_failure, opaque, quote

from omnihuman_blocks.loop.shared import shared
from omnihuman_blocks.runner import EventLoopTaskRunner

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]

Until = Callable[[Callable[[], object]], None]


def a_task(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Prefect's decorator without its types, which mypy cannot follow for async functions."""
    make: Any = task
    decorate: Callable[[Callable[..., Any]], Any] = make(**{"cache_policy": NO_CACHE} | options)
    return decorate


@a_task()
async def double(number: int) -> int:
    return number * 2


@a_task()
async def add(left: int, right: int) -> int:
    return left + right


@a_task()
async def fail(message: str) -> None:
    raise ValueError(message)


@a_task()
async def wait_for_ever() -> None:
    await asyncio.Event().wait()


def test_mapped_tasks_wait_at_once_on_one_loop_with_one_client() -> None:
    """Three hundred tasks stand in one place at one time, which threads would be needed for."""
    count = 300
    seen: set[tuple[int, int]] = set()
    present: list[int] = []
    everybody = asyncio.Event()

    @a_task()
    async def meet(number: int) -> int:
        client = AsyncClientContext.get()
        seen.add((id(asyncio.get_running_loop()), id(client and client.client)))
        present.append(number)
        if len(present) == count:
            everybody.set()
        await everybody.wait()
        return number

    @flow(task_runner=EventLoopTaskRunner())
    def meeting() -> Any:
        return meet.map(range(count)).result(timeout=120)

    assert meeting() == list(range(count))
    assert len(seen) == 1


def test_no_more_than_the_set_concurrency_runs_at_once() -> None:
    """The bound is kept, and used."""
    now, most = Counter[str](), Counter[str]()

    @a_task()
    async def enter() -> None:
        now["inside"] += 1
        most["inside"] = max(most["inside"], now["inside"])
        await asyncio.sleep(0.02)
        now["inside"] -= 1

    @flow(task_runner=EventLoopTaskRunner(max_concurrency=4))
    def crowd() -> None:
        for future in [enter.submit() for _ in range(20)]:
            future.result()

    crowd()
    assert most["inside"] == 4


def test_a_task_that_fails_leaves_the_others_alone() -> None:
    """One row's error is that row's state."""

    @flow(task_runner=EventLoopTaskRunner())
    def mixed() -> list[str]:
        futures = [double.submit(1), fail.submit("no such voice"), double.submit(2)]
        ended = list(as_completed(futures))
        assert len(ended) == 3
        with pytest.raises(ValueError, match="no such voice"):
            futures[1].result()
        return [str(future.state.type.value) for future in futures]

    assert mixed() == ["COMPLETED", "FAILED", "COMPLETED"]


def test_a_task_that_exits_crashes_alone() -> None:
    """`sys.exit` in one task ends neither the loop of the others nor the flow that asks for it."""

    @a_task()
    async def leave() -> None:
        raise SystemExit(3)

    @flow(task_runner=EventLoopTaskRunner())
    def mixed() -> Any:
        leaving, staying = leave.submit(), double.submit(21)
        leaving.wait()
        assert leaving.state.is_crashed()
        with pytest.raises(CrashedRun):
            leaving.result()
        return staying.result()

    assert mixed() == 42


def test_retries_and_their_delays_are_prefects() -> None:
    """The engine under the runner is Prefect's own: it tries again, later, as often as told."""
    tries: list[float] = []

    @a_task(retries=2, retry_delay_seconds=0.2)
    async def flaky() -> int:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise ConnectionError("not now")
        return 7

    @flow(task_runner=EventLoopTaskRunner())
    def patient() -> Any:
        return flaky.submit().result()

    assert patient() == 7
    assert len(tries) == 3
    assert tries[2] - tries[0] >= 0.4


def test_a_task_that_outlasts_its_time_is_timed_out() -> None:
    """A task's own time limit works on the loop, where it can interrupt a wait."""

    @a_task(timeout_seconds=0.1)
    async def slow() -> None:
        await asyncio.Event().wait()

    @flow(task_runner=EventLoopTaskRunner())
    def impatient() -> str:
        future = slow.submit()
        future.wait()
        return str(future.state.name)

    assert impatient() == "TimedOut"


def test_futures_may_be_parameters_and_conditions() -> None:
    """Tasks that wait for tasks of the same loop do not block it."""
    order: list[str] = []

    @a_task()
    async def say(word: str) -> str:
        await asyncio.sleep(0.05 if word == "first" else 0)
        order.append(word)
        return word

    @flow(task_runner=EventLoopTaskRunner(max_concurrency=2))
    def chain() -> list[Any]:
        first = say.submit("first")
        second = say.submit("second", wait_for=[first])
        third = say.submit("third", wait_for=[second])
        four = double.submit(2)
        total = add.submit(four, right=double.submit(four))
        nested = double.map([total, 5])
        return [third.result(), total.result(), nested.result()]

    assert chain() == ["third", 12, [24, 10]]
    assert order == ["first", "second", "third"]


def test_annotations_mean_what_they_mean_elsewhere() -> None:
    """`unmapped`, `opaque`, `quote` and `allow_failure` arrive as Prefect documents them."""

    @a_task()
    async def look(value: Any, other: Any = None) -> Any:
        return [value, other]

    @a_task()
    async def kind(value: Any) -> str:
        return type(value).__name__

    @flow(task_runner=EventLoopTaskRunner())
    def annotated() -> list[Any]:
        four = double.submit(2)
        failed = fail.submit("on purpose")
        return [
            look.map([1, 2], unmapped([3, 4])).result(),
            look.map([1, 2], other=unmapped(opaque({"plan": "data"}))).result(),
            look.submit(opaque(four)).result(),
            kind.submit(quote(four)).result(),
            kind.submit(allow_failure(failed)).result(),
        ]

    assert annotated() == [
        [[1, [3, 4]], [2, [3, 4]]],
        [[1, {"plan": "data"}], [2, {"plan": "data"}]],
        [4, None],
        "LoopFuture",
        "ValueError",
    ]


def test_what_depends_on_a_failure_is_not_run() -> None:
    """As under Prefect's own runners, it stays `NotReady`."""

    @flow(task_runner=EventLoopTaskRunner())
    def broken_chain() -> str:
        after = double.submit(1, wait_for=[fail.submit("on purpose")])
        after.wait()
        return str(after.state.name)

    assert broken_chain() == "NotReady"


def test_tasks_inside_tasks_never_wait_for_their_parents_slot() -> None:
    """With a single slot, three generations finish."""

    @a_task()
    async def middle(number: int) -> Any:
        return await double.submit(number).aresult()

    @a_task()
    async def outer() -> list[int]:
        futures = middle.map([1, 2, 3])
        return [await future.aresult() for future in futures]

    @flow(task_runner=EventLoopTaskRunner(max_concurrency=1))
    def generations() -> Any:
        return outer.submit().result(timeout=60)

    assert generations() == [2, 4, 6]


def test_blocking_the_loop_for_its_own_task_is_refused_with_the_way_out() -> None:
    """`.result()` inside an async task would wait for ever; it says what to write instead."""

    @a_task()
    async def impolite() -> Any:
        return double.submit(1).result()

    @a_task()
    async def impolite_to_many() -> list[int]:
        return list(double.map([1, 2]).result())

    @flow(task_runner=EventLoopTaskRunner())
    def mistaken(one: bool) -> None:  # noqa: FBT001
        (impolite if one else impolite_to_many).submit().result()

    with pytest.raises(RuntimeError, match=r"await future\.aresult\(\)"):
        mistaken(one=True)
    with pytest.raises(RuntimeError, match=r"await each_future\.aresult\(\)"):
        mistaken(one=False)


def test_tasks_that_are_not_async_run_in_a_bounded_number_of_threads() -> None:
    """A blocking task does not stop the loop, and there are never more threads than allowed."""
    now, most = Counter[str](), Counter[str]()
    lock = threading.Lock()

    @a_task()
    def block(number: int) -> int:
        with lock:
            now["inside"] += 1
            most["inside"] = max(most["inside"], now["inside"])
        time.sleep(0.05)
        with lock:
            now["inside"] -= 1
        return number

    @flow(task_runner=EventLoopTaskRunner(max_threads=2))
    def mixed() -> list[int]:
        blocking, waiting = block.map(range(6)), double.map(range(6))
        return [*blocking.result(), *waiting.result()]

    assert mixed() == [0, 1, 2, 3, 4, 5, 0, 2, 4, 6, 8, 10]
    assert most["inside"] == 2


def test_blocking_tasks_inside_blocking_tasks_do_not_starve() -> None:
    """With a single thread allowed, a parent that blocks for its child gets its answer."""

    @a_task()
    def child() -> int:
        return 5

    @a_task()
    def parent() -> Any:
        return child.submit().result() + double.submit(1).result()

    @flow(task_runner=EventLoopTaskRunner(max_threads=1, max_concurrency=1))
    def nested() -> Any:
        return parent.submit().result(timeout=60)

    assert nested() == 7


def test_cache_policies_work_as_elsewhere(tmp_path: Path) -> None:
    """What is kept by inputs is not run again; what is not to be cached is."""
    ran: list[str] = []

    @a_task(cache_policy=INPUTS, result_storage=tmp_path)
    async def kept(name: str) -> str:
        ran.append(name)
        return name

    @a_task()
    async def not_kept(name: str) -> str:
        ran.append(name)
        return name

    @flow(task_runner=EventLoopTaskRunner())
    def twice() -> list[str]:
        names = []
        for _ in range(2):
            futures = [kept.submit("kept"), not_kept.submit("not kept")]
            names += [str(future.state.name) for future in as_completed(futures)]
        return names

    assert sorted(twice()) == ["Cached", "Completed", "Completed", "Completed"]
    assert sorted(ran) == ["kept", "not kept", "not kept"]


def test_a_flow_that_leaves_in_peace_waits_for_its_tasks() -> None:
    """Nobody needs to collect futures for the work to be done."""
    done: list[int] = []

    @a_task()
    async def work(number: int) -> None:
        await asyncio.sleep(0.05)
        done.append(number)
        if number < 2:
            work.submit(number + 10)

    @flow(task_runner=EventLoopTaskRunner(max_concurrency=2))
    def forgetful() -> None:
        work.map(range(6))

    forgetful()
    assert sorted(done) == [0, 1, 2, 3, 4, 5, 10, 11]


@pytest.mark.parametrize("end", ["error", "time-out"])
def test_a_flow_that_fails_stops_its_tasks_in_order(end: str, until: Until) -> None:
    """Gate first, then the waits, then open purchases to their end; the flow leaves promptly."""
    diary: list[str] = []
    futures: list[Any] = []

    async def purchase() -> None:
        diary.append("sent")
        while "gate closed" not in diary:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        diary.append("ticket")

    @a_task()
    async def buy() -> None:
        await asyncio.shield(purchase())

    runner = EventLoopTaskRunner(
        max_concurrency=1, grace_seconds=300, on_stop=lambda: diary.append("gate closed")
    )

    @flow(task_runner=runner, timeout_seconds=2 if end == "time-out" else None)
    def shop() -> None:
        futures.extend([buy.submit(), double.submit(1)])
        until(lambda: "sent" in diary)
        if end == "error":
            raise ValueError("on purpose")
        futures[0].wait()

    started = time.monotonic()
    state = shop(return_state=True)
    assert time.monotonic() - started < 100
    assert state.name == ("Failed" if end == "error" else "TimedOut")
    assert diary == ["sent", "gate closed", "ticket"]
    bought, never_begun = futures
    assert bought.state.is_crashed()
    assert never_begun.state.is_cancelled()
    with pytest.raises(CancelledRun, match="double"):
        never_begun.result()


def test_a_thread_that_still_works_is_waited_for_and_says_how_it_ended(until: Until) -> None:
    """A blocking task cannot be cancelled, and is not said to have ended while it has not."""
    diary: list[str] = []
    futures: list[Any] = []

    @a_task()
    def block() -> str:
        diary.append("begun")
        until(lambda: "gate closed" in diary)
        time.sleep(0.2)
        diary.append("done")
        return "done"

    @flow(task_runner=EventLoopTaskRunner(on_stop=lambda: diary.append("gate closed")))
    def shop() -> None:
        futures.append(block.submit())
        until(lambda: "begun" in diary)
        raise ValueError("on purpose")

    shop(return_state=True)
    assert diary == ["begun", "gate closed", "done"]
    assert futures[0].state.is_completed()
    assert futures[0].result() == "done"


def test_task_runs_that_were_stopped_say_so_on_the_server(until: Until) -> None:
    """Nobody finds a task `Running` for ever after its flow has gone."""
    begun = threading.Event()
    ids: list[Any] = []

    @a_task()
    async def linger() -> None:
        begun.set()
        await asyncio.Event().wait()

    @flow(task_runner=EventLoopTaskRunner())
    def shop() -> None:
        ids.append(linger.submit().task_run_id)
        assert begun.wait(20)
        raise ValueError("on purpose")

    shop(return_state=True)

    def is_crashed() -> bool:
        with get_client(sync_client=True) as client:
            state = client.read_task_run(ids[0]).state
            return state is not None and state.is_crashed()

    until(is_crashed)


def test_what_tasks_share_is_opened_once_and_closed_after_them() -> None:
    """All tasks of a flow run use one house, and it outlives the last of them."""
    diary: list[str] = []

    @asynccontextmanager
    async def house() -> AsyncIterator[object]:
        diary.append("open")
        yield object()
        diary.append("closed")

    @a_task()
    async def use() -> int:
        found = await shared("house", house)
        await asyncio.sleep(0.01)
        diary.append("used")
        return id(found)

    @flow(task_runner=EventLoopTaskRunner())
    def catalogue() -> set[int]:
        futures = [use.submit() for _ in range(5)]
        return {future.result() for future in futures}

    assert len(catalogue()) == 1
    assert diary == ["open", *["used"] * 5, "closed"]


async def test_async_flows_may_use_it_too() -> None:
    """The runner does not need the flow's own loop."""

    @flow(task_runner=EventLoopTaskRunner())
    async def modern() -> Any:
        futures = double.map(range(5))
        return [await future.aresult() for future in futures]

    assert await modern() == [0, 2, 4, 6, 8]


def test_flows_inside_flows_have_runners_of_their_own() -> None:
    """Two loops, two bounds, one answer."""

    @flow(task_runner=EventLoopTaskRunner(max_concurrency=1))
    def inner(numbers: list[int]) -> Any:
        return double.map(numbers).result()

    @a_task()
    def call_inner() -> Any:
        return inner([1, 2, 3])

    @flow(task_runner=EventLoopTaskRunner(max_concurrency=1, max_threads=1))
    def outer() -> Any:
        direct = inner([4])
        return call_inner.submit().result() + direct

    assert outer() == [2, 4, 6, 8]


def test_it_works_without_a_flow() -> None:
    """As a context manager, as Prefect's own runners do; and again after it has stopped."""
    runner = EventLoopTaskRunner(max_concurrency=2)
    for _ in range(2):
        with runner:
            futures = [runner.submit(double, {"number": number}) for number in range(3)]
            assert [future.result() for future in futures] == [0, 2, 4]
    with pytest.raises(RuntimeError, match="not started"):
        runner.submit(double, {"number": 1})


def test_starting_twice_is_refused_and_harms_nothing() -> None:
    """The first start stays good."""
    with EventLoopTaskRunner() as runner:
        with pytest.raises(RuntimeError, match="already started"):
            runner.__enter__()
        assert runner.submit(double, {"number": 2}).result() == 4


def test_an_error_in_the_with_block_stops_the_tasks() -> None:
    """Leaving with an exception cancels what waits, and never hangs."""
    runner = EventLoopTaskRunner(grace_seconds=600)
    with pytest.raises(ValueError, match="on purpose"), runner:  # noqa: PT012
        future = runner.submit(wait_for_ever, {})
        raise ValueError("on purpose")
    assert future.state.is_cancelled() or future.state.is_crashed()


def test_waiting_with_a_time_limit_returns() -> None:
    """`wait` returns and `result` raises when the time is over, blocking or not."""
    with EventLoopTaskRunner() as runner:
        future = runner.submit(wait_for_ever, {})
        future.wait(timeout=0.05)
        with pytest.raises(TimeoutError):
            future.result(timeout=0.05)
        with pytest.raises(TimeoutError, match=r"0\.05 s"):
            asyncio.run(future.aresult(timeout=0.05))
        runner.__exit__(KeyError, KeyError(), None)
        runner.__enter__()


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_a_runner_travels_with_its_flow(pickler: Any) -> None:
    """Flows are pickled with their runner when they run in another process."""
    runner = EventLoopTaskRunner(
        max_concurrency=3, max_threads=2, grace_seconds=1.5, on_stop=time.tzset
    )
    with runner:
        travelled = pickler.loads(pickler.dumps(runner))
    for other in (travelled, runner.duplicate()):
        assert (other.max_concurrency, other.max_threads) == (3, 2)
        assert (other.grace_seconds, other.on_stop) == (1.5, time.tzset)
        with other:
            assert other.submit(double, {"number": 4}).result() == 8


@pytest.mark.parametrize(
    "setting", [{"max_concurrency": 0}, {"max_threads": 0}, {"grace_seconds": -1}]
)
def test_settings_that_cannot_be_meant_are_refused(setting: dict[str, Any]) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=next(iter(setting))):
        EventLoopTaskRunner(**setting)


def test_the_default_grace_period_fits_into_what_prefect_allows() -> None:
    """Prefect's workers send SIGKILL 30 seconds after SIGTERM."""
    allowed = timedelta(seconds=30)
    assert timedelta(seconds=EventLoopTaskRunner().grace_seconds) < allowed
