"""The sound of a video -> where somebody speaks in it; captions -> a track inside the video."""

from __future__ import annotations

import shutil
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np

from omnihuman_blocks.domain.captions import Captions, directed
from omnihuman_blocks.domain.placing import PAUSE_MS, Span
from omnihuman_blocks.edges.clip import DEMUXERS
from omnihuman_blocks.edges.likeness import RATE, Wave, waveform
from omnihuman_blocks.edges.sound import open_media

FRAME_MS = 20
QUIET = 0.01
"""20 dB below what is usual is no speech."""
FLOOR = 4.0
"""Nor is what is hardly louder than the quietest tenth: a room has a sound of its own."""
LEAST_MS = 60
SUBTITLED = frozenset({".mp4", ".mov"})
"""Containers that take a text track of this kind."""


def spoken_in(video: Path) -> list[Span]:
    """The stretches of speech in milliseconds; none where nothing can be heard."""
    return spoken(waveform(video, DEMUXERS))


def spoken(wave: Wave) -> list[Span]:
    """The same of a sound."""
    size = RATE * FRAME_MS // 1000
    count = len(wave) // size
    if not count:
        return []
    powers = np.mean(wave[: count * size].reshape(count, size) ** 2, axis=1)
    usual, floor = float(np.mean(powers)), float(np.quantile(powers, 0.1))
    if usual <= 0:
        return []
    loud = powers > max(QUIET * usual, min(FLOOR * floor, usual / 4))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    found: list[Span] = []
    for first, last in (edges * FRAME_MS).reshape(-1, 2).tolist():
        if found and first - found[-1][1] < PAUSE_MS:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return [span for span in found if span[1] - span[0] >= LEAST_MS]


def write_subtitled(video: Path, captions: Captions, language: str, file: IO[bytes]) -> None:
    """The same video with its captions as a track that can be turned on: nothing is encoded anew.

    ValueError where FFmpeg cannot do that with this file.
    """
    with tempfile.TemporaryDirectory(prefix="omnihuman-captions-") as folder:
        path = Path(folder) / f"clip{video.suffix}"
        try:
            _remux(video, path, captions, language)
        except av.FFmpegError as error:
            raise ValueError(f"{video.name} takes no captions: {error.strerror}") from error
        with path.open("rb") as made:
            shutil.copyfileobj(made, file)


def _remux(video: Path, path: Path, captions: Captions, language: str) -> None:
    with (
        open_media(video, DEMUXERS) as source,
        av.open(str(path), "w", options={"movflags": "+faststart"}) as output,
    ):
        kept = [*source.streams.video[:1], *source.streams.audio[:1]]
        copies = {stream.index: output.add_stream_from_template(stream) for stream in kept}
        track = output.add_stream("mov_text")
        track.codec_context.subtitle_header = b"[Script Info]\n"
        track.metadata["language"] = language
        track.time_base = Fraction(1, 1000)
        for packet in source.demux(kept):
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                output.mux(packet)
        for packet in _texts(captions):
            packet.stream = track
            output.mux(packet)


def _texts(captions: Captions) -> list[av.Packet[Any]]:
    """Captions as MP4 keeps them, with nothing between two of them."""
    found, at = [], 0
    for cue in captions.cues:
        if cue.start_ms > at:
            found.append(_text("", at, cue.start_ms))
        found.append(_text("\n".join(directed(captions, cue)), cue.start_ms, cue.end_ms))
        at = cue.end_ms
    return found


def _text(text: str, start: int, end: int) -> av.Packet[Any]:
    content = text.encode()
    packet: av.Packet[Any] = av.Packet(len(content).to_bytes(2, "big") + content)
    packet.pts = packet.dts = start
    packet.duration = end - start
    packet.time_base = Fraction(1, 1000)
    return packet
