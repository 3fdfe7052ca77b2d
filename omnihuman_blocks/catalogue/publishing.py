"""Finished videos -> what they are shown with: captions and a poster for each, made once.

Files are named by what they are made of, so that a corrected transcript makes new captions and
buys nothing. What is there is left alone: whoever was killed half-way makes the rest the next time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

import langcodes

from omnihuman_blocks.domain.captions import VERSION, Captions, as_srt, as_webvtt, caption
from omnihuman_blocks.domain.catalogue import clip_of
from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.outcome import Clip, JobOutcome, Joined, Published
from omnihuman_blocks.domain.planned import PlannedRow
from omnihuman_blocks.domain.speech import Word
from omnihuman_blocks.edges.captions import SUBTITLED, spoken_in, write_subtitled
from omnihuman_blocks.edges.poster import poster
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.speech.keeping import words_of
from omnihuman_blocks.errors import CannotStart

POSTERS, CAPTIONS = "posters", "captions"
DIGITS = 12


def published_names(folder: ResultsFolder) -> list[str]:
    """The addresses of all captions and posters that are there."""
    return [f"{name}/{file}" for name in (POSTERS, CAPTIONS) for file in folder.names(name)]


def publish(
    folder: ResultsFolder,
    rows: Collection[PlannedRow],
    outcomes: Mapping[JobKey, JobOutcome],
    clips: Mapping[str, Joined] | None = None,
    *,
    soft: bool = False,
) -> dict[str, Published]:
    """Makes what is missing; what there is then, by row id. `soft`: also videos with a track."""
    joined = clips or {}
    wanted = {
        row.row_id: _Showing(folder=folder, row=row, clip=clip, soft=soft)
        for row in rows
        if (clip := clip_of(row, outcomes, joined.get(row.clip_key or ""))) is not None
    }
    if not folder.is_local or not wanted:
        return {}
    there = set(published_names(folder))
    # Rows may share a video, and its words: what has one name is made once.
    works: dict[tuple[str, ...], Callable[[], None]] = {}
    for showing in wanted.values():
        works.update(showing.works(there))
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="publish") as pool:
        list(pool.map(_attempt, works.values()))
    there = set(published_names(folder)) if works else there
    return {row_id: showing.published(there) for row_id, showing in wanted.items()}


def _attempt(work: Callable[[], None]) -> None:
    """What cannot be made is missing from the catalogue; it never spoils an invocation."""
    try:
        work()
    except (OSError, ValueError, CannotStart):
        return


@dataclass(frozen=True, kw_only=True)
class _Showing:
    """One row with a finished video."""

    folder: ResultsFolder
    row: PlannedRow
    clip: Clip
    soft: bool

    @property
    def text(self) -> str | None:
        """What it says; None where nobody wrote it down."""
        row = self.row.row
        return row.text if row is not None and row.text and row.text.strip() else None

    @property
    def video(self) -> Path:
        return Path(self.folder.path(self.clip.uri))

    def names(self) -> Published:
        """Where everything lies, once it is there."""
        key = self.row.clip_key
        shown = Published(poster_uri=f"{POSTERS}/{key}.jpg")
        if self.text is None:
            return shown
        made_of = "\n".join([VERSION, self.row.locale or "", self.text])
        digest = hashlib.sha256(made_of.encode("utf-8", "replace")).hexdigest()[:DIGITS]
        stem = f"{CAPTIONS}/{key}.{digest}"
        can_hold = self.soft and self.video.suffix in SUBTITLED
        return replace(
            shown,
            captions_srt_uri=f"{stem}.srt",
            captions_vtt_uri=f"{stem}.vtt",
            captioned_uri=f"{stem}{self.video.suffix}" if can_hold else None,
        )

    def published(self, there: Collection[str]) -> Published:
        """What is there."""
        named = self.names()
        found = {name: uri for name, uri in vars(named).items() if uri in there}
        return Published(**found)

    def works(self, there: Collection[str]) -> dict[tuple[str, ...], Callable[[], None]]:
        """What is to be made, by the names of the files."""
        named = self.names()
        captions = (named.captions_srt_uri, named.captions_vtt_uri, named.captioned_uri)
        missing = tuple(name for name in captions if name is not None and name not in there)
        works: dict[tuple[str, ...], Callable[[], None]] = {}
        if named.poster_uri is not None and named.poster_uri not in there:
            works[named.poster_uri,] = partial(self._make_poster, named.poster_uri)
        if missing:
            works[missing] = partial(self._make_captions, missing)
        return works

    def _make_poster(self, name: str) -> None:
        content = poster(self.video)
        self.folder.replace(name, lambda file: _write(file, content))

    def _make_captions(self, names: tuple[str, ...]) -> None:
        captions = self._captions()
        for name in names:
            self.folder.replace(name, self._writer(name, captions))

    def _writer(self, name: str, captions: Captions) -> Callable[[IO[bytes]], None]:
        match Path(name).suffix:
            case ".srt":
                return partial(_write, content=as_srt(captions).encode())
            case ".vtt":
                return partial(_write, content=as_webvtt(captions).encode())
            case _:
                language = langcodes.get(self.row.locale or "und").to_alpha3()
                return lambda file: write_subtitled(self.video, captions, language, file)

    def _captions(self) -> Captions:
        words = self._words()
        seconds = self.clip.seconds or self.row.seconds
        return caption(
            self.text or "",
            self.row.locale or "und",
            int(seconds * 1000),
            words=words,
            spoken=() if words else spoken_in(self.video),
            width=self.clip.width,
            height=self.clip.height,
        )

    def _words(self) -> tuple[Word, ...]:
        """The engine's own times of all parts; nothing where it has not told those of one."""
        found: list[Word] = []
        for part in self.row.parts:
            audio = part.job.audio
            words = words_of(self.folder, audio.source or "", audio.sha256)
            if not words:
                return ()
            late = part.start_seconds
            found += [
                replace(
                    word,
                    start_seconds=word.start_seconds + late,
                    end_seconds=word.end_seconds + late,
                )
                for word in words
            ]
        return tuple(found)


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)
