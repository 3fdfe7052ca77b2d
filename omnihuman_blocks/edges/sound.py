"""The bytes of a recording -> its format and its exact length.

Headers are not believed: lengths are counted in decoded samples, because money follows them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

Source = bytes | Path

DEMUXERS = "mp3,wav,w64,ogg,flac,aac,mov,matroska,aiff,caf,amr,asf"
"""Playlists and the like are not among them: they would make FFmpeg open other addresses."""
LONGEST_SECONDS = 4 * 3600
ESTIMATED = {"aac", "mp3"}  # formats whose stated length is a guess from the first frames


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What decoding a recording to its end has shown."""

    format: str
    seconds: Decimal


def open_media(source: Source, demuxers: str) -> InputContainer:
    """A file as FFmpeg understands it, if it is of one of these formats."""
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    return av.open(file, mode="r", options={"format_whitelist": demuxers})


def listen(content: bytes) -> Recording:
    """Decodes to the end. ValueError with a plain reason where that is not possible."""
    try:
        container = open_media(content, DEMUXERS)
    except (av.FFmpegError, ValueError) as error:
        raise ValueError("it is no audio file that can be read") from error
    with container:
        if not container.streams.audio:
            raise ValueError("it has no sound track")
        name = _format(container, content)
        seconds = _decoded_seconds(container, name)
        promised = _promised_seconds(container, name, content)
    if seconds == 0:
        raise ValueError("its sound track is empty")
    if float(seconds) < 0.98 * promised - 0.1:
        raise ValueError(f"it is cut off: {float(seconds):.2f} of {promised:.2f} s are there")
    return Recording(
        format=name, seconds=round(Decimal(seconds.numerator) / seconds.denominator, 6)
    )


def _format(container: InputContainer, content: bytes) -> str:
    """The name that people and vendors use."""
    names = container.format.name.split(",")
    if "mov" in names:
        pictures = (s for s in container.streams.video if not _is_cover(s.disposition))
        return "mp4" if any(pictures) else "m4a"
    if "matroska" in names:
        return "webm" if b"webm" in content[:64] else "matroska"
    return {"w64": "wav", "asf": "wma"}.get(names[0], names[0])


def _is_cover(disposition: int) -> bool:
    return bool(disposition & av.stream.Disposition.attached_pic)


def _decoded_seconds(container: InputContainer, name: str) -> Fraction:
    seconds, broken = Fraction(0), None
    for packet in container.demux(audio=0):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            broken = broken or f"it breaks off after {float(seconds):.2f} s ({error.strerror})"
            continue
        for frame in frames:
            if broken is not None:
                raise ValueError(broken)
            assert isinstance(frame, av.AudioFrame)  # noqa: S101 - a sound stream has no other
            seconds += Fraction(frame.samples, frame.sample_rate)
        if seconds > LONGEST_SECONDS:
            raise ValueError(f"it lasts more than {LONGEST_SECONDS // 3600} hours")
    # Tags behind the last sound of an MP3 are common and harmless; an undecodable end of any
    # other format is where the rest is missing.
    if broken is not None and (name != "mp3" or seconds == 0):
        raise ValueError(broken)
    return seconds


def _promised_seconds(container: InputContainer, name: str, content: bytes) -> float:
    """The length that an index in the file states; 0 where there is none worth believing."""
    if name == "mp3":
        return _mp3_index_seconds(content, container.streams.audio[0].rate)
    if name == "wav":
        size = int.from_bytes(content[4:8], "little") + 8
        if content[:4] == b"RIFF" and len(content) + 1 < size < 2**31 - 2**16:
            return (container.duration or 0) / av.time_base * size / len(content)
    if name in ESTIMATED or container.duration is None:
        return 0.0
    return container.duration / av.time_base


def _mp3_index_seconds(content: bytes, rate: int) -> float:
    """Encoders write the number of frames into the first one, behind `Xing` or `Info`."""
    start = content[:200_000]
    for mark in (b"Xing\0\0\0", b"Info\0\0\0"):
        at = start.find(mark)
        if at >= 0 and start[at + 7] & 1 and rate:
            frames = int.from_bytes(start[at + 8 : at + 12], "big")
            return frames * (1152 if rate >= 32000 else 576) / rate
    return 0.0
