"""A recording is cut where it pauses, to the sample, and at the same places every time."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from omnihuman_blocks.domain.cutting import NO_PAUSE, cut
from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.parts import cut_parts, kept_parts
from omnihuman_blocks.edges.pauses import find_places, stretches
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.errors import InvalidRow

Workshop = Any
Speech = Callable[..., bytes]
LONGEST = 29_500
PAUSES = ((12.0, 12.5), (26.0, 26.8), (28.2, 28.4), (44.0, 44.6), (68.9, 69.3))


def samples_of(content: bytes) -> Any:
    with av.open(io.BytesIO(content), "r") as container:
        return np.concatenate(
            [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
        )


def as_mp3(content: bytes) -> bytes:
    file = io.BytesIO()
    with av.open(io.BytesIO(content), "r") as source, av.open(file, "w", format="mp3") as target:
        stream = target.add_stream("libmp3lame", rate=16000)
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return file.getvalue()


def recording(content: bytes, path: Path) -> Media:
    path.write_bytes(content)
    return Media(
        kind=MediaKind.AUDIO,
        uri=str(path),
        sha256=sha256(content).hexdigest(),
        size=len(content),
        format="wav",
        seconds=listen(content).seconds,
    )


def test_pauses_are_found_and_cut_in(speech: Speech) -> None:
    length, places = find_places(speech(70.0, PAUSES))
    assert length == pytest.approx(70_000, abs=20)
    found = [place.at for place in places if place.fault < NO_PAUSE]
    assert found == pytest.approx([1000 * (a + b) / 2 for a, b in PAUSES], abs=60)
    assert [places[one].at for one in cut(length, places, LONGEST)] == pytest.approx(
        [26_400, 44_300], abs=60
    )


def test_where_nobody_pauses_the_quietest_moment_is_taken(speech: Speech) -> None:
    length, places = find_places(speech(40.0))
    assert min(place.fault for place in places) >= NO_PAUSE
    assert len(cut(length, places, LONGEST)) == 1


def test_silence_can_be_cut_anywhere(speech: Speech) -> None:
    length, places = find_places(speech(40.0, ((0.0, 40.0),)))
    assert len(cut(length, places, LONGEST)) == 1


@pytest.mark.parametrize("stored", ["wav", "mp3"])
def test_stretches_are_the_recording_to_the_sample(speech: Speech, stored: str) -> None:
    content = speech(9.0, ((4.0, 4.5),))
    content = as_mp3(content) if stored == "mp3" else content
    made = list(stretches(content, [2_345, 4_250]))
    assert len(made) == 3
    assert [float(one.seconds) for one in made[:2]] == [2.345, 1.905]
    whole = np.concatenate([samples_of(one.content) for one in made])
    assert sum(one.seconds for one in made) == listen(content).seconds
    if stored == "wav":
        assert np.array_equal(whole, samples_of(content))


def test_parts_are_cut_once_and_at_the_same_places_again(speech: Speech, tmp_path: Path) -> None:
    content = speech(70.0, PAUSES)
    whole = recording(content, tmp_path / "whole.wav")
    folder = ResultsFolder.at(tmp_path / "out")
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert kept_parts(folder, ledger, whole, LONGEST) is None
        parts = cut_parts(folder, ledger, whole, content, LONGEST)
        assert kept_parts(folder, ledger, whole, LONGEST) == parts
        Path(parts[1].uri).unlink()
        assert kept_parts(folder, ledger, whole, LONGEST) is None
        assert cut_parts(folder, ledger, whole, content, LONGEST) == parts
        with pytest.raises(InvalidRow, match=r"cannot be cut into parts.*Save it as WAV"):
            cut_parts(folder, ledger, replace(whole, sha256="0" * 64), b"no sound", LONGEST)
    assert len({part.identity for part in parts}) == len(parts) == 3
    assert all(part.source is not None and part.source.startswith("cut:") for part in parts)
    assert all(Path(part.uri).parent == tmp_path / "out" / "parts" for part in parts)
    for part in parts:
        assert sha256(Path(part.uri).read_bytes()).hexdigest() == part.sha256
        assert listen(Path(part.uri).read_bytes()).seconds == part.seconds


def test_rows_share_the_parts_of_a_recording(workshop: Workshop, speech: Speech) -> None:
    """Two lines that speak the same recording are one purchase, and one video."""
    (workshop.folder / "long.wav").write_bytes(speech(40.0, ((19.5, 20.2),)))
    workshop.lay({"audio_uri": "long.wav"}, {"audio_uri": "long.wav", "script_id": "again"})
    prepared, made = workshop.make()
    first, second = workshop.catalogue()
    assert (made.exit_code, workshop.charged()) == (0, 2)
    assert len(list((workshop.results / "parts").iterdir())) == 2
    assert first["video_uri"] == second["video_uri"]
    assert (second["reused"], second["cost_usd"]) == (True, 0)
    assert float(prepared.plan.rows[0].parts[0].seconds) == pytest.approx(19.85, abs=0.1)
    again = workshop.plan()
    assert again.recognised.count == 2
