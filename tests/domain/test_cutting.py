"""Where long speech is cut: as rarely as can be, where it is heard least, and evenly."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihuman_blocks.domain.cutting import Place, cut, cut_identity, pause, quiet, reach
from omnihuman_blocks.domain.limits import Limits

LIMIT = 29_500


def lengths(length: int, places: list[Place]) -> list[int]:
    chosen = cut(length, places, LIMIT)
    return [b - a for a, b in pairwise([0, *(places[one].at for one in chosen), length])]


def every_second(length: int) -> list[Place]:
    return [quiet(at, 50) for at in range(500, length, 1000)]


def test_what_fits_is_not_cut() -> None:
    assert cut(LIMIT, [pause(10_000, 10_600)], LIMIT) == []


def test_a_cut_is_made_in_a_pause_although_another_place_is_in_the_middle() -> None:
    places = sorted([*every_second(40_000), pause(14_700, 15_300)], key=lambda place: place.at)
    assert lengths(40_000, places) == [15_000, 25_000]


def test_a_long_pause_is_better_than_a_short_one() -> None:
    assert pause(0, 900).fault == pause(0, 700).fault == 0
    assert pause(0, 150).fault > pause(0, 400).fault > 0


def test_without_a_pause_the_quietest_place_is_taken() -> None:
    places = [quiet(19_000, 80), quiet(20_000, 3), quiet(21_000, 100), quiet(22_000, 500)]
    assert lengths(40_000, places) == [20_000, 20_000]


def test_there_is_never_a_tiny_tail() -> None:
    """A pause right before the end would leave a video of a word."""
    places = sorted([*every_second(30_000), pause(29_000, 29_400)], key=lambda place: place.at)
    assert min(lengths(30_000, places)) > 10_000


def test_three_minutes_of_sentences_are_seven_even_parts() -> None:
    sentences = [Place(at=at, fault=0) for at in range(4_000, 180_000, 4_000)]
    parts = lengths(180_000, sentences)
    assert len(parts) == 7
    assert max(parts) - min(parts) <= 4_000


def test_places_that_are_too_far_apart_are_told() -> None:
    with pytest.raises(ValueError, match="no place to cut before 60000 ms"):
        cut(60_000, [Place(at=20_000, fault=0)], LIMIT)


@settings(max_examples=40)
@given(
    st.integers(LIMIT + 1, 200_000),
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(150, 2_000)), max_size=40),
)
def test_whatever_the_pauses_parts_fit_and_add_up(
    length: int, pauses: list[tuple[int, int]]
) -> None:
    places = [pause(at, at + long) for at, long in pauses if at + long < length]
    found = lengths(length, sorted([*every_second(length), *places], key=lambda place: place.at))
    assert sum(found) == length
    assert all(0 <= part <= LIMIT for part in found)
    assert len(found) <= 2 * -(-length // LIMIT)


# --- how much a vendor takes ----------------------------------------------------------------------


@pytest.mark.parametrize(("included", "admitted"), [(False, False), (True, True)])
def test_a_limit_is_less_than_or_at_most(included: bool, admitted: bool) -> None:  # noqa: FBT001
    most = reach(
        Limits(audio_seconds=Decimal(30), audio_seconds_included=included), can_bring=False
    )
    assert most is not None
    assert most.is_stated
    assert most.admits(Decimal(30)) is admitted
    assert most.admits(Decimal("29.9"))
    assert most.longest_ms == LIMIT
    assert not most.has_room(Decimal("29.501"))
    assert most.has_room(Decimal("29.5"))


def test_advice_counts_where_no_limit_is_stated_and_parts_can_be_brought() -> None:
    advised = Limits(advised_audio_seconds=Decimal(30))
    most = reach(advised, can_bring=True)
    assert most is not None
    assert not most.is_stated
    assert most.admits(Decimal(30))
    assert reach(advised, can_bring=False) is None
    assert reach(Limits(), can_bring=True) is None


def test_a_stretch_is_known_by_its_recording_and_its_ends() -> None:
    """A golden value: another one would buy every part again."""
    assert cut_identity("ab" * 32, 0, 15_000) == (
        "cut:5d1ff63fcd29e69a25495352f9c5b6a4220ae4232566d20d39cb952b7bed5368"
    )
    assert cut_identity("ab" * 32, 0, None) != cut_identity("ab" * 32, 0, 15_000)
