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


def load_speech_block(speech: str | None) -> Any:
    """The block of a `--speech block:NAME`, or None where it is an engine's name."""
    if speech is None or not speech.startswith(BLOCK):
        return None
    from omnihuman_blocks.speech_block import find_speech_block  # noqa: PLC0415 - as above

    return find_speech_block(speech.removeprefix(BLOCK))
