"""What an address in a table turns out to be, before anything is bought for it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import time
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.edges.media import Examiner, Fingerprint, OnTheWeb
from omnihuman_blocks.errors import InvalidRow, Refused, Transient

Make = Callable[..., bytes]
IMAGE, AUDIO, MASK = MediaKind.IMAGE, MediaKind.AUDIO, MediaKind.MASK
LONG_AGO = time.time_ns() - 3600 * 10**9


@dataclass
class Web:
    """Somebody's server: answers by address, and counts."""

    files: dict[str, bytes | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def read(self, url: str) -> bytes:
        self.asked.append(url)
        await asyncio.sleep(0)
        answer = self.files.get(url, Refused(f"{url} is not there (HTTP 404)", "http_404"))
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Memory:
    """What a ledger would keep."""

    facts: dict[Fingerprint, Media] = field(default_factory=dict)
    recalled: int = 0

    def recall(self, fingerprint: Fingerprint) -> Media | None:
        found = self.facts.get(fingerprint)
        self.recalled += found is not None
        return found

    def remember(self, fingerprint: Fingerprint, media: Media) -> None:
        self.facts[fingerprint] = media

    def on_the_web(self, address: str, kind: MediaKind) -> OnTheWeb | None:  # noqa: ARG002
        return None


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def examiner(web: Web, media_pool: ThreadPoolExecutor) -> Examiner:
    return Examiner(read=web.read, pool=media_pool)


def put(path: Path, content: bytes) -> Path:
    """A file that has been lying there for a while, as far as its times can be set."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


# --- facts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [IMAGE, MASK])
@pytest.mark.parametrize("stored_as", ["jpeg", "png", "webp", "gif", "bmp", "avif"])
async def test_an_image_is_what_its_bytes_are(
    examiner: Examiner, tmp_path: Path, media_image: Make, kind: MediaKind, stored_as: str
) -> None:
    """Digest, size, format and sides come from the content; the name is not believed."""
    content = media_image(64, 96, stored_as)
    put(tmp_path / "face.png", content)
    media = await examiner.examine("face.png", kind, tmp_path)
    assert media == Media(
        kind=kind,
        uri=str(tmp_path / "face.png"),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        format=stored_as,
        width=64,
        height=96,
    )


@pytest.mark.parametrize(
    ("stored_as", "codec", "rate", "wanted", "padding"),
    [
        ("wav", "pcm_s16le", 22050, "wav", 0.0),
        ("mp3", "libmp3lame", 44100, "mp3", 0.001),
        ("ogg", "libopus", 48000, "ogg", 0.001),
        ("flac", "flac", 44100, "flac", 0.001),
        ("adts", "aac", 44100, "aac", 0.06),
        ("ipod", "aac", 44100, "m4a", 0.06),
        ("webm", "libopus", 48000, "webm", 0.001),
    ],
)
async def test_a_recording_lasts_as_long_as_it_decodes(
    *,
    examiner: Examiner,
    tmp_path: Path,
    media_voice: Make,
    stored_as: str,
    codec: str,
    rate: int,
    wanted: str,
    padding: float,
) -> None:
    """Counted in samples: exact where the format is, with the codec's padding where it pads."""
    put(tmp_path / "x.bin", media_voice(2.5, format=stored_as, codec=codec, rate=rate))
    media = await examiner.examine("x.bin", AUDIO, tmp_path)
    assert media.format == wanted
    assert media.seconds is not None
    assert Decimal("2.5") <= media.seconds <= Decimal("2.5") + Decimal(str(padding))
    assert (media.width, media.height) == (None, None)


async def test_a_lying_header_is_not_believed(
    examiner: Examiner, tmp_path: Path, media_voice: Make
) -> None:
    """A stream of unknown length says that it lasts for days; two seconds are there."""
    content = bytearray(media_voice(2.0))
    at = content.index(b"data") + 4
    content[4:8] = content[at : at + 4] = b"\xff\xff\xff\xff"
    put(tmp_path / "x.wav", bytes(content))
    media = await examiner.examine("x.wav", AUDIO, tmp_path)
    assert media.seconds == Decimal(2)


async def test_tags_behind_the_last_sound_of_an_mp3_do_no_harm(
    examiner: Examiner, tmp_path: Path, media_voice: Make
) -> None:
    """Players ignore them, and so do we; the digest still covers them."""
    content = media_voice(format="mp3", codec="libmp3lame", rate=44100)
    put(tmp_path / "x.mp3", content + b"TAG" + bytes(range(125)) + b"\xff" * 400)
    media = await examiner.examine("x.mp3", AUDIO, tmp_path)
    assert media.seconds == pytest.approx(Decimal(2), abs=Decimal("0.03"))
    assert media.size == len(content) + 528


# --- addresses --------------------------------------------------------------------------------


async def test_a_relative_address_starts_at_its_table(
    examiner: Examiner, tmp_path: Path, media_image: Make
) -> None:
    """Not at the folder in which the program happens to run; `..` and other disks are allowed."""
    content = media_image(kind="png")
    path = put(tmp_path / "faces" / "a b%20ü.png", content)
    table = tmp_path / "tables"
    table.mkdir()
    for uri in ("../faces/a b%20ü.png", str(path), path.as_uri()):
        media = await examiner.examine(uri, IMAGE, table)
        assert media.sha256 == hashlib.sha256(content).hexdigest()


async def test_a_table_on_the_web_has_its_media_beside_it(
    examiner: Examiner, web: Web, media_image: Make
) -> None:
    """A base may be an address of any scheme."""
    web.files["https://example.com/tables/faces/a.png"] = media_image(kind="png")
    media = await examiner.examine("faces/a.png", IMAGE, "https://example.com/tables/")
    assert media.uri == "https://example.com/tables/faces/a.png"


async def test_other_stores_are_read_through_fsspec(
    examiner: Examiner, tmp_path: Path, media_image: Make
) -> None:
    """Whatever fsspec can speak with is an address too."""
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://omnihuman-media/face.png", "wb") as file:
        file.write(media_image(10, 20, "png"))
    media = await examiner.examine("memory://omnihuman-media/face.png", IMAGE, tmp_path)
    assert (media.format, media.width, media.height) == ("png", 10, 20)
    with pytest.raises(InvalidRow, match=r"memory://omnihuman-media/none\.png is not there"):
        await examiner.examine("memory://omnihuman-media/none.png", IMAGE, tmp_path)


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        (IMAGE, b"", "is empty"),
        (AUDIO, b"", "is empty"),
        (IMAGE, b"<html>login</html>", "it is no image"),
        (AUDIO, b"<html>login</html>", "it is no audio file"),
        (AUDIO, b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "it is no audio file"),
        (IMAGE, "voice", "it is no image"),
        (AUDIO, "image", "no"),
        (AUDIO, "half voice", "cut off"),
        (AUDIO, "half mp3", "cut off"),
        (AUDIO, "half flac", "breaks off"),
        (IMAGE, "half image", "damaged or cut off"),
        (MASK, "half png", "damaged or cut off"),
        (IMAGE, "bomb", "million"),
        (AUDIO, "no samples", "sound track is empty"),
    ],
)
async def test_an_unusable_file_rejects_its_row(
    *,
    examiner: Examiner,
    tmp_path: Path,
    media_voice: Make,
    media_image: Make,
    kind: MediaKind,
    content: bytes | str,
    words: str,
) -> None:
    """The error names the column, the file, the fault and what to do."""
    made: dict[str, Callable[[], bytes]] = {
        "voice": media_voice,
        "image": lambda: media_image(kind="png"),
        "half voice": lambda: _half(media_voice()),
        "half mp3": lambda: _half(media_voice(format="mp3", codec="libmp3lame", rate=44100)),
        "half flac": lambda: _half(media_voice(format="flac", codec="flac", rate=44100)),
        "half image": lambda: _half(media_image()),
        "half png": lambda: _half(media_image(kind="png")),
        "bomb": lambda: _bomb(media_image(8, 8, "bmp")),
        "no samples": _wave_without_samples,
    }
    path = put(tmp_path / "x", content if isinstance(content, bytes) else made[content]())
    with pytest.raises(InvalidRow) as caught:
        await examiner.examine("x", kind, tmp_path)
    assert caught.value.column == f"{kind}_uri"
    assert str(caught.value).startswith(f"`{kind}_uri` {path} ")
    assert words in str(caught.value)
    assert ("Save it again" if content else "put the whole file there") in str(caught.value)


