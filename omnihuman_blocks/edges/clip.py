"""A delivered file -> what decoding it to its end shows. A header alone is believed by nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from omnihuman_blocks.domain.checks import ClipFacts
from omnihuman_blocks.edges.likeness import likeness, waveform
from omnihuman_blocks.edges.sound import Source, open_media

DEMUXERS = "mov,matroska"
LOST_FRAMES = 2  # a decoder may keep back the first pictures of an open group
LOST_SHARE = 0.02
EXCERPT_BYTES = 40


@dataclass(kw_only=True)
class _Seen:
    """What was decoded so far."""

    packets: int = 0
    frames: int = 0
    corrupt: int = 0
    width: int = 0
    height: int = 0
    first: Fraction | None = None
    end: Fraction = Fraction(0)
    sound: Fraction = Fraction(0)
    error: str | None = None

    @property
    def picture(self) -> Fraction:
        return Fraction(0) if self.first is None else self.end - self.first

    def fail(self, error: av.FFmpegError) -> None:
        """The first failure is kept, with the place where it happened."""
        at = float(max(self.end, self.sound))
        self.error = self.error or f"{error.strerror}, {at:.2f} s from the beginning"


def clip_facts(path: Path, audio: Source) -> ClipFacts:
    """Decodes every picture and every sound, and holds the sound against the row's audio.

    Burns CPU, and lets other threads run meanwhile: call it in the bounded pool.
    """
    seen = _Seen()
    broken = _watch(path, seen)
    heard = waveform(path, DEMUXERS) if seen.sound else waveform(b"")
    return ClipFacts(
        size=path.stat().st_size,
        frames=seen.frames,
        width=seen.width,
        height=seen.height,
        video_seconds=_decimal(seen.picture),
        sound_seconds=_decimal(seen.sound),
        likeness=likeness(waveform(audio), heard),
        broken=broken,
    )


def _watch(path: Path, seen: _Seen) -> str | None:
    """Why the file is not whole, if it is not."""
    try:
        container = open_media(path, DEMUXERS)
    except (av.FFmpegError, ValueError):
        return f"it is no video (it begins with {_beginning(path)})"
    with container:
        tracks = [*container.streams.video[:1], *container.streams.audio[:1]]
        try:
            for packet in container.demux(tracks):
                _take(packet, seen)
        except av.FFmpegError as error:
            seen.fail(error)
    return seen.error or _lost_pictures(seen)


def _take(packet: av.Packet[Any], seen: _Seen) -> None:
    """Decodes one packet. A failure is noted, and what comes behind it is still looked at."""
    if isinstance(packet.stream, av.VideoStream):
        seen.packets += packet.size > 0 and not packet.is_discard
    try:
        frames: Sequence[object] = packet.decode()
    except av.FFmpegError as error:
        seen.fail(error)
        return
    for frame in frames:
        if isinstance(frame, av.VideoFrame):
            _see(frame, packet.stream, seen)
        elif isinstance(frame, av.AudioFrame):
            seen.sound += Fraction(frame.samples, frame.sample_rate)


def _see(frame: av.VideoFrame, stream: av.VideoStream, seen: _Seen) -> None:
    seen.frames += 1
    seen.corrupt += frame.is_corrupt
    seen.width, seen.height = frame.width, frame.height
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    start = seen.end
    if frame.pts is not None and frame.time_base is not None:
        start = frame.pts * frame.time_base
    seen.first = start if seen.first is None else min(seen.first, start)
    seen.end = max(seen.end, start + 1 / rate)


def _lost_pictures(seen: _Seen) -> str | None:
    lost = seen.packets - seen.frames + seen.corrupt
    if lost <= max(LOST_FRAMES, LOST_SHARE * seen.packets):
        return None
    return f"{lost} of {seen.packets} pictures cannot be decoded"


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(EXCERPT_BYTES)
    return repr(start.decode("ascii", errors="replace")) if start else "nothing: it is empty"


def _decimal(seconds: Fraction) -> Decimal:
    return round(Decimal(seconds.numerator) / seconds.denominator, 6)
