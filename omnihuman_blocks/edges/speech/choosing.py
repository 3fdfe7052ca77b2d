"""`--speech` and the environment -> an engine. Its key never stands on a command line."""

from __future__ import annotations

from collections.abc import Mapping

from omnihuman_blocks.edges.speech.engine import Engine


def choose_engine(word: str | None, environment: Mapping[str, str]) -> Engine | None:
    """The engine of `--speech`; without it the embedded voice where it is installed."""
    raise NotImplementedError
