"""Clips that cannot stand in one stream as they are -> pictures and sound encoded again.

The first clip says how large and how fast: the others are brought to its size and its rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Literal, TypeAlias, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

Packet: TypeAlias = "av.Packet[Any]"
Timed: TypeAlias = tuple[Fraction, Packet]

TICK = Fraction(1, 90_000)
PICTURES = {
    "webm": ("libvpx-vp9", {"crf": "28", "deadline": "good", "cpu-used": "4"}),
    "mp4": ("libx264", {"crf": "18", "preset": "medium"}),
}
BIT_RATE = 192_000
OPUS_RATE = 48_000


class RecodedPicture:
    """Pictures that are decoded, brought to one size and encoded again."""

    def __init__(self, output: OutputContainer, template: VideoStream) -> None:
        codec, options = PICTURES["webm" if output.format.name == "webm" else "mp4"]
        rate = template.average_rate or Fraction(25)
        self._frame = 1 / rate
        self._stream = cast("VideoStream", output.add_stream(codec, rate=rate, options=options))
        self._stream.width = template.codec_context.width
        self._stream.height = template.codec_context.height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TICK

    def add(
        self, packets: Sequence[Packet], start: Fraction, wanted: Fraction | None
    ) -> tuple[Fraction, list[Timed]]:
        """Every picture up to `wanted`; the last one is held where there are too few."""
        made: list[Timed] = []
        length = Fraction(0)
        for packet in packets:
            for frame in cast("Sequence[av.VideoFrame]", packet.decode()):
                at = (frame.pts or 0) * (frame.time_base or TICK)
                if wanted is not None and start + at + self._frame / 2 > wanted:
                    continue
                length = max(length, at + self._frame)
                made += self._encode(frame, start + at)
        end = start + length
        if wanted is not None and end < wanted - self._frame / 2:
            end = wanted
        return end, made

    def end(self) -> list[Timed]:
        """What the encoder has kept back."""
        return [_timed(packet) for packet in self._stream.encode(None)]

    def _encode(self, frame: av.VideoFrame, at: Fraction) -> list[Timed]:
        fitting = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
        fitting.time_base, fitting.pts = TICK, round(at / TICK)
        fitting.pict_type = cast("Any", 0)
        return [_timed(packet) for packet in self._stream.encode(fitting)]


class RecodedSound:
    """Sound that is decoded, laid end to end sample by sample, and encoded again."""

    def __init__(self, output: OutputContainer, template: AudioStream) -> None:
        is_opus = output.format.name == "webm"
        self._rate = OPUS_RATE if is_opus else template.codec_context.sample_rate
        self._layout = "mono" if template.codec_context.layout.nb_channels == 1 else "stereo"
        codec: Literal["libopus", "aac"] = "libopus" if is_opus else "aac"
        self._stream = output.add_stream(codec, rate=self._rate, layout=self._layout)
        self._stream.bit_rate = BIT_RATE
        self._at = 0

    def add(self, packets: Sequence[Packet], start: Fraction, end: Fraction | None) -> list[Timed]:
        """The sound of a clip between `start` and `end`, filled up with silence."""
        samples = self._decoded(packets)
        first = round(start * self._rate)
        if first > self._at:
            silence = np.zeros((samples.shape[0], first - self._at), dtype=np.float32)
            samples = np.concatenate([silence, samples], axis=1)
        else:
            samples = samples[:, self._at - first :]
        if end is not None:
            wanted = round(end * self._rate) - self._at
            lacking = max(0, wanted - samples.shape[1])
            samples = np.pad(samples[:, :wanted], ((0, 0), (0, lacking)))
        if not samples.shape[1]:
            return []
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout=self._layout
        )
        frame.sample_rate, frame.pts = self._rate, self._at
        frame.time_base = Fraction(1, self._rate)
        self._at += samples.shape[1]
        return [_timed(packet) for packet in self._stream.encode(frame)]

    def end(self) -> list[Timed]:
        """What the encoder has kept back."""
        return [_timed(packet) for packet in self._stream.encode(None)]

    def _decoded(self, packets: Sequence[Packet]) -> NDArray[np.float32]:
        resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
        pieces = [
            piece.to_ndarray()
            for packet in packets
            for frame in cast("Sequence[av.AudioFrame]", packet.decode())
            for piece in resampler.resample(frame)
        ]
        pieces += [piece.to_ndarray() for piece in resampler.resample(None)]
        channels = 1 if self._layout == "mono" else 2
        empty = np.zeros((channels, 0), dtype=np.float32)
        return np.asarray(np.concatenate([empty, *pieces], axis=1), dtype=np.float32)


def _timed(packet: Packet) -> Timed:
    return (packet.dts or 0) * (packet.time_base or TICK), packet
