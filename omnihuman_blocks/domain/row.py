"""One line of work: a script spoken by an avatar, as the tables say it, or why it is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

SCRIPTS = "scripts"
AVATARS = "avatars"
OPTIONS = "options"
"""Where a cell or a wish stands: one of the two tables, or `--option` of the invocation."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A script met its avatar. Addresses and wishes are as written; nothing is examined yet."""

    script_id: str
    locale: str
    avatar_id: str
    variant: int = 1
    image_uri: str | None = None
    mask_uri: str | None = None
    audio_uri: str | None = None
    text: str | None = None
    voice: str | None = None
    provider: str
    wishes: Mapping[str, object] = field(default_factory=dict)
    """Options by name, the script's over the avatar's over the invocation's."""
    wished_in: Mapping[str, str] = field(default_factory=dict)
    """Which table a wish, the provider or the voice comes from; the invocation's are not named."""
    place: int = 0
    """Which line of the catalogue it is, counted from 0."""
    script_row: int = 0
    """Its line in table scripts, counted from 1 without the header."""
    avatar_row: int = 0

    @property
    def identity(self) -> tuple[str, str, str, int]:
        """What makes it this row and no other."""
        return (self.script_id, self.locale, self.avatar_id, self.variant)


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """One reason why a line of a table cannot become a job, and what mends it."""

    table: str
    number: int | None
    """The line in that table, counted from 1 without the header."""
    column: str | None
    reason: str
    remedy: str
    script_id: str | None = None
    locale: str | None = None
    avatar_id: str | None = None
    variant: int | None = None

    @property
    def message(self) -> str:
        """Reason and remedy, for a catalogue's cell."""
        return f"{self.reason} {self.remedy}".strip()

    @property
    def where(self) -> str:
        """The cell, for people."""
        line = self.table if self.number is None else f"{self.table} row {self.number}"
        return line if self.column is None else f"{line}, column `{self.column}`"


@dataclass(frozen=True, kw_only=True)
class RejectedRow:
    """A line of the tables that did not get as far as being a row."""

    place: int
    rejections: tuple[Rejection, ...]
    script_id: str | None = None
    locale: str | None = None
    avatar_id: str | None = None
    variant: int | None = None
    """Known where the row has an identity of its own; a second row of one identity has none."""


Entry: TypeAlias = Row | RejectedRow
"""What the tables hold: one for each line of the catalogue, in its order."""
