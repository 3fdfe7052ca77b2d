"""`omnihuman sandbox`: NAME=value lines first, then a vendor until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from omnihuman_blocks.sandbox.faults import Faults
from omnihuman_blocks.sandbox.server import Sandbox
from omnihuman_blocks.sandbox.settings import VENDORS, Settings


class CannotServe(Exception):
    """What the user asked for cannot be done; the message says what to mend."""


def serve(arguments: argparse.Namespace) -> int:
    """Prints where everything is and serves. 0 when it was asked to stop."""
    sandbox = Sandbox(
        port=arguments.port,
        settings=_settings(arguments),
        faults=_faults(arguments.faults),
        quality=arguments.quality,
        workers=arguments.workers,
        narrate=_narrator(quiet=arguments.quiet),
    )
    try:
        sandbox.bind()
    except OSError as error:
        raise CannotServe(f"port {arguments.port} cannot be had: {error.strerror}") from error
    for name, value in sandbox.environment.items():
        print(f"{name}={value}")  # noqa: T201 - what a shell reads
    sys.stdout.flush()
    asyncio.run(_until_stopped(sandbox))
    return 0


async def _until_stopped(sandbox: Sandbox) -> None:
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, sandbox.ask_to_stop)
    await sandbox.serve()


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = Settings()
    changes = _read(arguments.settings) if arguments.settings else {}
    if not isinstance(changes, dict):
        raise CannotServe(f"{arguments.settings}: a JSON object with settings is expected")
    words: dict[str, Any] = {}
    if arguments.time_scale is not None:
        words["time_scale"] = arguments.time_scale
    if arguments.slots is not None:
        words |= {vendor: {"slots": arguments.slots} for vendor in VENDORS}
    try:
        settings.change(changes)
        settings.change(words)
    except ValidationError as error:
        raise CannotServe(f"the settings are not understood: {_first(error)}") from error
    return settings


def _faults(file: str | None) -> Faults:
    if file is None:
        return Faults()
    try:
        return Faults.from_document(_read(file))
    except ValidationError as error:
        raise CannotServe(f"{file}: {_first(error)}") from error


def _read(file: str) -> Any:
    try:
        return json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise CannotServe(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CannotServe(f"{file} is not JSON: {error}") from error


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {problem['msg']}" if where else str(problem["msg"])


def _narrator(*, quiet: bool) -> Callable[[str], None]:
    if quiet or not sys.stderr.isatty():
        return lambda _line: None

    def narrate(line: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {line}", file=sys.stderr)  # noqa: T201 - a terminal

    return narrate
