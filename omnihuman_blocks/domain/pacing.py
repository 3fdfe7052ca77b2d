"""When to ask again, and when to stop asking. Takes elapsed time; has no clock of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SHORTEST_WAIT = 0.25
LONGEST_WAIT = 30.0
FIRST_WAIT = 1.0
"""Runware advises to begin after one or two seconds; the others say nothing."""
GROWTH = 0.08
"""Without experience each wait is this share of the time already waited: the delay until a
finished job is noticed then stays near 4% of its generation time, whatever that is."""
FINE = 0.03
"""With experience, the wait between questions while the job may finish any moment, as a share of
the usual time: a mean delay of 1.5%."""
EARLY_SHARE = 0.9
"""How much of the fastest time seen is waited before the first question that hopes for an end."""
FAILURE_GROWTH = 2.0
FEWEST = 3
"""Jobs that must have finished before experience is spoken of."""
LONGEST_BELIEVED = 1e6


@dataclass(frozen=True, kw_only=True)
class Experience:
    """How many seconds a job like this one took lately."""

    fastest: float
    usual: float
    slowest: float


def learn(seen: Sequence[tuple[float, float]], audio_seconds: float) -> Experience | None:
    """What to expect of a job this long, from (audio seconds, generation seconds) of others.

    A line is laid through what was seen, because long audio takes longer; what lies beyond the
    line's usual scatter at both ends is cut off. Fewer than three teach nothing.
    """
    usable = [(audio, took) for audio, took in seen if _is_time(audio) and _is_time(took)]
    if len(usable) < FEWEST or not _is_time(audio_seconds):
        return None
    expected = _line(usable)
    scatter = sorted(took / expected(audio) for audio, took in usable)
    last = len(scatter) - 1
    here = expected(audio_seconds)
    return Experience(
        fastest=here * scatter[math.floor(last * 0.05)],
        usual=here * scatter[last // 2],
        slowest=here * scatter[math.ceil(last * 0.95)],
    )


def _line(points: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Least squares, rising or level, and never below the fastest time seen."""
    count = len(points)
    middle_x = sum(x for x, _ in points) / count
    middle_y = sum(y for _, y in points) / count
    width = sum((x - middle_x) ** 2 for x, _ in points)
    slope = 0.0
    if width > 0:
        slope = max(sum((x - middle_x) * (y - middle_y) for x, y in points) / width, 0.0)
    least = min(y for _, y in points)
    return lambda x: max(middle_y + slope * (x - middle_x), least)


def next_wait(elapsed: float, deadline: float, experience: Experience | None) -> float | None:
    """Seconds until the next question, `elapsed` after the purchase; None: stop asking.

    The last question is asked at the deadline itself, so that a job which finished in the last
    moment is not given up.
    """
    elapsed = _usable(elapsed)
    left = _usable(deadline) - elapsed
    if left <= 0:
        return None
    wait = _blind(elapsed) if experience is None else _taught(elapsed, experience)
    return min(_clamped(wait), left)


def after_failure(failures: int, retry_after: float | None) -> float:
    """Seconds to wait after the nth failed question in a row; the vendor's own wish comes first."""
    if retry_after is not None and retry_after > 0:
        return retry_after
    exponent = min(max(failures, 1), 16) - 1  # clamped before it is raised to
    return _clamped(FIRST_WAIT * FAILURE_GROWTH**exponent)


def _blind(elapsed: float) -> float:
    return max(FIRST_WAIT, elapsed * GROWTH)


def _taught(elapsed: float, experience: Experience) -> float:
    first = EARLY_SHARE * experience.fastest
    if elapsed < first:
        return first - elapsed
    if elapsed <= experience.slowest:
        return FINE * experience.usual
    overdue = elapsed - experience.slowest
    return max(FINE * experience.usual, overdue * GROWTH * 2)


def _clamped(wait: float) -> float:
    return min(max(_usable(wait), SHORTEST_WAIT), LONGEST_WAIT)


def _is_time(value: float) -> bool:
    return 0 < value < LONGEST_BELIEVED  # also false for what is no number


def _usable(value: float) -> float:
    """Clocks jump: what is negative or no number at all counts as no time."""
    return value if math.isfinite(value) and value > 0 else 0.0


# --- how many jobs may be out at once ----------------------------------------------------------


def narrowed(out: int) -> int:
    """The new limit after "too many", with `out` accepted jobs at the vendor: fewer than these."""
    return max(1, out - max(1, out // 8))


def widened(limit: int, most: int) -> int:
    """The new limit after a purchase that was accepted while the limit was reached."""
    return min(most, limit + 1)
