"""Recipes in, audio out; each recipe is spoken once, whoever asks for it and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from omnihuman_blocks.domain.lexicon import NO_LEXICON, Lexicon, say
from omnihuman_blocks.domain.speech import Recipe, Spoken
from omnihuman_blocks.domain.voices import NO_VOICES, Voices
from omnihuman_blocks.domain.wire import Json
from omnihuman_blocks.domain.writing import check_writing, tidy
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.speech import keeping
from omnihuman_blocks.edges.speech.engine import Engine, Tools

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Speech:
    """How text is spoken here: who, with which voices and pronunciations."""

    engine: Engine
    voices: Voices = field(default=NO_VOICES)
    lexicon: Lexicon = field(default=NO_LEXICON)

    @property
    def settings(self) -> Json:
        """All that could make a text sound differently; what remembers rows must look at it."""
        return {
            "engine": self.engine.settings,
            "voices": self.voices.as_json(),
            "lexicon": self.lexicon.digest,
        }

    def recipe(self, *, text: str, locale: str, voice: str | None = None) -> Recipe:
        """All that shapes how a text sounds. `InvalidRow` names the cell to mend, and how."""
        text = tidy(text)
        used = self.lexicon.used(text, locale)
        said = say(text, used)
        check_writing(said.text, locale)
        mapped = self.voices.find(voice, locale)
        recipe = Recipe(
            text=text,
            locale=locale,
            voice=self.engine.voice(voice if mapped is None else mapped, locale),
            engine=self.engine.name,
            speed=self.engine.speed,
            lexicon=used,
        )
        self.engine.check(recipe, said)
        return recipe


class Speaker:
    """Speaks recipes into a results folder. Belongs to one event loop."""

    def __init__(self, speech: Speech, *, folder: ResultsFolder, tools: Tools) -> None:
        self._speech = speech
        self._folder = folder
        self._tools = tools
        self._begun: dict[str, asyncio.Task[Spoken]] = {}
        self._slots = asyncio.Semaphore(speech.engine.at_once)

    def recipe(self, *, text: str, locale: str, voice: str | None = None) -> Recipe:
        """All that shapes how a text sounds. `InvalidRow` where it cannot be spoken properly."""
        return self._speech.recipe(text=text, locale=locale, voice=voice)

    async def speak(self, recipe: Recipe) -> Spoken:
        """The audio of a recipe: what was kept of it, or spoken now.

        `InvalidRow` where the engine will not speak it, `Transient` where it cannot now, and
        `CannotStart` where the speech server takes nothing from us, such as with a wrong key.
        """
        begun = self._begun.get(recipe.identity)
        if begun is None:
            begun = asyncio.create_task(self._speak(recipe))
            self._begun[recipe.identity] = begun
            begun.add_done_callback(partial(self._ended, recipe.identity))
        return await asyncio.shield(begun)

    def _ended(self, identity: str, task: asyncio.Task[Spoken]) -> None:
        """What was spoken is found in the folder from now on; what failed may be asked again."""
        self._begun.pop(identity)
        if not task.cancelled():
            task.exception()  # looked at, also where everybody who waited has gone

    async def _speak(self, recipe: Recipe) -> Spoken:
        async with self._slots:
            kept = await self._in_pool(keeping.find, self._folder, recipe)
            if kept is not None:
                return kept
            said = say(recipe.text, recipe.lexicon)
            sound = await self._speech.engine.say(recipe, said, self._tools)
            return await self._in_pool(keeping.keep, self._folder, recipe, sound)

    async def _in_pool(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._tools.pool, work, *arguments)
