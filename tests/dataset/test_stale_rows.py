"""What is done, missing, stale or rejected, by script, locale and avatar, and why it is stale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.domain.coverage import Covered, coverage_json
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import JobOutcome
from omnihuman_blocks.domain.planning import judge
from omnihuman_blocks.edges.coverage import (
    COVERAGE_FILE,
    cover_catalogue,
    cover_plan,
    squares,
    write_coverage,
)

Frame = Any
ALL_DONE = {("done", None)}


@pytest.fixture
def shop(workshop: Any) -> Any:
    """The usual tables, with a transcript and the hash of what it was translated from."""
    workshop.scripts = workshop.scripts.drop(columns=["State", "name"]).assign(
        script_id=["a", "b", "c"],
        text=["Hallo", "Olá", "你好"],
        source_hash=["1", "2", None],
    )
    return workshop


def by_plan(shop: Any, *, is_bought: bool = False) -> Frame:
    """As `status` and `plan` see it. `is_bought`: the ledger calls all that is planned done."""
    planned, tables, known = shop.plan()
    outcomes = {key: JobOutcome(stage=Stage.DONE) for key in planned.jobs} if is_bought else {}
    planned = judge(planned, outcomes)
    return cover_plan(shop.folder, planned, tables, known).to_pandas()


def by_catalogue(shop: Any) -> Frame:
    """As it is told once something was made."""
    cells = cover_catalogue(shop.folder, shop.read())
    assert cells is not None
    return cells.to_pandas()


def states(frame: Frame) -> dict[str, set[tuple[str, str | None]]]:
    """By script: how it stands, and why it is stale."""
    reasons = [one if isinstance(one, str) else None for one in frame["stale_because"]]
    told: dict[str, set[tuple[str, str | None]]] = {}
    for script, state, reason in zip(frame["script_id"], frame["state"], reasons, strict=True):
        told.setdefault(script, set()).add((state, reason))
    return told


def test_before_anything_is_bought_all_of_it_is_missing(shop: Any) -> None:
    """A line for each script, locale and avatar."""
    frame = by_plan(shop)
    assert list(frame.columns) == [
        *("script_id", "locale", "avatar_id", "state", "stale_because"),
        *("done", "stale", "missing", "rejected"),
    ]
    assert len(frame) == 6
    assert states(frame) == {name: {("missing", None)} for name in "abc"}


def test_what_is_done_is_done_by_the_plan_and_by_the_catalogue(shop: Any) -> None:
    """Recognised or looked at: the same."""
    shop.write()
    assert states(by_catalogue(shop)) == dict.fromkeys("abc", ALL_DONE)
    assert states(by_plan(shop)) == dict.fromkeys("abc", ALL_DONE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda shop: shop.digests.__setitem__("/in/b.wav", "0" * 64), "media"),
        (lambda shop: shop.scripts.__setitem__("prompt", ["wave", "nod", None]), "media"),
        (lambda shop: shop.scripts.__setitem__("text", ["Hallo", "Oi", "你好"]), "text"),
        (lambda shop: shop.scripts.__setitem__("source_hash", ["1", "9", None]), "source_hash"),
    ],
    ids=["audio", "wish", "text", "source"],
)
def test_a_finished_video_is_stale_when_what_it_was_made_from_has_moved_on(
    shop: Any, change: Callable[[Any], None], reason: str
) -> None:
    """Before anything new is bought, and in no other row."""
    shop.write()
    change(shop)
    expected = {"a": ALL_DONE, "b": {("stale", reason)}, "c": ALL_DONE}
    assert states(by_plan(shop, is_bought=reason == "text")) == expected


def test_stale_rows_stay_stale_until_their_new_video_is_there(
    shop: Any, make_done: Callable[..., JobOutcome]
) -> None:
    """An invocation that was stopped forgets nothing; one that ended well makes all fresh."""
    shop.write()
    shop.digests["/in/b.wav"] = "0" * 64
    shop.scripts["source_hash"] = ["1", "9", None]
    waiting = {key: JobOutcome(stage=Stage.ACCEPTED) for key in shop.plan()[0].jobs}
    shop.write(waiting)
    told = {"a": ALL_DONE, "b": {("stale", "source_hash")}, "c": ALL_DONE}
    assert states(by_catalogue(shop)) == told
    assert states(by_plan(shop)) == told
    shop.write()
    assert states(by_catalogue(shop)) == dict.fromkeys("abc", ALL_DONE)


def test_a_transcript_that_was_corrected_stays_stale_after_its_captions_were_made_anew(
    shop: Any,
) -> None:
    """Nothing is bought for it, so the video still says what it said."""
    shop.write()
    shop.scripts["text"] = ["Hallo", "Oi", "你好"]
    shop.write()
    expected = {"a": ALL_DONE, "b": {("stale", "text")}, "c": ALL_DONE}
    assert states(by_catalogue(shop)) == expected
    assert states(by_plan(shop)) == expected


def test_what_was_not_known_when_a_video_was_made_makes_it_not_stale(shop: Any) -> None:
    """A column that is new says nothing about the past."""
    shop.scripts = shop.scripts.drop(columns=["source_hash"])
    shop.write()
    shop.scripts["source_hash"] = ["1", "2", "3"]
    assert states(by_plan(shop)) == dict.fromkeys("abc", ALL_DONE)


def test_rejected_lines_are_covered_by_what_they_name(shop: Any) -> None:
    """Also where they name nothing that exists."""
    shop.scripts["locale"] = ["nothing at all", "pt-BR", "zh-Hans-CN"]
    frame = by_plan(shop)
    assert states(frame)["a"] == {("rejected", None)}
    shop.write()
    assert states(by_catalogue(shop)) == {
        "a": {("rejected", None)},
        "b": ALL_DONE,
        "c": ALL_DONE,
    }
    lost = frame[frame["state"] == "rejected"].iloc[0]
    assert lost["rejected"] == 1
    assert pd.isna(lost["avatar_id"])


def test_the_file_reads_back_and_adds_up(shop: Any) -> None:
    """Takes of one cell are one line; its state is that of the worst."""
    cells = cover_plan(shop.folder, *_planned(shop))
    write_coverage(shop.folder, cells)
    read = pq.read_table(shop.folder.path(COVERAGE_FILE))
    assert read.equals(cells)
    told = coverage_json(squares(read))
    assert told[Covered.MISSING.value] == read.num_rows == 6
    assert set(told["by_avatar"]) == {"anna", "ben"}  # type: ignore[arg-type]


def _planned(shop: Any) -> Any:
    planned, tables, known = shop.plan()
    return judge(planned, {}), tables, known


def test_a_catalogue_of_other_tables_is_not_taken_for_theirs(shop: Any) -> None:
    """Lines are compared by position, so there must be as many."""
    assert cover_catalogue(shop.folder, shop.read()) is None
    shop.write()
    shop.scripts = shop.scripts.iloc[:2]
    assert cover_catalogue(shop.folder, shop.read()) is None
