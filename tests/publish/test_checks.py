"""Every check is shown a defect that it must catch, and good videos that it must pass."""

from __future__ import annotations

import wave
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from omnihuman_blocks.domain.checks import NAMES, understand_checks, verify
from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.edges.likeness import RATE, waveform
from omnihuman_blocks.edges.loudness import loudness
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.sandbox.render_clip import Container, render

DEMO = Path(str(files("omnihuman_blocks"))) / "demo"
VOICES = sorted((DEMO / "audio").glob("*.mp3"))
CONTAINERS: tuple[Container, ...] = ("mp4", "webm", "mov")
FACES = sorted((DEMO / "avatars").glob("*.jpg"))


@pytest.fixture(scope="session")
def films() -> list[tuple[bytes, bytes]]:
    """A video of each voice of the demonstration, and the voice. Faces and containers differ."""
    made = []
    for number, voice in enumerate(VOICES):
        audio = voice.read_bytes()
        made.append(
            (
                render(
                    image=FACES[number % len(FACES)].read_bytes(),
                    audio=audio,
                    mask=None,
                    resolution="720p",
                    container=CONTAINERS[number % 3],
                    quality="fast",
                ),
                audio,
            )
        )
    return made


def judged(folder: Path, clip: bytes, audio: bytes, **checks: object) -> tuple[str, ...]:
    path = folder / "clip"
    path.write_bytes(clip)
    facts = clip_facts(path, audio)
    return verify(facts, listen(audio).seconds, understand_checks(checks)).defects


def test_good_videos_pass(tmp_path: Path, films: list[tuple[bytes, bytes]]) -> None:
    """In five languages, three faces, three containers. `bench/count_checks.py` counts more."""
    assert [judged(tmp_path, clip, audio) for clip, audio in films] == [()] * len(films)


@pytest.mark.parametrize(
    "name",
    ["black", "frozen", "mute", "gap", "whisper", "swapped", "patched", "short", "slow", "cut"],
)
def test_a_defect_is_caught_by_the_check_that_is_for_it(
    tmp_path: Path, films: list[tuple[bytes, bytes]], defects: Any, name: str
) -> None:
    """And is told in words that say what to look for."""
    spoil, words = defects.DEFECTS[name]
    clip, audio = films[0]
    other = defects.heard(films[-1][1])
    found = judged(tmp_path, spoil(clip, other), audio)
    assert any(words in defect for defect in found), found


def test_every_check_but_decoding_can_be_turned_off(
    tmp_path: Path, films: list[tuple[bytes, bytes]], defects: Any
) -> None:
    """Who likes black pictures gets them; a file that breaks off is broken for everybody."""
    off = dict.fromkeys(NAMES, "off")
    clip, audio = films[0]
    other = defects.heard(films[-1][1])
    for name, (spoil, _) in defects.DEFECTS.items():
        found = judged(tmp_path, spoil(clip, other), audio, **off)
        assert all("breaks off" in defect for defect in found)
        assert bool(found) == (name == "cut")


def test_a_still_picture_in_a_pause_is_no_defect(tmp_path: Path, defects: Any) -> None:
    """Nobody moves his lips when he says nothing, however long."""
    spoken = defects.heard(VOICES[0].read_bytes())
    said = np.concatenate([spoken, np.zeros(8 * defects.RATE, np.float32)])
    audio = tmp_path / "long.wav"
    with wave.open(str(audio), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(defects.RATE)
        out.writeframes((said * 32767).astype("<i2").tobytes())
    content = audio.read_bytes()
    clip = render(
        image=FACES[0].read_bytes(),
        audio=content,
        mask=None,
        resolution="720p",
        container="mp4",
        quality="fast",
    )
    frames, rate, sound = defects.taken_apart(clip)
    quiet = int(len(spoken) / defects.RATE * rate) + 1
    frames[quiet:] = [frames[quiet]] * len(frames[quiet:])
    assert judged(tmp_path, defects.put_together(frames, rate, sound), content) == ()


@pytest.mark.parametrize("voice", VOICES[::3], ids=lambda path: path.stem)
def test_loudness_is_what_ffmpeg_measures(voice: Path) -> None:
    """Within a unit: what people cannot hear."""
    graph = av.filter.Graph()
    measured = None
    with av.open(str(voice)) as container:
        stream = container.streams.audio[0]
        source = graph.add_abuffer(template=stream)
        meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        for frame in container.decode(stream):
            graph.push(frame)
            while True:
                try:
                    told: Any = graph.pull()
                except (av.BlockingIOError, av.EOFError):
                    break
                measured = told.metadata.get("lavfi.r128.I", measured)
    ours = loudness(waveform(voice), RATE)
    assert measured is not None
    assert ours is not None
    assert abs(ours - float(measured)) < 1


@pytest.mark.parametrize("seconds", [0.0, 0.1, 3.0])
def test_silence_has_no_loudness(seconds: float) -> None:
    """Not minus infinity, and not a number that could be compared."""
    assert loudness(np.zeros(int(seconds * RATE)), RATE) is None


def test_files_are_decoded_once(
    tmp_path: Path, films: list[tuple[bytes, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for black, still and silent stretches costs no second pass over the file."""
    clip, audio = films[0]
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip)
    opened: list[str] = []
    true_open = av.open

    def counting(file: Any, *args: Any, **named: Any) -> Any:
        opened.append(str(file))
        return true_open(file, *args, **named)

    monkeypatch.setattr(av, "open", counting)
    facts = clip_facts(path, audio)
    assert opened.count(str(path)) == 1
    assert facts.black_seconds < Decimal("0.2")
