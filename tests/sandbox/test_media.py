"""Addresses -> bytes: own ones from memory, data URIs decoded, others fetched."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from omnihuman_blocks.sandbox.media import Library, Medium, Unreachable
from omnihuman_blocks.sandbox.sounds import silence, sound_format, tone

if TYPE_CHECKING:
    from tests.sandbox.conftest import Listener, Media

BASE = "http://127.0.0.1:9"


def uri(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


async def test_equal_bytes_are_held_once() -> None:
    """A thousand rows with one face hold one face, large or small."""
    library = Library()
    for data in (b"small", bytes(300_000)):
        first = await library.fetch(uri(data), BASE)
        second = await library.fetch(uri(data), BASE)
        assert first.data is second.data
        assert first.data == data


async def test_own_addresses_are_never_asked_for() -> None:
    """Nobody listens at this base, and the file is found; a missing one is missing."""
    library = Library()
    library.keep("/media/a b.png", Medium.of(b"bytes", "image/png"))
    assert (await library.fetch(f"{BASE}/media/a%20b.png?x=1", BASE)).data == b"bytes"
    with pytest.raises(Unreachable, match="404"):
        await library.fetch(f"{BASE}/media/none.png", BASE)


async def test_other_addresses_are_fetched(listener: Listener, media: Media) -> None:
    """From another server on this machine; its refusal is the end."""
    address = media.file(b"from afar")
    assert (await Library().fetch(address, BASE)).data == b"from afar"
    with pytest.raises(Unreachable, match="501"):
        await Library().fetch(listener.url, BASE)


@pytest.mark.parametrize(
    "address", ["data:nothing", "data:;base64,!!", "ftp://x/y", "file:///etc/hostname", "a.png", ""]
)
async def test_what_names_no_bytes_is_unreachable(address: str) -> None:
    """Never a file of this machine."""
    with pytest.raises(Unreachable):
        await Library().fetch(address, BASE)


async def test_plain_data_uris_are_read_too() -> None:
    """Percent-encoded, without base64."""
    medium = await Library().fetch("data:text/plain,a%20b", BASE)
    assert (medium.data, medium.content_type) == (b"a b", "text/plain")


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (silence(0.1), "wav"),
        (tone(0.1), "wav"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90", "mp3"),
        (b"\xff\xf1\x50", "aac"),
        (b"\0\0\0\x20ftypM4A ", "m4a"),
        (b"OggS\0", "ogg"),
        (b"fLaC\0", "flac"),
        (b"RIFF\0\0\0\0AVI ", "unknown"),
        (b"", "unknown"),
    ],
)
def test_sounds_are_told_apart_by_their_first_bytes(data: bytes, form: str) -> None:
    """As the vendors' lists of formats need it."""
    assert sound_format(data) == form
