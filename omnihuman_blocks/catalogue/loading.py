"""`block:TYPE-SLUG/NAME` -> the block that Prefect stores. A vendor's plain name loads nothing."""

from __future__ import annotations

from typing import Any

from omnihuman_blocks.errors import CannotStart
from omnihuman_blocks.walk.order import BLOCK


def load_block(provider: str) -> Any:
    """The block of a `--provider`, or None where it is a vendor's name."""
    if not provider.startswith(BLOCK):
        return None
    from omnihuman_blocks.blocks import find_block  # noqa: PLC0415 - Prefect only where it is used

    name = provider.removeprefix(BLOCK)
    if not name:
        raise CannotStart("--provider block: names no block. Write block:TYPE-SLUG/NAME.")
    return find_block(name)