def _wave_without_samples() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 22050, 0, "NONE", ""))
    return file.getvalue()


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _bomb(bitmap: bytes) -> bytes:
    """A few bytes that claim 400 million pixels."""
    side = (20_000).to_bytes(4, "little")
    return bitmap[:18] + side + side + bitmap[26:]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("none.png", "is not there; put the file there"),
        ("file.png/none.png", "is not there"),
        ("", "is empty; give the address"),
        ("   ", "is empty; give the address"),
        (".", "is a folder"),
        ("/dev/zero", "is a folder or a device"),
        ("x" * 5000, "File name too long"),
        ("a\0b", "null"),
        ("data:image/png;base64,AAAA", "save it as a file"),
        ("file://elsewhere/x.png", "another machine"),
        ("nonsense://x/y.png", "cannot be read"),
        ("https://example.com/none.png", "HTTP 404"),
    ],
)
async def test_an_address_without_a_file_rejects_its_row(
    examiner: Examiner, tmp_path: Path, media_image: Make, uri: str, words: str
) -> None:
    """Column and remedy are in the message, and the message stays short."""
    put(tmp_path / "file.png", media_image(kind="png"))
    with pytest.raises(InvalidRow) as caught:
        await examiner.examine(uri, IMAGE, tmp_path)
    assert caught.value.column == "image_uri"
    assert words in str(caught.value)
    assert str(caught.value).startswith("`image_uri` ")
    assert len(str(caught.value)) < 500


