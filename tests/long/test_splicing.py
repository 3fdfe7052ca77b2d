"""Clips become one video: nothing encoded again where they agree, and nothing lost at the seams."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.edges.likeness import likeness, waveform
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.edges.splicing import Clip, Spliced, splice
from omnihuman_blocks.sandbox.render_clip import render

LENGTHS = (2.7, 3.33, 1.9)
Speech = Callable[..., bytes]


@cache
def video(audio: bytes, container: str, resolution: str, quality: str) -> bytes:
    file = io.BytesIO()
    shape = (320, 320) if resolution == "720p" else (320, 400)
    Image.new("RGB", shape, (90, 120, 50)).save(file, "png")
    return render(
        image=file.getvalue(),
        audio=audio,
        mask=None,
        resolution=resolution,
        container=container,  # type: ignore[arg-type]
        quality=quality,  # type: ignore[arg-type]
    )


class Bench:
    """Clips in a folder, and what comes of splicing them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clips: list[Clip] = []
        self.audio: list[bytes] = []

    def add(
        self,
        audio: bytes,
        suffix: str = ".mp4",
        *,
        resolution: str = "720p",
        quality: str = "fast",
        seconds: float | None = None,
    ) -> None:
        path = self.folder / f"clip-{len(self.clips)}{suffix}"
        path.write_bytes(video(audio, suffix[1:], resolution, quality))
        spoken = listen(audio).seconds if seconds is None else Decimal(str(seconds))
        self.clips.append(Clip(path=path, seconds=spoken))
        self.audio.append(audio)

    @property
    def path(self) -> Path:
        return self.folder / f"whole{self.clips[0].path.suffix}"

    @property
    def seconds(self) -> float:
        return float(sum(clip.seconds for clip in self.clips))

    def splice(self) -> Spliced:
        return splice(self.clips, self.path, self.clips[0].path.suffix)

    def times(self, kind: str) -> list[float]:
        """When each packet is heard or seen."""
        with av.open(str(self.path)) as container:
            stream = next(one for one in container.streams if one.type == kind)
            packets = [one for one in container.demux(stream) if one.pts is not None]
            return sorted(float(one.pts * one.time_base) for one in packets)  # type: ignore[operator]

    def sounds_like(self) -> float:
        whole = np.concatenate([waveform(audio) for audio in self.audio])
        return likeness(whole, waveform(self.path, "mov,matroska")) or 0.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def packets_of(path: Path) -> set[bytes]:
    with av.open(str(path)) as container:
        return {bytes(packet) for packet in container.demux(video=0) if packet.size}


@pytest.mark.parametrize(("suffix", "quality"), [(".mp4", "preview"), (".webm", "fast")])
def test_clips_that_agree_are_copied_and_lie_end_to_end(
    bench: Bench, speech: Speech, suffix: str, quality: str
) -> None:
    for number, seconds in enumerate(LENGTHS):
        bench.add(speech(seconds, seed=number), suffix, quality=quality)
    spliced = bench.splice()
    facts = clip_facts(bench.path, bench.audio[0])
    assert spliced.notes == ()
    assert packets_of(bench.path) <= set.union(*(packets_of(one.path) for one in bench.clips))
    assert facts.broken is None
    assert facts.black_seconds == 0
    assert float(facts.video_seconds) == pytest.approx(bench.seconds, abs=0.13)
    assert float(facts.sound_seconds) == pytest.approx(bench.seconds, abs=0.13)
    steps = [later - earlier for earlier, later in pairwise(bench.times("audio"))]
    assert max(steps) - min(steps) <= 0.0011, "one grid: no gap, nothing on top of another"
    assert max(np.diff(bench.times("video"))) <= 0.27
    assert bench.sounds_like() > 0.6
    spoken = np.cumsum([0.0, *(float(clip.seconds) for clip in bench.clips[:-1])])
    assert [float(start) for start in spliced.starts] == pytest.approx(list(spoken), abs=0.13)


