"""Text on its way to being audio: what is asked of a voice, and what it said when.

A recipe is all that shapes how a text sounds. It stands for the audio in a job's key, so that a
voice that never says the same thing twice the same way cannot make anybody buy a video twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal

from omnihuman_blocks.domain.identity import canonical
from omnihuman_blocks.domain.job import Media

VERSION = "omnihuman-speech/1"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One text, spoken by one voice."""

    text: str
    locale: str
    voice: str
    """The engine's own name for it."""
    engine: str
    """Who speaks, with the version that decides how it sounds."""
    speed: Decimal = Decimal(1)
    lexicon: tuple[tuple[str, str], ...] = ()
    """Only the entries that this text uses: what is written, and how it is said."""

    @property
    def identity(self) -> str:
        """What stands for the audio in a job's key."""
        written = canonical(
            [
                *(self.text, self.locale, self.voice, self.engine, self.speed),
                [list(entry) for entry in self.lexicon],
            ]
        )
        digest = hashlib.sha256(VERSION.encode() + b"\n" + written)
        return f"speech:{digest.hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of the text, and when it is heard. Seconds count from the beginning of its audio."""

    text: str
    start_seconds: Decimal
    end_seconds: Decimal


@dataclass(frozen=True, kw_only=True)
class Before:
    """The same text as it was spoken before, by another recipe."""

    identity: str
    difference: str
    """What is said otherwise now."""


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A text as audio. `media.source` is the recipe's identity."""

    media: Media
    words: tuple[Word, ...] = ()
    """Empty where the engine does not tell."""
    before: tuple[Before, ...] = ()
    """How else it was spoken here, the latest first."""


def difference(then: Recipe, now: Recipe) -> str:
    """What two recipes of one text say otherwise, for people."""
    known, used = dict(then.lexicon), dict(now.lexicon)
    words = [
        f"`{word}` as {_said(word, used)}, then as {_said(word, known)}"
        for word in sorted({*known, *used})
        if known.get(word) != used.get(word)
    ]
    others = [
        f"{name} {getattr(now, name)}, then {getattr(then, name)}"
        for name in ("engine", "voice", "speed")
        if getattr(now, name) != getattr(then, name)
    ]
    return "; ".join([*words, *others])


def _said(word: str, entries: dict[str, str]) -> str:
    return f"`{entries[word]}`" if word in entries else "it is written"
