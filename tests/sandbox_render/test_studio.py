"""The studio: beside the event loop, remembered, and gone when its parent is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from omnihuman_blocks.sandbox import render as render_module
from omnihuman_blocks.sandbox.render import Studio

Make = Callable[..., bytes]
DEADLINE_SECONDS = 20.0


async def test_the_same_content_is_rendered_once(
    studio: Studio, portrait: Make, voice: Make
) -> None:
    """A second wish for the same video is answered from memory, with the same bytes."""
    first = await studio.render(image=portrait(), audio=voice(0.5))
    second = await studio.render(image=portrait(), audio=voice(0.5))
    assert first == second
    assert studio.rendered == 1


async def test_wishes_at_the_same_time_share_one_rendering(
    studio: Studio, portrait: Make, voice: Make
) -> None:
    """Ten who ask at once get one video."""
    wishes = (studio.render(image=portrait(), audio=voice(0.5)) for _ in range(10))
    assert len(set(await asyncio.gather(*wishes))) == 1
    assert studio.rendered == 1


async def test_different_content_is_rendered_apart(
    studio: Studio, portrait: Make, voice: Make
) -> None:
    """Image, audio, resolution, container and mask all count."""
    image, audio = portrait(), voice(0.3)
    await asyncio.gather(
        studio.render(image=image, audio=audio),
        studio.render(image=portrait(colour="olive"), audio=audio),
        studio.render(image=image, audio=voice(0.3, seed=2)),
        studio.render(image=image, audio=audio, resolution="1080p"),
        studio.render(image=image, audio=audio, container="mov"),
        studio.render(image=image, audio=audio, mask=portrait(kind="png", mode="L")),
    )
    assert studio.rendered == 6


async def test_memory_is_bounded(
    portrait: Make, voice: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the bound the oldest video is forgotten and would be rendered again."""
    monkeypatch.setattr(render_module, "REMEMBERED_BYTES", 1)
    studio = Studio()
    try:
        for seed in (1, 2, 1):
            await studio.render(image=portrait(), audio=voice(0.3, seed=seed))
    finally:
        studio.close()
    assert studio.rendered == 3


async def test_one_waiter_leaving_does_not_disturb_the_others(
    studio: Studio, portrait: Make, voice: Make
) -> None:
    """A client that hangs up takes its own wish away and nobody else's."""
    hasty = asyncio.create_task(studio.render(image=portrait(), audio=voice(0.5)))
    patient = asyncio.create_task(studio.render(image=portrait(), audio=voice(0.5)))
    await asyncio.sleep(0)
    hasty.cancel()
    assert (await patient)[4:8] == b"ftyp"
    assert hasty.cancelled()
    assert studio.rendered == 1


@pytest.mark.parametrize(
    ("image", "audio", "reason"),
    [
        (b"<html>not found</html>", None, "not an image"),
        (b"", None, "not an image"),
        (None, b"<html>not found</html>", "audio cannot be decoded"),
        (None, b"", "audio cannot be decoded"),
    ],
)
async def test_rubbish_is_refused_with_a_plain_reason(
    *,
    studio: Studio,
    portrait: Make,
    voice: Make,
    image: bytes | None,
    audio: bytes | None,
    reason: str,
) -> None:
    """ValueError says which of the two is to blame; the studio goes on working."""
    image = portrait() if image is None else image
    audio = voice(0.3) if audio is None else audio
    with pytest.raises(ValueError, match=reason):
        await studio.render(image=image, audio=audio)
    assert await studio.render(image=portrait(), audio=voice(0.3))


