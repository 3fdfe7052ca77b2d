"""The same command again: what it may skip, what it has to look at, and what it leaves behind."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow.parquet as pq
import pytest

from omnihuman_blocks.sandbox.settings import VENDORS

Place: TypeAlias = Any
Prefect: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

ROWS = 10_000
VOICES, FACES = 4, 5


def test_ten_thousand_finished_rows_are_skipped_in_seconds(
    place: Place,
    prefect: Prefect,
    until: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """20 jobs fan out to 10,000 rows. Again: nothing mapped, asked or bought.

    One picture is replaced: exactly the rows that show it are planned, and their jobs bought. One
    video is deleted: it is fetched, and not bought.
    """
    faces = [place.add_avatar(number) for number in range(FACES)]
    voices = [place.voice_at("runware", number) for number in range(VOICES)]
    for number in range(ROWS):
        row = {"script_id": f"s{number}", "locale": "en", "campaign": f"c{number % 7}"}
        voice, face = voices[number % VOICES], faces[number % FACES]
        place.scripts.append({**row, "audio_uri": voice, "avatar_id": face})
    place.lay()

    first = place.generate()
    assert (first.code, first.rows) == (0, {"done": ROWS}), first
    assert (first.told["jobs"], first.told["bought"]) == (VOICES * FACES, VOICES * FACES)
    assert place.counts().accepted() == VOICES * FACES
    assert_told_as_it_was_asked(place)
    run, made = prefect.last_run()["id"], VOICES * FACES + 1  # and the catalogue
    until(lambda: len(prefect.task_runs(run)) == made, "task runs, which come late")

    asked, tasks = place.requests(), prefect.count_task_runs()
    again = place.generate()
    assert (again.code, again.rows, again.told["bought"]) == (0, {"done": ROWS}, 0), again
    assert (again.told["jobs"], again.told["reused"]) == (VOICES * FACES, ROWS)
    assert again.told["charged_usd"] == first.told["charged_usd"]
    assert (place.requests(), prefect.count_task_runs()) == (asked, tasks)
    assert prefect.last_run()["state_name"] == "Completed"
    planned = place.plan()
    assert (planned.code, planned.rows) == (0, {"done": ROWS}), planned
    with capsys.disabled():
        print(  # noqa: T201 - a measurement for whoever looks
            f"\n{ROWS:,} finished rows: plan {planned.seconds:.1f} s without Prefect, "
            f"generate {again.seconds:.1f} s with it (the first time {first.seconds:.1f} s)"
        )

    shutil.copy(place.folder / "face3.png", place.folder / "kept.png")
    place.add_avatar(77)
    shutil.copy(place.folder / "face77.png", place.folder / "face3.png")
    planned = place.plan()
    assert planned.rows == {"planned": ROWS // FACES, "done": ROWS - ROWS // FACES}, planned
    verdicts = pq.read_table(place.results / "plan.parquet").to_pylist()
    new = {line["avatar_id"] for line in verdicts if line["verdict"] == "new"}
    assert new == {"face3"}
    assert place.requests() == asked

    replaced = place.generate()
    assert (replaced.code, replaced.rows, replaced.told["bought"]) == (0, {"done": ROWS}, VOICES)
    assert place.counts().bought_twice() == ()
    assert_told_as_it_was_asked(place)

    gone = place.results / place.catalogue()[0]["video_uri"]
    kept = gone.read_bytes()
    gone.unlink()
    fetched = place.generate()
    assert (fetched.code, fetched.rows, fetched.told["bought"]) == (0, {"done": ROWS}, 0), fetched
    assert gone.read_bytes() == kept
    assert place.requests("submit") == VOICES * FACES + VOICES
    assert len(list((place.results / "history").iterdir())) == 4


def assert_told_as_it_was_asked(place: Place) -> None:
    """Every row, in the order of the table, with its carried column; money only once."""
    lines = place.catalogue()
    asked = [(row["script_id"], row["avatar_id"], row["campaign"]) for row in place.scripts]
    assert [(one["script_id"], one["avatar_id"], one["campaign"]) for one in lines] == asked
    paid = [one for one in lines if one["cost_usd"]]
    assert len(paid) == len({one["clip_key"] for one in lines}) == VOICES * FACES
    assert not any(one["reused"] for one in paid)


def test_a_catalogue_keeps_what_the_tables_said(place: Place) -> None:
    """Carried columns, collisions, duplicates, a rejected row, and jobs that several rows share."""
    for vendor in VENDORS:
        first = place.add_row(vendor, 0, note="first", day=date(2026, 1, 2), state="Bavaria")
        place.scripts.append(dict(place.scripts[-1]))  # the same row again
        twin = place.add_row(vendor, 0, note="twin", day=None, state=None)
        place.scripts[-1]["script_id"] = f"{twin}-twin"
        assert first == twin
    place.scripts.append({**place.scripts[0], "audio_uri": "other.wav", "note": "contradicts"})
    for avatar in place.avatars:
        avatar["consent"] = "signed"
    place.lay()

    made = place.generate()
    assert (made.code, made.rows) == (1, {"done": 8, "rejected": 1}), made
    assert (made.told["jobs"], made.told["bought"]) == (4, 4)
    assert sum(made.told["rows"].values()) == 9
    lines = place.catalogue()
    assert [(one["script_id"], one["note"], one["day"], one["scripts.state"]) for one in lines] == [
        line
        for vendor in VENDORS
        for line in (
            (f"{vendor}-0", "first", date(2026, 1, 2), "Bavaria"),
            (f"{vendor}-0-twin", "twin", None, None),
        )
    ] + [("runware-0", "contradicts", date(2026, 1, 2), "Bavaria")]
    assert {one["consent"] for one in lines} <= {"signed", None}

    done = [one for one in lines if one["state"] == "done"]
    assert [one["reused"] for one in done] == [False, True] * 4
    assert len({one["video_uri"] for one in done}) == 4
    assert {one["cost_usd"] for one in done if one["reused"]} == {Decimal(0)}
    known = sum(one["cost_usd"] or 0 for one in done)
    assert Decimal(made.told["charged_usd"]) == known
    bases = {one["provider"]: one["cost_basis"] for one in done if not one["reused"]}
    assert bases == {
        "runware": "reported",
        "fal": "duration",
        "pixazo": "unknown",
        "aimlapi": "credits",
    }
    page = (place.results / "index.html").read_text(encoding="utf-8")
    assert all(f"{vendor}-0-twin" in page and f">{vendor}-0<" in page for vendor in VENDORS)

    status = place.status()
    assert status.code == made.code
    for name in ("rows", "jobs", "charged_usd", "results"):
        assert status.told[name] == made.told[name]

    asked = place.requests()
    for video in (place.results / "videos").iterdir():
        video.unlink()
    again = place.generate()
    assert (again.code, again.rows, again.told["bought"]) == (1, made.rows, 0), again
    assert again.told["reused"] == 8
    assert place.requests() > asked
    assert place.counts().accepted() == 4
    assert all((place.results / one["video_uri"]).is_file() for one in done)
    ran = Counter(file.suffix for file in (place.results / "history").iterdir())
    assert ran == {".parquet": 2}
    assert without_news(place.catalogue()) == without_news(lines)
    third = place.generate()
    assert third.rows == made.rows
    assert [one["flow_run_id"] for one in place.catalogue() if one["state"] == "done"] == 8 * [
        place.catalogue()[0]["flow_run_id"]
    ]


def without_news(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without who came last, and whether a file was old enough by then to be known by its age."""
    return [{**line, "flow_run_id": None, "fingerprint": None} for line in lines]


def test_a_new_row_that_uses_a_finished_job_costs_nothing(place: Place) -> None:
    """Whether the row that carries the price stays, or is taken out of the table."""
    place.add_rows(2, ["fal"])
    place.lay()
    first = place.generate()
    charged = Decimal(first.told["charged_usd"])
    assert charged > 0

    place.scripts.append({**place.scripts[0], "script_id": "late"})
    place.lay()
    late = place.generate()
    assert (late.code, late.rows, late.told["bought"]) == (0, {"done": 3}, 0), late
    assert Decimal(late.told["charged_usd"]) == charged
    assert place.by_script()["late"]["reused"]

    del place.scripts[0]
    place.lay()
    fewer = place.generate()
    assert (fewer.code, fewer.rows, fewer.told["bought"]) == (0, {"done": 2}, 0), fewer
    assert Decimal(fewer.told["charged_usd"]) == charged
    assert place.counts().accepted() == 2
