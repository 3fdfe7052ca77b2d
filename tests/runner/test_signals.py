"""Real signals to a real process that runs a flow: what is bought is written down, then it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_server")]

Until = Callable[[Callable[[], object]], None]

SHOP = """
import asyncio, sys
from pathlib import Path
from prefect import flow, runtime, task
from prefect.cache_policies import NO_CACHE
from omnihuman_blocks.runner import EventLoopTaskRunner

folder = Path(sys.argv[1])

def write(line):
    with (folder / "diary").open("a") as diary:
        diary.write(line + "\\n")

async def purchase(number):
    write(f"sent {number}")
    while not (folder / "vendor answers").exists():
        await asyncio.sleep(0.01)
    write(f"ticket {number}")

@task(cache_policy=NO_CACHE)
async def buy(number):
    await asyncio.shield(purchase(number))
    await asyncio.Event().wait()

async def close_gate():
    write("gate closed")

@flow(task_runner=EventLoopTaskRunner(max_concurrency=3, grace_seconds=300, on_stop=close_gate))
def shop():
    write(f"flow {runtime.flow_run.id}")
    buy.map(range(5)).wait()

shop()
"""


class Child:
    """A process that runs the shop, and what it has written down so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        script = folder / "shop.py"
        script.write_text(SHOP)
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            stderr=subprocess.PIPE,
            text=True,
            # A shell that starts things in the background makes them deaf to Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )

    @property
    def diary(self) -> list[str]:
        path = self.folder / "diary"
        return path.read_text().splitlines() if path.exists() else []

    def count(self, word: str) -> int:
        return sum(line.startswith(word) for line in self.diary)

    def vendor_answers(self) -> None:
        (self.folder / "vendor answers").touch()

    def leave(self) -> tuple[str, float]:
        """What it said on its way out, and how long that took."""
        started = time.monotonic()
        errors = self.process.communicate(timeout=350)[1]
        return errors, time.monotonic() - started

    def flow_run_id(self) -> UUID:
        return UUID(next(line for line in self.diary if line.startswith("flow")).split()[1])

    def flow_state(self) -> State | None:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(self.flow_run_id()).state

    def task_states(self) -> list[str]:
        with get_client(sync_client=True) as client:
            of_this_run = FlowRunFilter(id=FlowRunFilterId(any_=[self.flow_run_id()]))
            runs = client.read_task_runs(flow_run_filter=of_this_run)
            return [str(run.state_name) for run in runs]


@pytest.fixture
def child(tmp_path: Path, until: Until) -> Child:
    """A shop that has sent three purchases, as many as it may, and waits for the answers."""
    child = Child(tmp_path)
    until(lambda: child.count("sent") == 3 or child.process.poll() is not None)
    assert child.process.poll() is None, child.process.communicate()[1]
    return child


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_a_signal_closes_the_gate_and_waits_for_open_purchases(
    child: Child, signum: signal.Signals, until: Until
) -> None:
    """No new purchase is sent, the sent ones get their tickets, and Prefect hears the truth."""
    os.kill(child.process.pid, signum)
    until(lambda: child.count("gate closed"))
    assert child.count("ticket") == 0
    child.vendor_answers()
    errors, seconds = child.leave()

    assert seconds < 100
    assert child.count("sent") == 3
    assert child.count("ticket") == 3
    assert "Left behind" not in errors
    assert child.process.returncode == -signum
    state = child.flow_state()
    assert state is not None
    assert state.name == "Crashed"
    until(lambda: child.task_states() == ["Crashed"] * 3)


def test_a_second_signal_cuts_the_wait_short_and_says_what_is_left(
    child: Child, until: Until
) -> None:
    """Whoever insists may leave at once, and is told whose purchases have no answer."""
    os.kill(child.process.pid, signal.SIGINT)
    until(lambda: child.count("gate closed"))
    os.kill(child.process.pid, signal.SIGINT)
    errors, seconds = child.leave()

    assert seconds < 100
    assert child.count("ticket") == 0
    assert "Left behind" in errors
    assert errors.count("purchase") >= 3
    assert "buy (task run" in errors
