"""A process that has done all imports and nothing else; what it forks is ready at once.

One plan per line comes in, one line goes out for each process that has ended. It holds no thread
and opens no file, so a fork of it is as good as a new interpreter, thirty times as fast.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz import child


class Zygote:
    """Forks, kills at the moment that a plan names, buries, and tells."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.poll.register(0, select.POLLIN)
        self.heard = b""
        self.running: dict[int, tuple[int, dict[str, Any], float | None]] = {}
        self.open = True

    def live(self) -> None:
        while self.open or self.running:
            for handle, _ in self.poll.poll(self._patience()):
                if handle == 0:
                    self._listen()
                else:
                    self._bury(handle)
            now = time.monotonic()
            for handle, (pid, plan, due) in list(self.running.items()):
                if due is not None and due <= now:
                    os.kill(pid, signal.SIGKILL)
                    self.running[handle] = (pid, plan, None)

    def _patience(self) -> float | None:
        due = [moment for _, _, moment in self.running.values() if moment is not None]
        return max(0.0, min(due) - time.monotonic()) * 1000 if due else None

    def _listen(self) -> None:
        more = os.read(0, 1 << 20)
        if not more:
            self.open = False
            self.poll.unregister(0)
        *lines, self.heard = (self.heard + more).split(b"\n")
        for line in lines:
            self._fork(json.loads(line))

    def _fork(self, plan: dict[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(_live(plan))
        handle = os.pidfd_open(pid)
        seconds = plan.get("kill_after")
        due = None if seconds is None else time.monotonic() + seconds
        self.running[handle] = (pid, plan, due)
        self.poll.register(handle, select.POLLIN)

    def _bury(self, handle: int) -> None:
        pid, plan, _ = self.running.pop(handle)
        self.poll.unregister(handle)
        os.close(handle)
        _, status = os.waitpid(pid, 0)
        told = {"id": plan["id"], "code": os.waitstatus_to_exitcode(status)}
        tell(told)


def _live(plan: dict[str, Any]) -> int:
    try:
        return child.run(plan)
    except BaseException as error:  # noqa: BLE001 - a fork must never go on as its parent
        with Path(plan["said"]).open("a") as said:
            traceback.print_exception(error, file=said)
        return error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def tell(word: dict[str, Any]) -> None:
    """One line to whoever started this."""
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


def main() -> None:
    for name in ("anyio._backends._asyncio", "av.subtitles.stream", "numpy.fft"):
        importlib.import_module(name)  # what a walk imports when it comes to it
    # Reading the certificates takes longer than all the rest, and nothing here speaks TLS.
    trust = httpx.create_ssl_context()
    setattr(httpx, "create_ssl_context", lambda: trust)  # noqa: B010 - mypy would forbid the other
    if "--commands" in sys.argv:
        import omnihuman_blocks.cli  # noqa: PLC0415
        import omnihuman_blocks.flows  # noqa: F401, PLC0415
    gc.collect()
    gc.freeze()  # pages that no collection touches stay shared
    tell({"ready": os.getpid()})
    Zygote().live()


if __name__ == "__main__":
    main()
