"""Clips that follow each other -> one video, without encoding anything again where they agree.

Packets are copied and given new times. A clip begins where the speech before it has ended: what a
vendor filled up behind it is left out, so that no pause grows between sentences and lengths add
up. Sound packets lie end to end on one grid, whatever encoders put before the first and behind the
last sound of a clip; sound and picture never part by more than half a packet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, TypeAlias, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from omnihuman_blocks.edges.recoding import RecodedPicture, RecodedSound
from omnihuman_blocks.edges.sound import open_media

DEMUXERS = "mov,matroska"
FORMATS = {".mp4": "mp4", ".mov": "mov", ".webm": "webm"}
Packet: TypeAlias = "av.Packet[Any]"
Timed: TypeAlias = tuple[Fraction, Packet]
"""A packet of the new file, and when it is decoded."""

PICTURES_DIFFER = "The pictures of its parts differ ({}), so they were encoded again."
SOUNDS_DIFFER = "The sound of its parts differs ({}), so it was encoded again."
TOO_QUIET = "Its parts have less sound than picture, so the sound was filled up and encoded again."
OUT_OF_ORDER = "The pictures of its parts cannot follow each other, so they were encoded again."


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A clip on our disk, and how long the audio is that it speaks."""

    path: Path
    seconds: Decimal


@dataclass(frozen=True, kw_only=True)
class Spliced:
    """Where each clip begins in the new file, and what could not just be copied."""

    starts: tuple[Fraction, ...]
    notes: tuple[str, ...] = ()


class Unfit(Exception):
    """Packets of these clips cannot stand in one stream."""

    def __init__(self, why: str, *, is_picture: bool) -> None:
        super().__init__(why)
        self.why, self.is_picture = why, is_picture


class Picture(Protocol):
    """The picture of the new file."""

    def add(
        self, packets: Sequence[Packet], start: Fraction, wanted: Fraction | None
    ) -> tuple[Fraction, list[Timed]]:
        """A clip from `start` on; ends near `wanted` where there is more of it. Where it ends."""
        ...

    def end(self) -> list[Timed]: ...


class Sound(Protocol):
    """The sound of the new file."""

    def add(
        self, packets: Sequence[Packet], start: Fraction, end: Fraction | None
    ) -> list[Timed]: ...

    def end(self) -> list[Timed]: ...


def splice(clips: Sequence[Clip], path: Path, suffix: str) -> Spliced:
    """Writes the video. `av.FFmpegError` and ValueError where the clips are no videos."""
    pictures, sounds = _differences(clips)
    notes = []
    if pictures:
        notes.append(PICTURES_DIFFER.format(", ".join(pictures)))
    if sounds:
        notes.append(SOUNDS_DIFFER.format(", ".join(sounds)))
    copied = Copied(picture=not pictures, sound=not sounds)
    while True:
        try:
            starts = _write(clips, path, suffix, copied)
        except Unfit as unfit:
            notes.append(unfit.why)
            copied = Copied(
                picture=copied.picture and not unfit.is_picture,
                sound=copied.sound and unfit.is_picture,
            )
        else:
            return Spliced(starts=tuple(starts), notes=tuple(notes))


@dataclass(frozen=True, kw_only=True)
class Copied:
    """Which of the streams are copied."""

    picture: bool
    sound: bool


def _write(clips: Sequence[Clip], path: Path, suffix: str, copied: Copied) -> list[Fraction]:
    options = {} if suffix == ".webm" else {"movflags": "+faststart"}
    starts, at, spoken = [], Fraction(0), Fraction(0)
    with av.open(str(path), "w", format=FORMATS[suffix], options=options) as output:
        with open_media(clips[0].path, DEMUXERS) as first:
            picture, sound = _streams(output, first, copied)
        for clip in clips:
            is_last = clip is clips[-1]
            spoken += Fraction(clip.seconds)
            starts.append(at)
            with open_media(clip.path, DEMUXERS) as container:
                tracks = [container.streams.video[0], container.streams.audio[0]]
                packets = list(container.demux(tracks))
                seen = [one for one in packets if isinstance(one.stream, av.VideoStream)]
                heard = [one for one in packets if isinstance(one.stream, av.AudioStream)]
                end, shown = picture.add(seen, at, None if is_last else spoken)
                said = sound.add(heard, at, None if is_last else end)
                _mux(output, [*shown, *said])
            at = end
        _mux(output, picture.end())
        _mux(output, sound.end())
    return starts


