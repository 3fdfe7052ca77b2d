"""How long this process may believe in its own claims, by clocks that also count while it sleeps.

A lease is measured here from *before* it was written, and by the database from when it was
written, so that ours always ends first. It is measured on two clocks and the longer time counts:
one that no person can set, and the wall clock, for platforms whose first one stops in sleep.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Clock = Callable[[], float]

# Linux stops CLOCK_MONOTONIC while the machine is suspended; CLOCK_BOOTTIME goes on.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def steady() -> float:
    """Seconds that only go forward, suspended or not, where the platform can say."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A promise of so many seconds from a moment."""

    seconds: float
    steady: float
    wall: float


class Leases:
    """The claims that this process holds and has not ended."""

    def __init__(
        self, seconds: float, *, steady_clock: Clock = steady, wall_clock: Clock = time.time
    ) -> None:
        self.seconds = seconds
        self._steady = steady_clock
        self._wall = wall_clock
        self._held: dict[int, Lease] = {}
        self._lock = threading.Lock()

    def begin(self) -> Lease:
        """A lease that is about to be written."""
        return Lease(seconds=self.seconds, steady=self._steady(), wall=self._wall())

    def hold(self, intent: int, lease: Lease) -> None:
        with self._lock:
            self._held[intent] = lease

    def extend(self, intents: Iterable[int], lease: Lease) -> None:
        """Only claims that are still held: one may have ended while others were renewed."""
        with self._lock:
            for intent in intents:
                if intent in self._held:
                    self._held[intent] = lease

    def drop(self, intent: int) -> None:
        with self._lock:
            self._held.pop(intent, None)

    def held(self) -> list[int]:
        with self._lock:
            return list(self._held)

    def left(self, intent: int) -> float:
        """Seconds left; 0.0 where the claim ran out, was ended, or was never ours."""
        with self._lock:
            lease = self._held.get(intent)
        if lease is None:
            return 0.0
        passed = max(self._steady() - lease.steady, self._wall() - lease.wall)
        return max(0.0, lease.seconds - passed)
