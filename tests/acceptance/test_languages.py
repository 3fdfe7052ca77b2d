"""The example catalogue: twelve languages in many scripts, recordings and texts, and a long story.

`make demo` shows a cut of it. Here all of it is made, and every file that comes out is looked at.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import av
import pyarrow.parquet as pq
import pysubs2
import pytest

Place: TypeAlias = Any
"""See `conftest.py`."""

pytestmark = pytest.mark.xdist_group("commands")

DEMO = Path(str(resources.files("omnihuman_blocks") / "demo"))
MEDIA = {"audio_uri": "audio/mpeg", "image_uri": "image/jpeg"}
LONGEST_LAG = 0.3
"""Seconds by which a caption may be late or early: less than a word."""
TOLERANCE = 0.3
"""Seconds by which a video may be longer or shorter than its audio."""

Times: TypeAlias = list[tuple[str, float]]
"""Every letter that is spoken, and when its word begins."""


def lay_tables(place: Place) -> None:
    """The demo's tables, with their media at addresses."""
    for name in ("scripts", "avatars"):
        with (DEMO / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            for column, media_type in MEDIA.items():
                if row.get(column):
                    content = (DEMO / row[column]).read_bytes()
                    row[column] = place.sandbox.host(row[column], content, media_type)
        table = getattr(place, name)
        table.extend({column: cell or None for column, cell in row.items()} for row in rows)
    place.lay()


def test_twelve_languages_are_spoken_shown_and_captioned(place: Place) -> None:
    """Every video decodes, is as long as its audio, and its captions come with their words."""
    lay_tables(place)
    made = place.generate()
    assert (made.code, made.rows) == (0, {"done": len(place.scripts)}), made
    lines = place.by_place()
    assert len({line["locale"] for line in lines}) >= 12
    assert {line["avatar_id"] for line in lines} == {row["avatar_id"] for row in place.avatars}
    assert max(line["audio_seconds"] for line in lines) >= 180
    for script, line in zip(place.scripts, lines, strict=True):
        assert line["checks"]["verdict"] == "good"
        seconds = line["audio_seconds"]
        for length in decoded(place.results / line["video_uri"]):
            assert abs(length - seconds) < TOLERANCE, line
        captions = pysubs2.load(str(place.results / line["captions_srt_uri"]), encoding="utf-8")
        assert letters(" ".join(cue.plaintext for cue in captions)) == letters(script["text"])
        assert captions[-1].end / 1000 <= seconds + TOLERANCE
        if script["audio_uri"] is None:
            assert_in_step(captions, said(place, line, script["text"]))
    bought = place.counts().accepted()
    again = place.generate()
    assert (again.rows, again.told["bought"]) == (made.rows, 0), again
    assert place.counts().accepted() == bought == sum(len(line["parts"]) for line in lines)


def decoded(file: Path) -> tuple[float, float]:
    """How long picture and sound are, with every frame decoded."""
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video))
        picture = frames / float(video.average_rate or 1)
    with av.open(str(file)) as container:
        sound = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    return picture, sound


def letters(text: str) -> str:
    """What of a text is spoken, whatever the engine and the captions do with the rest."""
    return "".join(sign for sign in text if sign.isalnum())


def said(place: Place, line: dict[str, Any], text: str) -> Times:
    """Every letter of a row with the time at which the engine begins its word."""
    spoken = {letters(one["text"]): one["words"] for one in kept_speech(place.results / "speech")}
    cuts = pq.read_table(place.results / "cuts.parquet").to_pylist()
    slices = {cut["row_id"]: cut["slices"] for cut in cuts}.get(line["row_id"], [text])
    times: Times = []
    for part, words in zip(line["parts"], map(letters, slices), strict=True):
        at, when = 0, 0.0
        for word, begins, _ in spoken[words]:
            found = words.find(letters(word), at)
            if found < 0:
                continue
            # What the engine does not tell of is said with the word before it.
            times.extend((letter, part["start_seconds"] + when) for letter in words[at:found])
            at, when = found, float(begins)
        times.extend((letter, part["start_seconds"] + when) for letter in words[at:])
    assert "".join(letter for letter, _ in times) == letters(text)
    return times


def kept_speech(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.json")):
        kept = json.loads(file.read_text("utf-8"))
        if isinstance(kept, dict):
            yield kept


def assert_in_step(captions: pysubs2.SSAFile, times: Times) -> None:
    """Each caption begins with the word that it begins with."""
    place = 0
    for cue in captions:
        assert abs(cue.start / 1000 - times[place][1]) < LONGEST_LAG, cue
        place += len(letters(cue.plaintext))
