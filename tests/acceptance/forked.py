"""Commands as processes of their own that need no imports: forked from one that has done them.

A command spends four of its five seconds on imports. The process that is forked from holds no
thread and has done nothing else, so what runs is what `python -m omnihuman_blocks` would run; the
README's test starts that one, too.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

LATE = [
    "anyio._backends._asyncio",
    "fastapi",
    "prefect.flow_engine",
    "prefect.utilities.visualization",
]
"""What Prefect and anyio import only when they are used."""
PRELOADED = [
    "forked",
    "omnihuman_blocks.cli",
    "omnihuman_blocks.flows",
    "omnihuman_blocks.blocks",
    *LATE,
]


def context() -> ForkServerContext:
    """Begins the process that commands are forked from, with Prefect as quiet as in a command."""
    from omnihuman_blocks.commands.prefect_here import QUIET  # noqa: PLC0415 - once

    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(PRELOADED)
    kept = dict(os.environ)
    os.environ.update(QUIET)
    forkserver.ensure_running()
    os.environ.clear()
    os.environ.update(kept)
    return forking


def begin(
    forking: ForkServerContext,
    words: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    out: Path,
    err: Path,
) -> ForkServerProcess:
    """Starts a command; its output goes to the two files."""
    process = forking.Process(
        target=command, args=(list(words), folder, dict(environment), out, err)
    )
    process.start()
    return process


def command(
    words: list[str], folder: Path, environment: dict[str, str], out: Path, err: Path
) -> None:
    """The whole life of a command, its end included."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415 - preloaded
    from prefect.logging.configuration import setup_logging  # noqa: PLC0415 - preloaded

    from omnihuman_blocks.cli import main  # noqa: PLC0415 - preloaded

    refresh_global_settings_context()
    setup_logging(incremental=False)
    sys.argv = ["omnihuman", *words]
    code = main(words)
    threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter ends
    atexit._run_exitfuncs()
    sys.exit(code)
