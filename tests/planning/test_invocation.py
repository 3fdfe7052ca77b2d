"""Words on a command line are understood, or nothing starts."""

from __future__ import annotations

import pytest

from omnihuman_blocks.domain.invocation import understand_options, wish_columns
from omnihuman_blocks.domain.options import Options, content, handling
from omnihuman_blocks.errors import CannotStart


class Example(Options):
    fast_mode: bool = content(default=False, wire="fast", description="Quicker.")
    tags: str | None = handling(None, "header:Tags", "For reports.")


def test_model_and_variants_are_taken_out_of_the_wishes() -> None:
    """They say which model and how many takes; the rest is wished of it."""
    asked = understand_options({"model": "1", "variants": "3", "fast_mode": "true"}, [Example])
    assert (asked.model, asked.variants, asked.wishes) == ("1", 3, {"fast_mode": "true"})


def test_nothing_asked_is_one_take_of_the_usual_model() -> None:
    """Without any wish."""
    asked = understand_options({}, [])
    assert (asked.model, asked.variants, asked.wishes) == (None, 1, {})


@pytest.mark.parametrize("word", ["0", "-1", "two", "1.5", "", "101", "9" * 30, "²"])
def test_a_number_of_takes_that_makes_no_sense_stops_everything(word: str) -> None:
    """Each take is bought."""
    with pytest.raises(CannotStart, match="variants"):
        understand_options({"variants": word}, [Example])


def test_an_option_that_no_model_knows_stops_everything() -> None:
    """A wish with a slip in its name would otherwise be bought without."""
    with pytest.raises(CannotStart, match="Did you mean `fast_mode`"):
        understand_options({"fastmode": "1"}, [Example])
    with pytest.raises(CannotStart, match="There is `fast_mode`"):
        understand_options({"zzzzzzzz": "1"}, [Example])


def test_columns_that_shape_a_video_are_wishes_and_others_are_not() -> None:
    """`tags` is a usual column of people's own tables, and a vendor's header by accident."""
    assert wish_columns([Example]) == {"prompt", "resolution", "seed", "turbo_mode", "fast_mode"}
