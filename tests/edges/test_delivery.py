"""Clips arrive whole or not at all, and what is wrong with them is seen."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import resource
import wave
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from omnihuman_blocks.domain.checks import ClipFacts, verify
from omnihuman_blocks.edges.clip import DEMUXERS, clip_facts
from omnihuman_blocks.edges.delivery import Delivered, clip_path, fetch, inspect, sweep
from omnihuman_blocks.edges.http import Http
from omnihuman_blocks.edges.likeness import likeness, waveform
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.errors import BadDelivery, CannotStart, Refused, Transient
from omnihuman_blocks.sandbox.render_clip import render

Make = Callable[..., bytes]
KEY = "5e" * 32


@dataclass
class Sending:
    """What a sender announced, and what it sends."""

    parts: list[bytes]
    size: int | None = None
    stalls: asyncio.Event | None = None

    @property
    def chunks(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
        if self.stalls is not None:
            self.stalls.set()
            await asyncio.Event().wait()


@dataclass
class Sender:
    """Somebody's server."""

    sending: Sending
    closed: int = 0
    asked: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Sending]:
        self.asked.append(url)
        try:
            yield self.sending
        finally:
            self.closed += 1


@pytest.fixture
def bring(media_pool: ThreadPoolExecutor, tmp_path: Path) -> Callable[..., Any]:
    """`fetch` into this test's folder."""

    async def bring(sending: Sending, **changes: Any) -> Delivered:
        order: dict[str, Any] = {"folder": tmp_path / "videos", "key": KEY, "pool": media_pool}
        return await fetch(
            "https://example.com/clip.mp4?sig=hush",
            open_address=Sender(sending).open,
            **(order | changes),
        )

    return bring


