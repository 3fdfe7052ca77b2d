"""A text in slices: between sentences in any script, and at the same places after an edit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihuman_blocks.domain.sentences import estimate_ms, follow, sentences, split

LONGEST = 29_500
SCRIPT = [
    f"This is sentence number {number}, and it says something neither long nor short."
    for number in range(40)
]
TEXT = " ".join(SCRIPT)


@pytest.mark.parametrize(
    "slices",
    [
        ["Hello world. ", "Is it? ", "Yes… ", "“It is!” ", "Good."],
        ["Dr. Smith has 3.5 apples, e.g. red ones. ", "J. R. Smith has none."],
        ["Das ist z. B. so. ", "Punkt."],
        ["One line\n", "another line\n\n", "and a third"],
        ["今日は晴れです。", "「本当？」", "はい。"],  # noqa: RUF001 - their own full stops
        ["你好！", "再见。"],  # noqa: RUF001
        ["यह एक वाक्य है। ", "यह दूसरा है।"],
        ["مرحبا. ", "كيف حالك؟ ", "بخير۔"],  # noqa: RUF001
        ["Привет. ", "Как дела? ", "Хорошо."],
        ["안녕하세요. ", "반갑습니다."],
        ["See example.com now. ", "Done."],
        ["It ends.\n", "Behind the line."],
    ],
)
def test_sentences_end_where_people_of_that_script_end_them(slices: list[str]) -> None:
    assert sentences("".join(slices)) == slices


def test_nothing_has_no_sentences() -> None:
    assert sentences("") == []
    assert split("", LONGEST) == [""]
    assert follow(["One. "], "") == [""]


@given(st.text(max_size=200))
def test_sentences_together_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text


@given(st.text(alphabet=st.sampled_from("ab .,。字한ไ́\u200d\n3!?"), max_size=400))
def test_slices_together_are_the_text_and_fit(text: str) -> None:
    slices = split(text, 3_000)
    assert "".join(slices) == text
    assert all(estimate_ms(one) <= 3_000 for one in slices)


def test_a_long_text_is_divided_between_sentences_evenly() -> None:
    slices = split(TEXT, LONGEST)
    assert "".join(slices) == TEXT
    assert all(one.strip().endswith(".") for one in slices)
    assert max(map(estimate_ms, slices)) < 1.2 * min(map(estimate_ms, slices))


def test_a_slow_voice_needs_more_slices() -> None:
    assert len(split(TEXT, LONGEST, Decimal(2))) > 2 * len(split(TEXT, LONGEST))


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("word after word, " * 60, ","),
        ("word " * 300, "word"),
        ("สวัสดีครับ " * 120, "ครับ"),
        ("字" * 300, "字"),
    ],
)
def test_a_sentence_that_is_too_long_is_divided_where_it_hurts_least(text: str, end: str) -> None:
    slices = split(text, LONGEST)
    assert len(slices) > 1
    assert all(one.strip().endswith(end) for one in slices)


def test_a_letter_keeps_its_marks() -> None:
    slices = split("e\u0301" * 500, LONGEST)
    assert len(slices) > 1
    assert all(one[0] == "e" for one in slices)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("Dies ist ein ganz gewöhnlicher Satz, wie er in Texten steht.", 2_500, 6_000),
        ("今日はとても良い天気ですね。", 1_500, 4_500),
        ("오늘은 날씨가 정말 좋습니다.", 1_500, 4_500),
        ("2026", 800, 2_500),
        ("🎉", 0, 0),
    ],
)
def test_lengths_are_guessed_for_every_script(text: str, least: int, most: int) -> None:
    assert least <= estimate_ms(text) <= most


# --- edits ----------------------------------------------------------------------------------------


def changed(before: list[str], after: list[str]) -> int:
    return len({one.strip() for one in after} - {one.strip() for one in before})


def test_the_same_text_keeps_its_slices() -> None:
    slices = split(TEXT, LONGEST)
    assert follow(slices, TEXT) == slices


def test_one_edited_sentence_changes_one_slice_and_back() -> None:
    slices = split(TEXT, LONGEST)
    for number in range(len(SCRIPT)):
        edited = " ".join([*SCRIPT[:number], "This one was edited.", *SCRIPT[number + 1 :]])
        after = follow(slices, edited)
        assert "".join(after) == edited
        assert len(after) == len(slices)
        assert changed(slices, after) == 1
        assert follow(after, TEXT) == slices


def test_one_sentence_more_or_less_changes_one_slice() -> None:
    slices = split(TEXT, LONGEST)
    for number in range(len(SCRIPT)):
        more = [*SCRIPT[:number], "This one is new.", *SCRIPT[number:]]
        assert changed(slices, follow(slices, " ".join(more))) == 1
        less = [*SCRIPT[:number], *SCRIPT[number + 1 :]]
        assert changed(slices, follow(slices, " ".join(less))) == 1


def test_both_sides_of_a_cut_may_be_edited() -> None:
    slices = split(TEXT, LONGEST)
    first = len(sentences(slices[0]))
    new = [f"New sentence number {number}." for number in range(4)]
    edited = " ".join([*SCRIPT[: first - 2], *new, *SCRIPT[first + 2 :]])
    after = follow(slices, edited)
    assert "".join(after) == edited
    assert len(after) == len(slices)
    assert changed(slices, after) == 2
    assert after[0].strip().endswith("New sentence number 1.")


def test_a_cut_inside_a_sentence_goes_with_it_and_is_forgotten_when_it_is_edited() -> None:
    long = "word after word, " * 40 + "end."
    text = f"Before it there is this. {long} And behind it there is that."
    slices = split(text, LONGEST)
    assert len(slices) == 2
    moved = follow(slices, f"One more. {text}")
    assert moved[1:] == slices[1:]
    assert len(follow(slices, text.replace("end.", "another end."))) == 1


def test_a_slice_of_which_nothing_is_left_goes_with_its_neighbour() -> None:
    text = "First sentence of the whole text. Go. Third sentence of the whole text."
    kept = [
        "First sentence of the whole text. ",
        "Go on, please. ",
        "Third sentence of the whole text.",
    ]
    assert follow(kept, text) == ["First sentence of the whole text. Go. ", kept[2]]
    assert follow(["Here we go. ", *kept[2:]], f"Go. {kept[2]}") == [f"Go. {kept[2]}"]
    assert follow(kept, "Go.") == ["Go."]


def test_a_text_that_is_another_one_is_still_all_there() -> None:
    slices = split(TEXT, LONGEST)
    assert "".join(follow(slices, "Something else. Entirely.")) == "Something else. Entirely."
