"""An image and a voice -> the bytes of a video whose picture and sound last as long as the voice.

Knows containers and codecs; what the picture shows is the business of `scene`.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from omnihuman_blocks.sandbox.scene import LOOKS, Look, Scene, Sound, loudness

Container = Literal["mp4", "webm", "mov"]
Quality = Literal["fast", "preview", "full"]
"""For tests and benchmarks; for a demonstration that does not keep people waiting; for showing."""

AAC_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
OPUS_RATES = (16000, 24000, 48000)
FAST_RATE = 16000
BT601 = 6


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A decoded audio file. `seconds` is counted in samples: headers are not believed."""

    samples: Sound
    rate: int
    seconds: float


def audio_seconds(audio: bytes) -> float:
    """The decoded length; ValueError where there is no sound."""
    return sum(frame.samples / frame.sample_rate for frame in _decoded(audio))


def _decoded(audio: bytes) -> Iterator[av.AudioFrame]:
    try:
        with av.open(io.BytesIO(audio), mode="r") as container:
            yield from container.decode(audio=0)
    except IndexError:
        raise ValueError("the audio cannot be decoded: there is no sound in it") from None
    except (av.FFmpegError, ValueError, OverflowError) as error:
        raise ValueError(f"the audio cannot be decoded: {error}") from error


def hear(audio: bytes, *, container: Container, quality: Quality) -> Voice:
    """The voice at a rate that the container's codec takes; the fast look makes do with less."""
    frames = list(_decoded(audio))
    if not frames or (seconds := sum(f.samples / f.sample_rate for f in frames)) <= 0:
        raise ValueError("the audio cannot be decoded: there is no sound in it")
    taken = OPUS_RATES if container == "webm" else AAC_RATES
    wanted = FAST_RATE if quality == "fast" else frames[0].sample_rate
    rate = next((known for known in taken if known >= wanted), taken[-1])
    mono = quality == "fast" or frames[0].layout.nb_channels == 1
    resampler = AudioResampler(format="fltp", layout="mono" if mono else "stereo", rate=rate)
    pieces = [piece.to_ndarray() for frame in frames for piece in resampler.resample(frame)]
    pieces += [piece.to_ndarray() for piece in resampler.resample(None)]
    samples = np.concatenate(pieces, axis=1)[:, : round(seconds * rate)]
    return Voice(samples=samples.astype(np.float32, copy=False), rate=rate, seconds=seconds)


def render(
    *,
    image: bytes,
    audio: bytes,
    mask: bytes | None,
    resolution: str,
    container: Container,
    quality: Quality,
) -> bytes:
    """The video. ValueError, with a plain reason, where the image or the audio is no such thing."""
    look = LOOKS[quality]
    voice = hear(audio, container=container, quality=quality)
    scene = Scene(image=image, mask=mask, resolution=resolution, look=look)
    with tempfile.TemporaryDirectory(prefix="omnihuman-sandbox-") as folder:
        # A file, because the index can only be moved to the front of something that is reopened.
        path = Path(folder) / f"clip.{container}"
        options = {} if container == "webm" else {"movflags": "+faststart"}
        with av.open(str(path), "w", format=container, options=options) as output:
            _write(output, scene, voice, look, container)
        return path.read_bytes()


def _write(
    output: OutputContainer, scene: Scene, voice: Voice, look: Look, container: Container
) -> None:
    picture = _picture_stream(output, scene, look, container)
    sound = _sound_stream(output, voice, look, container)
    rate = look.frames_per_second
    frames = max(1, round(voice.seconds * rate))
    level = loudness(voice.samples, voice.rate, frames, rate)
    for at in range(frames):
        frame = av.VideoFrame.from_ndarray(scene.draw(at, level), format="yuv420p")
        frame.pts = at
        output.mux(picture.encode(frame))
        start, end = (moment * voice.rate // rate for moment in (at, at + 1))
        _say(output, sound, voice, start, None if at + 1 == frames else end)
    output.mux(picture.encode(None))
    output.mux(sound.encode(None))


def _say(
    output: OutputContainer, stream: AudioStream, voice: Voice, start: int, end: int | None
) -> None:
    """The sound that belongs to one frame goes in beside it, as players like it."""
    samples = np.ascontiguousarray(voice.samples[:, start:end])
    if samples.shape[1] == 0:
        return
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
    frame.sample_rate = voice.rate
    frame.pts = start
    output.mux(stream.encode(frame))


def _picture_stream(
    output: OutputContainer, scene: Scene, look: Look, container: Container
) -> VideoStream:
    is_fast = look is LOOKS["fast"]
    if container == "webm":
        codec, options = "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "crf": "34"}
    else:
        codec, options = "libx264", {"preset": "superfast", "crf": "21"}
        if is_fast:
            options = {"preset": "ultrafast", "crf": "27", "tune": "zerolatency"}
    stream = cast(
        "VideoStream", output.add_stream(codec, rate=look.frames_per_second, options=options)
    )
    stream.width, stream.height = scene.size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.color_primaries = context.color_trc = context.colorspace = BT601
    if is_fast:
        context.thread_count = 1
    return stream


def _sound_stream(
    output: OutputContainer, voice: Voice, look: Look, container: Container
) -> AudioStream:
    layout = "mono" if voice.samples.shape[0] == 1 else "stereo"
    codec, options = ("libopus", {}) if container == "webm" else ("aac", {"aac_coder": "fast"})
    stream = cast(
        "AudioStream", output.add_stream(codec, rate=voice.rate, layout=layout, options=options)
    )
    stream.bit_rate = 48_000 if look is LOOKS["fast"] else 128_000
    return stream
