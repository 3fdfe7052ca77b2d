"""A text in the wrong locale is found before it is read aloud."""

# ruff: noqa: RUF001 - letters that look alike are what this is about

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihuman_blocks.domain.writing import check_writing, letters_by_script, script_of, tidy
from omnihuman_blocks.errors import InvalidRow

TEXTS = {
    "en-US": "Hello, world! 25 µm",
    "de": "Grüße aus Köln",
    "ru": "Привет, мир",
    "uk": "Привіт, світе",
    "el": "Γειά σου Κόσμε",
    "ar": "مرحبا بالعالم",
    "he": "שלום עולם",
    "hi": "नमस्ते दुनिया",
    "th": "สวัสดีชาวโลก",
    "zh-CN": "你好，世界",
    "zh-TW": "你好，世界",
    "ja": "こんにちは、世界。ラーメン々",
    "ko": "안녕하세요 세계",
    "ka": "გამარჯობა",
    "am": "ሰላም ልዑል",
    "sr": "Dobar dan",
    "sr-Cyrl": "Добар дан",
    "uz": "Oʻzbekiston",
    "tlh": "nuqneH",
}


@pytest.mark.parametrize("locale", TEXTS)
def test_a_text_in_its_own_letters_passes(locale: str) -> None:
    """Also with a name in Latin letters, and with numbers alone."""
    check_writing(TEXTS[locale], locale)
    check_writing(f"{TEXTS[locale]} OmniHuman 1.5", locale)
    check_writing("2026", locale)


@pytest.mark.parametrize("locale", ["en-US", "ru", "el", "ar", "he", "hi", "th", "zh-CN", "ko"])
def test_a_text_in_other_letters_is_refused(locale: str) -> None:
    """Each text in each locale that is written otherwise; with what to correct."""
    for other in {"en-US", "ru", "el", "ar", "he", "hi", "th", "zh-CN", "ko"} - {locale}:
        if (locale, other) == ("ko", "zh-CN"):  # Korean may hold Chinese characters
            continue
        with pytest.raises(InvalidRow, match="Correct `locale`, or the text") as refused:
            check_writing(TEXTS[other], locale)
        assert refused.value.column == "text"


def test_the_message_names_both_scripts() -> None:
    """As people call them."""
    with pytest.raises(InvalidRow, match="written in Cyrillic letters, and en is written in Latin"):
        check_writing("Привет", "en")
    with pytest.raises(InvalidRow, match="written in Korean letters, and zh is written in Chinese"):
        check_writing("안녕", "zh")


def test_a_guest_is_welcome_and_a_crowd_is_not() -> None:
    """A word in another alphabet is one thing, a text that is mostly so another."""
    check_writing("The letter Ж is Cyrillic", "en")
    with pytest.raises(InvalidRow):
        check_writing("Hi Привет мир", "en")


def test_some_languages_are_written_in_two_ways() -> None:
    """Unless their locale says which."""
    check_writing("Salom dunyo", "uz-Latn")
    check_writing("Dobar dan", "sr")
    with pytest.raises(InvalidRow):
        check_writing("Dobar dan", "sr-Cyrl")


@pytest.mark.parametrize("text", ["", "...", "😀", "؟!"])
def test_a_text_without_a_word_is_refused(text: str) -> None:
    """It would be silence, and silence costs too."""
    with pytest.raises(InvalidRow, match="nothing to say"):
        check_writing(text, "en")


def test_what_nobody_hears_is_taken_out() -> None:
    """So that a doubled space does not buy a video again."""
    assert tidy("  a\t b \r\n c\x00\x07 ") == "a b c"
    assert tidy("one.\n\n\n two") == "one.\ntwo"
    assert tidy("e\u0301") == "é"


@given(st.text(max_size=50))
def test_tidy_is_tidy(text: str) -> None:
    """Nothing more to do the second time."""
    assert tidy(tidy(text)) == tidy(text)
    letters_by_script(text)


def test_letters_know_their_script() -> None:
    """Also in their wide and narrow forms."""
    assert [script_of(c) for c in "aЖＡｱー々"] == [
        *("LATIN", "CYRILLIC", "LATIN", "KATAKANA", "KATAKANA", "CJK")
    ]
