"""One language has one name, and an avatar speaks what its locales say."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihuman_blocks.domain.locales import admits, canonical, canonical_range
from omnihuman_blocks.errors import InvalidRow


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pt_BR", "pt-BR"),
        ("PT-br", "pt-BR"),
        (" pt-BR ", "pt-BR"),
        ("zh-Hans-CN", "zh-Hans-CN"),
        ("zh_hans_cn", "zh-Hans-CN"),
        ("ar", "ar"),
        ("es-419", "es-419"),
        ("de-DE-1996", "de-DE-1996"),
        ("iw", "he"),
    ],
)
def test_a_locale_is_stored_as_everybody_writes_it(written: str, meant: str) -> None:
    """Underscores, capitals and old codes are understood, so that they are one row."""
    assert canonical(written) == meant
    assert canonical(meant) == meant


@pytest.mark.parametrize(
    "written", ["", " ", "german", "xx", "de--DE", "de-DE-DE", "../de", "de\n", "d\x00e", "🇩🇪"]
)
def test_what_names_no_language_is_refused(written: str) -> None:
    """With the cell's column, so that it can be mended; a line break at the end is only space."""
    if written == "de\n":
        assert canonical(written) == "de"
        return
    with pytest.raises(InvalidRow) as caught:
        canonical(written)
    assert caught.value.column == "locale"


def test_a_text_in_the_wrong_column_makes_no_endless_message() -> None:
    """Ten thousand signs are not repeated to anybody."""
    with pytest.raises(InvalidRow) as caught:
        canonical("de" * 5000)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("ranges", "locale", "admitted"),
    [
        ((), "ja", True),
        (("*",), "ja", True),
        (("pt",), "pt-BR", True),
        (("pt-BR",), "pt", False),
        (("pt-BR",), "pt-PT", False),
        (("de", "pt"), "pt-BR", True),
        (("zh",), "zh-Hans-CN", True),
        (("zh-CN",), "zh-Hans-CN", True),
        (("zh-Hans",), "zh-Hans-CN", True),
        (("zh-Hant",), "zh-Hans-CN", False),
        (("zh-Hans-CN",), "zh-Hans", False),
        (("de",), "den", False),
        (("de-DE",), "de-DE-1996", True),
        (("de-AT",), "de-DE-1996", False),
        (("en-US",), "en-x-US", False),
    ],
)
def test_a_shorter_tag_admits_the_longer_ones_under_it(
    ranges: tuple[str, ...], locale: str, *, admitted: bool
) -> None:
    """The extended filtering of RFC 4647."""
    assert admits(ranges, locale) is admitted


def test_an_avatars_locales_are_tags_or_a_star() -> None:
    """And a wrong one names the avatar's column."""
    assert [canonical_range(tag) for tag in (" * ", "pt_br")] == ["*", "pt-BR"]
    with pytest.raises(InvalidRow) as caught:
        canonical_range("klingonish")
    assert caught.value.column == "locales"


SUBTAGS = st.sampled_from(["de", "zh", "xyz", "Hans", "CN", "419", "x", "u", "1996", "ca", "*", ""])


@settings(deadline=None)
@given(st.text() | st.lists(SUBTAGS).map("-".join) | st.lists(SUBTAGS).map("_".join))
def test_any_text_is_a_locale_that_stays_itself_or_is_refused(written: str) -> None:
    """Never another error: one odd cell must not stop a table."""
    try:
        tag = canonical(written)
    except InvalidRow:
        return
    assert canonical(tag) == tag
    assert admits((tag,), tag)
