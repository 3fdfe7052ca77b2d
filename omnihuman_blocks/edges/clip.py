"""A delivered file -> what decoding it to its end shows. A header alone is believed by nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from omnihuman_blocks.domain.checks import ClipFacts
from omnihuman_blocks.edges.film import Film, longest
from omnihuman_blocks.edges.likeness import (
    RATE,
    Wave,
    compare,
    resampler,
    speech,
    spoken_within,
    waveform,
)
from omnihuman_blocks.edges.loudness import loudness
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
    film: Film = field(default_factory=Film)
    heard: list[NDArray[np.float32]] = field(default_factory=list)
    resampler: av.AudioResampler = field(default_factory=resampler)
    error: str | None = None

    @property
    def picture(self) -> Fraction:
        return Fraction(0) if self.first is None else self.end - self.first

    @property
    def wave(self) -> Wave:
        """All of the sound, as it is compared."""
        pieces = self.heard
        return np.concatenate(pieces).astype(np.float64) if pieces else np.zeros(0)

    def hear(self, frame: av.AudioFrame | None) -> None:
        """One more stretch of sound, or the end of it."""
        self.heard += [piece.to_ndarray()[0] for piece in self.resampler.resample(frame)]

    def fail(self, error: av.FFmpegError) -> None:
        """The first failure is kept, with the place where it happened."""
        at = float(max(self.end, self.sound))
        self.error = self.error or f"{error.strerror}, {at:.2f} s from the beginning"


def clip_facts(path: Path, audio: Source) -> ClipFacts:
    """Decodes every picture and every sound once, and holds them against the row's audio.

    Burns CPU, and lets other threads run meanwhile: call it in the bounded pool.
    """
    seen = _Seen()
    broken = _watch(path, seen)
    ours, theirs = waveform(audio), seen.wave
    compared, spoken = compare(ours, theirs), speech(ours)
    still = max((spoken_within(spoken, *stretch) for stretch in seen.film.still), default=0.0)
    return ClipFacts(
        size=path.stat().st_size,
        frames=seen.frames,
        width=seen.width,
        height=seen.height,
        video_seconds=_decimal(seen.picture),
        sound_seconds=_decimal(seen.sound),
        likeness=compared.likeness,
        strange_seconds=_rounded(compared.strange_seconds),
        silent_seconds=_rounded(compared.silent_seconds),
        frozen_seconds=_rounded(still),
        spoken_seconds=_rounded(spoken_within(spoken, 0.0, len(ours) / RATE)),
        black_seconds=_rounded(longest(seen.film.black)),
        loudness_lufs=_level(theirs),
        audio_lufs=_level(ours),
        broken=broken,
    )


def _level(wave: Wave) -> Decimal | None:
    level = loudness(wave, RATE)
    return None if level is None else _rounded(level)


def _rounded(number: float) -> Decimal:
    return round(Decimal(number), 2)


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
    seen.film.end(float(seen.picture))
    if seen.sound:
        seen.hear(None)
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
            seen.hear(frame)


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
    seen.film.see(frame, float(start - seen.first))


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
