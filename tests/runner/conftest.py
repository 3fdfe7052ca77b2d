"""Waiting for a condition with a deadline, here and for child processes."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def until() -> Until:
    """Waits until a condition holds; fails after half a minute."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "waited for half a minute in vain"
            time.sleep(0.01)

    return wait
