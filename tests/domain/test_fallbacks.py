"""Which voice, and which avatar, may stand in where a locale has none of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihuman_blocks.domain.locales import ANY, admits, canonical, fallbacks


@pytest.mark.parametrize(
    ("locale", "wanted"),
    [
        ("pt-BR", ["pt-BR", "pt", ANY]),
        ("pt", ["pt", "pt-BR", ANY]),
        ("zh-TW", ["zh-TW", "zh-Hant", "zh", ANY]),
        ("zh-CN", ["zh-CN", "zh-Hans", "zh", ANY]),
        ("de-CH-1996", ["de-CH-1996", "de-CH", "de", ANY]),
        ("es-MX", ["es-MX", "es-419", "es", ANY]),
        ("en-AU", ["en-AU", "en-GB", "en", ANY]),
        ("sr-Latn", ["sr-Latn", "sr", ANY]),
    ],
)
def test_the_nearest_stands_in_first(locale: str, wanted: list[str]) -> None:
    """In this order, whatever lies between."""
    found = fallbacks(locale)
    assert [one for one in found if one in wanted] == wanted
    assert "pt-PT" not in found
    assert "zh-Hans" not in fallbacks("zh-TW")


@given(st.sampled_from(["az", "de", "fr-CA", "ar-EG", "yue", "he", "uz-Cyrl", "es-419", "x-foo"]))
def test_a_locale_comes_first_and_every_locale_last(locale: str) -> None:
    """No step comes twice."""
    found = fallbacks(canonical(locale))
    assert found[0] == canonical(locale)
    assert found[-1] == ANY
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("wanted", "locale", "does"),
    [
        ("zh-Hant", "zh-TW", True),
        ("zh-Hans", "zh-TW", False),
        ("zh-Hant", "zh-Hant-TW", True),
        ("es-419", "es-MX", True),
        ("es-419", "es-ES", False),
        ("en-GB", "en-AU", False),
        ("sr-Cyrl", "sr", True),
        ("sr-Latn", "sr", False),
        ("pt-BR", "pt", False),
        ("x-foo", "x-foo", True),
    ],
)
def test_what_goes_without_saying_admits_too(wanted: str, locale: str, *, does: bool) -> None:
    """Scripts and larger regions, and nothing that a place would have to be guessed for."""
    assert admits((wanted,), locale) is does
