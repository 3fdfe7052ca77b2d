"""The embedded voice: eSpeak NG out of a wheel, offline, for drafts. Tells when words are heard.

Its code is under the GPL and stays in a process of its own; each text has one to itself, so that
the same recipe sounds the same wherever and whenever it is spoken.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from omnihuman_blocks.domain.embedded_voice import (
    FASTEST,
    NAME,
    RELEASE,
    SLOWEST,
    Heard,
    check_embedded,
    embedded_voice,
    timed_words,
    words_per_minute,
)
from omnihuman_blocks.domain.lexicon import Said
from omnihuman_blocks.domain.speech import Recipe
from omnihuman_blocks.domain.wire import Json
from omnihuman_blocks.edges.speech import espeak_process
from omnihuman_blocks.edges.speech.engine import Sound, Tools
from omnihuman_blocks.edges.speech.waves import as_wave, evened
from omnihuman_blocks.errors import CannotStart, InvalidRow, Transient

PACKAGE = "espeakng_loader"
DATA = "espeak-ng-data"
LIBRARIES = {"win32": "espeak-ng.dll", "darwin": "libespeak-ng.dylib"}
PATIENCE_SECONDS = 120.0
INSTALL = "pip install 'prefect-omnihuman[speech]'"
MUTE = (
    "There is text and no audio, and the embedded voice is not installed. Install it with "
    f"{INSTALL}, name a speech server with --speech openai:URL, or record it and give the "
    "recording's address in `audio_uri`."
)


@dataclass(frozen=True, kw_only=True)
class Espeak:
    """The embedded voice."""

    speed: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if not SLOWEST <= self.speed <= FASTEST:
            raise CannotStart(
                f"--speech espeak: the embedded voice speaks at {SLOWEST} to {FASTEST} of its "
                f"usual speed, not at {self.speed}."
            )

    @property
    def name(self) -> str:
        return NAME

    @property
    def at_once(self) -> int:
        return os.cpu_count() or 1

    @property
    def settings(self) -> Json:
        return {"name": self.name, "speed": self.speed}

    def voice(self, wanted: str | None, locale: str) -> str:
        """Its language and variant."""
        return embedded_voice(wanted, locale)

    def check(self, recipe: Recipe, said: Said) -> None:
        """Letters that it cannot read."""
        check_embedded(said.text, recipe.locale)

    async def say(self, recipe: Recipe, said: Said, tools: Tools) -> Sound:
        """Speaks in a process of its own."""
        return await asyncio.get_running_loop().run_in_executor(tools.pool, _spoken, recipe, said)


def is_installed() -> bool:
    """Whether the extra is there."""
    return importlib.util.find_spec(PACKAGE) is not None


def _spoken(recipe: Recipe, said: Said) -> Sound:
    wanted = {
        "text": said.text,
        "voice": recipe.voice,
        "words_per_minute": words_per_minute(recipe.speed),
    }
    told, _, samples = _asked(json.dumps(wanted).encode()).partition(b"\n")
    facts = json.loads(told)
    if not facts["release"].startswith(f"{RELEASE}."):
        raise CannotStart(
            f"The embedded voice is eSpeak NG {facts['release']}, and this release of the package "
            f"knows {RELEASE}: pip install 'prefect-omnihuman[speech]' brings the right one."
        )
    count = len(samples) // 2
    if not count:
        raise InvalidRow("`text` is silent: the embedded voice reads nothing in it.", "text")
    heard = (
        Heard(
            start=max(position - 1, 0),
            end=max(position - 1, 0) + length,
            sample=min(sample, count),
            is_end=kind == espeak_process.END,
        )
        for kind, position, length, sample in facts["events"]
    )
    rate = facts["rate"]
    return Sound(
        content=as_wave(evened(np.frombuffer(samples, dtype="<i2")), rate),
        format="wav",
        seconds=round(Decimal(count) / rate, 6),
        words=timed_words(heard, said, recipe.text, rate=rate, samples=count),
    )


def _asked(wanted: bytes) -> bytes:
    """The answer of the process. It sees nothing of our environment, which may hold keys."""
    folder = _folder()
    command = [
        *(sys.executable, "-I", "-S", espeak_process.__file__),
        *(f"./{LIBRARIES.get(sys.platform, 'libespeak-ng.so')}", "."),
    ]
    kept = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - our own file, and no word of a table among them
            command,
            input=wanted,
            cwd=folder,
            env=kept,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidRow(
            f"The embedded voice did not come to the end of `text` in {PATIENCE_SECONDS:.0f} s. "
            "Shorten it.",
            "text",
        ) from error
    except OSError as error:
        raise Transient(f"The embedded voice cannot be started now: {error}. Run again.") from error
    if done.returncode == 0:
        return done.stdout
    why = done.stderr.decode(errors="replace").strip().splitlines()
    said = why[-1] if why else f"it ended with code {done.returncode}"
    raise InvalidRow(f"The embedded voice cannot speak `text`: {said}.", "text")


def _folder() -> Path:
    """Where the engine lies. What was spoken before is spoken without it."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None or not (Path(found.origin).parent / DATA).is_dir():
        raise InvalidRow(MUTE, "text")
    return Path(found.origin).parent
