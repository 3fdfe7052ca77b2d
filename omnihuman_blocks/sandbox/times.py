"""Moments as the vendors write them."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def wall(moment: float) -> float:
    """A moment of the steady clock as seconds since 1970."""
    return time.time() - (time.monotonic() - moment)


def iso_z(seconds: float) -> str:
    """`2026-05-22T13:17:32.110Z`."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def zoneless(seconds: float) -> str:
    """`2026-05-22 13:19:23`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
