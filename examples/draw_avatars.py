# ruff: noqa: INP001 - a program beside the package
"""Draws the demo's avatars: invented people, so that nobody's likeness is used.

    python examples/draw_avatars.py

Everything is made of closed curves through a few points on a canvas of 768 x 1024, drawn three
times as large and scaled down. The pictures ship in the package; run this only to change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

AVATARS = Path(__file__).resolve().parent.parent / "omnihuman_blocks" / "demo" / "avatars"
WIDTH, HEIGHT = 768, 1024
MIDDLE = WIDTH / 2
LARGER = 3

Point = tuple[float, float]
Colour = tuple[int, int, int]
SIDES = (-1, 1)


@dataclass(frozen=True, kw_only=True)
class Person:
    """What tells one avatar from another."""

    backdrop: tuple[Colour, Colour]
    skin: Colour
    hair: Colour
    clothes: Colour
    collar: Colour
    lips: Colour
    eyes: Colour
    look: str


PEOPLE = {
    "mira": Person(
        backdrop=((255, 226, 205), (247, 178, 150)),
        skin=(176, 116, 80),
        hair=(46, 30, 34),
        clothes=(20, 108, 116),
        collar=(250, 244, 236),
        lips=(168, 62, 66),
        eyes=(62, 38, 28),
        look="bob",
    ),
    "jonas": Person(
        backdrop=((214, 238, 228), (141, 199, 183)),
        skin=(242, 201, 172),
        hair=(138, 82, 46),
        clothes=(42, 58, 104),
        collar=(236, 240, 246),
        lips=(190, 98, 90),
        eyes=(70, 104, 128),
        look="beard",
    ),
    "amal": Person(
        backdrop=((226, 222, 246), (168, 156, 220)),
        skin=(224, 172, 132),
        hair=(126, 62, 122),
        clothes=(74, 52, 108),
        collar=(126, 62, 122),
        lips=(182, 74, 84),
        eyes=(66, 46, 34),
        look="scarf",
    ),
}


def path(text: str, at: Point = (0, 0), side: int = 1) -> list[Point]:
    """Points written as `x,y x,y`, moved to a place and turned over where the side is -1."""
    pairs = (pair.split(",") for pair in text.split())
    return [(at[0] + side * float(x), at[1] + float(y)) for x, y in pairs]


def both(text: str) -> list[Point]:
    """The right half of something, downwards, and its mirror image back up."""
    points = path(text)
    return points + [(WIDTH - x, y) for x, y in reversed(points) if x != MIDDLE]


def ring(at: Point, radii: Point) -> list[Point]:
    """An ellipse."""
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    around = zip(at[0] + radii[0] * np.cos(angle), at[1] + radii[1] * np.sin(angle), strict=True)
    return [(float(x), float(y)) for x, y in around]


def shade(colour: Colour, amount: float) -> Colour:
    """Towards black below zero, towards white above."""
    target = 255 if amount > 0 else 0
    red, green, blue = (round(part + (target - part) * abs(amount)) for part in colour)
    return red, green, blue


def curve(points: list[Point], steps: int = 24) -> list[Point]:
    """A closed Catmull-Rom curve through the points."""
    corners = np.array(points, dtype=float)
    before, after = np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0)
    beyond = np.roll(corners, -2, axis=0)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    path = 0.5 * (
        2 * corners
        + (after - before) * t
        + (2 * before - 5 * corners + 4 * after - beyond) * t**2
        + (3 * corners - before - 3 * after + beyond) * t**3
    )
    return [(float(x), float(y)) for x, y in path.transpose(1, 0, 2).reshape(-1, 2)]


class Canvas:
    """A picture that is drawn larger than it will be."""

    def __init__(self, top: Colour, bottom: Colour) -> None:
        share = np.linspace(0, 1, HEIGHT * LARGER)[:, None, None]
        column = np.array(top) * (1 - share) + np.array(bottom) * share
        self.image = Image.fromarray(np.repeat(column.astype(np.uint8), WIDTH * LARGER, axis=1))

    def fill(
        self, points: list[Point], colour: Colour, opacity: float = 1.0, soft: float = 0
    ) -> None:
        """A closed curve, filled."""
        self.lay(_blurred(self.shape(points), soft), colour, opacity)

    def inside(
        self,
        outline: list[Point],
        points: list[Point],
        colour: Colour,
        opacity: float = 1.0,
        soft: float = 0,
    ) -> None:
        """A curve of which only the part within an outline is seen."""
        cut = ImageChops.multiply(_blurred(self.shape(points), soft), self.shape(outline))
        self.lay(cut, colour, opacity)

    def between(
        self, outer: list[Point], inner: list[Point], colour: Colour, opacity: float = 1.0
    ) -> None:
        """A curve with a hole in it."""
        self.lay(ImageChops.subtract(self.shape(outer), self.shape(inner)), colour, opacity)

    def line(self, points: list[Point], colour: Colour, thick: float) -> None:
        """An open curve with round ends."""
        pen = ImageDraw.Draw(self.image)
        for x, y in curve([points[0], *points, points[-1]], 120)[120:-240]:
            sides = (x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2)
            pen.ellipse([LARGER * side for side in sides], fill=colour)

    def shape(self, points: list[Point]) -> Image.Image:
        """A closed curve as a mask."""
        mask = Image.new("L", self.image.size)
        corners = [(x * LARGER, y * LARGER) for x, y in curve(points)]
        ImageDraw.Draw(mask).polygon(corners, fill=255)
        return mask

    def lay(self, mask: Image.Image, colour: Colour, opacity: float) -> None:
        """Colour where the mask is bright."""
        self.image.paste(colour, (0, 0), mask.point(lambda value: value * opacity))

    def save(self, target: Path) -> None:
        """As it will be shown."""
        small = self.image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        small.save(target, "jpeg", quality=88, optimize=True)


def _blurred(mask: Image.Image, soft: float) -> Image.Image:
    return mask.filter(ImageFilter.GaussianBlur(soft * LARGER)) if soft else mask


FACE = both("384,214 470,232 528,300 540,400 526,490 484,566 424,612 384,618")
NECK = both("384,540 448,560 452,650 470,720 384,800")
NECKLINE = both("384,540 448,560 452,650 456,716 420,772 384,790")
CHIN_SHADOW = both("384,560 470,570 450,650 384,672")
SHOULDERS = both("384,706 468,716 560,752 650,800 712,880 736,1060 384,1080")


def draw(person: Person) -> Canvas:
    """From the back to the front."""
    canvas = Canvas(*person.backdrop)
    canvas.fill(ring((384, 470), (330, 330)), shade(person.backdrop[0], 0.45), 0.55)
    hair_behind(canvas, person)
    body(canvas, person)
    if person.look == "beard":
        ears(canvas, person)
    face(canvas, person)
    if person.look == "beard":
        beard(canvas, person)
    for side in SIDES:
        eye(canvas, person, side)
    nose(canvas, person)
    mouth(canvas, person)
    hair_in_front(canvas, person)
    if person.look == "beard":
        glasses(canvas)
    return canvas


def body(canvas: Canvas, person: Person) -> None:
    canvas.fill(SHOULDERS, person.clothes)
    middle = both("384,760 520,900 560,1080 384,1090")
    canvas.inside(SHOULDERS, middle, shade(person.clothes, -0.3), 0.35, 40)
    neck = NECK
    if person.look == "bob":
        neck = NECKLINE
        canvas.fill(both("384,760 446,726 468,800 384,1010"), person.collar)
    canvas.fill(neck, shade(person.skin, -0.08))
    canvas.inside(neck, CHIN_SHADOW, shade(person.skin, -0.45), 0.45, 16)
    lapel = "74,710 116,740 130,800 94,850 46,950 6,1050 14,960 56,850 72,780"
    flap = "0,800 20,770 74,704 108,728 86,790 46,842"
    for side in SIDES:
        if person.look == "bob":
            canvas.fill(path(lapel, (MIDDLE, 0), side), shade(person.clothes, 0.14))
        elif person.look == "beard":
            canvas.fill(path(flap, (MIDDLE, 0), side), person.collar)


def ears(canvas: Canvas, person: Person) -> None:
    for side in SIDES:
        canvas.fill(ring((384 + side * 158, 424), (26, 44)), shade(person.skin, -0.06))
        canvas.fill(ring((384 + side * 160, 426), (13, 26)), shade(person.skin, -0.25), 0.6)


def face(canvas: Canvas, person: Person) -> None:
    canvas.fill(FACE, person.skin)
    left = path("230,180 300,420 330,640 180,660")
    canvas.inside(FACE, left, shade(person.skin, -0.35), 0.22, 26)
    below = both("384,566 450,570 500,640 384,680")
    canvas.inside(FACE, below, shade(person.skin, -0.4), 0.25, 18)
    for x in (300, 468):
        canvas.fill(ring((x, 470), (46, 30)), person.lips, 0.2, 14)


def eye(canvas: Canvas, person: Person, side: int) -> None:
    at = (384 + side * 76, 404)
    white = path("-40,4 -20,-20 8,-24 34,-8 40,4 18,20 -14,20", at, side)
    canvas.fill(white, (252, 250, 247))
    canvas.inside(white, ring((at[0], at[1] - 1), (21, 21)), person.eyes)
    canvas.inside(white, ring((at[0], at[1] - 1), (10, 10)), (18, 14, 16))
    canvas.fill(ring((at[0] + 7, at[1] - 9), (6, 6)), (255, 255, 255))
    shadow = path("-60,-40 60,-40 50,-14 0,-20 -50,-14", at)
    canvas.inside(white, shadow, shade(person.skin, -0.6), 0.3, 4)
    is_bearded = person.look == "beard"
    lashes = path("-42,5 -22,-19 8,-24 34,-9 46,-2", at, side)
    canvas.line(lashes, (42, 28, 30), 5 if is_bearded else 7)
    brow = path("-44,-54 -8,-68 30,-64 54,-48", at, side)
    dark = shade(person.hair, -0.1) if is_bearded else (52, 34, 38)
    canvas.line(brow, dark, 13 if is_bearded else 9)


def nose(canvas: Canvas, person: Person) -> None:
    dark = shade(person.skin, -0.32)
    bridge = path("384,410 396,470 414,500 398,516 370,516 352,500 376,470")
    canvas.fill(bridge, dark, 0.16, 5)
    canvas.line(path("356,506 368,516 384,519 400,516 412,506"), dark, 5)
    canvas.fill(ring((388, 486), (8, 16)), shade(person.skin, 0.5), 0.35, 5)


def mouth(canvas: Canvas, person: Person) -> None:
    """Open a little, with teeth: somebody who is about to speak."""
    opening = both("384,548 410,546 440,542 424,568 384,584")
    canvas.fill(both("384,543 400,537 446,538 432,570 404,590 384,594"), person.lips)
    canvas.fill(opening, (86, 28, 36))
    canvas.inside(opening, both("384,540 450,536 420,560 384,563"), (253, 250, 246))
    canvas.inside(opening, both("384,570 410,572 410,592 384,594"), (206, 104, 108), 0.9)
    for side in SIDES:
        corner = path("58,530 64,538 63,546", (MIDDLE, 0), side)
        canvas.line(corner, shade(person.skin, -0.3), 4)


def hair_behind(canvas: Canvas, person: Person) -> None:
    if person.look == "bob":
        falls = "384,132 500,146 584,236 604,380 606,520 592,640 540,690 470,668 384,640"
        canvas.fill(both(falls), shade(person.hair, -0.25))
    elif person.look == "scarf":
        falls = "384,130 500,150 580,250 592,420 578,560 620,700 660,800 384,860"
        canvas.fill(both(falls), shade(person.hair, -0.22))


def hair_in_front(canvas: Canvas, person: Person) -> None:
    if person.look == "bob":
        bob(canvas, person)
    elif person.look == "beard":
        crop(canvas, person)
    else:
        scarf(canvas, person)


def bob(canvas: Canvas, person: Person) -> None:
    left = "250,470 222,560 206,460 200,330 232,212 310,148 400,134 346,200 290,262 256,350"
    canvas.fill(path(left), person.hair)
    right = (
        "392,132 480,144 556,214 576,330 570,470 550,566 524,480 520,370 498,290 440,232 376,190"
    )
    canvas.fill(path(right), person.hair)
    bright = shade(person.hair, 0.25)
    canvas.fill(path("376,138 470,150 540,230 556,320 500,250 430,190"), bright, 0.5, 8)
    canvas.fill(path("228,330 250,240 310,178 270,270 240,400"), bright, 0.35, 8)
    for side in SIDES:
        canvas.fill(ring((384 + side * 150, 506), (9, 9)), (240, 196, 92))


def crop(canvas: Canvas, person: Person) -> None:
    outer = "232,372 214,290 236,196 310,140 410,124 498,150 552,226 548,330 536,372"
    inner = "522,300 488,254 420,246 350,262 280,252 250,300"
    canvas.fill(path(f"{outer} {inner}"), person.hair)
    shine = path("276,206 340,160 430,146 500,184 440,176 350,196")
    canvas.fill(shine, shade(person.hair, 0.3), 0.55, 8)


def scarf(canvas: Canvas, person: Person) -> None:
    """A headscarf: a band around the face, and its folds below the chin."""
    outer = both("384,126 496,146 572,244 588,400 570,540 520,650 440,712 384,720")
    hem = both("384,226 460,240 518,304 534,400 522,494 480,572 428,618 384,626")
    hole = both("384,236 452,250 508,310 522,400 510,488 472,560 424,604 384,612")
    canvas.between(outer, hole, person.hair)
    canvas.between(hem, hole, shade(person.hair, -0.35), 0.6)
    drape = (
        "300,664 384,700 480,660 566,600 600,700 548,800 430,870 330,850 236,780 196,690 226,610"
    )
    canvas.fill(path(drape), person.hair)
    folds = (
        "214,640 290,740 420,800 540,770",
        "560,620 500,700 400,742 300,720",
        "240,780 330,826 440,842",
    )
    for fold in folds:
        canvas.line(path(fold), shade(person.hair, -0.22), 6)
    shine = path("300,170 384,148 470,168 520,220 440,196 340,198")
    canvas.fill(shine, shade(person.hair, 0.35), 0.35, 10)


def beard(canvas: Canvas, person: Person) -> None:
    head = both("384,214 480,232 536,300 546,400 536,500 494,588 430,636 384,642")
    cheeks = both("384,532 430,520 470,528 500,470 530,420 534,500 500,586 440,634 384,644")
    canvas.inside(head, cheeks, person.hair, 0.96, 2)
    moustache = both("384,520 410,516 452,530 462,550 420,540 384,538")
    canvas.fill(moustache, shade(person.hair, -0.12))


def glasses(canvas: Canvas) -> None:
    frame = (44, 40, 48)
    rim = "-58,-34 0,-46 58,-34 60,0 44,38 0,46 -44,38 -60,0"
    pane = "-51,-29 0,-40 51,-29 53,0 39,33 0,40 -39,33 -53,0"
    for side in SIDES:
        at = (384 + side * 77, 410)
        canvas.between(path(rim, at), path(pane, at), frame)
        canvas.fill(path("-34,-30 -14,-34 -34,20 -44,14", at), (255, 255, 255), 0.16, 2)
        canvas.line(path("136,392 158,400", (MIDDLE, 0), side), frame, 8)
    canvas.line(path("366,400 384,394 402,400"), frame, 8)


def main() -> None:
    """All of them."""
    AVATARS.mkdir(parents=True, exist_ok=True)
    for name, person in PEOPLE.items():
        target = AVATARS / f"{name}.jpg"
        draw(person).save(target)
        print(f"{target.name}: {target.stat().st_size:,} bytes")  # noqa: T201 - it reports


if __name__ == "__main__":
    main()
