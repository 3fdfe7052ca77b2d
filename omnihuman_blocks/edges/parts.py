"""A recording that is too long -> its stretches as files in the results folder, cut once.

Where it was cut is remembered by its content: decoders of other versions may hear a pause
elsewhere, and a cut that moves would buy the stretches on both sides of it again.
"""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import IO, Any, cast

import av
import pyarrow.fs

from omnihuman_blocks.domain.cutting import VERSION, cut, cut_identity
from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.wire import Record
from omnihuman_blocks.edges.ledger import Ledger
from omnihuman_blocks.edges.pauses import find_places, stretches
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import InvalidRow

PARTS = "parts"
NAME_DIGITS = 40


def kept_parts(
    folder: ResultsFolder, ledger: Ledger, recording: Media, longest_ms: int
) -> tuple[Media, ...] | None:
    """The stretches, where they have been cut before and lie there still."""
    facts = ledger.recall(_address(recording, longest_ms), VERSION)
    if facts is None:
        return None
    identities = _identities(recording, _cuts(facts))
    kept = cast("list[dict[str, Any]]", facts["parts"])
    infos = folder.files.get_file_info([folder.path(_name(one)) for one in identities])
    if any(
        info.type != pyarrow.fs.FileType.File or info.size != part["size"]
        for info, part in zip(infos, kept, strict=True)
    ):
        return None
    return tuple(
        _media(folder, identity, part["sha256"], part["size"], Decimal(part["seconds"]))
        for identity, part in zip(identities, kept, strict=True)
    )


def cut_parts(
    folder: ResultsFolder, ledger: Ledger, recording: Media, content: bytes, longest_ms: int
) -> tuple[Media, ...]:
    """Cuts it, where it was cut before if that is known. Decodes: call it in a pool."""
    facts = ledger.recall(_address(recording, longest_ms), VERSION)
    try:
        cuts = _cuts(facts) if facts is not None else _choose(content, longest_ms)
        made = []
        identities = _identities(recording, cuts)
        for identity, stretch in zip(identities, stretches(content, cuts), strict=True):
            wave = stretch.content
            folder.replace(_name(identity), partial(_write, content=wave))
            digest = hashlib.sha256(wave).hexdigest()
            made.append(_media(folder, identity, digest, len(wave), stretch.seconds))
    except (av.FFmpegError, ValueError) as error:
        raise InvalidRow(
            f"`audio_uri` cannot be cut into parts: {error}. Save it as WAV or MP3 again.",
            "audio_uri",
        ) from error
    kept: Record = {
        "cuts": list(cuts),
        "parts": [
            {"sha256": one.sha256, "size": one.size, "seconds": str(one.seconds)} for one in made
        ],
    }
    ledger.remember(_address(recording, longest_ms), VERSION, kept)
    return tuple(made)


def _choose(content: bytes, longest_ms: int) -> list[int]:
    length, places = find_places(content)
    return [places[position].at for position in cut(length, places, longest_ms)]


def _cuts(facts: Record) -> list[int]:
    return [int(str(at)) for at in cast("list[object]", facts["cuts"])]


def _identities(recording: Media, cuts: Sequence[int]) -> list[str]:
    bounds = [0, *cuts, None]
    return [cut_identity(recording.identity, start or 0, end) for start, end in pairwise(bounds)]


def _media(folder: ResultsFolder, identity: str, sha256: str, size: int, seconds: Decimal) -> Media:
    name = _name(identity)
    uri = folder.path(name) if folder.is_local else posixpath.join(folder.address, name)
    return Media(
        kind=MediaKind.AUDIO,
        uri=uri,
        sha256=sha256,
        size=size,
        format="wav",
        seconds=seconds,
        source=identity,
    )


def _name(identity: str) -> str:
    return f"{PARTS}/{identity.partition(':')[2][:NAME_DIGITS]}.wav"


def _address(recording: Media, longest_ms: int) -> str:
    return f"cuts {longest_ms} {recording.identity}"


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)
