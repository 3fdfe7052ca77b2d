"""What a rendered video shows and says."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import av
import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.sandbox.render_clip import audio_seconds, render
from omnihuman_blocks.sandbox.scene import LOOKS, frame_size

Make = Callable[..., bytes]
See = Callable[[bytes], Any]


def clip(image: bytes, audio: bytes, **changes: Any) -> bytes:
    order = {"mask": None, "resolution": "720p", "container": "mp4", "quality": "fast"}
    return render(image=image, audio=audio, **(order | changes))


@pytest.mark.parametrize("seconds", [0.3, 2.0, 3.37])
def test_picture_and_sound_last_as_long_as_the_voice(
    portrait: Make, voice: Make, see: See, seconds: float
) -> None:
    """Both lengths are the audio's decoded length to a frame."""
    seen = see(clip(portrait(), voice(seconds)))
    assert abs(seen.picture_seconds - seconds) <= 1 / 8
    assert abs(seen.sound_seconds - seconds) <= 1024 / 16000


@pytest.mark.parametrize(
    ("container", "codecs", "start"),
    [
        ("mp4", ("h264", "aac"), b"ftypisom"),
        ("mov", ("h264", "aac"), b"ftypqt"),
        ("webm", ("libvpx-vp9", "libopus"), b"\x1a\x45\xdf\xa3"),
    ],
)
def test_each_container_holds_its_own_codecs(
    *,
    portrait: Make,
    voice: Make,
    see: See,
    container: Literal["mp4", "mov", "webm"],
    codecs: tuple[str, str],
    start: bytes,
) -> None:
    """MP4 and MOV carry H.264 and AAC, WebM carries VP9 and Opus; each decodes to its end."""
    video = clip(portrait(), voice(), container=container)
    seen = see(video)
    assert start in video[:12]
    assert tuple(name.split("-")[-1].removeprefix("lib") for name in seen.codecs) == tuple(
        name.split("-")[-1].removeprefix("lib") for name in codecs
    )
    assert len(seen.frames) == 16


@pytest.mark.parametrize("container", ["mp4", "mov"])
def test_a_player_can_start_before_the_file_is_whole(
    portrait: Make, voice: Make, container: Literal["mp4", "mov"]
) -> None:
    """The index stands before the media data."""
    video = clip(portrait(), voice(), container=container)
    assert 0 < video.index(b"moov") < video.index(b"mdat")


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


