"""A recipe -> the audio that was kept for it, and how it is kept: once, whole, and for good.

The first file of a recipe is the medium, whatever an engine would say another time; beside it lie
the times of its words. A file that somebody took away is spoken again.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import IO

from omnihuman_blocks.domain.identity import canonical
from omnihuman_blocks.domain.job import Media, MediaKind
from omnihuman_blocks.domain.speech import Before, Recipe, Spoken, Word, difference
from omnihuman_blocks.edges.results_folder import ResultsFolder
from omnihuman_blocks.edges.sound import listen
from omnihuman_blocks.edges.speech.engine import Sound

SPEECH = "speech"
PREFIX = "speech:"
FORMATS = ("wav", "mp3")


def find(folder: ResultsFolder, recipe: Recipe) -> Spoken | None:
    """What was kept of a recipe, as it lies there now."""
    for format_ in FORMATS:
        name = _name(recipe.identity, format_)
        try:
            content = folder.read(name)
            seconds = listen(content).seconds
        except (OSError, ValueError):  # not there, or no longer what it was
            continue
        digest = hashlib.sha256(content).hexdigest()
        media = Media(
            kind=MediaKind.AUDIO,
            uri=_uri(folder, name),
            sha256=digest,
            size=len(content),
            format=format_,
            seconds=seconds,
            source=recipe.identity,
        )
        return Spoken(
            media=media,
            words=words_of(folder, recipe.identity, digest),
            before=_before(folder, recipe),
        )
    return None


def keep(folder: ResultsFolder, recipe: Recipe, sound: Sound) -> Spoken:
    """Keeps a sound, unless somebody else was quicker: then theirs is the medium."""
    name = _name(recipe.identity, sound.format)
    words = {
        "recipe": recipe.identity,
        "sha256": hashlib.sha256(sound.content).hexdigest(),
        "text": recipe.text,
        "words": [[w.text, str(w.start_seconds), str(w.end_seconds)] for w in sound.words],
    }
    written = json.dumps(words, ensure_ascii=False, indent=1).encode()
    # The words first: where the audio lies, its words lie too.
    folder.replace(_name(recipe.identity, "json"), lambda file: _write(file, written))
    with suppress(FileExistsError):
        folder.create(name, lambda file: _write(file, sound.content))
    _note(folder, recipe)
    kept = find(folder, recipe)
    if kept is None:  # what lies there cannot be heard: ours takes its place
        folder.replace(name, lambda file: _write(file, sound.content))
        kept = find(folder, recipe)
    assert kept is not None, name  # noqa: S101 - it was written a moment ago
    return kept


def words_of(folder: ResultsFolder, identity: str, digest: str) -> tuple[Word, ...]:
    """The times of the words of a recipe, where they are those of this very file."""
    if not identity.startswith(PREFIX):
        return ()
    try:
        read = json.loads(folder.read(_name(identity, "json")))
        if read["sha256"] != digest:
            return ()
        return tuple(
            Word(text=text, start_seconds=Decimal(start), end_seconds=Decimal(end))
            for text, start, end in read["words"]
        )
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError):
        return ()


def _before(folder: ResultsFolder, recipe: Recipe) -> tuple[Before, ...]:
    """The other ways in which a text was spoken here, the latest first."""
    others = [one for one in _noted(folder, recipe) if one.identity != recipe.identity]
    return tuple(
        Before(identity=one.identity, difference=difference(one, recipe)) for one in others[::-1]
    )


def _note(folder: ResultsFolder, recipe: Recipe) -> None:
    """Beside the others of the same text. Two that note at once may lose one: only a hint is."""
    noted = _noted(folder, recipe)
    if recipe in noted:
        return
    lines = [
        {
            "voice": one.voice,
            "engine": one.engine,
            "speed": str(one.speed),
            "lexicon": [list(entry) for entry in one.lexicon],
        }
        for one in (*noted, recipe)
    ]
    written = json.dumps(lines, ensure_ascii=False, indent=1).encode()
    folder.replace(_noted_name(recipe), lambda file: _write(file, written))


def _noted(folder: ResultsFolder, recipe: Recipe) -> list[Recipe]:
    try:
        return [
            replace(
                recipe,
                voice=line["voice"],
                engine=line["engine"],
                speed=Decimal(line["speed"]),
                lexicon=tuple((written, said) for written, said in line["lexicon"]),
            )
            for line in json.loads(folder.read(_noted_name(recipe)))
        ]
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError):
        return []


def _noted_name(recipe: Recipe) -> str:
    """One for each text in each locale, however it is spoken."""
    text = hashlib.sha256(canonical([recipe.text, recipe.locale])).hexdigest()
    return f"{SPEECH}/{text[:32]}.ways.json"


def _name(identity: str, suffix: str) -> str:
    return f"{SPEECH}/{identity.removeprefix(PREFIX)[:32]}.{suffix}"


def _uri(folder: ResultsFolder, name: str) -> str:
    """Where others find the file: a path of this machine, or an address in object storage."""
    return folder.path(name) if folder.is_local else posixpath.join(folder.address, name)


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)
