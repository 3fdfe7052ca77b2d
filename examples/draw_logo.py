# ruff: noqa: INP001 - a program beside the package
"""Draws the logo of the blocks: a head that speaks, as four vendors' four bars of sound.

    python examples/draw_logo.py

Drawn four times as large and scaled down, so that its edges are smooth.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

LOGO = Path(__file__).resolve().parent.parent / "docs" / "images" / "logo.png"
SIDE = 400
LARGER = 4
NIGHT, SKIN, SOUND = (24, 32, 58), (255, 206, 170), (92, 214, 196)
BARS = ((252, 60), (284, 112), (316, 84), (348, 40))
"""Where each bar of sound stands and how tall it is."""


def draw() -> Image.Image:
    """The logo, square, with round corners and nothing outside of them."""
    image = Image.new("RGBA", (SIDE * LARGER, SIDE * LARGER), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle(_large(0, 0, SIDE, SIDE), radius=72 * LARGER, fill=NIGHT)
    pen.pieslice(_large(40, 268, 232, 460), 180, 360, fill=SOUND)
    pen.ellipse(_large(66, 84, 206, 248), fill=SKIN)
    pen.ellipse(_large(150, 136, 168, 154), fill=NIGHT)
    pen.pieslice(_large(136, 172, 200, 224), 0, 180, fill=NIGHT)
    for left, height in BARS:
        bar = _large(left, 184 - height / 2, left + 16, 184 + height / 2)
        pen.rounded_rectangle(bar, radius=8 * LARGER, fill=SOUND)
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _large(*edges: float) -> tuple[float, ...]:
    return tuple(edge * LARGER for edge in edges)


if __name__ == "__main__":
    LOGO.parent.mkdir(parents=True, exist_ok=True)
    draw().save(LOGO, optimize=True)
    print(f"{LOGO}: {LOGO.stat().st_size:,} bytes")  # noqa: T201 - it reports