def _samples(audio: bytes, rate: int) -> np.ndarray:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    with av.open(io.BytesIO(audio), mode="r") as container:
        frames = [out for f in container.decode(audio=0) for out in resampler.resample(f)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.parametrize("container", ["mp4", "mov", "webm"])
def test_the_sound_is_the_audio_that_was_sent(
    portrait: Make, voice: Make, see: See, container: Literal["mp4", "mov", "webm"]
) -> None:
    """Sample by sample it follows this voice and no other, without an offset."""
    seen = see(clip(portrait(), voice(seed=1), container=container))
    assert _alike(seen.sound, _samples(voice(seed=1), seen.rate)) > 0.9
    assert _alike(seen.sound, _samples(voice(seed=2), seen.rate)) < 0.8


def test_the_picture_is_the_image_that_was_sent(portrait: Make, voice: Make, see: See) -> None:
    """The colours of the portrait come back, at the place where they were."""
    frames = see(clip(portrait(colour="limegreen"), voice())).frames
    height, width, _ = frames[0].shape
    assert np.abs(frames[0][height // 4, width // 2] - np.array([50, 205, 50])).max() < 25
    assert np.abs(frames[0][height // 2, width // 20] - np.array([70, 130, 180])).max() < 25


def test_the_picture_moves_with_the_voice(portrait: Make, voice: Make, see: See) -> None:
    """The bars over a voice change far more than those over silence, which stand still."""

    def restlessness(audio: bytes) -> float:
        frames = see(clip(portrait(), audio)).frames
        foot = [frame[int(frame.shape[0] * 0.86) :].astype(float) for frame in frames]
        return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(foot)]))

    assert restlessness(voice()) > 3 * restlessness(voice(silent=True))


def test_the_bars_are_high_where_the_voice_is_loud(portrait: Make, see: See) -> None:
    """A voice that starts half-way through leaves the first half's bars flat."""
    rate, late = 16000, io.BytesIO()
    tone = np.sin(np.arange(rate * 4) / 20) * 0.5 * (np.arange(rate * 4) > rate * 2)
    with av.open(late, "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            (tone * 32767).astype(np.int16)[None, :], format="s16", layout="mono"
        )
        frame.sample_rate = rate
        out.mux([*stream.encode(frame), *stream.encode(None)])
    frames = see(clip(portrait(), late.getvalue())).frames

    def bright_rows(frame: np.ndarray) -> int:
        height, width, _ = frame.shape
        middle = frame[int(height * 0.86) :, width // 2 - 2 : width // 2 + 2]
        return int((middle[..., 2] > 190).any(axis=1).sum())

    assert bright_rows(frames[-2]) >= 3 * max(1, bright_rows(frames[4]))


def test_the_camera_comes_nearer(portrait: Make, voice: Make, see: See) -> None:
    """Even in silence the face is larger at the end than at the beginning."""
    frames = see(clip(portrait(colour="limegreen"), voice(silent=True))).frames

    def face(frame: np.ndarray) -> int:
        red, green, blue = (frame[..., part].astype(int) for part in range(3))
        return int(((green - red > 60) & (green - blue > 60)).sum())

    assert face(frames[-1]) > 1.05 * face(frames[0])


def test_every_frame_is_marked(portrait: Make, voice: Make, see: See) -> None:
    """The PREVIEW mark darkens its corner and writes on it in white."""
    for frame in see(clip(portrait(), voice())).frames:
        height, width, _ = frame.shape
        corner = frame[: height // 14, : width // 3].mean(axis=2)
        assert corner.min() < 80
        assert corner.max() > 150


@pytest.mark.parametrize(
    ("image", "shorter_side", "wanted"),
    [
        ((768, 1024), 720, (720, 960)),
        ((1024, 768), 1080, (1440, 1080)),
        ((500, 500), 480, (480, 480)),
        ((100, 1000), 720, (192, 1920)),
        ((333, 777), 720, (720, 1680)),
    ],
)
def test_the_size_follows_image_and_resolution(
    image: tuple[int, int], shorter_side: int, wanted: tuple[int, int]
) -> None:
    """The resolution names the shorter side; no side is odd or longer than 1920."""
    assert frame_size(image, shorter_side, LOOKS["full"]) == wanted


def test_full_quality_has_the_resolution_that_was_asked_for(
    portrait: Make, voice: Make, see: See
) -> None:
    """720p portrait at 25 frames per second."""
    seen = see(clip(portrait(240, 320), voice(0.4), quality="full"))
    assert seen.frames[0].shape == (960, 720, 3)
    assert len(seen.frames) == 10


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("png", "RGBA"), ("png", "P"), ("png", "L"), ("jpeg", "CMYK"), ("webp", "RGB"), ("gif", "P")],
)
def test_any_usual_image_is_drawn(
    portrait: Make, voice: Make, see: See, kind: str, mode: str
) -> None:
    """Transparent, indexed, grey and print images are pictures too."""
    assert see(clip(portrait(kind=kind, mode=mode), voice(0.3))).frames[0].shape == (256, 192, 3)


def test_a_turned_photograph_stands_upright(portrait: Make, voice: Make, see: See) -> None:
    """The camera's note about its orientation is honoured."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(io.BytesIO(portrait())).save(file, "jpeg", exif=exif)
    assert see(clip(file.getvalue(), voice(0.3))).frames[0].shape == (192, 256, 3)


def test_a_mask_puts_the_rest_in_the_dark(portrait: Make, voice: Make, see: See) -> None:
    """Outside the mask the picture is darker, inside it is as it was."""
    mask = Image.new("L", (60, 80))
    mask.paste(255, (0, 0, 30, 80))
    file = io.BytesIO()
    mask.save(file, "png")
    plain = see(clip(portrait(), voice(0.3))).frames[0]
    masked = see(clip(portrait(), voice(0.3), mask=file.getvalue())).frames[0]
    height, width, _ = plain.shape
    assert abs(masked[height // 2, 10].astype(int) - plain[height // 2, 10]).max() < 12
    assert masked[height // 2, width - 10].mean() < 0.6 * plain[height // 2, width - 10].mean()


def test_the_length_is_counted_in_samples(voice: Make) -> None:
    """Exact for a WAV, whatever a header might say."""
    assert audio_seconds(voice(1.5)) == pytest.approx(1.5, abs=1e-4)
