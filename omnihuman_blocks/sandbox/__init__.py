"""A loopback vendor that speaks all four wires, makes real videos, lies on command and counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omnihuman_blocks.sandbox.faults import Faults, Rule
    from omnihuman_blocks.sandbox.server import Sandbox
    from omnihuman_blocks.sandbox.settings import Settings

__all__ = ["Faults", "Rule", "Sandbox", "Settings"]

_HOMES = {"Faults": "faults", "Rule": "faults", "Sandbox": "server", "Settings": "settings"}


def __getattr__(name: str) -> Any:
    """Loads a public name when it is first used: the package itself must cost nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
