"""How words are said that a voice would say wrongly: a table per locale, and a text with it.

Entries are found as whole words, the longest first, from the left; only those that a text uses
enter its recipe, so that a new entry changes the texts that use it and no others.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from omnihuman_blocks.domain.identity import canonical
from omnihuman_blocks.domain.locales import fallbacks
from omnihuman_blocks.domain.writing import has_no_spaces, script_of

Entries = tuple[tuple[str, str], ...]
"""What is written, and how it is said."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a lexicon. `*` as locale stands for every locale."""

    locale: str
    written: str
    said: str


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A stretch of what is said, and the stretch of the text that it stands for."""

    said: slice
    written: slice
    is_entry: bool


@dataclass(frozen=True, kw_only=True)
class Said:
    """A text as an engine is given it, and where everything in it comes from."""

    text: str
    pieces: tuple[Piece, ...] = ()

    def written(self, start: int, end: int) -> tuple[int, int]:
        """The stretch of the written text that a stretch of the said one stands for."""
        first, last = self._piece(start), self._piece(max(start, end - 1))
        return _back(first, start, 0), _back(last, end, 1)

    def _piece(self, at: int) -> Piece:
        return next((piece for piece in self.pieces if at < piece.said.stop), self.pieces[-1])


def _back(piece: Piece, at: int, edge: int) -> int:
    """A place in the said text as a place in the written one; an entry is never cut in two."""
    if piece.is_entry:
        return int((piece.written.start, piece.written.stop)[edge])
    return min(int(at - piece.said.start + piece.written.start), int(piece.written.stop))


@dataclass(frozen=True)
class Lexicon:
    """All entries, in the order of their table."""

    entries: tuple[Entry, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Another one as soon as an entry is."""
        lines = sorted([entry.locale, entry.written, entry.said] for entry in self.entries)
        return hashlib.sha256(canonical([list(line) for line in lines])).hexdigest()

    def used(self, text: str, locale: str) -> Entries:
        """The entries that a text uses; of several for one word that of the nearest locale."""
        known: dict[str, str] = {}
        for wanted in reversed(fallbacks(locale)):
            known |= self._by_locale.get(wanted, {})
        found = {written: known[written] for written, _, _ in _matches(text, known)}
        return tuple(sorted(found.items()))

    @cached_property
    def _by_locale(self) -> dict[str, dict[str, str]]:
        by_locale: dict[str, dict[str, str]] = {}
        for entry in self.entries:
            by_locale.setdefault(entry.locale, {})[entry.written] = entry.said
        return by_locale


NO_LEXICON = Lexicon()


def say(text: str, entries: Entries) -> Said:
    """The text with every entry said as it is to be said."""
    known = dict(entries)
    said: list[str] = []
    pieces: list[Piece] = []
    length = at = 0

    def add(spoken: str, start: int, end: int, *, is_entry: bool) -> None:
        nonlocal length
        pieces.append(
            Piece(
                said=slice(length, length + len(spoken)),
                written=slice(start, end),
                is_entry=is_entry,
            )
        )
        said.append(spoken)
        length += len(spoken)

    for written, start, end in _matches(text, known):
        if at < start:
            add(text[at:start], at, start, is_entry=False)
        add(known[written], start, end, is_entry=True)
        at = end
    add(text[at:], at, len(text), is_entry=False)
    return Said(text="".join(said), pieces=tuple(pieces))


def _matches(text: str, known: Mapping[str, str]) -> Iterator[tuple[str, int, int]]:
    lengths = sorted({len(written) for written in known}, reverse=True)
    at = 0
    while at < len(text):
        end = next((at + n for n in lengths if _is_entry(text, at, at + n, known)), None)
        if end is None:
            at += 1
        else:
            yield text[at:end], at, end
            at = end


def _is_entry(text: str, start: int, end: int, known: Mapping[str, str]) -> bool:
    if end > len(text) or text[start:end] not in known:
        return False
    before = start > 0 and _is_one_word(text[start - 1], text[start])
    after = end < len(text) and _is_one_word(text[end - 1], text[end])
    # A particle that follows a Korean word is written together with it.
    is_particle = after and script_of(text[end]) == script_of(text[end - 1]) == "HANGUL"
    return not before and (not after or is_particle)


def _is_one_word(left: str, right: str) -> bool:
    """Whether no word can end between the two."""
    kinds = unicodedata.category(left)[0], unicodedata.category(right)[0]
    if kinds[1] == "M":  # a vowel or an accent that belongs to the letter before it
        return True
    if kinds[0] not in "LMN" or kinds[1] not in "LN":
        return False
    if "N" in kinds:
        return not (has_no_spaces(left) or has_no_spaces(right))
    return script_of(left) == script_of(right) and not has_no_spaces(left)
