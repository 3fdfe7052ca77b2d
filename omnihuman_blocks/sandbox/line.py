"""A vendor's queue: jobs wait for one of its slots, work, and end. Moments in, finished jobs out.

There is no timer per job. A job's end is a number, known as soon as the job has a slot and its
outcome has been made; `advance` replays whatever lies between the last look and now.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Callable, Iterator
from operator import attrgetter

from omnihuman_blocks.sandbox.job import Job

_number = attrgetter("number")


class Line:
    """First come, first served, `slots()` at a time."""

    def __init__(self, slots: Callable[[], int]) -> None:
        self._slots = slots
        self._waiting: list[Job] = []
        self._working: set[Job] = set()
        self._events: list[tuple[float, int, bool, Job]] = []

    def join(self, job: Job) -> None:
        """At the end of the queue."""
        self._waiting.append(job)
        if job.order.start_within is not None:
            self._plan(job.accepted_at + job.order.start_within, job, ends=False)

    def made(self, job: Job) -> None:
        """The job's outcome is known; its end is known too if it has a slot."""
        if job in self._working:
            self._plan(job.end(), job, ends=True)

    def leave(self, job: Job, moment: float) -> None:
        """Out of the queue or off its slot, for good."""
        if job.started_at is None:
            del self._waiting[bisect_left(self._waiting, job.number, key=_number)]
        self._working.discard(job)
        job.finished_at = moment

    def advance(self, now: float) -> Iterator[Job]:
        """The jobs that have ended since the last time, in the order in which they did."""
        self._fill(now)
        while self._events and self._events[0][0] <= now:
            moment, _number, ends, job = heapq.heappop(self._events)
            if job.finished_at is not None or (not ends and job.started_at is not None):
                continue
            if not ends:
                job.give_up_waiting()
            self.leave(job, moment)
            self._fill(moment)
            yield job

    def next_moment(self) -> float | None:
        """When something will happen by itself."""
        return self._events[0][0] if self._events else None

    def position(self, job: Job) -> int:
        """How many are before it in the queue."""
        return bisect_left(self._waiting, job.number, key=_number)

    def __len__(self) -> int:
        return len(self._waiting)

    def _fill(self, moment: float) -> None:
        free = self._slots() - len(self._working)
        if free <= 0 or not self._waiting:
            return
        starting, self._waiting = self._waiting[:free], self._waiting[free:]
        for job in starting:
            job.started_at = max(moment, job.accepted_at)
            self._working.add(job)
            if job.made_at is not None:
                self._plan(job.end(), job, ends=True)

    def _plan(self, moment: float, job: Job, *, ends: bool) -> None:
        heapq.heappush(self._events, (moment, job.number, ends, job))
