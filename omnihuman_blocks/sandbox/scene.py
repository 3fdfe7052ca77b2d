"""A still portrait and a voice's loudness -> the frames of a preview video.

The camera pushes in slowly, the portrait nods with the voice, and a row of bars shows the voice
itself, so that a person sees at a glance which audio a video was made from. A mark says PREVIEW.

Everything is drawn on the planes that video is made of (brightness, and two of colour at half the
size): that halves the work of the camera and leaves nothing to be converted for each frame.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

Planes = tuple[Image.Image, Image.Image, Image.Image]
"""Brightness, blueness and redness as video stores them; the latter two at half the size."""
Sound = NDArray[np.float32]
"""Channels by samples, between -1 and 1."""

UNREADABLE = (  # what Pillow raises for files that are no images, or not whole
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
MOST_PIXELS = 80_000_000
LONGEST_SIDE = 1920
BACKDROP = (214, 219, 228)
FACE_AT = (0.5, 0.42)  # where a portrait's face usually is: the camera goes there
PUSH_IN = 0.07
NOD = 0.011
BARS = 23
LAG_SECONDS = 0.045  # how much later the voice reaches the next bar
GRAIN = 0.82 + 0.18 * np.cos(np.arange(BARS) * 2.4)  # neighbours differ, as a voice's bands do
SHADE = 0.62
ACCENT = (122, 221, 255)
NIGHT = (30, 133, 125)  # (12, 16, 28) as video stores it


@dataclass(frozen=True, kw_only=True)
class Look:
    """How much care goes into a video."""

    longest_side: int | None
    """None: the size follows the resolution that was asked for."""
    frames_per_second: int
    drawn_larger: int
    """Marks and bars are drawn this many times larger and scaled down, for smooth edges."""
    filter: Image.Resampling


LOOKS: dict[Literal["fast", "preview", "full"], Look] = {
    "preview": Look(
        longest_side=640,
        frames_per_second=15,
        drawn_larger=2,
        filter=Image.Resampling.BILINEAR,
    ),
    "fast": Look(
        longest_side=256,
        frames_per_second=8,
        drawn_larger=1,
        filter=Image.Resampling.BILINEAR,
    ),
    "full": Look(
        longest_side=None,
        frames_per_second=25,
        drawn_larger=2,
        filter=Image.Resampling.BICUBIC,
    ),
}


def open_image(content: bytes) -> Image.Image:
    """The header of an image, read; ValueError where it is none or is too large."""
    try:
        image = Image.open(io.BytesIO(content))
    except UNREADABLE as error:
        raise ValueError(f"not an image that can be read: {error}") from error
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"the image has {image.width}x{image.height} pixels, too many to draw")
    return image


def frame_size(image: tuple[int, int], shorter_side: int, look: Look) -> tuple[int, int]:
    """Even sides in the image's proportions, none longer than a screen."""
    short, long = sorted(image)
    scale = min(shorter_side / short, LONGEST_SIDE / long)
    if look.longest_side is not None:
        scale = look.longest_side / long
    width, height = (max(16, 2 * round(side * scale / 2)) for side in image)
    return width, height


def _shorter_side(resolution: str) -> int:
    """`720p` means that the shorter side has 720 pixels."""
    found = re.fullmatch(r"(\d{3,4})p?", resolution.strip().lower())
    if found is None:
        raise ValueError(f"the resolution {resolution!r} is not of the form 720p")
    return min(max(int(found[1]), 144), 1080)


def loudness(sound: Sound, rate: int, frames: int, frames_per_second: int) -> NDArray[np.float64]:
    """How loud the voice is at each frame, 0 to 1, against its own loudest moments."""
    mono = sound.mean(axis=0, dtype=np.float64)
    edges = np.arange(frames + 1) * rate // frames_per_second
    powers = np.concatenate([[0.0], np.cumsum(mono**2)])[np.minimum(edges, len(mono))]
    heard = np.sqrt(np.diff(powers) * frames_per_second / rate)
    loudest = float(np.quantile(heard, 0.95)) if len(heard) else 0.0
    if loudest < 1e-4:
        return np.zeros(frames)
    level = np.minimum(heard / loudest, 1.0) ** 0.7
    for at in range(1, frames):  # falls more slowly than it rises, as a needle does
        level[at] = max(level[at], level[at - 1] * 0.5 ** (6 / frames_per_second))
    return np.asarray(level, dtype=np.float64)


