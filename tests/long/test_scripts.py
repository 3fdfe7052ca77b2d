"""A script of three minutes is bought in parts, joined, and cheap to edit."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from omnihuman_blocks.cli import main
from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.edges.likeness import likeness, waveform
from omnihuman_blocks.walk.order import Again

Workshop = Any
SCRIPT = [
    f"This is sentence number {number}, and it says something that is neither long nor short."
    for number in range(36)
]
SHORT = SCRIPT[:14]
"""Three parts."""


def text(sentences: list[str]) -> dict[str, str]:
    return {"text": " ".join(sentences)}


def test_three_minutes_are_spoken_bought_joined_and_cheap_to_edit(workshop: Workshop) -> None:
    workshop.lay(text(SCRIPT))
    quoted = workshop.plan()
    prepared, made = workshop.make()
    (planned,), (row,) = prepared.plan.rows, workshop.catalogue()
    audio = [Path(part.job.audio.uri) for part in planned.parts]

    assert made.exit_code == 0
    assert len(row["parts"]) == len(planned.parts) == workshop.charged() >= 6
    assert quoted.summary().quote_usd == made.summary.quote_usd
    assert max(part["seconds"] for part in row["parts"]) <= 29.5
    assert sum(part["seconds"] for part in row["parts"]) == pytest.approx(row["audio_seconds"])
    assert row["cost_usd"] == sum(part["cost_usd"] for part in row["parts"])
    assert row["audio_seconds"] > 150
    _check_video(workshop.results / row["video_uri"], audio, row["audio_seconds"])

    again = workshop.plan()
    assert (again.recognised.count, again.errands()) == (1, [])

    edited = [*SCRIPT[:17], "This one was edited, and says another thing now.", *SCRIPT[18:]]
    workshop.lay(text(edited))
    (part,) = workshop.plan().plan.to_buy()
    assert part.quote is not None
    before = workshop.charged()
    _, made = workshop.make()
    assert workshop.charged() == before + 1
    assert (made.exit_code, made.summary.bought) == (0, 1)
    assert made.summary.quote_usd == part.quote < Decimal(5)

    workshop.lay(text(SCRIPT))
    assert workshop.plan().plan.to_buy() == (), "what was bought once is there if wanted again"


def _check_video(path: Path, audio: list[Path], seconds: float) -> None:
    """It decodes, is as long as its audio, sounds like it throughout, and is never black."""
    facts = clip_facts(path, audio[0])
    assert facts.broken is None
    assert facts.black_seconds == 0
    assert float(facts.video_seconds) == pytest.approx(seconds, abs=0.15)
    assert float(facts.sound_seconds) == pytest.approx(seconds, abs=0.15)
    heard = waveform(path, "mov")
    found = likeness(np.concatenate([waveform(part) for part in audio]), heard)
    assert found is not None
    assert found > 0.5
    with av.open(str(path)) as container:
        times = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
    assert set(np.diff(times)) == {1024}, "no gap between sound packets, and none on another"


def test_a_joined_video_that_is_lost_is_joined_again_and_not_bought(workshop: Workshop) -> None:
    """Also where the process died before it could join."""
    workshop.lay(text(SHORT))
    _, killed = workshop.make(until_joined=False)
    bought = workshop.charged()
    assert (killed.exit_code, workshop.states()) == (3, {"pending": 1})
    _, made = workshop.make()
    assert (made.exit_code, workshop.states(), workshop.charged()) == (0, {"done": 1}, bought)

    (row,) = workshop.catalogue()
    video = workshop.results / row["video_uri"]
    for part in row["parts"]:
        (workshop.results / "videos" / f"{part['job_key']}.mp4").unlink()
    assert workshop.plan().recognised.count == 1
    looked_at = workshop.plan(strict=True)
    assert (looked_at.recognised.count, looked_at.errands()) == (0, []), "parts are not missed"
    content = video.read_bytes()
    video.unlink()
    _, made = workshop.make()
    assert (made.exit_code, workshop.charged(), made.summary.bought) == (0, bought, 0)
    assert video.read_bytes() == content


def test_a_ledger_that_is_founded_anew_knows_the_parts(workshop: Workshop) -> None:
    """Neither with their files nor without them is anything bought again."""
    workshop.lay(text(SHORT))
    workshop.make()
    (row,) = workshop.catalogue()
    bought = workshop.charged()
    videos = workshop.results / "videos"
    for _ in range(2):
        for file in workshop.results.glob("ledger.db*"):
            file.unlink()
        assert main(["ledger", "rebuild", str(workshop.results)]) == 0
        looked_at = workshop.plan(strict=True)
        assert (looked_at.plan.to_buy(), looked_at.errands()) == ((), [])
        (videos / f"{row['parts'][0]['job_key']}.mp4").unlink(missing_ok=True)
    (workshop.results / row["video_uri"]).unlink()
    _, made = workshop.make()
    assert (made.exit_code, made.summary.bought, workshop.charged()) == (0, 0, bought)
    (again,) = workshop.catalogue()
    assert again["video_sha256"] == row["video_sha256"]
    assert again["cost_usd"] == row["cost_usd"]


def test_a_part_that_fails_leaves_the_others_and_only_it_is_bought_again(
    workshop: Workshop,
) -> None:
    workshop.lay(text(SHORT))
    planned = workshop.plan().plan.rows[0]
    media = {"media": planned.parts[1].job.audio.sha256[:16]}
    workshop.sandbox.faults.add({"vendor": "runware", "when": media, "effect": {"kind": "fails"}})
    _, made = workshop.make()
    (row,) = workshop.catalogue()
    assert (made.exit_code, row["state"], row["video_uri"]) == (1, "failed", None)
    assert [part["state"] for part in row["parts"]] == ["done", "failed", "done"]
    workshop.sandbox.faults.clear()
    before = workshop.charged()
    _, made = workshop.make(again=Again(classes=frozenset({row["error_class"]})))
    assert (made.exit_code, workshop.charged(), made.summary.bought) == (0, before + 1, 1)
    assert workshop.states() == {"done": 1}


def test_parts_that_cannot_be_joined_are_told_and_kept(workshop: Workshop) -> None:
    """Somebody has exchanged the files of two parts, and then broken one."""
    workshop.lay(text(SHORT))
    prepared, _ = workshop.make(until_joined=False)
    keys = [part.job.key for part in prepared.plan.rows[0].parts]
    first, second = (workshop.results / "videos" / f"{key}.mp4" for key in keys[:2])
    whole = first.read_bytes()
    first.write_bytes(second.read_bytes())
    for content, why in ((None, "this row's audio"), (b"<html>", "Invalid data")):
        if content is not None:
            first.write_bytes(content)
        _, made = workshop.make()
        (row,) = workshop.catalogue()
        assert (made.exit_code, row["state"], row["error_class"]) == (1, "failed", "BadDelivery")
        assert "could not be joined" in row["error_message"]
        assert why in row["error_message"]
        assert {part["state"] for part in row["parts"]} == {"done"}
    joined = prepared.plan.rows[0].clip_key
    assert not (workshop.results / "videos" / f"{joined}.mp4").exists()
    first.write_bytes(whole)
    _, made = workshop.make()
    assert (made.exit_code, made.summary.bought) == (0, 0)


@pytest.mark.parametrize("kind", ["text", "audio_uri"])
def test_without_splitting_the_row_is_told_how_long_it_may_be(
    workshop: Workshop, speech: Any, kind: str
) -> None:
    (workshop.folder / "long.wav").write_bytes(speech(40.0, ((19.5, 20.2),)))
    workshop.lay(text(SCRIPT[:10]) if kind == "text" else {"audio_uri": "long.wav"})
    whole = workshop.plan(no_split=True, provider="fal").plan.rows[0]
    (rejection,) = whole.rejections
    assert rejection.column == kind
    assert "leave out `--no-split`" in rejection.message
    assert "With `resolution` = `720p` its audio would be taken whole." in rejection.message
    parts = workshop.plan(provider="fal").plan.rows[0]
    assert len(parts.parts) == 2
    assert "is bought in" in parts.notes[0]
    assert parts.notes[1] == "With `resolution` = `720p` its audio would be taken whole."
    small = workshop.plan(provider="fal", options={"resolution": "720p"}).plan.rows[0]
    assert len(small.parts) == 1
