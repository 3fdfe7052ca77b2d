"""What a task costs under `EventLoopTaskRunner`, as ratios to `ThreadPoolTaskRunner`.

    python bench/runner_overhead.py [--tasks 200] [--wait 5]

Each measurement runs in a process of its own against one server that all of them share; the two
runners take turns, so that a machine that is busy for other reasons is busy for both.
"""

from __future__ import annotations

# Prefect is imported late: it reads its settings from the environment that is prepared here.
import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any

RUNNERS = ("event-loop", "thread-pool")


def main() -> None:
    arguments = _parse()
    if arguments.measure is not None:
        say(json.dumps(_measure(arguments.measure, arguments.tasks, arguments.wait)))
        return
    with tempfile.TemporaryDirectory(prefix="omnihuman-bench-") as home:
        os.environ |= {
            "PREFECT_HOME": home,
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        }
        os.environ.pop("PREFECT_API_URL", None)
        _compare(arguments)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--wait", type=float, default=5.0, help="seconds that every task waits")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", choices=RUNNERS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _compare(arguments: argparse.Namespace) -> None:
    from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415

    results: dict[str, list[dict[str, float]]] = {name: [] for name in RUNNERS}
    with SubprocessASGIServer() as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        for _ in range(arguments.rounds):
            for name in RUNNERS:
                results[name].append(_in_a_child(name, arguments))
    say(f"{arguments.tasks} tasks that wait {arguments.wait:g} s; medians of {arguments.rounds}")
    say(f"{'':24}{'event loop':>12}{'thread pool':>12}{'ratio':>8}")
    for measure in results["event-loop"][0]:
        loop, pool = (
            statistics.median(each[measure] for each in results[name]) for name in RUNNERS
        )
        say(f"{measure:24}{loop:12.2f}{pool:12.2f}{pool / loop:7.1f}x")


def _in_a_child(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    command = [
        *(sys.executable, __file__, "--measure", name),
        *("--tasks", str(arguments.tasks), "--wait", str(arguments.wait)),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)  # noqa: S603
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _measure(name: str, tasks: int, wait: float) -> dict[str, float]:
    from prefect import flow, task  # noqa: PLC0415
    from prefect.cache_policies import NO_CACHE  # noqa: PLC0415
    from prefect.task_runners import ThreadPoolTaskRunner  # noqa: PLC0415

    from omnihuman_blocks.runner import EventLoopTaskRunner  # noqa: PLC0415

    runner: Any = (
        EventLoopTaskRunner(max_concurrency=tasks)
        if name == "event-loop"
        else ThreadPoolTaskRunner(max_workers=tasks)
    )
    most_threads = 0

    @task(cache_policy=NO_CACHE)
    async def sleep(number: int) -> int:
        nonlocal most_threads
        most_threads = max(most_threads, threading.active_count())
        await asyncio.sleep(wait)
        return number

    @flow(task_runner=runner)
    def catalogue(count: int) -> int:
        return len(sleep.map(range(count)).result())

    catalogue(1)
    before, started = _usage(), time.monotonic()
    catalogue(tasks)
    wall, after = time.monotonic() - started, _usage()
    return {
        "wall, seconds": wall,
        "CPU, ms per task": (after[0] - before[0]) / tasks * 1000,
        "peak memory, MB": after[1] / 1024,
        "threads": most_threads,
    }


def _usage() -> tuple[float, float]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss


if __name__ == "__main__":
    main()
