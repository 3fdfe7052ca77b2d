"""`omnihuman.json`: what a results folder was made from, so that later commands need only it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.errors import CannotStart

NOTE_FILE = "omnihuman.json"
FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Note:
    """Addresses without credentials, and what was asked for."""

    scripts: str | None
    """None where a DataFrame was handed over."""
    avatars: str | None
    provider: str
    options: Mapping[str, str] = field(default_factory=dict)
    checks: Mapping[str, str] = field(default_factory=dict)
    soft_captions: bool = False
    no_split: bool = False
    ledger: str | None = None
    """Where it is not the file beside the results."""
    media_store: str | None = None
    media_store_public: str | None = None
    webhook_url: str | None = None
    speech: str | None = None
    voices: str | None = None
    lexicon: str | None = None
    """How text is spoken, as the command line said it."""


def write_note(folder: ResultsFolder, note: Note) -> None:
    """Replaces the note."""
    written = {"format": FORMAT, **asdict(note)}
    for name in ("scripts", "avatars", "ledger", "speech", "voices", "lexicon"):
        if written[name] is not None:
            written[name] = without_credentials(written[name])
    text = json.dumps(written, indent=2, ensure_ascii=False) + "\n"
    folder.replace(NOTE_FILE, lambda file: _write(file, text))


def read_note(folder: ResultsFolder) -> Note:
    """The note of a results folder, or `CannotStart`."""
    if not folder.has(NOTE_FILE):
        raise CannotStart(
            f"{without_credentials(folder.address)} is no results folder: it has no {NOTE_FILE}. "
            "Run `omnihuman generate` with `--results` first."
        )
    try:
        read: dict[str, Any] = json.loads(folder.read(NOTE_FILE))
        version = read.pop("format")
        if version != FORMAT:
            raise CannotStart(
                f"{folder.path(NOTE_FILE)} has format {version}; this program knows {FORMAT}. "
                "Upgrade it: pip install --upgrade prefect-omnihuman"
            )
        return Note(**read)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CannotStart(
            f"{folder.path(NOTE_FILE)} cannot be understood: {error}. Run `omnihuman generate` "
            "with the tables and this folder again; nothing is bought twice."
        ) from error


def _write(file: Any, text: str) -> None:
    file.write(text.encode())