def _mux(output: OutputContainer, packets: list[Timed]) -> None:
    for _, packet in sorted(packets, key=lambda timed: timed[0]):
        output.mux(packet)


def _streams(
    output: OutputContainer, first: InputContainer, copied: Copied
) -> tuple[Picture, Sound]:
    video, audio = first.streams.video[0], first.streams.audio[0]
    picture: Picture = (
        CopiedPicture(output.add_stream_from_template(video), _tick(video))
        if copied.picture
        else RecodedPicture(output, video)
    )
    sound: Sound = (
        CopiedSound(output.add_stream_from_template(audio), audio)
        if copied.sound
        else RecodedSound(output, audio)
    )
    return picture, sound


def _differences(clips: Sequence[Clip]) -> tuple[list[str], list[str]]:
    """What keeps the pictures, and the sounds, from being copied into one stream."""
    seen: list[dict[str, object]] = []
    heard: list[dict[str, object]] = []
    for clip in clips:
        with open_media(clip.path, DEMUXERS) as container:
            if not container.streams.video or not container.streams.audio:
                raise ValueError(f"{clip.path.name} has not both picture and sound")
            seen.append(_looks(container.streams.video[0]))
            heard.append(_sounds(container.streams.audio[0]))
    return _named(seen), _named(heard)


def _named(facts: Sequence[dict[str, object]]) -> list[str]:
    return [name for name in facts[0] if any(one[name] != facts[0][name] for one in facts)]


def _looks(stream: VideoStream) -> dict[str, object]:
    context = stream.codec_context
    return {
        "codec": context.name,
        "size": (context.width, context.height),
        "pixels": context.pix_fmt,
        "encoder settings": context.extradata,
    }


def _sounds(stream: AudioStream) -> dict[str, object]:
    context = stream.codec_context
    return {
        "codec": context.name,
        "rate": context.sample_rate,
        "channels": context.layout.nb_channels,
        "encoder settings": context.extradata,
    }


# --- copies -----------------------------------------------------------------------------------


