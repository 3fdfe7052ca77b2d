"""A video -> one picture that stands for it: not its first, not a black one, a little way in."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
from PIL import Image

from omnihuman_blocks.edges.clip import DEMUXERS
from omnihuman_blocks.edges.film import BLACK_BELOW, grid
from omnihuman_blocks.edges.sound import open_media

LONGEST_SIDE = 720
QUALITY = 82
SHARES = (0.12, 0.35, 0.6, 0.85, 0.0)
"""Where in the video a picture is looked for, one after the other."""
PLAIN = 6.0
"""A picture whose squares differ less than this shows nothing."""


def poster(video: Path) -> bytes:
    """The picture as JPEG. ValueError where the video has none."""
    best: tuple[float, av.VideoFrame] | None = None
    try:
        with open_media(video, DEMUXERS) as container:
            for share in SHARES:
                frame = _frame_at(container, share)
                if frame is None:
                    continue
                shown = _shows(frame)
                if best is None or shown > best[0]:
                    best = (shown, frame)
                if shown > PLAIN:
                    break
    except av.FFmpegError as error:
        raise ValueError(f"{video.name} cannot be decoded: {error.strerror}") from error
    if best is None:
        raise ValueError(f"{video.name} has no picture")
    return _jpeg(best[1])


def _frame_at(container: av.container.InputContainer, share: float) -> av.VideoFrame | None:
    """The first picture at or behind a moment: decoding begins at the key picture before it."""
    if not container.streams.video:
        return None
    stream, length = container.streams.video[0], container.duration
    at = 0.0 if length is None else share * length / av.time_base
    container.seek(int(at * av.time_base), backward=True)
    last = None
    for frame in container.decode(stream):
        last = frame
        if frame.pts is None or frame.time >= at:
            break
    return last


def _shows(frame: av.VideoFrame) -> float:
    """How much there is to see: how unlike its squares are; nothing in a black picture."""
    squares = grid(frame)
    return 0.0 if float(np.quantile(squares, 0.98)) < BLACK_BELOW else float(squares.std())


def _jpeg(frame: av.VideoFrame) -> bytes:
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.convert("RGB").save(file, "jpeg", quality=QUALITY, progressive=True)
    return file.getvalue()