class Scene:
    """Draws one video, frame by frame."""

    def __init__(
        self,
        *,
        image: bytes,
        mask: bytes | None,
        resolution: str,
        look: Look,
    ) -> None:
        shorter_side = _shorter_side(resolution)
        opened = open_image(image)
        try:
            self.size = frame_size(_upright_size(opened), shorter_side, look)
            self._portrait = _planes(_portrait(opened, mask, self.size))
        except UNREADABLE as error:
            raise ValueError(f"the image cannot be decoded: {error}") from error
        self._look = look
        self._unit = min(self.size) / 100
        self._margin = _even(4 * self._unit)
        self._shadow = _shadow(self.size)
        mark = _mark(self._unit, look.drawn_larger)
        self._mark, self._mark_shape = _planes(mark.convert("RGB")), mark.getchannel("A")
        self._inks = _planes(_inks(self._unit))

    def draw(self, at: int, level: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The frame number `at` of `len(level)`, as the planes of yuv420p one below the other."""
        frame = self._through_the_camera(at / max(1, len(level) - 1), float(level[at]))
        width, height = self.size
        _stamp(frame, NIGHT, (0, height - self._shadow.height), self._shadow)
        _stamp(frame, self._mark, (self._margin, self._margin), self._mark_shape)
        bars = self._bars(at, level)
        corner = (_even((width - bars.width) / 2), height - bars.height - self._margin)
        _stamp(frame, self._inks, corner, bars)
        pixels = b"".join(plane.tobytes() for plane in frame)
        return np.frombuffer(pixels, dtype=np.uint8).reshape(height * 3 // 2, width)

    def _through_the_camera(self, progress: float, level: float) -> Planes:
        """The portrait, nearer as time goes on, nodding as the voice rises."""
        eased = progress * progress * (3 - 2 * progress)
        nearness = 1 + PUSH_IN * eased + NOD * level
        width, height = 1 / nearness, 1 / nearness
        left = (1 - width) * FACE_AT[0]
        top = max(0.0, (1 - height) * FACE_AT[1] - NOD / 3 * level)
        view = (left, top, left + width, min(top + height, 1.0))
        brightness, blueness, redness = self._portrait
        return (
            _seen(brightness, view, self.size, self._look.filter),
            _seen(blueness, view, _half(self.size), Image.Resampling.BILINEAR),
            _seen(redness, view, _half(self.size), Image.Resampling.BILINEAR),
        )

    def _bars(self, at: int, level: NDArray[np.float64]) -> Image.Image:
        """The voice now in the middle, and what it was a moment ago towards both ends."""
        larger = self._look.drawn_larger
        thick, pitch, high = (measure * self._unit * larger for measure in (1.1, 2.0, 11.0))
        width, height = self._inks[0].size
        shape = Image.new("L", (width * larger, height * larger))
        pen = ImageDraw.Draw(shape)
        away = np.abs(np.arange(BARS) - BARS // 2)
        then = at - away * self._look.frames_per_second * LAG_SECONDS
        heard = np.interp(then, np.arange(len(level)), level, left=0.0)
        halves = np.maximum(thick, high * heard * (1 - away / BARS) * GRAIN) / 2
        for bar, half in enumerate(halves.tolist()):
            left = bar * pitch + (pitch - thick) / 2
            pen.rounded_rectangle(
                (left, high / 2 - half, left + thick, high / 2 + half),
                radius=thick / 2,
                fill=round(245 * (1 - 0.7 * _fade(bar))),
            )
        return shape if larger == 1 else shape.reduce(larger)


def _fade(bar: int) -> float:
    """0 in the middle, towards 1 at both ends."""
    return abs(bar - BARS // 2) / (BARS // 2 + 1)


def _inks(unit: float) -> Image.Image:
    """The colour of every bar, as a strip that the bars are cut out of."""
    pitch, high = 2.0 * unit, 11.0 * unit
    strip = Image.new("RGB", (_even(BARS * pitch), _even(high)))
    pen = ImageDraw.Draw(strip)
    for bar in range(BARS):
        ink = tuple(round(part + (255 - part) * _fade(bar)) for part in ACCENT)
        pen.rectangle((bar * pitch, 0, (bar + 1) * pitch, high), fill=ink)
    return strip


def _even(measure: float) -> int:
    """The nearest even number of pixels: colour is stored for two by two."""
    return max(2, 2 * round(measure / 2))


def _half(size: tuple[int, int]) -> tuple[int, int]:
    return size[0] // 2, size[1] // 2


def _planes(image: Image.Image) -> Planes:
    """An RGB image of even sides in the colours and the range of BT.601 video."""
    brightness, blueness, redness = image.convert("YCbCr").split()
    return (
        brightness.point(lambda value: 16 + value * 219 / 255),
        blueness.reduce(2).point(lambda value: 128 + (value - 128) * 224 / 255),
        redness.reduce(2).point(lambda value: 128 + (value - 128) * 224 / 255),
    )


def _seen(
    plane: Image.Image,
    view: tuple[float, float, float, float],
    size: tuple[int, int],
    resampling: Image.Resampling,
) -> Image.Image:
    width, height = plane.size
    box = (view[0] * width, view[1] * height, view[2] * width, view[3] * height)
    return plane.resize(size, resampling, box=box)


def _stamp(
    frame: Planes,
    ink: Planes | tuple[int, int, int],
    corner: tuple[int, int],
    shape: Image.Image,
) -> None:
    """Lays ink onto a frame where the shape is bright; corner and shape have even measures."""
    shapes = (shape, coarse := shape.reduce(2), coarse)
    for number, (cut, step) in enumerate(zip(shapes, (1, 2, 2), strict=True)):
        left, top = corner[0] // step, corner[1] // step
        frame[number].paste(ink[number], (left, top, left + cut.width, top + cut.height), cut)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else image.size


def _portrait(image: Image.Image, mask: bytes | None, size: tuple[int, int]) -> Image.Image:
    """The image upright, opaque, a little larger than the frame so that the push-in stays sharp."""
    larger = tuple(_even(side * (1 + PUSH_IN)) for side in size)
    if image.format == "JPEG":
        image.draft("RGB", (max(larger), max(larger)))
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "P" or "A" in upright.getbands():
        see_through = upright.convert("RGBA")
        upright = Image.new("RGBA", see_through.size, (*BACKDROP, 255))
        upright.alpha_composite(see_through)
    portrait = upright.convert("RGB").resize(
        (larger[0], larger[1]), Image.Resampling.LANCZOS, reducing_gap=2.0
    )
    return portrait if mask is None else _spotlight(portrait, mask)


def _spotlight(portrait: Image.Image, mask: bytes) -> Image.Image:
    """Whoever stands outside the mask stands in the dark: the mask says who speaks."""
    light = open_image(mask).convert("L").resize(portrait.size)
    light = light.filter(ImageFilter.GaussianBlur(min(portrait.size) / 60))
    return Image.composite(portrait, portrait.point(lambda value: value * 0.45), light)


def _shadow(size: tuple[int, int]) -> Image.Image:
    """Darkness that rises from the lower edge, so that the bars can be seen on any picture."""
    height = _even(size[1] / 4)
    column = (np.linspace(0.0, 1.0, height) ** 1.6 * SHADE * 255).astype(np.uint8)
    return Image.fromarray(np.repeat(column[:, None], size[0], axis=1))


def _mark(unit: float, larger: int) -> Image.Image:
    """A small pill that says PREVIEW."""
    scale = unit * larger
    font = ImageFont.load_default(size=3.1 * scale)
    text = "PREVIEW"
    advance = [font.getlength(letter) + 0.45 * scale for letter in text]
    width = larger * _even((sum(advance) + 5.5 * scale) / larger)
    height = larger * _even(5.6 * unit)
    image = Image.new("RGBA", (width, height), (12, 16, 28, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((0, 0, width - 1, height - 1), radius=height / 2, fill=(12, 16, 28, 150))
    pen.ellipse(
        (1.9 * scale, height / 2 - 0.6 * scale, 3.1 * scale, height / 2 + 0.6 * scale),
        fill=(*ACCENT, 255),
    )
    left = 4.0 * scale
    for letter, step in zip(text, advance, strict=True):
        pen.text((left, height / 2), letter, font=font, fill=(255, 255, 255, 240), anchor="lm")
        left += step
    return image.resize((image.width // larger, image.height // larger), Image.Resampling.BOX)