def test_what_a_vendor_filled_up_behind_the_speech_is_left_out(
    bench: Bench, speech: Speech
) -> None:
    """A second of waiting after each part would be a stammer."""
    for number, seconds in enumerate(LENGTHS):
        bench.add(speech(seconds + 0.8, seed=number), seconds=seconds)
    bench.splice()
    facts = clip_facts(bench.path, bench.audio[0])
    assert float(facts.video_seconds) == pytest.approx(bench.seconds + 0.8, abs=0.13)
    assert float(facts.sound_seconds) == pytest.approx(bench.seconds + 0.8, abs=0.13)


def test_where_a_clip_is_too_short_silence_is_filled_in_and_the_picture_held(
    bench: Bench, speech: Speech
) -> None:
    """So that what follows is in step with its lips."""
    for number, seconds in enumerate(LENGTHS):
        bench.add(speech(seconds, seed=number), seconds=seconds + 0.5)
    spliced = bench.splice()
    facts = clip_facts(bench.path, bench.audio[0])
    assert spliced.notes == ()
    assert float(spliced.starts[2]) == pytest.approx(2.7 + 3.33 + 1.0, abs=0.07)
    steps = [later - earlier for earlier, later in pairwise(bench.times("audio"))]
    assert max(steps) - min(steps) <= 0.0011
    assert float(facts.sound_seconds) == pytest.approx(bench.seconds - 0.5, abs=0.13)
    assert facts.broken is None


def test_clips_that_differ_are_encoded_again_and_it_is_said(bench: Bench, speech: Speech) -> None:
    bench.add(speech(2.7, seed=1))
    bench.add(speech(1.9, seed=2), resolution="480p")
    spliced = bench.splice()
    assert len(spliced.notes) == 1
    assert "pictures of its parts differ (size" in spliced.notes[0]
    facts = clip_facts(bench.path, bench.audio[0])
    assert facts.broken is None
    assert facts.black_seconds == 0
    assert float(facts.video_seconds) == pytest.approx(bench.seconds, abs=0.13)
    assert bench.sounds_like() > 0.6


def test_sounds_that_differ_are_encoded_again_and_the_picture_is_not(
    bench: Bench, speech: Speech
) -> None:
    bench.add(speech(2.7, seed=1))
    bench.add(speech(1.9, seed=2))
    _with_another_rate(bench.clips[1].path)
    spliced = bench.splice()
    assert len(spliced.notes) == 1
    assert "sound of its parts differs (rate" in spliced.notes[0]
    assert packets_of(bench.path) <= set.union(*(packets_of(one.path) for one in bench.clips))
    facts = clip_facts(bench.path, bench.audio[0])
    assert facts.broken is None
    assert float(facts.sound_seconds) == pytest.approx(bench.seconds, abs=0.13)
    assert bench.sounds_like() > 0.6


def _with_another_rate(path: Path) -> None:
    """The same pictures, and the sound at 24 kHz."""
    original = path.read_bytes()
    with av.open(io.BytesIO(original), "r") as source, av.open(str(path), "w") as target:
        pictures = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=24000, layout="mono")
        resampler: Any = av.AudioResampler(format="fltp", layout="mono", rate=24000)
        for packet in source.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "video":
                packet.stream = pictures
                target.mux(packet)
            else:
                for frame in packet.decode():
                    for piece in resampler.resample(frame):
                        target.mux(sound.encode(piece))
        target.mux(sound.encode(None))


def test_a_clip_without_sound_is_not_joined(bench: Bench, speech: Speech) -> None:
    bench.add(speech(1.9, seed=1))
    mute = bench.folder / "mute.mp4"
    with av.open(str(bench.clips[0].path), "r") as source, av.open(str(mute), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    bench.clips.append(Clip(path=mute, seconds=Decimal(2)))
    with pytest.raises(ValueError, match=r"mute\.mp4 has not both picture and sound"):
        bench.splice()
