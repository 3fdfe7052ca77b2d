"""Orders in on standard input, videos out on standard output: a process that only renders.

A plain child and not `multiprocessing`, for three reasons: it never imports the parent's
`__main__` (which may be a console script, a notebook, a test runner or a script without a guard);
it ends when its input does, so it cannot outlive a parent that was killed; and it starts clean,
where a fork under running threads may hang. Both ends of the conversation stand in this file.

A message is a number of parts, each behind its length. The parent sends a JSON order, the image,
the audio and the mask (empty where there is none); the answer is `video` or `refused` or `broken`,
and then the bytes of the video or the reason.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

from omnihuman_blocks.sandbox.render_clip import render

LENGTH = struct.Struct(">Q")
VIDEO, REFUSED, BROKEN = b"video", b"refused", b"broken"


class WorkerLost(Exception):
    """The process is gone; whether the order or the machine was to blame is not known."""


class Worker:
    """The parent's end. One order at a time."""

    def __init__(self) -> None:
        search = [entry for entry in sys.path if entry]
        one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
        self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | one_thread | {"PYTHONPATH": os.pathsep.join(search)},
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def render(
        self, order: dict[str, str], *, image: bytes, audio: bytes, mask: bytes | None
    ) -> bytes:
        """The video; ValueError where the media are to blame; WorkerLost where it died."""
        assert self._process.stdin is not None  # noqa: S101 - Popen was given pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            _send(self._process.stdin, [json.dumps(order).encode(), image, audio, mask or b""])
            verdict, content = _receive(self._process.stdout, 2)
        except (OSError, ValueError, EOFError) as error:
            self.end()
            raise WorkerLost("the process that renders the sandbox's videos has died") from error
        if verdict == VIDEO:
            return content
        reason = content.decode("utf-8", errors="replace")
        raise ValueError(reason) if verdict == REFUSED else RuntimeError(reason)

    def end(self) -> None:
        """Stops it at once and waits until it is gone."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                _close(pipe)


def serve() -> None:
    """The child's end: answers orders until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then hangs up
    orders = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not end up between two answers
    while True:
        try:
            order, image, audio, mask = _receive(orders, 4)
            _send(answers, _answer(json.loads(order), image, audio, mask))
        except (EOFError, BrokenPipeError):
            return


def _answer(order: dict[str, str], image: bytes, audio: bytes, mask: bytes) -> Sequence[bytes]:
    try:
        return VIDEO, render(image=image, audio=audio, mask=mask or None, **order)  # type: ignore[arg-type]  # words of an order that we wrote
    except ValueError as error:
        return REFUSED, str(error).encode()
    except Exception as error:  # noqa: BLE001 - told to the parent, which raises it
        return BROKEN, f"rendering failed: {type(error).__name__}: {error}".encode()


def _send(pipe: IO[bytes], parts: Sequence[bytes]) -> None:
    for part in parts:
        pipe.write(LENGTH.pack(len(part)))
        pipe.write(part)
    pipe.flush()


def _receive(pipe: IO[bytes], count: int) -> list[bytes]:
    return [_exactly(pipe, LENGTH.unpack(_exactly(pipe, LENGTH.size))[0]) for _ in range(count)]


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _close(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except OSError:  # what was still to be written has nobody to read it
        return


if __name__ == "__main__":
    serve()
