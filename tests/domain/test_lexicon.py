"""How words are said: whole words, the longest first, and only what a text uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihuman_blocks.domain.lexicon import NO_LEXICON, Entry, Lexicon, say


def lexicon(*entries: tuple[str, str, str]) -> Lexicon:
    return Lexicon(tuple(Entry(locale=a, written=b, said=c) for a, b, c in entries))


def spoken(text: str, *entries: tuple[str, str], locale: str = "en") -> str:
    known = lexicon(*((locale, written, said) for written, said in entries))
    return say(text, known.used(text, locale)).text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SQL is SQL.", "sequel is sequel."),
        ("MySQL, SQLite", "MySQL, SQLite"),
        ("SQL2 and 2SQL", "SQL2 and 2SQL"),
        ("(SQL)", "(sequel)"),
        ("sql", "sql"),
        ("SQL\u0301", "SQL\u0301"),
        ("SQL を使う", "sequel を使う"),
        ("使用SQL数据库", "使用sequel数据库"),
        ("第2SQL", "第2SQL"),
        ("SQL을", "sequel을"),
        ("", ""),
    ],
)
def test_a_word_is_found_where_it_is_a_word(text: str, said: str) -> None:
    """Not inside another one; beside a script that writes without spaces it may stand alone."""
    assert spoken(text, ("SQL", "sequel")) == said


def test_the_longest_entry_goes_first() -> None:
    """So that a phrase is not taken to pieces."""
    entries = (("New York", "noo york"), ("York", "jork"), ("New York City", "the city"))
    assert spoken("New York City, New York, York", *entries) == "the city, noo york, jork"


@pytest.mark.parametrize(
    ("text", "entry", "said"),
    [
        ("東京大学", ("東京", "とうきょう"), "とうきょう大学"),
        ("第1回", ("1", "いっ"), "第いっ回"),
        ("ภาษาไทยดี", ("ไทย", "thai"), "ภาษาthaiดี"),
        ("की", ("क", "ka"), "की"),
        ("서울에 서울", ("서울", "Seoul"), "Seoul에 Seoul"),
        ("대서울", ("서울", "Seoul"), "대서울"),
    ],
)
def test_scripts_have_their_own_idea_of_a_word(
    text: str, entry: tuple[str, str], said: str
) -> None:
    """No spaces in Japanese and Thai, particles in Korean, vowels that belong to their letter."""
    assert spoken(text, entry) == said


def test_only_what_a_text_uses_enters_its_recipe() -> None:
    """A new entry changes the texts that use it and no others; the nearest locale decides."""
    known = lexicon(
        ("*", "SQL", "ess queue ell"),
        ("pt", "SQL", "esse quê ele"),
        ("pt-BR", "SQL", "ésse quê éle"),
        ("pt-PT", "Porto", "portu"),
        ("pt", "nunca", "never used"),
    )
    assert known.used("SQL no Porto", "pt-BR") == (("SQL", "ésse quê éle"),)
    assert known.used("SQL", "pt-AO") == (("SQL", "esse quê ele"),)
    assert known.used("SQL SQL", "de") == (("SQL", "ess queue ell"),)
    assert known.used("Porto", "de") == ()


def test_another_entry_is_another_lexicon() -> None:
    """The order of its lines is nothing that anybody hears."""
    one, two = ("en", "a", "b"), ("en", "c", "d")
    assert lexicon(one, two).digest == lexicon(two, one).digest != lexicon(one).digest
    assert NO_LEXICON.used("anything", "en") == ()


def test_what_is_said_leads_back_to_what_is_written() -> None:
    """Also where the two are of different lengths; an entry is never cut in two."""
    said = say("I like SQL a lot.", (("SQL", "sequel"),))
    assert said.text == "I like sequel a lot."
    assert said.written(0, 1) == (0, 1)
    assert said.written(2, 6) == (2, 6)
    assert said.written(7, 13) == said.written(8, 9) == (7, 10)
    assert said.written(14, 15) == (11, 12)
    assert said.written(16, 19) == (13, 16)
    assert said.written(20, 99) == (17, 17)


@given(st.text("ab 東c,", max_size=30), st.dictionaries(st.text("ab東", min_size=1), st.text()))
def test_every_letter_comes_from_somewhere(text: str, known: dict[str, str]) -> None:
    """The pieces lie side by side in both texts, from the first letter to the last."""
    used = tuple(sorted(known.items()))
    said = say(text, used)
    assert "".join(text[piece.written] for piece in said.pieces) == text
    assert "".join(said.text[piece.said] for piece in said.pieces) == said.text
    everything = Lexicon(tuple(Entry(locale="*", written=w, said=s) for w, s in used))
    assert say(text, everything.used(text, "en")).text == said.text