async def test_half_an_image_and_a_picture_for_a_sound_are_refused(
    studio: Studio, portrait: Make, voice: Make
) -> None:
    """A good beginning is not enough."""
    image = portrait(800, 800)
    with pytest.raises(ValueError, match="image cannot be decoded"):
        await studio.render(image=image[: len(image) // 2], audio=voice(0.3))
    with pytest.raises(ValueError, match="no sound"):
        await studio.render(image=image, audio=portrait(kind="png"))
    with pytest.raises(ValueError, match="720p"):
        await studio.render(image=image, audio=voice(0.3), resolution="large\n")


async def test_facts_of_media(studio: Studio, portrait: Make, voice: Make) -> None:
    """Format and size of an image; decoded seconds of a sound; ValueError for anything else."""
    assert studio.image_facts(portrait(30, 40, kind="png")) == ("png", 30, 40)
    assert studio.image_facts(portrait(30, 40)) == ("jpeg", 30, 40)
    assert await studio.audio_seconds(voice(1.25)) == pytest.approx(1.25, abs=1e-4)
    with pytest.raises(ValueError, match="not an image"):
        studio.image_facts(voice())
    with pytest.raises(ValueError, match="no sound"):
        await studio.audio_seconds(portrait(kind="png"))


async def test_the_event_loop_stays_free(studio: Studio, portrait: Make, voice: Make) -> None:
    """While a video is rendered the loop goes on turning."""
    rendering = asyncio.create_task(studio.render(image=portrait(), audio=voice(4.0)))
    turns, longest, last = 0, 0.0, time.perf_counter()
    while not rendering.done():
        await asyncio.sleep(0.002)
        now = time.perf_counter()
        turns, longest, last = turns + 1, max(longest, now - last), now
    assert turns > 20
    assert longest < 0.5


async def test_a_worker_that_was_killed_is_replaced(
    studio: Studio, portrait: Make, voice: Make
) -> None:
    """Somebody's `kill -9` costs one more start, not a video."""
    await studio.render(image=portrait(), audio=voice(0.3))
    (worker,) = studio._crew._all
    os.kill(worker.pid, signal.SIGKILL)
    assert await studio.render(image=portrait(), audio=voice(0.3, seed=2))


async def test_a_closed_studio_says_so_and_leaves_nobody_behind(
    portrait: Make, voice: Make
) -> None:
    """After `close` the processes are gone and a wish raises RuntimeError."""
    studio = Studio(workers=2)
    await asyncio.gather(
        *(studio.render(image=portrait(), audio=voice(0.3, seed=seed)) for seed in range(4))
    )
    pids = [worker.pid for worker in studio._crew._all]
    studio.close()
    assert pids
    assert not any(_is_alive(pid) for pid in pids)
    with pytest.raises(RuntimeError):
        await studio.render(image=portrait(), audio=voice(0.5))


PARENT = """
import asyncio, sys
from omnihuman_blocks.sandbox.render import Studio

image, audio = (open(path, "rb").read() for path in sys.argv[1:3])
studio = Studio()
video = asyncio.run(studio.render(image=image, audio=audio))
print(video[4:8].decode(), *(worker.pid for worker in studio._crew._all), flush=True)
sys.stdin.read()
"""


def _parent(
    tmp_path: Path, image: bytes, audio: bytes, *start: str
) -> tuple[subprocess.Popen[str], int]:
    paths = [tmp_path / "image", tmp_path / "audio"]
    for path, content in zip(paths, (image, audio), strict=True):
        path.write_bytes(content)
    parent = subprocess.Popen(
        [sys.executable, *start, *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    brand, pid = parent.stdout.readline().split()
    assert brand == "ftyp"
    return parent, int(pid)


@pytest.mark.parametrize("start", ["file without a guard", "python -c"])
def test_workers_do_not_care_what_the_main_program_is(
    tmp_path: Path, portrait: Make, voice: Make, start: str
) -> None:
    """A script that renders at module level is not run a second time in the worker."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    command = (str(script),) if start == "file without a guard" else ("-c", PARENT)
    parent, worker = _parent(tmp_path, portrait(), voice(0.3), *command)
    parent.communicate(timeout=DEADLINE_SECONDS)
    assert parent.returncode == 0
    assert _is_gone_soon(worker)


def test_workers_die_with_a_parent_that_was_killed(
    tmp_path: Path, portrait: Make, voice: Make
) -> None:
    """SIGKILL leaves the parent no time to tidy up, and no worker stays behind."""
    parent, worker = _parent(tmp_path, portrait(), voice(0.3), "-c", PARENT)
    assert _is_alive(worker)
    parent.kill()
    parent.communicate(timeout=DEADLINE_SECONDS)
    assert _is_gone_soon(worker)


def _is_gone_soon(pid: int) -> bool:
    until = time.monotonic() + DEADLINE_SECONDS
    while _is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    """A zombie that nobody has collected yet is as good as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