def _tick(stream: VideoStream | AudioStream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


@dataclass(kw_only=True)
class _Laid:
    """A stream of the new file, and where its last packet lies."""

    stream: Any
    tick: Fraction
    last: int | None = None

    def lay(self, packet: Packet, pts: Fraction, dts: Fraction) -> Timed:
        packet.stream = self.stream
        packet.time_base = self.tick
        packet.pts, packet.dts = round(pts / self.tick), round(dts / self.tick)
        if self.last is not None and packet.dts <= self.last:
            packet.dts = self.last + 1
        if packet.pts < packet.dts:
            raise Unfit(OUT_OF_ORDER, is_picture=True)
        self.last = packet.dts
        return packet.dts * self.tick, packet


class CopiedPicture:
    """Pictures as they are."""

    def __init__(self, stream: Any, tick: Fraction) -> None:
        self._laid = _Laid(stream=stream, tick=tick)

    def add(
        self, packets: Sequence[Packet], start: Fraction, wanted: Fraction | None
    ) -> tuple[Fraction, list[Timed]]:
        """Leaves out pictures behind `wanted`, as far as no picture before it needs them."""
        tick = _tick(packets[0].stream)
        shown = [one for one in packets if one.size and one.pts is not None]
        times = [cast("int", one.pts) * tick for one in shown]
        decoded = [tick * (time if one.dts is None else one.dts) for one, time in _zip(shown)]
        usual = _usual([tick * (one.duration or 0) for one in shown]) or Fraction(1, 25)
        length = max(times) + usual
        if wanted is not None:
            length, kept = _nearest_end(times, length, wanted - start)
            shown = shown[:kept]
        laid = [
            self._laid.lay(one, start + pts, start + dts)
            for one, pts, dts in zip(shown, times, decoded, strict=False)
        ]
        # A picture that is too short is held until the sound has caught up.
        is_short = wanted is not None and start + length < wanted - usual / 2
        return (wanted if is_short and wanted is not None else start + length), laid

    def end(self) -> list[Timed]:
        """Nothing waits."""
        return []


def _zip(packets: Sequence[Packet]) -> Iterator[tuple[Packet, int]]:
    return ((one, cast("int", one.pts)) for one in packets)


def _nearest_end(
    times: Sequence[Fraction], length: Fraction, wanted: Fraction
) -> tuple[Fraction, int]:
    """Where the clip may end so that all pictures that are kept can be decoded, and how many."""
    until = list(accumulate(times, max))
    after = list(accumulate(reversed(times), min))[::-1]
    ends = [(after[at], at) for at in range(1, len(times)) if until[at - 1] < after[at]]
    return min([*ends, (length, len(times))], key=lambda end: (abs(end[0] - wanted), -end[1]))


class CopiedSound:
    """Sound packets as they are, end to end; where a clip has less sound than picture, silence."""

    def __init__(self, stream: Any, template: AudioStream) -> None:
        self._laid = _Laid(stream=stream, tick=_tick(template))
        self._template = _Template.of(template)
        self._free: Fraction | None = None
        """Where the next packet goes."""

    def add(self, packets: Sequence[Packet], start: Fraction, end: Fraction | None) -> list[Timed]:
        tick = _tick(packets[0].stream)
        said = [one for one in packets if one.size and one.pts is not None]
        size = self._template.packet or _usual([tick * (one.duration or 0) for one in said])
        laid: list[Timed] = []
        for one in said:
            wanted = start + cast("int", one.pts) * tick
            if end is not None and wanted + size / 2 > end:
                break
            if self._free is None:
                self._free = wanted
            if self._free - wanted > size / 2:
                continue  # what comes before the sound of this clip, where the last one goes on
            laid += self._silence_until(wanted, size)
            laid.append(self._put(one, size))
        return laid

    def end(self) -> list[Timed]:
        """Nothing waits."""
        return []

    def _silence_until(self, wanted: Fraction, size: Fraction) -> list[Timed]:
        laid = []
        while self._free is not None and wanted - self._free > size / 2:
            laid.append(self._put(self._template.silence(), size))
        return laid

    def _put(self, packet: Packet, size: Fraction) -> Timed:
        at = self._free or Fraction(0)
        packet.duration = round(size / self._laid.tick)
        self._free = at + size
        return self._laid.lay(packet, at, at)


@dataclass(kw_only=True)
class _Template:
    """What a packet of silence must be like to lie among the others."""

    codec: str
    rate: int
    layout: str
    settings: bytes
    packet: Fraction | None
    _silent: bytes = field(default=b"")

    @classmethod
    def of(cls, stream: AudioStream) -> _Template:
        context = stream.codec_context
        samples = {"aac": 1024, "mp3": 1152}.get(context.name)
        return cls(
            codec={"opus": "libopus"}.get(context.name, context.name),
            rate=context.sample_rate,
            layout=context.layout.name,
            settings=bytes(context.extradata or b""),
            packet=None if samples is None else Fraction(samples, context.sample_rate),
        )

    def silence(self) -> Packet:
        """A packet of nothing, made once."""
        if not self._silent:
            self._silent = self._encode()
        packet = av.Packet(self._silent)
        packet.is_keyframe = True
        return cast("Packet", packet)

    def _encode(self) -> bytes:
        try:
            encoder = cast("Any", av.CodecContext.create(self.codec, "w"))
            encoder.sample_rate, encoder.layout = self.rate, self.layout
            encoder.format = "fltp" if self.codec == "aac" else "flt"
            encoder.open()
        except (av.FFmpegError, ValueError) as error:
            raise Unfit(TOO_QUIET, is_picture=False) from error
        if self.codec == "aac" and bytes(encoder.extradata or b"")[:2] != self.settings[:2]:
            raise Unfit(TOO_QUIET, is_picture=False)
        channels = encoder.layout.nb_channels
        shape = (
            (channels, encoder.frame_size)
            if self.codec == "aac"
            else (1, channels * encoder.frame_size)
        )
        frame = av.AudioFrame.from_ndarray(
            np.zeros(shape, dtype=np.float32), format=encoder.format.name, layout=self.layout
        )
        frame.sample_rate = self.rate
        made: list[bytes] = []
        for number in range(4):
            frame.pts = number * encoder.frame_size
            made += [bytes(packet) for packet in encoder.encode(frame)]
        return made[-1]


def _usual(durations: Sequence[Fraction]) -> Fraction:
    """The length of most packets; the last one is often cut."""
    return Counter(durations).most_common(1)[0][0]
