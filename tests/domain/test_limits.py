"""What a vendor would refuse is refused here first, for nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.limits import Limits, breaches

LIMITS = Limits(
    audio_seconds=Decimal(30),
    audio_formats=frozenset({"mp3", "wav"}),
    image_formats=frozenset({"jpeg", "png"}),
    image_bytes=1000,
    image_sides=(300, 6000),
)


def audio(seconds: str | None, file_format: str = "mp3") -> Media:
    return Media(
        kind=MediaKind.AUDIO,
        uri="a",
        sha256="0" * 64,
        size=10,
        format=file_format,
        seconds=None if seconds is None else Decimal(seconds),
    )


def image(width: int | None, height: int | None, size: int = 10, fmt: str = "png") -> Media:
    return Media(
        kind=MediaKind.IMAGE,
        uri="i",
        sha256="0" * 64,
        size=size,
        format=fmt,
        width=width,
        height=height,
    )


@pytest.mark.parametrize(
    ("limits", "media", "words"),
    [
        (LIMITS, audio("29.999"), []),
        (LIMITS, audio(None), []),
        (LIMITS, audio("30"), ["less than"]),
        (Limits(audio_seconds=Decimal(30), audio_seconds_included=True), audio("30"), []),
        (
            Limits(audio_seconds=Decimal(30), audio_seconds_included=True),
            audio("30.01"),
            ["at most"],
        ),
        (Limits(), audio("3000", "flac"), []),
        (LIMITS, audio("31", "flac"), ["flac", "31.00 s"]),
        (LIMITS, image(300, 6000), []),
        (LIMITS, image(None, None), []),
        (LIMITS, image(299, 500), ["299x500"]),
        (LIMITS, image(500, 6001, 1001, "gif"), ["gif", "1,001", "500x6001"]),
        (Limits(), image(1, 1, 10**9, "tiff"), []),
    ],
)
def test_every_broken_limit_is_named_with_its_column(
    limits: Limits, media: Media, words: list[str]
) -> None:
    """All of them at once, each with what is there and what is wanted."""
    found = list(breaches(limits, media))
    assert len(found) == len(words)
    for error, word in zip(found, words, strict=True):
        assert word in str(error)
        assert error.column == f"{media.kind}_uri"
