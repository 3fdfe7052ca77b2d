"""A row is done when its video, its poster and its captions are there: then nobody looks at it."""

from __future__ import annotations

from typing import Any

import pytest

from omnihuman_blocks.domain.outcome import Published
from omnihuman_blocks.edges.dataset import write_catalogue, write_plan
from omnihuman_blocks.edges.fingerprints import fingerprints
from omnihuman_blocks.edges.recall import recognise

CAPTIONS = {"captions_srt_uri": "captions/x.srt", "captions_vtt_uri": "captions/x.vtt"}


@pytest.fixture
def recognised(workshop: Any, make_done: Any) -> Any:
    """How many of six rows are recognised, when these files were made and those are there."""

    def count(made: Published, there: list[str] | None, *, soft: bool = False) -> int:
        planned, tables, known = workshop.plan()
        outcomes = {key: make_done(key) for key in planned.jobs}
        write_plan(workshop.folder, planned, tables, known)
        shown = {row.row_id: made for row in planned.rows}
        write_catalogue(workshop.folder, planned, outcomes, tables, known, published=shown)
        prints = fingerprints(
            tables, remembered=workshop.memory(tables), settings=workshop.settings
        )
        return recognise(workshop.folder, prints, shown=there, soft=soft).count

    return count


@pytest.mark.parametrize(
    ("made", "there", "count"),
    [
        ({"poster_uri": "posters/x.jpg"}, ["posters/x.jpg"], 6),
        ({"poster_uri": "posters/x.jpg"}, [], 0),
        ({}, ["posters/x.jpg"], 0),
        ({}, None, 6),
        ({"poster_uri": "posters/x.jpg", **CAPTIONS}, ["posters/x.jpg", *CAPTIONS.values()], 6),
        ({"poster_uri": "posters/x.jpg", **CAPTIONS}, ["posters/x.jpg", "captions/x.srt"], 0),
    ],
    ids=["there", "taken away", "never made", "not asked for", "captions", "half the captions"],
)
def test_a_row_is_looked_at_until_all_that_it_is_shown_with_is_there(
    recognised: Any, made: dict[str, str], there: list[str] | None, count: int
) -> None:
    """Whatever kept it from being made: a kill, a full disk, somebody's broom."""
    assert recognised(Published(**made), there) == count


def test_who_asks_for_captions_inside_gets_them_for_rows_that_were_done_before(
    recognised: Any,
) -> None:
    """Where there are captions; a row without a transcript is done as it is."""
    made = Published(poster_uri="posters/x.jpg", **CAPTIONS)
    there = ["posters/x.jpg", *CAPTIONS.values()]
    assert recognised(made, there, soft=True) == 0


def test_rows_without_captions_are_done_without_them_inside(recognised: Any) -> None:
    """Nothing can be put there."""
    made = Published(poster_uri="posters/x.jpg")
    assert recognised(made, ["posters/x.jpg"], soft=True) == 6
