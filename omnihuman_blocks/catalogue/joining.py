"""Rows of several parts: once all of them are here they become one video, checked like any other.

A joined video is a file like those that were bought: it lies under the row's clip key, is whole or
not there, and what is known of it is remembered, so that it is made once.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import wave
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pyarrow.fs

from omnihuman_blocks.domain.checks import Thresholds, verify
from omnihuman_blocks.domain.identity import CLIP_VERSION
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.outcome import Clip, JobOutcome, RowState
from omnihuman_blocks.domain.planned import Plan, PlannedRow
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges import splicing
from omnihuman_blocks.edges.clip import clip_facts
from omnihuman_blocks.edges.delivery import put
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.likeness import RATE, waveform
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import BadDelivery
from omnihuman_blocks.walk.opening import VIDEOS

COMPARED_SECONDS = 900
"""Longer videos are decoded to their end and measured; their parts were compared one by one."""


@dataclass(frozen=True, kw_only=True)
class Joining:
    """What came of joining."""

    made: int = 0
    notes: tuple[str, ...] = ()
    """What could not just be copied, by row."""
    failed: Mapping[str, BadDelivery] = field(default_factory=dict)
    """Why a row's video could not be made, by clip key."""


def joined_clips(folder: ResultsFolder, ledger: Ledger, plan: Plan) -> dict[str, Clip]:
    """The joined videos that lie in the folder, by clip key."""
    keys = {row.clip_key for row in plan.rows if len(row.parts) > 1 and row.clip_key}
    known = ledger.recall_many({_address(key): CLIP_VERSION for key in keys})
    names = {address: f"{VIDEOS}/{facts['file']}" for address, facts in known.items()}
    infos = folder.files.get_file_info([folder.path(name) for name in names.values()])
    return {
        _key(address): _clip(name, known[address])
        for (address, name), info in zip(names.items(), infos, strict=True)
        if info.type == pyarrow.fs.FileType.File and info.size == known[address]["size"]
    }


def join_rows(
    rows: Iterable[PlannedRow],
    outcomes: Mapping[JobKey, JobOutcome],
    *,
    there: Collection[str],
    folder: ResultsFolder,
    ledger: Ledger,
    thresholds: Thresholds,
) -> Joining:
    """Joins what can be joined, on every processor; those of `there` are made already.

    Decodes and writes, and buys nothing: what is left is done by the next invocation.
    """
    ready = {row.clip_key: row for row in rows if _is_ready(row, outcomes)}
    wanted = {key: row for key, row in ready.items() if key is not None and key not in there}
    notes: list[str] = []
    if not wanted or not folder.is_local:
        return Joining()
    failed: dict[str, BadDelivery] = {}
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="join") as pool:
        futures = {
            pool.submit(_join, row, outcomes, Path(folder.root), thresholds): key
            for key, row in wanted.items()
        }
        try:
            for future in as_completed(futures):
                key = futures[future]
                try:
                    facts = future.result()
                except BadDelivery as error:
                    failed[key] = error
                    continue
                ledger.remember(_address(key), CLIP_VERSION, facts)
                notes += _said(wanted[key], facts)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Joining(made=len(wanted) - len(failed), notes=tuple(sorted(notes)), failed=failed)


def _said(row: PlannedRow, facts: Record) -> Iterator[str]:
    for note in cast("list[str]", facts["notes"]):
        yield f"{row.script_id} ({row.locale}, {row.avatar_id}): {note}"


def _is_ready(row: PlannedRow, outcomes: Mapping[JobKey, JobOutcome]) -> bool:
    clips = (outcomes.get(part.job.key) for part in row.parts)
    return len(row.parts) > 1 and all(one is not None and one.clip is not None for one in clips)


# --- one row --------------------------------------------------------------------------------------


def _join(
    row: PlannedRow,
    outcomes: Mapping[JobKey, JobOutcome],
    root: Path,
    thresholds: Thresholds,
) -> Record:
    """Writes the row's video, checks it, and gives it its name. Its facts."""
    clips = list(_clips(row, outcomes, root))
    suffix = clips[0].path.suffix
    final = root / VIDEOS / f"{row.clip_key}{suffix}"
    fresh = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
    try:
        spliced = splicing.splice(clips, fresh, suffix)
        facts = clip_facts(fresh, _expected(row, spliced.starts))
        verify(facts, row.seconds, _allowed(thresholds, len(clips))).enforce()
        content_digest = _digest(fresh)
        put(fresh, final)
    except (av.FFmpegError, ValueError, OSError, BadDelivery) as error:
        raise BadDelivery(
            f"The {len(clips)} parts are here and could not be joined: {error}. "
            "They are kept; run the same command again to join them anew."
        ) from error
    finally:
        fresh.unlink(missing_ok=True)
    return {
        "file": final.name,
        "sha256": content_digest,
        "size": facts.size,
        "width": facts.width,
        "height": facts.height,
        "seconds": str(facts.video_seconds),
        "likeness": None if facts.likeness is None else f"{facts.likeness:.4f}",
        "starts": [str(round(float(start), 6)) for start in spliced.starts],
        "notes": list(spliced.notes),
    }


def _clips(
    row: PlannedRow, outcomes: Mapping[JobKey, JobOutcome], root: Path
) -> Iterator[splicing.Clip]:
    for part in row.parts:
        clip = outcomes[part.job.key].clip
        if clip is None or not (root / clip.uri).is_file():
            raise BadDelivery("a part's video is not in the results folder any more")
        yield splicing.Clip(path=root / clip.uri, seconds=part.seconds)


def _allowed(thresholds: Thresholds, parts: int) -> Thresholds:
    """Each part may be a little shorter than its audio, so all of them together may be."""
    shorter = None if thresholds.shorter is None else thresholds.shorter * parts
    return replace(thresholds, shorter=shorter)


def _expected(row: PlannedRow, starts: tuple[Fraction, ...]) -> bytes:
    """What should be heard: the audio of each part where its clip begins."""
    if row.seconds > COMPARED_SECONDS:
        return b""
    size = int((starts[-1] + Fraction(row.parts[-1].seconds)) * RATE) + RATE
    whole = np.zeros(size, dtype=np.float64)
    end = 0
    for start, part in zip(starts, row.parts, strict=True):
        heard = waveform(Path(part.job.audio.uri))
        first = round(start * RATE)
        end = min(size, first + len(heard))
        whole[first:end] = heard[: end - first]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes((np.clip(whole[:end], -1, 1) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remember_joined(ledger: Ledger, lines: Iterable[Mapping[Any, Any]]) -> None:
    """What the catalogue knows of joined videos, for a ledger that is founded anew."""
    ledger.remember_many(
        (
            _address(line["clip_key"]),
            CLIP_VERSION,
            {
                "file": str(line["video_uri"]).rpartition("/")[2],
                "sha256": line["video_sha256"],
                "size": int(line["video_bytes"]),
                "width": int(line["width"]),
                "height": int(line["height"]),
                "seconds": str(line["video_seconds"]),
            },
        )
        for line in lines
        if line["state"] == RowState.DONE.value and len(line["parts"]) > 1
    )


# --- what is remembered ---------------------------------------------------------------------------


def _clip(name: str, facts: Record) -> Clip:
    return Clip(
        uri=name,
        sha256=str(facts["sha256"]),
        size=cast("int", facts["size"]),
        width=cast("int", facts["width"]),
        height=cast("int", facts["height"]),
        seconds=Decimal(str(facts["seconds"])),
    )


def _address(key: str) -> str:
    return f"joined {key}"


def _key(address: str) -> str:
    return address.partition(" ")[2]
