"""The bytes of an image -> its format and its sides, after every pixel was decoded once."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image

MOST_PIXELS = 80_000_000
UNREADABLE = (  # what Pillow raises for files that are no images, or not whole
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    struct.error,
)
FORMATS = {"mpo": "jpeg"}
"""Some telephones and cameras write JPEGs with a second picture behind the first."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What decoding an image has shown. The sides are those of the stored pixels."""

    format: str
    width: int
    height: int


def look(content: bytes) -> Picture:
    """Decodes the image. ValueError with a plain reason where that is not possible."""
    image = _opened(content)
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(_too_large(f"{image.width:,} x {image.height:,}"))
    name = (image.format or "unknown").lower()
    picture = Picture(format=FORMATS.get(name, name), width=image.width, height=image.height)
    if name in ("jpeg", "mpo"):
        image.draft("L", (image.width // 8, image.height // 8))  # reads all, computes an eighth
    try:
        image.load()
    except UNREADABLE as error:
        raise ValueError(f"it is damaged or cut off ({error})") from error
    return picture


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(_too_large("far too many")) from error
    except UNREADABLE as error:
        raise ValueError("it is no image that can be read") from error


def _too_large(size: str) -> str:
    return f"it has {size} pixels, and at most {MOST_PIXELS // 1_000_000} million are read"
