"""What every engine offers: which voice it takes, what it refuses, and the sound of a recipe."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from omnihuman_blocks.domain.lexicon import Said
from omnihuman_blocks.domain.speech import Recipe, Word
from omnihuman_blocks.domain.wire import Json
from omnihuman_blocks.edges.http import Http


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What an engine may work with."""

    http: Http
    pool: Executor
    """Threads for what burns CPU or waits for a process."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A recipe as it was spoken: a whole file."""

    content: bytes = field(repr=False)
    format: str
    seconds: Decimal
    """Counted in decoded samples."""
    words: tuple[Word, ...] = ()


class Engine(Protocol):
    """Somebody who speaks."""

    @property
    def name(self) -> str:
        """Who, with the version that decides how it sounds. Enters the recipe."""
        ...

    @property
    def speed(self) -> Decimal:
        """Enters the recipe."""
        ...

    @property
    def at_once(self) -> int:
        """How many recipes may be spoken at the same time."""
        ...

    @property
    def settings(self) -> Json:
        """All that makes it speak differently, without keys."""
        ...

    def voice(self, wanted: str | None, locale: str) -> str:
        """Its own name of the voice for a locale; `InvalidRow` where it has none."""
        ...

    def check(self, recipe: Recipe, said: Said) -> None:
        """`InvalidRow` where it could only mumble the text."""
        ...

    async def say(self, recipe: Recipe, said: Said, tools: Tools) -> Sound:
        """Speaks. `Transient` where it cannot do so now, `InvalidRow` where it will not."""
        ...
