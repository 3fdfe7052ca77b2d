"""Files that say how text is spoken: voices (JSON) and a lexicon (CSV or Parquet)."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from omnihuman_blocks.domain.addresses import without_credentials
from omnihuman_blocks.domain.lexicon import Entry, Lexicon
from omnihuman_blocks.domain.locales import canonical_range
from omnihuman_blocks.domain.voices import Voices, read_voices
from omnihuman_blocks.edges.places import Unusable, find, locate
from omnihuman_blocks.edges.sources import Source, read_source
from omnihuman_blocks.errors import CannotStart, InvalidRow, Transient

COLUMNS = ("locale", "written", "said")


def read_voices_file(address: str) -> Voices:
    """A voices file; `CannotStart` says what is wrong with it."""
    where = f"The voices file {without_credentials(address)}"
    try:
        value = json.loads(find(locate(address, ".")).read())
    except (Unusable, Transient) as error:
        raise CannotStart(f"{where} {error}.") from error
    except ValueError as error:
        raise CannotStart(f"{where} is no JSON: {error}") from error
    try:
        return read_voices(value)
    except ValueError as error:
        raise CannotStart(f"{where} cannot be understood: {error}.") from error


def read_lexicon(address: str) -> Lexicon:
    """A table with the columns `locale`, `written` and `said`."""
    source = read_source("lexicon", address)
    for column in COLUMNS:
        if column not in source.table.column_names:
            raise CannotStart(f"{source.title} has no column `{column}`. Add it.")
    if source.broken:
        number = source.broken[0].number
        raise CannotStart(f"{source.title}: row {number} cannot be read. Mend that line.")
    lines = source.table.select(COLUMNS).to_pylist()
    numbered = zip(source.numbers.tolist(), lines, strict=True)
    return Lexicon(tuple(_entry(source, number, line) for number, line in numbered))


def _entry(source: Source, number: int, line: dict[str, Any]) -> Entry:
    cells = {}
    for column in COLUMNS:
        cell = unicodedata.normalize("NFC", str(line[column] or "")).strip()
        if not cell:
            raise CannotStart(
                f"{source.title}: row {number}, column `{column}` is empty. "
                "Write how the word is written and how it is said, or remove the row."
            )
        cells[column] = cell
    try:
        return Entry(**cells | {"locale": canonical_range(cells["locale"])})
    except InvalidRow as error:
        raise CannotStart(
            f"{source.title}: row {number}, column `locale`: {cells['locale']!r} is no language "
            "tag. Write one such as pt-BR, or * for every locale."
        ) from error
