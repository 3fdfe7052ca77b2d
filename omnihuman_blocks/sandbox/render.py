"""An image and a voice -> a real video, rendered beside the event loop and remembered.

The sandbox's vendors are asked for the same few videos again and again: the same content is
rendered once, whoever asks and however many ask at the same time.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from omnihuman_blocks.sandbox.render_clip import Container, Quality, audio_seconds
from omnihuman_blocks.sandbox.render_worker import Worker, WorkerLost
from omnihuman_blocks.sandbox.scene import open_image

REMEMBERED_BYTES = 256 * 1024 * 1024
REMEMBERED_LENGTHS = 10_000
CLOSED = "the studio is closed"

T = TypeVar("T")


class Studio:
    """Renders videos in `workers` processes of its own, which start when they are first needed.

    May be used from any thread and any event loop. `fast` is for tests (small, a tenth of a second
    of work), `full` is for people to look at.
    """

    def __init__(self, *, workers: int = 1, quality: Quality = "fast") -> None:
        if workers < 1:
            raise ValueError(f"a studio needs at least one worker, not {workers}")
        self._quality = quality
        self._crew = _Crew()
        self._renders = ThreadPoolExecutor(workers, thread_name_prefix="sandbox-render")
        self._measures = ThreadPoolExecutor(1, thread_name_prefix="sandbox-measure")
        self._videos: _Memory[bytes] = _Memory(bound=REMEMBERED_BYTES, weigh=len)
        self._lengths: _Memory[float] = _Memory(bound=REMEMBERED_LENGTHS, weigh=lambda _: 1)

    @property
    def rendered(self) -> int:
        """How many videos were really made; the others were remembered."""
        return self._videos.made

    async def render(
        self,
        *,
        image: bytes,
        audio: bytes,
        resolution: str = "720p",
        container: Container = "mp4",
        mask: bytes | None = None,
    ) -> bytes:
        """The video of this image speaking this audio. ValueError where they are no media."""
        order = {"resolution": resolution, "container": container, "quality": self._quality}
        key = _digest(*order.values(), image, audio, mask or b"")

        def begin() -> Future[bytes]:
            return self._renders.submit(
                self._crew.render, order, image=image, audio=audio, mask=mask
            )

        return await _wait(self._videos.get(key, begin))

    async def audio_seconds(self, audio: bytes) -> float:
        """The decoded length. ValueError where there is no sound in it."""

        def begin() -> Future[float]:
            return self._measures.submit(audio_seconds, audio)

        return await _wait(self._lengths.get(_digest(audio), begin))

    def image_facts(self, image: bytes) -> tuple[str, int, int]:
        """Format (`jpeg`, `png`, ...), width and height. ValueError where it is no image."""
        opened = open_image(image)
        return (opened.format or "unknown").lower(), opened.width, opened.height

    def close(self) -> None:
        """Ends the processes. What was not yet rendered is given up."""
        for pool in (self._renders, self._measures):
            pool.shutdown(wait=False, cancel_futures=True)
        self._crew.dismiss()


async def _wait(promise: Future[T]) -> T:
    """Waits on a promise of its own: one waiter's cancellation must not take it from the others."""
    own: Future[T] = Future()

    def tell(done: Future[T]) -> None:
        if not own.set_running_or_notify_cancel():
            return
        if done.cancelled():
            own.set_exception(RuntimeError(CLOSED))
        elif (error := done.exception()) is not None:
            own.set_exception(error)
        else:
            own.set_result(done.result())

    promise.add_done_callback(tell)
    return await asyncio.wrap_future(own)


def _digest(*parts: str | bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        whole.update(len(content).to_bytes(8, "big") + content)
    return whole.hexdigest()


class _Crew:
    """The worker processes: as many as there are threads that ask at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._dismissed = False

    def render(
        self, order: dict[str, str], *, image: bytes, audio: bytes, mask: bytes | None
    ) -> bytes:
        """A worker that died is replaced once: its end may have nothing to do with the order."""
        try:
            return self._try(order, image=image, audio=audio, mask=mask)
        except WorkerLost as error:
            if self._dismissed:
                raise RuntimeError(CLOSED) from error
        return self._try(order, image=image, audio=audio, mask=mask)

    def _try(
        self, order: dict[str, str], *, image: bytes, audio: bytes, mask: bytes | None
    ) -> bytes:
        worker = self._take()
        try:
            return worker.render(order, image=image, audio=audio, mask=mask)
        except WorkerLost:
            with self._lock:
                self._all.discard(worker)
            raise
        finally:
            with self._lock:
                if worker in self._all:
                    self._idle.append(worker)

    def _take(self) -> Worker:
        with self._lock:
            if self._dismissed:
                raise RuntimeError(CLOSED)
            if self._idle:
                return self._idle.pop()
            worker = Worker()
            self._all.add(worker)
            return worker

    def dismiss(self) -> None:
        with self._lock:
            self._dismissed = True
            workers, self._all, self._idle = self._all, set(), []
        for worker in workers:
            worker.end()


@dataclass(kw_only=True)
class _Memory(Generic[T]):
    """Values by content, made once, the least recently used forgotten first."""

    bound: int
    weigh: Callable[[T], int]
    made: int = 0
    _kept: OrderedDict[str, T] = field(default_factory=OrderedDict)
    _weight: int = 0
    _under_way: dict[str, Future[T]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str, begin: Callable[[], Future[T]]) -> Future[T]:
        """The value, or the promise of it; `begin` is called where nobody has begun yet."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                kept: Future[T] = Future()
                kept.set_result(self._kept[key])
                return kept
            if key in self._under_way:
                return self._under_way[key]
            promise = self._under_way[key] = begin()
        # Outside the lock: where it is done already, this calls back at once.
        promise.add_done_callback(lambda done: self._keep(key, done))
        return promise

    def _keep(self, key: str, done: Future[T]) -> None:
        with self._lock:
            del self._under_way[key]
            if done.cancelled() or done.exception() is not None:
                return
            self.made += 1
            self._kept[key] = done.result()
            self._weight += self.weigh(done.result())
            while self._weight > self.bound and len(self._kept) > 1:
                self._weight -= self.weigh(self._kept.popitem(last=False)[1])
