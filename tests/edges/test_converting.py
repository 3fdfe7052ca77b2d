"""A copy that a vendor takes is the same sound, or the same picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.domain.job import MediaKind
from omnihuman_blocks.domain.limits import Conversion
from omnihuman_blocks.edges import converting
from omnihuman_blocks.edges.converting import convert
from omnihuman_blocks.edges.likeness import likeness, waveform
from omnihuman_blocks.edges.picture import look
from omnihuman_blocks.edges.sound import listen

AUDIO, IMAGE, MASK = MediaKind.AUDIO, MediaKind.IMAGE, MediaKind.MASK
WAV, MP3 = Conversion(format="wav"), Conversion(format="mp3")
JPEG, PNG = Conversion(format="jpeg"), Conversion(format="png")
Voice = Callable[..., bytes]


@pytest.mark.parametrize(
    ("stored_as", "codec", "rate"),
    [
        ("flac", "flac", 22050),
        ("flac", "flac", 96000),
        ("flac", "flac", 11025),
        ("ogg", "libopus", 48000),
        ("ipod", "aac", 44100),
        ("webm", "libopus", 48000),
    ],
)
@pytest.mark.parametrize("wanted", [WAV, MP3])
def test_sound_keeps_its_length_and_what_it_says(
    media_voice: Voice, stored_as: str, codec: str, rate: int, wanted: Conversion
) -> None:
    """Whatever it was stored as; and the copy is the same each time."""
    original = media_voice(2.0, 3, format=stored_as, codec=codec, rate=rate)
    copy = convert(original, AUDIO, wanted)
    before, after = listen(original), listen(copy)
    assert after.format == wanted.format
    assert float(after.seconds) == pytest.approx(float(before.seconds), abs=0.06)
    if wanted is WAV:
        assert float(after.seconds) == pytest.approx(float(before.seconds), abs=0.001)
    assert (likeness(waveform(original), waveform(copy)) or 0) > 0.95
    assert convert(original, AUDIO, wanted) == copy


def test_a_length_that_would_change_is_refused(
    media_voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Money follows the length, and the plan has promised one."""
    other = media_voice(1.5)
    monkeypatch.setattr(converting, "_as_wav", lambda _: other)
    with pytest.raises(ValueError, match=r"would change by 0\.500 s"):
        convert(media_voice(2.0, format="flac", codec="flac"), AUDIO, WAV)


def _picture(mode: str, size: tuple[int, int], stored_as: str, **how: Any) -> bytes:
    """Dark on the left, light on the right."""
    ramp = np.tile(np.linspace(20, 235, size[0]), (size[1], 1))
    grey = Image.fromarray(ramp.astype(np.uint8))
    image = grey.convert(mode) if mode != "I;16" else Image.fromarray((ramp * 256).astype("<u2"))
    file = io.BytesIO()
    image.save(file, stored_as, **how)
    return file.getvalue()


def _greys(content: bytes) -> tuple[float, float]:
    """The left and the right end."""
    seen = np.asarray(Image.open(io.BytesIO(content)).convert("L")).astype(float)
    return seen[:, :20].mean(), seen[:, -20:].mean()


@pytest.mark.parametrize(
    ("mode", "stored_as"),
    [
        ("RGB", "tiff"),
        ("CMYK", "tiff"),
        ("I;16", "png"),
        ("P", "gif"),
        ("LA", "png"),
        ("RGBA", "webp"),
        ("L", "bmp"),
    ],
)
@pytest.mark.parametrize("wanted", [JPEG, PNG])
def test_a_picture_looks_the_same(mode: str, stored_as: str, wanted: Conversion) -> None:
    """Whatever its colours are made of."""
    copy = convert(_picture(mode, (300, 200), stored_as), IMAGE, wanted)
    seen = look(copy)
    assert (seen.format, seen.width, seen.height) == (wanted.format, 300, 200)
    left, right = _greys(copy)
    assert left == pytest.approx(27, abs=5)
    assert right == pytest.approx(228, abs=5)


def test_what_one_can_look_through_stands_on_white() -> None:
    """A JPEG has no holes."""
    file = io.BytesIO()
    Image.new("RGBA", (100, 100), (0, 0, 0, 0)).save(file, "webp", lossless=True)
    assert _greys(convert(file.getvalue(), IMAGE, JPEG)) == (255, 255)


def test_a_picture_that_lies_on_its_side_is_set_upright_before_it_is_scaled() -> None:
    """Cameras write how it was held; a copy forgets that, so it has to be right without."""
    exif = Image.Exif()
    exif[0x0112] = 6
    original = _picture("RGB", (900, 300), "jpeg", exif=exif)
    copy = convert(original, IMAGE, Conversion(format="jpeg", sides=(600, 200)))
    seen = look(copy)
    assert (seen.width, seen.height) == (200, 600)


def test_a_mask_keeps_its_values_and_a_profile_its_colours() -> None:
    """Nothing in between appears where a mask is scaled."""
    file = io.BytesIO()
    black = Image.new("L", (400, 400), 0)
    black.paste(255, (0, 0, 133, 400))
    black.save(file, "tiff", icc_profile=b"a profile")
    copy = convert(file.getvalue(), MASK, Conversion(format="png", sides=(150, 150)))
    scaled = Image.open(io.BytesIO(copy))
    assert set(np.unique(np.asarray(scaled))) == {0, 255}
    kept = convert(_picture("RGB", (50, 50), "tiff", icc_profile=b"a profile"), IMAGE, JPEG)
    assert Image.open(io.BytesIO(kept)).info["icc_profile"] == b"a profile"


def test_a_picture_too_heavy_loses_quality_first_and_size_last(media_image: Voice) -> None:
    """Until it fits; one that never does is told."""
    original = media_image(600, 400, "png")
    fine = convert(original, IMAGE, Conversion(format="jpeg", most_bytes=200_000))
    small = convert(original, IMAGE, Conversion(format="jpeg", most_bytes=20_000))
    assert len(fine) <= 200_000
    assert (look(fine).width, look(fine).height) == (600, 400)
    assert len(small) <= 20_000
    assert look(small).width < 600
    with pytest.raises(ValueError, match="at most 100 bytes"):
        convert(original, IMAGE, Conversion(format="jpeg", most_bytes=100))
    with pytest.raises(ValueError, match="at most 100 bytes"):
        convert(original, IMAGE, Conversion(format="png", most_bytes=100))


@pytest.mark.parametrize(("kind", "wanted"), [(IMAGE, JPEG), (AUDIO, WAV)])
def test_what_cannot_be_read_is_told_in_plain_words(kind: MediaKind, wanted: Conversion) -> None:
    """It was whole when it was examined, so something happened to it."""
    with pytest.raises(ValueError, match="cannot be converted"):
        convert(b"something", kind, wanted)
