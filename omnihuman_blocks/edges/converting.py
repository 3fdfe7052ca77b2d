"""A medium that a vendor does not take -> the copy that it takes: WAV or MP3, JPEG or PNG.

Sound keeps its length, pictures are only ever made smaller. What a copy is made of decides
nothing: a job's key hangs on the original.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from PIL import Image, ImageOps

from omnihuman_blocks.domain.job import MediaKind
from omnihuman_blocks.domain.limits import Conversion
from omnihuman_blocks.edges.picture import UNREADABLE
from omnihuman_blocks.edges.sound import DEMUXERS, listen, open_media

MOST_RATE = 48_000
MP3_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000)
MP3_BIT_RATE = 192_000
LENGTH_MAY_DIFFER = {"wav": 0.005, "mp3": 0.06}
"""Seconds. An MP3 consists of frames, and players differ in what they take off at its ends."""
QUALITIES = (95, 90, 85, 75)
STEP = 0.8
SMALLEST_SIDE = 16
WHITE = (255, 255, 255)


def convert(content: bytes, kind: MediaKind, wanted: Conversion) -> bytes:
    """The copy. ValueError with a plain reason where there cannot be one."""
    if kind is MediaKind.AUDIO:
        return _sound(content, wanted.format)
    try:
        return _picture(content, kind, wanted)
    except UNREADABLE as error:
        raise ValueError(f"it cannot be converted ({error})") from error


# --- sound ------------------------------------------------------------------------------------


def _sound(content: bytes, wanted: str) -> bytes:
    write = _as_wav if wanted == "wav" else _as_mp3
    try:
        copy = write(content)
    except av.FFmpegError as error:
        raise ValueError(f"it cannot be converted ({error.strerror})") from error
    difference = abs(float(listen(copy).seconds - listen(content).seconds))
    if difference > LENGTH_MAY_DIFFER[wanted]:
        raise ValueError(f"its length would change by {difference:.3f} s if it were converted")
    return copy


def _samples(content: bytes, rates: tuple[int, ...] = ()) -> Iterator[av.AudioFrame]:
    """The sound as 16-bit samples, one or two channels, at a rate that is among `rates`."""
    with open_media(content, DEMUXERS) as container:
        stream = container.streams.audio[0]
        own = stream.rate
        rate = min(own, MOST_RATE) if not rates or own in rates else rates[0]
        layout = "mono" if stream.channels == 1 else "stereo"
        resampler = av.AudioResampler(format="s16", layout=layout, rate=rate)
        for frame in container.decode(stream):
            frame.pts = None  # what was decoded is counted, not what timestamps say
            yield from resampler.resample(frame)
        yield from resampler.resample(None)


def _as_wav(content: bytes) -> bytes:
    frames = list(_samples(content))
    if not frames:
        raise ValueError("it cannot be converted (it has no sound)")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(frames[0].layout.nb_channels)
        out.setsampwidth(2)
        out.setframerate(frames[0].sample_rate)
        for frame in frames:
            out.writeframes(np.ascontiguousarray(frame.to_ndarray()).tobytes())
    return file.getvalue()


def _as_mp3(content: bytes) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        stream = None
        for frame in _samples(content, MP3_RATES):
            if stream is None:
                stream = out.add_stream("libmp3lame", rate=frame.sample_rate)
                stream.layout = frame.layout.name
                stream.bit_rate = MP3_BIT_RATE
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode(None))
    return file.getvalue()


# --- pictures ---------------------------------------------------------------------------------


def _picture(content: bytes, kind: MediaKind, wanted: Conversion) -> bytes:
    with Image.open(io.BytesIO(content)) as opened:
        profile = opened.info.get("icc_profile")
        image: Image.Image = ImageOps.exif_transpose(opened)
        if kind is not MediaKind.MASK:
            image = _without_transparency(image)
        if wanted.sides is not None:
            image = _scaled(image, wanted.sides, kind)
    if wanted.format == "png":
        return _fitting(_encoded(image, profile, format="png", optimize=True), wanted)
    return _as_jpeg(image, profile if image.mode == "RGB" else None, wanted)


def _without_transparency(image: Image.Image) -> Image.Image:
    """Plain colours; on white, where one could look through."""
    if image.mode.startswith("I"):  # 16 bits of grey
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        ground = Image.new("RGB", image.size, WHITE)
        ground.paste(over, mask=over.getchannel("A"))
        return ground
    return image if image.mode in ("RGB", "L") else image.convert("RGB")


def _scaled(image: Image.Image, sides: tuple[int, int], kind: MediaKind) -> Image.Image:
    # The sides were measured on the stored pixels, which may lie on their side.
    if (image.width > image.height) != (sides[0] > sides[1]):
        sides = (sides[1], sides[0])
    exact = kind is MediaKind.MASK
    return image.resize(sides, Image.Resampling.NEAREST if exact else Image.Resampling.LANCZOS)


def _as_jpeg(image: Image.Image, profile: bytes | None, wanted: Conversion) -> bytes:
    """At the best quality that fits; smaller where none does."""
    while min(image.size) >= SMALLEST_SIDE:
        for quality in QUALITIES:
            copy = _encoded(image, profile, format="jpeg", quality=quality, subsampling=0)
            if wanted.most_bytes is None or len(copy) <= wanted.most_bytes:
                return copy
        sides = int(image.width * STEP), int(image.height * STEP)
        image = image.resize(sides, Image.Resampling.LANCZOS)
    raise ValueError(_too_large(wanted))


def _encoded(image: Image.Image, profile: bytes | None, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, icc_profile=profile, **how)
    return file.getvalue()


def _fitting(copy: bytes, wanted: Conversion) -> bytes:
    if wanted.most_bytes is not None and len(copy) > wanted.most_bytes:
        raise ValueError(_too_large(wanted))
    return copy


def _too_large(wanted: Conversion) -> str:
    return f"no copy of at most {wanted.most_bytes:,} bytes can be made of it"