def left_behind(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- arriving ---------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
async def test_a_clip_arrives_under_its_key(
    bring: Callable[..., Any], tmp_path: Path, *, announced: bool
) -> None:
    """Every byte in order, with size and digest, and nothing else in the folder."""
    parts = [os.urandom(300_000) for _ in range(8)]
    content = b"".join(parts)
    delivered = await bring(Sending(parts, size=len(content) if announced else None))
    assert delivered == Delivered(
        path=tmp_path / "videos" / f"{KEY}.mp4",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    assert delivered.path.read_bytes() == content
    assert left_behind(tmp_path) == [f"videos/{KEY}.mp4"]


async def test_a_clip_takes_the_place_of_a_spoiled_one(
    bring: Callable[..., Any], tmp_path: Path
) -> None:
    """Fetching again is always allowed."""
    for content in (b"spoiled", b"good"):
        delivered = await bring(Sending([content]))
        assert delivered.path.read_bytes() == content
    assert left_behind(tmp_path) == [f"videos/{KEY}.mp4"]


@pytest.mark.parametrize(
    ("sending", "changes", "error", "words"),
    [
        (Sending([b"x" * 700], size=1000), {}, Transient, "broke off after 700 of 1,000 bytes"),
        (Sending([], size=0), {}, BadDelivery, "is an empty file"),
        (Sending([]), {}, BadDelivery, "is an empty file"),
        (Sending([b"x"], size=10**6), {"most": 1000}, BadDelivery, "1,000,000 bytes"),
        (Sending([b"x" * 600] * 2), {"most": 1000}, BadDelivery, "more than 1,000 bytes"),
        (Sending([b"x" * 2_000_000] * 3), {"most": 5_000_000}, BadDelivery, "more than"),
    ],
)
async def test_what_does_not_arrive_whole_leaves_nothing(
    *,
    bring: Callable[..., Any],
    tmp_path: Path,
    sending: Sending,
    changes: dict[str, Any],
    error: type[Exception],
    words: str,
) -> None:
    """Neither a clip nor a part of one, and the message holds no signature."""
    with pytest.raises(error, match=words) as caught:
        await bring(sending, **changes)
    assert "example.com/clip.mp4" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert left_behind(tmp_path) == []


async def test_a_failed_fetch_leaves_the_clip_that_was_there(
    bring: Callable[..., Any], tmp_path: Path
) -> None:
    """Only a whole file takes a name."""
    await bring(Sending([b"good"]))
    with pytest.raises(Transient):
        await bring(Sending([b"half"], size=8))
    assert (tmp_path / "videos" / f"{KEY}.mp4").read_bytes() == b"good"
    assert left_behind(tmp_path) == [f"videos/{KEY}.mp4"]


async def test_cancelling_leaves_nothing(bring: Callable[..., Any], tmp_path: Path) -> None:
    """In the middle of a clip, with blocks already on the disk."""
    stalls = asyncio.Event()
    fetching = asyncio.create_task(bring(Sending([b"x" * 3_000_000], stalls=stalls)))
    await stalls.wait()
    assert len(left_behind(tmp_path)) == 1
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert left_behind(tmp_path) == []


async def test_a_full_disk_is_no_fault_of_the_clip(
    bring: Callable[..., Any], tmp_path: Path
) -> None:
    """The error is one for a person, says what to do, and leaves nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(CannotStart, match="Make room") as caught:
            await bring(Sending([b"x" * 3_000_000]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path / "videos") in str(caught.value)
    assert left_behind(tmp_path) == []


async def test_a_folder_that_cannot_be_written_is_no_fault_of_the_clip(
    bring: Callable[..., Any], tmp_path: Path
) -> None:
    """A results folder below a file, or on a disk that is read-only."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotStart, match="cannot be written"):
        await bring(Sending([b"x"]), folder=tmp_path / "file" / "videos")
    with pytest.raises(CannotStart, match="cannot be written"):
        await bring(Sending([b"x"]), folder=Path("/proc/omnihuman"))


@pytest.mark.parametrize("key", ["", "../" * 10 + "etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "/"])
def test_nothing_but_a_key_names_a_clip(tmp_path: Path, key: str) -> None:
    """A row called ../../etc/x writes nothing outside the results folder."""
    with pytest.raises(ValueError, match="no key"):
        clip_path(tmp_path, key)


def test_parts_of_killed_processes_are_swept(tmp_path: Path) -> None:
    """After a day; what somebody may still be writing stays."""
    old, new, clip = (tmp_path / name for name in (".a.mp4.1.part", ".b.mp4.2.part", "a.mp4"))
    for path in (old, new, clip):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    os.utime(clip, (0, 0))
    assert sweep(tmp_path) == 1
    assert left_behind(tmp_path) == [".b.mp4.2.part", "a.mp4"]


# --- from a real server -------------------------------------------------------------------------


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[str]:
    """Answers every request with these bytes and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with listening:
        yield f"http://{host}:{port}/clip.mp4"


@pytest.mark.parametrize(
    ("head", "error"),
    [
        ("200 OK\r\ncontent-length: 5", None),
        ("200 OK", None),
        ("200 OK\r\ncontent-length: 9", Transient),
        ("404 Not Found\r\ncontent-length: 5", Refused),
        ("503 Busy\r\ncontent-length: 5", Transient),
    ],
)
async def test_clips_come_through_the_one_file_that_speaks_http(
    media_pool: ThreadPoolExecutor, tmp_path: Path, head: str, error: type[Exception] | None
) -> None:
    """Hung up early, gone or busy: the error says what it means, and nothing is left."""
    answer = f"HTTP/1.1 {head}\r\n\r\nvideo".encode()
    async with Http() as http, server(answer) as url:
        bringing = fetch(
            url,
            folder=tmp_path,
            key=KEY,
            open_address=partial(http.download, local=True),
            pool=media_pool,
        )
        if error is None:
            assert (await bringing).path.read_bytes() == b"video"
            return
        with pytest.raises(error):
            await bringing
    assert left_behind(tmp_path) == []


# --- what is in it ------------------------------------------------------------------------------


def film(image: bytes, audio: bytes, **changes: Any) -> bytes:
    order = {"mask": None, "resolution": "720p", "container": "mp4", "quality": "fast"}
    return render(image=image, audio=audio, **(order | changes))


def judge(tmp_path: Path, clip: bytes, audio: bytes) -> tuple[ClipFacts, tuple[str, ...]]:
    path = tmp_path / "clip.bin"
    path.write_bytes(clip)
    facts = clip_facts(path, audio)
    return facts, verify(facts, listen(audio).seconds).defects


def only(clip: bytes, kind: str) -> bytes:
    """The same clip without its other track."""
    file = io.BytesIO()
    with av.open(io.BytesIO(clip), mode="r") as source, av.open(file, "w", format="mp4") as output:
        track = source.streams.get({kind: 0})[0]
        copy = output.add_stream_from_template(track)
        for packet in source.demux(track):
            if packet.dts is not None:
                packet.stream = copy
                output.mux(packet)
    return file.getvalue()


def part(audio: bytes, start: float, end: float) -> bytes:
    """Some seconds of a WAV; beyond its end there is silence."""
    with wave.open(io.BytesIO(audio)) as source:
        parameters = source.getparams()
        samples = source.readframes(parameters.nframes)
    first, last = (2 * int(at * parameters.framerate) for at in (start, end))
    return _wav(samples[first:last].ljust(last - first, b"\0"), parameters)


def _wav(samples: bytes, parameters: Any) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams(parameters._replace(nframes=0))
        out.writeframes(samples)
    return file.getvalue()


def joined(*audios: bytes) -> bytes:
    sources = [wave.open(io.BytesIO(audio)) for audio in audios]  # noqa: SIM115 - in memory
    samples = b"".join(source.readframes(source.getnframes()) for source in sources)
    return _wav(samples, sources[0].getparams())


@pytest.mark.parametrize("container", ["mp4", "webm", "mov"])
@pytest.mark.parametrize(
    ("format", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 22050),
        ("mp3", "libmp3lame", 44100),
        ("ipod", "aac", 44100),
        ("ogg", "libopus", 48000),
    ],
)
def test_a_good_clip_has_no_defects(
    *,
    tmp_path: Path,
    media_image: Make,
    media_voice: Make,
    container: str,
    format: str,  # noqa: A002 - FFmpeg's word
    codec: str,
    rate: int,
) -> None:
    """Whatever the row's audio was encoded with, and whatever the vendor encodes with."""
    audio = media_voice(3.0, format=format, codec=codec, rate=rate)
    clip = film(media_image(), audio, container=container)
    facts, defects = judge(tmp_path, clip, audio)
    assert defects == ()
    assert (facts.size, facts.width, facts.height, facts.frames) == (len(clip), 192, 256, 24)
    assert abs(facts.video_seconds - 3) <= Decimal("0.13")
    assert abs(facts.sound_seconds - 3) <= Decimal("0.13")
    assert facts.likeness is not None
    assert facts.likeness > 0.9
    assert facts.broken is None


async def test_a_clip_is_inspected_beside_the_event_loop(
    media_pool: ThreadPoolExecutor, tmp_path: Path, media_image: Make, media_voice: Make
) -> None:
    """The same facts, and the row's audio may be a file."""
    audio, path, spoken = media_voice(2.0), tmp_path / "clip.mp4", tmp_path / "audio.wav"
    path.write_bytes(film(media_image(), audio))
    spoken.write_bytes(audio)
    facts = await inspect(path, spoken, pool=media_pool)
    assert facts == clip_facts(path, audio)
    assert verify(facts, Decimal(2)).is_good


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_clip_that_is_cut_off_is_broken(
    tmp_path: Path, media_image: Make, media_voice: Make, share: float
) -> None:
    """Its header promises everything; decoding to the end does not believe it."""
    audio = media_voice(4.0)
    clip = film(media_image(), audio)
    facts, defects = judge(tmp_path, clip[: int(len(clip) * share)], audio)
    assert facts.broken is not None
    assert any("breaks off while decoding" in defect for defect in defects)


@pytest.mark.parametrize("container", ["mp4", "webm"])
def test_a_clip_with_a_hole_is_noticed(
    tmp_path: Path, media_image: Make, media_voice: Make, container: str
) -> None:
    """Noise where a third of it was: decoders conceal much, and not that."""
    audio = media_voice(4.0)
    clip = film(media_image(), audio, container=container)
    third = len(clip) // 3
    noise = np.random.default_rng(0).bytes(third)
    _, defects = judge(tmp_path, clip[:third] + noise + clip[2 * third :], audio)
    assert defects != ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html>Your link has expired</html>", "<!DOCTYPE html>"),
        (b'{"error":"expired"}', '{"error":"expired"}'),
        (b"", "it is empty"),
        (b"\0" * 5000, "no video"),
    ],
)
def test_what_is_no_video_says_what_it_is(
    tmp_path: Path, media_voice: Make, content: bytes, words: str
) -> None:
    """A page or an error message under a clip's address is recognised at a glance."""
    facts, defects = judge(tmp_path, content, media_voice(1.0))
    assert facts.frames == facts.video_seconds == facts.sound_seconds == 0
    assert words in defects[0]
    assert "it has no picture" in defects
    assert "it has no sound" in defects


def test_a_clip_without_sound_is_noticed(
    tmp_path: Path, media_image: Make, media_voice: Make
) -> None:
    """A silent film is not what was bought."""
    audio = media_voice(2.0)
    _, defects = judge(tmp_path, only(film(media_image(), audio), "video"), audio)
    assert defects == ("it has no sound",)


def test_a_clip_without_a_picture_is_noticed(
    tmp_path: Path, media_image: Make, media_voice: Make
) -> None:
    """Nor is the audio alone."""
    audio = media_voice(2.0)
    _, defects = judge(tmp_path, only(film(media_image(), audio), "audio"), audio)
    assert defects == ("it has no picture",)


def test_a_mute_sound_track_is_noticed(
    tmp_path: Path, media_image: Make, media_voice: Make
) -> None:
    """Silence of the right length is not the row's audio."""
    clip = film(media_image(), media_voice(2.0, silent=True))
    facts, defects = judge(tmp_path, clip, media_voice(2.0))
    assert facts.likeness == 0.0
    assert len(defects) == 2
    assert "not this row's audio" in defects[0]
    assert "it is silent during" in defects[1]


def test_a_row_that_is_silent_is_not_compared(
    tmp_path: Path, media_image: Make, media_voice: Make
) -> None:
    """There is nothing to be alike."""
    audio = media_voice(2.0, silent=True)
    facts, defects = judge(tmp_path, film(media_image(), audio), audio)
    assert facts.likeness is None
    assert defects == ()


def test_another_rows_clip_is_noticed(tmp_path: Path, media_image: Make, media_voice: Make) -> None:
    """The same voice, length and picture, and another text: only the sound tells."""
    clip = film(media_image(), media_voice(3.0, seed=2))
    facts, defects = judge(tmp_path, clip, media_voice(3.0, seed=1))
    assert facts.likeness is not None
    assert facts.likeness < 0.3
    assert len(defects) == 1
    assert "not this row's audio" in defects[0]


def test_a_row_that_differs_in_one_name_is_noticed(
    tmp_path: Path, media_image: Make, media_voice: Make
) -> None:
    """Catalogues are made from templates: nine tenths of two recordings may be the same."""
    said, other = media_voice(6.0, seed=1), media_voice(6.0, seed=2)
    swapped = joined(part(said, 0, 3.5), part(other, 3.5, 4.5), part(said, 4.5, 6))
    facts, defects = judge(tmp_path, film(media_image(), swapped), said)
    assert facts.likeness is not None
    assert facts.likeness < 0.4
    assert len(defects) == 1


@pytest.mark.parametrize(
    ("start", "end", "words"), [(0, 2.6, "lasts 2."), (0, 6.0, "lasts 6."), (-0.3, 4.3, None)]
)
def test_a_clip_of_another_length_is_noticed(
    *,
    tmp_path: Path,
    media_image: Make,
    media_voice: Make,
    start: float,
    end: float,
    words: str | None,
) -> None:
    """Too short and too long are; a breath more at both ends is not, and does not disturb."""
    audio = media_voice(4.0)
    lead = part(media_voice(1.0, silent=True), 0, -start)
    clip = film(media_image(), joined(lead, part(audio, 0, end)))
    facts, defects = judge(tmp_path, clip, audio)
    if words is None:
        assert defects == ()
        assert facts.likeness is not None
        assert facts.likeness > 0.9
    else:
        assert {defect.split()[1] for defect in defects[:2]} == {"picture", "sound"}
        assert all(words in defect for defect in defects[:2])


def test_a_black_picture_is_noticed(tmp_path: Path, media_voice: Make) -> None:
    """Nobody bought that, and nothing moves in it either."""
    audio, file = media_voice(2.0), io.BytesIO()
    spoken = only(film(_black(), audio), "audio")
    with (
        av.open(file, "w", format="mp4") as output,
        av.open(io.BytesIO(spoken), mode="r") as source,
    ):
        picture = output.add_stream("libx264", rate=10)
        assert isinstance(picture, av.VideoStream)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = output.add_stream_from_template(source.streams.audio[0])
        for at in range(20):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 10)
            output.mux(picture.encode(frame))
        output.mux(picture.encode(None))
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                output.mux(packet)
    _, defects = judge(tmp_path, file.getvalue(), audio)
    assert len(defects) == 2
    assert "picture is black" in defects[0]
    assert "nothing moves" in defects[1]


def _black() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize("hertz", [16000, 44100])
def test_right_and_wrong_rows_lie_far_apart(
    tmp_path: Path, media_image: Make, media_voice: Make, hertz: int
) -> None:
    """Eight rows, each against every clip, after MP3 and AAC: no pair comes near the threshold."""
    voices = [
        media_voice(2.5, seed=seed, format="mp3", codec="libmp3lame", rate=hertz)
        for seed in range(8)
    ]
    rows, clips = [waveform(audio) for audio in voices], []
    for at, audio in enumerate(voices):
        path = tmp_path / f"{at}.mp4"
        path.write_bytes(film(media_image(), audio))
        clips.append(waveform(path, DEMUXERS))
    alike = np.array([[likeness(row, clip) for clip in clips] for row in rows], dtype=float)
    right, wrong = np.diag(alike), alike[~np.eye(8, dtype=bool)]
    assert right.min() > 0.85
    assert wrong.max() < 0.35


def test_the_facts_of_one_clip_are_the_same_every_time(
    tmp_path: Path, media_image: Make, media_voice: Make
) -> None:
    """A verdict over money does not depend on the weather."""
    audio = media_voice(2.0)
    clip = film(media_image(), audio)
    first, _ = judge(tmp_path, clip, audio)
    second, _ = judge(tmp_path, clip, audio)
    assert first == replace(second)
