"""`2/4`: the second of four processes that make one catalogue between them.

A row belongs to the shard that the hash of its clip key names, so that everybody who has the same
plan comes to the same division and nobody has to be asked. A job that several rows carry (a part
that two long scripts share) is walked by the shard of the first of them; were two to walk it, the
ledger would still sell it once, and one of them would only wait for the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from omnihuman_blocks.domain.planned import Part, PlannedRow
from omnihuman_blocks.errors import CannotStart

MOST_SHARDS = 10_000
_WRITTEN = re.compile(r"\s*([0-9]{1,5})\s*/\s*([0-9]{1,5})\s*", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """One of several, counted from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """As it is written on a command line."""
        found = _WRITTEN.fullmatch(text)
        number, count = (int(found[1]), int(found[2])) if found else (0, 0)
        if not 1 <= number <= count <= MOST_SHARDS:
            raise CannotStart(
                f"--shard {text}: write which of how many, such as 1/4, 2/4, 3/4 and 4/4 for four "
                "processes."
            )
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def has(self, row: PlannedRow) -> bool:
        """Whether a row belongs to it. A rejected row has no clip, and goes by its own name."""
        digest = sha256((row.clip_key or row.row_id).encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.number - 1

    def rows(self, rows: Iterable[PlannedRow]) -> Iterator[PlannedRow]:
        """Its own, of the rows of a whole plan."""
        return (row for row in rows if self.has(row))

    def parts(self, rows: Iterable[PlannedRow]) -> Iterator[Part]:
        """Those that it walks: each job of a plan is the first of its kind in exactly one row."""
        return (part for row in self.rows(rows) for part in row.parts if part.is_first)


WHOLE = Shard(1, 1)
"""Who is not one of several."""
