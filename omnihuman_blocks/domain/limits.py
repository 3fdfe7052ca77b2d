"""What a vendor accepts, checked before money: facts of the media against a room's limits.

A format or a size that does not fit is no reason to reject a row where a copy that fits can be
sent: `conversion` says what that copy is. Nothing mends a wrong length, or a picture too small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.errors import InvalidRow

COLUMNS = {
    MediaKind.IMAGE: "image_uri",
    MediaKind.AUDIO: "audio_uri",
    MediaKind.MASK: "mask_uri",
}

WAV_SECONDS = Decimal(120)
"""Longer sound is sent as MP3 where that is taken. WAV keeps every sample, and is ten times as
large."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The copy that is sent in place of a medium that the vendor does not take as it is."""

    format: str
    sides: tuple[int, int] | None = None
    """Its width and height in pixels, where they become smaller."""
    most_bytes: int | None = None

    @property
    def recipe(self) -> str:
        """Tells one copy of a medium from another, wherever it is kept."""
        sides = [] if self.sides is None else ["x".join(map(str, self.sides))]
        size = [] if self.most_bytes is None else [str(self.most_bytes)]
        return "-".join([self.format, *sides, *size])

    def note(self, media: Media) -> str:
        """For the plan."""
        sides = "" if self.sides is None else f" of {self.sides[0]}x{self.sides[1]} pixels"
        return (
            f"`{COLUMNS[media.kind]}` is sent as {self.format.upper()}{sides}: the vendor does not "
            f"take it as it is ({media.format})."
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """One model's limits under given options. None: the vendor states none."""

    audio_seconds: Decimal | None = None
    """Audio must be shorter than this, or as long where `audio_seconds_included`."""
    audio_seconds_included: bool = False
    advised_audio_seconds: Decimal | None = None
    """Longer audio is accepted, and looks worse."""
    audio_formats: frozenset[str] | None = None
    image_formats: frozenset[str] | None = None
    image_bytes: int | None = None
    image_sides: tuple[int, int] | None = None
    """Smallest and largest width or height in pixels."""

    def admits_seconds(self, seconds: Decimal) -> bool:
        """Whether audio of this length is taken whole."""
        if self.audio_seconds is None:
            return True
        if self.audio_seconds_included:
            return seconds <= self.audio_seconds
        return seconds < self.audio_seconds


def breaches(limits: Limits, media: Media, *, convertible: bool = False) -> Iterator[InvalidRow]:
    """Every limit that a medium breaks, each with the column and the remedy.

    `convertible`: a copy of it can be sent, so only what no copy would mend counts.
    """
    column = COLUMNS[media.kind]
    mended = convertible and conversion(limits, media) is not None
    if media.kind is MediaKind.AUDIO:
        if not mended:
            yield from _format_breach(limits.audio_formats, media, column)
        yield from _length_breach(limits, media, column)
    elif not mended:
        yield from _image_breaches(limits, media, column)


def conversion(limits: Limits, media: Media) -> Conversion | None:
    """The copy to send; None where the medium fits as it is, or no copy would."""
    if media.kind is MediaKind.AUDIO:
        return _audio_conversion(limits, media)
    return _image_conversion(limits, media)


def _audio_conversion(limits: Limits, media: Media) -> Conversion | None:
    formats = limits.audio_formats
    if formats is None or media.format in formats:
        return None
    is_short = media.seconds is not None and media.seconds <= WAV_SECONDS
    for wanted in ("wav", "mp3") if is_short else ("mp3", "wav"):
        if wanted in formats:
            return Conversion(format=wanted)
    return None


def _image_conversion(limits: Limits, media: Media) -> Conversion | None:
    smaller = _smaller(limits, media)
    is_heavy = limits.image_bytes is not None and media.size > limits.image_bytes
    is_foreign = limits.image_formats is not None and media.format not in limits.image_formats
    if smaller is None and not is_heavy and not is_foreign:
        return None
    # A mask means what its pixels are, so it is never sent as JPEG.
    choices = ("png",) if media.kind is MediaKind.MASK else ("jpeg", "png")
    taken = limits.image_formats or frozenset(choices)
    wanted = next((name for name in choices if name in taken), None)
    if wanted is None or (is_heavy and wanted != "jpeg"):
        return None
    if _is_too_small(limits, *(smaller or (media.width, media.height))):
        return None
    return Conversion(format=wanted, sides=smaller, most_bytes=limits.image_bytes)


def _smaller(limits: Limits, media: Media) -> tuple[int, int] | None:
    """The sides that fit, in the same proportion; None where they need not become smaller."""
    if limits.image_sides is None or media.width is None or media.height is None:
        return None
    most, longest = limits.image_sides[1], max(media.width, media.height)
    if longest <= most:
        return None
    return media.width * most // longest, media.height * most // longest


def _is_too_small(limits: Limits, width: int | None, height: int | None) -> bool:
    """Nothing is enlarged: what is not in the picture is not made up."""
    if limits.image_sides is None or width is None or height is None:
        return False
    return min(width, height) < limits.image_sides[0]


def _length_breach(limits: Limits, media: Media, column: str) -> Iterator[InvalidRow]:
    if media.seconds is not None and not limits.admits_seconds(media.seconds):
        bound = "at most" if limits.audio_seconds_included else "less than"
        yield InvalidRow(
            f"`{column}` lasts {media.seconds:.2f} s; this model takes {bound} "
            f"{limits.audio_seconds} s. Shorten or split it.",
            column,
        )


def _image_breaches(limits: Limits, media: Media, column: str) -> Iterator[InvalidRow]:
    yield from _format_breach(limits.image_formats, media, column)
    if limits.image_bytes is not None and media.size > limits.image_bytes:
        yield InvalidRow(
            f"`{column}` has {media.size:,} bytes; this model takes at most "
            f"{limits.image_bytes:,}. Compress or scale it.",
            column,
        )
    if limits.image_sides is not None and media.width is not None and media.height is not None:
        least, most = limits.image_sides
        if min(media.width, media.height) < least or max(media.width, media.height) > most:
            yield InvalidRow(
                f"`{column}` is {media.width}x{media.height} pixels; each side must lie between "
                f"{least} and {most}. Scale it.",
                column,
            )


def _format_breach(
    formats: frozenset[str] | None, media: Media, column: str
) -> Iterator[InvalidRow]:
    if formats is not None and media.format not in formats:
        yield InvalidRow(
            f"`{column}` is {media.format}; this model takes {', '.join(sorted(formats))}. "
            "Convert it.",
            column,
        )
