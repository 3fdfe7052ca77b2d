"""Every row belongs to one shard, and every job is walked by one."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from hashlib import sha256

import pytest

from omnihuman_blocks.domain.job import Job, JobKey, Media, MediaKind
from omnihuman_blocks.domain.options import Options
from omnihuman_blocks.domain.planned import Part, PlannedRow
from omnihuman_blocks.domain.sharding import WHOLE, Shard
from omnihuman_blocks.errors import CannotStart

MEDIA = {
    kind: Media(kind=kind, uri="file", sha256="a" * 64, size=1, format="png", seconds=Decimal(1))
    for kind in (MediaKind.IMAGE, MediaKind.AUDIO)
}


def planned(name: str, *jobs: str, first: bool = True) -> PlannedRow:
    """A row of some jobs; without any it is rejected."""
    return PlannedRow(
        place=0,
        row_id=name,
        script_id=name,
        locale="en",
        avatar_id="mira",
        variant=1,
        parts=tuple(part(job, first=first) for job in jobs),
    )


def part(name: str, *, first: bool) -> Part:
    job = Job(
        key=JobKey(sha256(name.encode()).hexdigest()),
        provider="fal",
        model="omnihuman/v1.5",
        image=MEDIA[MediaKind.IMAGE],
        audio=MEDIA[MediaKind.AUDIO],
        options=Options(),
    )
    return Part(
        job=job,
        start_seconds=Decimal(0),
        seconds=Decimal(1),
        price=None,
        is_first=first,
    )


@pytest.mark.parametrize("text", ["2/4", " 2 / 4 ", "02/4"])
def test_it_is_read_as_it_is_written(text: str) -> None:
    assert Shard.parse(text) == Shard(2, 4)
    assert str(Shard.parse(text)) == "2/4"


@pytest.mark.parametrize("text", ["", "2", "0/4", "5/4", "-1/4", "1/10001", "1/4/4", "a/b", "²/4"])
def test_what_is_no_shard_is_told(text: str) -> None:
    with pytest.raises(CannotStart, match="write which of how many"):
        Shard.parse(text)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_every_row_belongs_to_exactly_one(count: int) -> None:
    """A rejected one, too, and each has about as many as the others."""
    rows = [
        planned(f"row {number}", *([f"job {number}"] if number % 9 else []))
        for number in range(2100)
    ]
    shards = [Shard(number, count) for number in range(1, count + 1)]
    owners = Counter(row.row_id for shard in shards for row in shard.rows(rows))
    assert owners == Counter(row.row_id for row in rows)
    sizes = [len(list(shard.rows(rows))) for shard in shards]
    assert min(sizes) > 0.7 * max(sizes)


def test_one_of_one_is_everything() -> None:
    rows = [planned(f"row {number}", f"job {number}") for number in range(20)]
    assert list(WHOLE.rows(rows)) == rows


def test_where_a_row_belongs_does_not_change() -> None:
    """Processes of different versions of this package may work beside each other."""
    rows = [planned(f"row {number}", f"job {number}") for number in range(12)]
    owners = [next(n for n in (1, 2, 3) if Shard(n, 3).has(row)) for row in rows]
    assert owners == [1, 1, 2, 1, 3, 1, 2, 1, 2, 3, 1, 2]


def test_a_shared_part_is_walked_by_one_shard_and_a_row_by_as_many_as_have_its_parts() -> None:
    """Two long scripts begin with the same recording: the first of them carries it."""
    rows = [planned("one", "intro", "body 1")]
    rows += [
        PlannedRow(
            place=1,
            row_id="two",
            script_id="two",
            locale="en",
            avatar_id="mira",
            variant=1,
            parts=(part("intro", first=False), part(f"body {number}", first=True)),
        )
        for number in range(2, 12)
    ]
    walked = Counter(one.job.key for number in (1, 2, 3) for one in Shard(number, 3).parts(rows))
    assert walked == Counter({one.job.key for row in rows for one in row.parts})
