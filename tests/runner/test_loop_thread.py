"""The thread with the event loop: nothing is left unanswered, and its end comes when promised."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from omnihuman_blocks.loop import thread as loop_thread
from omnihuman_blocks.loop.shared import shared
from omnihuman_blocks.loop.thread import LoopThread, OnStop

Walk = Callable[[], Coroutine[Any, Any, str]]


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    yield "resident"


def begin(*, grace_seconds: float = 5, on_stop: OnStop | None = None) -> LoopThread[str]:
    logger = logging.getLogger("tests.loop_thread")
    thread = LoopThread(
        resident=nobody, grace_seconds=grace_seconds, on_stop=on_stop, logger=logger
    )
    assert thread.start() == "resident"
    return thread


def submit(
    thread: LoopThread[str], walk: Walk, name: str = "walk"
) -> concurrent.futures.Future[str]:
    context = contextvars.copy_context()
    return thread.submit(walk, name=name, context=context, lost=lambda why: f"lost: {why}")


async def wait_for_ever() -> str:
    await asyncio.Event().wait()
    return "never"


def test_finishing_waits_for_all_that_was_submitted() -> None:
    """Leaving in peace loses nothing, not even what was submitted by what was submitted."""
    thread = begin()
    answers: list[concurrent.futures.Future[str]] = []

    async def child() -> str:
        await asyncio.sleep(0.05)
        return "child"

    async def parent() -> str:
        answers.append(submit(thread, child))
        return "parent"

    answers.append(submit(thread, parent))
    thread.finish()
    assert {each.result(timeout=0) for each in answers} == {"parent", "child"}


def test_stopping_closes_the_gate_then_cancels_then_waits_for_what_is_shielded() -> None:
    """The order of a stop: no new purchases, no more waiting, open purchases to their end."""
    diary: list[str] = []
    sent = threading.Event()
    cancelled = asyncio.Event()

    async def purchase() -> None:
        sent.set()
        await cancelled.wait()
        await asyncio.sleep(0.05)
        diary.append("ticket written")

    async def walk() -> str:
        try:
            await asyncio.shield(purchase())
        except asyncio.CancelledError:
            diary.append("wait ended")
            cancelled.set()
            raise
        return "never"

    async def close_gate() -> None:
        diary.append("gate closed")

    thread = begin(on_stop=close_gate)
    answer = submit(thread, walk)
    assert sent.wait(10)
    thread.stop()
    assert diary == ["gate closed", "wait ended", "ticket written"]
    assert answer.result(timeout=0) == "lost: it was cancelled"


def test_what_outlasts_the_grace_period_is_named_cancelled_and_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stop ends when it said it would, and says whose work it cut off."""
    begun = threading.Event()
    diary: list[str] = []

    async def endless_purchase() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            diary.append("in doubt")

    async def walk() -> str:
        await asyncio.shield(endless_purchase())
        return "never"

    thread = begin(grace_seconds=0.2)
    submit(thread, walk, name="row 7")
    assert begun.wait(10)
    started = time.monotonic()
    thread.stop()
    assert time.monotonic() - started < 60
    assert "row 7" in caplog.text
    assert "endless_purchase" in caplog.text
    assert diary == ["in doubt"]


def test_a_task_that_refuses_to_be_cancelled_does_not_hold_up_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even code that swallows every cancellation makes leaving hang."""
    caplog.set_level(logging.CRITICAL, logger="asyncio")

    async def stubborn() -> str:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    thread = begin(grace_seconds=0.1)
    answer = submit(thread, stubborn)
    started = time.monotonic()
    thread.stop()
    assert time.monotonic() - started < 60
    assert answer.result(timeout=0) == "lost: it was left behind"


def test_an_interrupt_while_finishing_stops() -> None:
    """Ctrl-C while the last rows are awaited is a stop like any other."""
    diary: list[str] = []
    thread = begin(on_stop=lambda: diary.append("gate closed"))
    answer = submit(thread, wait_for_ever)
    interrupt_during(thread.finish)
    assert diary == ["gate closed"]
    assert answer.result(timeout=0) == "lost: it was cancelled"


def begin_an_endless_purchase() -> LoopThread[str]:
    """A loop with ten minutes of grace, for a purchase that takes for ever."""
    begun = threading.Event()

    async def endless_purchase() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def walk() -> str:
        await asyncio.shield(endless_purchase())
        return "never"

    thread = begin(grace_seconds=600)
    submit(thread, walk)
    assert begun.wait(10)
    return thread


def test_an_interrupt_while_stopping_abandons(caplog: pytest.LogCaptureFixture) -> None:
    """A second Ctrl-C does not wait for the grace period."""
    thread = begin_an_endless_purchase()
    started = time.monotonic()
    interrupt_during(thread.stop)
    assert time.monotonic() - started < 60
    assert "endless_purchase" in caplog.text


def test_an_interrupt_right_after_the_wish_abandons(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate may be closed, and the second Ctrl-C be sent, before this thread begins to wait."""
    thread = begin_an_endless_purchase()
    tell = thread._loop.call_soon_threadsafe

    def tell_and_be_interrupted(*what: Any) -> None:
        monkeypatch.undo()
        tell(*what)
        raise KeyboardInterrupt

    monkeypatch.setattr(thread._loop, "call_soon_threadsafe", tell_and_be_interrupted)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        thread.stop()
    thread._thread.join(60)
    assert time.monotonic() - started < 60
    assert "endless_purchase" in caplog.text