async def test_a_password_in_an_address_is_not_told(examiner: Examiner, tmp_path: Path) -> None:
    """Messages go into catalogues and logs."""
    with pytest.raises(InvalidRow) as caught:
        await examiner.examine("nonsense://me:hunter2@host/x.png", IMAGE, tmp_path)
    assert "hunter2" not in str(caught.value)


async def test_a_file_that_may_not_be_read_says_so(
    examiner: Examiner, tmp_path: Path, media_image: Make
) -> None:
    """Permissions are the user's to change."""
    path = put(tmp_path / "face.png", media_image(kind="png"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InvalidRow, match="permissions"):
        await examiner.examine("face.png", IMAGE, tmp_path)


async def test_what_is_too_big_is_not_read(examiner: Examiner, tmp_path: Path) -> None:
    """A sparse file of a terabyte is refused by its size alone."""
    with (tmp_path / "big.wav").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InvalidRow, match="make it smaller"):
        await examiner.examine("big.wav", AUDIO, tmp_path)


async def test_passing_trouble_is_no_fault_of_the_row(
    examiner: Examiner, web: Web, tmp_path: Path, media_image: Make
) -> None:
    """`Transient` goes through, is not kept, and the next look succeeds."""
    url = "https://example.com/face.png"
    web.files[url] = Transient("not now")
    with pytest.raises(Transient):
        await examiner.examine(url, IMAGE, tmp_path)
    web.files[url] = media_image(kind="png")
    assert (await examiner.examine(url, IMAGE, tmp_path)).format == "png"


# --- once ---------------------------------------------------------------------------------------


async def test_an_address_is_read_once_however_many_rows_name_it(
    examiner: Examiner, web: Web, tmp_path: Path, media_image: Make
) -> None:
    """At the same time or later: the server is asked a single time, for faults as well."""
    url = "https://example.com/face.png"
    web.files[url] = media_image(kind="png")
    first = await asyncio.gather(*(examiner.examine(url, IMAGE, tmp_path) for _ in range(50)))
    assert set(first) == {await examiner.examine(url, IMAGE, tmp_path)}
    for _ in range(2):
        with pytest.raises(InvalidRow):
            await examiner.examine("https://example.com/none.png", IMAGE, tmp_path)
    assert web.asked == [url, "https://example.com/none.png"]


async def test_a_row_that_is_given_up_does_not_disturb_the_others(
    examiner: Examiner, web: Web, tmp_path: Path, media_image: Make
) -> None:
    """Cancelling one waiter leaves the examination to the rest."""
    url = "https://example.com/face.png"
    web.files[url] = media_image(kind="png")
    hasty, patient = (asyncio.create_task(examiner.examine(url, IMAGE, tmp_path)) for _ in range(2))
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient).format == "png"
    assert len(web.asked) == 1


