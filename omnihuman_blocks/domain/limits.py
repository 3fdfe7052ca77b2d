"""What a vendor accepts, checked before money: facts of the media against a room's limits."""

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


def breaches(limits: Limits, media: Media) -> Iterator[InvalidRow]:
    """Every limit that a medium breaks, each with the column and the remedy."""
    column = COLUMNS[media.kind]
    if media.kind is MediaKind.AUDIO:
        yield from _audio_breaches(limits, media, column)
    else:
        yield from _image_breaches(limits, media, column)


def _audio_breaches(limits: Limits, media: Media, column: str) -> Iterator[InvalidRow]:
    yield from _format_breach(limits.audio_formats, media, column)
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