def interrupt_during(wait: Callable[[], None]) -> None:
    """Sends a real SIGINT to this thread while it waits."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    here = threading.get_ident()
    interrupting = threading.Timer(0.3, signal.pthread_kill, (here, signal.SIGINT))
    interrupting.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            wait()
    finally:
        interrupting.join()
        signal.signal(signal.SIGINT, before)


def test_a_hook_that_fails_does_not_keep_the_loop_from_stopping(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The gate could not be closed: that is said, and the waits end all the same."""

    def fail() -> None:
        raise ConnectionError("no gate")

    thread = begin(on_stop=fail)
    answer = submit(thread, wait_for_ever)
    thread.stop()
    assert "no gate" in caplog.text
    assert answer.done()


def test_a_hook_that_hangs_has_no_more_than_the_grace_period(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Closing the gate shares the grace period with everything else."""

    async def hang() -> None:
        await asyncio.Event().wait()

    thread = begin(grace_seconds=0.2, on_stop=hang)
    answer = submit(thread, wait_for_ever)
    thread.stop()
    assert "on_stop" in caplog.text
    assert answer.done()


def test_nothing_begins_on_a_loop_that_stops() -> None:
    """A row that was submitted during the stop is answered, and never walked."""
    walked: list[str] = []

    async def walk() -> str:
        walked.append("walked")
        return "walked"

    async def submit_late() -> None:
        late.append(submit(thread, walk))

    late: list[concurrent.futures.Future[str]] = []
    thread = begin(on_stop=submit_late)
    thread.stop()
    late.append(submit(thread, walk))
    assert [each.result(timeout=0) for each in late] == [
        "lost: it was not begun: the event loop is stopping",
        "lost: the event loop has ended",
    ]
    assert walked == []


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_raised_in_a_child_task_does_not_end_the_loop_of_all_others(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio lets these two out of the loop; thousands of rows would go with them."""

    async def leave() -> None:
        raise error

    async def parent() -> str:
        leaving = asyncio.create_task(leave())
        await asyncio.wait([leaving])
        return type(leaving.exception()).__name__

    thread = begin()
    answer = submit(thread, parent)
    assert answer.result(timeout=10) == type(error).__name__
    thread.finish()


def test_shared_objects_close_after_the_last_work_and_before_the_loop() -> None:
    """The ledger is still there for the last ticket."""
    diary: list[str] = []

    @asynccontextmanager
    async def ledger() -> AsyncIterator[str]:
        yield "ledger"
        diary.append("ledger closed")

    async def purchase() -> None:
        await shared("ledger", ledger)
        begun.set()
        await asyncio.sleep(0.1)
        diary.append("ticket written")

    async def walk() -> str:
        await asyncio.shield(purchase())
        return "never"

    begun = threading.Event()
    thread = begin()
    submit(thread, walk)
    assert begun.wait(10)
    thread.stop()
    assert diary == ["ticket written", "ledger closed"]


def test_background_work_of_shared_objects_is_not_waited_for() -> None:
    """A lease that is renewed for ever is no purchase: it does not cost the grace period."""

    @asynccontextmanager
    async def house() -> AsyncIterator[str]:
        renewing = asyncio.create_task(wait_for_ever())
        yield "house"
        renewing.cancel()

    async def walk() -> str:
        return await shared("house", house)

    thread = begin(grace_seconds=600)
    assert submit(thread, walk).result(timeout=10) == "house"
    thread.finish()
    assert not thread.is_here()


def test_a_resident_that_cannot_move_in_is_the_starters_error() -> None:
    """What keeps the loop from starting is raised where it was started."""

    server: list[str] = []

    @asynccontextmanager
    async def refuse() -> AsyncIterator[str]:
        if not server:
            raise ConnectionError("no server")
        yield ""

    thread = LoopThread(
        resident=refuse, grace_seconds=1, on_stop=None, logger=logging.getLogger("tests")
    )
    with pytest.raises(ConnectionError, match="no server"):
        thread.start()


def test_a_blocked_loop_is_left_and_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can end a loop whose thread is blocked; whoever leaves is told, and leaves."""
    for name in ("HEARTBEAT_SECONDS", "LAST_WORD_SECONDS", "CLOSING_SECONDS"):
        monkeypatch.setattr(loop_thread, name, 0.05)
    blocked, release = threading.Event(), threading.Event()

    async def block() -> str:
        blocked.set()
        release.wait(20)
        return "late"

    thread = begin(grace_seconds=0.1)
    answer = submit(thread, block)
    assert blocked.wait(10)
    thread.stop()
    release.set()
    assert "blocks its thread" in caplog.text
    assert answer.result(timeout=10) == "late"


def test_the_loop_ends_by_itself_when_the_main_thread_has_gone() -> None:
    """A script that forgets to leave still exits, with its open purchase written down."""
    script = textwrap.dedent(
        """
        import asyncio, contextvars, logging, threading
        from contextlib import asynccontextmanager
        from omnihuman_blocks.loop.thread import LoopThread

        begun = threading.Event()

        @asynccontextmanager
        async def nobody():
            yield

        async def purchase():
            begun.set()
            await asyncio.sleep(0.2)
            print("ticket written", flush=True)

        async def walk():
            await asyncio.shield(purchase())
            await asyncio.Event().wait()

        thread = LoopThread(
            resident=nobody, grace_seconds=5, on_stop=None, logger=logging.getLogger()
        )
        thread.start()
        thread.submit(walk, name="row", context=contextvars.copy_context(), lost=str)
        begun.wait()
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ticket written\n"), done.stderr
