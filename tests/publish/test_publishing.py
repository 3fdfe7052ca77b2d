"""Captions and posters: made for every finished video, once, whoever was killed when."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pysubs2
import pytest
from PIL import Image

from omnihuman_blocks.catalogue.publishing import publish, published_names
from omnihuman_blocks.domain.identity import clip_key
from omnihuman_blocks.domain.job import Job, JobKey, Media, MediaKind
from omnihuman_blocks.domain.lifecycle import Stage
from omnihuman_blocks.domain.outcome import UNPUBLISHED, Clip, JobOutcome, Published
from omnihuman_blocks.domain.planned import Part, PlannedRow
from omnihuman_blocks.domain.row import Row
from omnihuman_blocks.edges.captions import spoken
from omnihuman_blocks.edges.likeness import RATE
from omnihuman_blocks.edges.poster import poster
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.providers import PROVIDERS
from omnihuman_blocks.sandbox.render_clip import render

DEMO = Path(str(files("omnihuman_blocks"))) / "demo"
FACE = (DEMO / "avatars" / "mira.jpg").read_bytes()
VOICE = (DEMO / "audio" / "setup-en-US.mp3").read_bytes()
WORDS = "Press the green button twice, and wait until the light stops blinking."


@pytest.fixture(scope="session")
def film() -> bytes:
    return render(
        image=FACE, audio=VOICE, mask=None, resolution="720p", container="mp4", quality="fast"
    )


@dataclass
class Studio:
    """A results folder with finished videos, and the rows that they belong to."""

    folder: ResultsFolder
    film: bytes

    def row(self, number: int = 0, *, text: str | None = WORDS, **changes: Any) -> PlannedRow:
        """A row whose video is there. Rows of one number share it."""
        key = JobKey(sha256(str(number).encode()).hexdigest())
        video = Path(self.folder.path(f"videos/{key}.mp4"))
        video.parent.mkdir(parents=True, exist_ok=True)
        if not video.exists():
            video.write_bytes(self.film)
        media = {
            kind: Media(kind=kind, uri="x", sha256="a" * 64, size=1, format="x", **more)
            for kind, more in (
                (MediaKind.IMAGE, {}),
                (MediaKind.AUDIO, {"seconds": Decimal(5), **changes.pop("audio", {})}),
            )
        }
        job = Job(
            key=key,
            provider="fal",
            model="m",
            image=media[MediaKind.IMAGE],
            audio=media[MediaKind.AUDIO],
            options=PROVIDERS["fal"].MODELS["1.5"].options(),
        )
        part = Part(job=job, start_seconds=Decimal(0), seconds=Decimal(5), price=None)
        row = Row(script_id="s", locale="en-US", avatar_id="a", provider="fal", text=text)
        planned = PlannedRow(
            place=number,
            row_id=f"r{number}",
            script_id="s",
            locale="en-US",
            avatar_id="a",
            variant=1,
            row=row,
            parts=(part,),
        )
        return replace(planned, **changes)

    def outcomes(self, *rows: PlannedRow) -> dict[JobKey, JobOutcome]:
        """All of them are done."""
        return {
            part.job.key: JobOutcome(
                stage=Stage.DONE,
                clip=Clip(
                    uri=f"videos/{part.job.key}.mp4",
                    sha256="f" * 64,
                    size=len(self.film),
                    seconds=Decimal("4.6"),
                ),
            )
            for row in rows
            for part in row.parts
        }

    def publish(self, *rows: PlannedRow, **named: Any) -> Mapping[str, Published]:
        return publish(self.folder, rows, self.outcomes(*rows), **named)

    def path(self, uri: str | None) -> Path:
        assert uri is not None
        return Path(self.folder.path(uri))


@pytest.fixture
def studio(tmp_path: Path, film: bytes) -> Studio:
    return Studio(ResultsFolder.at(tmp_path), film)


def test_a_finished_video_gets_a_poster_and_captions(studio: Studio) -> None:
    """Whole words, in step with the sound, readable by whoever reads subtitles."""
    shown = studio.publish(studio.row())["r0"]
    assert shown.captioned_uri is None
    with Image.open(studio.path(shown.poster_uri)) as image:
        assert (image.format, max(image.size)) == ("JPEG", 256)
    for uri in (shown.captions_srt_uri, shown.captions_vtt_uri):
        read = pysubs2.load(str(studio.path(uri)))
        assert " ".join(event.plaintext.replace("\n", " ") for event in read) == WORDS
        assert all(0 <= event.start < event.end <= 4_600 for event in read)
    assert shown.poster_uri is not None
    assert re.fullmatch(r"posters/[0-9a-f]{64}\.jpg", shown.poster_uri)


def test_what_is_there_is_left_alone_and_what_is_missing_is_made(studio: Studio) -> None:
    """The second invocation makes nothing; one that comes after a kill makes the rest."""
    rows = [studio.row(0), studio.row(1)]
    first = studio.publish(*rows)
    names = published_names(studio.folder)
    assert len(names) == 6
    for name in names:
        os.utime(studio.path(name), (0, 0))
    assert studio.publish(*rows) == first
    lost = first["r1"].captions_vtt_uri
    studio.path(lost).unlink()
    assert studio.publish(*rows) == first
    assert published_names(studio.folder) == names
    assert [name for name in names if studio.path(name).stat().st_mtime > 0] == [lost]


def test_a_corrected_transcript_gets_captions_of_its_own(studio: Studio) -> None:
    """The video and its poster are those that they were."""
    before = studio.publish(studio.row())["r0"]
    after = studio.publish(studio.row(text=WORDS.replace("green", "red")))["r0"]
    assert after.poster_uri == before.poster_uri
    assert after.captions_vtt_uri != before.captions_vtt_uri
    assert "red" in studio.path(after.captions_vtt_uri).read_text("utf-8")


def test_rows_that_share_a_video_and_its_words_share_the_files(studio: Studio) -> None:
    """They are made once."""
    shown = studio.publish(studio.row(), studio.row(row_id="r9"))
    assert shown["r0"] == shown["r9"]
    assert len(published_names(studio.folder)) == 3


@pytest.mark.parametrize("text", [None, "", "  "])
def test_without_a_transcript_there_are_no_captions(studio: Studio, text: str | None) -> None:
    """Nobody guesses what was said."""
    shown = studio.publish(studio.row(text=text))["r0"]
    assert shown == Published(poster_uri=shown.poster_uri)
    assert studio.path(shown.poster_uri).is_file()


def test_rows_that_are_not_done_get_nothing(studio: Studio) -> None:
    """Nor do results in object storage, whose videos are not here."""
    row = studio.row()
    waiting = {key: JobOutcome(stage=Stage.ACCEPTED) for key in studio.outcomes(row)}
    assert publish(studio.folder, [row], waiting) == {}
    far = replace(studio.folder, files=pa.fs.SubTreeFileSystem("/", studio.folder.files))
    assert publish(far, [row], studio.outcomes(row)) == {}


def test_a_video_that_cannot_be_read_spoils_nothing(studio: Studio) -> None:
    """Its row has no poster, and is looked at again the next time; the others have theirs."""
    broken, good = studio.row(0, text=None), studio.row(1)
    studio.path(f"videos/{broken.clip_key}.mp4").write_bytes(b"no video")
    shown = studio.publish(broken, good)
    assert shown["r0"] == UNPUBLISHED
    assert None not in (shown["r1"].poster_uri, shown["r1"].captions_srt_uri)


def test_times_that_an_engine_told_are_used(studio: Studio) -> None:
    """They lie beside its audio, by the recipe; those of another file are not believed."""
    words = [
        [word, str(at), str(at + Decimal("0.3"))]
        for word, at in ((word, n * Decimal("0.35")) for n, word in enumerate(WORDS.split()))
    ]
    kept = studio.path("speech/" + "b" * 32 + ".json")
    kept.parent.mkdir()
    kept.write_text(json.dumps({"sha256": "a" * 64, "words": words}))
    row = studio.row(audio={"source": "speech:" + "b" * 64})
    captions = pysubs2.load(str(studio.path(studio.publish(row)["r0"].captions_srt_uri)))
    starts = {int(Decimal(start) * 1000) for _, start, _ in words}
    assert {event.start for event in captions} <= starts
    assert captions[0].start == 0


def test_the_words_of_every_part_lie_where_its_part_does(studio: Studio) -> None:
    """A row of two parts is one video; its second part begins where the first one ends."""
    row = studio.row(audio={"source": "speech:" + "b" * 64})
    later = replace(row.parts[0], start_seconds=Decimal(2))
    joined = replace(row, parts=(row.parts[0], later))
    key = clip_key([part.job.key for part in joined.parts])
    kept = studio.path("speech/" + "b" * 32 + ".json")
    kept.parent.mkdir()
    kept.write_text(json.dumps({"sha256": "a" * 64, "words": [["Hello", "0.5", "1.0"]]}))
    (video,) = studio.outcomes(row).values()
    assert video.clip is not None
    said = replace(joined, row=replace(row.row, text="Hello. Hello."))  # type: ignore[type-var]
    shown = publish(studio.folder, [said], studio.outcomes(row), {key: video.clip}, soft=False)[
        "r0"
    ]
    captions = pysubs2.load(str(studio.path(shown.captions_srt_uri)))
    assert [event.start for event in captions] == [500, 2_500]


def test_a_soft_track_can_be_turned_on_and_nothing_is_encoded_anew(studio: Studio) -> None:
    """Picture and sound are the very packets that were bought."""
    shown = studio.publish(studio.row(), soft=True)["r0"]
    original = studio.path(f"videos/{studio.row().clip_key}.mp4")
    captioned = studio.path(shown.captioned_uri)
    with av.open(str(captioned)) as container:
        (track,) = container.streams.subtitles
        assert track.metadata["language"] == "eng"
        texts = [bytes(packet)[2:].decode() for packet in container.demux(track) if packet.size > 2]
    assert " ".join(texts).replace("\n", " ") == WORDS
    assert _packets(captioned) == _packets(original)
    assert studio.publish(studio.row(), soft=True)["r0"] == shown


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        kept = [container.streams.video[0], container.streams.audio[0]]
        found = [(packet.stream_index, bytes(packet)) for packet in container.demux(kept)]
    return [content for _, content in sorted(found, key=lambda one: one[0])]


def test_the_poster_is_no_black_picture(tmp_path: Path, film: bytes, defects: Any) -> None:
    """A fade at the beginning is passed over; where all is black, that is what there is."""
    frames, rate, wave = defects.taken_apart(film)
    night = np.full_like(frames[0], 16)
    night[len(night) * 2 // 3 :] = 128
    begins_black, all_black = tmp_path / "fade.mp4", tmp_path / "black.mp4"
    third = len(frames) // 3
    begins_black.write_bytes(defects.put_together([night] * third + frames[third:], rate, wave))
    all_black.write_bytes(defects.put_together([night] * len(frames), rate, wave))
    assert _brightness(poster(begins_black)) > 60
    assert _brightness(poster(all_black)) < 20


def _brightness(jpeg: bytes) -> float:
    return float(np.asarray(Image.open(io.BytesIO(jpeg)).convert("L")).mean())


@pytest.mark.parametrize("content", [b"", b"<html>", b"\0" * 5_000])
def test_what_is_no_video_has_no_poster(tmp_path: Path, content: bytes) -> None:
    """One kind of error, whatever FFmpeg calls it."""
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.mp4"):
        poster(path)


def test_speech_is_found_between_pauses_and_above_the_noise() -> None:
    """A hum is no speech, a short gap no pause, a click no word."""
    dice = np.random.default_rng(0)
    wave = dice.standard_normal(10 * RATE) * 0.002
    for start, end in ((1.0, 2.0), (2.08, 3.0), (5.0, 6.5), (8.0, 8.02)):
        at = slice(int(start * RATE), int(end * RATE))
        wave[at] += dice.standard_normal(at.stop - at.start) * 0.2
    found = spoken(wave)
    assert len(found) == 2
    assert np.allclose(found, [(1_000, 3_000), (5_000, 6_500)], atol=25)
    assert spoken(np.zeros(RATE)) == []
    assert spoken(np.zeros(0)) == []


def test_posters_and_captions_are_replaced_whole_or_not_at_all(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves no half of a file, and the invocation goes on."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert studio.publish(studio.row())["r0"] == UNPUBLISHED
    assert published_names(studio.folder) == []
    monkeypatch.undo()
    assert studio.publish(studio.row())["r0"].poster_uri is not None
