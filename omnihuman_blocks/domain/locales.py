"""A language tag as somebody wrote it -> the tag as everybody writes it, and who may speak it.

`pt_BR`, `PT-br` and `pt-BR` are one locale, so that they are one row and one video.
"""

from __future__ import annotations

from functools import lru_cache

import langcodes

from omnihuman_blocks.errors import InvalidRow

ANY = "*"
_PLACES = {
    "es-419": "AR BO BR BZ CL CO CR CU DO EC GT HN MX NI PA PE PR PY SV US UY VE",
    "en-GB": "AU BD BW FJ GB GH GI HK IE IN JM KE KY LK MT NG NZ PK SG TZ UG ZA ZM ZW",
}
NEIGHBOURS = {
    **{("es", place): "es-419" for place in _PLACES["es-419"].split()},
    **{("en", place): "en-GB" for place in _PLACES["en-GB"].split()},
}
"""Where a region's language is nearer than that of the whole world, after CLDR."""
LONGEST_TAG = 100
"""No tag in use comes near it; a longer one is a text that slipped into the column."""


def canonical(tag: str, column: str = "locale") -> str:
    """The tag in its BCP-47 form; `InvalidRow` where it names no language."""
    written = tag.strip().replace("_", "-")
    if len(written) <= LONGEST_TAG and langcodes.tag_is_valid(written):
        return langcodes.standardize_tag(written)
    shown = tag if len(tag) <= LONGEST_TAG else tag[:LONGEST_TAG] + "…"
    raise InvalidRow(f"`{column}` is {shown!r}, which is no language tag.", column)


def canonical_range(tag: str) -> str:
    """A tag of an avatar's `locales`, where `*` stands for every locale."""
    return ANY if tag.strip() == ANY else canonical(tag, "locales")


def admits(ranges: tuple[str, ...], locale: str) -> bool:
    """Whether one of an avatar's locales covers this one; an avatar without any admits all.

    `pt` admits `pt-BR`, `zh-CN` admits `zh-Hans-CN`, and `pt-BR` does not admit `pt`: the extended
    filtering of RFC 4647. What goes without saying counts as said: `zh-Hant` admits `zh-TW`, and
    `es-419` admits `es-MX`.
    """
    return not ranges or any(_covers(wanted, form) for wanted in ranges for form in _forms(locale))


@lru_cache(maxsize=4096)
def _forms(locale: str) -> tuple[str, ...]:
    """The locale as it stands, with the script that goes without saying, in its larger region."""
    tag = langcodes.Language.get(locale)
    forms = [locale]
    if tag.script is None and tag.language is not None:
        language, _, rest = locale.partition("-")
        forms.append("-".join(part for part in (language, script_of_locale(locale), rest) if part))
    if NEIGHBOURS.get((tag.language or "", tag.territory or "")) == "es-419":
        forms.append("es-419")
    return tuple(forms)


@lru_cache(maxsize=4096)
def fallbacks(locale: str) -> tuple[str, ...]:
    """A locale and all that may stand in for it, the nearest first: `pt-BR`, `pt`, `*`.

    Scripts and places that go without saying are said: `zh-TW` finds `zh-Hant` before `zh`.
    """
    tag = langcodes.Language.get(locale)
    full = tag.maximize()
    steps = [locale, *_shortened(locale)]
    neighbour = NEIGHBOURS.get((tag.language or "", tag.territory or ""))
    if neighbour is not None:
        steps.append(neighbour)
    for kept in (("script", "territory"), ("territory",), ("script",), ()):
        parts = {part: getattr(full, part) for part in kept if getattr(full, part)}
        steps.append(langcodes.Language.make(language=tag.language, **parts).to_tag())
    exact = [step for step in steps if "-" in step]
    return tuple(dict.fromkeys([locale, *exact, tag.language or locale, ANY]))


def _shortened(locale: str) -> list[str]:
    """RFC 4647 lookup: one subtag after the other falls from the end."""
    subtags = locale.split("-")
    return ["-".join(subtags[:end]) for end in range(len(subtags) - 1, 0, -1)]


@lru_cache(maxsize=4096)
def script_of_locale(locale: str) -> str:
    """The script that a locale is written in, as ISO 15924 names it; empty where nobody knows."""
    return langcodes.Language.get(locale).maximize().script or ""


def names_script(locale: str) -> bool:
    """Whether a locale says itself in which script it is written."""
    return langcodes.Language.get(locale).script is not None


def language_of(locale: str) -> str:
    """The language without place and script."""
    return langcodes.Language.get(locale).language or locale


def _covers(wanted: str, locale: str) -> bool:
    if wanted == ANY:
        return True
    language, *asked = wanted.lower().split("-")
    first, *rest = locale.lower().split("-")
    if language != first:
        return False
    for subtag in asked:
        while rest and rest[0] != subtag:
            if len(rest[0]) == 1:  # what follows a single letter is an extension, not a place
                return False
            rest.pop(0)
        if not rest:
            return False
        rest.pop(0)
    return True
