"""What a vendor would refuse is refused here first, for nothing."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.limits import Conversion, Limits, breaches, conversion

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


FAL = Limits(
    audio_formats=frozenset({"mp3", "ogg", "wav"}), image_formats=frozenset({"jpeg", "png", "webp"})
)
MP3 = Limits(audio_formats=frozenset({"mp3", "ogg"}))


def mask(width: int, height: int, size: int = 10, fmt: str = "tiff") -> Media:
    return replace(image(width, height, size, fmt), kind=MediaKind.MASK)


@pytest.mark.parametrize(
    ("limits", "media", "copy"),
    [
        (FAL, audio("9", "flac"), Conversion(format="wav")),
        (FAL, audio("900", "flac"), Conversion(format="mp3")),
        (MP3, audio("9", "flac"), Conversion(format="mp3")),
        (FAL, audio(None, "flac"), Conversion(format="mp3")),
        (FAL, audio("9", "ogg"), None),
        (Limits(audio_formats=frozenset({"ogg"})), audio("9", "flac"), None),
        (Limits(), audio("9", "flac"), None),
        (FAL, image(400, 300, fmt="tiff"), Conversion(format="jpeg")),
        (FAL, image(None, None, fmt="tiff"), Conversion(format="jpeg")),
        (FAL, image(400, 300), None),
        (Limits(), image(400, 300, 10**9, "tiff"), None),
        (Limits(image_formats=frozenset({"gif"})), image(400, 300), None),
        (
            LIMITS,
            image(12000, 4000, fmt="jpeg"),
            Conversion(format="jpeg", sides=(6000, 2000), most_bytes=1000),
        ),
        (LIMITS, image(400, 300, 1001), Conversion(format="jpeg", most_bytes=1000)),
        (LIMITS, image(None, None, 1001), Conversion(format="jpeg", most_bytes=1000)),
        (Limits(image_bytes=5), image(400, 300), Conversion(format="jpeg", most_bytes=5)),
        (Limits(image_bytes=5, image_formats=frozenset({"png"})), image(400, 300), None),
        (LIMITS, image(12000, 400), None),  # made smaller it would be too small
        (LIMITS, image(299, 500, fmt="tiff"), None),
        (FAL, mask(400, 300), Conversion(format="png")),
        (LIMITS, mask(400, 300, 1001), None),
    ],
)
def test_what_does_not_fit_is_sent_as_a_copy_that_does(
    limits: Limits, media: Media, copy: Conversion | None
) -> None:
    """Then nothing is wrong with it; where there is no such copy, all that is wrong is named."""
    assert conversion(limits, media) == copy
    if copy is not None:
        assert list(breaches(limits, media, convertible=True)) == []
        assert list(breaches(limits, media))
    else:
        wrong = [str(error) for error in breaches(limits, media)]
        assert [str(error) for error in breaches(limits, media, convertible=True)] == wrong


def test_a_copy_keeps_its_length_so_audio_that_is_too_long_stays_so() -> None:
    """Only the format is mended."""
    found = list(breaches(LIMITS, audio("31", "flac"), convertible=True))
    assert ["31.00 s" in str(error) for error in found] == [True]


def test_a_copy_says_what_it_is() -> None:
    """To people in the plan, and to whoever keeps it beside others."""
    copy = Conversion(format="jpeg", sides=(600, 400), most_bytes=1000)
    assert copy.recipe == "jpeg-600x400-1000"
    said = copy.note(image(6001, 4000))
    assert said.startswith("`image_uri` is sent as JPEG of 600x400 pixels")
    assert Conversion(format="wav").recipe == "wav"
    assert "WAV" in Conversion(format="wav").note(audio("9", "flac"))
