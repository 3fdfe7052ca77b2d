"""A purchase whose answer was lost, as a person needs it: when, how much, what to look for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from omnihuman_blocks.domain.job import JobKey
from omnihuman_blocks.domain.planned import PlannedRow
from omnihuman_blocks.edges.ledger import Doubt
from omnihuman_blocks.providers import room

LONGEST_ADDRESS = 100


def doubt_lines(
    doubts: Sequence[Doubt], results: str, names: Mapping[JobKey, str] | None = None
) -> Iterator[str]:
    """Each doubt by itself, then what to check at each vendor once, and how to settle them."""
    for doubt in doubts:
        yield from _one(doubt, (names or {}).get(doubt.key))
    for provider in dict.fromkeys(doubt.provider for doubt in doubts):
        vendor = room(provider)
        yield f"  What to check at {vendor.TITLE}: {vendor.LOST_ANSWER.remedy}"
    if doubts:
        key = doubts[0].key[:12]
        yield f"  It was bought:      omnihuman reconcile {results} --job {key} --ticket ID"
        yield f"  It was not bought:  omnihuman reconcile {results} --job {key} --not-bought"


def _one(doubt: Doubt, name: str | None) -> Iterator[str]:
    bound = (
        "at an unknown price" if doubt.upper_bound is None else f"up to ${doubt.upper_bound:.2f}"
    )
    sent = f"{doubt.intended_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  in doubt: {doubt.key[:12]} at {room(doubt.provider).TITLE}, sent {sent}, {bound}"
    if name is not None:
        yield f"    row    {name}"
    for word, address in (("image", doubt.image), ("audio", doubt.audio)):
        if address:
            yield f"    {word}  {address[:LONGEST_ADDRESS]}"
    yield f"    why    {doubt.said or 'Its process died before it heard the answer.'}"


def names_of(rows: Sequence[PlannedRow]) -> dict[JobKey, str]:
    """The first row that shows a job, and how many more do."""
    found: dict[JobKey, list[str]] = {}
    for row in rows:
        for part in row.parts:
            name = f"{row.script_id} {row.locale} {row.avatar_id}"
            found.setdefault(part.job.key, []).append(name)
    return {
        key: names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        for key, names in found.items()
    }
