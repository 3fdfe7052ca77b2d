"""What the embedded voice can speak, and when each word of it is heard.

It is eSpeak NG: small, offline, a voice for drafts. It never says no by itself: an unknown language
is spoken in the last one, letters it does not know are read out by their English names. So what it
can speak stands here, as it was found by listening to the phonemes of release 1.52.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from omnihuman_blocks.domain.lexicon import Said
from omnihuman_blocks.domain.locales import fallbacks, language_of, script_of_locale
from omnihuman_blocks.domain.speech import Word
from omnihuman_blocks.domain.writing import (
    LATIN,
    SCRIPTS,
    letters_by_script,
    script_title,
)
from omnihuman_blocks.errors import InvalidRow

RELEASE = "1.52"
NAME = f"espeak-ng/{RELEASE}"
WORDS_PER_MINUTE = 175
SLOWEST, FASTEST = Decimal("0.5"), Decimal("2.5")
VARIANTS = (*(f"f{n}" for n in range(1, 6)), *(f"m{n}" for n in range(1, 9)))

_AS_WRITTEN = """af am an ar as az ba be bg bn bpy bs ca cs cv cy da de el en-029 en-GB
en-GB-scotland eo es es-419 et eu fa fi fo fr-BE fr-CH ga gd gn grc gu he hi hr ht hu hy hyw ia id
io is it ja ka kk kn ko ku ky la lb lfn lt ltg lv mi mk ml mr ms mt nb ne nl nog om or pa pap pl pt
pt-BR qu ro ru sd si sk sl smj sq sr sv sw ta te th ti tk tn tr tt ug uk ur uz vi yue"""
_OTHERWISE = {
    "en": "en-us",
    "fr": "fr-fr",
    "nn": "nb",
    "no": "nb",
    "zh": "cmn",
    "zh-HK": "yue",
    "zh-MO": "yue",
}
TAGS = {tag: tag.lower() for tag in _AS_WRITTEN.split()} | _OTHERWISE
"""Locale -> what the engine calls the language. It has a few more, and garbles them."""
LANGUAGES = {own: language_of(locale) for locale, own in TAGS.items()}
"""The other way round: the language that each of them speaks."""
_READS = {
    "bs": (LATIN, "CYRILLIC"),
    "ja": ("HIRAGANA", "KATAKANA"),
    "ko": ("HANGUL",),
    "sr": ("CYRILLIC", LATIN),
    "ug": ("ARABIC", LATIN),
}
"""The letters that a voice reads, where they are not simply those of its language."""
_VOICE = re.compile(r"([a-z0-9-]*?)\+?([fm]\d)?")


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the engine tells while it speaks: a stretch of the said text begins at a sample."""

    start: int
    end: int
    sample: int
    is_end: bool = False
    """It only tells that a clause is over."""


def embedded_voice(wanted: str | None, locale: str) -> str:
    """The engine's language and variant, such as `pt-br` or `pt-br+f2`."""
    tag = next((TAGS[near] for near in fallbacks(locale) if near in TAGS), None)
    if tag is None:
        raise InvalidRow(
            f"The embedded voice speaks no {locale}. Name a speech server that does with "
            "--speech openai:URL, or give a recording in `audio_uri`.",
            "locale",
        )
    if wanted is None:
        return tag
    named = _VOICE.fullmatch(wanted.strip().lower())
    own, variant = named.groups() if named else ("", None)
    if (
        not (own or variant)
        or (variant or VARIANTS[0]) not in VARIANTS
        or (own or tag) not in LANGUAGES
    ):
        raise InvalidRow(
            f"`voice` is `{wanted}`, and the embedded voice has none of that name. Name one of "
            f"{', '.join(VARIANTS)}, or say in a file for --voices which of them it is.",
            "voice",
        )
    if LANGUAGES[own or tag] != LANGUAGES[tag]:
        raise InvalidRow(f"`voice` is `{wanted}`, which does not speak {locale}.", "voice")
    return f"{own or tag}+{variant}" if variant else own


def check_embedded(said: str, locale: str) -> None:
    """`InvalidRow` where letters of the text would be read out by their names, or dropped."""
    language = language_of(locale)
    reads = _READS.get(language) or SCRIPTS.get(script_of_locale(language), ())
    letters = letters_by_script(said)
    # Words in Latin letters are spoken as English ones, which suits names.
    guests = (LATIN,) if any(letters[script] for script in reads) else ()
    unread = [script for script in letters if script not in (*reads, *guests)]
    if unread:
        shown = next(c for c in said if unread[0] in letters_by_script(c))
        raise InvalidRow(
            f"The embedded voice cannot read {script_title(unread[0])} characters in {locale}, "
            f"such as {shown}. Write them otherwise, say how they are said in a table for "
            "--lexicon, or name a speech server with --speech openai:URL.",
            "text",
        )


def words_per_minute(speed: Decimal) -> int:
    """The engine's own measure of speed."""
    return int(WORDS_PER_MINUTE * min(max(speed, SLOWEST), FASTEST))


def timed_words(
    heard: Iterable[Heard], said: Said, text: str, *, rate: int, samples: int
) -> tuple[Word, ...]:
    """When each word of the written text is heard. Several sounds of one word are one word."""
    found: list[_Found] = []
    for one in heard:
        start, end = said.written(one.start, one.end)
        if found and (one.is_end or start >= found[-1].end):
            found[-1].close(one.sample)
        if one.is_end:
            continue
        if found and start < found[-1].end:
            found[-1].end, found[-1].last = max(end, found[-1].end), None
        else:
            found.append(_Found(start=start, end=end, first=one.sample))
    nexts = [*(word.start for word in found[1:]), len(text)]
    return tuple(
        Word(
            text=_whole(text, word, following),
            start_seconds=_seconds(word.first, rate),
            end_seconds=_seconds(samples if word.last is None else word.last, rate),
        )
        for word, following in zip(found, nexts, strict=False)  # none at all where it is silent
        if text[word.start : word.end].strip()
    )


def _whole(text: str, word: _Found, following: int) -> str:
    """With what belongs to it and is not told: `Bem` begins `Bem-vindos`; without stops."""
    rest = re.split(r"\s", text[word.end : following], maxsplit=1)[0]
    told = (text[word.start : word.end] + rest).strip()
    end = max(
        (at for at, c in enumerate(told, 1) if unicodedata.category(c)[0] not in "PZ"), default=0
    )
    return told[:end] or told


@dataclass(kw_only=True)
class _Found:
    """A stretch of the written text, and the samples between which it is heard."""

    start: int
    end: int
    first: int
    last: int | None = None

    def close(self, sample: int) -> None:
        """It is over, unless it was over before."""
        if self.last is None:
            self.last = sample


def _seconds(sample: int, rate: int) -> Decimal:
    return round(Decimal(sample) / rate, 3)