async def test_a_known_file_is_not_read_again(
    *,
    web: Web,
    memory: Memory,
    media_pool: ThreadPoolExecutor,
    tmp_path: Path,
    media_image: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next invocation recalls the facts, as long as the file has not changed."""
    monkeypatch.setattr("omnihuman_blocks.edges.places.SETTLED_SECONDS", 0.0)
    path = put(tmp_path / "face.png", media_image(10, 10, "png"))
    facts = []
    for _ in range(2):
        examiner = Examiner(read=web.read, pool=media_pool, memory=memory)
        facts.append(await examiner.examine("face.png", IMAGE, tmp_path))
    assert facts[0] == facts[1]
    assert memory.recalled == 1
    put(path, media_image(30, 30, "png"))
    again = Examiner(read=web.read, pool=media_pool, memory=memory)
    assert (await again.examine("face.png", IMAGE, tmp_path)).width == 30
    assert memory.recalled == 1


async def test_a_changed_file_of_the_same_size_and_time_is_noticed(
    *,
    web: Web,
    memory: Memory,
    media_pool: ThreadPoolExecutor,
    tmp_path: Path,
    media_image: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`cp -p` keeps size and modification time; the time of the change cannot be kept."""
    monkeypatch.setattr("omnihuman_blocks.edges.places.SETTLED_SECONDS", 0.0)
    digests = set()
    for colour in ("red", "navy"):
        put(tmp_path / "face.bmp", media_image(10, 10, "bmp", colour))
        examiner = Examiner(read=web.read, pool=media_pool, memory=memory)
        digests.add((await examiner.examine("face.bmp", IMAGE, tmp_path)).sha256)
    assert len(digests) == 2
    assert memory.recalled == 0


async def test_a_file_that_was_just_written_is_not_remembered(
    web: Web, memory: Memory, media_pool: ThreadPoolExecutor, tmp_path: Path, media_image: Make
) -> None:
    """It could change again within the same tick of the clock, and nothing would show it."""
    (tmp_path / "face.png").write_bytes(media_image(kind="png"))
    examiner = Examiner(read=web.read, pool=media_pool, memory=memory)
    await examiner.examine("face.png", IMAGE, tmp_path)
    assert memory.facts == {}


# --- on the way to a vendor ---------------------------------------------------------------------


async def test_an_upload_carries_the_bytes_that_were_examined(
    examiner: Examiner, tmp_path: Path, media_voice: Make
) -> None:
    """With a media type of their real format and a name that says nothing about the user."""
    content = media_voice(format="mp3", codec="libmp3lame", rate=44100)
    put(tmp_path / "Müller & Söhne (secret).wav", content)
    media = await examiner.examine("Müller & Söhne (secret).wav", AUDIO, tmp_path)
    upload = await examiner.read_upload(media)
    assert (upload.kind, upload.media_type, upload.content) == (AUDIO, "audio/mpeg", content)
    assert upload.name == f"{media.sha256[:32]}.mp3"


async def test_a_file_that_changed_after_it_was_examined_is_not_uploaded(
    examiner: Examiner, tmp_path: Path, media_image: Make
) -> None:
    """The key of the job was computed for the old bytes; the new ones would be bought under it."""
    put(tmp_path / "face.png", media_image(colour="red"))
    media = await examiner.examine("face.png", IMAGE, tmp_path)
    put(tmp_path / "face.png", media_image(colour="blue"))
    with pytest.raises(InvalidRow, match="has changed since it was examined") as caught:
        await examiner.read_upload(media)
    assert caught.value.column == "image_uri"


async def test_the_event_loop_stays_free_while_media_are_decoded(
    examiner: Examiner, tmp_path: Path, media_voice: Make
) -> None:
    """Ten minutes of sound are decoded while a thousand polls could go on."""
    put(tmp_path / "x.flac", media_voice(120, format="flac", codec="flac", rate=44100))
    examining = asyncio.create_task(examiner.examine("x.flac", AUDIO, tmp_path))
    turns = 0
    while not examining.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 5
    assert examining.result().seconds == pytest.approx(Decimal(120), abs=Decimal("0.001"))
