"""Pictures as they are decoded -> where nothing is to be seen, and where nothing moves.

Every picture is looked at through a coarse grid of its brightness, ten times a second. That costs
next to nothing beside decoding it, and a mouth that moves is seen through it very well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import av
import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.float32]
Stretch = tuple[float, float]
"""From when to when, in seconds of the film."""

SIDE = 32
"""Squares of the grid along each side."""
POINTS = 4
"""How many points of a picture along each side are one square."""
EVERY_SECONDS = 0.09
PLAIN = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "nv12", "gray"})
"""Formats whose first plane is brightness, a byte a point. Others are converted."""
BLACK_BELOW = 38.0
"""Brightness of video black (16) and a tenth of the way to white."""
BLACK_SHARE = 0.98
MOVES_BY = 2.0
"""Less than this, in any square, is the codec's doing."""


@dataclass(kw_only=True)
class Film:
    """What was seen so far. Give it every picture, in order; then ask for the stretches."""

    black: list[Stretch] = field(default_factory=list)
    still: list[Stretch] = field(default_factory=list)
    _next: float = float("-inf")
    _dark_since: float | None = None
    _still_since: float = 0.0
    _before: Grid | None = None

    def see(self, frame: av.VideoFrame, at: float) -> None:
        """One more picture."""
        if at < self._next:
            return
        self._next = at + EVERY_SECONDS
        seen = grid(frame)
        self._look_for_black(seen, at)
        self._look_for_motion(seen, at)

    def end(self, at: float) -> None:
        """The film is over; what was going on ends with it."""
        if self._dark_since is not None:
            self.black.append((self._dark_since, at))
        if self._before is not None:
            self.still.append((self._still_since, at))
        self._dark_since, self._before = None, None

    def _look_for_black(self, seen: Grid, at: float) -> None:
        if float(np.mean(seen < BLACK_BELOW)) >= BLACK_SHARE:
            self._dark_since = at if self._dark_since is None else self._dark_since
        elif self._dark_since is not None:
            self.black.append((self._dark_since, at))
            self._dark_since = None

    def _look_for_motion(self, seen: Grid, at: float) -> None:
        """Held against the first picture of the stretch: a slow camera moves, too."""
        if self._before is not None and self._before.shape == seen.shape:
            if float(np.max(np.abs(seen - self._before))) < MOVES_BY:
                return
            self.still.append((self._still_since, at))
        self._before, self._still_since = seen, at


def grid(frame: av.VideoFrame) -> Grid:
    """The brightness of a picture, square by square."""
    plain = frame if frame.format.name in PLAIN else frame.reformat(format="gray")
    plane = plain.planes[0]
    pixels = np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)
    pixels = pixels[: plain.height, : plain.width]
    down, across = (max(1, length // (SIDE * POINTS)) for length in pixels.shape)
    points = pixels[::down, ::across]
    high, wide = (max(1, length // SIDE) for length in points.shape)
    rows, columns = points.shape[0] // high, points.shape[1] // wide
    squares = points[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float32))


def longest(stretches: list[Stretch]) -> float:
    """How long the longest one is."""
    return max((end - start for start, end in stretches), default=0.0)
