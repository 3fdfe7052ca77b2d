"""A library flow, run in this process: quiet on the terminal, watched there, told as plain data."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from omnihuman_blocks.walk.progress import looking_on

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    # Every block type of every installed package, at each start: several seconds for nothing.
    "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
    # What Prefect logs goes to its server; the terminal belongs to the view.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",
}

STOPPED = "Stopped. What was bought is in the ledger; the same command goes on from here."


def run_flow(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """What the flow of this name has to tell. An interrupt is passed on once it has ended well."""
    for variable, value in QUIET.items():
        os.environ.setdefault(variable, value)
    _say_where()
    from omnihuman_blocks import flows  # noqa: PLC0415 - Prefect takes seconds to import

    flow = getattr(flows, name)
    signal.signal(signal.SIGTERM, _last_words)  # Prefect ends the flow first, then passes it on
    with looking_on(sys.stderr):
        state = flow(**parameters, return_state=True)
    told = state.result(raise_on_failure=False)
    facts = getattr(told, "told", told)
    if isinstance(facts, dict):
        return facts
    raise told if isinstance(told, BaseException) else RuntimeError(f"The flow ended as {state!r}")


def _last_words(signum: int, _: object) -> None:
    print(STOPPED, file=sys.stderr, flush=True)
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


def _say_where() -> None:
    """Something is seen within a second, whatever is slow to start."""
    if "prefect" in sys.modules:
        return  # it has been started
    where = os.environ.get("PREFECT_API_URL")
    said = f"Prefect at {where}" if where else "Prefect's own temporary server (some seconds)"
    print(f"Starting {said} …", file=sys.stderr, flush=True)
