"""The voice that a row names, and its locale -> the engine's own name of a voice.

A voices file gives names of ours to voices of the engine, per locale:

    {"anna": {"en": "shimmer", "pt-BR": "nova", "*": "alloy"}, "default": "alloy"}

A locale without an entry takes that of the nearest one: `pt-BR` that of `pt`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from omnihuman_blocks.domain.locales import ANY, canonical_range, fallbacks
from omnihuman_blocks.domain.wire import Json
from omnihuman_blocks.errors import InvalidRow

DEFAULT = "default"
"""The voice of rows that name none."""


@dataclass(frozen=True, kw_only=True)
class Voices:
    """A voices file. Empty where there is none: then rows name the engine's voices themselves."""

    by_name: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def find(self, name: str | None, locale: str) -> str | None:
        """The engine's name of a voice; None where nothing is said about it."""
        if not self.by_name or (name is None and DEFAULT not in self.by_name):
            return None
        voice = self.by_name.get(name or DEFAULT)
        if voice is None:
            known = ", ".join(f"`{known}`" for known in sorted(self.by_name))
            raise InvalidRow(
                f"`voice` is `{name}`, which is not among the voices. There is {known}.", "voice"
            )
        for wanted in fallbacks(locale):
            if wanted in voice:
                return voice[wanted]
        spoken = ", ".join(sorted(voice))
        raise InvalidRow(
            f"Voice `{name or DEFAULT}` speaks {spoken} and not {locale}. "
            f"Name another one, or give it {locale} in the voices file.",
            "voice",
        )

    def as_json(self) -> Json:
        """The same as plain data."""
        return {name: dict(sorted(voice.items())) for name, voice in sorted(self.by_name.items())}


NO_VOICES = Voices()


def read_voices(value: object) -> Voices:
    """The voices of a file as JSON has it. ValueError says what is wrong with it."""
    if not isinstance(value, Mapping):
        raise ValueError('write {"NAME": {"LOCALE": "VOICE"}}')  # noqa: TRY004 - a file's fault
    return Voices(by_name={str(name): _read_voice(name, voice) for name, voice in value.items()})


def _read_voice(name: object, voice: object) -> dict[str, str]:
    if isinstance(voice, str):
        voice = {ANY: voice}
    if not isinstance(voice, Mapping) or not voice:
        raise ValueError(f'`{name}` names no voice; write {{"LOCALE": "VOICE"}}')
    found = {}
    for locale, own in voice.items():
        if not isinstance(own, str) or not own.strip():
            raise ValueError(f"`{name}` has no voice for {locale}; write the engine's name of it")
        try:
            found[canonical_range(str(locale))] = own.strip()
        except InvalidRow as error:
            raise ValueError(f"`{name}` speaks {locale!r}, which is no language tag") from error
    return found
