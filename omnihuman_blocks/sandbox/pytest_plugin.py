"""The fixture `omnihuman_sandbox`: a fresh vendor on loopback, its environment set, for one test.

Nothing is imported until a test asks for it, so that other suites pay nothing for the plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.server import Sandbox

QUICK = 0.01


@pytest.fixture
def omnihuman_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A running sandbox a hundred times as fast as a vendor; keys and addresses point to it."""
    from omnihuman_blocks.sandbox.server import Sandbox  # noqa: PLC0415 - see the module docstring
    from omnihuman_blocks.sandbox.settings import Settings  # noqa: PLC0415

    with Sandbox(settings=Settings(time_scale=QUICK)) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        yield sandbox
