"""Which of an engine's voices a row means."""

from __future__ import annotations

import pytest

from omnihuman_blocks.domain.voices import NO_VOICES, read_voices
from omnihuman_blocks.errors import InvalidRow

FILE = {
    "anna": {"en": "shimmer", "pt_BR": " nova ", "zh-Hant": "coral"},
    "bob": "onyx",
    "default": {"*": "alloy", "de": "sage"},
}


@pytest.mark.parametrize(
    ("name", "locale", "voice"),
    [
        ("anna", "en-GB", "shimmer"),
        ("anna", "pt-BR", "nova"),
        ("anna", "pt", "nova"),
        ("anna", "zh-TW", "coral"),
        ("bob", "sw", "onyx"),
        (None, "de-AT", "sage"),
        (None, "fr", "alloy"),
    ],
)
def test_a_name_and_a_locale_make_a_voice(name: str | None, locale: str, voice: str) -> None:
    """The nearest locale; `*` where there is none nearer."""
    assert read_voices(FILE).find(name, locale) == voice


@pytest.mark.parametrize(
    ("name", "locale", "said"),
    [
        ("carl", "en", "`carl`, which is not among the voices. There is `anna`, `bob`, `default`"),
        ("anna", "pl", "`anna` speaks en, pt-BR, zh-Hant and not pl"),
        ("anna", "zh-CN", "not zh-CN"),
    ],
)
def test_a_voice_that_is_not_there_is_named(name: str, locale: str, said: str) -> None:
    """With what there is."""
    with pytest.raises(InvalidRow, match=said) as refused:
        read_voices(FILE).find(name, locale)
    assert refused.value.column == "voice"


def test_where_nothing_is_said_the_engine_decides() -> None:
    """No file, or a file without a default."""
    assert NO_VOICES.find("alloy", "en") is None
    assert read_voices({"anna": "x"}).find(None, "en") is None
    assert NO_VOICES.as_json() == {}
    assert read_voices({"anna": "x"}).as_json() == {"anna": {"*": "x"}}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (["anna"], "write"),
        ({"anna": {}}, "`anna` names no voice"),
        ({"anna": 3}, "`anna` names no voice"),
        ({"anna": {"en": ""}}, "no voice for en"),
        ({"anna": {"en": 3}}, "no voice for en"),
        ({"anna": {"klingonish": "x"}}, "no language tag"),
    ],
)
def test_a_file_that_is_none_says_why(file: object, said: str) -> None:
    """A plain reason, for whoever wrote it."""
    with pytest.raises(ValueError, match=said):
        read_voices(file)
