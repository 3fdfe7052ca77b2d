"""What the embedded voice says it can do, before anybody asks it."""

# ruff: noqa: RUF001 - letters of other languages

from __future__ import annotations

from decimal import Decimal

import pytest

from omnihuman_blocks.domain.embedded_voice import (
    TAGS,
    Heard,
    check_embedded,
    embedded_voice,
    timed_words,
    words_per_minute,
)
from omnihuman_blocks.domain.lexicon import say
from omnihuman_blocks.domain.locales import canonical
from omnihuman_blocks.errors import InvalidRow


@pytest.mark.parametrize(
    ("wanted", "locale", "voice"),
    [
        (None, "en-US", "en-us"),
        (None, "en-AU", "en-gb"),
        (None, "pt-BR", "pt-br"),
        (None, "pt-AO", "pt"),
        (None, "es-MX", "es-419"),
        (None, "zh-TW", "cmn"),
        (None, "zh-HK", "yue"),
        (None, "nn", "nb"),
        ("f2", "de-AT", "de+f2"),
        (" M8 ", "fr", "fr-fr+m8"),
        ("en-gb", "en-US", "en-gb"),
        ("en-GB+f1", "en-US", "en-gb+f1"),
        ("+f1", "en-US", "en-us+f1"),
    ],
)
def test_a_locale_has_a_voice(wanted: str | None, locale: str, voice: str) -> None:
    """The nearest one, as a man or as a woman."""
    assert embedded_voice(wanted, locale) == voice


@pytest.mark.parametrize(
    ("wanted", "locale", "column", "said"),
    [
        (None, "tlh", "locale", "speaks no tlh"),
        (None, "my", "locale", "--speech openai:URL"),
        ("anna", "en", "voice", "has none of that name. Name one of f1"),
        ("f9", "en", "voice", "has none of that name"),
        ("", "en", "voice", "has none of that name"),
        ("anna smith", "en", "voice", "has none of that name"),
        ("fr-fr", "en", "voice", "does not speak en"),
    ],
)
def test_a_wrong_name_is_refused(wanted: str | None, locale: str, column: str, said: str) -> None:
    """The engine itself would speak on in its last voice."""
    with pytest.raises(InvalidRow, match=said) as refused:
        embedded_voice(wanted, locale)
    assert refused.value.column == column


@pytest.mark.parametrize("locale", sorted(TAGS))
def test_every_locale_it_names_is_one(locale: str) -> None:
    """As everybody writes it, so that it is found."""
    assert canonical(locale) == locale
    assert embedded_voice(None, locale) == TAGS[locale]


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("Hello", "en"),
        ("Prefect में चलाएं", "hi"),
        ("カタカナ Prefect ひらがなー", "ja"),
        ("한국어", "ko"),
        ("漢語", "zh-TW"),
        ("Dobar dan Добар", "sr-Latn"),
        ("Salam", "ug"),
        ("25", "ja"),
    ],
)
def test_it_reads_its_own_letters(text: str, locale: str) -> None:
    """And names in Latin ones."""
    check_embedded(text, locale)


@pytest.mark.parametrize(
    ("text", "locale", "said"),
    [
        ("こんにちは、世界", "ja", "cannot read Chinese characters in ja, such as 世"),
        ("漢字 한국", "ko", "cannot read Chinese characters in ko"),
        ("The letter Ж", "en", "cannot read Cyrillic characters in en, such as Ж"),
        ("Salem", "kk-Latn", "cannot read Latin characters"),
        ("Салом", "uz-Cyrl", "cannot read Cyrillic"),
    ],
)
def test_it_is_not_given_what_it_would_mumble(text: str, locale: str, said: str) -> None:
    """It would say `Chinese letter`. The message says what to do instead."""
    with pytest.raises(InvalidRow, match=said) as refused:
        check_embedded(text, locale)
    assert "--lexicon" in str(refused.value)


def test_its_speed_has_bounds() -> None:
    """Half as fast to two and a half times."""
    speeds = [Decimal(1), Decimal("0.5"), Decimal("0.1"), Decimal(9)]
    assert [words_per_minute(speed) for speed in speeds] == [175, 87, 87, 437]


def heard(*events: tuple[int, int, int]) -> list[Heard]:
    """Start, end and sample; an end before its start tells that a clause is over."""
    return [
        Heard(start=start, end=max(start, end), sample=sample, is_end=end < start)
        for start, end, sample in events
    ]


def test_words_follow_each_other() -> None:
    """Each ends where the next begins, or its clause ends, or everything does."""
    text = "One two. Three"
    events = heard((0, 3, 0), (4, 7, 100), (8, 0, 200), (9, 14, 250))
    words = timed_words(events, say(text, ()), text, rate=100, samples=400)
    assert [(word.text, word.start_seconds, word.end_seconds) for word in words] == [
        ("One", Decimal(0), Decimal(1)),
        ("two", Decimal(1), Decimal(2)),
        ("Three", Decimal("2.5"), Decimal(4)),
    ]


def test_a_word_is_told_whole_and_without_its_stops() -> None:
    """The engine tells of the first piece of a compound, and counts commas with numbers."""
    text = "Bem-vindos, 25, है। 你好，世 …"
    events = heard((0, 3, 0), (12, 15, 10), (16, 18, 20), (20, 21, 30), (23, 24, 40), (25, 26, 50))
    words = timed_words(events, say(text, ()), text, rate=1, samples=60)
    assert [word.text for word in words] == ["Bem-vindos", "25", "है", "你好", "世", "…"]


def test_several_sounds_of_one_word_are_one_word() -> None:
    """A number that is said twice over, an entry of the lexicon in three words with a stop."""
    text = "25 SQL, ok"
    said = say(text, (("SQL", "s. q. l."),))
    events = heard(
        *((0, 2, 0), (1, 2, 50), (3, 4, 100), (5, 0, 150), (6, 7, 160), (9, 10, 200)),
        *((11, 0, 250), (13, 15, 300), (15, 15, 380)),
    )
    words = timed_words(events, said, text, rate=100, samples=400)
    assert [(word.text, word.start_seconds, word.end_seconds) for word in words] == [
        ("25", Decimal(0), Decimal(1)),
        ("SQL", Decimal(1), Decimal("2.5")),
        ("ok", Decimal(3), Decimal("3.8")),
    ]
    assert timed_words([], said, text, rate=100, samples=0) == ()
